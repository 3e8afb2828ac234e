"""L-BFGS by SciPy, an iteration at a time: the points, how it ends, and what it refuses."""

import threading

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.optimize

import rnnkit
from rnnkit.errors import ConfigError, TrainingError
from rnnkit.optimizers import Objective
from rnnkit.training.lbfgs import LBFGSStep


@pytest.fixture
def data(rng):
    x = rng.standard_normal((40, 2))
    return [x, np.sin(x[:, :1]) - x[:, 1:]]


def net(**options):
    return rnnkit.Regressor([2, ('tanh', 4), 1], seed=0, dtype='float64', **options)


def params(net):
    return np.concatenate([p.get_value().ravel() for p in net.params])


def rosenbrock():
    p = pytensor.shared(np.array([-1.2, 1.0]), name='p')
    return p, 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2


def scipys_path(memory, n):
    """Return the points after each of `n` iterations, from SciPy alone."""
    path = []
    scipy.optimize.minimize(
        scipy.optimize.rosen,
        [-1.2, 1.0],
        jac=scipy.optimize.rosen_der,
        method='L-BFGS-B',
        callback=lambda x: path.append(x.copy()),
        options={'maxiter': n, 'maxcor': memory, 'ftol': 0, 'gtol': 0},
    )
    return np.array(path)


@pytest.mark.parametrize('memory', [2, 10])
def test_the_points_are_scipys(memory):
    p, loss = rosenbrock()
    step = LBFGSStep(Objective(loss, [p], []))
    step.start(lbfgs_memory=memory)
    found = []
    for _ in range(15):
        step.update()
        found.append(p.get_value())
    step.end()
    # The functions are the same but for rounding, which the curvature of the valley enlarges.
    np.testing.assert_allclose(found, scipys_path(memory, 15), rtol=1e-8)


def test_each_report_is_of_the_point_before():
    p, loss = rosenbrock()
    step = LBFGSStep(Objective(loss, [p], [], monitors={'first': p[0]}))
    for _ in range(5):
        here = p.get_value()
        norm, found, weight, first = step.update()
        assert norm == pytest.approx(np.linalg.norm(scipy.optimize.rosen_der(here)), rel=1e-9)
        assert found == pytest.approx(scipy.optimize.rosen(here), rel=1e-9)
        assert (weight, first) == (1, here[0])
    step.end()


def test_minimize_finds_the_end_of_the_valley_and_stops_there():
    p, loss = rosenbrock()
    before = threading.active_count()
    _, valid = rnnkit.minimize(loss, algo='lbfgs')
    assert valid['loss'] < 1e-20
    np.testing.assert_allclose(p.get_value(), [1, 1], rtol=1e-9)
    assert threading.active_count() == before


def test_a_network_is_fitted_in_few_iterations(data):
    regressor = net()
    _, valid = regressor.train(data, algo='lbfgs', epochs=40, batch_size=7)
    _, adams = net().train(data, algo='adam', epochs=40, batch_size=40)
    assert valid['loss'] < adams['loss'] / 50
    assert 'learning_rate' not in regressor.history[0]
    assert regressor.history[0]['updates'] == 1  # all examples are one batch


def test_float32_and_a_recurrent_layer(rng):
    x = rng.standard_normal((6, 20, 1))
    y = np.cumsum(x, axis=0) / 3
    net = rnnkit.Regressor([1, ('rnn', 4), 1], seed=0)
    first = net.train([x, y], algo='lbfgs', epochs=1)[0]['loss']
    _, valid = net.train([x, y], algo='lbfgs', epochs=15)
    assert valid['loss'] < first / 5
    assert all(p.get_value().dtype == 'float32' for p in net.params)


def test_patience_and_the_best_parameters_work_as_for_other_rules(data, rng):
    other = [rng.standard_normal((40, 2)), rng.standard_normal((40, 1))]  # fitting makes it worse
    regressor = net()
    seen = []
    for _, valid in regressor.itertrain(data, other, algo='lbfgs', patience=3, validate_every=1):
        seen.append((valid['loss'], params(regressor)))
    losses = [loss for loss, _ in seen]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 4 or best == 0
    if best:
        np.testing.assert_array_equal(params(regressor), seen[best][1])


def test_the_same_bits_every_time(data):
    ends = []
    for _ in range(2):
        regressor = net()
        regressor.train(data, algo='lbfgs', epochs=6)
        ends.append(params(regressor))
    np.testing.assert_array_equal(*ends)


def test_a_second_training_starts_afresh_and_compiles_nothing(data, monkeypatch):
    regressor = net()
    start = [p.get_value() for p in regressor.params]
    regressor.train(data, algo='lbfgs', epochs=5)
    end = params(regressor)
    monkeypatch.setattr('rnnkit.common.compiled.pytensor.function', None)
    for p, value in zip(regressor.params, start, strict=True):
        p.set_value(value)
    regressor.train(data, algo='lbfgs', epochs=5)
    np.testing.assert_array_equal(params(regressor), end)


