"""Update rules in use: the compiled step, clipping, what is not finite, and a valley."""

import numpy as np
import pytensor
import pytest
from bowl import HYPER, START, compiled_run, curvature, gradient, objective, values

import rnnkit
from rnnkit.optimizers import StepGraph, optimizers


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
