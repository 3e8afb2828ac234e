"""Draw rnnkit's times relative to those of other libraries, the picture of README.md.

    python benchmarks/ratios.py                                # from the figures in ratios.json
    python benchmarks/ratios.py --measure                      # measure all of them again first
    python benchmarks/ratios.py --measure 'gru small' startup  # or some of them

One dot is one workload, or one library's start. Sizes of workloads are in `workloads.py`.
"""

import argparse
import datetime
import json
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import llvmlite.binding as llvm
import measure
import report
import startup
from pictures import COLORS
from workloads import WORKLOADS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STORED, PICTURE = (
    measure.HERE / 'ratios.json',
    measure.HERE.parent / 'docs' / 'images' / 'ratios.png',
)
PEERS = {'torch': 'PyTorch', 'jax': 'JAX', 'keras': 'Keras (JAX)', 'onnxruntime': 'onnxruntime'}
NAMES = [f'{cell} {size}' for size in ('small', 'medium', 'stepper') for cell in ('lstm', 'gru')]
ROUNDS, SECONDS = 3, 0.3
TICKS = {0.02: '1/50', 0.05: '1/20', 0.1: '1/10', 0.2: '1/5', 0.5: '1/2', 1: '1', 2: '2'}
WIDTHS = {'avx512f': 'AVX-512', 'avx2': 'AVX2', 'neon': 'NEON'}  # widest first
START = 'From the start of a process to its first trained batch'
TITLE = 'LSTM and GRU on a CPU: rnnkit beside other libraries'
INK, GREY = '#1d2733', '#5b6673'


@dataclass(frozen=True)
class Dot:
    """A ratio, and how it is marked."""

    ratio: float
    marker: str
    size: float
    filled: bool


# The marks of the legend: what they say, marker, size, whether filled.
MARKS = {
    'lstm small': ('LSTM small', 'o', 5.5, True),
    'gru small': ('GRU small', 'o', 5.5, False),
    'lstm medium': ('LSTM medium', 'o', 9.5, True),
    'gru medium': ('GRU medium', 'o', 9.5, False),
    'lstm stepper': ('LSTM, one step', 's', 7, True),
    'gru stepper': ('GRU, one step', 's', 7, False),
    'warm': ('a later start', 'D', 6.5, True),
    'all cold': ('the very first start', 'D', 6.5, False),
}


def measured(names: list[str], stored: dict) -> dict:
    """Return the stored figures with some of them measured again."""
    peers = measure.installed(list(PEERS))
    for name in names:
        if name == 'startup':
            stored['startup'] = startup.figures(peers, rounds=2)
            continue
        figures = measure.measure(WORKLOADS[name], peers, SECONDS, ROUNDS)
        print(name, json.dumps(figures), file=sys.stderr, flush=True)
        stored.setdefault('workloads', {})[name] = {
            contender: {what: times[what] for what in report.WHATS if what in times}
            for contender, times in figures.items()
        }
    packages = ('pytensor', 'numba', *peers)
    return stored | {
        'processor': processor(),
        'cores': measure.CORES,
        'date': datetime.date.today().isoformat(),
        'versions': {name: report.version(name) for name in packages},
    }


def processor() -> str:
    """Return what the processor is, such as 'AMD EPYC (Zen 4, AVX-512)'."""
    lines = Path('/proc/cpuinfo').read_text().splitlines() if sys.platform == 'linux' else []
    model = next((line for line in lines if line.startswith('model name')), platform.machine())
    kind = re.sub(r'^znver(\d)$', r'Zen \1', llvm.get_host_cpu_name())
    has = llvm.get_host_cpu_features()
    width = next((text for name, text in WIDTHS.items() if has.get(name)), 'no AVX2')
    return f'{model.rpartition(":")[2].strip()} ({kind}, {width})'


def subtitle(stored: dict) -> str:
    """Return the line that says where and when this was measured."""
    day = datetime.date.fromisoformat(stored['date'])
    versions = ', '.join(
        f'{PEERS[name].partition(" ")[0]} {stored["versions"][name].partition("+")[0]}'
        for name in PEERS
        if name in stored['versions']
    )
    where = f'{stored["processor"]}, {stored["cores"]} cores'
    return f'{where}, {day.day} {day:%B %Y}; float32\n{versions}'


def rows(stored: dict) -> dict[str, list[tuple[str, list[Dot]]]]:
    """Return the rows of each group: a peer, and its dots."""
    workloads, start = stored['workloads'], stored['startup']
    groups: dict[str, list[tuple[str, list[Dot]]]] = {}
    for what, title in (
        ('train', 'Training update'),
        ('predict', 'Prediction'),
        ('step', 'One streamed time step'),
    ):
        for peer in PEERS:
            dots = [
                Dot(ratio, *MARKS[name][1:])
                for name in workloads
                if (ratio := report.ratio(workloads[name], what, peer))
            ]
            if dots:
                groups.setdefault(title, []).append((peer, dots))
    for peer in PEERS:
        if f'first batch, {peer}' not in start:
            continue
        import_ratio = start['import rnnkit'] / start[f'import {peer}']
        groups.setdefault('Import', []).append((peer, [Dot(import_ratio, *MARKS['warm'][1:])]))
        dots = []
        for kind in ('warm', 'all cold'):
            ratio = start[f'first batch, rnnkit, {kind}'] / start[f'first batch, {peer}']
            dots.append(Dot(ratio, *MARKS[kind][1:]))
        groups.setdefault(START, []).append((peer, dots))
    return groups


