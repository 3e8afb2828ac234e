"""By which result of a validation it is the best: for patience and for the parameters that stay."""

import numpy as np
import pytest

import rnnkit
from rnnkit.callbacks import Checkpoint, EarlyStop
from rnnkit.common import file_format
from rnnkit.errors import ConfigError, NotFoundError

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 1))
Y = np.sin(3 * X)
X2 = np.concatenate([X, [[4.0]]])
Y2 = np.concatenate([np.sin(3 * X), [[-9.0]]])
QUICK = {
    'algo': 'sgd',
    'learning_rate': 0.05,
    'batch_size': 4,
    'validate_every': 1,
    'patience': 99,
    'epochs': 8,
}


def net():
    return rnnkit.Regressor([1, 1], seed=0, dtype='float64')


def params_of(network):
    return np.concatenate([p.get_value().ravel() for p in network.params])


class Snapshots:
    """A callback that remembers the parameters after each epoch."""

    def __init__(self):
        self.params = []

    def __call__(self, training):
        self.params.append(np.concatenate([p.get_value().ravel() for p in training.params]))


def median(target, output):
    """A metric whose best epoch is another one than that of the loss."""
    return np.median(abs(target - output))


@pytest.mark.parametrize(
    ('restore_best', 'column', 'best'),
    [
        (True, 'valid_loss', min),
        ('valid_loss', 'valid_loss', min),
        ('valid_mae', 'valid_mae', min),
        ('valid_r2', 'valid_r2', max),
        (('valid_mae', 'max'), 'valid_mae', max),
        (('valid_median', 'max'), 'valid_median', max),
        (['valid_median', 'min'], 'valid_median', min),
    ],
)
def test_the_parameters_of_the_best_validation_stay(restore_best, column, best):
    network, seen = net(), Snapshots()
    monitors = ['mae', 'r2', median]
    options = {'restore_best': restore_best, 'monitors': monitors, 'callbacks': seen}
    network.train([X, Y], [X2, Y2], **options, **QUICK)
    values = network.history[column]
    before = net().evaluate(X2, Y2, monitors=monitors)[column[6:]]
    if best([before, *values]) == before:
        np.testing.assert_array_equal(params_of(network), params_of(net()))
    else:
        wanted = seen.params[values.index(best(values))]
        np.testing.assert_array_equal(params_of(network), wanted)


def test_the_second_dict_is_that_of_the_best_by_this_result():
    network = net()
    _, valid = network.train(
        [X, Y], [X2, Y2], restore_best=('valid_mae', 'max'), monitors='mae', **QUICK
    )
    wanted = network.evaluate(X2, Y2, monitors='mae')
    assert valid == pytest.approx(wanted, rel=1e-12)
    assert valid['mae'] >= max(network.history['valid_mae'])


def test_patience_counts_by_it():
    """The loss falls in every epoch, and its opposite never gets better."""
    options = {**QUICK, 'patience': 2, 'epochs': 20}
    by_loss, other = net(), net()
    by_loss.train([X, Y], [X, Y], **options)
    assert len(by_loss.history) == 20
    other.train([X, Y], [X, Y], restore_best=('valid_loss', 'max'), **options)
    assert len(other.history) == 3
    np.testing.assert_array_equal(params_of(other), params_of(net()))


def test_an_improvement_is_a_fraction_of_the_best():
    options = {**QUICK, 'patience': 0, 'min_improvement': 0.5, 'monitors': 'mae'}
    network = net()
    network.train([X, Y], [X, Y], restore_best='valid_mae', **options)
    assert len(network.history) == 1
    first = net().evaluate(X, Y, monitors='mae')['mae']
    assert first > network.history[0]['valid_mae'] > first / 2


