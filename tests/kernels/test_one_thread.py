"""A training step has the same bits with any number of threads, or if none can be made."""

import ctypes
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest
from faults import ends_well, fork
from kernel_cases import CELLS, forward, problem
from step_cases import STEP_KERNELS, step_case

import rnnkit
from rnnkit import kernels
from rnnkit.kernels.dense.forward import Forward as Dense
from rnnkit.kernels.language import threads
from rnnkit.kernels.language.workers import size_of_team
from rnnkit.kernels.recurrent import trace
from rnnkit.kernels.recurrent.backward import Backward
from rnnkit.kernels.recurrent.forward import Forward
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel

WIDTH = kernel.host_target('float32').width


@pytest.mark.parametrize('name', STEP_KERNELS)
@pytest.mark.parametrize('sizes', [(300, 20, 1), (257, 33, 70)])
def test_results_do_not_depend_on_threads(name, sizes, rng):
    case = step_case(name, 'float32', WIDTH, sizes, rng)
    results = []
    for n in (1, 2, 3, 16):
        threads.set_threads(n)
        with threads.smallest_part(1):
            results.append(case.run(*case.arrays))
    for other in results[1:]:
        for got, want in zip(other, results[0], strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.fixture(params=[0, 1])
def no_more_threads(request):
    """Refuse each thread, or every other one, to kernels that are loaded from now on.

    Yields a list of the attempts.
    """
    attempts = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)
    made = ctypes.CDLL(None).pthread_create
    make = kind(ctypes.cast(made, ctypes.c_void_p).value)

    @kind
    def refuse(*args):
        attempts.append(args)
        if request.param and len(attempts) % 2:
            return make(*args)
        return 11  # EAGAIN

    llvm.add_symbol('pthread_create', ctypes.cast(refuse, ctypes.c_void_p).value)
    yield attempts
    llvm.add_symbol('pthread_create', ctypes.cast(made, ctypes.c_void_p).value)


@pytest.fixture
def to_go_back():
    """Return the inputs of a GRU's backward kernel; its forward has threads as usual."""
    case = problem('gru', (60, 9, 3, 40), 'float32')
    outputs = forward('gru', kernel.host_target('float32'))(*case.args)
    return [*case.args, *outputs, *case.d_states]


@pytest.mark.skipif(sys.platform == 'win32', reason='kernels have one thread there')
def test_parts_whose_thread_cannot_be_made_are_done_all_the_same(
    to_go_back, no_more_threads, request, rng
):
    where = kernel.host_target('float32')
    gru = trace.form_of(CELLS['gru'][0])
    writers = [
        (Backward(gru, where, Walk((False,)), (True,), True), to_go_back),
        (Dense(where, 2), step_case('dense', 'float32', WIDTH, (50, 6, 9), rng).arrays),
        (
            Forward(trace.form_of(CELLS['rnn-tanh'][0]), where, Walk((False,)), True, (True,)),
            problem('rnn-tanh', (4, 9, 3, 17), 'float32').args,
        ),
    ]
    made = request.node.callspec.params['no_more_threads']

    def work():
        for writer, arrays in writers:
            results = []
            for kind in (f'refused{made}', 'one_thread'):
                # The first name is new to this process, which looks for its symbols now.
                run = kernel.build(kind, writer, repr((kind, writer.frame.inputs)))
                threads.set_threads(1 if kind == 'one_thread' else 4)
                with threads.smallest_part(1):
                    results.append(run(*arrays))
            for got, want in zip(*results, strict=True):
                np.testing.assert_array_equal(got, want)
        # Of three that are wanted none, or one more with each kernel.
        assert size_of_team() == 3 * made
        assert len(no_more_threads) == [3, 2 + 2 + 1][made]

    # In a child, which has none of the threads that were made here before.
    assert ends_well(fork(work))


def test_without_kernels_all_parts_of_a_step_keep_their_plain_graph(monkeypatch, asked_again):
    def fail():
        raise OSError('memory that can be run is forbidden here')

    monkeypatch.setattr(kernels.switch, 'build_one', fail)
    with pytest.warns(RuntimeWarning, match='cannot be built here') as record:  # noqa: PT031
        net = rnnkit.Regressor([2, ('rnn', 4), 1], seed=0)
        x = np.ones((3, 2, 2), 'f')
        train, _ = next(net.itertrain([x, x[..., :1]], algo='rmsprop', train_batches=2))
    assert len(record) == 1
    assert np.isfinite(train['loss'])
    assert net.predict(x).shape == (3, 2, 1)
