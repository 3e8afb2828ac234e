"""Measure rnnkit and its peers in turns on this machine, and write tables of ratios.

    python benchmarks/run.py                           # everything, with all installed peers
    python benchmarks/run.py --cpu x86-64-v3           # the code for AVX2, where there is AVX-512
    python benchmarks/run.py --parts updates --only 'lstm small' --peers torch
    python benchmarks/run.py --goals                   # which goals are reached, see goals.py

Ratios are rnnkit's figure divided by that of the peer: below 1, rnnkit is faster.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import goals
import measure
import others
import pictures
import report
import scaling
import startup
from peak import Peak
from workloads import WORKLOADS

PARTS = ('updates', 'startup', 'scaling')


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--parts',
        nargs='+',
        choices=PARTS,
        metavar='PART',
        help=f'any of: {", ".join(PARTS)}',
    )
    parser.add_argument(
        '--only',
        nargs='+',
        choices=list(WORKLOADS),
        metavar='WORKLOAD',
        help=f'any of: {", ".join(WORKLOADS)}',
    )
    parser.add_argument(
        '--peers',
        nargs='*',
        metavar='PEER',
        choices=list(measure.CONTENDERS),
        help=f'any of: {", ".join(measure.CONTENDERS)}',
    )
    parser.add_argument(
        '--cpu',
        choices=list(measure.HELD),
        help='measure code for a narrower processor than this one',
    )
    parser.add_argument(
        '--goals',
        action='store_true',
        help='print one table of the goals, and by default measure only what that needs',
    )
    parser.add_argument('--seconds', type=float, default=0.4, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=3, help='turns of each contender')
    parser.add_argument(
        '--markdown',
        type=Path,
        help='a file for the tables; they are put between its marks, if it has those of '
        'benchmarks/README.md',
    )
    parser.add_argument('--plot', type=Path, help='a file for a picture of the ratios')
    parser.add_argument('--json', type=Path, help='a file for all figures')
    options = parser.parse_args()
    defaults = {'parts': PARTS, 'only': list(WORKLOADS), 'peers': list(measure.CONTENDERS)}
    if options.goals:
        defaults = {'parts': ['updates'], 'only': goals.workloads(), 'peers': goals.PEERS}
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def updates(options: argparse.Namespace, peers: list[str], peak: Peak) -> dict[str, dict]:
    """Return the figures of each workload; if rnnkit fails, the workload is left out."""
    results = {}
    peak.measure()
    for name in options.only:
        try:
            figures = measure.measure(WORKLOADS[name], peers, options.seconds, options.rounds)
        except measure.Failed as error:
            print(f'{name}: {error}', file=sys.stderr, flush=True)
        else:
            results[name] = figures
            lines = [f'{name} {json.dumps(figures)}', *others.warnings({name: figures})]
            print(*lines, sep='\n', file=sys.stderr, flush=True)
        peak.measure()
    return results


def of_updates(options: argparse.Namespace, peers: list[str]) -> tuple[dict, list[str]]:
    """Return the figures of each workload, and the tables and sentences about them."""
    peak = Peak(options.cpu)
    try:
        results = updates(options, peers, peak)
    finally:
        peak.stop()
    if options.goals:
        tables = [goals.table(results, peak.best())]
    else:
        tables = report.of_updates(results, peak.best())
    return results, [peak.text(), *others.warnings(results), *tables]


def main() -> int:
    """Run the chosen parts; return 0 if no workload failed."""
    options = parse()
    os.environ.update(measure.HELD.get(options.cpu, {}))
    peers = measure.installed(options.peers)
    results, tables = {}, []
    if 'updates' in options.parts:
        results, tables = of_updates(options, peers)
    if 'startup' in options.parts:
        tables.append(startup.table(peers, rounds=2))
    if 'scaling' in options.parts:
        tables += scaling.tables(scaling.run(peers, options.seconds, rounds=2))
    command = shlex.join(['python', 'benchmarks/run.py', *sys.argv[1:]])
    first = [f'From `{command}` on {report.machine(peers)}']
    if options.cpu:
        first.append(f'With `--cpu {options.cpu}`, {measure.NOT_HELD}.')
    text = '\n\n'.join([*first, *tables])
    print(text)
    if options.markdown:
        report.write(options.markdown, text)
    if options.plot and results:
        pictures.draw(results, options.plot)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    return int('updates' in options.parts and len(results) < len(options.only))


if __name__ == '__main__':
    try:
        sys.exit(main())
    except measure.Failed as error:  # in the parts startup and scaling
        sys.exit(str(error))
