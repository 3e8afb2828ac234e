"""The gradient by the output of each time step, and the warnings about it."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.integrations import plots
from rnnkit.training.gradient_flow import verdict

T, B, H = 6, 3, 4


@pytest.fixture
def xy(rng):
    return rng.standard_normal((T, B, 2)), rng.standard_normal((T, B, 1))


def by_differences(step, start, x, loss, order):
    """Return the norm of the slope by each h_t, from runs in which one number of it is moved.

    ``step(x_t, state) -> state`` is NumPy's; the first part of the state is h.
    """
    eps, slopes = 1e-6, np.zeros((len(x), *start[0].shape))

    def run(t_moved=None, at=None, by=0.0):
        state, hs = start, np.zeros_like(slopes)
        for t in order:
            state = step(x[t], state)
            if t == t_moved:
                state[0][at] += by
            hs[t] = state[0]
        return loss(hs)

    for t, *at in np.ndindex(*slopes.shape):
        at = tuple(at)
        slopes[(t, *at)] = (run(t, at, eps) - run(t, at, -eps)) / (2 * eps)
    return np.sqrt((slopes**2).sum(axis=(1, 2)))


def lstm_step(p):
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def step(x, state):
        h, c = state
        i, f, g, o = np.split(x @ p['xh'] + h @ p['hh'] + p['b'], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(c), c]

    return step


@pytest.mark.parametrize('masked', [False, True], ids=['', 'masked'])
@pytest.mark.parametrize('direction', ['forward', 'backward'])
def test_slopes_of_an_lstm(direction, masked, xy):
    x, y = xy
    layer = {'form': 'lstm', 'size': H, 'direction': direction}
    net = rnnkit.Regressor([2, layer, 1], seed=0, dtype='float64', masked=masked)
    lengths = np.array([T, 2, T - 1]) if masked else np.full(B, T)
    mask = np.arange(T)[:, None] < lengths
    p = {name: net.find('hid1', name).get_value() for name in ('xh', 'hh', 'b')}
    w, b = (net.find('out', name).get_value() for name in 'wb')
    order = range(T) if direction == 'forward' else range(T - 1, -1, -1)
    found = net.gradient_flow(x, y, mask=mask if masked else None)['hid1']
    squares = np.zeros(T)
    for k, n in enumerate(lengths):  # each example without its padding

        def loss(hs, k=k, n=n):
            return ((hs @ w + b - y[:n, k : k + 1]) ** 2).sum() / mask.sum()

        start, steps = [np.zeros((1, H))] * 2, [t for t in order if t < n]
        norms = by_differences(lstm_step(p), start, x[:n, k : k + 1], loss, steps)
        squares[:n] += norms**2
    np.testing.assert_allclose(found, np.sqrt(squares), rtol=1e-6)


def test_each_layer_and_direction_has_its_own(xy):
    both = {'form': 'bidirectional', 'worker': 'gru', 'size': 2 * H}
    net = rnnkit.Regressor([2, ('rnn', H), both, 1], seed=0, dtype='float64')
    flow = net.gradient_flow(*xy)
    assert {name: norms.shape for name, norms in flow.items()} == dict.fromkeys(
        ['hid1', 'hid2_fw', 'hid2_bw'], (T,)
    )
    # What comes last in its direction is seen by the output layer alone.
    w = net.find('out', 'w').get_value()
    slope = 2 * (net.predict(xy[0]) - xy[1]) / xy[1].size
    assert flow['hid2_fw'][-1] == pytest.approx(np.linalg.norm(slope[-1] @ w[:H].T))
    assert flow['hid2_bw'][0] == pytest.approx(np.linalg.norm(slope[0] @ w[H:].T))


@pytest.mark.parametrize(
    'layer',
    [
        {'form': 'mut1'},
        {'form': 'scrn'},
        {'form': 'clockwork', 'periods': [1, 2]},
        {'form': 'rnn', 'zoneout': 0.5},
    ],
    ids=lambda layer: layer['form'],
)
def test_other_cells_have_it_too(layer, xy):
    net = rnnkit.Regressor([2, {'size': H, **layer}, 1], seed=0, dtype='float64')
    flow = net.gradient_flow(*xy)['hid1']
    w = net.find('out', 'w').get_value()
    slope = 2 * (net.predict(xy[0]) - xy[1]) / xy[1].size
    assert flow[-1] == pytest.approx(np.linalg.norm(slope[-1] @ w.T))
    assert (flow > 0).all()


def scaled(scale):
    """Return a linear recurrence whose gradient is multiplied by `scale` at each step back."""
    layer = {'form': 'rnn', 'size': 2, 'activation': 'linear', 'hh': scale * np.eye(2)}
    return rnnkit.Regressor([1, layer, 1], seed=0, dtype='float64', weighted=True)


def series(steps=20):
    weights = np.zeros((steps, 2, 1))
    weights[-1] = 1
    return np.full((steps, 2, 1), 0.1), np.ones((steps, 2, 1)), weights


@pytest.mark.parametrize(('scale', 'wrong'), [(0.5, 'vanishing'), (0.9, ''), (2.0, 'exploding')])
def test_the_layer_is_named(scale, wrong, caplog):
    net = scaled(scale)
    x, y, weights = series()
    flow = net.gradient_flow(x, y, weights)
    np.testing.assert_allclose(flow['hid1'][:-1] / flow['hid1'][1:], scale)
    assert flow.verdicts == ({'hid1': wrong} if wrong else {})
    assert ("layer 'hid1': the gradient" in caplog.text) == bool(wrong)
    caplog.clear()
    options = {'epochs': 2, 'validate_every': 1, 'algo': 'sgd', 'learning_rate': 1e-9}
    net.train([x, y, weights], monitors='gradients', **options)
    assert caplog.text.count("layer 'hid1'") == bool(wrong)  # once, of three validations
    caplog.clear()
    net.train([x, y, weights], **options)
    assert 'hid1' not in caplog.text


def test_verdicts_of_numbers():
    assert verdict(np.array([1.0, np.nan])) == 'not finite'
    assert verdict(np.zeros(3)) == 'vanishing'
    assert verdict(np.array([0.0, 0.0, 1.0])) == 'vanishing'
    assert verdict(np.array([1.0, 1.0, 0.0])) == ''  # the last step has no target
    assert verdict(np.array([1e-9])) == ''
    assert verdict(np.array([1e5, 1.0])) == 'exploding'


def test_a_network_without_time(rng):
    net = rnnkit.Regressor([2, 3, 1], seed=0)
    x, y = rng.standard_normal((8, 2)), rng.standard_normal((8, 1))
    with pytest.raises(ConfigError, match='no recurrent layer'):
        net.gradient_flow(x, y)
    net.train([x, y], epochs=1, monitors='gradients')  # there is no flow to look after


def test_the_picture(tmp_path):
    pytest.importorskip('matplotlib')
    flow = {'hid1': np.array([0.0, 1e-3, 1.0]), 'hid2': np.ones(3)}
    picture = plots.gradient_flow(flow, tmp_path / 'flow.png')
    (axes,) = picture.axes
    assert [line.get_label() for line in axes.lines] == ['hid1', 'hid2']
    assert axes.get_yscale() == 'log'
    assert (tmp_path / 'flow.png').stat().st_size > 1000
    assert plots.gradient_flow(flow, axes=axes) is picture
    with pytest.raises(ConfigError, match='net.gradient_flow'):
        plots.gradient_flow({})
