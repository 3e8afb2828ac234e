"""LSTM layers whose hidden state is projected: NumPy in float64 = scan, kernels on and off."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

import rnnkit
from rnnkit.cells import cells
from rnnkit.unroll import unroll

T, B, I, H, P = 6, 3, 2, 5, 3  # noqa: E741


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstmp(v, d_h, d_c, mask=None):
    """Return the states of all steps, and gradients of sum(h * d_h + c * d_c), by hand.

    With a mask (T, B), the states are held over padding.
    """
    mask = np.ones((T, B)) if mask is None else mask
    h, c, tape, hs, cs = v['h0'], v['c0'], [], [], []
    peep = {k: v.get(f'c{k}', 0) for k in 'ifo'}
    for t, x_t in enumerate(v['x']):
        m = mask[t][:, None]
        a = dict(
            zip('ifgo', np.split(x_t @ v['xh'] + h @ v['hh'] + v['b'], 4, axis=1), strict=True)
        )
        i, f, g = (
            q(a[k] + (peep[k] * c if k in 'if' else 0))
            for k, q in zip('ifg', (sigmoid, sigmoid, np.tanh), strict=True)
        )
        new = f * c + i * g
        o = sigmoid(a['o'] + peep['o'] * new)
        tape.append((m, x_t, h, c, i, f, g, o, new))
        h, c = m * ((o * np.tanh(new)) @ v['hr']) + (1 - m) * h, m * new + (1 - m) * c
        hs.append(h)
        cs.append(c)
    grads = {k: np.zeros_like(one) for k, one in v.items()}
    dh, dc = np.zeros_like(h), np.zeros_like(c)
    for t in reversed(range(T)):
        m, x_t, h, c, i, f, g, o, new = tape[t]
        dh, dc = dh + d_h[t], dc + d_c[t]
        held_h, held_c = (1 - m) * dh, (1 - m) * dc
        grads['hr'] += (o * np.tanh(new)).T @ (m * dh)
        d_out = (m * dh) @ v['hr'].T
        d = {'o': d_out * np.tanh(new) * o * (1 - o)}
        dc = m * dc + d_out * o * (1 - np.tanh(new) ** 2) + d['o'] * peep['o']
        d |= {'i': dc * g * i * (1 - i), 'f': dc * c * f * (1 - f), 'g': dc * i * (1 - g**2)}
        da = np.concatenate([d[k] for k in 'ifgo'], axis=1)
        for k, memory in (('i', c), ('f', c), ('o', new)):
            if f'c{k}' in v:
                grads[f'c{k}'] += (d[k] * memory).sum(0)
        grads['xh'] += x_t.T @ da
        grads['hh'] += h.T @ da
        grads['b'] += da.sum(0)
        grads['x'][t] = da @ v['xh'].T
        dh = held_h + da @ v['hh'].T
        dc = held_c + dc * f + sum(d[k] * peep[k] for k in 'if')
    return [np.array(hs), np.array(cs)], {**grads, 'h0': dh, 'c0': dc}


# The scan is compiled by Numba there.
@pytest.mark.filterwarnings('ignore:.*np.dot.* is faster on contiguous arrays')
@pytest.mark.parametrize(
    ('options', 'masked', 'kernels'),
    [
        ({}, True, 'off'),
        long({}, False, 'off'),
        long({'peepholes': True}, True, 'off'),
        long({}, True, 'on'),  # no kernel has two products yet, so that this is a scan, too
    ],
    ids=str,
)
def test_states_and_gradients_equal_numpy(options, masked, kernels, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    cell = cells['lstm'](projection=P, **options)
    values = {'x': rng.standard_normal((T, B, I))}
    values |= {k: rng.standard_normal(shape) for k, shape in cell.shapes(I, H).items()}
    values |= {'h0': rng.standard_normal((B, P)), 'c0': rng.standard_normal((B, H))}
    mask = (np.arange(T)[:, None] < [T, 4, 0]).astype(float) if masked else None
    slopes = [rng.standard_normal((T, B, width)) for width in (P, H)]
    states, grads = lstmp(values, *slopes, mask)
    symbols = {
        k: pt.tensor(k, dtype='float64', shape=v.shape if k in cell.params else (None,) * v.ndim)
        for k, v in values.items()
    }
    for k, width in (('h0', P), ('c0', H)):
        symbols[k] = pt.tensor(k, dtype='float64', shape=(None, width))
    symbols['x'] = pt.tensor('x', dtype='float64', shape=(None, None, I))
    start = cell.state(symbols['h0'], symbols['c0'])
    m = None if mask is None else pt.constant(mask)
    found = unroll(cell, symbols['x'], {k: symbols[k] for k in cell.params}, H, start, m)
    loss = sum((s * d).sum() for s, d in zip(found, slopes, strict=True))
    function = pytensor.function(
        [*symbols.values()],
        [*found, *pytensor.grad(loss, list(symbols.values()))],
        mode='NUMBA' if kernels == 'on' else None,
    )
    results = function(*values.values())
    # float64: another order of the same sums.
    for got, want in zip(results, states, strict=False):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    for name, got in zip(symbols, results[2:], strict=True):
        np.testing.assert_allclose(got, grads[name], rtol=1e-10, atol=1e-11, err_msg=name)


def test_a_network_trains_steps_and_is_saved(rng, tmp_path):
    layers = [I, dict(form='lstm', size=H, projection=P, dropout=0.2, zoneout=0.1), 1]
    net = rnnkit.Regressor(layers, dtype='float64', seed=0)
    assert {k: p.get_value().shape for k, p in net.layers[1].params.items()} == {
        'xh': (I, 4 * H),
        'hh': (P, 4 * H),
        'b': (4 * H,),
        'hr': (H, P),
    }
    assert net.find('out', 'w').get_value().shape == (P, 1)
    x = rng.standard_normal((T, B, I))
    net.train([x, x[..., :1]], epochs=2)
    whole, state = net.predict(x, return_state=True)
    assert (state['hid1'].h.shape, state['hid1'].c.shape) == ((B, P), (B, H))
    kept = None
    for t in range(T):
        y, kept = net.step(x[t], kept)
        np.testing.assert_allclose(y, whole[t], rtol=1e-12)
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(again.predict(x), whole)
    assert rnnkit.from_spec(json.loads(json.dumps(net.to_spec()))).to_spec() == net.to_spec()


def test_both_directions_with_learned_starts(rng):
    one = dict(form='bidirectional', worker='lstm', size=2 * H, projection=P, h_0='learn')
    net = rnnkit.Regressor([I, one, 'last', 1], seed=0)
    assert net.find('out', 'w').get_value().shape == (2 * P, 1)
    assert net.layers[1].params['fw.h_0'].get_value().shape == (P,)
    assert net.predict(rng.standard_normal((T, B, I))).shape == (B, 1)


def test_a_projection_is_a_whole_number():
    with pytest.raises(rnnkit.ConfigError, match='lstm: projection must be a whole number'):
        rnnkit.Regressor([I, dict(form='lstm', size=H, projection=0), 1])
