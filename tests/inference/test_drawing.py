"""Regressors that draw what they read next, if their loss stands for a distribution."""

import copy
import warnings

import numpy as np
import pytest
from scipy import stats

import rnnkit
from rnnkit.errors import CallError, ConfigError, DataError

I = 2  # noqa: E741 - the letter of the shape alphabet
N = 6000
LEAST = 1e-3  # p value of a test on seeded draws: they are the same in every run


def vivid(net, scale=0.7):
    """Give a network weights by which its outputs differ much."""
    rng = np.random.default_rng(8)
    for p in net.params:
        if p.name not in net.frozen and 'target_' not in p.name:
            p.set_value((scale * rng.standard_normal(p.get_value().shape)).astype(p.dtype))
    return net


def heads(*names, size=I, **options):
    """Return layers with several outputs, of which the last is the first that is named."""
    order = [*names[1:], names[0]]
    return [dict(size=size, name=name, inputs='hid1', **options) for name in order]


def variance(size=I):
    covar, mean = heads('mean', 'covar', size=size)
    return [covar | {'activation': 'softplus'}, mean]


CASES = {  # the layers after the recurrent one, the loss, and the outputs that it reads
    'bce': ([I], 'bce', ['out:pre']),
    'poisson': ([I], 'poisson', ['out:pre']),
    'gll': (variance(), 'gll', ['mean:out', 'covar:out']),
    'quantile': ([3 * I], dict(form='quantile', q=[0.1, 0.5, 0.9]), ['out:out']),
    'gaussian': ([2 * I], dict(form='gaussian', scale_eps=0.1), ['out:out']),
    'student': ([3 * I], 'student', ['out:out']),
}
CENTRAL = {'quantile': slice(I, 2 * I)}  # of what is predicted; else the first


def make(kind, **options):
    layers, loss, read = CASES[kind]
    net = rnnkit.Regressor([I, ('gru', 3), *layers], loss, seed=0, dtype='float64', **options)
    return vivid(net, 0.4 if kind == 'poisson' else 0.7), read


@pytest.fixture(scope='module')
def nets():
    return {kind: make(kind) for kind in CASES}


def drawn_by_hand(net, read, x, steps, rng, temperature=1.0, start=None):
    """Draw from what the whole sequence predicts, again for each step; arrays (T, B, I)."""
    rng, made = np.random.default_rng(rng), []
    for _ in range(steps):
        outputs = net.feed_forward(x if start is None else [x, np.array([start, *made])])
        last = tuple(
            outputs[name][-1] if outputs[name].ndim == 3 else outputs[name] for name in read
        )
        drawn = net.loss.draw(rng, net.loss.split(last if len(last) > 1 else last[0]), temperature)
        made.append(drawn.astype('float64'))
        if start is None:
            x = np.concatenate([x, made[-1][None]])
    return np.array(made)


@pytest.mark.parametrize('kind', CASES)
def test_what_is_fed_back_is_what_was_drawn(nets, kind, rng):
    net, read = nets[kind]
    seed = rng.integers(0, 2, (4, 3, I)) * 1.0
    found = net.generate(seed, 6, rng=5)
    right = drawn_by_hand(net, read, seed, 6, 5)
    assert len(np.unique(right)) > 1
    np.testing.assert_allclose(found, right, atol=1e-12)
    stepper = net.stepper(3)  # the same, a step at a time
    for x_t in [*seed, *found]:
        y = stepper(x_t).copy()
    np.testing.assert_allclose(net.predict(np.concatenate([seed, found]))[-1], y, atol=1e-12)


@pytest.mark.parametrize(('kind', 'temperature'), [('bce', 0.5), ('gll', 2.0), ('gaussian', 0.3)])
def test_a_temperature_is_passed_to_the_loss(nets, kind, temperature, rng):
    net, read = nets[kind]
    seed = rng.standard_normal((4, 3, I))
    found = net.generate(seed, 3, temperature=temperature, rng=1)
    np.testing.assert_allclose(found, drawn_by_hand(net, read, seed, 3, 1, temperature), atol=1e-12)


