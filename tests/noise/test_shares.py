"""Noise of a batch that several processes share: theirs together is that of one process."""

from itertools import pairwise

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.perturbations import Disturbance
from rnnkit.noise import Noise
from rnnkit.noise.ops import MISFIT

PARTS = ([0, 7], [0, 4, 7], [0, 1, 7], [0, 3, 3, 7], [0, 0, 7], [0, 7, 7])  # where they begin
MODES = ['FAST_COMPILE', long('NUMBA')]


def draws(dtype, ndim, shared):
    """Return outputs for each Op, with a function of their inputs and mode, and their noise."""
    noise = Noise(shared)
    x = pt.tensor('x', dtype=dtype, shape=(None,) * (ndim - 1) + (3,))
    rate = pytensor.shared(np.asarray(0.3, dtype))
    dropped = noise.drop(x, rate)
    outputs = [
        noise.uniform(x),
        noise.normal(x),
        dropped,
        pt.grad(dropped.sum(), x),
        noise.keep(rate, x, (ndim - 2,), 5),
        noise.normal(x, (ndim - 2,), 5),
    ]
    if ndim == 3:
        outputs += [noise.codes(rate, x, 5, 3), noise.uniform(x, (0, 1))]
    return [x], outputs, noise


def compiled(mode, dtype, ndim, shared=True):
    inputs, outputs, noise = draws(dtype, ndim, shared)
    return pytensor.function(inputs, outputs, updates=noise.updates, mode=mode), noise


def values(dtype, ndim, T):
    shape = (T, 7, 3) if ndim == 3 else (7, 3)
    return np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('ndim', [2, 3])
@pytest.mark.parametrize('mode', MODES)
def test_parts_joined_are_the_whole(mode, ndim, dtype):
    whole, source = compiled(mode, dtype, ndim, shared=False)
    function, noise = compiled(mode, dtype, ndim)
    for T in (1, 4, 5) if ndim == 3 else (1,):  # quarters of a draw that are whole steps, or not
        x = values(dtype, ndim, T)
        for begins in PARTS:
            source.set_state([5, 6, 2**32 - 1, 0])
            wanted, found = whole(x), []
            for first, end in pairwise(begins):
                noise.set_state([5, 6, 2**32 - 1, 0])
                noise.share(first, 7)
                found.append(function(x[..., first:end, :]))
                assert noise.get_state() == [5, 6, 0, 1]
            for k, numbers in enumerate(wanted):
                axis = 1 if k == 7 else numbers.ndim - 2
                joined = np.concatenate([part[k] for part in found], axis=axis)
                assert joined.dtype == dtype
                assert np.array_equal(joined, numbers), (T, begins, k)


@pytest.mark.parametrize('mode', MODES)
def test_without_a_share_all_is_here(mode):
    function, noise = compiled(mode, 'float32', 3)
    x = values('float32', 3, 5)
    source = compiled('FAST_COMPILE', 'float32', 3, shared=False)
    for n in (noise, source[1]):
        n.seed(3)
    noise.share(2, 20)
    noise.share(0, 0)
    for found, wanted in zip(function(x), source[0](x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)  # other sines


@pytest.mark.parametrize('mode', MODES)
def test_a_part_behind_the_end(mode):
    noise = Noise(shared=True)
    x = pt.matrix('x')
    function = pytensor.function([x], noise.drop(x, 0.5), mode=mode)
    noise.share(4, 6)
    assert function(np.ones((2, 3))).shape == (2, 3)
    with pytest.raises(ValueError, match='Noise.share.. expects') as error:
        function(np.ones((3, 3)))
    assert MISFIT in str(error.value)


def test_a_source_that_is_not_shared():
    with pytest.raises(ConfigError, match=r'a graph that has Noise\(shared=True\)'):
        Noise().share(0, 3)


def test_what_has_no_examples_is_the_same_in_each_part():
    noise = Noise(shared=True)
    x, w = pt.tensor3('x'), pytensor.shared(np.ones((3, 4)), 'w')
    outputs = [
        noise.normal(w, examples=False),
        noise.keep(0.5, w, examples=False),
        noise.drop(w, 0.5, examples=False),
        noise.uniform(x, (0,), 4),  # a row for each step
    ]
    function = pytensor.function([x], outputs, mode='FAST_COMPILE')
    noise.seed(1)
    wanted = function(np.ones((2, 6, 3)))
    noise.share(4, 6)
    for found, numbers in zip(function(np.ones((2, 2, 3))), wanted, strict=True):
        assert np.array_equal(found, numbers)


NOISE = dict(input_noise=0.3, hidden_dropout=0.4, weight_noise=0.1)
LAYERS = [3, dict(form='lstm', size=4, dropout=0.3, zoneout=0.2), ('dropout', 0.25), 2]
PLACES = [3, dict(form='bidirectional', worker='gru', size=4, dropout=0.3), 'last', 4, 2]
FLAT = [3, ('tanh', 5), ('dropout', 0.5), 2]


@pytest.mark.filterwarnings('ignore:.*np.dot.* is faster on contiguous arrays')
@pytest.mark.parametrize(
    ('layers', 'masked', 'mode'),
    [
        (LAYERS, True, 'FAST_COMPILE'),
        long(PLACES, False, 'FAST_COMPILE'),
        long(FLAT, False, 'NUMBA'),  # those with a loop over time take minutes to compile
    ],
)
def test_gradients_of_parts_add_up_to_that_of_the_batch(layers, masked, mode, rng):
    function, noise, batch = gradients(layers, masked, rng, mode)

    def found(first, end, total):
        noise.seed(4)
        noise.share(first, total)
        # Exactly one axis of each array is as long as there are examples.
        here = [np.take(a, range(first, end), axis=a.shape.index(7)) for a in batch]
        weight, *slopes = function(*here)
        return [weight * slope for slope in slopes]

    wanted = found(0, 7, 0)
    for begins in ([0, 4, 7], [0, 1, 3, 7]):
        parts = [found(a, b, 7) for a, b in pairwise(begins)]
        for slope, *others in zip(wanted, *parts, strict=True):
            np.testing.assert_allclose(sum(others), slope, rtol=0, atol=1e-12 * abs(slope).max())
    # Otherwise, examples of the second part have the numbers of the first.
    parts = [found(0, 4, 0), found(4, 7, 0)]
    assert not np.allclose(parts[0][0] + parts[1][0], wanted[0], rtol=1e-3)


def gradients(layers, masked, rng, mode):
    """Return a function that gives the weight and gradients of a batch, its noise, and a batch."""
    net = rnnkit.Regressor(layers, masked=masked, seed=0, dtype='float64')
    graph, criterion = net._graph, net._train_steps.criterion
    targets = perturbations.read(graph, criterion.compared, NOISE)
    disturbance, noise = Disturbance(graph, targets), Noise(shared=True)
    disturbance.set(targets)
    objective = criterion.objective(disturbance.outputs(noise))
    slopes = pytensor.grad(objective.loss, objective.params, disconnected_inputs='ignore')
    number = objective.inputs[0].shape[-2]
    weight = number if objective.weight is None else objective.weight
    function = pytensor.function(objective.inputs, [weight, *slopes], mode=mode)
    lengths = np.array([5, 2, 4, 5, 1, 3, 5])
    batch = []
    for variable in objective.inputs:
        if masked and variable.ndim == 2:
            batch.append((np.arange(5)[:, None] < lengths).astype(variable.dtype))
        else:
            width = variable.type.shape[-1]
            batch.append(rng.standard_normal((5, 7, width) if variable.ndim == 3 else (7, width)))
    return function, noise, batch
