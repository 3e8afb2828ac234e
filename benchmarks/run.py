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
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from workloads import WORKLOADS  # noqa: E402

# Several ways to run a contender; the best counts. PyTorch is quicker on one thread for small nets.
CONTENDERS = {'rnnkit': [2], 'torch': [1, 2], 'jax': [2], 'keras': [2], 'naive': [2]}


class Worker:
    """A contender's process."""

    def __init__(self, name: str, workload: str, threads: int):
        command = [sys.executable, str(HERE / 'worker.py'), name, workload, str(threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

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


def measure(workload: str, peers: list[str], seconds: float, rounds: int) -> dict:
    """Return for each contender milliseconds of an update and a prediction, and more."""
    workers = {}
    for name in ['rnnkit', *peers]:
        for threads in CONTENDERS[name]:
            worker = Worker(name, workload, threads)
            worker.ask('train', 0.1)  # built and warm before the next one starts
            worker.ask('predict', 0.1)
            workers[name, threads] = worker
    found: dict = {}
    for _ in range(rounds):
        for (name, _threads), worker in workers.items():
            one = found.setdefault(name, {'train': [], 'predict': []})
            for what in ('train', 'predict'):
                answer = worker.ask(what, seconds)
                one[what].append(1e3 * min(answer['times']))
                one |= {key: answer[key] for key in ('first', 'MiB')}
    for worker in workers.values():
        worker.stop()
    return {name: {**one, 'train': min(one['train']), 'predict': min(one['predict'])}
            for name, one in found.items()}  # fmt: skip


def table(results: dict, what: str) -> str:
    """Return a table: our milliseconds, and our time divided by that of each peer."""
    peers = list(dict.fromkeys(n for r in results.values() for n in r if n != 'rnnkit'))
    lines = [f'| {what} | rnnkit, ms | ' + ' | '.join(f'/ {p}' for p in peers) + ' |']
    lines.append('|---|' + '---:|' * (len(peers) + 1))
    for workload, found in results.items():
        ours = found['rnnkit'][what]
        ratios = [f'{ours / found[p][what]:.2f}' if p in found else '' for p in peers]
        lines.append(f'| {workload} | {ours:.3f} | ' + ' | '.join(ratios) + ' |')
    return '\n'.join(lines)


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
    options = parser.parse_args()
    peers = [name for name in options.peers if installed(name)]
    results = {}
    for workload in options.only:
        results[workload] = measure(workload, peers, options.seconds, options.rounds)
        print(workload, json.dumps(results[workload]), file=sys.stderr, flush=True)
    for what in ('train', 'predict'):
        print(table(results, what), end='\n\n')
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
