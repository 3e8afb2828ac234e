"""Mean and maximum over time in networks: NumPy in float64, padding, names, refusals."""

import numpy as np
import pytensor
import pytest

import rnnkit

T, B = 6, 4
LENGTHS = np.array([T, 2, 4, 1])


def oracle(kind, net, x, y, lengths):
    """Return the output of [3, (4, 'linear'), kind, 2], and the gradients of the mean square."""
    w, b, v, c = (net.find(*name).get_value() for name in NAMES)
    pooled, slopes = np.zeros((B, 4)), np.zeros((T, B, 4))
    hidden = x @ w + b
    for k, n in enumerate(lengths):
        real = hidden[:n, k]
        pooled[k] = real.mean(0) if kind == 'mean' else real.max(0)
    out = pooled @ v + c
    error = 2 * (out - y) / out.size
    for k, n in enumerate(lengths):
        for j in range(4):
            slope = error[k] @ v[j]
            if kind == 'mean':
                slopes[:n, k, j] = slope / n
            else:
                slopes[hidden[:n, k, j].argmax(), k, j] = slope
    gradients = np.einsum('tbi,tbh->ih', x, slopes), slopes.sum((0, 1)), pooled.T @ error
    return out, [*gradients, error.sum(0)]


NAMES = [('hid1', 'w'), ('hid1', 'b'), ('out', 'w'), ('out', 'b')]


@pytest.fixture(params=['python', 'kernels'])
def engine(request):
    """Compute by PyTensor's own Ops in Python, or by kernels."""
    if request.param == 'kernels':
        request.getfixturevalue('machine_code')
    return request.param


@pytest.mark.parametrize('masked', [False, True])
@pytest.mark.parametrize('kind', ['mean', 'max'])
def test_output_and_gradient_equal_numpy(kind, engine, masked, rng):
    net = rnnkit.Regressor([3, (4, 'linear'), kind, 2], dtype='float64', seed=1, masked=masked)
    x, y = rng.standard_normal((T, B, 3)), rng.standard_normal((B, 2))
    lengths = LENGTHS if masked else np.full(B, T)
    out, gradients = oracle(kind, net, x, y, lengths)
    ragged = [x[:n, k] for k, n in enumerate(lengths)]
    np.testing.assert_allclose(net.predict(ragged), out, rtol=1e-13)
    before = [net.find(*name).get_value() for name in NAMES]
    options = dict(algo='sgd', learning_rate=1.0, momentum=0, max_gradient_norm=0, batch_size=B)
    net.train([ragged, y], epochs=1, restore_best=False, seed=0, **options)
    for name, start, gradient in zip(NAMES, before, gradients, strict=True):
        moved = start - net.find(*name).get_value()
        np.testing.assert_allclose(moved, gradient, rtol=1e-11, atol=1e-13, err_msg=str(name))


@pytest.mark.parametrize('kind', ['mean', 'max', 'last'])
def test_a_sequence_without_a_real_step_gives_zero(kind, rng):
    net = rnnkit.Regressor([3, (4, 'linear'), kind], seed=1, masked=True)
    net.find('hid1', 'b').set_value(np.full(4, -5, 'float32'))  # of padding, 0 @ w + b is not 0
    mask = np.ones((T, B))
    mask[:, 2] = 0
    out = net.predict(rng.standard_normal((T, B, 3)), mask=mask)
    assert (out[2] == 0).all()
    assert (out[[0, 1, 3]] < -1).all()


def test_a_network_of_kernels_and_pools_is_a_plan(machine_code, rng):
    from rnnkit.kernels.runtime.plan import Plan

    net = rnnkit.Regressor([2, ('lstm', 4), 'mean', 2], seed=0, masked=True)
    net.predict(rng.standard_normal((T, B, 2)))
    function = net._inference.function('the prediction', []).function
    assert isinstance(function.vm.jit_fn, Plan)


def test_equal_steps_give_the_gradient_to_the_first():
    x = np.array([1.0, 3.0, 3.0, 2.0])[:, None, None]
    net = rnnkit.Regressor([1, 'max', 1], dtype='float64', seed=0)
    graph, variable = net.outputs['hid1:out'], net.inputs[0]
    slope = pytensor.function([variable], pytensor.grad(graph.sum(), variable))(x)
    np.testing.assert_array_equal(slope[:, 0, 0], [0, 1, 0, 0])


def test_pools_stand_where_one_vector_is_read(rng):
    layers = [
        2,
        dict(form='gru', size=3, name='encoder'),
        dict(form='mean', name='a'),
        dict(form='max', inputs='encoder', name='b'),
        dict(form='concatenate', inputs=('a', 'b')),
        ('repeat', 5),
        dict(form='gru', size=3, h_0='b'),
        1,
    ]
    net = rnnkit.Regressor(layers, dtype='float64', seed=0)
    x = rng.standard_normal((T, B, 2))
    outputs = net.feed_forward(x)
    hidden = outputs['encoder:out']
    np.testing.assert_allclose(outputs['a:out'], hidden.mean(0), rtol=1e-14)
    np.testing.assert_array_equal(outputs['b:out'], hidden.max(0))
    assert net.predict(x).shape == (5, B, 1)
    assert [name for name in outputs if name[:2] in ('a:', 'b:')] == ['a:out', 'b:out']


@pytest.mark.parametrize('before', ['last', 'mean', 'max'])
@pytest.mark.parametrize('form', ['last', 'mean', 'max'])
def test_there_is_nothing_to_pool_without_time(form, before):
    with pytest.raises(rnnkit.ConfigError) as found:
        rnnkit.Regressor([2, ('rnn', 3), before, form, 1], seed=0)
    assert str(found.value) == (
        f"layer 'hid3' ({form}) needs a time axis; hid2:out has none; put dict(form='repeat', "
        f'steps=...) before it'
    )


def test_a_pool_has_the_size_of_its_input():
    net = rnnkit.Regressor([2, ('rnn', 3), 'mean', 1], seed=0)
    assert net.layers[2].size == 3
    message = "layer 'hid2' \\(mean\\) has size 3, which follows from its inputs; got size=4"
    with pytest.raises(rnnkit.ConfigError, match=message):
        rnnkit.Regressor([2, ('rnn', 3), ('mean', 4), 1], seed=0)
