"""Cells whose output is not their first state: NumPy in float64 = scan = kernel."""

import json
from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import reference

import rnnkit
from rnnkit import testing
from rnnkit.kernels.recurrent.trace import form_of


class State(NamedTuple):
    h: object
    c: object


class Projected(rnnkit.Cell):
    """An LSTM without output gate, whose output is tanh(c V + h) with P features."""

    state, gates, output_axis = State, 'fg', 'P'
    params = {
        'xh': ('I', '2H'),
        'hh': ('H', '2H'),
        'b': ('2H',),
        'hy': ('H', 'P'),
        'cy': ('H', 'P'),
        'by': ('P',),
    }
    initial = {'hy': 'glorot', 'cy': 'glorot'}
    options = {'features': 2}

    def lengths(self, size):
        return {'H': size, 'P': self.features}

    def step(self, z, s, p):
        f, g = rnnkit.split(z + s.h @ p.hh, 2)
        c = pt.sigmoid(f) * s.c + pt.tanh(g)
        return State(pt.tanh(c), c)

    def output(self, s, p):
        return pt.tanh(s.h @ p.hy + s.c @ p.cy + p.by)


def oracle(x, p, h, c, d):
    """Return output, states, and gradients of sum(output * d), by hand."""
    sigmoid, tape = reference.sigmoid, []
    for x_t in x:
        a_f, a_g = np.split(x_t @ p['xh'] + h @ p['hh'] + p['b'], 2, axis=1)
        f, g = sigmoid(a_f), np.tanh(a_g)
        new = f * c + g
        tape.append((x_t, h, c, f, g, new))
        h, c = np.tanh(new), new
    hs, cs = np.tanh([t[-1] for t in tape]), np.array([t[-1] for t in tape])
    y = np.tanh(hs @ p['hy'] + cs @ p['cy'] + p['by'])
    dy = d * (1 - y**2)
    grads = {k: np.zeros_like(v) for k, v in p.items()} | {'x': np.zeros_like(x)}
    grads['hy'], grads['cy'] = (np.einsum('tbh,tbp->hp', s, dy) for s in (hs, cs))
    grads['by'] = dy.sum((0, 1))
    dh, dc = np.zeros_like(h), np.zeros_like(c)
    for t in reversed(range(len(x))):
        x_t, h, c, f, g, new = tape[t]
        dh = dh + dy[t] @ p['hy'].T
        dc = dc + dy[t] @ p['cy'].T + dh * (1 - np.tanh(new) ** 2)
        da = np.concatenate([dc * c * f * (1 - f), dc * (1 - g**2)], axis=1)
        grads['xh'] += x_t.T @ da
        grads['hh'] += h.T @ da
        grads['b'] += da.sum(0)
        grads['x'][t] = da @ p['xh'].T
        dh, dc = da @ p['hh'].T, dc * f
    return y, hs, cs, grads


@pytest.fixture
def form(monkeypatch):
    """Return the name under which the cell is registered, for the length of one test."""
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    rnnkit.layers.add('projected')(Projected)
    return 'projected'


def made(form, **options):
    spec = dict(form=form, size=3, features=2, name='it', **options)
    net = rnnkit.Regressor([2, spec, 1], dtype='float64', seed=0)
    for k, p in enumerate(net.params):
        p.set_value(np.random.default_rng(k).standard_normal(p.get_value().shape))
    return net, {k: p.get_value() for k, p in net.layers[1].params.items()}


@pytest.mark.filterwarnings('ignore:np.dot')  # Numba's, about speed
@pytest.mark.parametrize('kernels', ['off', 'on'])
def test_output_and_gradients_equal_numpy(form, kernels, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    net, p = made(form)
    x, d = rng.standard_normal((6, 4, 2)), rng.standard_normal((6, 4, 2))
    y, hs, cs, grads = oracle(x, p, np.zeros((4, 3)), np.zeros((4, 3)), d)
    outputs, known = net.outputs, pt.tensor3(dtype='float64')
    params = list(net.layers[1].params.values())
    slopes = pytensor.grad((outputs['it:out'] * known).sum(), [*net.inputs, *params])
    names = ['it:out', 'it:h', 'it:c', 'it:last', 'it:last_h', 'it:last_c']
    function = pytensor.function(
        [*net.inputs, known],
        [*(outputs[name] for name in names), *slopes],
        mode='NUMBA' if kernels == 'on' else None,
    )
    kinds = [type(node.op).__name__ for node in function.maker.fgraph.apply_nodes]
    assert ('RecurrentGradient' in kinds) == (kernels == 'on')
    assert ('Scan' in kinds) == (kernels == 'off')
    found = function(x, d)
    for got, want in zip(found, [y, hs, cs, y[-1], hs[-1], cs[-1]], strict=False):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-13)
    for name, got in zip(['x', *p], found[len(names) :], strict=True):
        np.testing.assert_allclose(got, grads[name], rtol=1e-10, atol=1e-12, err_msg=name)


