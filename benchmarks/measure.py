"""Contenders in processes of their own, measured in turn.

Every contender sleeps while another is measured. They take turns for several rounds; the time of
a contender is the least one seen, because other programs on the machine can only add to it.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from workloads import Workload

HERE = Path(__file__).parent
CORES = 2  # for every contender, on whatever machine
LIMIT = 120  # seconds within which a contender has to be built, and to answer


@dataclass(frozen=True)
class Contender:
    """A library, and how it takes part.

    Attributes
    ----------
    modules : tuple of str
        What has to be installed.
    threads : tuple of int
        Several ways to run it; the best counts. PyTorch is quicker on one thread for small nets.
    rounds : int
        It has at most so many turns; few, if it takes long to get an answer.
    most_steps : int
        Networks of more time steps, times layers, are not for it.
    streams : bool
        Whether it can carry a state from step to step.
    variants : bool
        Whether it runs just those workloads that have a variant; others run just the rest.
    """

    modules: tuple[str, ...]
    threads: tuple[int, ...] = (CORES,)
    rounds: int = 1000
    most_steps: int = 10**9
    streams: bool = True
    variants: bool = False

    def takes(self, workload: Workload) -> bool:
        """Say whether it runs a workload beside rnnkit."""
        fits = workload.T * workload.depth <= self.most_steps
        kind = bool(workload.variant) == self.variants
        return fits and kind and (self.streams or not workload.stream)

    def installed(self) -> bool:
        """Say whether it can run here."""
        try:
            return all(importlib.util.find_spec(module) for module in self.modules)
        except ModuleNotFoundError:  # of the package that a module would be in
            return False


RNNKIT = Contender(modules=())  # stands beside this folder, see `environment`
# A scan of PyTensor's own is compiled for a minute, and runs for seconds if it is large or long.
SCAN = dict(rounds=1, most_steps=50)
CONTENDERS = {
    'plain': Contender((), variants=True),  # rnnkit, too: the network without the variant
    'torch': Contender(('torch',), threads=(1, CORES)),
    'jax': Contender(('jax',)),
    'keras': Contender(('keras', 'jax'), rounds=2),
    'naive': Contender(('pytensor',), **SCAN),
    'pytensor-ml': Contender(('pytensor_ml.layers.recurrent',), streams=False, **SCAN),
}


class Failed(Exception):  # noqa: N818
    """A contender has died, or took too long; says why."""


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that measures the rnnkit beside this folder."""
    path = [str(HERE.parent), *filter(None, [os.environ.get('PYTHONPATH')])]
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(path), **more}


class Worker:
    """A contender's process.

    Attributes
    ----------
    memory : float
        The most that it has held so far, in MiB.
    """

    memory = 0.0

    def __init__(self, name: str, workload: Workload, threads: int, **more: str):
        module = 'contenders.' + name.replace('-', '_') + '_'
        figures = json.dumps(asdict(workload))
        words = [str(HERE / 'worker.py'), module, figures, str(threads), str(CORES)]
        pipe = subprocess.PIPE
        self.name, self.errors = name, tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *words],
            stdin=pipe,
            stdout=pipe,
            stderr=self.errors,
            text=True,
            env=environment(**more),
        )

    def ask(self, what: str, seconds: float) -> dict:
        """Let it work for some time; return what it measured."""
        timer = threading.Timer(LIMIT + seconds, self.process.kill)
        timer.start()
        try:
            self.process.stdin.write(json.dumps({'what': what, 'seconds': seconds}) + '\n')
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith('answer '):
                    answer = json.loads(line.removeprefix('answer '))
                    self.memory = answer['MiB']
                    return answer
        except BrokenPipeError:
            pass  # it is dead, and the reason is below
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
        raise Failed(self._why(timed_out))

    def _why(self, timed_out: bool) -> str:
        """Return why it ended, with the end of what it has said."""
        code = self.process.wait()
        if timed_out:
            return f'{self.name} gave no answer within {LIMIT} seconds'
        self.errors.seek(0)
        said = self.errors.read().decode(errors='replace').strip().splitlines()
        return '\n'.join([f'{self.name} ended with {code}', *said[-15:]])

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # it is still being built, after another one failed
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Race:
    """All contenders of one workload.

    Raises
    ------
    Failed
        If rnnkit fails. Another contender that fails is left out, and named in `failed`.
    """

    def __init__(self, workload: Workload, peers: list[str], whats: tuple[str, ...]):
        self.whats = ('step',) if workload.stream else whats
        peers = [name for name in peers if CONTENDERS[name].takes(workload)]
        self.rules = {'rnnkit': RNNKIT, **{name: CONTENDERS[name] for name in peers}}
        self.failed: dict[str, str] = {}
        # They are built at the same time, and are asked when all others are done.
        self.workers = [
            Worker(name, workload, threads)
            for name, rule in self.rules.items()
            for threads in rule.threads
        ]

    def ask(self, worker: Worker, seconds: float) -> dict[str, dict]:
        """Return the answers of one contender, or none if it fails now or has failed."""
        if worker.name in self.failed:
            return {}
        try:
            return {what: worker.ask(what, seconds) for what in self.whats}
        except Failed as why:
            if worker.name == 'rnnkit':
                raise
            self.failed[worker.name] = str(why)
            return {}

    def run(self, seconds: float, rounds: int) -> dict[str, dict]:
        """Let all have their turns; return for each the figures of `measure`."""
        found: dict[str, dict] = {}
        for worker in self.workers:
            self.ask(worker, 0.1)  # now it is built, and warm
        for turn in range(rounds):
            for worker in self.workers:
                if turn < self.rules[worker.name].rounds:
                    figures = found.setdefault(worker.name, {})
                    for what, answer in self.ask(worker, seconds).items():
                        least = 1e3 * min(answer['times'])
                        figures[what] = min(figures.get(what, least), least)
        for name, figures in found.items():
            figures['MiB'] = min(w.memory for w in self.workers if w.name == name)
        return {name: figures for name, figures in found.items() if name not in self.failed}

    def stop(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.stop()


def measure(
    workload: Workload,
    peers: list[str],
    seconds: float,
    rounds: int,
    whats: tuple[str, ...] = ('train', 'predict'),
) -> dict[str, dict]:
    """Return the figures of each contender that runs a workload.

    They are milliseconds of an update and a prediction ('train' and 'predict'), or of a step
    ('step'), and the peak memory of the process in MiB ('MiB').
    """
    race = Race(workload, peers, whats)
    try:
        found = race.run(seconds, rounds)
    finally:
        race.stop()
    for why in race.failed.values():
        print(f'left out: {why}', file=sys.stderr)
    return found


def installed(names: list[str]) -> list[str]:
    """Return the contenders that can run here, of those named."""
    return [name for name in names if CONTENDERS[name].installed()]
