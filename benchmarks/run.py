"""Measure rnnkit beside its peers, in turn, on this machine, and write a table of ratios.

    python benchmarks/run.py                           # everything that is installed
    python benchmarks/run.py --only 'lstm small' --peers torch

Every contender runs in a process of its own and sleeps while another is measured. They
take turns for several rounds; the time of a contender is the least one seen, because other
programs on the machine can only add to it. Ratios are ours divided by theirs: below 1, we
are faster.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from workloads import WORKLOADS, Workload

HERE = Path(__file__).parent

# Several ways to run a contender; the best counts. PyTorch is quicker on one thread for small nets.
CONTENDERS = {'rnnkit': [2], 'torch': [1, 2], 'jax': [2], 'keras': [2], 'naive': [2]}


class Worker:
    """A contender's process."""

    def __init__(self, name: str, workload: Workload, threads: int, **environment: str):
        figures = json.dumps(asdict(workload))
        command = [sys.executable, str(HERE / 'worker.py'), name, figures, str(threads)]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=quiet, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip

    def ask(self, what: str, seconds: float) -> dict:
        """Let it work for some time; return what it measured."""
        self.process.stdin.write(json.dumps({'what': what, 'seconds': seconds}) + '\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith('answer '):
                return json.loads(line.removeprefix('answer '))
        raise RuntimeError(f'{self.process.args} ended with {self.process.wait()}')

    def stop(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(workload: Workload, peers: list[str], seconds: float, rounds: int) -> dict:
    """Return for each contender milliseconds of an update, a prediction or a step, and more."""
    whats = ('step',) if workload.stream else ('train', 'predict')
    if workload.stream or workload.both_ways:
        peers = [name for name in peers if name != 'naive' and not (
            workload.stream and name == 'keras')]  # fmt: skip
    workers = {}
    for name in ['rnnkit', *peers]:
        for threads in CONTENDERS[name]:
            workers[name, threads] = Worker(name, workload, threads)
            for what in whats:
                workers[name, threads].ask(what, 0.1)  # built and warm before the next one starts
    found: dict = {}
    for _ in range(rounds):
        for (name, _threads), worker in workers.items():
            one = found.setdefault(name, {what: [] for what in whats})
            for what in whats:
                answer = worker.ask(what, seconds)
                one[what].append(1e3 * min(answer['times']))
                one |= {key: answer[key] for key in ('first', 'MiB')}
    for worker in workers.values():
        worker.stop()
    return {name: one | {what: min(one[what]) for what in whats} for name, one in found.items()}


def table(results: dict, what: str) -> str:
    """Return a table: our milliseconds, and our time divided by that of each peer."""
    results = {name: found for name, found in results.items() if what in found['rnnkit']}
    peers = list(dict.fromkeys(n for r in results.values() for n in r if n != 'rnnkit'))
    lines = [f'| {what} | rnnkit, ms | ' + ' | '.join(f'/ {p}' for p in peers) + ' |']
    lines.append('|---|' + '---:|' * (len(peers) + 1))
    for workload, found in results.items():
        ours = found['rnnkit'][what]
        ratios = [f'{ours / found[p][what]:.2f}' if p in found else '' for p in peers]
        lines.append(f'| {workload} | {ours:.3f} | ' + ' | '.join(ratios) + ' |')
    return '\n'.join(lines)


def draw(results: dict, path: Path) -> None:
    """Draw the ratios of the updates as bars, a group for each workload."""
    from matplotlib.figure import Figure

    results = {name: found for name, found in results.items() if 'train' in found['rnnkit']}
    peers = list(dict.fromkeys(n for r in results.values() for n in r if n != 'rnnkit'))
    figure = Figure(figsize=(9, 0.42 * len(results) + 1.2), layout='constrained')
    axes = figure.subplots()
    height = 0.8 / len(peers)
    for k, peer in enumerate(peers):
        places = [i + k * height for i, r in enumerate(results.values()) if peer in r]
        ratios = [r['rnnkit']['train'] / r[peer]['train'] for r in results.values() if peer in r]
        axes.barh(places, ratios, height, label=peer)
    axes.axvline(1, color='0.2', lw=1)
    axes.set_yticks([i + 0.4 - height / 2 for i in range(len(results))], list(results))
    axes.invert_yaxis()
    axes.set(xscale='log', xlabel='time of a training update, rnnkit / peer')
    axes.legend()
    figure.savefig(path, dpi=110)


def installed(name: str) -> bool:
    """Say whether a peer can run here."""
    needs = {'naive': ['pytensor'], 'keras': ['keras', 'jax']}.get(name, [name])
    return all(importlib.util.find_spec(module) for module in needs)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--only', nargs='+', default=list(WORKLOADS), metavar='WORKLOAD',
                        help=f'any of: {", ".join(WORKLOADS)}')  # fmt: skip
    parser.add_argument('--peers', nargs='+', default=[n for n in CONTENDERS if n != 'rnnkit'])
    parser.add_argument('--seconds', type=float, default=1.0, help='length of a turn')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each contender')
    parser.add_argument('--json', type=Path, help='a file for all figures')
    parser.add_argument('--plot', type=Path, help='a file for a picture of the ratios')
    options = parser.parse_args()
    peers = [name for name in options.peers if installed(name)]
    results = {}
    for workload in options.only:
        results[workload] = measure(WORKLOADS[workload], peers, options.seconds, options.rounds)
        print(workload, json.dumps(results[workload]), file=sys.stderr, flush=True)
    for what in ('train', 'predict', 'step'):
        print(table(results, what), end='\n\n')
    memory = ', '.join(f'{name} {max(r[name]["MiB"] for r in results.values() if name in r):.0f}'
                       for name in ['rnnkit', *peers])  # fmt: skip
    print(f'Peak memory over all of these workloads, MiB: {memory}')
    if options.plot:
        draw(results, options.plot)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
