"""Equilibrated gradient descent: Hessian times vector, through time too, and its seeds."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

import rnnkit
from rnnkit.errors import ConfigError, TrainingError
from rnnkit.optimizers import step_graph

X = np.linspace(-1, 1, 12)[:, None]


def values(net):
    return np.concatenate([p.get_value().ravel() for p in net.params])


@pytest.mark.parametrize('layer', [long(('lstm', 2)), ('gru', 2)])
def test_the_curvature_of_a_recurrent_network(layer, rng):
    net = rnnkit.Regressor([1, layer, 1], seed=0, dtype='float64')
    goal = net._train_steps.plain
    probe = rng.standard_normal(net.num_params)
    gradients = pytensor.grad(goal.loss, goal.params)
    product = step_graph.curvature(gradients, goal.params, pt.constant(probe))
    f = pytensor.function(goal.inputs, [step_graph.flattened(gradients), product])
    batch = [rng.standard_normal((4, 3, 1)), rng.standard_normal((4, 3, 1))]
    start, eps, slopes = values(net), 1e-5, []
    for sign in (1, -1):
        ends = np.cumsum([p.get_value().size for p in net.params])[:-1]
        for p, part in zip(net.params, np.split(start + sign * eps * probe, ends), strict=True):
            p.set_value(part.reshape(p.get_value().shape))
        slopes.append(f(*batch)[0])
    wanted = (slopes[0] - slopes[1]) / (2 * eps)
    for p, part in zip(net.params, np.split(start, ends), strict=True):
        p.set_value(part.reshape(p.get_value().shape))
    # Errors of the differences: eps² from the formula, 1e-16 / eps from rounding.
    np.testing.assert_allclose(f(*batch)[1], wanted, rtol=1e-6, atol=1e-8)


def test_a_badly_scaled_bowl_is_no_harder_than_a_round_one():
    ends = []
    for scale in (np.ones(3), np.array([1e-3, 1.0, 1e3])):
        p = pytensor.shared(np.ones(3), name='p')
        rnnkit.minimize(
            (scale * p * p).sum() / 2,
            algo='esgd',
            learning_rate=0.1,
            epochs=3,
            train_batches=20,
            rms_regularizer=1e-9,
            seed=1,
        )
        ends.append(p.get_value())
    np.testing.assert_allclose(*ends, rtol=1e-4)  # the regularizer counts a little
    assert abs(ends[0]).max() < 0.1


def trained(seed, **options):
    net = rnnkit.Regressor([1, ('tanh', 3), 1], seed=seed)
    net.train([X, X], algo='esgd', epochs=2, batch_size=4, **options)
    return values(net)


def test_the_same_seed_draws_the_same_probes_and_another_seed_others():
    np.testing.assert_array_equal(trained(5), trained(5))
    # With all examples in a batch, nothing else of an update is random.
    net, ends = rnnkit.Regressor([1, ('tanh', 3), 1], seed=0), []
    start = [p.get_value() for p in net.params]
    for seed in (1, 1, 2):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.train([X, X], algo='esgd', epochs=2, batch_size=12, seed=seed)
        ends.append(values(net))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[1], ends[2])


@pytest.mark.filterwarnings('ignore:overflow encountered')  # by NumPy, which runs it here
def test_a_curvature_that_is_not_finite_is_an_error_and_changes_nothing():
    a = pytensor.shared(1e-200, name='a')
    loss = 1e200 * a * a  # 1e-200, with a slope of 2, and a curvature whose square is infinite
    with pytest.raises(TrainingError, match='maybe not a second derivative'):
        rnnkit.minimize(loss, algo='esgd', epochs=1, train_batches=1, valid_batches=1)
    assert a.get_value() == 1e-200


class Cube(Op):
    """x³, with a derivative that has none."""

    def __init__(self, slope=False):
        self.slope = slope

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, outputs):
        outputs[0][0] = np.asarray(3 * inputs[0] ** 2 if self.slope else inputs[0] ** 3)

    def pullback(self, inputs, outputs, gradients):
        if self.slope:
            raise NotImplementedError('Cube knows only one derivative')
        return [gradients[0] * Cube(slope=True)(inputs[0])]


def test_a_loss_without_a_second_derivative_is_refused():
    a = pytensor.shared(1.0, name='a')
    rnnkit.minimize(Cube()(a), algo='sgd', epochs=1, train_batches=1)
    with pytest.raises(ConfigError, match="algo 'esgd' needs the second derivative .* only one"):
        rnnkit.minimize(Cube()(a), algo='esgd', epochs=1)
