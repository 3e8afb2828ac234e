"""Variational dropout and zoneout of recurrent layers, with known noise, against NumPy."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from recurrent_noise import FORMS, MASK, B, I, Known, T, problem, reference

import rnnkit
from rnnkit.cells.wrappers import Dropped, Zoned
from rnnkit.errors import ConfigError
from rnnkit.noise import Noise

CASES = [
    (name, rates)
    for name in FORMS
    for rates in (
        {'dropout': 0.3},
        {'zoneout': 0.4},
        {'dropout': 0.3, 'zoneout': 0.4},
    )
    if len(rates) == 1 or name == 'lstm'
]


@pytest.mark.parametrize(('name', 'rates'), CASES, ids=str)
def test_training_with_known_noise(name, rates, rng):
    layer, values, wanted, known = problem(name, rng, **rates)
    x, weights = rng.standard_normal((T, B, I)), rng.standard_normal((2, T, B, 4))
    symbol = pt.tensor('x', dtype='float64', shape=(None, None, I))
    found = layer.transform(symbol, pt.constant(MASK * 1.0), noise=Known(**known))
    states = [found['out'], *([found['c']] if name == 'lstm' else [])]
    score = sum((w * s).sum() for w, s in zip(weights, states, strict=False))
    params = list(layer.params.values())
    function = pytensor.function([symbol], [*states, *pytensor.grad(score, [symbol, *params])])
    outputs = function(x)
    states = reference(name, x, values, mask=MASK, **wanted)
    for output, state in zip(outputs, states, strict=False):
        assert np.allclose(output, state * MASK[:, :, None], rtol=0, atol=1e-13)

    def at(distance):
        start = [x, *values.values()]
        moved, *rest = (v + distance * d for v, d in zip(start, directions, strict=True))
        p = dict(zip(values, rest, strict=True))
        found = reference(name, moved, p, mask=MASK, **wanted)
        return sum((w * s * MASK[:, :, None]).sum() for w, s in zip(weights, found, strict=False))

    directions = [rng.standard_normal(v.shape) for v in (x, *values.values())]
    slopes = outputs[len(states) :]
    slope = sum((g * d).sum() for g, d in zip(slopes, directions, strict=True))
    assert slope == pytest.approx((at(1e-5) - at(-1e-5)) / 2e-5, rel=1e-7)


@pytest.mark.parametrize('name', ['lstm', 'gru'])
def test_use_has_no_dropout_and_the_mean_of_zoneout(name, rng):
    layer, values, _, _ = problem(name, rng, dropout=0.3, zoneout=0.4)
    x = rng.standard_normal((T, B, I))
    found = layer.transform(pt.constant(x), pt.constant(MASK * 1.0))['out'].eval()
    wanted = reference(name, x, values, rate=0.4, mask=MASK)[0]
    assert np.allclose(found, wanted * MASK[:, :, None], rtol=0, atol=1e-13)


def test_a_mask_is_drawn_for_each_sequence_and_holds_for_all_steps(rng):
    layer, *_ = problem('rnn', rng, dropout=0.5)
    noise = Noise()
    noise.seed(3)
    for p in layer.params.values():
        p.set_value(np.zeros_like(p.get_value()))
    layer.params['b'].set_value(np.ones(4))
    layer.params['hh'].set_value(np.eye(4))
    x = pt.constant(np.zeros((T, 200, I)))
    h = layer.transform(x, noise=noise)['out'].eval()
    first, later = np.tanh(1), h[1:]
    assert np.allclose(h[0], first)
    dropped = np.isclose(later, first)  # nothing came back
    assert np.array_equal(dropped[0], dropped[-1])
    assert dropped[0].mean() == pytest.approx(0.5, abs=0.1)
    assert np.allclose(later[0][~dropped[0]], np.tanh(1 + 2 * first))


def test_cells_with_states_of_other_widths_and_counters(rng):
    for form, options in [('scrn', {'context_size': 3}), ('clockwork', {'periods': [1, 2]})]:
        layers = [2, dict(form=form, size=4, zoneout=0.2, dropout=0.2, **options), 1]
        net = rnnkit.Regressor(layers, seed=0)
        x = rng.standard_normal((T, B, 2))
        train, _ = net.train([x, x[..., :1]], epochs=1)
        assert np.isfinite(train['loss'])
        if form == 'clockwork':
            assert net.feed_forward(x)['hid1:phase'][:, 0, -1].tolist() == [1, 0, 1, 0, 1]


def test_both_directions_of_a_bidirectional_layer_have_noise(rng):
    layers = [2, dict(form='bidirectional', worker='lstm', size=4, dropout=0.5, zoneout=0.1), 1]
    net = rnnkit.Regressor(layers, seed=0, dtype='float64')
    x = rng.standard_normal((T, B, 2))
    noise = Noise()
    noise.seed(1)
    found = net._graph.again(noise=noise)
    noisy = pytensor.function(net.inputs, [found['hid1:fw_out'], found['hid1:bw_out']])(x)
    plain = net.feed_forward(x)
    assert noise._draws == 6  # a mask and two states in each direction
    for values, name in zip(noisy, ('fw_out', 'bw_out'), strict=True):
        assert not np.allclose(values, plain[f'hid1:{name}'])


def test_spec_keeps_the_rates():
    net = rnnkit.Regressor([1, dict(form='lstm', size=2, dropout=0.3, zoneout=0.1), 1], seed=0)
    spec = net.to_spec()['layers'][1]
    assert (spec['dropout'], spec['zoneout']) == (0.3, 0.1)


@pytest.mark.parametrize('option', ['dropout', 'zoneout'])
@pytest.mark.parametrize('rate', [1, -0.1, 'a', True])
def test_rates_that_are_none(option, rate):
    with pytest.raises(
        ConfigError,
        match=f"layer 'lstm': {option} must be a finite number of at least 0 and below 1",
    ):
        rnnkit.Regressor([1, {'form': 'lstm', 'size': 2, option: rate}, 1])


def test_dropout_of_a_cell_that_feeds_nothing_back(monkeypatch):
    from rnnkit.layers import registry

    monkeypatch.setattr(registry, '_members', dict(registry._members))

    @rnnkit.layers.add('forgetful')
    class Forgetful(rnnkit.Cell):
        state, gates = rnnkit.cells.RNNCell.state, 'h'
        params = {'xh': ('I', 'H'), 'b': ('H',)}

        def step(self, z, s, p):
            return self.state(pt.tanh(z) + 0 * s.h)

    net = rnnkit.Regressor([1, dict(form='forgetful', size=2, dropout=0.5), 1], seed=0)
    with pytest.raises(ConfigError, match='no matrix product of the cell reads its state'):
        net.train([np.ones((3, 2, 1))] * 2, epochs=1)


def test_wrappers_name_their_states():
    cell = rnnkit.cells.LSTMCell()
    assert Dropped(cell).state._fields == ('fed', 'h', 'c', 'kept')
    assert Zoned(cell).groups() == [[0, 1]]
