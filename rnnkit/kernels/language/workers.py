"""Threads that help with the parts of a kernel: made once, then waiting for the next one.

In: functions of one job each. Out: functions of machine code that give jobs to these threads and
wait until all are done. There is one team for all kernels of a process.

Making and joining a thread takes 40 to 60 microseconds and disturbs the other cores when its
stack is freed: a fifth of an update of a small RNN. So threads stay. A thread without a job looks
for one for some tens of microseconds, which bridges the time to the next kernel, and then sleeps.

Nothing depends on a thread that does not come: a job that nobody has begun when the caller has done
its own is done by the caller. Another thread of Python that calls a kernel at the same time does
all its parts itself. A forked process has no threads, and makes its own: the number of the process
says whose team it is. Before ``os.fork`` they end (`rnnkit.kernels.runtime.fork`), because
Python warns of threads. Signals are left to the threads of Python.
"""

import ctypes
import os
import signal
import sys

import llvmlite.binding as llvm
from llvmlite import ir

from rnnkit.kernels.language.atomics import exchange, load, release, swap
from rnnkit.kernels.language.vector import I32, I64, Code, Int, Unit

MOST = 256  # threads, with the caller
# Looks for what another thread does: the first ones in a tight loop, about a microsecond. Then the
# thread gives way each time: there may be fewer cores than threads.
SPINS, PATIENCE, FOREVER = 100, 300, 2**62
_LOCK, _PROCESS, _COUNT = range(3)  # places in the team; its members follow
_MEMBER = 256  # bytes of a member, which has cache lines of its own:
_STATE, _FUNCTION, _JOB, _THREAD = range(4)  # in the first; then one for the mutex
_MUTEX, _CONDITION = 64, 128  # and one for the condition that it sleeps on
# A member waits for a job; one is there; it does it; it has done it; it sleeps; it is to end.
WAITING, GIVEN, BEGUN, DONE, ASLEEP, LEAVING = range(6)
_SIGNALS = 128  # bytes of a set of signals
_SYMBOL = 'rnnkit_thread_team'
_team = (ctypes.c_int64 * (MOST * _MEMBER // 8))()
# Threads outlive the interpreter, so their memory must too: it has a reference that never goes.
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_team))
llvm.add_symbol(_SYMBOL, ctypes.addressof(_team))


def size_of_team() -> int:
    """Return how many threads there are in this process."""
    return _team[_COUNT] if _team[_PROCESS] == os.getpid() else 0


def write_workers(unit: Unit) -> None:
    """Write ``gather(parts)``, ``share(worker, jobs, bytes, parts, helpers)`` and ``dismiss()``."""
    _write_dismiss(unit)
    if sys.platform == 'win32':
        with unit.function('gather', 'parts'):
            pass
    else:
        _write_wait(unit)
        _write_sleep(unit)
        _write_serve(unit)
        _write_hire(unit)
        _write_gather(unit)
    _write_share(unit)


def write_retire(unit: Unit) -> None:
    """Write ``retire()``: end all threads, unless a kernel is running."""
    _write_dismiss(unit)
    with unit.function('retire', '', export=True) as (code,):
        with code.when(~exchange(code, _at(code, _LOCK), 0, _posix(code, 'getpid'))):
            code.ret(0)
        with code.loop(0, code.get(_at(code, _COUNT))) as count:
            member = _member(code, count + 1)
            _put_state(code, member, LEAVING)
            thread = code.get(member, _THREAD)
            _posix(code, 'pthread_join', thread, code.int(0))
            _posix(code, 'pthread_cond_destroy', member + _CONDITION)
            _posix(code, 'pthread_mutex_destroy', member + _MUTEX)
        code.put(0, _at(code, _COUNT))
        code.call('dismiss')


def _write_dismiss(unit: Unit) -> None:
    ir.GlobalVariable(unit.module, ir.ArrayType(I64, len(_team)), _SYMBOL)
    with unit.function('dismiss', '') as (code,):
        release(code, _at(code, _LOCK), 0)


def _at(code: Code, place: int) -> Int:
    """Return where an integer of the team is."""
    team = code.unit.module.globals[_SYMBOL]
    return Int(code, code.builder.ptrtoint(team, I64)) + 8 * place


def _member(code: Code, q: Int) -> Int:
    """Return where the member for part `q` is; the caller does part 0."""
    return _at(code, 0) + q * _MEMBER


def _write_wait(unit: Unit) -> None:
    """Write ``wait(member, state, most)``: 1 once it has this state; 0 after `most` looks."""
    with unit.function('wait', 'member state most') as (code, member, state, most):
        with code.loop(0, most) as looks:
            with code.when(load(code, member).equals(state)):
                code.ret(1)
            give_way = lambda: code.external('sched_yield', I32, [])  # noqa: E731
            code.choose(looks < SPINS, lambda: _pause(code), give_way)


def _pause(code: Code) -> None:
    """Tell the processor that this thread spins."""
    triple = llvm.get_process_triple()
    if triple.startswith(('x86_64', 'i686')):
        code.external('llvm.x86.sse2.pause', ir.VoidType(), [])
    elif triple.startswith(('aarch64', 'arm64')):
        code.external('llvm.aarch64.hint', ir.VoidType(), [ir.Constant(I32, 1)])


