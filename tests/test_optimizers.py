"""Update rules: the compiled step against plain NumPy, textbooks, PyTorch and a valley."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit.optimizers import Objective, StepGraph, decay, optimizers

RNG = np.random.default_rng(4)
SCALE = np.exp(RNG.uniform(-2, 2, 6))  # a badly scaled bowl
START = RNG.standard_normal(6)
HYPER = {
    'sgd': {'learning_rate': 0.05},
    'nag': {'learning_rate': 0.05},
    'rmsprop': {'learning_rate': 0.02, 'rms_halflife': 3.0, 'rms_regularizer': 1e-6},
    'adam': {'learning_rate': 0.05, 'beta1_halflife': 4.0, 'beta2_halflife': 9.0,
             'rms_regularizer': 1e-6},
}  # fmt: skip


def gradient(p):
    """Return the slope of Σ scale p² / 2 + Σ cos p."""
    return SCALE * p - np.sin(p)


def objective(start=START, dtype='float64'):
    """Return that function of two parameters of unlike shape."""
    a = pytensor.shared(start[:4].reshape(2, 2).astype(dtype), name='a')
    b = pytensor.shared(start[4:].astype(dtype), name='b')
    p = pt.concatenate([a.ravel(), b])
    loss = (SCALE.astype(dtype) * p * p / 2 + pt.cos(p)).sum()
    return Objective(loss.astype(dtype), [a, b], [])


def values(params):
    return np.concatenate([p.get_value().ravel() for p in params])


def compiled_run(algo, n, momentum=0.0, nesterov=False, start=START, **hyper):
    """Return the parameters after each of `n` compiled updates."""
    goal = objective(start)
    graph = StepGraph(goal, optimizers[algo](), bool(momentum), nesterov)
    hyper |= {'momentum': momentum} if momentum else {}
    graph.set(**{'max_gradient_norm': 0, 'max_gradient_elem': 0, **hyper})
    f = pytensor.function([], graph.outputs, updates=graph.updates)
    path = []
    for _ in range(n):
        f()
        path.append(values(goal.params))
    return np.array(path)


def numpy_run(algo, n, momentum=0.0, nesterov=False, **hyper):
    """Run the rule's own lines on NumPy."""
    rule, p, v = optimizers[algo](), START.copy(), np.zeros(6)
    slots = tuple(np.zeros(6) for _ in rule.slots)
    path = []
    for t in range(1, n + 1):
        delta, slots = rule.step(gradient(p), slots, t, **hyper)
        v = momentum * v - delta
        p = p + momentum * v - delta if nesterov else p + v
        path.append(p)
    return np.array(path)


def test_every_rule_is_tested_here():
    assert set(optimizers) == set(HYPER)


@pytest.mark.parametrize(('momentum', 'nesterov'), [(0.0, False), (0.8, False), (0.8, True)])
@pytest.mark.parametrize('algo', HYPER)
def test_compiled_updates_equal_the_rule_on_numpy(algo, momentum, nesterov):
    found = compiled_run(algo, 20, momentum, nesterov, **HYPER[algo])
    right = numpy_run(algo, 20, momentum, nesterov, **HYPER[algo])
    np.testing.assert_allclose(found, right, rtol=1e-12)  # rounding over 20 updates


# --- textbooks, written down independently ---


def textbook_rmsprop(p, learning_rate, rms_halflife, rms_regularizer):
    """Graves 2013, equations 38-41, without momentum."""
    keep, m, v = 0.5 ** (1 / rms_halflife), 0.0, 0.0
    while True:
        g = gradient(p)
        v = keep * v + (1 - keep) * g**2
        m = keep * m + (1 - keep) * g
        p = p - learning_rate * g / np.sqrt(v - m**2 + rms_regularizer)
        yield p


def textbook_adam(p, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer):
    """Kingma & Ba 2015, algorithm 1."""
    b1, b2 = 0.5 ** (1 / beta1_halflife), 0.5 ** (1 / beta2_halflife)
    m = v = t = 0
    while True:
        t, g = t + 1, gradient(p)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - learning_rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + rms_regularizer)
        yield p


