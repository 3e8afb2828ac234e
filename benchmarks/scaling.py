"""Measure how an update grows with the length of the sequence and with the batch.

python benchmarks/scaling.py --plot scaling.png
"""

import argparse
from dataclasses import replace

from run import installed, measure
from workloads import WORKLOADS

BASE = replace(WORKLOADS['lstm medium'], T=100, B=16, H=64, I=8, O=1)
SERIES = {'T': [100, 1000, 10_000], 'B': [1, 4, 16, 64, 256, 1024]}


def main() -> None:
    """Print a table for each of T and B, and draw both."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seconds', type=float, default=0.5, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--plot', help='a file for the picture')
    options = parser.parse_args()
    peers = [name for name in ('torch', 'jax') if installed(name)]
    found = {}
    for letter, lengths in SERIES.items():
        print(f'| {letter} | ' + ' | '.join(f'{n}, ms' for n in ['rnnkit', *peers]) + ' |')
        print('|---:|' + '---:|' * (1 + len(peers)))
        for length in lengths:
            workload = replace(BASE, **{letter: length})
            times = measure(workload, peers, options.seconds, options.rounds)
            found[letter, length] = {name: one['train'] for name, one in times.items()}
            row = ' | '.join(f'{ms:.2f}' for ms in found[letter, length].values())
            print(f'| {length} | {row} |', flush=True)
        print()
    if options.plot:
        draw(found, options.plot)


def draw(found: dict, path: str) -> None:
    """Draw milliseconds over T and over B."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout='constrained')
    for axes, (letter, lengths) in zip(figure.subplots(1, 2), SERIES.items(), strict=True):
        for name in found[letter, lengths[0]]:
            times = [found[letter, length][name] for length in lengths]
            axes.loglog(lengths, times, 'o-', label=name)
        axes.set(xlabel=letter, ylabel='ms for an update')
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == '__main__':
    main()
