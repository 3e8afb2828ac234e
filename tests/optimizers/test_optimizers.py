"""Update rules in use: the compiled step, clipping, what is not finite, and a valley."""

import numpy as np
import pytensor
import pytest
from bowl import HYPER, START, compiled_run, curvature, gradient, objective, values
from long_forms import long

import rnnkit
from rnnkit.errors import CallError, ConfigError
from rnnkit.optimizers import Adam, RMSProp, StepGraph, decay, halflife, optimizers


def numpy_run(algo, n, momentum=0.0, nesterov=False, **hyper):
    """Run the rule's own lines on NumPy."""
    rule, p, v = optimizers[algo](), START.copy(), np.zeros(6)
    slots = tuple(np.zeros(6) for _ in rule.slots)
    path = []
    for t in range(1, n + 1):
        seen = {'p': p, 'curvature': curvature(p, t - 1)}
        seen = {name: seen[name] for name in rule.reads}
        delta, slots = rule.step(gradient(p), slots, t, **seen, **hyper)
        v = momentum * v - delta
        p = p + momentum * v - delta if nesterov else p + v
        path.append(p)
    return np.array(path)


def test_every_rule_is_tested_here():
    assert {name for name in optimizers if not optimizers[name].full_batch} == set(HYPER)


@pytest.mark.parametrize(('momentum', 'nesterov'), [(0.0, False), (0.8, False), (0.8, True)])
@pytest.mark.parametrize('algo', HYPER)
def test_compiled_updates_equal_the_rule_on_numpy(algo, momentum, nesterov):
    found = compiled_run(algo, 20, momentum, nesterov, **HYPER[algo])
    right = numpy_run(algo, 20, momentum, nesterov, **HYPER[algo])
    np.testing.assert_allclose(found, right, rtol=1e-12)  # rounding over 20 updates


@pytest.mark.parametrize('options', [{}, {'momentum': 0.9, 'nesterov': True, 'weight_l2': 0.1}])
@pytest.mark.parametrize('algo', [name for name in HYPER if name != 'rprop'])
def test_a_learning_rate_of_0_changes_no_bit(algo, options, numbers):
    net, x = numbers
    before = [p.get_value().tobytes() for p in net.params]
    for rate in (0, rnnkit.schedules.Constant(0), lambda update: 0.0):
        net.train([x, 3 * x], algo=algo, learning_rate=rate, epochs=1, **options)
        assert [p.get_value().tobytes() for p in net.params] == before


@pytest.fixture(scope='module')
def numbers():
    return rnnkit.Regressor([1, 2, 1], seed=0), np.linspace(-1, 1, 6)[:, None]


# --- clipping ---


def first_step(**limits):
    """Return the first step of plain gradient descent with rate 1."""
    return START - compiled_run('sgd', 1, learning_rate=1.0, **limits)[0]


def test_the_norm_is_that_of_all_parameters_together():
    g = gradient(START)
    norm = np.linalg.norm(g)
    step = first_step(max_gradient_norm=norm / 2)
    np.testing.assert_allclose(step, g / 2, rtol=1e-12)  # rounding
    np.testing.assert_allclose(first_step(max_gradient_norm=norm * 1.01), g, rtol=1e-12)


def test_elements_are_clipped_before_the_norm():
    g = gradient(START)
    limit = np.median(abs(g))
    clipped = np.clip(g, -limit, limit)
    np.testing.assert_allclose(first_step(max_gradient_elem=limit), clipped, rtol=1e-12)
    both = first_step(max_gradient_elem=limit, max_gradient_norm=limit)
    np.testing.assert_allclose(both, clipped * limit / np.linalg.norm(clipped), rtol=1e-12)


def test_the_reported_norm_is_that_before_clipping():
    goal = objective()
    graph = StepGraph(goal, optimizers['sgd'](), False, False)
    graph.set(learning_rate=1.0, max_gradient_norm=0.1, max_gradient_elem=0.01)
    norm = pytensor.function([], graph.outputs, updates=graph.updates)()[0]
    assert norm == pytest.approx(np.linalg.norm(gradient(START)))