def _write_sleep(unit: Unit) -> None:
    """Write ``sleep(member)``: until it is woken; not at all if there is a job."""
    with unit.function('sleep', 'member') as (code, member):
        _posix(code, 'pthread_mutex_lock', member + _MUTEX)
        # With the mutex: who sees that it sleeps cannot signal before it waits for the signal.
        with code.when(exchange(code, member, WAITING, ASLEEP)):
            with code.loop(0, FOREVER):
                with code.when(load(code, member).differs(ASLEEP)):
                    _posix(code, 'pthread_mutex_unlock', member + _MUTEX)
                    code.ret(0)
                _posix(code, 'pthread_cond_wait', member + _CONDITION, member + _MUTEX)
        _posix(code, 'pthread_mutex_unlock', member + _MUTEX)


def _write_serve(unit: Unit) -> None:
    """Write ``serve(member)``, the life of a thread."""
    with unit.function('serve', 'member') as (code, member):
        with code.loop(0, FOREVER):
            with code.when(code.call('wait', member, GIVEN, PATIENCE).equals(0)):
                code.call('sleep', member)
            with code.when(exchange(code, member, GIVEN, BEGUN)):
                call_job(code, code.get(member, _FUNCTION), code.get(member, _JOB))
                release(code, member, DONE)
            with code.when(load(code, member).equals(LEAVING)):
                code.ret(0)


def _write_hire(unit: Unit) -> None:
    """Write ``hire(n)``: make threads until the team has `n` members, or none can be made."""
    with unit.function('hire', 'n') as (code, n):
        signals, before = code.room(_SIGNALS), code.room(_SIGNALS)
        _posix(code, 'sigfillset', signals)
        _mask_signals(code, signals, before)
        made = code.var(code.get(_at(code, _COUNT)))
        with code.loop(made.get(), n) as count, code.when(made.get().equals(count)):
            member = _member(code, count + 1)
            release(code, member, WAITING)
            _posix(code, 'pthread_mutex_init', member + _MUTEX, code.int(0))
            _posix(code, 'pthread_cond_init', member + _CONDITION, code.int(0))
            args = (member + 8 * _THREAD, code.int(0), code.address_of('serve'), member)
            with code.when(_posix(code, 'pthread_create', *args).equals(0)):
                made.set(count + 1)
        code.put(made.get(), _at(code, _COUNT))
        _mask_signals(code, before, code.int(0))


def _mask_signals(code: Code, signals: Int, before: Int) -> None:
    """Block these signals in this thread and those that it makes; store those blocked before."""
    how = ir.Constant(I32, signal.SIG_SETMASK)
    code.external('pthread_sigmask', I32, [how, signals.value, before.value])


def _write_gather(unit: Unit) -> None:
    """Write ``gather(parts)``: take the team; the number of its threads that help.

    It is 0 if others have the team. Otherwise the caller has it until it calls ``dismiss``.
    """
    with unit.function('gather', 'parts') as (code, n):
        with code.when(n < 2):
            code.ret(0)
        process, lock = _posix(code, 'getpid'), _at(code, _LOCK)
        holder = load(code, lock)
        with code.when(holder.equals(process)):
            code.ret(0)
        # Another holder than 0 is the process that forked this one.
        with code.when(~exchange(code, lock, holder, process)):
            code.ret(0)
        with code.when(code.get(_at(code, _PROCESS)).differs(process)):
            code.put(process, _at(code, _PROCESS))
            code.put(0, _at(code, _COUNT))
        with code.when(code.get(_at(code, _COUNT)) < n - 1):
            code.call('hire', n - 1)
        helpers = code.get(_at(code, _COUNT)).min(n - 1)
        with code.when(helpers.equals(0)):
            code.call('dismiss')
        code.ret(helpers)


def _write_share(unit: Unit) -> None:
    """Write ``share(function, jobs, bytes, parts, helpers)``: call the function with each job.

    A job has so many bytes. The number of helpers is the result of ``gather``.
    """
    names = 'function jobs bytes parts helpers'
    with unit.function('share', names) as (code, function, jobs, size, n, helpers):
        shared = (helpers + 1).min(n)
        if sys.platform != 'win32':
            with code.loop(1, shared) as q:
                member = _member(code, q)
                code.put(function, member, _FUNCTION)
                code.put(jobs + q * size, member, _JOB)
                _put_state(code, member, GIVEN)
        call_job(code, function, jobs)
        with code.loop(shared, n) as q:
            call_job(code, function, jobs + q * size)
        if sys.platform != 'win32':
            with code.loop(1, shared) as q:
                _collect(code, _member(code, q), function, jobs + q * size)


def _put_state(code: Code, member: Int, state: int) -> None:
    """Change the state of a member, and wake it if it sleeps."""
    with code.when(swap(code, member, state).equals(ASLEEP)):
        _posix(code, 'pthread_mutex_lock', member + _MUTEX)
        _posix(code, 'pthread_cond_signal', member + _CONDITION)
        _posix(code, 'pthread_mutex_unlock', member + _MUTEX)


def _collect(code: Code, member: Int, function: Int, job: Int) -> None:
    """Wait until the member has done its job; if it has not started, do the job here."""

    def wait() -> None:
        code.call('wait', member, DONE, FOREVER)
        release(code, member, WAITING)

    taken_back = exchange(code, member, GIVEN, WAITING)
    code.choose(taken_back, lambda: call_job(code, function, job), wait)


def call_job(code: Code, function: Int, job: Int) -> None:
    """Call a function of one job by its address."""
    kind = ir.PointerType(ir.FunctionType(I64, [I64]))
    code.builder.call(code.builder.inttoptr(function.value, kind), [job.value])


def _posix(code: Code, name: str, *args: Int) -> Int:
    """Call a function of the system that returns a 32-bit integer."""
    result = code.external(name, I32, [arg.value for arg in args])
    return Int(code, code.builder.sext(result, I64))