@pytest.mark.parametrize('kind', CASES)
def test_at_temperature_0_the_prediction_is_read(nets, kind, rng):
    net, _ = nets[kind]
    x = seed = rng.standard_normal((4, 3, I))
    for _ in range(4):
        x = np.concatenate([x, net.predict(x)[-1:, :, CENTRAL.get(kind, slice(I))]])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = net.generate(seed, 4, temperature=0, rng=3)
    np.testing.assert_allclose(found, x[4:], atol=1e-12)
    copies = net.generate(seed[:, :1], 4, temperature=0, streams=3)
    np.testing.assert_allclose(copies, np.repeat(found[:, :1], 3, axis=1), atol=1e-12)


@pytest.mark.parametrize('layout', ['time', 'batch'])
@pytest.mark.parametrize('kind', ['bce', 'gll', 'student'])
def test_seeds_in_every_form_draw_the_same_numbers(nets, kind, layout, rng):
    right, _ = nets[kind]
    net, _ = make(kind, layout=layout)
    seed = rng.standard_normal((4, 3, I))

    def turned(array):
        return array if layout == 'time' else array.swapaxes(0, 1)

    found = net.generate(turned(seed), 5, rng=2)
    np.testing.assert_allclose(turned(found), right.generate(seed, 5, rng=2), atol=1e-12)
    one = right.generate(seed[:, :1], 5, rng=2)
    np.testing.assert_allclose(net.generate(seed[:, 0], 5, rng=2), one[:, 0], atol=1e-12)
    streams = right.generate(seed[:, :1], 5, streams=4, rng=2)
    assert streams.shape == (5, 4, I)
    found = net.generate(seed[:, 0], 5, streams=4, rng=2)
    np.testing.assert_allclose(turned(found), streams, atol=1e-12)


@pytest.mark.parametrize('layout', ['time', 'batch'])
@pytest.mark.parametrize(('loss', 'units'), [('poisson', 1), ('gaussian', 2)])
def test_a_series_of_numbers_has_streams_of_numbers(loss, units, layout):
    net = vivid(rnnkit.Regressor([1, ('rnn', 3), units], loss, seed=0, layout=layout), 0.3)
    series = np.array([0.0, 1, 3])
    one = net.generate(series, 5, rng=2)
    assert one.shape == net.generate(series, 5, temperature=0).shape == (5,)
    assert one.dtype == 'float32'
    assert (one % 1 == 0).all() == (loss == 'poisson')
    several = net.generate(series, 5, streams=4, rng=2)
    assert several.shape == ((5, 4) if layout == 'time' else (4, 5))
    shape = (3, 1, 1) if layout == 'time' else (1, 3, 1)
    plain = net.generate(series.reshape(shape), 5, streams=4, rng=2)
    np.testing.assert_array_equal(plain[..., 0], several)


def test_a_seed_makes_the_draws(nets):
    net, _ = nets['gll']
    draws = [net.generate(np.zeros((2, I)), 5, streams=2, rng=k) for k in (3, 3, 4)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).all()
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(net.generate(np.zeros((2, I)), 5, streams=2, rng=rng), draws[0])
    assert (net.generate(np.zeros((2, I)), 5, streams=2, rng=rng) != draws[0]).all()
    free = [net.generate(np.zeros((2, I)), 5) for _ in range(2)]
    assert (free[0] != free[1]).all()


# --- distributions of whole sequences


