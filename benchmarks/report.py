"""Tables of results, and where they are written."""

import os
import platform
from importlib import metadata
from pathlib import Path

import llvmlite.binding as llvm
from measure import CONTENDERS, CORES

START, END = '<!-- figures: start -->', '<!-- figures: end -->'
WHATS = {
    'train': 'training update',
    'predict': 'prediction',
    'step': 'one time step, streamed',
}


def ratios(results: dict, what: str, title: str, unit: str = 'ms', digits: int = 3) -> str:
    """Return a table: our figure, and it divided by that of each peer."""
    results = {name: found for name, found in results.items() if what in found['rnnkit']}
    peers = [peer for peer in CONTENDERS if any(peer in found for found in results.values())]
    rows = []
    for name, found in results.items():
        ours = found['rnnkit'][what]
        cells = [f'{ours / found[p][what]:.2f}' if p in found else '' for p in peers]
        rows.append([name, f'{ours:.{digits}f}', *cells])
    return table([title, f'rnnkit, {unit}', *(f'/ {p}' for p in peers)], rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table whose columns, after the first, are of numbers."""
    lines = [head, ['---', *['---:'] * (len(head) - 1)], *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def of_updates(results: dict) -> list[str]:
    """Return the tables of all workloads: those without a variant, those with one, memory."""
    variants = {name: found for name, found in results.items() if 'plain' in found}
    others = {name: found for name, found in results.items() if name not in variants}
    parts = [ratios(others, what, title) for what, title in WHATS.items() if has(others, what)]
    if variants:
        parts += [ratios(variants, what, WHATS[what]) for what in ('train', 'predict')]
    memory = {name: found for name, found in others.items() if 'train' in found['rnnkit']}
    if memory:
        parts.append(ratios(memory, 'MiB', 'peak memory of the process', 'MiB', digits=0))
    return parts


def has(results: dict, what: str) -> bool:
    """Say whether any workload has such a figure."""
    return any(what in found['rnnkit'] for found in results.values())


def version(package: str) -> str:
    """Return the version of a package, as far as it says."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return '(version unknown)'


def machine(peers: list[str]) -> str:
    """Return what was measured, and on what."""
    names = {'naive': 'pytensor'}
    packages = dict.fromkeys(['pytensor', 'numba', *(names.get(p, p) for p in peers)])
    versions = ', '.join(f'{p} {version(p)}' for p in packages if p != 'plain')
    return (
        f'{platform.machine()} ({llvm.get_host_cpu_name()}), {CORES} of {os.cpu_count()} cores; '
        f'Python {platform.python_version()}, {versions}.'
    )


def write(path: Path, text: str) -> None:
    """Put text between the two marks of a file, or into a file that has none."""
    old = path.read_text() if path.exists() else ''
    if START in old and END in old:
        before, after = old[: old.index(START)], old[old.index(END) :]
        text = f'{before}{START}\n\n{text}\n\n{after}'
    path.write_text(text if text.endswith('\n') else text + '\n')
