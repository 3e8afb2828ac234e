"""Threads: who does which rows, and the state of the processor while they do.

In: the code of a worker, which does one part of the rows. Out: functions that run it on as
many threads as are set, each doing its part for the whole sequence.

Threads are made and joined within one call of a kernel (POSIX threads): that takes some tens of
microseconds, once for all time steps. Where parts need what others have made, they meet by a
counter (`write_rounds`). There is no pool of threads, which a fork would lose,
which two Python threads that call kernels would have to share, and whose waiting would cost
time elsewhere. A part whose thread cannot be made is done by the caller.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import llvmlite.binding as llvm
from llvmlite import ir

from rnnkit.common.calls import checked
from rnnkit.common.checks import whole
from rnnkit.kernels.language.vector import I32, I64, POINTER, Code, Int, Unit

MOST = 256
SMALLEST_PART = 4_000_000  # multiply-adds for which starting a thread pays off
_JOB = 4  # integers of a job: part, parts, block, thread
_ROUNDS_JOB = 6  # and, where there are rounds, their number and the address of all jobs
# Looks at the counter, about a microsecond, before a waiting thread gives way. With 2000 looks, an
# update took up to 1.5 times as long in some processes.
SPINS = 100
_SETTINGS = 'rnnkit_thread_settings'
# Read by compiled code when it runs, so a change of the number of threads compiles nothing.
_settings = (ctypes.c_int64 * 2)(1, SMALLEST_PART)


def available_threads() -> int:
    """Return how many cores this process may use: those of its affinity, or OMP_NUM_THREADS.

    joblib and others set the variable for workers that share the cores of a machine.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):
        cores = len(os.sched_getaffinity(0))
    most = os.environ.get('OMP_NUM_THREADS', '').split(',')[0].strip()
    return min(cores, int(most)) if most.isdecimal() and int(most) else cores


@checked
def set_threads(n: int | None = None) -> None:
    """Set how many threads a kernel may use.

    Parameters
    ----------
    n : int, optional
        From 1 to 256; if not given, the cores that this process may use, or fewer if the
        environment variable ``OMP_NUM_THREADS`` says so.
    """
    most = min(available_threads(), MOST)
    _settings[0] = most if n is None else whole('set_threads(): the number of threads', n, 1, MOST)


def get_threads() -> int:
    """Return how many threads a kernel may use."""
    return _settings[0]


@contextmanager
def smallest_part(multiply_adds: int) -> Iterator[None]:
    """Let also smaller problems run on several threads, for tests."""
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
    # The caller's own stack holds the jobs: no memory is allocated, so nothing but
    # pthread_create can fail.
    with unit.function('parallel', 'worker parts block') as (code, worker, n, block):
        jobs = code.room(MOST * _JOB * 8)
        with code.loop(0, n) as q:
            for i, value in enumerate((q, n, block)):
                code.put(value, jobs + q * (_JOB * 8), i)
        if sys.platform == 'win32':
            with code.loop(0, n) as q:
                _call(code, worker, jobs + q * (_JOB * 8))
            return
        started = code.room(MOST * 8)
        with code.loop(1, n) as q:
            code.put(_start(code, jobs + q * (_JOB * 8), worker), started + q * 8)
        _call(code, worker, jobs)
        with code.loop(1, n) as q:
            job = jobs + q * (_JOB * 8)
            thread = code.get(job, 3)
            code.choose(
                code.get(started + q * 8).equals(0),
                lambda: _join(code, thread),
                lambda: _call(code, worker, job),
            )