def test_streams_are_independent_and_have_the_distribution_of_the_network():
    net = vivid(rnnkit.Regressor([1, ('gru', 3), 1], 'bce', seed=0, dtype='float64'), 2)
    seed = np.array([1.0, 0, 1])
    first, second = net.generate(seed, 2, streams=N, rng=0).astype(int)
    p = net.predict(seed)[-1]
    after = [net.predict(np.append(seed, key))[-1] for key in (0, 1)]
    assert abs(after[0] - after[1]) > 0.1  # so that it matters what is fed back
    right = [(1 - p) * (1 - after[0]), (1 - p) * after[0], p * (1 - after[1]), p * after[1]]
    found = np.bincount(2 * first + second, minlength=4)
    assert stats.chisquare(found, N * np.array(right)).pvalue > LEAST
    both = np.corrcoef(first[::2], first[1::2])[0, 1]
    assert abs(both) < 4 / np.sqrt(N / 2)


@pytest.mark.parametrize('form', ['gll', 'gaussian'])
def test_a_linear_network_draws_an_autoregressive_process(form):
    packed = form == 'gaussian'
    layers = [1, dict(form='rnn', size=1, activation='linear'), *([2] if packed else variance(1))]
    loss = dict(form=form, **({'scale_eps': 0.2} if packed else {'covar_eps': 0.04}))
    net = rnnkit.Regressor(layers, loss, seed=0, dtype='float64')
    for p in net.params:
        p.set_value(np.zeros(p.get_value().shape))
    net.set('hid1', 'xh', [[0.8]])
    # no variance but the one that the loss adds
    if packed:
        net.set('out', 'w', [[1.0, 0.0]])
        net.set('out', 'b', [0.0, -50.0])
    else:
        net.set('mean', 'w', [[1.0]])
        net.set('covar', 'b', [-50.0])
    drawn = net.generate([5.0], 3, streams=N, rng=0)  # x' = 0.8 x + 0.2 e
    mean, v = 5.0, 0.0
    for step in drawn:
        mean, v = 0.8 * mean, 0.64 * v + 0.04
        assert stats.kstest(step, stats.norm(mean, np.sqrt(v)).cdf).pvalue > LEAST


def test_draws_of_scaled_targets_are_in_their_units():
    options = dict(seed=0, dtype='float64', scale_targets=True)
    loss = dict(form='gll', covar_eps=0.5)  # of the scaled targets
    net = vivid(rnnkit.Regressor([1, ('rnn', 3), *variance(1)], loss, **options))
    net.set('mean', 'target_mean', [1000.0])
    net.set('mean', 'target_deviation', [0.01])
    outputs = net.feed_forward(np.ones((2, 1, 1)))
    mean = outputs['mean:out'][-1, 0, 0]
    deviation = 0.01 * np.sqrt(outputs['covar:scaled'][-1, 0, 0] + 0.5)
    drawn = net.generate(np.ones(2), 1, streams=N, rng=0)[0]
    assert stats.kstest(drawn, stats.norm(mean, deviation).cdf).pvalue > LEAST
    np.testing.assert_allclose(net.generate(np.ones(2), 1, temperature=0), [mean], rtol=1e-12)


def test_draws_are_below_each_quantile_with_its_probability():
    net, _ = make('quantile')
    drawn = net.generate(np.ones((2, I)), 1, streams=N, rng=0)[0]  # (streams, I)
    values = np.sort(np.split(net.predict(np.ones((2, I)))[-1], 3), axis=0)  # (quantiles, I)
    q = np.array([[0.1], [0.5], [0.9]])
    share = np.array([(drawn < value).mean(axis=0) for value in values])
    assert (abs(share - q) < 4 * np.sqrt(q * (1 - q) / N)).all()


def chorale(rng, steps, songs, keys=12):
    """Return chords of two keys (T, B, keys): each is held, or followed by any other."""
    chords = (np.arange(keys) % 6)[None] == np.arange(6)[:, None]
    at, made = rng.integers(0, 6, songs), []
    for _ in range(steps):
        made.append(chords[at])
        at = np.where(rng.random(songs) < 0.5, at, rng.integers(0, 6, songs))
    return np.array(made, float)