@pytest.mark.parametrize('column', ['valid_loss', 'valid_mae', 'valid_r2', ('valid_median', 'max')])
def test_early_stop_agrees(column):
    """With the same column it stops after the same epoch, and restores the same parameters."""
    monitors = ['mae', 'r2', median]
    options = {**QUICK, 'epochs': 30, 'learning_rate': 0.3, 'monitors': monitors}
    name, mode = (column, None) if isinstance(column, str) else column
    by_option, by_callback, by_default = net(), net(), net()
    by_option.train([X, Y], [X2, Y2], restore_best=column, **options | {'patience': 2})
    stop = EarlyStop(name, patience=2, mode=mode, restore_best=True)
    by_callback.train([X, Y], [X2, Y2], callbacks=stop, **options)
    # The option also counts the validation before the first epoch.
    first = net().evaluate(X2, Y2, monitors=monitors)[name[6:]]
    if stop._best.improves(stop.best, first):
        np.testing.assert_array_equal(params_of(by_option), params_of(by_callback))
        assert len(by_option.history) == len(by_callback.history)
    stop = EarlyStop(patience=2)
    by_default.train([X, Y], [X2, Y2], restore_best=column, callbacks=stop, **options)
    assert stop._best.monitor == name
    assert len(by_default.history) == len(by_callback.history)
    np.testing.assert_array_equal(params_of(by_default), params_of(by_option))


def test_a_checkpoint_that_keeps_the_best_agrees(tmp_path):
    network = net()
    keep = Checkpoint(tmp_path / 'best.rnn', best_only=True)
    network.train([X, Y], [X2, Y2], restore_best='valid_r2', monitors='r2', callbacks=keep, **QUICK)
    assert keep.best == max(network.history['valid_r2'])
    r2 = rnnkit.load(tmp_path / 'best.rnn').evaluate(X2, Y2, monitors='r2')['r2']
    assert r2 == pytest.approx(keep.best, rel=1e-12)


def test_a_value_that_is_not_a_number_is_never_better():
    values = iter([np.nan, 3.0, np.nan, 2.0, 1.0])

    def odd(target, output):
        return next(values)

    network, seen = net(), Snapshots()
    network.train(
        [X, Y],
        [X, Y],
        restore_best=('valid_odd', 'max'),
        monitors=odd,
        callbacks=seen,
        **QUICK | {'epochs': 4},
    )
    np.testing.assert_array_equal(params_of(network), seen.params[0])


def test_without_validation_data():
    network = net()
    _, after = network.train([X, Y], restore_best='training_mae', monitors='mae', **QUICK)
    assert after['mae'] == min(network.history['training_mae'])
    assert set(network.history.columns) == {
        *('training', 'epoch', 'updates', 'loss', 'err', 'mae', 'gradient_norm', 'learning_rate'),
        *('training_loss', 'training_err', 'training_mae', 'seconds'),
    }


def test_it_is_a_setting_of_a_checkpoint(tmp_path):
    path = tmp_path / 'training.rnn'
    options = {**QUICK, 'monitors': 'r2', 'restore_best': 'valid_r2'}
    whole = net()
    right = whole.train([X, Y], [X2, Y2], **options)
    net().train([X, Y], [X2, Y2], checkpoint=path, **options | {'epochs': 3})
    later = net()
    assert later.train([X, Y], [X2, Y2], resume=path, **options) == right
    np.testing.assert_array_equal(params_of(later), params_of(whole))
    with pytest.raises(ConfigError, match='restore_best was valid_r2, and is now True'):
        later.train([X, Y], [X2, Y2], resume=path, **options | {'restore_best': True})