def textbook_sgd(p, learning_rate, momentum=0.0):
    """Polyak 1964: the step before is repeated in part."""
    before = p
    while True:
        p, before = p - learning_rate * gradient(p) + momentum * (p - before), p
        yield p


def textbook_nesterov(p, learning_rate, momentum):
    """Sutskever et al. 2013, equations 3 and 4; what is kept is the point looked ahead to."""
    v = 0.0
    while True:
        v = momentum * v - learning_rate * gradient(p + momentum * v)
        p = p + v
        yield p + momentum * v


@pytest.mark.parametrize(('algo', 'momentum', 'nesterov', 'book'), [
    ('sgd', 0.0, False, textbook_sgd(START, 0.05)),
    ('sgd', 0.9, False, textbook_sgd(START, 0.05, 0.9)),
    ('sgd', 0.9, True, textbook_nesterov(START, 0.05, 0.9)),
    ('nag', 0.9, True, textbook_nesterov(START, 0.05, 0.9)),
    ('rmsprop', 0.0, False, textbook_rmsprop(START, **HYPER['rmsprop'])),
    ('adam', 0.0, False, textbook_adam(START, **HYPER['adam'])),
])  # fmt: skip
def test_rule_equals_the_textbook(algo, momentum, nesterov, book):
    found = compiled_run(algo, 20, momentum, nesterov, **HYPER[algo])
    right = np.array([next(book) for _ in range(20)])
    # v - m² cancels where the gradient hardly changes: about four digits of float64's sixteen.
    np.testing.assert_allclose(found, right, rtol=1e-10)


def test_the_variance_of_rmsprop_is_never_negative_in_float32():
    rule, mean, variance = optimizers['rmsprop'](), np.float32(0), np.float32(0)
    g = np.float32(1e4)
    for t in range(1, 300):
        delta, (mean, variance) = rule.step(
            g, (mean, variance), t, learning_rate=np.float32(1),
            rms_halflife=np.float32(14), rms_regularizer=np.float32(1e-8),
        )  # fmt: skip
        assert variance >= 0
        assert np.isfinite(delta)


def test_default_halflives_of_adam_are_the_usual_betas():
    options = optimizers['adam'].options
    assert decay(options['beta1_halflife']) == pytest.approx(0.9, rel=1e-12)
    assert decay(options['beta2_halflife']) == pytest.approx(0.999, rel=1e-12)


def test_a_memory_has_faded_to_a_half_after_its_halflife():
    assert decay(14.0) ** 14 == pytest.approx(0.5)


@pytest.mark.parametrize(('algo', 'momentum', 'nesterov'), [
    ('adam', 0.0, False), ('sgd', 0.9, False), ('sgd', 0.9, True),
])  # fmt: skip
def test_rule_equals_pytorch(algo, momentum, nesterov):
    torch = pytest.importorskip('torch')
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = {
        'adam': lambda: torch.optim.Adam([p], lr=0.05),
        'sgd': lambda: torch.optim.SGD([p], lr=0.05, momentum=momentum, nesterov=nesterov),
    }[algo]()
    right = []
    for _ in range(50):
        p.grad = torch.tensor(gradient(p.detach().numpy()))
        optimizer.step()
        right.append(p.detach().numpy().copy())
    hyper = {**optimizers[algo].options, 'learning_rate': 0.05}
    found = compiled_run(algo, 50, momentum, nesterov, **hyper)
    np.testing.assert_allclose(found, right, rtol=1e-10)  # rounding, of beta too, over 50 updates


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


@pytest.mark.parametrize(('algo', 'options'), [
    ('sgd', {'learning_rate': 1e-3, 'momentum': 0.9}),
    ('nag', {'learning_rate': 1e-3}),
    ('adam', {'learning_rate': 0.02}),
    ('rmsprop', {'learning_rate': 1e-3, 'rms_halflife': 100.0}),
])  # fmt: skip
def test_rosenbrock_is_minimised(algo, options):
    start = np.array([-1.2, 1.0])
    p = pytensor.shared(start, name='p')
    loss = 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2  # 24.2 at the start, 0 at (1, 1)
    _, valid = rnnkit.minimize(
        loss, algo=algo, epochs=40, train_batches=150, patience=40, validate_every=1,
        max_gradient_norm=10, **options,
    )  # fmt: skip
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