def test_it_goes_on_from_its_slots():
    path = scipys_path(10, 12)
    p, loss = rosenbrock()
    step = LBFGSStep(Objective(loss, [p], []))
    for _ in range(6):
        step.update()
    kept = {name: slot.get_value() for name, slot in step.slots.items()}
    step.end()
    q, loss = rosenbrock()
    q.set_value(p.get_value())
    step = LBFGSStep(Objective(loss, [q], []))
    for name, value in kept.items():
        step.slots[name].set_value(value)
    for _ in range(6):
        step.update()
    step.end()
    np.testing.assert_allclose(q.get_value(), path[11], rtol=1e-8)  # as above


def test_a_step_into_infinity_is_shortened():
    # The first step has length 1, and leads to where the loss is infinite.
    a = pytensor.shared(0.5, name='a')
    loss = pt.switch(a > 0.9, np.inf, (a - 0.8) ** 2 - 10 * a)
    rnnkit.minimize(loss, algo='lbfgs', epochs=8)
    assert 0.8 < float(a.get_value()) <= 0.9


def test_a_loss_that_is_not_finite_at_the_start():
    a = pytensor.shared(np.array([1.0, -1.0]), name='a')
    step = LBFGSStep(Objective(pt.log(a).sum(), [a], []))
    with np.errstate(invalid='ignore'):
        loss = step.update()[1]
    step.end()
    assert np.isnan(loss)
    np.testing.assert_array_equal(a.get_value(), [1, -1])
    with pytest.raises(TrainingError):
        rnnkit.minimize(a.sum() * np.inf, algo='lbfgs', epochs=1)


def test_an_exception_during_an_evaluation_comes_out_and_the_thread_ends(data, monkeypatch):
    regressor = net()
    start = params(regressor)
    before = threading.active_count()
    steps = regressor.itertrain(data, algo='lbfgs', validate_every=1)
    next(steps)
    step = next(iter(regressor._train_steps._steps.values()))
    reached = params(regressor)

    def broken(*batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(step, '_function', broken)
    assert list(steps) == []  # Ctrl-C ends a training
    assert threading.active_count() == before
    np.testing.assert_array_equal(params(regressor), reached)
    assert not np.array_equal(reached, start)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'train_batches': 3},
            r"train\(\): algo 'lbfgs' needs all training data in one batch; got train_batch",
        ),
        ({'momentum': 0.5}, r"train\(\): momentum cannot be used with algo 'lbfgs'"),
        ({'max_gradient_norm': 1}, "max_gradient_norm cannot be used with algo 'lbfgs'"),
        ({'learning_rate': 0.1}, "learning_rate belongs to algo .*'adam'.*, not 'lbfgs'"),
        ({'lbfgs_memory': 0}, r'train\(\): lbfgs_memory must be a number above 0; got 0'),
        ({'lbfgs_memory': 2.5}, 'lbfgs_memory must be a whole number of at least 1; got 2.5'),
    ],
)
def test_options_that_are_refused(data, options, message):
    with pytest.raises(ConfigError, match=message):
        net().train(data, algo='lbfgs', epochs=1, **options)


def test_a_callable_is_refused(data):
    with pytest.raises(ConfigError, match=r"train\(\): algo 'lbfgs' needs all .* callable"):
        net().train(lambda: data, algo='lbfgs')
    x = pt.dmatrix('x')
    w = pytensor.shared(np.ones(2), name='w')
    with pytest.raises(ConfigError, match=r"minimize\(\): algo 'lbfgs' needs all training data"):
        rnnkit.minimize((x @ w).mean(), lambda: [np.ones((3, 2))], algo='lbfgs')


def test_several_batches_are_refused():
    x, w = pt.dvector('x'), pytensor.shared(1.0, name='w')
    step = LBFGSStep(Objective(((x * w - 1) ** 2).mean(), [w], [x]))
    step.update(np.ones(3))
    with pytest.raises(ConfigError, match='needs all training data in one batch; got several'):
        step.update(np.ones(3))
    step.end()


def test_noise_is_refused(data):
    noisy = rnnkit.Regressor([2, ('tanh', 4), ('dropout', 0.5), 1], seed=0)
    with pytest.raises(ConfigError, match="algo 'lbfgs' compares losses, which noise and dropout"):
        noisy.train(data, algo='lbfgs', epochs=1)


def test_sequences_of_different_lengths_are_one_batch(rng):
    net = rnnkit.Regressor([1, ('rnn', 3), 1], masked=True, seed=0)
    x = [rng.standard_normal((n, 1)) for n in (3, 5, 4, 3)]
    net.train([x, [a.cumsum(axis=0) for a in x]], algo='lbfgs', epochs=3, batch_size=1)
    assert net.history['updates'] == [1, 2, 3]
    assert net.history[2]['loss'] < net.history[0]['loss']