def test_keys_of_a_piano_do_not_end_in_a_fixed_point(rng):
    net = rnnkit.Regressor([12, ('rnn', 16), 12], loss='bce', seed=0)
    data = chorale(rng, 20, 64)
    net.train([data[:-1], data[1:]], algo='adam', learning_rate=0.02, epochs=20)
    seed = data[:5, :1]
    stuck = net.generate(seed, 100, temperature=0)[-2:]
    assert abs(stuck[0] - stuck[1]).max() < 1e-4
    late = net.generate(seed, 100, streams=40, rng=0)[-50:]
    assert set(np.unique(late)) == {0, 1}
    assert (late[1:] != late[:-1]).any(axis=-1).mean() > 0.5
    assert abs(late.mean() - data.mean()) < 0.02


# --- networks of other forms


def test_a_mean_and_a_variance_may_summarize_the_sequence_in_ways_of_their_own(rng):
    layers = [
        I,
        ('gru', 3),
        dict(form='mean', name='average', inputs='hid1'),
        dict(form='last', name='end', inputs='hid1'),
        dict(size=I, name='covar', inputs='average', activation='softplus'),
        dict(size=I, name='mean', inputs='end'),
    ]
    net = vivid(rnnkit.Regressor(layers, 'gll', seed=0, dtype='float64'))
    seed = rng.standard_normal((4, 3, I))
    right = drawn_by_hand(net, ['mean:out', 'covar:out'], seed, 5, 7)
    np.testing.assert_allclose(net.generate(seed, 5, rng=7), right, atol=1e-12)


@pytest.mark.parametrize('kind', ['bce', 'gll', 'gaussian', 'quantile'])
def test_a_decoder_draws_from_its_start(kind, rng):
    layers, loss, read = CASES[kind]
    layers = [
        3,
        dict(form='gru', size=3, name='encoder'),
        dict(form='input', size=I, name='given'),
        dict(form='gru', size=3, h_0='encoder', name='hid1'),
        *layers,
    ]
    net = vivid(rnnkit.Regressor(layers, loss, seed=0, dtype='float64'))
    source, start = rng.standard_normal((5, 4, 3)), rng.standard_normal((4, I))
    right = drawn_by_hand(net, read, source, 6, 3, start=start)
    np.testing.assert_allclose(net.generate(source, 6, start=start, rng=3), right, atol=1e-12)
    several = net.generate(source[:, :1], 2, start=0, streams=5, rng=3)
    assert several.shape == (2, 5, I)
    assert len(np.unique(several[:, :, 0])) == (2 if kind == 'bce' else 10)


def test_the_first_loss_draws_whatever_layer_it_reads(rng):
    layers = [I, ('rnn', 3), dict(size=I, name='keys', activation='sigmoid'), 1]
    net = vivid(rnnkit.Regressor(layers, seed=0, dtype='float64'), 2)
    with pytest.raises(ConfigError, match="layer 'out' has 1 units"):
        net.generate(np.zeros((1, I)), 3)
    net.set_loss('bce', output='keys')
    seed = rng.standard_normal((3, 2, I))
    right = drawn_by_hand(net, ['keys:pre'], seed, 4, 2)
    np.testing.assert_allclose(net.generate(seed, 4, rng=2), right)
    predicted = net.feed_forward(seed)['keys:out'][-1]
    np.testing.assert_allclose(net.generate(seed, 1, temperature=0)[0], predicted)


@pytest.mark.parametrize('loss', ['gaussian', dict(form='quantile', q=[0.9, 0.6, 0.2])])
def test_several_numbers_for_each_target_may_come_from_any_layer(loss, rng):
    n = 2 if loss == 'gaussian' else 3
    layers = [I, ('rnn', 3), dict(size=n * I, name='heads', activation='linear'), 1]
    net = vivid(rnnkit.Regressor(layers, seed=0, dtype='float64'))
    net.set_loss(loss, output='heads')
    seed = rng.standard_normal((3, 2, I))
    right = drawn_by_hand(net, ['heads:out'], seed, 4, 2)
    np.testing.assert_allclose(net.generate(seed, 4, rng=2), right, atol=1e-12)
    predicted = net.feed_forward(seed)['heads:out'][-1]
    k = 0 if n == 2 else 1  # 0.6 is nearest to 0.5
    found = net.generate(seed, 1, temperature=0)[0]
    np.testing.assert_allclose(found, predicted[:, k * I : (k + 1) * I], atol=1e-12)


