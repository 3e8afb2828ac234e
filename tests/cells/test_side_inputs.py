"""Further inputs of each step, which no weight projects; and states as wide as the input."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from pytensor.graph.traversal import ancestors

import rnnkit
from rnnkit.kernels.staged.op import StagedScan
from rnnkit.layers.recurrent import recurrent_layer
from rnnkit.unroll import unroll

T, B, I, H = 6, 3, 2, 4  # noqa: E741
REAL = np.arange(T)[:, None] < np.array([T, 2, 4])


class Fading(rnnkit.Cell):
    """What is kept depends on the time since the last step, and on how much of x there was."""

    side = {'gap': '1', 'seen': 'I'}
    side_defaults = {'seen': 1.0}
    params = {**rnnkit.Cell.params, 'rate': ('H',)}
    initial = {'rate': 0.5}

    def project(self, x, p):
        return (x * p.seen) @ p.xh + p.b

    def step(self, z, s, p):
        kept = s.h * pt.exp(-p.gap * p.rate)
        return pt.tanh(z + kept @ p.hh) + 0.1 * kept


class Carrying(rnnkit.Cell):
    """Keep the last input, in a state as wide as that."""

    state, axes = 'h old', {'old': 'I'}
    side = {'news': 'I'}
    params = {**rnnkit.Cell.params, 'oh': ('I', 'H')}
    initial = {'oh': 'glorot'}

    def step(self, z, s, p):
        h = pt.tanh(z + s.h @ p.hh + (p.news - s.old) @ p.oh)
        return h, 0.5 * s.old + 0.5 * p.news


def fading(v, mask, reverse):
    """Return the states of `Fading` in NumPy, in the order of time."""
    h, states = np.zeros((B, H), v['x'].dtype), [None] * T
    for t in range(T)[:: -1 if reverse else 1]:
        kept = h * np.exp(-v['gap'][t] * v['rate'])
        new = np.tanh((v['x'][t] * v['seen'][t]) @ v['xh'] + v['b'] + kept @ v['hh']) + 0.1 * kept
        h = np.where(mask[t][:, None], new, h)
        states[t] = h
    return np.array(states)


def values_of(cell, rng):
    arrays = {name: rng.standard_normal(s) for name, s in cell.shapes(I, H).items()}
    sides = {
        name: abs(rng.standard_normal((T, B, width)))
        for name, width in cell.side_widths(H, I).items()
    }
    return {'x': rng.standard_normal((T, B, I)), **sides, **arrays}


def check_against_numpy(rng, masked, reverse, kernel):
    cell, mask = Fading(), REAL if masked else np.ones((T, B), bool)
    values = values_of(cell, rng)
    symbols = {n: pt.tensor(n, dtype='float64', shape=v.shape) for n, v in values.items()}
    real = pt.matrix('real', dtype='float64')
    states = unroll(
        cell,
        symbols['x'],
        {name: symbols[name] for name in cell.params},
        H,
        mask=real if masked else None,
        reverse=reverse,
        kernel=kernel,
        side={name: symbols[name] for name in cell.side},
    )
    ops = {type(v.owner.op) for v in ancestors([states.h]) if v.owner}
    assert (StagedScan in ops) == kernel
    weights = rng.standard_normal((T, B, H))
    wrt = ['x', 'seen', *cell.params]  # `project` reads what was seen, so it has a derivative
    gradients = pytensor.grad((states.h * weights).sum(), [symbols[name] for name in wrt])
    run = pytensor.function(
        [*symbols.values(), real], [states.h, *gradients], on_unused_input='ignore'
    )
    given = dict(values)
    if masked:  # what stands over padding does not matter
        given['gap'] = np.where(mask[:, :, None], values['gap'], np.nan)
    h, *found = run(*given.values(), mask.astype('float64'))
    np.testing.assert_allclose(h, fading(values, mask, reverse), atol=1e-14)  # rounding
    for name, gradient in zip(wrt, found, strict=True):
        direction = rng.standard_normal(gradient.shape)
        moved = {k: v.astype(complex) for k, v in values.items()}
        moved[name] = values[name] + 1e-30j * direction  # the complex step is exact
        slope = (fading(moved, mask, reverse) * weights).sum().imag / 1e-30
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-11, abs=1e-12), name


@pytest.mark.parametrize(('masked', 'reverse'), [(False, False), (True, True)])
def test_the_scan_against_numpy(masked, reverse, rng):
    check_against_numpy(rng, masked, reverse, kernel=False)


@pytest.mark.filterwarnings('ignore:.*np.dot.* is faster on contiguous arrays')
@pytest.mark.parametrize(
    ('masked', 'reverse'), [long(True, False), long(True, True), long(False, True)]
)
def test_the_kernel_against_numpy(masked, reverse, rng, machine_code):
    check_against_numpy(rng, masked, reverse, kernel=True)


def layer(cell, **options):
    return recurrent_layer(cell.__name__.lower(), cell)(H, **options)


INPUTS = [dict(form='input', size=I, name='x'), dict(form='input', size=1, name='gaps')]


@pytest.fixture
def registered(monkeypatch):
    """Register the cells of this file for one test."""
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    rnnkit.layers.add('fading')(Fading)
    rnnkit.layers.add('carrying')(Carrying)


def network(form='fading', size=H, spec=INPUTS, masked=False, **options):
    options = {'gap': 'gaps', **options} if 'fading' in (form, options.get('worker')) else options
    it = dict(form=form, size=size, name='it', **options)
    return rnnkit.Regressor([*spec, it, 1], seed=0, dtype='float64', masked=masked)


def data(rng):
    return rng.standard_normal((T, B, I)), abs(rng.standard_normal((T, B, 1)))


def test_a_layer_reads_them_by_option(registered, rng):
    net, (x, gaps) = network(), data(rng)
    v = {name: p.get_value() for name, p in net.layers[2].params.items()}
    found = net.feed_forward([x, gaps])['it:out']
    seen = np.ones((T, B, I))
    wanted = fading(dict(x=x, gap=gaps, seen=seen, **v), np.ones((T, B), bool), False)
    np.testing.assert_allclose(found, wanted, atol=1e-14)
    assert np.array_equal(net.predict({'gaps': gaps, 'x': x}), net.predict([x, gaps]))
    with_seen = network(seen='x')
    assert with_seen._graph.plan.sources['it'] == ['x:out', 'gaps:out']


def test_they_take_part_in_steps_and_carried_states(registered, rng):
    net, (x, gaps) = network(), data(rng)
    whole = net.predict([x, gaps])
    step, state = net.stepper(batch=B), None
    for t in range(T):
        out, state = net.step({'x': x[t], 'gaps': gaps[t]}, state)
        np.testing.assert_allclose(out, whole[t], atol=1e-14)
        np.testing.assert_allclose(step([x[t], gaps[t]]), whole[t], atol=1e-14)


def test_both_directions_read_them(registered, rng):
    net, (x, gaps) = network('bidirectional', 2 * H, worker='fading'), data(rng)
    out = net.feed_forward([x, gaps])['it:out']
    seen, every = np.ones((T, B, I)), np.ones((T, B), bool)
    for k, way in enumerate(('fw', 'bw')):
        v = {n: net.layers[2].params[f'{way}.{n}'].get_value() for n in Fading.params}
        wanted = fading(dict(x=x, gap=gaps, seen=seen, **v), every, way == 'bw')
        np.testing.assert_allclose(out[:, :, k * H : (k + 1) * H], wanted, atol=1e-14)


def test_padding_changes_nothing(registered, rng):
    net, (x, gaps) = network(masked=True), data(rng)
    padded = [np.where(REAL[:, :, None], values, 7.0) for values in (x, gaps)]
    found = net.predict(padded, mask=REAL)
    for k, n in enumerate(REAL.sum(axis=0)):
        alone = net.predict([values[:n, k : k + 1] for values in (x, gaps)])
        np.testing.assert_allclose(found[:n, k : k + 1], alone, atol=1e-14)


def test_training_files_and_noise(registered, rng, tmp_path):
    net, (x, gaps) = network(dropout=0.2, zoneout=0.1), data(rng)
    before = net.find('it', 'rate').get_value()
    net.train([x, gaps, x[:, :, :1]], epochs=2, input_dropout=0.5, seed=0)
    assert not np.array_equal(net.find('it', 'rate').get_value(), before)
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    assert again.to_spec() == net.to_spec()
    assert np.array_equal(again.predict([x, gaps]), net.predict([x, gaps]))


def test_noise_on_inputs_leaves_them_alone(registered):
    from rnnkit.graph.perturbations import usable

    assert usable(network()._graph, ['out:out']) == ['x:out', 'it:out', 'out:out']


def test_one_without_time_holds_at_all_steps(registered, rng):
    spec = [INPUTS[0], {**INPUTS[1], 'ndim': 2}]
    net, (x, gaps) = network(spec=spec), data(rng)
    wanted = network().predict([x, np.repeat(gaps[:1], T, axis=0)])
    np.testing.assert_allclose(net.predict([x, gaps[0]]), wanted, atol=1e-14)


def test_the_symbolic_graph_reads_them(registered, rng):
    net, (x, gaps) = network(), data(rng)
    found = net.symbolic([pt.constant(x), pt.constant(gaps)], outputs='out').eval()
    np.testing.assert_allclose(found, net.predict([x, gaps]), atol=1e-14)


def test_a_layer_made_of_them_may_learn_where_project_reads_it(registered, rng):
    spec = [*INPUTS, dict(form='ff', size=I, inputs='x', name='gate', activation='sigmoid')]
    net, (x, gaps) = network(spec=spec, seen='gate', inputs='x'), data(rng)
    before = net.find('gate', 'w').get_value()
    net.train([x, gaps, x[:, :, :1]], epochs=1)
    assert not np.array_equal(net.find('gate', 'w').get_value(), before)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'gap': None},
            "layer 'fading': gap= is missing; it is the name of a layer or input that each step "
            "reads, such as gap='gaps', with dict(form='input', size=1, name='gaps') before",
        ),
        ({'gap': 3}, 'gap= is 3; it must be the name of a layer or input that each step reads'),
        ({'gap': 'gapz'}, "layer 'it': no output 'gapz:out' before it; did you mean 'gaps:out'?"),
        ({'gp': 'gaps'}, "unknown option 'gp', did you mean 'gap'?"),
        (
            {'gap': 'x', 'inputs': 'x'},
            "layer 'it' (fading): gap must have 1 feature; 'x:out' has 2",
        ),
        (
            {'gap': 'one', 'inputs': 'x'},
            "layer 'it': gap='one:out' depends on the parameters of layer 'one', and nothing has a "
            'derivative by what step reads as p.gap, so they would not learn from it; read an '
            "input, or let the cell's project(x, p) read p.gap and pass it on in z",
        ),
    ],
)
def test_what_is_said_of_wrong_ones(options, message, registered):
    spec = [*INPUTS, dict(form='ff', size=1, inputs='x', name='one')]
    with pytest.raises(rnnkit.ConfigError) as error:
        network(spec=spec, **{'gap': 'gaps', **options})
    assert message in str(error.value)


def test_what_is_said_of_one_that_nothing_reads():
    cell = type(
        'Mine', (rnnkit.Cell,), {'side': {'gap': '1'}, 'step': lambda s, z, h, p: z + h.h @ p.hh}
    )
    with pytest.raises(rnnkit.ConfigError, match=r"reads p.gap; leave 'gap' out of side"):
        rnnkit.Regressor([*INPUTS, layer(cell, gap='gaps'), 1])


def test_what_is_said_of_one_that_output_reads():
    def output(self, s, p):
        return s.h * p.gap

    with pytest.raises(rnnkit.ConfigError, match=r'only project and step can read p.gap; pass on'):
        rnnkit.Regressor(
            [*INPUTS, layer(type('Own', (Fading,), {'output': output}), gap='gaps'), 1]
        )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'gap': None}, "side of Fading: 'gap' is missing; give a tensor (T, B, 1), as side="),
        ({'gaps': pt.tensor3()}, "has 'gaps', and there is no such further input of the cell; did"),
        ({'gap': pt.matrix()}, "'gap' must be a tensor (T, B, 1) of float64, as x is; got Matrix"),
        ({'seen': pt.tensor3(dtype='float32')}, "'seen' must be a tensor (T, B, 2) of float64"),
    ],
)
def test_what_unroll_says_of_wrong_ones(change, message):
    cell = Fading()
    params = {n: pt.tensor(n, dtype='float64', shape=s) for n, s in cell.shapes(I, H).items()}
    side = {'gap': pt.tensor('gap', dtype='float64', shape=(None, None, 1)), **change}
    side = {name: value for name, value in side.items() if value is not None}
    x = pt.tensor('x', dtype='float64', shape=(None, None, I))
    with pytest.raises(rnnkit.ConfigError) as error:
        unroll(cell, x, params, H, side=side)
    assert message in str(error.value)


def test_a_state_as_wide_as_the_input(registered, rng):
    spec = [INPUTS[0], dict(form='input', size=I, name='news')]
    net = network('carrying', spec=spec, news='news', old_0='learn', zoneout=0.1)
    assert net.find('it', 'old_0').get_value().shape == (I,)
    net.find('it', 'old_0').set_value(np.array([1.0, -2.0]))
    x, news = rng.standard_normal((2, T, B, I))
    v = {name: p.get_value() for name, p in net.layers[2].params.items()}
    h, old, states = np.zeros((B, H)), v['old_0'] * np.ones((B, 1)), []
    for x_t, news_t in zip(x, news, strict=True):
        new = np.tanh(x_t @ v['xh'] + v['b'] + h @ v['hh'] + (news_t - old) @ v['oh'])
        h, old = 0.1 * h + 0.9 * new, 0.1 * old + 0.9 * (0.5 * old + 0.5 * news_t)
        states.append(old)
    outputs = net.feed_forward([x, news])
    np.testing.assert_allclose(outputs['it:old'], states, atol=1e-14)
    np.testing.assert_allclose(outputs['it:last'], h, atol=1e-14)
    _, state = net.step([x[0], news[0]])
    assert [value.shape for value in state['it']] == [(B, H), (B, I)]


@pytest.mark.parametrize('noise', ['dropout', 'zoneout'])
def test_noise_on_states_as_wide_as_the_input(noise, registered, rng):
    spec = [INPUTS[0], dict(form='input', size=I, name='news')]
    net = network('bidirectional', 2 * H, spec=spec, worker='carrying', news='news', **{noise: 0.4})
    x, news = rng.standard_normal((2, T, B, I))
    monitors, _ = net.train([x, news, x[:, :, :1]], epochs=1, seed=0)
    assert np.isfinite(monitors['loss'])


def test_the_width_of_the_input_must_be_known():
    cell, x = Carrying(), pt.tensor3('x', dtype='float64')
    params = {n: pt.tensor(n, dtype='float64', shape=s) for n, s in cell.shapes(I, H).items()}
    with pytest.raises(rnnkit.ConfigError, match='the width of the input is not known here'):
        unroll(cell, x, params, H)