def draw(stored: dict, path: object) -> None:
    """Draw all groups below each other."""
    from matplotlib.figure import Figure

    groups = rows(stored)
    height = 0.237 * sum(1.2 + len(group) for group in groups.values()) + 2.05  # inches
    figure = Figure(figsize=(7, height), facecolor='white')
    axes = figure.add_axes((0.185, 1.12 / height, 0.65, 1 - 2.1 / height))
    y = 0.0
    for title, group in groups.items():
        heading = dict(fontsize=11, fontweight='bold', color=INK, va='center')
        heading['bbox'] = dict(fc='white', ec='none', pad=1.5)  # over the lines of the grid
        axes.text(-0.27, y, title, transform=axes.get_yaxis_transform(), **heading)
        for peer, dots in group:
            y += 1
            draw_row(axes, y, peer, dots)
        y += 1.2
    frame(axes, y)
    head = dict(fontsize=14, fontweight='bold', color=INK, va='center')
    figure.text(0.02, 1 - 0.22 / height, TITLE, **head)
    figure.text(0.02, 1 - 0.42 / height, subtitle(stored), fontsize=9, color=GREY, va='top')
    legend(figure)
    figure.savefig(path, dpi=200)


def draw_row(axes: 'Axes', y: float, peer: str, dots: list[Dot]) -> None:
    """Draw the dots of one peer, its name, and how many times as fast rnnkit is."""
    color, low, high = COLORS[peer], min(d.ratio for d in dots), max(d.ratio for d in dots)
    bar = dict(color=color, lw=5, alpha=0.17, solid_capstyle='butt')
    axes.plot([min(low, 1), max(high, 1)], [y, y], **bar)
    for dot in dots:
        inside = color if dot.filled else 'white'
        axes.plot(dot.ratio, y, dot.marker, ms=dot.size, mec=color, mew=1.8, mfc=inside)
    beside = dict(transform=axes.get_yaxis_transform(), va='center', fontsize=10.5)
    axes.text(-0.02, y, PEERS[peer], ha='right', color=color, **beside)
    text = ' – '.join(dict.fromkeys(f'{1 / ratio:.2g}' for ratio in (high, low)))
    axes.text(1.03, y, f'{text} ×', color=INK, **beside)


def frame(axes: 'Axes', below: float) -> None:
    """Draw the axis of ratios, and the line of libraries that are as fast."""
    from matplotlib.ticker import NullLocator

    axes.set(xscale='log', xlim=(0.02, 2.1), ylim=(below - 0.4, -1.3))
    axes.axvspan(1, 2.1, color='#f3e6e6', lw=0, zorder=0)
    axes.axvline(1, color=INK, lw=1.4)
    axes.set_xticks(list(TICKS), list(TICKS.values()), fontsize=10.5)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks([])
    axes.grid(axis='x', color='0.88', lw=0.8)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right', 'left', 'bottom']].set_visible(False)
    axes.tick_params(length=0, colors=INK)
    label = "rnnkit's time / the other library's (1: equally fast)"
    axes.set_xlabel(label, fontsize=10.5, color=INK)
    small = dict(fontsize=9.5, color=GREY, va='center')
    axes.text(0.93, -0.75, 'rnnkit is faster', ha='right', **small)
    axes.text(1.08, -0.75, 'slower', ha='left', **small)
    axes.text(1.03, -0.75, 'times\nas fast', transform=axes.get_yaxis_transform(), **small)


def legend(figure: 'Figure') -> None:
    """Say what the marks are, below everything."""
    from matplotlib.lines import Line2D

    handles = []
    for label, marker, size, filled in MARKS.values():
        look = dict(marker=marker, ms=size, mec=GREY, mew=1.6, mfc=GREY if filled else 'white')
        handles.append(Line2D([], [], ls='none', label=label, **look))
    place = dict(loc='lower center', ncols=4, columnspacing=1.2, handletextpad=0.3)
    figure.legend(handles=handles, frameon=False, fontsize=9, labelcolor=INK, **place)


def main() -> None:
    """Measure, if asked to, and draw."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--measure', nargs='*', choices=[*NAMES, 'startup'], metavar='NAME')
    options = parser.parse_args()
    stored = json.loads(STORED.read_text()) if STORED.exists() else {}
    if options.measure is not None:
        stored = measured(options.measure or [*NAMES, 'startup'], stored)
        STORED.write_text(json.dumps(stored, indent=1) + '\n')
    draw(stored, PICTURE)


if __name__ == '__main__':
    main()