def test_a_network_must_have_as_many_inputs_as_targets():
    net = rnnkit.Regressor([3, ('rnn', 3), 6], 'gaussian', seed=0)
    assert net.generate(np.zeros((2, 3)), 4).shape == (4, 3)
    net = rnnkit.Regressor([6, ('rnn', 3), 6], 'gaussian', seed=0)
    for temperature in (0, 1):
        with pytest.raises(ConfigError) as caught:
            net.generate(np.zeros((2, 6)), 4, temperature=temperature)
        assert str(caught.value) == (
            'generate(): the output of a step is the input of the next one, so x must be like the '
            "output; it has 6 features, and layer 'out' has 6 units, 2 for each target"
        )


@pytest.mark.parametrize('kind', ['gll', 'gaussian', 'student', 'quantile'])
def test_copies_masked_and_saved_networks_draw_the_same(nets, kind, tmp_path):
    net, _ = nets[kind]
    right = net.generate(np.zeros((2, I)), 3, streams=2, rng=0)
    net.save(tmp_path / 'net.rnn')
    for other in (copy.deepcopy(net), rnnkit.load(tmp_path / 'net.rnn')):
        np.testing.assert_array_equal(other.generate(np.zeros((2, I)), 3, streams=2, rng=0), right)
    masked, _ = make(kind, masked=True)
    found = masked.generate(np.zeros((2, I)), 3, streams=2, rng=0)
    np.testing.assert_allclose(found, right, atol=1e-12)


# --- losses that do not draw, and those of users

PLAIN = ['mse', 'mae', 'huber', 'mmd', 'kl', 'quantile']
ASKED = {
    'temperature': {'temperature': 1},
    'streams': {'streams': 2},
    'rng': {'rng': 1},
    'temperature, streams, rng': {'temperature': 0.5, 'streams': 3, 'rng': 0},
}


def test_a_loss_that_does_not_draw_refuses_draws():
    for loss in PLAIN:
        net = rnnkit.Regressor([I, ('rnn', 3), I], loss=loss, seed=0)
        for names, options in ASKED.items():
            with pytest.raises(ConfigError) as caught:
                net.generate(np.zeros((2, I)), 3, **options)
            assert str(caught.value) == (
                f"generate(): loss '{loss}' does not draw, so each output is the next input as it "
                f"is; leave out {names}. Losses that draw: 'bce', 'gaussian', 'gll', 'poisson', "
                f"'student', 'quantile' with several q, and your own with a method draw()"
            )
    net = rnnkit.Regressor([I, ('rnn', 3), I], seed=0)
    np.testing.assert_array_equal(
        net.generate(np.ones((2, I)), 3, temperature=0, streams=1), net.generate(np.ones((2, I)), 3)
    )


@pytest.mark.parametrize('loss', ['mse', 'bce'])
@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        (
            {'temperature': -1},
            ConfigError,
            'generate(): temperature must be a finite number of at least 0; got -1',
        ),
        (
            {'streams': 0},
            ConfigError,
            'generate(): streams must be a whole number of at least 1; got 0',
        ),
        (
            {'temprature': 1},
            CallError,
            "generate(): unknown option 'temprature', did you mean 'temperature'?",
        ),
    ],
)
def test_options_that_make_no_sense_are_refused(loss, options, error, message):
    net = rnnkit.Regressor([I, ('rnn', 3), I], loss, seed=0)
    with pytest.raises(error) as caught:
        net.generate(np.zeros((2, I)), 3, **options)
    assert str(caught.value) == message


def test_a_temperature_without_limit_is_refused(nets):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(DataError, match=r"^generate\(\): loss 'gll' has drawn -?inf; its dist"):
            nets['gll'][0].generate(100 * np.ones((2, I)), 20, temperature=1.7e308, rng=0)


