"""Contenders in processes of their own, measured in turns.

Every contender sleeps while another is measured. They take turns for several rounds. The time of a
contender is the minimum, because other programs on the machine can only add to it.
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

from others import Others
from workloads import OF_TORCHRECURRENT, Workload

HERE = Path(__file__).parent
CORES = 2  # for every contender, on every machine
LIMIT = 120  # seconds in which a contender must be built, and must answer


@dataclass(frozen=True)
class Contender:
    """A library, and the workloads that it runs.

    Attributes
    ----------
    modules : tuple of str
        Modules that must be installed.
    threads : tuple of int
        Numbers of threads, each with as many cores; the fastest counts. Small networks are faster
        on one.
    rounds : int
        Maximum number of turns; few, if each takes long.
    most_steps : int
        Largest number of time steps times layers.
    streams, trains : bool
        Whether it can carry a hidden state from step to step, and whether it can train.
    variants : bool
        Whether it runs only workloads with a variant. The others run only those without.
    cells : tuple of str
        The cells that it has.
    """

    modules: tuple[str, ...]
    threads: tuple[int, ...] = (1, CORES)
    rounds: int = 1000
    most_steps: int = 10**9
    streams: bool = True
    trains: bool = True
    variants: bool = False
    cells: tuple[str, ...] = ('lstm', 'gru', 'rnn')

    def takes(self, workload: Workload) -> bool:
        """Return whether it runs a workload."""
        fits = workload.T * workload.depth <= self.most_steps
        kind = bool(workload.variant) == self.variants and workload.cell in self.cells
        return fits and kind and (self.streams or not workload.stream)

    def installed(self) -> bool:
        """Return whether its modules are installed."""
        try:
            return all(importlib.util.find_spec(module) for module in self.modules)
        except ModuleNotFoundError:  # the parent package of a module
            return False


RNNKIT = Contender(modules=())  # the one beside this folder, see `environment`
# PyTensor's scan takes a minute to compile, and seconds to run if it is large or long.
SCAN = dict(threads=(CORES,), rounds=1, most_steps=50)
CONTENDERS = {
    'plain': Contender((), variants=True),  # rnnkit without the variant
    'torch': Contender(('torch',)),
    'jax': Contender(('jax',)),
    'onnxruntime': Contender(('onnxruntime', 'onnx'), trains=False),
    'keras': Contender(('keras', 'jax'), threads=(CORES,), rounds=2),
    'naive': Contender(('pytensor',), **SCAN),
    'pytensor-ml': Contender(('pytensor_ml.layers.recurrent',), streams=False, **SCAN),
    'torchrecurrent': Contender(('torchrecurrent',), streams=False, cells=tuple(OF_TORCHRECURRENT)),
}


# How to hold contenders to the instructions of a level of x86-64.
HELD = {
    'x86-64-v3': {
        'RNNKIT_CPU': 'x86-64-v3',
        'ATEN_CPU_CAPABILITY': 'avx2',
        'ONEDNN_MAX_CPU_ISA': 'AVX2',
        'MKL_ENABLE_INSTRUCTIONS': 'AVX2',
        'OPENBLAS_CORETYPE': 'Haswell',
        'XLA_FLAGS': '--xla_cpu_max_isa=AVX2',
    },
}
NOT_HELD = (
    'onnxruntime, the matrix products of JAX, and the code that Numba compiles for Ops of PyTensor '
    'are not held: they use all instructions of the processor'
)


class Failed(Exception):  # noqa: N818
    """A contender crashed or timed out; the message says why."""


def environment(**more: str) -> dict[str, str]:
    """Return environment variables for a process that measures the rnnkit beside this folder.

    One that is '' is removed.
    """
    path = [str(HERE.parent), *filter(None, [os.environ.get('PYTHONPATH')])]
    variables = {**os.environ, 'PYTHONPATH': os.pathsep.join(path), **more}
    return {name: value for name, value in variables.items() if value}


class Worker:
    """A contender's process.

    Attributes
    ----------
    memory : float
        Its peak memory so far, in MiB.
    """

    memory = 0.0

    def __init__(self, name: str, workload: Workload, threads: int, **more: str):
        module = 'contenders.' + name.replace('-', '_') + '_'
        spec = json.dumps(asdict(workload))
        arguments = [str(HERE / 'worker.py'), module, spec, str(threads)]
        pipe = subprocess.PIPE
        self.name, self.threads, self.errors = name, threads, tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=self.errors,
            text=True,
            env=environment(**more),
        )

    def ask(self, what: str, seconds: float) -> dict:
        """Let it run one function for some time; return the measured times."""
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
            pass  # it has crashed; the reason is read below
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
        raise Failed(self._why(timed_out))

    def _why(self, timed_out: bool) -> str:
        """Return why it ended, with the end of its standard error."""
        code = self.process.wait()
        if timed_out:
            return f'{self.name} gave no answer within {LIMIT} seconds'
        self.errors.seek(0)
        lines = self.errors.read().decode(errors='replace').strip().splitlines()
        return '\n'.join([f'{self.name} ended with {code}', *lines[-15:]])

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # it is still being built: another contender failed
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class Race:
    """All contenders of one workload.

    Raises
    ------
    Failed
        If rnnkit fails. Other contenders that fail are left out, and listed in `failed`.
    """

    def __init__(self, workload: Workload, peers: list[str], whats: tuple[str, ...]):
        self.whats = ('step',) if workload.stream else whats
        self.others = Others()
        peers = [name for name in peers if CONTENDERS[name].takes(workload)]
        self.rules = {'rnnkit': RNNKIT, **{name: CONTENDERS[name] for name in peers}}
        self.failed: dict[str, str] = {}
        # They are all built at the same time, before the first measurement.
        self.workers = [
            Worker(name, workload, threads)
            for name, rule in self.rules.items()
            for threads in rule.threads
        ]

    def ask(self, worker: Worker, seconds: float) -> dict[str, dict]:
        """Return the answers of one contender, or none if it fails or has failed."""
        if worker.name in self.failed:
            return {}
        try:
            whats = [
                what for what in self.whats if what != 'train' or self.rules[worker.name].trains
            ]
            with self.others.watch(worker.process.pid):
                return {what: worker.ask(what, seconds) for what in whats}
        except Failed as error:
            if worker.name == 'rnnkit':
                raise
            self.failed[worker.name] = str(error)
            return {}

    def run(self, seconds: float, rounds: int) -> dict[str, dict]:
        """Let all take their turns; return the figures of `measure` for each."""
        results: dict[str, dict] = {}
        for worker in self.workers:
            self.ask(worker, 0.1)  # wait until it is built and warm
        self.others = Others()  # those that were still being built do not count
        for turn in range(rounds):
            for worker in self.workers:
                if turn < self.rules[worker.name].rounds:
                    figures = results.setdefault(worker.name, {})
                    for what, answer in self.ask(worker, seconds).items():
                        least = 1e3 * min(answer['times'])
                        figures[what] = min(figures.get(what, least), least)
                        each = figures.setdefault('threads', {}).setdefault(what, {})
                        each[worker.threads] = min(each.get(worker.threads, least), least)
        for name, figures in results.items():
            figures['MiB'] = min(w.memory for w in self.workers if w.name == name)
        results['rnnkit']['others'] = self.others.cores()
        return {name: figures for name, figures in results.items() if name not in self.failed}

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

    These are milliseconds of an update and a prediction ('train' and 'predict'), or of a step
    ('step'); those for each number of threads ('threads'); the peak memory of the process in MiB
    ('MiB'); and, for rnnkit, the cores that other processes used meanwhile ('others').
    """
    race = Race(workload, peers, whats)
    try:
        results = race.run(seconds, rounds)
    finally:
        race.stop()
    for reason in race.failed.values():
        print(f'left out: {reason}', file=sys.stderr)
    return results


def installed(names: list[str]) -> list[str]:
    """Return those of the contenders that are installed."""
    return [name for name in names if CONTENDERS[name].installed()]
