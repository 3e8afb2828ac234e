"""Compiled functions: errors that machine code hides, and what belongs to the whole process."""

import sys
import threading
import time
import warnings

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.traversal import ancestors
from pytensor.scan.op import Scan

import rnnkit
from rnnkit.common.compiled import JOINING, Compiled, double_precision, origin, quickly


def hidden(error, by='context'):
    """Return a SystemError that hides another exception, as the interpreter makes it."""
    outer, middle = SystemError('returned a result with an exception set'), SystemError('again')
    setattr(middle, f'__{by}__', error)
    outer.__cause__ = middle
    return outer


def raising(error):
    """Return a compiled function whose machine code raises an error."""
    x = pt.vector('x')
    function = Compiled('a sum', [x], [x.sum()])
    function(np.ones(2, x.dtype))

    def run(*arrays):
        raise error

    function._function = run
    return function


class TooLateError(Exception):
    """The exception of a signal handler."""


@pytest.mark.parametrize('by', ['cause', 'context'])
@pytest.mark.parametrize('kind', [KeyboardInterrupt, TooLateError, SystemExit])
def test_what_a_handler_raises_comes_out_as_it_is(kind, by):
    error = kind('here')
    with pytest.raises(kind) as caught:
        raising(hidden(error, by))(1)
    assert caught.value is error


def test_a_system_error_of_its_own_stays():
    error = SystemError('bad call')
    with pytest.raises(SystemError) as caught:
        raising(error)(1)
    assert caught.value is error
    assert origin(hidden(None)).args == ('returned a result with an exception set',)


def test_an_interrupt_in_the_first_epoch_gives_usable_numbers():
    """Ctrl-C after three batches: means over these, and the validation after them."""
    x = np.arange(8.0).reshape(8, 1)

    class AfterThree(rnnkit.callbacks.Callback):
        losses = ()

        def on_batch_end(self, training):
            self.losses = (*self.losses, training.loss)
            if training.batch == 3:
                raise KeyboardInterrupt

    net, after = rnnkit.Regressor([1, 1], seed=0, dtype='float64'), AfterThree()
    trained, valid = net.train([x, x], batch_size=2, callbacks=after, restore_best=False)
    assert trained['loss'] == pytest.approx(np.mean(after.losses), rel=1e-12)
    assert valid['loss'] == pytest.approx(((net.predict(x) - x) ** 2).mean(), rel=1e-12)


class OnUpdate:
    """Raises KeyboardInterrupt instead of an update."""

    def __call__(self, *batch):
        raise hidden(KeyboardInterrupt())


@pytest.mark.parametrize('held_out', [True, False])
def test_an_interrupt_before_the_first_update(held_out, monkeypatch):
    x = np.arange(8.0).reshape(8, 1)
    net = rnnkit.Regressor([1, 1], seed=0, dtype='float64')
    net.train([x, x], epochs=1)
    (step,) = net._train_steps._steps.values()
    monkeypatch.setattr(step.update, '_function', OnUpdate())
    trained, valid = net.train([x, x], [x, x] if held_out else None)
    assert valid['loss'] == pytest.approx(((net.predict(x) - x) ** 2).mean(), rel=1e-12)
    assert set(trained) == set(valid) == {'loss', 'err'}
    assert np.isnan(trained['loss']) if held_out else trained == valid


# --- what belongs to the whole process


def test_threads_compile_one_at_a_time_and_leave_the_filters_alone(monkeypatch):
    inside, most = [], []
    original = pytensor.function

    def slow(*args, **keywords):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)
        try:
            return original(*args, **keywords)
        finally:
            inside.pop()

    monkeypatch.setattr(pytensor, 'function', slow)
    before = list(warnings.filters)
    x = pt.vector('x')

    def work():
        for k in range(3):
            assert Compiled('a sum', [x], [x.sum() + k])(np.ones(2, x.dtype)) == [2 + k]

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 12
    assert warnings.filters == before


def test_a_function_that_two_threads_call_first_is_compiled_once(monkeypatch):
    calls, original = [], pytensor.function

    def slow(*args, **keywords):
        calls.append(1)
        time.sleep(0.05)
        return original(*args, **keywords)

    monkeypatch.setattr(pytensor, 'function', slow)
    x = pt.vector('x')
    function = Compiled('a sum', [x], [x.sum()])
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(function(np.ones(3, x.dtype))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[3], [3], [3]]
    assert len(calls) == 1


def mode_of_scan():
    """Return the mode of a scan in a new network."""
    output = rnnkit.Regressor([1, ('rnn', 2), 1], kernel=False).outputs['hid1:out']
    applied = (v.owner for v in ancestors([output]) if v.owner)
    return next(node.op.mode for node in applied if isinstance(node.op, Scan))


def test_quick_compilation_is_seen_by_nobody_else():
    with pytensor.config.change_flags(mode='Mode'):
        mode, cxx = pytensor.config.mode, pytensor.config.cxx
        with quickly():
            assert (pytensor.config.mode, pytensor.config.cxx) == (mode, cxx)
            assert set(JOINING) <= mode_of_scan().provided_optimizer.exclude
            seen = []
            thread = threading.Thread(target=lambda: seen.append(mode_of_scan()))
            thread.start()
            thread.join()
            assert seen == [None]


def test_floats_are_double_in_one_thread_at_a_time():
    """Between setting and restoring floatX, no other thread sets and restores it."""
    seen, done = [], threading.Event()
    with pytensor.config.change_flags(floatX='float32'):

        def work():
            with double_precision():
                seen.append(pytensor.config.floatX)
            done.set()

        with double_precision():
            thread = threading.Thread(target=work)
            thread.start()
            assert not done.wait(0.05)
            assert pytensor.config.floatX == 'float64'
        thread.join()
        assert seen == ['float64']
        assert pytensor.config.floatX == 'float32'


def test_two_threads_may_call_one_function():
    """PyTensor's function keeps its arguments between its steps."""
    x = pt.vector('x', dtype='float64')
    function = Compiled('a sum of sines', [x], [pt.sin(pt.sin(x)).sum() * 2])
    arrays = [np.full(50, 0.1), np.full(50, 0.7)]
    expected = [function(array) for array in arrays]
    wrong, interval = [], sys.getswitchinterval()

    def work(k):
        for _ in range(300):
            if function(arrays[k]) != expected[k]:
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
