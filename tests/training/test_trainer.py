"""Training: epochs, patience, best parameters, and every way in which it can end."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import DataError, TrainingError


def linear_net(**options):
    """Return the quickest network to compile: one weight and one bias."""
    return rnnkit.Regressor([1, 1], dtype='float64', seed=0, **options)


def params(net):
    return [p.get_value() for p in net.params]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def data(rng):
    x = rng.standard_normal((40, 1))
    return [x, 3 * x + 1]


@pytest.fixture
def overshoot():
    """Return options with which plain gradient descent makes the loss larger every time."""
    return {'algo': 'sgd', 'learning_rate': 3.0, 'batch_size': 40, 'validate_every': 1}


def test_the_defaults_learn(data):
    net = linear_net()
    train, valid = net.train(data, learning_rate=0.01)
    # y has a variance of 9; patience ends the training where the noise of the steps is left.
    assert valid['loss'] < 0.01
    assert net.score(*data) > 0.999
    assert set(train) == set(valid) == {'loss', 'err'}


def test_epochs_and_updates_are_counted(data):
    net = linear_net()
    net.train(data, epochs=3, batch_size=16)  # batches of 16, 16 and 8
    assert net.history['epoch'] == [1, 2, 3]
    assert net.history['updates'] == [3, 6, 9]


def test_train_batches_limits_an_epoch(data):
    net = linear_net()
    net.train(data, epochs=2, batch_size=4, train_batches=7)
    assert net.history['updates'] == [7, 14]


def test_validation_is_made_first_at_intervals_and_last(data):
    calls = []

    def valid():
        calls.append(1)
        return data

    net = linear_net()
    net.train(data, valid, epochs=7, validate_every=3, valid_batches=1)
    assert [loss is not None for loss in net.history['valid_loss']] == [
        False,
        False,
        True,
        False,
        False,
        True,
        True,
    ]
    assert len(calls) == 1  # drawn once and kept


def test_a_training_callable_that_also_validates_is_drawn_once_for_it(data):
    calls = []

    def batch():
        calls.append(1)
        return data

    linear_net().train(batch, epochs=4, train_batches=5, valid_batches=3, validate_every=1)
    assert len(calls) == 3 + 4 * 5


def test_patience_ends_the_training(data, overshoot):
    net = linear_net()
    net.train(data, patience=2, **overshoot)
    # The first validation, before any update, is the best; three more than patience allows.
    assert len(net.history) == 3


def test_patience_counts_only_failures_in_a_row(data):
    # A validation loss that goes up and down, and improves on the best every other time.
    net, steps = linear_net(), 0
    for _ in net.itertrain(data, algo='sgd', learning_rate=1e-3, patience=0, validate_every=1):
        steps += 1
        if steps == 12:
            break
    assert steps == 12


def test_min_improvement_is_a_fraction_of_the_loss(data):
    slow = {'algo': 'sgd', 'learning_rate': 1e-4, 'validate_every': 1, 'patience': 3}
    net = linear_net()
    net.train(data, min_improvement=0.5, epochs=50, **slow)
    assert len(net.history) == 4  # every epoch improves, but by far less than a half
    net = linear_net()
    net.train(data, epochs=50, **slow)
    assert len(net.history) == 50


def test_one_epoch_that_improves_keeps_its_update(data):
    net = linear_net()
    before = params(net)
    train, valid = net.train(data, epochs=1)
    assert not same(params(net), before)
    assert valid['loss'] < train['loss']


def test_one_epoch_that_does_not_improve_is_undone(data, overshoot):
    net = linear_net()
    before = params(net)
    _, valid = net.train(data, epochs=1, **overshoot)
    assert same(params(net), before)
    assert valid['loss'] == pytest.approx(((net.predict(data[0]) - data[1]) ** 2).mean())


def test_restore_best_can_be_turned_off(data, overshoot):
    net = linear_net()
    before = params(net)
    _, valid = net.train(data, epochs=1, restore_best=False, **overshoot)
    assert not same(params(net), before)
    assert valid['loss'] == pytest.approx(((net.predict(data[0]) - data[1]) ** 2).mean())


def test_the_best_of_all_validations_is_restored(data, rng):
    net = linear_net()
    data[1] = data[1] + rng.standard_normal(data[1].shape)  # so that single examples mislead
    seen = []
    options = {'algo': 'sgd', 'learning_rate': 0.1, 'batch_size': 1, 'patience': 12, 'seed': 1}
    for _, valid in net.itertrain(data, validate_every=1, epochs=12, **options):
        seen.append((valid['loss'], params(net)))
    best = min(seen, key=lambda pair: pair[0])
    assert best[0] != seen[-1][0]  # else the test shows nothing
    assert same(params(net), best[1])


def test_negative_losses_are_compared_rightly():
    a = __import__('pytensor').shared(1.0, name='a')
    # -a² falls without end; "better" is a difference, not a ratio.
    rnnkit.minimize(
        -(a**2),
        algo='sgd',
        learning_rate=0.1,
        epochs=3,
        train_batches=2,
        validate_every=1,
        patience=0,
    )
    assert a.get_value() > 2


# --- how it can end ---


def interrupting(data, after, error):
    """Return a callable that gives batches `after` times, and then raises."""
    calls = []

    def batch():
        calls.append(1)
        if len(calls) > after:
            raise error
        return data

    return batch


def test_ctrl_c_ends_the_training_and_keeps_the_best(data, caplog):
    net = linear_net()
    batch = interrupting(data, 25, KeyboardInterrupt)
    _, valid = net.train(batch, data, train_batches=10, validate_every=1, learning_rate=0.01)
    assert len(net.history) == 2  # it came in the third epoch
    assert 'training interrupted in epoch 3' in caplog.text
    found = ((net.predict(data[0]) - data[1]) ** 2).mean()
    assert valid['loss'] == pytest.approx(found)
    assert valid['loss'] <= min(v for v in net.history['valid_loss'])


def test_ctrl_c_restores_better_parameters_than_the_last(data, overshoot):
    net = linear_net()
    before = params(net)
    net.train(interrupting(data, 2, KeyboardInterrupt), data, train_batches=9, **overshoot)
    assert same(params(net), before)


def test_updates_before_ctrl_c_in_the_first_epoch_are_kept_if_they_help(data):
    net = linear_net()
    before = params(net)
    net.train(interrupting(data, 5, KeyboardInterrupt), data, algo='sgd')
    assert not same(params(net), before)


def test_leaving_itertrain_restores_the_best(data, overshoot):
    net = linear_net()
    before = params(net)
    for _ in net.itertrain(data, **overshoot):
        assert not same(params(net), before)
        break
    assert same(params(net), before)


def test_leaving_itertrain_between_validations_keeps_what_has_been_learned(data):
    net = linear_net()
    before = params(net)
    steps = net.itertrain(data, validate_every=100)
    next(steps)
    steps.close()
    assert not same(params(net), before)


def test_an_exception_of_the_caller_inside_itertrain_restores_the_best(data, overshoot):
    net = linear_net()
    before = params(net)
    steps = net.itertrain(data, **overshoot)
    next(steps)
    with pytest.raises(ZeroDivisionError):
        steps.throw(ZeroDivisionError())
    assert same(params(net), before)


@pytest.mark.parametrize('error', [OSError('disk'), StopIteration(), SystemExit(3)])
def test_an_exception_in_a_callable_comes_out_and_the_best_is_restored(data, overshoot, error):
    net = linear_net()
    before = params(net)
    wanted = DataError if isinstance(error, StopIteration) else type(error)
    with pytest.raises(wanted):
        net.train(interrupting(data, 2, error), data, train_batches=5, **overshoot)
    assert same(params(net), before)


def test_junk_from_a_callable_is_named_and_the_best_is_restored(data, overshoot):
    net, calls = linear_net(), []
    before = params(net)

    def batch():
        calls.append(1)
        return data if len(calls) < 3 else [data[0]]

    with pytest.raises(
        DataError, match='the batch returned by the train callable: expects 2 arrays'
    ):
        net.train(batch, data, train_batches=5, **overshoot)
    assert same(params(net), before)


def test_a_network_can_be_trained_again_after_an_error(data):
    net = linear_net()
    with pytest.raises(OSError, match='disk'):
        net.train(interrupting(data, 2, OSError('disk')), data)
    _, valid = net.train(data, learning_rate=0.01)
    assert valid['loss'] < 0.01


# --- losses that are not finite ---

# NumPy, which runs the graphs here, warns where compiled code does not.
OVERFLOWS = pytest.mark.filterwarnings('ignore:overflow encountered', 'ignore:invalid value')


def test_a_training_that_explodes_names_epoch_and_batch(data):
    net = linear_net()
    with pytest.raises(TrainingError) as caught:
        net.train(data, algo='sgd', learning_rate=1e300, epochs=9, batch_size=20)
    message = str(caught.value)
    assert message.startswith('the loss is inf in epoch 1, batch 2; all parameters and their')
    assert 'Try a smaller learning_rate' in message
    assert all(np.isfinite(p).all() for p in params(net))
    assert np.isfinite(net.predict(data[0])).all()


@OVERFLOWS
def test_after_an_explosion_the_best_parameters_are_there(data):
    net = linear_net()
    batches = iter([data] * 3 + [[data[0] * 1e200, data[1]]] * 9)
    seen = []

    def run(steps):
        for _ in steps:
            seen.append(params(net))

    with pytest.raises(
        TrainingError, match=r"epoch 2, batch 1; array 'in' of the batch has values up to"
    ):
        run(net.itertrain(batches.__next__, data, train_batches=3, validate_every=1))
    assert same(params(net), seen[-1])


def test_a_parameter_that_is_not_finite_is_named(data):
    net = linear_net()
    steps = net.itertrain(data, epochs=5)
    next(steps)
    net.find('out', 'b').set_value(np.array([np.nan]))
    with pytest.raises(TrainingError, match=r"epoch 2, batch 1; parameter 'out.b' is not finite"):
        next(steps)
    assert all(np.isfinite(p).all() for p in params(net))


def test_a_validation_loss_that_is_not_finite_is_an_error(data):
    net = linear_net()
    bad = [data[0] * 1e200, data[1]]
    with pytest.raises(TrainingError, match='the validation loss is inf before the first epoch'):
        net.train(data, bad, epochs=1)
    assert all(np.isfinite(p).all() for p in params(net))
