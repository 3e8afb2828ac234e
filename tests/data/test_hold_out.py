"""A share of the training data that is held out for validation."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

import rnnkit
from rnnkit.data.datasets import generator_for
from rnnkit.data.hold_out import HeldOut, read_share, split
from rnnkit.errors import ConfigError, DataError, ShapeError

T, B = 6, 10
RNG = np.random.default_rng(0)
# Every element says which sequence and step it belongs to.
X = np.stack([np.arange(B) + 0.01 * t for t in range(T)])[..., None]  # (T, B, 1)
Y = -X
LENGTHS = [3, 6, 1, 2, 5, 4, 3, 2, 6, 1]
RAGGED = [X[:n, k] for k, n in enumerate(LENGTHS)]
QUICK = {'algo': 'sgd', 'epochs': 2, 'validate_every': 1, 'batch_size': 4}


def net(layers=(1, ('rnn', 2), 1), kind=rnnkit.Regressor, **options):
    return kind(list(layers), seed=0, dtype='float64', **options)


def held_out(data, share, seed=3, network=None, **options):
    return split('train()', (network or net())._border, data, share, seed, **options)


def chosen(share=0.3, n=B, seed=3):
    """Return the sequences of both parts, as the seed chooses them."""
    order = generator_for([seed], 0, 'hold out').permutation(n)
    k = max(1, round(share * n))
    return np.sort(order[k:]), np.sort(order[:k])


def test_each_sequence_is_in_one_part():
    (x, y), (x_valid, y_valid) = held_out([X, Y], 0.3)
    kept, out = chosen()
    np.testing.assert_array_equal(x, X[:, kept])
    np.testing.assert_array_equal(x_valid, X[:, out])
    np.testing.assert_array_equal(y, -x)
    np.testing.assert_array_equal(y_valid, -x_valid)
    assert sorted([*kept, *out]) == list(range(B))
    assert out.tolist() != [7, 8, 9]


def test_the_tail_are_the_last_sequences():
    train, valid = held_out({'x': X, 'y': Y}, ('tail', 0.3))
    np.testing.assert_array_equal(train['x'], X[:, :7])
    np.testing.assert_array_equal(train['y'], Y[:, :7])
    np.testing.assert_array_equal(valid['x'], X[:, 7:])
    np.testing.assert_array_equal(valid['y'], Y[:, 7:])


def test_the_seed_alone_chooses_and_not_the_number_of_the_training():
    def out(seed):
        return held_out([X, Y], 0.3, seed)[1][0][0, :, 0].tolist()

    assert out(5) == out([5, 0]) == out([5, 7]) == chosen(seed=5)[1].tolist()
    assert len({tuple(out(seed)) for seed in range(20)}) > 10
    # It is another stream than that of shuffling.
    order = np.arange(B)
    generator_for([5], 0, 'order').shuffle(order)
    assert sorted(order[:3]) != out(5)


@pytest.mark.parametrize(
    ('fraction', 'n', 'k'), [(0.01, 10, 1), (0.99, 10, 9), (0.5, 2, 1), (0.25, 10, 2), (0.26, 9, 2)]
)
def test_there_is_at_least_one_in_each_part(fraction, n, k):
    assert HeldOut(fraction, False).of(n) == k
    train, valid = held_out([X[:, :n], Y[:, :n]], np.float32(fraction))
    assert (train[0].shape[1], valid[0].shape[1]) == (n - k, k)


MASK = (np.arange(T)[:, None] < LENGTHS).astype(float)
WEIGHTS = np.arange(B) + 1.0
CLASSES = np.arange(B) % 3
KINDS = {
    'batch first': ({'layout': 'batch'}, [X.swapaxes(0, 1), Y.swapaxes(0, 1)]),
    'a list of arrays': ({'masked': True}, [RAGGED, [-one for one in RAGGED]]),
    'nested lists': (
        {'masked': True},
        [[one.tolist() for one in RAGGED], [(-one).tolist() for one in RAGGED]],
    ),
    'an array of objects': ({'masked': True}, [np.array([*RAGGED, None], object)[:-1], RAGGED]),
    'a mask': ({'masked': True}, {'x': X, 'y': Y, 'mask': MASK}),
    'weights': ({'weighted': True}, (X, Y, 1 + X**2)),
    'one weight for each sequence': ({'weighted': True}, (X, Y, WEIGHTS)),
    'ragged weights': ({'weighted': True, 'masked': True}, [RAGGED, RAGGED, RAGGED]),
    'weights of ragged ones': ({'weighted': True, 'masked': True}, [RAGGED, RAGGED, WEIGHTS]),
    'one target for each': ({'layers': [1, ('rnn', 2), 'last', 1]}, [X, Y[0]]),
    'labels': ({'layers': [1, ('rnn', 2), 'last', 3], 'kind': rnnkit.Classifier}, [X, CLASSES]),
    'listed labels': (
        {'layers': [1, ('rnn', 2), 'last', 3], 'kind': rnnkit.Classifier, 'masked': True},
        [RAGGED, CLASSES.tolist()],
    ),
    'labels of steps': (
        {'layers': [1, ('rnn', 2), 3], 'kind': rnnkit.Classifier},
        [X, X[..., 0].astype(int) % 3],
    ),
    'an autoencoder': ({'layers': [1, ('rnn', 2), 1], 'kind': rnnkit.Autoencoder}, X),
    'no time': ({'layers': [1, (2, 'tanh'), 1]}, [X[0], Y[0]]),
    'a nested list without a mask': ({}, [X.tolist(), Y.tolist()]),
}


def taken(value, which):
    """Return some sequences: of a list, or of an array along the axis that is as long."""
    if isinstance(value, list) and len(value) == B:
        return [value[k] for k in which]
    array = np.asarray(value)
    return array.take(list(which), array.shape.index(B))


@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('share', [0.3, ('tail', 0.3)], ids=['random', 'tail'])
def test_it_is_the_same_as_to_split_by_hand(name, share):
    options, data = KINDS[name]
    network = net(**options)
    kept, out = (range(7), range(7, B)) if isinstance(share, tuple) else chosen()
    arrays = data if isinstance(data, list | tuple | dict) else [data]
    named = arrays if isinstance(arrays, dict) else dict(enumerate(arrays))
    parts = [{key: taken(value, which) for key, value in named.items()} for which in (kept, out)]
    if arrays is not named:
        parts = [list(part.values()) for part in parts]
    read = network._border.read_batch
    for found, wanted in zip(held_out(data, share, network=network), parts, strict=True):
        for one, other in zip(read(found, 'found'), read(wanted, 'wanted'), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_training_is_the_same_as_with_data_that_are_split_by_hand():
    network = net(masked=True)
    kept, out = chosen()
    parts = [[[one[k] for k in which] for one in (RAGGED, RAGGED)] for which in (kept, out)]
    start = [p.get_value() for p in network.params]
    wanted = network.train(*parts, seed=3, **QUICK)
    after = [p.get_value() for p in network.params]
    for p, value in zip(network.params, start, strict=True):
        p.set_value(value)
    assert network.train([RAGGED, RAGGED], valid=0.3, seed=3, **QUICK) == wanted
    for p, value in zip(network.params, after, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)


def test_several_inputs_and_targets():
    layers = [
        dict(form='input', size=1, name='in'),
        dict(form='input', size=2, name='static', ndim=2),
        dict(form='rnn', size=2, name='hid', inputs='in'),
        dict(form='dense', size=1, inputs=('hid', 'in')),
    ]
    network = net(layers)
    static = np.stack([np.arange(B), np.arange(B)], axis=1).astype(float)
    kept, out = chosen()
    train, valid = held_out([X, static, Y], 0.3, network=network)
    for part, which in ((train, kept), (valid, out)):
        np.testing.assert_array_equal(part[0], X[:, which])
        np.testing.assert_array_equal(part[1], static[which])
        np.testing.assert_array_equal(part[2], Y[:, which])


# --- one long series


@pytest.mark.parametrize(
    ('options', 'data', 'parts'),
    [
        ({}, [X[:, :1], Y[:, :1]], lambda a, at: a[at]),
        (
            {'layout': 'batch'},
            [X[:, :1].swapaxes(0, 1), Y[:, :1].swapaxes(0, 1)],
            lambda a, at: a[:, at],
        ),
        ({'masked': True}, [[X[:, 0]], [Y[:, 0]]], lambda a, at: [a[0][at]]),
    ],
    ids=['time', 'batch', 'listed'],
)
def test_the_tail_of_one_series_is_its_end(options, data, parts):
    train, valid = held_out(data, ('tail', 0.3), network=net(**options))
    for whole, first, last in zip(data, train, valid, strict=True):
        np.testing.assert_array_equal(first, parts(whole, slice(0, 4)))
        np.testing.assert_array_equal(last, parts(whole, slice(4, 6)))


def test_long_series_side_by_side_are_cut_along_time_where_the_state_is_carried():
    network = net()
    start = [p.get_value() for p in network.params]
    options = {**QUICK, 'carry_state': True, 'bptt_steps': 2}
    wanted = network.train([X[:4], Y[:4]], [X[4:], Y[4:]], **options)
    for p, value in zip(network.params, start, strict=True):
        p.set_value(value)
    assert network.train([X, Y], ('tail', 1 / 3), **options) == wanted


def test_a_series_with_one_weight_and_a_mask():
    network = net(weighted=True, masked=True)
    data = {'x': X[:, :1], 'y': Y[:, :1], 'weights': WEIGHTS[:1], 'mask': np.ones((T, 1))}
    train, valid = held_out(data, ('tail', 0.5), network=network)
    assert [len(train[name]) for name in data] == [3, 3, 1, 3]
    assert [len(valid[name]) for name in data] == [3, 3, 1, 3]
    np.testing.assert_array_equal(valid['x'], X[3:, :1])


# --- mistakes


@pytest.mark.parametrize(
    ('valid', 'message'),
    [
        (
            True,
            "validation data, a share such as 0.2, or ('tail', 0.2) for the last ones; got True",
        ),
        ('tail', "or ('tail', 0.2) for the last ones; got 'tail'"),
        (('tial', 0.2), "got ('tial', 0.2); did you mean 'tail'?"),
        ((0.2, 'tail'), "or ('tail', 0.2) for the last ones; got (0.2, 'tail')"),
        (('tail',), "or ('tail', 0.2) for the last ones; got ('tail',)"),
        (0, 'a share held out by valid= must be above 0 and below 1; got 0'),
        (1.0, 'a share held out by valid= must be above 0 and below 1; got 1.0'),
        (-0.5, 'must be above 0 and below 1; got -0.5'),
        (float('nan'), 'must be above 0 and below 1; got nan'),
        (('tail', 20), 'must be above 0 and below 1; got 20; 20 % are 0.2'),
    ],
)
def test_a_share_that_makes_no_sense(valid, message):
    with pytest.raises(ConfigError) as caught:
        net().train([X, Y], valid=valid)
    assert str(caught.value).startswith('train(): ')
    assert str(caught.value).endswith(message)


@pytest.mark.parametrize('share', [np.float32(0.3), np.array(0.3), ('tail', np.float64(0.3))])
def test_numbers_of_numpy_are_shares(share):
    found = read_share('train()', share)
    assert (found.of(10), found.tail) == (3, isinstance(share, tuple))


def test_data_are_no_share():
    for data in (None, [X, Y], {'x': X}, lambda: [X, Y], X, ['x', 'y', 'z'][:0]):
        assert read_share('train()', data) is None


@pytest.mark.parametrize(
    ('data', 'valid', 'options', 'error', 'message'),
    [
        (
            [X[:, :1], Y[:, :1]],
            0.2,
            {},
            DataError,
            "train(): valid=0.2 holds out sequences, and there is only one; valid=('tail', 0.2) "
            'holds out the end of a long one',
        ),
        (
            [X[0, :1], Y[0, :1]],
            0.2,
            {'layers': [1, (2, 'tanh'), 1]},
            DataError,
            'train(): valid=0.2 holds out examples, and there is only one',
        ),
        (
            [X[:1, :1], Y[:1, :1]],
            ('tail', 0.2),
            {},
            DataError,
            "train(): valid=('tail', 0.2) holds out time steps, and there is only one",
        ),
        (
            [X[:, :1], Y[0, :1]],
            ('tail', 0.2),
            {'layers': [1, ('rnn', 2), 'last', 1]},
            ConfigError,
            "train(): valid=('tail', 0.2) cuts a long series along time, and y is one target for "
            'each sequence; cut it into windows before',
        ),
        (
            lambda: [X, Y],
            0.2,
            {},
            ConfigError,
            'train(): valid=0.2 holds out a part of arrays, and train is a callable, which makes '
            'its own batches; pass another one, or arrays, as valid=',
        ),
        (
            [X, Y[:, 1:]],
            0.2,
            {},
            ShapeError,
            'train: y has length 9 on axis 1 (batch), but x has 10; the shape is (6, 9, 1)',
        ),
        (
            [X],
            0.2,
            {},
            DataError,
            'train: expects 2 arrays [x, y]; got 1: [array of shape (6, 10, 1)]',
        ),
        (
            {'x': X, 'z': Y},
            0.2,
            {},
            DataError,
            "train: expects {x, y}; got a dict of ['x', 'z']",
        ),
    ],
)
def test_what_cannot_be_split(data, valid, options, error, message):
    with pytest.raises(error) as caught:
        net(**options).train(data, valid=valid)
    assert str(caught.value) == message


# --- trainings


def test_a_second_training_holds_out_the_same_and_so_does_a_resumed_one(tmp_path):
    network, path = net(), tmp_path / 'training.rnn'
    seen = []

    def look(training):
        seen.append(training.validation['loss'])

    network.train([X, Y], valid=0.3, learning_rate=0, callbacks=look, **QUICK)
    network.train([X, Y], valid=0.3, learning_rate=0, callbacks=look, **QUICK)
    assert len(set(seen)) == 1
    assert len(seen) == 4
    whole, part = net(), net()
    options = {**QUICK, 'learning_rate': 0.01}
    right = whole.train([X, Y], valid=0.3, **{**options, 'epochs': 5})
    part.train([X, Y], valid=0.3, checkpoint=path, **options)
    other = rnnkit.Regressor([1, ('rnn', 2), 1], seed=99, dtype='float64')
    found = other.train([X, Y], valid=0.3, resume=path, **{**options, 'epochs': 5})
    assert found == right
    with pytest.raises(ConfigError, match='the shapes of the data was'):
        other.train([X, Y], valid=0.5, resume=path, **{**options, 'epochs': 9})


@pytest.mark.parametrize('algo', [long('layerwise'), 'pretrain', 'sample', 'lbfgs'])
def test_other_algorithms_hold_out_the_same(algo):
    network = net([1, ('rnn', 2), ('rnn', 2), 1])
    stages = {'epochs': 1, 'validate_every': 1, 'batch_size': 4} if algo != 'sample' else {}
    stages |= {'subalgo': 'sgd'} if algo in ('layerwise', 'pretrain') else {}
    if algo == 'lbfgs':
        del stages['batch_size']
    start = [p.get_value() for p in network.params]
    kept, out = chosen(seed=3)
    wanted = network.train(
        [X[:, kept], Y[:, kept]], [X[:, out], Y[:, out]], algo=algo, seed=3, **stages
    )
    for p, value in zip(network.params, start, strict=True):
        p.set_value(value)
    assert network.train([X, Y], valid=0.3, algo=algo, seed=3, **stages) == wanted
    assert 'valid_loss' in network.history.columns
    assert 'training_loss' not in network.history.columns


@pytest.mark.parametrize('data', [[X, MASK], RAGGED, {'x': X, 'mask': MASK}])
def test_pretraining_by_inputs_alone(data):
    network = net([1, ('rnn', 2), 1], masked=True)
    _, valid = network.train(data, valid=0.3, algo='pretrain', epochs=1, subalgo='sgd', seed=3)
    assert network.history[-1]['valid_loss'] == valid['loss']


def test_the_second_of_two_arrays_is_the_mask_where_targets_are_none_of_time():
    network = net([1, ('rnn', 2), 'last', 1], masked=True)
    kept, out = chosen()
    for part, which in zip(
        held_out([X, MASK], 0.3, network=network, inputs_only=True), (kept, out), strict=True
    ):
        np.testing.assert_array_equal(part[0], X[:, which])
        np.testing.assert_array_equal(part[1], MASK[:, which])
    train, _ = held_out([RAGGED, Y[0]], 0.3, network=network, inputs_only=True)
    np.testing.assert_array_equal(train[1], Y[0][kept])


def test_iterating_over_a_training():
    for _, valid in net().itertrain([X, Y], valid=0.3, **QUICK):
        assert set(valid) == {'loss', 'err'}


def test_minimize_holds_out_examples():
    x, w = pt.vector('x', dtype='float64'), pytensor.shared(np.array(0.0), name='w')
    data = np.arange(10.0)
    options = {'algo': 'sgd', 'learning_rate': 1e-9, 'epochs': 1, 'seed': 3}
    _, valid = rnnkit.minimize(((x - w) ** 2).mean(), data, 0.3, params=[w], inputs=[x], **options)
    assert valid['loss'] == pytest.approx(np.mean(chosen()[1] ** 2), rel=1e-6)
    _, valid = rnnkit.minimize(
        ((x - w) ** 2).mean(), data, ('tail', 0.3), params=[w], inputs=[x], **options
    )
    assert valid['loss'] == pytest.approx((49 + 64 + 81) / 3, rel=1e-6)


class Frame:
    """A frame, by the part of pandas' interface that is used."""

    columns, ndim = ('a',), 2

    def __init__(self, array):
        self.array, self.shape, self.iloc = array, array.shape, Rows(array)

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return self.array


class Rows:
    def __init__(self, array):
        self.array = array

    def __getitem__(self, which):
        return Frame(self.array[which])


def test_a_part_of_a_frame_is_a_frame():
    train, valid = held_out([Frame(X[0]), Y[0]], 0.3, network=net([1, (2, 'tanh'), 1]))
    assert isinstance(train[0], Frame)
    np.testing.assert_array_equal(valid[0].array, X[0][chosen()[1]])