def test_several_seeds_have_no_further_streams(nets):
    with pytest.raises(ConfigError) as caught:
        nets['bce'][0].generate(np.zeros((2, 3, I)), 2, streams=2)
    assert str(caught.value) == (
        'generate(): several streams continue a single seed; got streams=2 and 3 seeds'
    )


class Laplace(rnnkit.losses.Loss):
    """A loss of a user's own."""

    def errors(self, output, target):
        return abs(output - target)

    def draw(self, rng, output, temperature):
        return rng.laplace(output, temperature)


def test_a_loss_of_a_user_may_draw():
    net = vivid(rnnkit.Regressor([1, ('rnn', 3), 1], Laplace(), seed=0, dtype='float64'))
    (drawn,) = net.generate(np.ones(3), 1, temperature=0.5, streams=N, rng=0)
    mean = net.predict(np.ones(3))[-1]
    assert stats.kstest(drawn, stats.laplace(mean, 0.5).cdf).pvalue > LEAST


class Pair(Laplace):
    """A loss that reads two numbers for each target, and draws only if it `may`."""

    n_parts = 2
    options = {'may': True}

    @property
    def draws(self):
        return self.may

    def errors(self, output, target):
        m, s = output
        return abs(m - target) + abs(s)

    def central(self, output):
        return self.part(output, 1)

    def draw(self, rng, output, temperature):
        m, s = output
        return rng.laplace(m, temperature * abs(s))


def test_a_loss_of_a_user_may_read_several_numbers_for_each_target(rng):
    layers, seed = [I, ('rnn', 3), 2 * I], rng.standard_normal((3, 2, I))
    net = vivid(rnnkit.Regressor(layers, Pair(), seed=0, dtype='float64'))
    right = drawn_by_hand(net, ['out:out'], seed, 4, 1, temperature=2)
    np.testing.assert_allclose(net.generate(seed, 4, temperature=2, rng=1), right, atol=1e-12)
    x = seed
    for _ in range(4):
        x = np.concatenate([x, net.predict(x)[-1:, :, I:]])
    np.testing.assert_allclose(net.generate(seed, 4, temperature=0), x[3:], atol=1e-12)
    other = vivid(rnnkit.Regressor(layers, Pair(may=False), seed=0, dtype='float64'))
    np.testing.assert_allclose(other.generate(seed, 4), x[3:], atol=1e-12)
    with pytest.raises(ConfigError, match=r"loss 'Pair' does not draw, .* leave out streams\. Los"):
        other.generate(seed[:, :1], 4, streams=2)


WRONG = {
    'nothing': (
        lambda rng, out: None,
        ConfigError,
        'must return an array of numbers; got None',
    ),
    'text': (
        lambda rng, out: np.array(['a']),
        ConfigError,
        "must return an array of numbers; got array(['a'], dtype='<U1')",
    ),
    'shape': (
        lambda rng, out: out[0],
        ConfigError,
        'must return an array of shape (1, 2), one number for each target; got (2,)',
    ),
    'nan': (
        lambda rng, out: out + np.nan,
        DataError,
        'has drawn nan; its distribution is too wide for float32',
    ),
    'infinity': (
        lambda rng, out: out + 1e300,
        DataError,
        'has drawn inf; its distribution is too wide for float32',
    ),
}


@pytest.mark.parametrize('kind', WRONG)
def test_draws_of_a_user_are_checked(kind):
    result, error, message = WRONG[kind]

    class Odd(Laplace):
        def draw(self, rng, output, temperature):
            return result(rng, output)

    net = rnnkit.Regressor([I, ('rnn', 3), I], Odd(), seed=0)
    with pytest.raises(error) as caught:
        net.generate(np.zeros((2, I)), 2)
    where = 'draw() of loss' if error is ConfigError else 'loss'
    assert str(caught.value) == f"generate(): {where} 'Odd' {message}"