def write_rounds(unit: Unit, *phases: str) -> None:
    """Write ``rounds(parts, rounds, block)``: do each phase in turn, as often as there are rounds.

    Phases are functions ``phase(part, parts, block, round)``. No part begins a phase before all
    parts have ended the one before.
    """
    if sys.platform == 'win32':
        with unit.function('rounds', 'parts rounds block') as (code, n, rounds, block):
            with flushed(code), code.loop(0, rounds) as k:
                for phase in phases:
                    with code.loop(0, n) as q:
                        code.call(phase, q, n, block, k)
        return
    _write_meet(unit)
    with unit.function('part_of_rounds', 'job') as (code, job):
        part, n, block, _, rounds, jobs = (code.get(job, i) for i in range(_ROUNDS_JOB))
        counter, started = _shared(jobs)
        done = code.var(code.int(1))  # parts of this thread
        ended = code.var(code.int(0))  # parts that have to be there before the next phase
        with flushed(code), code.loop(0, rounds) as k:
            for phase in phases:
                code.call(phase, part, n, block, k)
                done.set(code.int(1))
                with code.when(part.equals(0)), code.loop(1, n) as q:
                    with code.when(code.get(started + q * 8).differs(0)):
                        code.call(phase, q, n, block, k)
                        done.set(done.get() + 1)
                ended.set(ended.get() + n)
                code.call('meet', counter, done.get(), ended.get())
    with unit.function('rounds', 'parts rounds block') as (code, n, rounds, block):
        jobs = code.room((MOST * (_ROUNDS_JOB + 1) + 1) * 8)
        counter, started = _shared(jobs)
        worker = code.address_of('part_of_rounds')
        code.put(0, counter)
        with code.loop(0, n) as q:
            for i, value in enumerate((q, n, block, 0, rounds, jobs)):
                code.put(value, jobs + q * (_ROUNDS_JOB * 8), i)
        with code.loop(1, n) as q:
            code.put(_start(code, jobs + q * (_ROUNDS_JOB * 8), worker), started + q * 8)
        _call(code, worker, jobs)
        with code.loop(1, n) as q, code.when(code.get(started + q * 8).equals(0)):
            _join(code, code.get(jobs + q * (_ROUNDS_JOB * 8), 3))


def _shared(jobs: Int) -> tuple[Int, Int]:
    """Return where the counter is, after all jobs, and which threads could not be made."""
    counter = jobs + MOST * (_ROUNDS_JOB * 8)
    return counter, counter + 8


def _write_meet(unit: Unit) -> None:
    """Write ``meet(counter, done, wanted)``: add to the counter; wait until it is as wanted.

    A thread that waits spins for a moment, then gives way to others again and again: there may be
    fewer cores than threads.
    """
    with unit.function('meet', 'counter done wanted') as (code, counter, done, wanted):
        builder, pointer = code.builder, code.builder.inttoptr(counter.value, POINTER)
        builder.atomic_rmw('add', pointer, done.value, 'acq_rel')
        spins = code.var(code.int(0))
        look, wait, end = (builder.append_basic_block(name) for name in ('look', 'wait', 'end'))
        builder.branch(look)
        builder.position_at_end(look)
        present = Int(code, builder.load_atomic(pointer, 'acquire', 8, typ=I64))
        builder.cbranch((present < wanted).value, wait, end)
        builder.position_at_end(wait)
        spins.set(spins.get() + 1)
        give_way = lambda: code.external('sched_yield', I32, [])  # noqa: E731
        code.choose(spins.get() < SPINS, lambda: _pause(code), give_way)
        builder.branch(look)
        builder.position_at_end(end)


def _pause(code: Code) -> None:
    """Tell the processor that this thread spins."""
    triple = llvm.get_process_triple()
    if triple.startswith(('x86_64', 'i686')):
        code.external('llvm.x86.sse2.pause', ir.VoidType(), [])
    elif triple.startswith(('aarch64', 'arm64')):
        code.external('llvm.aarch64.hint', ir.VoidType(), [ir.Constant(I32, 1)])


def _join(code: Code, thread: Int) -> None:
    code.external('pthread_join', I32, [thread.value, code.int(0).value])


def _start(code: Code, job: Int, worker: Int) -> Int:
    """Start a thread; return 0 if that went well."""
    args = [(job + 24).value, code.int(0).value, worker.value, job.value]
    failed = code.external('pthread_create', I32, args)
    return Int(code, code.builder.sext(failed, I64))


def _call(code: Code, function: Int, argument: Int) -> None:
    kind = ir.PointerType(ir.FunctionType(I64, [I64]))
    code.builder.call(code.builder.inttoptr(function.value, kind), [argument.value])


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
