"""`rnnkit.minimize`: any scalar, with and without data."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError, TrainingError


@pytest.fixture
def line(rng):
    """Return a least-squares loss, its inputs, its parameter and data that fit a = 2."""
    x, y = pt.dvector('x'), pt.dvector('y')
    a = pytensor.shared(0.0, name='a')
    data = rng.standard_normal(50)
    return pt.sqr(a * x - y).mean(), [x, y], a, [data, 2 * data]


def test_a_line_is_fitted(line):
    loss, inputs, a, data = line
    train, valid = rnnkit.minimize(
        loss, data, inputs=inputs, algo='adam', learning_rate=0.1, epochs=60
    )
    assert a.get_value() == pytest.approx(2, abs=0.01)  # 120 updates: adam is near, not there
    assert valid['loss'] < 1e-4
    assert set(train) == {'loss'}


def test_a_callable_is_asked_for_batches(line):
    loss, inputs, a, data = line
    calls = []

    def batch():
        calls.append(1)
        return data

    rnnkit.minimize(
        loss,
        batch,
        inputs=inputs,
        algo='sgd',
        learning_rate=0.1,
        epochs=3,
        train_batches=7,
        valid_batches=2,
    )
    assert len(calls) == 3 * 7 + 2
    assert a.get_value() > 1


def test_monitors_are_means_over_batches_weighted_by_their_size():
    x, a = pt.dvector('x'), pytensor.shared(0.0, name='a')
    loss, monitors = (a * x).mean() * 0, {'mean_x': x.mean()}
    data = np.arange(10.0)  # batches of 4, 4 and 2
    train, valid = rnnkit.minimize(loss, data, monitors=monitors, epochs=1, batch_size=4)
    assert train['mean_x'] == pytest.approx(4.5)
    assert valid['mean_x'] == pytest.approx(4.5)


def test_only_the_named_parameters_change():
    a, b = pytensor.shared(1.0, name='a'), pytensor.shared(1.0, name='b')
    rnnkit.minimize(a**2 + b**2, params=[a], epochs=1)
    assert a.get_value() != 1
    assert b.get_value() == 1


def test_integer_shared_variables_are_not_parameters():
    n, a = pytensor.shared(np.int64(3), name='n'), pytensor.shared(1.0, name='a')
    rnnkit.minimize(a**2 + n * 0.0, epochs=1)
    assert n.get_value() == 3


def test_a_loss_that_becomes_nan_is_named():
    a = pytensor.shared(-1.0, name='a')
    with pytest.raises(
        TrainingError, match=r'loss on the training data is nan before the first epoch'
    ):
        rnnkit.minimize(pt.log(a), epochs=1)


X, Y = pt.dmatrix('x'), pt.dmatrix('y')
A = pytensor.shared(np.ones((2, 1)), name='a')
LOSS = pt.sqr(X @ A - Y).mean()
GOOD = [np.ones((4, 2)), np.ones((4, 1))]


@pytest.mark.parametrize(
    ('arguments', 'error', 'message'),
    [
        ({'loss': 3.0}, ConfigError, 'floating-point symbolic scalar; got 3.0'),
        ({'loss': X}, ConfigError, 'floating-point symbolic scalar; got x'),
        ({'loss': LOSS, 'train': GOOD}, ConfigError, 'several inputs, .*inputs='),
        ({'loss': LOSS, 'train': GOOD, 'inputs': [X]}, ConfigError, 'loss also needs y'),
        (
            {'loss': LOSS, 'train': GOOD, 'inputs': [X, Y], 'params': []},
            ConfigError,
            'no parameters',
        ),
        (
            {'loss': LOSS, 'train': GOOD, 'inputs': [X, Y], 'params': [X]},
            ConfigError,
            'shared variable; got x',
        ),
        (
            {'loss': LOSS, 'train': GOOD, 'inputs': [X, Y], 'params': [A, A]},
            ConfigError,
            'more than',
        ),
        (
            {
                'loss': LOSS,
                'train': GOOD,
                'inputs': [X, Y],
                'params': [A, pytensor.shared(1.0, 'b')],
            },
            ConfigError,
            'does not depend on the parameter b',
        ),
        ({'loss': pt.sqr(A).sum(), 'train': GOOD}, DataError, 'the loss has no inputs'),
        ({'loss': LOSS, 'train': GOOD, 'inputs': [X, Y], 'algo': 'adm'}, ConfigError, "'adam'"),
        ({'loss': LOSS, 'train': GOOD, 'inputs': [X, Y], 'rate': 1}, ConfigError, "option 'rate'"),
        ({'loss': LOSS, 'train': GOOD[:1], 'inputs': [X, Y]}, DataError, 'expects 2 arrays; got 1'),
        ({'loss': LOSS, 'inputs': [X, Y]}, DataError, 'expects 2 arrays; got NoneType'),
        (
            {'loss': LOSS, 'train': [GOOD[0][0], GOOD[1]], 'inputs': [X, Y]},
            ShapeError,
            'x has 1 axes; the input has 2',
        ),
        (
            {'loss': LOSS, 'train': [GOOD[0], GOOD[1][:3]], 'inputs': [X, Y]},
            ShapeError,
            'y has 3 examples; the first input has 4',
        ),
        (
            {'loss': LOSS, 'train': [GOOD[0] * np.nan, GOOD[1]], 'inputs': [X, Y]},
            DataError,
            'train: x contains nan',
        ),
    ],
)
def test_what_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        rnnkit.minimize(**arguments, epochs=1)