@pytest.mark.parametrize('algo', HYPER)
def test_an_update_that_is_not_finite_changes_nothing(algo):
    start = START.copy()
    start[0] = np.nan
    np.testing.assert_array_equal(compiled_run(algo, 2, 0.9, start=start, **HYPER[algo])[1], start)


def test_reset_forgets_and_the_run_repeats():
    goal = objective()
    graph = StepGraph(goal, optimizers['adam'](), True, False)
    graph.set(max_gradient_norm=0, max_gradient_elem=0, momentum=0.5, **HYPER['adam'])
    f = pytensor.function([], graph.outputs, updates=graph.updates)
    ends = []
    for _ in range(2):
        goal.params[0].set_value(START[:4].reshape(2, 2))
        goal.params[1].set_value(START[4:])
        graph.reset()
        for _ in range(5):
            f()
        ends.append(values(goal.params))
    assert np.array_equal(*ends)


@pytest.mark.parametrize(
    ('algo', 'options'),
    [
        ('sgd', {'learning_rate': 1e-3, 'momentum': 0.9}),
        long('nag', {'learning_rate': 1e-3}),
        ('adam', {'learning_rate': 0.02}),
        long('rmsprop', {'learning_rate': 1e-3, 'rms_halflife': 100.0}),
    ],
)
def test_rosenbrock_is_minimised(algo, options):
    start = np.array([-1.2, 1.0])
    p = pytensor.shared(start, name='p')
    loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2  # 24.2 at the start, 0 at (1, 1)
    _, valid = rnnkit.minimize(
        loss,
        algo=algo,
        epochs=40,
        train_batches=150,
        patience=40,
        validate_every=1,
        max_gradient_norm=10,
        **options,
    )
    # Along the valley to its end: a rule that only falls into it stops near 4.
    assert valid['loss'] < 0.01
    np.testing.assert_allclose(p.get_value(), [1, 1], atol=0.2)


def test_a_rule_of_the_user_trains_a_network(monkeypatch, rng):
    monkeypatch.setattr(optimizers, '_members', dict(optimizers._members))

    @optimizers.add('sign')
    class Sign(rnnkit.Optimizer):
        options = {'learning_rate': 1e-2}

        def step(self, g, slots, t, *, learning_rate):
            return learning_rate * g / (abs(g) + 1e-30), ()

    net = rnnkit.Regressor([1, 1], dtype='float64', seed=0)
    before = values(net.params)
    x = rng.standard_normal((8, 1))
    net.train([x, x], algo='sign', epochs=1, restore_best=False)
    np.testing.assert_allclose(abs(values(net.params) - before), 0.01, rtol=1e-9)  # rounding


@pytest.mark.parametrize('algo', optimizers)
def test_the_defaults_make_the_loss_fall_in_float32(algo):
    x = np.linspace(-1, 1, 12)[:, None]
    net = rnnkit.Regressor([1, ('tanh', 3), 1], seed=0)
    first, *_, last = (t['loss'] for t, _ in net.itertrain([x, 2 * x + 1], algo=algo, epochs=20))
    assert last < first
    assert {p.get_value().dtype.name for p in net.params} == {'float32'}


def test_weight_decay_belongs_to_the_rule_where_the_rule_has_it():
    x = np.zeros((4, 1))  # no gradient but that of the bias, whose target is met
    ends = {}
    for algo in ('adamw', 'lion', 'sgd'):
        net = rnnkit.Regressor([1, 1], seed=0, dtype='float64')
        start = float(net.find('out', 'w').get_value().item())
        net.train(
            [x, x], algo=algo, learning_rate=0.1, weight_decay=0.5, epochs=1, restore_best=False
        )
        ends[algo] = float(net.find('out', 'w').get_value().item()) / start
    assert ends['adamw'] == ends['lion'] == pytest.approx(1 - 0.1 * 0.5)  # the factor 1 - α λ
    assert ends['sgd'] == pytest.approx(1 - 0.1 * 0.5 * 2)  # the slope of λ w²


