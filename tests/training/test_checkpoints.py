"""A training that is stopped and resumed is, bit for bit, one that never stopped."""

import os
import shutil

import numpy as np
import pytest

import rnnkit
from rnnkit import schedules
from rnnkit.errors import ConfigError, DataError, FormatError
from rnnkit.optimizers import optimizers

RNG = np.random.default_rng(8)
X = RNG.standard_normal((40, 1))
FLAT = [X, 3 * X + RNG.standard_normal((40, 1))]
T, B = 6, 18
LENGTHS = RNG.integers(1, T + 1, B)
MASK = (np.arange(T)[:, None] < LENGTHS).astype(float)
SEQUENCES = [RNG.standard_normal((T, B, 1)), RNG.standard_normal((T, B, 1)), MASK]
QUICK = {'batch_size': 16, 'seed': 3, 'validate_every': 2, 'patience': 50}


def dense(**options):
    return rnnkit.Regressor([1, 1], dtype='float64', seed=0, **options)


def params(net):
    return [p.get_value() for p in net.params]


def history(net):
    return [{k: v for k, v in record.items() if k != 'seconds'} for record in net.history]


def assert_same(found, right):
    """Compare two networks, and what their trainings returned, bit for bit."""
    for a, b in zip(params(found[0]), params(right[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history(found[0]) == history(right[0])
    assert found[1] == right[1]


def whole_and_in_parts(make, data, path, stops, epochs, **options):
    """Return a training in one go, and one that stops after some epochs; each network is new."""
    whole = make()
    right = whole, whole.train(data, epochs=epochs, **options)
    for k, stop in enumerate([*stops, epochs]):
        net = make()
        resume = {'resume': path} if k else {}
        result = net.train(data, epochs=stop, checkpoint=path, **resume, **options)
    return (net, result), right


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'training.rnn'


# --- the same bits ---


@pytest.mark.parametrize('algo', list(optimizers))
def test_every_rule(algo, path):
    net = dense()
    start, rate = params(net), {} if algo == 'lbfgs' else {'learning_rate': 0.05}
    options = {'algo': algo, **rate, **QUICK}
    right = net.train(FLAT, epochs=7, **options)
    whole = [dict(record) for record in net.history]
    reached = params(net)

    def again(**more):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.history.clear()
        return net.train(FLAT, **options, **more)

    again(epochs=3, checkpoint=path)  # not a multiple of validate_every
    found = again(epochs=7, resume=path)
    assert found == right
    for a, b in zip(params(net), reached, strict=True):
        np.testing.assert_array_equal(a, b)
    for record in whole:
        del record['seconds']
    assert history(net) == whole


def draw(rng):
    x = rng.standard_normal((16, 1))
    return [x, 2 * x]


def decaying(update):
    return 0.1 / (1 + update)


@pytest.mark.parametrize(
    ('data', 'options'),
    [
        (FLAT, {}),
        (FLAT, {'train_batches': 2}),  # an epoch ends in the middle of a pass
        (FLAT, {'momentum': 0.9, 'nesterov': True, 'algo': 'sgd'}),
        (FLAT, {'learning_rate': schedules.Plateau(0.5, patience=0), 'algo': 'sgd'}),
        (FLAT, {'learning_rate': schedules.WarmUp(5, schedules.Step(0.1, 3)), 'algo': 'adam'}),
        (FLAT, {'learning_rate': decaying, 'algo': 'adam', 'weight_l2': 0.1}),
        (FLAT, {'learning_rate': 3.0, 'algo': 'sgd', 'patience': 3, 'validate_every': 1}),
        (FLAT, {'restore_best': False, 'validate_every': 4}),
        (draw, {'train_batches': 3, 'valid_batches': 2}),
    ],
)
def test_every_kind_of_data_and_option(data, options, path):
    found, right = whole_and_in_parts(dense, data, path, [3, 4], 9, **{**QUICK, **options})
    assert_same(found, right)


def recurrent(*hidden):
    return rnnkit.Regressor([1, ('rnn', 2), *hidden, 1], masked=True, seed=4)


def test_a_recurrent_network_with_masks(path):
    found, right = whole_and_in_parts(recurrent, SEQUENCES, path, [2], 4, **QUICK)
    assert_same(found, right)


@pytest.mark.parametrize(
    'options',
    [
        {'bucket': True, 'batch_size': 4, 'hidden_dropout': 0.3, 'input_noise': 0.1},
        {
            'carry_state': True,
            'bptt_steps': 2,
            'batch_size': 9,
            'train_batches': 2,
        },  # of 3 in a series
    ],
)
def test_buckets_noise_and_a_state_that_is_carried(options, path):
    found, right = whole_and_in_parts(recurrent, SEQUENCES, path, [2], 4, **{**QUICK, **options})
    assert_same(found, right)


def test_dropout_goes_on(path):
    def make():
        return rnnkit.Regressor([1, ('relu', 4), ('dropout', 0.5), 1], seed=0)

    found, right = whole_and_in_parts(make, FLAT, path, [3], 6, **QUICK)
    assert_same(found, right)


def test_a_second_training_is_resumed_by_a_new_network(path):
    first = dense()
    first.train(FLAT, epochs=2)
    before = first.train(FLAT, epochs=4)
    second = dense()
    second.train(FLAT, epochs=2)
    second.train(FLAT, epochs=2, checkpoint=path)
    new = rnnkit.Regressor([1, 1], dtype='float64', seed=99)
    found = new.train(FLAT, epochs=4, resume=path)
    assert_same((new, found), (first, before))
    assert new.history['training'] == [1, 1, 2, 2, 2, 2]
    assert_same((new, new.train(FLAT, epochs=1)), (first, first.train(FLAT, epochs=1)))


def test_a_training_that_is_over_returns_what_it_returned(path):
    net = dense()
    right = net.train(FLAT, epochs=3, checkpoint=path, **QUICK)
    other = dense()
    assert other.train(FLAT, epochs=3, resume=path, **QUICK) == right
    for a, b in zip(params(net), params(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(other.history) == 3


def test_a_callable_without_a_parameter_is_called_as_before(path):
    calls = []

    def batch():
        calls.append(1)
        return FLAT

    net = dense()
    net.train(batch, FLAT, epochs=2, train_batches=3, checkpoint=path)
    net.train(batch, FLAT, epochs=3, train_batches=3, resume=path)
    assert len(calls) == 9


def test_a_callable_with_a_parameter_gets_other_numbers_each_epoch_and_each_seed():
    def seen(seed):
        numbers = []

        def batch(rng):
            numbers.append(rng.random())
            return FLAT

        dense().train(batch, FLAT, epochs=2, train_batches=2, seed=seed)
        return numbers

    assert seen(1) == seen(1)
    assert len({*seen(1), *seen(2)}) == 8


def test_a_callable_with_two_parameters_is_refused():
    with pytest.raises(ConfigError, match=r'train: a callable .* this one has a, b'):
        dense().train(lambda a, b: FLAT, epochs=1)


# --- files ---


def test_a_checkpoint_is_a_network_with_the_best_parameters(path):
    net = dense()
    rising = {'algo': 'sgd', 'learning_rate': 3.0, 'batch_size': 40, 'validate_every': 1}
    net.train(FLAT, epochs=3, restore_best=False, checkpoint=path, **rising)
    loaded = rnnkit.load(path)
    for a, b in zip(params(loaded), params(dense()), strict=True):
        np.testing.assert_array_equal(a, b)  # every update made it worse
    assert loaded.history == net.history
    assert loaded._trainings == 1
    assert not np.array_equal(params(net)[0], params(loaded)[0])


def test_files_are_written_first_after_validations_and_last(tmp_path):
    dense().train(FLAT, epochs=7, validate_every=3, checkpoint=tmp_path / 'net-{}.rnn')
    assert sorted(os.listdir(tmp_path)) == [f'net-{k}.rnn' for k in (0, 3, 6, 7)]


@pytest.mark.parametrize(('every', 'epochs'), [(2, [0, 2, 4, 5]), (0.0, range(6)), (60.0, [0, 5])])
def test_save_every_counts_epochs_or_minutes(tmp_path, every, epochs):
    dense().train(FLAT, epochs=5, save_every=every, checkpoint=tmp_path / '{}.rnn')
    assert sorted(os.listdir(tmp_path)) == [f'{k}.rnn' for k in epochs]


def test_auto_begins_anew_or_goes_on_from_the_newest(tmp_path):
    options = {'checkpoint': str(tmp_path / '{}.rnn'), 'resume': 'auto', 'validate_every': 1}
    dense().train(FLAT, epochs=11, **options)
    net = dense()
    net.train(FLAT, epochs=12, **options)
    assert len(net.history) == 12
    assert (tmp_path / '12.rnn').exists()
    os.unlink(tmp_path / '12.rnn')
    shutil.copy(tmp_path / '2.rnn', tmp_path / 'other.rnn')
    net.train(FLAT, epochs=11, **options)
    assert len(net.history) == 11


def test_the_number_replaces_nothing_in_the_name_of_a_folder(tmp_path):
    folder = tmp_path / 'run{}'
    folder.mkdir()
    saved = rnnkit.callbacks.Checkpoint(folder / 'net{epoch}.rnn')
    net = dense()
    net.train(FLAT, epochs=1, checkpoint=folder / '{}.rnn', callbacks=saved)
    assert sorted(os.listdir(folder)) == ['0.rnn', '1.rnn', 'net1.rnn']
    assert os.listdir(tmp_path) == ['run{}']
    net.train(FLAT, epochs=2, checkpoint=folder / '{}.rnn', resume='auto')
    assert len(net.history) == 2


def test_a_missing_file_is_named(tmp_path, path):
    with pytest.raises(FileNotFoundError, match='no checkpoint to resume from: .*nowhere'):
        dense().train(FLAT, epochs=1, resume=tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match="from; resume='auto' starts a new training"):
        dense().train(FLAT, epochs=1, resume=path, checkpoint=path)


def test_a_network_without_a_training_cannot_be_resumed(path):
    dense().save(path)
    with pytest.raises(FormatError, match='a network, but not the checkpoint of a training'):
        dense().train(FLAT, epochs=1, resume=path)


def other_layers(**options):
    return rnnkit.Regressor([1, (2, 'tanh'), 1], dtype='float64', **options)


@pytest.mark.parametrize(
    ('make', 'data', 'options', 'message'),
    [
        (dense, FLAT, {'batch_size': 8}, 'another training: batch_size was 16, and is now 8'),
        (dense, FLAT, {'seed': 4}, 'another training: seed was 3, and is now 4'),
        (dense, FLAT, {'algo': 'adam'}, 'another training: algo was rmsprop, and is now adam'),
        (dense, FLAT, {'momentum': 0.5}, 'another training: momentum was 0.0, and is now 0.5'),
        (dense, FLAT, {'weight_l2': 0.5}, 'another training: weight_l2 was None, and is now 0.5'),
        (dense, FLAT, {'learning_rate': 0.5}, r"another training: learning_rate was \{'form'"),
        (dense, [a[:20] for a in FLAT], {}, r'the shapes of the data was \[\[40, 1\], \[40, 1\]\]'),
        (dense, lambda: FLAT, {}, 'and is now a callable'),
        (other_layers, FLAT, {}, 'another network: layers was'),
        (lambda: rnnkit.Regressor([1, 1]), FLAT, {}, 'another network: dtype was float64, and is'),
        (lambda: dense(loss='mae'), FLAT, {}, 'another network: loss was'),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(make, data, options, message, path):
    dense().train(FLAT, epochs=1, checkpoint=path, **QUICK)
    net = make()
    before = params(net)
    with pytest.raises(ConfigError, match=message):
        net.train(data, epochs=2, resume=path, **{**QUICK, **options})
    for a, b in zip(params(net), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not net.history


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'save_every': 2}, 'save_every is for a training with checkpoint=path'),
        ({'resume': 'auto'}, "resume='auto' is for a training with checkpoint=path"),
        ({'checkpoint': 3}, r'train\(\): checkpoint must be the path of a file; got 3'),
        ({'checkpoint': ''}, "checkpoint must be the path of a file; got ''"),
        ({'resume': True}, 'resume must be the path of a file; got True'),
        ({'checkpoint': 'a', 'save_every': 0}, 'save_every must be a whole number .*; got 0'),
        ({'checkpoint': 'a', 'save_every': 'x'}, "save_every must be a finite number .*; got 'x'"),
        ({'checkpoint': 'a', 'save_every': True}, 'save_every must be .* got True'),
        ({'checkpoint': '/nowhere/x.rnn'}, "checkpoint: there is no folder '/nowhere'"),
        *(
            (
                {'checkpoint': f'a-{place}.rnn'},
                r'^train\(\): checkpoint: only {} and {epoch} are replaced in a file name; '
                rf'got {place}$',
            )
            for place in ('{epoch:02d}', '{:03d}', '{a}')
        ),
        ({'checkpoint': '.'}, "checkpoint must be the path of a file; '.' is a folder"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError, match=message):
        dense().train(FLAT, epochs=1, **options)


def test_minimize_has_no_checkpoints():
    a = __import__('pytensor').shared(1.0, name='a')
    with pytest.raises(ConfigError, match=r'minimize\(\): resume is for networks'):
        rnnkit.minimize(a**2, epochs=1, resume='x')


def test_a_network_that_cannot_be_written_says_so_before_it_trains(path):
    net = rnnkit.Regressor([1, (2, np.tanh), 1])
    with pytest.raises(ConfigError, match='cannot be written to a file'):
        net.train(FLAT, epochs=1, checkpoint=path)


def test_a_validation_in_which_nothing_counts_is_an_error():
    net = dense(weighted=True)
    with pytest.raises(DataError, match='valid: all weights are 0'):
        net.train([*FLAT, np.ones((40, 1))], [*FLAT, np.zeros((40, 1))], epochs=1)
