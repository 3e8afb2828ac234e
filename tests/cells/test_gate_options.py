"""Gate activations, clipping and coupled gates: NumPy in float64 = scan = kernel."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

import rnnkit
from rnnkit.cells import cells
from rnnkit.kernels.recurrent.trace import form_of
from rnnkit.unroll import unroll

T, B, I, H = 7, 3, 2, 5  # noqa: E741


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


GATES = {  # the function, and its slope
    'sigmoid': (sigmoid, lambda x: sigmoid(x) * (1 - sigmoid(x))),
    'hard_sigmoid': (lambda x: np.clip(x / 6 + 0.5, 0, 1), lambda x: (abs(x) < 3) / 6),
}


def lstm(x, p, h, c, d_h, d_c, gate_activation='sigmoid', coupled=False, clip=None, cell_clip=None):
    """Return states of all steps, and gradients of sum(h * d_h + c * d_c), by hand."""
    sigma, slope = GATES[gate_activation]
    clip, cell_clip = clip or np.inf, cell_clip or np.inf
    peep = {k: p.get(f'c{k}', 0) for k in 'ifo'}
    names = 'igo' if coupled else 'ifgo'
    tape, hs, cs = [], [], []
    for x_t in x:
        parts = np.split(x_t @ p['xh'] + h @ p['hh'] + p['b'], len(names), axis=1)
        a = dict(zip(names, parts, strict=True))
        a = {k: v + (peep.get(k, 0) * c if k in 'if' else 0) for k, v in a.items()}
        cut = {k: np.clip(v, -clip, clip) for k, v in a.items()}
        i, g = sigma(cut['i']), np.tanh(cut['g'])
        f = 1 - i if coupled else sigma(cut['f'])
        raw = f * c + i * g
        new = np.clip(raw, -cell_clip, cell_clip)
        a['o'] = a['o'] + peep['o'] * new
        cut['o'] = np.clip(a['o'], -clip, clip)
        o = sigma(cut['o'])
        tape.append((x_t, h, c, a, cut, i, f, g, o, raw, new))
        h, c = o * np.tanh(new), new
        hs.append(h)
        cs.append(c)
    grads = {k: np.zeros_like(v) for k, v in p.items()} | {'x': np.zeros_like(x)}
    dh, dc = np.zeros_like(h), np.zeros_like(c)
    for t in reversed(range(len(x))):
        x_t, h, c, a, cut, i, f, g, o, raw, new = tape[t]
        inside = {k: abs(v) <= clip for k, v in a.items()}
        dh, dc = dh + d_h[t], dc + d_c[t]
        d = {'o': dh * np.tanh(new) * slope(cut['o']) * inside['o']}
        dc = dc + dh * o * (1 - np.tanh(new) ** 2) + d['o'] * peep['o']
        dc = dc * (abs(raw) <= cell_clip)
        d_i = dc * (g - c if coupled else g)
        d['i'] = d_i * slope(cut['i']) * inside['i']
        d['g'] = dc * i * (1 - g**2) * inside['g']
        if not coupled:
            d['f'] = dc * c * slope(cut['f']) * inside['f']
        da = np.concatenate([d[k] for k in names], axis=1)
        for k, memory in (('i', c), ('f', c), ('o', new)):
            if f'c{k}' in p:
                grads[f'c{k}'] += (d[k] * memory).sum(0)
        grads['xh'] += x_t.T @ da
        grads['hh'] += h.T @ da
        grads['b'] += da.sum(0)
        grads['x'][t] = da @ p['xh'].T
        dh = da @ p['hh'].T
        dc = dc * f + sum(d[k] * peep[k] for k in d if k in 'if')
    return [np.array(hs), np.array(cs)], grads | {'h0': dh, 'c0': dc}


def rnn(x, p, h, d_h, clip):
    """Return the states of all steps, and gradients of sum(h * d_h), by hand."""
    tape, hs = [], []
    for x_t in x:
        a = x_t @ p['xh'] + h @ p['hh'] + p['b']
        tape.append((x_t, h, a))
        h = np.tanh(np.clip(a, -clip, clip))
        hs.append(h)
    grads = {k: np.zeros_like(v) for k, v in p.items()} | {'x': np.zeros_like(x)}
    dh = np.zeros_like(h)
    for t in reversed(range(len(x))):
        x_t, h, a = tape[t]
        da = (dh + d_h[t]) * (1 - hs[t] ** 2) * (abs(a) <= clip)
        grads['xh'] += x_t.T @ da
        grads['hh'] += h.T @ da
        grads['b'] += da.sum(0)
        grads['x'][t] = da @ p['xh'].T
        dh = da @ p['hh'].T
    return [np.array(hs)], grads | {'h0': dh}


def gru(x, p, h, d_h, gate_activation='sigmoid', reset='after', clip=np.inf):
    """Return the states of all steps, and gradients of sum(h * d_h), by hand."""
    function, derivative = GATES[gate_activation]

    def sigma(a):
        return function(np.clip(a, -clip, clip))

    def slope(a):
        return derivative(np.clip(a, -clip, clip)) * (abs(a) <= clip)

    tape, hs = [], []
    ur, uz, un = np.split(p['hh'], 3, axis=1)
    for x_t in x:
        xr, xz, xn = np.split(x_t @ p['xh'] + p['b'], 3, axis=1)
        ar, az = xr + h @ ur, xz + h @ uz
        r, z = sigma(ar), sigma(az)
        inner = h @ un + p['bn'] if reset == 'after' else (r * h) @ un
        an = xn + (r * inner if reset == 'after' else inner)
        n = np.tanh(np.clip(an, -clip, clip))
        tape.append((x_t, h, ar, az, r, z, inner, n, an))
        h = (1 - z) * n + z * h
        hs.append(h)
    grads = {k: np.zeros_like(v) for k, v in p.items()} | {'x': np.zeros_like(x)}
    dh = np.zeros_like(h)
    for t in reversed(range(len(x))):
        x_t, h, ar, az, r, z, inner, n, an = tape[t]
        dh = dh + d_h[t]
        dz = dh * (h - n) * slope(az)
        dn = dh * (1 - z) * (1 - n**2) * (abs(an) <= clip)
        back = dh * z
        if reset == 'after':
            dr, d_un = dn * inner * slope(ar), h.T @ (dn * r)
            grads['bn'] += (dn * r).sum(0)
            back = back + (dn * r) @ un.T
        else:
            dr, d_un = (dn @ un.T) * h * slope(ar), (r * h).T @ dn
            back = back + (dn @ un.T) * r
        da = np.concatenate([dr, dz, dn], axis=1)
        grads['xh'] += x_t.T @ da
        grads['b'] += da.sum(0)
        grads['hh'] += np.concatenate([h.T @ dr, h.T @ dz, d_un], axis=1)
        grads['x'][t] = da @ p['xh'].T
        dh = back + dr @ ur.T + dz @ uz.T
    return [np.array(hs)], grads | {'h0': dh}


ORACLES = {'lstm': lstm, 'gru': gru, 'rnn': rnn}
HARD = dict(gate_activation='hard_sigmoid')
CASES = [
    long('lstm', HARD),
    ('lstm', dict(clip=0.7, cell_clip=0.5, peepholes=True)),
    long('lstm', dict(coupled=True)),
    ('lstm', dict(coupled=True, peepholes=True, clip=1.0, **HARD)),
    ('gru', dict(clip=0.8, **HARD)),
    ('rnn', dict(clip=0.6)),
    long('gru', HARD),
    long('gru', dict(clip=0.8)),
    long('lstm', dict(clip=0.7)),
    long('lstm', dict(cell_clip=0.5)),
    long('lstm', dict(peepholes=True, **HARD)),
    long('lstm', dict(coupled=True, cell_clip=0.3)),
]
SCANNED = ('gru', dict(reset='before', clip=0.8, **HARD))  # no kernel


def problem(form, options, rng):
    """Return a cell, its arrays by name, and what NumPy says of states and gradients."""
    cell = cells[form](**options)
    values = {'x': 1.5 * rng.standard_normal((T, B, I))}
    values |= {k: rng.standard_normal(s) for k, s in cell.shapes(I, H).items()}
    names = cell.state._fields
    start = [rng.standard_normal((B, H)) for _ in names]
    slopes = [rng.standard_normal((T, B, H)) for _ in names]
    params = {k: values[k] for k in cell.params}
    own = {k: v for k, v in options.items() if k != 'peepholes'}
    states, grads = ORACLES[form](values['x'], params, *start, *slopes, **own)
    values |= {f'{n}0': s for n, s in zip(names, start, strict=True)}
    return cell, values, slopes, states, grads


@pytest.mark.parametrize(('form', 'options'), [*CASES, SCANNED], ids=str)
def test_the_scan_equals_numpy(form, options, rng):
    compare(form, options, rng, None)


@pytest.mark.parametrize(('form', 'options'), CASES, ids=str)
def test_the_kernel_equals_numpy(form, options, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    compare(form, options, rng, 'NUMBA')


def compare(form, options, rng, mode):
    """Compare states and gradients with NumPy's; mode None is for the scan."""
    cell, values, slopes, states, grads = problem(form, options, rng)
    symbols = {
        k: pt.tensor(k, dtype='float64', shape=v.shape if k in cell.params else (None,) * v.ndim)
        for k, v in values.items()
    }
    symbols |= {f'{n}0': pt.tensor(dtype='float64', shape=(None, H)) for n in cell.state._fields}
    symbols['x'] = pt.tensor('x', dtype='float64', shape=(None, None, I))
    start = cell.state(*(symbols[f'{n}0'] for n in cell.state._fields))
    params = {k: symbols[k] for k in cell.params}
    found = unroll(cell, symbols['x'], params, H, start)
    known = [pt.tensor3(dtype='float64') for _ in found]
    loss = sum((s * d).sum() for s, d in zip(found, known, strict=True))
    function = pytensor.function(
        [*symbols.values(), *known],
        [*found, *pytensor.grad(loss, list(symbols.values()))],
        mode=mode,
    )
    kinds = [type(node.op).__name__ for node in function.maker.fgraph.apply_nodes]
    assert ('RecurrentGradient' in kinds) == (mode is not None)
    results = function(*values.values(), *slopes)
    for got, want in zip(results, states, strict=False):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-12)
    for name, got in zip(symbols, results[len(states) :], strict=True):
        np.testing.assert_allclose(got, grads[name], rtol=1e-10, atol=1e-11, err_msg=name)


