"""Threads: who does which rows, and the state of the processor while they do.

In: the code of a worker, which does one part of the rows. Out: functions that run it on as
many threads as are set, each doing its part for the whole sequence.

The threads are those of `rnnkit.kernels.language.workers`. Where parts need what others have made,
all wait for each other between phases (`write_rounds`).
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import llvmlite.binding as llvm
from llvmlite import ir

from rnnkit.common.calls import checked
from rnnkit.common.checks import whole
from rnnkit.kernels.language.vector import I32, I64, POINTER, Code, Int, Unit
from rnnkit.kernels.language.workers import MOST, write_workers

SMALLEST_PART = 4_000_000  # multiply-adds for which waking a thread pays off
_JOB = 4 * 8  # bytes of a job: part, parts, block, round
_SETTINGS = 'rnnkit_thread_settings'
# Read by compiled code when it runs, so a change of the number of threads compiles nothing.
_settings = (ctypes.c_int64 * 2)(1, SMALLEST_PART)


def available_threads() -> int:
    """Return how many cores this process may use.

    They are those of its affinity, or as many as the quota of a container or OMP_NUM_THREADS says.
    joblib and others set the variable for workers that share the cores of a machine.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):
        cores = len(os.sched_getaffinity(0))
    cores = min(cores, _quota(Path('/sys/fs/cgroup')) or cores)
    most = os.environ.get('OMP_NUM_THREADS', '').split(',')[0].strip()
    return min(cores, int(most)) if most.isdecimal() and int(most) else cores


def _quota(folder: Path) -> int | None:
    """Return how many cores the control group of a container may use, rounded up, if limited.

    Containers see all cores of their machine, and are stopped when they have used their share of
    the time: more threads than that wait for each other.
    """
    files = [['cpu.max'], ['cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us']]  # versions 2 and 1
    for names in files:
        try:
            words = ' '.join((folder / name).read_text(encoding='utf-8') for name in names).split()
            time, period = map(int, words)
        except (OSError, ValueError):  # no such file, or 'max'
            continue
        if time > 0 and period > 0:
            return -(-time // period)
    return None


@checked
def set_threads(n: int | None = None) -> None:
    """Set how many threads a kernel may use.

    Parameters
    ----------
    n : int, optional
        From 1 to 256; if not given, the cores that this process may use, or fewer if the
        environment variable ``OMP_NUM_THREADS`` or the CPU quota of a container says so.
    """
    most = min(available_threads(), MOST)
    _settings[0] = most if n is None else whole('set_threads(): the number of threads', n, 1, MOST)


def get_threads() -> int:
    """Return how many threads a kernel may use."""
    return _settings[0]


@contextmanager
def smallest_part(multiply_adds: int) -> Iterator[None]:
    """Run smaller problems on several threads, too, in this block; for tests."""
    before, _settings[1] = _settings[1], multiply_adds
    try:
        yield
    finally:
        _settings[1] = before


set_threads()
llvm.add_symbol(_SETTINGS, ctypes.addressof(_settings))


def parts(code: Code, rows: Int, work: Int) -> Int:
    """Return into how many parts to cut `rows`, which take `work` multiply-adds."""
    module = code.unit.module
    cell = module.globals.get(_SETTINGS) or ir.GlobalVariable(
        module, ir.ArrayType(I64, 2), _SETTINGS
    )
    settings = Int(code, code.builder.ptrtoint(cell, I64))
    n = code.get(settings, 0).min(rows).min(work // code.get(settings, 1))
    return (n < 1).pick(1, n)


def write_parallel(unit: Unit) -> None:
    """Write ``parallel(worker, parts, block)``: call ``worker(job)`` for each part."""
    write_workers(unit)
    with unit.function('parallel', 'worker parts block') as (code, worker, n, block):
        jobs = _jobs(code, n, block)
        with _team(code, n) as helpers:
            code.call('share', worker, jobs, _JOB, n, helpers)


def write_rounds(unit: Unit, *phases: str) -> None:
    """Write ``rounds(parts, rounds, block)``: do each phase in turn, as often as there are rounds.

    Phases are functions ``phase(part, parts, block, round)``. No part begins a phase before all
    parts have ended the one before.
    """
    write_workers(unit)
    for phase in phases:
        with unit.function(f'part_of_{phase}', 'job') as (code, job), flushed(code):
            code.call(phase, *(code.get(job, i) for i in range(4)))
    with unit.function('rounds', 'parts rounds block') as (code, n, rounds, block):
        jobs = _jobs(code, n, block)
        with _team(code, n) as helpers, code.loop(0, rounds) as k:
            with code.loop(0, n) as q:
                code.put(k, jobs + q * _JOB, 3)
            for phase in phases:
                worker = code.address_of(f'part_of_{phase}')
                code.call('share', worker, jobs, _JOB, n, helpers)


def _jobs(code: Code, n: Int, block: Int) -> Int:
    """Return where the jobs of all parts are."""
    # The caller's own stack holds them: no memory is allocated, so nothing can fail.
    jobs = code.room(MOST * _JOB)
    with code.loop(0, n) as q:
        for i, value in enumerate((q, n, block)):
            code.put(value, jobs + q * _JOB, i)
    return jobs


@contextmanager
def _team(code: Code, n: Int) -> Iterator[Int]:
    """Have the team in this block; yields how many threads help."""
    helpers = code.call('gather', n)
    yield helpers
    with code.when(helpers > 0):
        code.call('dismiss')


@contextmanager
def worker(unit: Unit, name: str) -> Iterator[tuple[Code, Int, Int, Int]]:
    """Open a function that does one part: yields its code, part, parts and block."""
    with unit.function(name, 'job') as (code, job):
        with flushed(code):
            yield code, code.get(job, 0), code.get(job, 1), code.get(job, 2)


@contextmanager
def flushed(code: Code) -> Iterator[None]:
    """Flush denormals to zero in this block: they take a hundred times as long.

    The setting belongs to a thread, so each worker sets it, and puts back the one that its
    caller had: NumPy and the user's code are to see denormals.
    """
    triple = llvm.get_process_triple()
    if triple.startswith(('x86_64', 'i686')):
        slot = code.builder.alloca(I32)
        pointer = code.builder.bitcast(slot, POINTER)
        code.external('llvm.x86.sse.stmxcsr', ir.VoidType(), [pointer])
        before = code.builder.load(slot)
        # Bits of MXCSR: denormal results are 0 (0x8000), and so are denormal operands (0x40).
        code.builder.store(code.builder.or_(before, ir.Constant(I32, 0x8040)), slot)
        code.external('llvm.x86.sse.ldmxcsr', ir.VoidType(), [pointer])
        yield
        code.builder.store(before, slot)
        code.external('llvm.x86.sse.ldmxcsr', ir.VoidType(), [pointer])
    elif triple.startswith(('aarch64', 'arm64')):
        before = code.external('llvm.aarch64.get.fpcr', I64, [])
        flush = code.builder.or_(before, ir.Constant(I64, 1 << 24))
        code.external('llvm.aarch64.set.fpcr', ir.VoidType(), [flush])
        yield
        code.external('llvm.aarch64.set.fpcr', ir.VoidType(), [before])
    else:
        yield


def part_of(n: Int, part: Int, parts: Int) -> tuple[Int, Int]:
    """Return first and last of the `n` rows that `part` does."""
    return part * n // parts, (part + 1) * n // parts
