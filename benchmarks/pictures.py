"""Pictures of results. matplotlib is imported when one is wanted."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from measure import CONTENDERS

COLORS = {
    'torch': '#d95f02',
    'jax': '#1b6fb5',
    'keras': '#7b3fa0',
    'naive': '#7a7a7a',
    'pytensor-ml': '#2a9d5c',
    'plain': '#222222',
    'rnnkit': '#c2185b',
}
MARKERS = dict(zip(COLORS, 'osD^vPo', strict=True))
TICKS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
PANELS = {'train': 'training update', 'predict': 'prediction, or one time step streamed'}


def draw(results: dict, path: Path) -> None:
    """Draw the ratios as dots: a row for each workload, left of the line we are faster."""
    from matplotlib.figure import Figure

    names = list(results)
    figure = Figure(figsize=(9, 0.27 * len(names) + 1.5), layout='constrained')
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (what, title) in zip(panels, PANELS.items(), strict=True):
        for peer in CONTENDERS:
            dots = ratios_of(results, what, peer)
            if dots or (what == 'train' and any(peer in found for found in results.values())):
                axes.plot(*zip(*dots, strict=True), MARKERS[peer], color=COLORS[peer], ms=5.5,
                          alpha=0.9, label=peer, ls='none')  # fmt: skip
        frame(axes, names)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel('time of rnnkit / time of peer', fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside upper center', ncols=len(labels), frameon=False,
                  fontsize=9)  # fmt: skip
    figure.savefig(path, dpi=100)


def ratios_of(results: dict, what: str, peer: str) -> list[tuple[float, int]]:
    """Return a peer's ratios, each with the number of its row."""
    dots = []
    for row, found in enumerate(results.values()):
        kind = 'step' if what == 'predict' and 'step' in found['rnnkit'] else what
        if peer in found and kind in found[peer]:
            dots.append((found['rnnkit'][kind] / found[peer][kind], row))
    return dots


def frame(axes: Any, names: list[str]) -> None:
    """Draw what is around the dots: rows, groups, and the line at 1."""
    from matplotlib.ticker import NullLocator

    axes.axvline(1, color='black', lw=1.2)
    axes.axvspan(1, 100, color='#f4e3e3', lw=0)
    for row, (above, below) in enumerate(pairwise(names)):
        if group(above) != group(below):
            axes.axhline(row + 0.5, color='0.75', lw=0.8)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    low, high = axes.dataLim.intervalx
    low, high = min(low / 1.3, 0.09), max(high * 1.3, 1.4)
    axes.set_xscale('log')
    shown = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(shown, [f'{tick:g}' for tick in shown], fontsize=9)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low, high)
    axes.grid(axis='both', color='0.92', lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(length=0)


def group(name: str) -> str:
    """Return what a workload belongs to: its size, or its kind."""
    words = name.split()
    return 'custom' if 'custom' in words else {'medium': 'medium', 'small': 'small',
        'large': 'large', 'stream': 'stream'}.get(words[-1], 'other')  # fmt: skip


def draw_scaling(found: dict[tuple[str, int], dict], path: Path) -> None:
    """Draw milliseconds of an update over T and over B."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout='constrained')
    letters = list(dict.fromkeys(letter for letter, _ in found))
    for axes, letter in zip(figure.subplots(1, len(letters)), letters, strict=True):
        rows = {n: one for (known, n), one in found.items() if known == letter}
        for name in next(iter(rows.values())):
            dots = [(n, one[name]['train']) for n, one in rows.items() if name in one]
            axes.loglog(*zip(*dots, strict=True), 'o-', color=COLORS[name], label=name)
        axes.set(xlabel=letter, ylabel='ms for an update')
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)