@pytest.mark.parametrize(
    ('algo', 'options', 'message'),
    [
        ('sgd', {'beta1_halflife': 3}, r"^train\(\): beta1_halflife belongs to algo .*, not 'sgd'"),
        ('adam', {'momentum_halflife': 3}, "momentum_halflife belongs to algo 'nadam', not 'adam'"),
        ('rprop', {'rms_halflife': 3}, "rms_halflife belongs to algo .* or .*, not 'rprop'"),
        (
            'adamw',
            {'weight_decay': -1},
            r'train\(\): weight_decay must be a number of at least 0; got -1',
        ),
        ('rprop', {'rprop_increase': 0.5}, 'rprop_increase at least 1; got 0.99 and 0.5'),
        ('rprop', {'rprop_min_step': 5, 'rprop_max_step': 1}, 'at most rprop_max_step, 1; got 5'),
        (
            'adam',
            {'learning_rate': -1},
            r'^train\(\): learning_rate must be a finite number of at least 0; got -1',
        ),
        (
            'rprop',
            {'learning_rate': 0},
            r"^train\(\): learning_rate of algo 'rprop' is the size of the first step alone, so it "
            'must be a number above 0, not a schedule; got 0',
        ),
        ('adam', {'rms_regularizer': np.nan}, r'rms_regularizer must be a number above 0; got nan'),
        (
            'adam',
            {'momentum': 1},
            r'^train\(\): momentum must be a finite number of at least 0 and below 1; got 1',
        ),
        ('adam', {'batch_size': 0}, r'^train\(\): batch_size must be a whole number'),
        ('nag', {'momentum': 0}, r'^train\(\): nesterov=True needs momentum'),
    ],
)
def test_options_that_are_refused(algo, options, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Regressor([1, 1]).train([np.ones((3, 1))] * 2, algo=algo, **options)


def said(error):
    return str(error.value)


@pytest.mark.parametrize(
    ('algo', 'message'),
    [
        (
            Adam(),
            "an object of Adam; write algo='adam', and its options as keywords, such as "
            'learning_rate=0.1',
        ),
        (Adam, "the class Adam; write algo='adam'"),
        (None, "None; leave algo out, or write algo='rmsprop'"),
        (
            {'form': 'adam'},
            "{'form': 'adam'}; write algo='adam', and its options as keywords, such as "
            'learning_rate=0.1',
        ),
        (3, '3'),
    ],
)
def test_an_algorithm_is_given_by_its_name(algo, message):
    with pytest.raises(ConfigError) as caught:
        rnnkit.Regressor([1, 1]).train([np.ones((3, 1))] * 2, algo=algo)
    assert said(caught) == f'train(): algo must be the name of an algorithm; got {message}'


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda: Adam(lr=0.1),
            'Adam(): the options of an update rule are options of a training; write '
            "algo='adam', learning_rate=0.1",
        ),
        (
            lambda: RMSProp(centered=False, learning_rate=0.1, rms_halflife=3),
            'RMSProp(): the options of an update rule are options of a training; write '
            "algo='rmsprop', learning_rate=0.1, rms_halflife=3",
        ),
        (
            lambda: optimizers['sgd'](no_such_thing=1),
            "SGD(): unknown option 'no_such_thing', known are: learning_rate",
        ),
        (lambda: Adam(1, 2, 3), 'Adam(): takes no arguments by position; got 3'),
        (lambda: halflife(), 'halflife(): decay is missing; write halflife(decay)'),
        (lambda: halflife(beat=1), "halflife(): unknown option 'beat', known are: decay"),
        (lambda: decay(), 'decay(): halflife is missing; write decay(halflife)'),
    ],
)
def test_calls_that_are_wrong(make, message):
    with pytest.raises(CallError) as caught:
        make()
    assert said(caught) == message


def test_switches_are_keywords_of_a_rule():
    assert RMSProp(centered=False).switched == {'centered': False}
