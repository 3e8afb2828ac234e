"""Regularizers against NumPy, their slopes, and what they choose by patterns."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.regularizers import Parts, build, regularizers

PARAMS = {'hid1.xh': (2, 3), 'hid1.b': (3,), 'out.w': (40, 1)}
OUTPUTS = {'in:out': (5, 3, 2), 'hid1:out': (5, 3, 4), 'hid1:c': (5, 3, 4), 'hid2:out': (5, 3, 1)}


def change(f):
    """Return the mean squared change over time of a function of the states."""
    return lambda ps, hs: np.mean([(np.diff(f(h), axis=0) ** 2).mean() for h in hs])


NUMPY = {
    'weight_l1': lambda ws, hs: np.mean([abs(w).mean() for w in ws]),
    'weight_l2': lambda ws, hs: np.mean([(w**2).mean() for w in ws]),
    'hidden_l1': lambda ws, hs: np.mean([abs(h).mean() for h in hs]),
    'recurrent_state': change(lambda h: h),
    'recurrent_norm': change(lambda h: (h**2).sum(-1)),
}
ALIASES = {
    'weight_sparsity': 'weight_l1',
    'weight_decay': 'weight_l2',
    'weightl2': 'weight_l2',
    'hidden_sparsity': 'hidden_l1',
}


@pytest.fixture
def values(rng):
    return {name: rng.standard_normal(shape) for name, shape in {**PARAMS, **OUTPUTS}.items()}


def parts(mask=None):
    """Return symbols for all parts, and the parts."""
    symbols = {
        name: pt.tensor(name, dtype='float64', shape=(None,) * len(shape))
        for name, shape in {**PARAMS, **OUTPUTS}.items()
    }
    hidden = ['hid1:out', 'hid2:out']
    return symbols, Parts(
        {n: symbols[n] for n in PARAMS},
        {n: symbols[n] for n in OUTPUTS},
        hidden,
        hidden,
        {'in': symbols['in:out']},
        {} if mask is None else dict.fromkeys(OUTPUTS, mask),
    )


def evaluate(name, value, given, mask=None):
    symbols, found = parts(None if mask is None else pt.constant(mask * 1.0))
    penalty = build(name, value).penalty(found)
    inputs = [symbols[n] for n in given]
    function = pytensor.function(inputs, penalty, on_unused_input='ignore')
    return function(*given.values())


def test_every_regularizer_is_tested_here():
    assert set(regularizers) == {*NUMPY, 'contractive', *ALIASES}
    for alias, name in ALIASES.items():
        assert regularizers[alias] is regularizers[name]


@pytest.mark.parametrize('name', NUMPY)
def test_penalty_and_its_slope(name, values, rng):
    ws, hs = (
        [values[n] for n in names] for names in (('hid1.xh', 'out.w'), ('hid1:out', 'hid2:out'))
    )
    found = evaluate(name, 1, values)
    assert found == pytest.approx(NUMPY[name](ws, hs), rel=1e-14)  # rounding
    symbols, found = parts()
    used = ('hid1.xh', 'out.w') if name.startswith('weight') else ('hid1:out', 'hid2:out')
    penalty = build(name, 1).penalty(found)
    check_slope(penalty, {symbols[n]: values[n] for n in used}, rng)


@pytest.mark.parametrize(
    ('name', 'pattern', 'used'),
    [
        ('weight_l2', '*.w', ['out.w']),
        ('weight_l1', 'hid1.*', ['hid1.xh']),  # and not its bias
        ('hidden_l1', 'hid1', ['hid1:out']),
        ('hidden_l1', 'hid1:*', ['hid1:out', 'hid1:c']),
        ('hidden_l1', '*', ['in:out', 'hid1:out', 'hid2:out']),
        ('recurrent_state', 'hid1:c', ['hid1:c']),
        ('recurrent_norm', 'hid[12]', ['hid1:out', 'hid2:out']),
    ],
)
def test_patterns(name, pattern, used, values):
    given = [values[n] for n in used]
    found = evaluate(name, dict(weight=1, pattern=pattern), values)
    assert found == pytest.approx(NUMPY[name](given, given), rel=1e-14)


@pytest.mark.parametrize('name', ['hidden_l1', 'recurrent_state', 'recurrent_norm'])
def test_padding_is_left_out(name, values):
    mask = np.arange(5)[:, None] < np.array([5, 3, 1])
    for name_of_output in OUTPUTS:
        values[name_of_output][~mask] = np.inf
    lengths = mask.sum(0)
    hs = [values['hid1:out'], values['hid2:out']]
    sequences = [[h[:n, b] for b, n in enumerate(lengths)] for h in hs]
    per_step = {
        'hidden_l1': lambda s: abs(s).mean(-1),
        'recurrent_state': lambda s: (np.diff(s, axis=0) ** 2).mean(-1),
        'recurrent_norm': lambda s: np.diff((s**2).sum(-1)) ** 2,
    }[name]
    wanted = np.mean([np.concatenate([per_step(s) for s in h]).mean() for h in sequences])
    assert evaluate(name, 1, values, mask) == pytest.approx(wanted, rel=1e-14)
    # In gradients, too, where the slope of the penalty is infinite, or not a number.
    symbols, found = parts(pt.constant(mask * 1.0))
    slopes = pytensor.grad(build(name, 1).penalty(found), [symbols[n] for n in found.hidden])
    slope_of = pytensor.function([symbols[n] for n in found.hidden], slopes)
    clean = [np.where(mask[..., None], h, 0) for h in hs]
    for slope, right in zip(slope_of(*hs), slope_of(*clean), strict=True):
        np.testing.assert_array_equal(slope, right)
        assert not slope[~mask].any()
        assert slope[mask].any()


@pytest.mark.parametrize('name', ['recurrent_state', 'recurrent_norm'])
@pytest.mark.parametrize('masked', [False, True])
def test_a_single_step_does_not_change(name, masked, values):
    values = {n: v[:1] if n in OUTPUTS else v for n, v in values.items()}
    assert evaluate(name, 1, values, np.ones((1, 3)) if masked else None) == 0


# --- contractive


def contraction(net, x, eps=1e-5):
    """Return the penalty by central differences of the hidden layer."""
    slopes = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        d = np.zeros(x.shape)
        d[place] = eps
        high, low = (net.feed_forward(x + s * d)['hid1:out'].mean(-1).sum() for s in (1, -1))
        slopes[place] = (high - low) / (2 * eps)
    return (slopes**2).mean()


def test_contractive_against_differences(rng):
    net = rnnkit.Regressor([2, ('rnn', 3), 1], dtype='float64', seed=0)
    x = rng.standard_normal((4, 3, 2))
    found = Parts(outputs=net.outputs, hidden=['hid1:out'], inputs={'in': net.inputs[0]})
    penalty = build('contractive', 1).penalty(found)
    # Central differences err by eps² and by rounding / eps: both are about 1e-10.
    wanted = contraction(net, x)
    assert penalty.eval({net.inputs[0]: x}) == pytest.approx(wanted, rel=1e-7)
    twice = np.concatenate([x, x], axis=1)  # a larger batch of the same
    assert penalty.eval({net.inputs[0]: twice}) == pytest.approx(wanted, rel=1e-7)
    mask = np.ones((4, 3))
    mask[2:, 0] = 0
    symbol = pt.dmatrix('mask')
    masked = Parts(
        net.outputs,
        net.outputs,
        ['hid1:out'],
        [],
        found.inputs,
        {'hid1:out': symbol, 'in:out': symbol},
    )
    short = build('contractive', 1).penalty(masked).eval({net.inputs[0]: x, symbol: mask})
    rows = [contraction(net, x[:n, b : b + 1]) * n for b, n in enumerate((2, 4, 4))]
    assert short == pytest.approx(sum(rows) / 10, rel=1e-7)


@pytest.mark.long
def test_contractive_makes_a_network_less_sensitive(rng):
    x = rng.standard_normal((6, 20, 2))
    left = {}
    for weight in (0, 10.0):
        net = rnnkit.Regressor([2, ('rnn', 3), 1], dtype='float64', seed=0)
        net.train([x, x[..., :1]], epochs=30, learning_rate=0.01, contractive=weight)
        left[weight] = contraction(net, x[:, :1])
    assert left[10.0] < 0.3 * left[0]


# --- in a network


def test_options_in_a_training(rng):
    x, y = rng.standard_normal((2, 5, 4, 1))
    net = rnnkit.Regressor([1, ('rnn', 3), 1], dtype='float64', seed=0)
    w = net.find('out', 'w').get_value()
    run = dict(epochs=1, batch_size=4, restore_best=False, learning_rate=1e-6)
    for weight in (2.0, 3.0):
        found, _ = net.train([x, y], weight_l2=dict(weight=weight, pattern='out.*'), **run)
        assert found['loss'] - found['err'] == pytest.approx(weight * (w**2).mean(), rel=1e-4)
    hh = net.find('hid1', 'hh').get_value()
    found, _ = net.train([x, y], weight_l2=dict(weight=1, pattern='hid1.hh'), **run)
    assert found['loss'] - found['err'] == pytest.approx((hh**2).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ('keyword', 'message'),
    [
        (
            dict(weight_l2=dict(weight=1, pattern='hid9.*')),
            r"weight_l2: pattern 'hid9.\*' matches nothing; there is hid1.xh, hid1.hh, out.w",
        ),
        (
            dict(hidden_l1=dict(weight=1, pattern='foo')),
            "hidden_l1: pattern 'foo:out' matches nothing; there is in:out, hid1:out, hid1:last",
        ),
        (dict(contractive=dict(weight=1, wrt='out')), "wrt 'out' matches nothing; there is in"),
        (
            dict(weight_l2=dict(weight=1, pattern=3)),
            "pattern must be a pattern of names, such as 'hid*'",
        ),
        (
            dict(weight_l2=dict(weight=1, patern='*')),
            "'weight_l2': unknown option 'patern', did you",
        ),
        (dict(weight_l2=dict(weight=1, wrt='*')), "unknown option 'wrt'"),
        (dict(weight_l2={3: 4}), "unknown option '3'"),
        (dict(weight_l2=dict(pattern='*')), 'a number of at least 0, or a dict with such a weight'),
        (dict(weight_l2=dict(weight='x')), "got {'weight': 'x'}"),
        (dict(weight_l2=True), 'got True'),
        (dict(weight_l2=float('nan')), 'got nan'),
        (dict(weight_l2=[1]), r'got \[1\]'),
        (
            dict(weight_l2=1, weight_decay=dict(weight=1, pattern='out*')),
            'are the same regularizer',
        ),
    ],
    ids=str,
)
def test_wrong_values(keyword, message, rng):
    net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
    x = np.zeros((2, 2, 1))
    with pytest.raises(ConfigError, match=message.replace("'hid*'", r"'hid\*'")):
        net.train([x, x], epochs=1, **keyword)


@pytest.mark.parametrize('name', ['recurrent_state', 'recurrent_norm'])
def test_a_network_without_time(name):
    net = rnnkit.Regressor([1, 3, 1], seed=0)
    x = np.zeros((2, 1))
    with pytest.raises(ConfigError, match=f'{name}: this network has nothing that it applies to'):
        net.train([x, x], epochs=1, **{name: 1})
    with pytest.raises(ConfigError, match=f"{name}: output 'hid1:out' has no time axis"):
        net.train([x, x], epochs=1, **{name: dict(weight=1, pattern='hid1')})


@pytest.mark.parametrize('form', ['last', 'max'])
def test_layers_after_which_there_is_no_time_do_not_count_as_recurrent(form, rng):
    net = rnnkit.Regressor([2, ('rnn', 4), form, 1], seed=0, dtype='float64')
    data = [rng.standard_normal((3, 3, 2)), rng.standard_normal((3, 1))]
    _, valid = net.train(data, recurrent_state=0.5, epochs=1, restore_best=False)
    wanted = (np.diff(net.feed_forward(data[0])['hid1:out'], axis=0) ** 2).mean()
    assert valid['loss'] - valid['err'] == pytest.approx(0.5 * wanted, rel=1e-9)


def test_hidden_outputs_of_a_masked_network_are_averaged_over_real_steps(rng):
    net = rnnkit.Regressor([2, ('rnn', 4), (3, 'tanh'), 1], masked=True, seed=0, dtype='float64')
    mask = np.array([[1, 1, 1], [1, 0, 1], [1, 0, 0]], bool)
    data = [rng.standard_normal((3, 3, 2)), rng.standard_normal((3, 3, 1)), mask]
    _, valid = net.train(data, hidden_l1=0.5, epochs=1, restore_best=False)
    out = net.feed_forward(data[0], mask)
    wanted = np.mean([abs(out[f'{name}:out'][mask]).mean() for name in ('hid1', 'hid2')])
    assert valid['loss'] - valid['err'] == pytest.approx(0.5 * wanted, rel=1e-9)
