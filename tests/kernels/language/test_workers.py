"""The threads that help kernels: how many there are, and that nothing waits for one in vain."""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from faults import ends_well, fork
from kernel_cases import backward_of, forward, problem

from rnnkit.kernels.language import threads, workers
from rnnkit.kernels.language.workers import size_of_team
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.runtime.cache import library
from rnnkit.kernels.runtime.fork import end_threads

TASKS = Path('/proc/self/task')
pytestmark = pytest.mark.skipif(not TASKS.exists(), reason='no list of threads here')


@pytest.fixture(autouse=True)
def three_threads():
    before = threads.get_threads()
    end_threads()
    threads.set_threads(3)
    with threads.smallest_part(1):  # here, for it belongs to the process and not to a thread
        yield
    threads.set_threads(before)


def tasks():
    return {int(task.name) for task in TASKS.iterdir()}


def status(task, name):
    """Return a line of what the system knows of a thread."""
    lines = (TASKS / str(task) / 'status').read_text().splitlines()
    return next(line.split(':')[1].strip() for line in lines if line.startswith(name))


def wait_until_asleep(threads):
    end = time.monotonic() + 20  # the machine may be busy
    while {status(task, 'State') for task in threads} != {'S (sleeping)'}:
        assert time.monotonic() < end
        time.sleep(0.01)


@cache
def kernels():
    where, case = kernel.host_target('float32'), problem('lstm', (6, 12, 5, 40), 'float32')
    return case, forward('lstm', where), backward_of('lstm', where)


def step():
    """Run a kernel of one phase and one of several, on three threads."""
    case, go, come_back = kernels()
    outputs = go(*case.args)
    return outputs + come_back(*case.args, *outputs, *case.d_states)


def assert_same(results, wanted):
    for got, want in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def test_threads_are_made_once_and_sleep_afterwards():
    before = tasks()
    want = step()
    new = tasks() - before
    assert len(new) == size_of_team() == 2
    for _ in range(1000):
        assert_same(step(), want)
    threads.set_threads(2)
    step()
    assert tasks() - before == new
    wait_until_asleep(new)
    threads.set_threads(5)
    assert_same(step(), want)
    assert len(tasks() - before) == size_of_team() == 4


def test_signals_are_left_to_the_threads_of_python():
    before, mask = tasks(), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    step()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    for task in tasks() - before:
        blocked = int(status(task, 'SigBlk'), 16)
        assert all(blocked >> (n - 1) & 1 for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM))


def test_a_fork_finds_no_threads_and_both_processes_make_new_ones():
    want = step()
    seen = []
    os.register_at_fork(before=lambda: seen.append(size_of_team()))  # done before rnnkit's own
    os.register_at_fork(after_in_parent=lambda: seen.append(size_of_team()))
    assert ends_well(fork(lambda: assert_same(step(), want)))
    assert seen == [2, 0]
    assert_same(step(), want)
    assert size_of_team() == 2


def test_a_process_may_fork_while_a_kernel_runs():
    want, wrong, stop = step(), [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                assert_same(step(), want)
            except AssertionError as error:
                wrong.append(error)

    def in_child():
        assert_same(step(), want)
        assert len(tasks()) == 3  # its own one, and two new ones

    other = threading.Thread(target=work)
    other.start()
    try:
        for _ in range(5):
            assert ends_well(fork(in_child))
            assert_same(step(), want)
    finally:
        stop.set()
        other.join()
    assert not wrong


def test_several_threads_of_python_call_kernels_while_the_number_of_threads_changes():
    want, wrong = step(), []

    def work():
        try:
            for _ in range(100):
                assert_same(step(), want)
        except AssertionError as error:
            wrong.append(error)

    others = [threading.Thread(target=work) for _ in range(3)]
    for other in others:
        other.start()
    for k in count():
        if not any(other.is_alive() for other in others):
            break
        threads.set_threads(1 + k % 8)
        if k % 3 == 0:
            end_threads()
        time.sleep(0.001)
    assert not wrong


def test_a_fork_waits_until_another_thread_has_compiled_a_kernel():
    begun = threading.Event()

    def compile_slowly(name):
        begun.set()
        time.sleep(0.3)
        raise NotImplementedError  # so that nothing is kept

    def compile_in_a_thread():
        def work():
            with pytest.raises(NotImplementedError):
                library('test', 'fork', compile_slowly)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def check():  # that no thread holds the lock forever
        thread = compile_in_a_thread()
        thread.join(20)
        assert not thread.is_alive()

    compile_in_a_thread()
    assert begun.wait(20)
    assert ends_well(fork(check))
    check()


def test_a_job_that_no_thread_begins_is_done_by_the_caller():
    want = step()

    def work():
        signal.alarm(20)  # ends the child if it waits
        workers._team[workers._PROCESS], workers._team[workers._COUNT] = os.getpid(), 2
        assert_same(step(), want)
        assert size_of_team() == 2

    assert ends_well(fork(work))


def test_a_kernel_does_all_parts_itself_where_no_thread_can_be_made():
    resource = pytest.importorskip('resource')
    want = step()

    def work():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        if os.getuid() == 0:  # whom the limit does not concern
            os.setuid(65534)
        assert_same(step(), want)
        assert size_of_team() == 0

    assert ends_well(fork(work))


EXIT = """
import numpy as np, rnnkit
from rnnkit.kernels.language.workers import size_of_team
rnnkit.set_threads(2)
net = rnnkit.Regressor([64, ('rnn', 64), 1], seed=0)
net.predict(np.zeros((50, 64, 64), 'float32'))
assert size_of_team() == 1
"""


def test_a_process_ends_while_threads_look_for_work():
    usual = {**os.environ, 'PYTENSOR_FLAGS': ''}  # the mode in which kernels are used
    for _ in range(3):
        subprocess.run([sys.executable, '-c', EXIT], check=True, timeout=60, env=usual)