@pytest.mark.parametrize(
    ('restore_best', 'message'),
    [
        ('val_r2', "must be a result of the validations; got 'val_r2', did you mean 'valid_r2'?"),
        ('r2', "must be a result of the validations; got 'r2', did you mean 'valid_r2'?"),
        ('loss', "must be a result of the validations; got 'loss', did you mean 'valid_loss'?"),
        (1, "must be True, False, or a column such as 'valid_f1'; got 1"),
        (None, "must be True, False, or a column such as 'valid_f1'; got None"),
        (
            ('valid_r2', 'maxi'),
            ": the mode must be 'min' or 'max'; got 'maxi'; did you mean 'max'?",
        ),
        ('valid_los', ": no monitor 'valid_los'; did you mean 'valid_loss'?"),
        ('valid_f1', ": no monitor 'valid_f1'; add monitors='f1' to the training; there are: "),
        (
            'valid_median',
            ": are small or large values of 'valid_median' better? Add mode='min' or 'max': "
            "restore_best=('valid_median', 'max')",
        ),
        (
            'training_loss',
            "='training_loss': there are validation data; write 'valid_loss'",
        ),
    ],
)
def test_what_is_no_result(restore_best, message):
    with pytest.raises(ConfigError) as caught:
        net().train([X, Y], [X, Y], restore_best=restore_best, monitors=median, **QUICK)
    assert str(caught.value).startswith('train(): restore_best')
    assert message in str(caught.value)


def test_there_are_no_validation_data():
    with pytest.raises(ConfigError) as caught:
        net().train([X, Y], restore_best='valid_loss', **QUICK)
    assert str(caught.value) == (
        "train(): restore_best='valid_loss': there are no validation data; write 'training_loss', "
        'or hold out a share of the data, valid=0.2'
    )
    with pytest.raises(ConfigError) as caught:
        net().train([X, Y], callbacks=EarlyStop('valid_loss'), **QUICK)
    assert str(caught.value) == (
        "EarlyStop: no monitor 'valid_loss'; there are no validation data; write 'training_loss', "
        'or hold out a share of the data, valid=0.2'
    )
    network = net()
    network.train([X, Y], **QUICK | {'epochs': 1})
    with pytest.raises(NotFoundError) as caught:
        network.history['valid_loss']
    assert str(caught.value) == (
        "history: no column 'valid_loss': there were no validation data; 'training_loss' is of the "
        'training data after each epoch, or hold out a share of them: train(data, valid=0.2)'
    )
    network.train([X, Y], valid=0.2, **QUICK | {'epochs': 1})
    assert network.history['valid_loss'][0] is None
    assert network.history['training_loss'][1] is None


def test_early_stop_says_what_is_meant():
    for monitor, message in (
        ('median', "EarlyStop: no monitor 'median'; did you mean 'valid_median'?"),
        ('training_loss', "EarlyStop: no monitor 'training_loss'; did you mean 'valid_loss'?"),
        (
            'valid_median',
            "EarlyStop: are small or large values of 'valid_median' better? Add mode='min' or "
            "'max': EarlyStop('valid_median', mode='max')",
        ),
    ):
        stop = EarlyStop(monitor)
        with pytest.raises(ConfigError) as caught:
            net().train([X, Y], [X, Y], monitors=median, callbacks=stop, **QUICK)
        assert str(caught.value) == message


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path):
    """Its records call results on the training data 'valid_...', and so does its EarlyStop."""
    path = tmp_path / 'training.rnn'

    def stop():
        return EarlyStop('training_loss', patience=50)

    whole = net()
    right = whole.train([X, Y], callbacks=stop(), **QUICK)
    net().train([X, Y], callbacks=stop(), checkpoint=path, **QUICK | {'epochs': 3})
    file = file_format.read(path)
    state = file.training['state']
    state['history'] = [
        {name.replace('training_', 'valid_'): value for name, value in record.items()}
        for record in state['history']
    ]
    state['callbacks'][0]['state']['monitor'] = 'valid_loss'
    file_format.write(path, file_format.File(file.spec, file.arrays, file.training))
    later = net()
    assert later.train([X, Y], callbacks=stop(), resume=path, **QUICK) == right
    assert later.history['training_loss'] == whole.history['training_loss']
    assert 'valid_loss' not in later.history.columns
