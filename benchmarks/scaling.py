"""Measure how the time of an update grows with the sequence length and the batch size.

python benchmarks/scaling.py --plot scaling.png
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import measure
import pictures
import report
from workloads import Workload

BASE = Workload('lstm', T=50, B=8, H=64, I=8, O=1)
SERIES = {'T': [100, 1000, 10_000], 'B': [1, 4, 16, 64, 256, 1024]}
PEERS = ('torch', 'jax')


def run(peers: list[str], seconds: float, rounds: int) -> dict[tuple[str, int], dict]:
    """Return the figures of an update for each T and each B."""
    peers = [name for name in peers if name in PEERS]
    results = {}
    for letter, values in SERIES.items():
        for n in values:
            workload = replace(BASE, **{letter: n})
            results[letter, n] = measure.measure(workload, peers, seconds, rounds, ('train',))
            print(letter, n, results[letter, n], file=sys.stderr, flush=True)
    return results


def tables(results: dict[tuple[str, int], dict]) -> list[str]:
    """Return a table for T and one for B: milliseconds, ratios, throughput and memory."""
    texts = []
    for letter in SERIES:
        rows = {n: row for (axis, n), row in results.items() if axis == letter}
        peers = [name for name in PEERS if any(name in row for row in rows.values())]
        head = [f'{letter} of an LSTM', 'rnnkit, ms', 'steps / ms', 'MiB']
        head += [f'/ {name}{what}' for name in peers for what in ('', ', MiB')]
        body = []
        for n, row in rows.items():
            ours, steps = row['rnnkit'], n * (BASE.B if letter == 'T' else BASE.T)
            line = [f'{n:,}', f'{ours["train"]:.2f}', f'{steps / ours["train"]:.0f}']
            line.append(f'{ours["MiB"]:.0f}')
            for name in peers:
                for what in ('train', 'MiB'):
                    line.append(f'{ours[what] / row[name][what]:.2f}' if name in row else '')
            body.append(line)
        texts.append(report.table(head, body))
    return texts


def main() -> None:
    """Print a table for each of T and B, and draw both."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seconds', type=float, default=0.5, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--plot', type=Path, help='a file for the picture')
    options = parser.parse_args()
    results = run(measure.installed(list(PEERS)), options.seconds, options.rounds)
    print(*tables(results), sep='\n\n')
    if options.plot:
        pictures.draw_scaling(results, options.plot)


if __name__ == '__main__':
    main()
