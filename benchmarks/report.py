"""Tables of results, and files for them."""

import os
import platform
from importlib import metadata
from pathlib import Path

import llvmlite.binding as llvm
from measure import CONTENDERS, CORES
from workloads import WORKLOADS

START, END = '<!-- figures: start -->', '<!-- figures: end -->'
WHATS = {
    'train': 'training update',
    'predict': 'prediction',
    'step': 'one streamed time step',
}


def ratios(
    results: dict,
    what: str,
    title: str,
    unit: str = 'ms',
    digits: int = 3,
    peak: dict[int, float] | None = None,
) -> str:
    """Return a table: rnnkit's figure, its ratios, and its shares of the peak."""
    results = {name: figures for name, figures in results.items() if what in figures['rnnkit']}
    peers = [peer for peer in CONTENDERS if any(what in f.get(peer, {}) for f in results.values())]
    rows = []
    for name, figures in results.items():
        ours = figures['rnnkit'][what]
        cells = [ratio(figures, what, peer) for peer in peers]
        cells = ['' if r is None else f'{r:.2f}' for r in cells]
        shares = [f'{s:.2f}' for s in of_peak(name, figures, what, peak or {}).values()]
        rows.append([name, f'{ours:.{digits}f}', *cells, *shares])
    head = [title, f'rnnkit, {unit}', *(f'/ {p}' for p in peers)]
    return table(head + [f'of peak, {cores(n)}' for n in peak or {}], rows)


def ratio(figures: dict, what: str, peer: str) -> float | None:
    """Return rnnkit's figure divided by that of a peer, if both have one."""
    theirs = figures.get(peer, {}).get(what)
    return figures['rnnkit'][what] / theirs if theirs else None


def of_peak(name: str, figures: dict, what: str, peak: dict[int, float]) -> dict[int, float]:
    """Return rnnkit's share of the machine's GFLOP/s for each number of threads, and cores."""
    work = WORKLOADS[name].flops(what) / 1e6 if peak else 0  # so that / ms gives GFLOP/s
    return {n: work / figures['rnnkit']['threads'][what][n] / speed for n, speed in peak.items()}


def cores(n: int) -> str:
    """Return a number of cores in words."""
    return f'{n} core{"s" * (n > 1)}'


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table with numbers in all columns but the first."""
    lines = [head, ['---', *['---:'] * (len(head) - 1)], *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def of_updates(results: dict, peak: dict[int, float]) -> list[str]:
    """Return the tables of all workloads: those without a variant, those with one, memory."""
    variants = {name: figures for name, figures in results.items() if 'plain' in figures}
    others = {name: figures for name, figures in results.items() if name not in variants}
    parts = [
        ratios(others, what, title, peak=peak) for what, title in WHATS.items() if has(others, what)
    ]
    if variants:
        parts += [ratios(variants, what, WHATS[what]) for what in ('train', 'predict')]
    memory = {name: figures for name, figures in others.items() if 'train' in figures['rnnkit']}
    if memory:
        parts.append(ratios(memory, 'MiB', 'peak memory of the process', 'MiB', digits=0))
    return parts


def has(results: dict, what: str) -> bool:
    """Return whether any workload has such a figure."""
    return any(what in figures['rnnkit'] for figures in results.values())


def version(package: str) -> str:
    """Return the version of a package, if it is known."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return '(version unknown)'


def machine(peers: list[str]) -> str:
    """Return a description of the machine and the versions."""
    names = {'naive': 'pytensor'}
    packages = dict.fromkeys(['pytensor', 'numba', *(names.get(p, p) for p in peers)])
    versions = ', '.join(f'{p} {version(p)}' for p in packages if p != 'plain')
    held = f' held to {level}' if (level := os.environ.get('RNNKIT_CPU')) else ''
    return (
        f'{platform.machine()} ({llvm.get_host_cpu_name()}{held}), '
        f'{CORES} of {os.cpu_count()} cores; Python {platform.python_version()}, {versions}.'
    )


def write(path: Path, text: str) -> None:
    """Put text between the two marks of a file, or replace a file without marks."""
    old = path.read_text() if path.exists() else ''
    if START in old and END in old:
        before, after = old[: old.index(START)], old[old.index(END) :]
        text = f'{before}{START}\n\n{text}\n\n{after}'
    path.write_text(text if text.endswith('\n') else text + '\n')