def test_the_oracle_takes_the_clipping_cases_to_both_sides(rng):
    _, values, _, states, _ = problem('lstm', dict(cell_clip=0.5), rng)
    at_limit = abs(states[1]) == 0.5
    assert at_limit.any()
    assert not at_limit.all()
    _, values, _, _, grads = problem('lstm', dict(clip=0.7), rng)
    _, plain = lstm(
        values['x'],
        {k: values[k] for k in ('xh', 'hh', 'b')},
        values['h0'],
        values['c0'],
        np.ones((T, B, H)),
        np.ones((T, B, H)),
    )
    assert not np.allclose(grads['b'], plain['b'])


def test_every_new_option_has_a_kernel():
    for case in CASES:
        form, options = getattr(case, 'values', case)
        assert form_of(cells[form](**options)) is not None


def test_coupled_gates_are_a_forget_gate_of_opposite_sign(rng):
    """1 - sigmoid(a) is sigmoid(-a): the coupled cell is a special case of the other one."""
    own = dict(dtype='float64', seed=0)
    one = rnnkit.Regressor([2, dict(form='lstm', size=3, coupled=True), 1], **own)
    two = rnnkit.Regressor([2, ('lstm', 3), 1], **own)
    for name in ('xh', 'hh', 'b'):
        i, g, o = np.split(one.find(1, name).get_value(), 3, axis=-1)
        two.find(1, name).set_value(np.concatenate([i, -i, g, o], axis=-1))
    for p, q in zip(one.layers[2].params.values(), two.layers[2].params.values(), strict=True):
        q.set_value(p.get_value())
    x = rng.standard_normal((5, 4, 2))
    np.testing.assert_allclose(one.predict(x), two.predict(x), rtol=1e-12)
    assert list(one.find(1, 'b').get_value()) == [-1] * 3 + [0] * 6
    assert one.layers[1].cell.gates == 'igo'


