"""Signals wait for the end of a compilation."""

import os
import signal
import threading

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from rnnkit.common.compiled import Compiled
from rnnkit.common.interrupts import held_back

pytestmark = pytest.mark.skipif(not hasattr(signal, 'SIGUSR1'), reason='there is no SIGUSR1')


class OfAHandlerError(Exception):
    """What a handler raises."""


def fail(number, frame):
    raise OfAHandlerError(number)


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGUSR1, fail)
    # A shell lets its background jobs ignore Ctrl-C.
    by_key = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGUSR1, before)
    signal.signal(signal.SIGINT, by_key)


def send(number):
    os.kill(os.getpid(), number)


def in_a_block(steps, *numbers):
    with held_back():
        for number in numbers:
            send(number)
            steps.append(number)


@pytest.mark.parametrize(
    ('number', 'error'), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGUSR1, OfAHandlerError)]
)
def test_the_first_waits_and_the_second_does_not(number, error):
    steps = []
    with pytest.raises(error):
        in_a_block(steps, number)
    assert steps == [number]
    with pytest.raises(error):
        in_a_block(steps, number, number)
    assert steps == [number, number]
    assert signal.getsignal(signal.SIGUSR1) is fail
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_come_back_whatever_happens():
    def wrong():
        with held_back():
            assert signal.getsignal(signal.SIGUSR1) is not fail
            raise ValueError('of the block')

    with pytest.raises(ValueError, match='of the block'):
        wrong()
    assert signal.getsignal(signal.SIGUSR1) is fail


def test_other_threads_do_nothing():
    seen = []

    def work():
        with held_back():
            seen.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [fail]


def test_a_function_that_is_interrupted_is_compiled_all_the_same(monkeypatch):
    x = pt.vector('x')
    function, original, calls = Compiled('a sum', [x], [x.sum()]), pytensor.function, []

    def interrupted(*args, **keywords):
        send(signal.SIGINT)
        calls.append(1)
        return original(*args, **keywords)

    monkeypatch.setattr(pytensor, 'function', interrupted)
    with pytest.raises(KeyboardInterrupt):
        function(np.ones(3, x.dtype))
    assert function(np.ones(3, x.dtype)) == [3]
    assert len(calls) == 1