def test_the_cell_has_a_kernel_although_it_has_more_matrices():
    assert list(form_of(Projected()).vectors) == ['b']


def test_the_checks_of_layers_pass(form):
    for check in testing.CHECKS:
        check(form, features=3)


def test_backward_and_padded_sequences(form, rng):
    spec = dict(form=form, size=3, name='it', direction='backward')
    net = rnnkit.Regressor([2, spec, 1], dtype='float64', masked=True, seed=0)
    p = {k: v.get_value() for k, v in net.layers[1].params.items()}
    x, mask = rng.standard_normal((5, 2, 2)), np.arange(5)[:, None] < [5, 3]
    found = net.feed_forward(x, mask=mask)
    for k, n in enumerate((5, 3)):
        own, zero = x[:n, k : k + 1][::-1], np.zeros((1, 3))
        y, hs, *_ = oracle(own, p, zero, zero, np.zeros((n, 1, 2)))
        np.testing.assert_allclose(found['it:out'][:n, k], y[::-1, 0], rtol=1e-12)
        np.testing.assert_array_equal(found['it:out'][n:, k], 0)
        np.testing.assert_allclose(found['it:last'][k], y[-1, 0], rtol=1e-12)
        np.testing.assert_allclose(found['it:last_h'][k], hs[-1, 0], rtol=1e-12)


def test_steps_states_files_and_what_reads_the_final_values(form, rng, tmp_path):
    net, _ = made(form)
    x = rng.standard_normal((5, 3, 2))
    whole, state = net.predict(x, return_state=True)
    assert state['it']._fields == ('h', 'c')
    now = None
    for t in range(5):
        y, now = net.step(x[t], now)
        np.testing.assert_allclose(y, whole[t], rtol=1e-12)
    np.testing.assert_allclose(now['it'].h, state['it'].h, rtol=1e-12)
    net.save(tmp_path / 'it')
    np.testing.assert_array_equal(rnnkit.load(tmp_path / 'it').predict(x), whole)
    assert rnnkit.from_spec(json.loads(json.dumps(net.to_spec()))).to_spec() == net.to_spec()

    layers = [2, dict(form=form, size=3, name='it'), 'last', 1]
    many = rnnkit.Regressor(layers, dtype='float64', seed=0)  # reads the output, not the state
    outputs = many.feed_forward(x)
    np.testing.assert_array_equal(outputs['hid2:out'], outputs['it:last'])
    assert many.find('out', 'w').get_value().shape == (2, 1)
    decoder = dict(form=form, size=3, inputs='again', h_0='it', c_0='it', name='decoder')
    again = dict(form='input', size=2, name='again')
    two = rnnkit.Regressor([2, dict(form=form, size=3, name='it'), again, decoder, 1], seed=0)
    assert two._graph.plan.starts['decoder'] == {'h': 'it:last_h', 'c': 'it:last_c'}
    assert two.predict([x, x]).shape == (5, 3, 1)


def test_both_directions_and_noise(form, rng):
    both = dict(form='bidirectional', worker=form, size=6, features=2, name='both')
    net = rnnkit.Regressor([2, both, 1], dtype='float64', seed=0)
    x = rng.standard_normal((5, 3, 2))
    found = net.feed_forward(x)
    p = {k: v.get_value() for k, v in net.layers[1].children[1].params.items()}
    y = oracle(x[::-1], p, np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((5, 3, 2)))[0][::-1]
    np.testing.assert_allclose(found['both:out'][..., 2:], y, rtol=1e-12)
    assert found['both:h'].shape == (5, 3, 6)
    noisy = rnnkit.Regressor([2, dict(form=form, size=3, dropout=0.3, zoneout=0.2), 1], seed=0)
    noisy.train([x, x[..., :1]], epochs=1)
    assert set(noisy.gradient_flow(x, x[..., :1])) == {'hid1'}


@pytest.mark.parametrize(
    ('output', 'message'),
    [
        (lambda self, s, p: 3.0, 'Wrong.output() must return a tensor (T, B, 2); got 3.0'),
        (lambda self, s, p: s.h[0], 'Wrong.output() must return a tensor (T, B, 2); got (B, 3)'),
        (lambda self, s, p: s.h, 'Wrong.output() must return a tensor (T, B, 2); got (T, B, 3)'),
    ],
)
def test_wrong_outputs(output, message, monkeypatch):
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    rnnkit.layers.add('wrong')(type('Wrong', (Projected,), {'output': output}))
    with pytest.raises(rnnkit.ConfigError) as error:
        rnnkit.Regressor([2, ('wrong', 3), 1])
    assert message in str(error.value)


def test_a_wrong_letter():
    cell = type('Odd', (Projected,), {'output_axis': 'Q'})()
    with pytest.raises(rnnkit.ConfigError, match=r"Odd.output_axis: a length .* got 'Q'"):
        cell.output_width(3)
