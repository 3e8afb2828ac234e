"""A loss that is not finite: the message names what explains it."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import TrainingError

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((2, 12, 1)).astype('float32')
BAD = pytest.mark.filterwarnings('ignore:overflow:RuntimeWarning')
NAN = pytest.mark.filterwarnings('ignore:invalid:RuntimeWarning')


def net_with_b(value=0.0, **options):
    net = rnnkit.Regressor([1, 1], seed=0, **options)
    net.find('out', 'b').set_value(np.array([value], 'float32'))
    return net


@BAD
@NAN
@pytest.mark.parametrize('name', ['target', 'in', 'weights'])
def test_huge_numbers_are_named_before_any_update(name):
    arrays = {'in': X, 'target': Y, 'weights': np.ones_like(Y)}
    arrays[name] = arrays[name] * np.float32(3e37 if name == 'weights' else 1e30)
    largest, loss = abs(arrays[name]).max(), 'nan' if name == 'weights' else 'inf'
    with pytest.raises(TrainingError) as caught:
        net_with_b(weighted=True).train(list(arrays.values()), epochs=1)
    assert str(caught.value) == (
        f'the loss on the training data is {loss} before the first epoch; array {name!r} of the '
        f'batch has values up to {largest:.3g}, too large for sums and squares in float32; '
        f'the best parameters are kept. Scale the data'
    )


@NAN
@pytest.mark.parametrize('frozen', [False, True])
def test_a_parameter_that_was_never_finite(frozen):
    net = net_with_b(np.nan)
    if frozen:
        net.freeze('out.b')
    with pytest.raises(TrainingError) as caught:
        net.train([X, Y], [X, Y], epochs=1)
    assert str(caught.value) == (
        "the validation loss is nan before the first epoch; parameter 'out.b' is not finite, and "
        'was so before the first update; the best parameters are kept. Set finite values'
    )


@BAD
@NAN
def test_a_huge_batch_of_a_callable():
    batches = iter([[X, Y], [X, Y], [X, Y * np.float32(1e30)]])
    with pytest.raises(TrainingError) as caught:
        net_with_b().train(batches.__next__, [X, Y], epochs=1, train_batches=3)
    largest = abs(Y * np.float32(1e30)).max()
    assert str(caught.value) == (
        f"the loss is inf in epoch 1, batch 3; array 'target' of the batch has values up to "
        f'{largest:.3g}, too large for sums and squares in float32. The parameters were not '
        f'updated. Scale the data'
    )


@BAD
@NAN
def test_too_large_a_learning_rate_is_still_the_advice():
    with pytest.raises(TrainingError, match=r'Try a smaller learning_rate or max_gradient_norm$'):
        net_with_b().train(
            [X, Y], algo='sgd', learning_rate=1e6, epochs=30, validate_every=1, max_gradient_norm=0
        )


class Root(rnnkit.losses.Loss):
    """The square root of an absolute error, whose gradient at 0 is infinite."""

    def errors(self, output, target):
        return abs(output - target) ** 0.5


@pytest.mark.filterwarnings('ignore:divide by zero:RuntimeWarning')
@NAN
def test_a_gradient_that_is_not_finite_where_all_numbers_are():
    net = rnnkit.Regressor([1, 1], Root(), seed=0)
    net.find('out', 'w').set_value(np.zeros((1, 1), 'float32'))
    with pytest.raises(TrainingError) as caught:
        net.train([X, np.zeros_like(Y)], epochs=1)
    assert str(caught.value) == (
        "the loss is 0.0 in epoch 1, batch 1; the gradient of 'out.w' is not finite. The "
        'parameters were not updated. Try a smaller learning_rate or max_gradient_norm'
    )
