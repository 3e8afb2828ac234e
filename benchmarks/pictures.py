"""Pictures of results. matplotlib is imported only when one is drawn."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from measure import CONTENDERS
from workloads import SIZES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    'torch': '#d95f02',
    'jax': '#1b6fb5',
    'onnxruntime': '#b8860b',
    'keras': '#7b3fa0',
    'naive': '#7a7a7a',
    'pytensor-ml': '#2a9d5c',
    'plain': '#222222',
    'rnnkit': '#c2185b',
}
LABELS = {
    'torch': 'PyTorch',
    'jax': 'JAX',
    'keras': 'Keras on JAX',
    'naive': 'pytensor.scan',
    'plain': 'plain rnnkit',
}
MARKERS = dict(zip(COLORS, 'osXD^vPo', strict=True))
TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
PANELS = {'train': 'training update', 'predict': 'prediction, or one streamed time step'}
LETTERS = {'T': 'T, time steps', 'B': 'B, batch size'}


def draw(results: dict, path: Path) -> None:
    """Draw the ratios as dots: a row for each workload; rnnkit is faster left of the line."""
    from matplotlib.figure import Figure

    names = list(results)
    figure = Figure(figsize=(9, 0.27 * len(names) + 1.8), layout='constrained')
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (what, title) in zip(panels, PANELS.items(), strict=True):
        for peer in CONTENDERS:
            dots = ratios_of(results, what, peer)
            if dots:
                axes.plot(
                    *zip(*dots, strict=True),
                    MARKERS[peer],
                    color=COLORS[peer],
                    ms=5.5,
                    alpha=0.9,
                    label=LABELS.get(peer, peer),
                    ls='none',
                )
        frame(axes, names)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel('time of rnnkit / time of peer', fontsize=9)
    legends = [axes.get_legend_handles_labels() for axes in panels]
    handles = {label: handle for pair in legends for handle, label in zip(*pair, strict=True)}
    figure.legend(
        handles.values(),
        handles.keys(),
        loc='outside upper center',
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
    figure.savefig(path, dpi=100)


def ratios_of(results: dict, what: str, peer: str) -> list[tuple[float, int]]:
    """Return the ratios to a peer, each with the number of its row."""
    dots = []
    for row, figures in enumerate(results.values()):
        kind = 'step' if what == 'predict' and 'step' in figures['rnnkit'] else what
        if peer in figures and kind in figures[peer]:
            dots.append((figures['rnnkit'][kind] / figures[peer][kind], row))
    return dots


def frame(axes: 'Axes', names: list[str]) -> None:
    """Draw the rows, their groups, and the line at 1."""
    from matplotlib.ticker import NullLocator

    low, high = axes.dataLim.intervalx
    low, high = min(low / 1.3, 0.09), max(high * 1.3, 2.5)
    axes.set(xscale='log', xlim=(low, high), ylim=(len(names) - 0.5, -1.3))
    axes.axvline(1, color='black', lw=1.2)
    axes.axvspan(1, high, color='#f7eaea', lw=0)
    for x, side, text in ((0.96, 'right', 'rnnkit is faster'), (1.06, 'left', 'slower')):
        axes.text(x, -0.75, text, ha=side, va='center', fontsize=8, color='0.35')
    for row, (above, below) in enumerate(pairwise(names)):
        if group(above) != group(below):
            axes.axhline(row + 0.5, color='0.6', lw=0.9)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(ticks, [f'{tick:g}' for tick in ticks], fontsize=9)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color='0.9', lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(length=0)


def group(name: str) -> str:
    """Return the group of a workload: its size, or its kind."""
    if 'custom' in name:
        return 'custom'
    last = name.split()[-1]
    if last in ('stream', 'stepper'):
        return 'stream'
    return last if last in SIZES else 'shape'


def draw_scaling(results: dict[tuple[str, int], dict], path: Path) -> None:
    """Draw milliseconds of an update over T and over B."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout='constrained')
    letters = list(dict.fromkeys(letter for letter, _ in results))
    for axes, letter in zip(figure.subplots(1, len(letters)), letters, strict=True):
        rows = {n: row for (axis, n), row in results.items() if axis == letter}
        for name in next(iter(rows.values())):
            dots = [(n, row[name]['train']) for n, row in rows.items() if name in row]
            axes.loglog(
                *zip(*dots, strict=True), 'o-', color=COLORS[name], label=LABELS.get(name, name)
            )
        axes.set(xlabel=LETTERS[letter], ylabel='ms per update')
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)