@pytest.mark.parametrize(
    ('form', 'options'),
    [('lstm', dict(coupled=True, clip=2.0, cell_clip=3.0, **HARD)), ('gru', HARD)],
)
def test_files_steps_and_bidirectional_workers(form, options, rng, tmp_path):
    net = rnnkit.Regressor([2, dict(form=form, size=4, **options), 1], dtype='float64', seed=0)
    x = rng.standard_normal((4, 2, 2))
    whole, state = net.predict(x, return_state=True)
    state_now = None
    for t in range(4):
        y, state_now = net.step(x[t], state_now)
        np.testing.assert_allclose(y, whole[t], rtol=1e-12)
    for a, b in zip(state['hid1'], state_now['hid1'], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(again.predict(x), whole)
    assert rnnkit.from_spec(json.loads(json.dumps(net.to_spec()))).to_spec() == net.to_spec()
    both = rnnkit.Regressor([2, dict(form='bidirectional', worker=form, size=4, **options), 1])
    assert all(child.cell.gate_activation == 'hard_sigmoid' for child in both.layers[1].children)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(clip=0), 'lstm: clip must be a finite number above 0; got 0'),
        (dict(cell_clip='1'), "lstm: cell_clip must be a finite number above 0; got '1'"),
        (dict(coupled=1), 'lstm: coupled must be True or False; got 1'),
        (
            dict(recurrent_activation='sigmoid'),
            "unknown option 'recurrent_activation', did you mean 'gate_activation'?",
        ),
        (dict(gate_activation='sigmod'), "no activation named 'sigmod'; did you mean 'sigmoid'?"),
        (dict(coupled=True, b={'f': 1}), "hid1.b: no gate named 'f'; gates are i, g, o"),
    ],
)
def test_messages(options, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        rnnkit.Regressor([2, dict(form='lstm', size=3, **options), 1])
    assert message in str(error.value)
