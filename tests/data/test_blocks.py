"""Data on disk: the order of batches, what is read, and what is said of what cannot be read."""

import re
import threading
from itertools import chain

import numpy as np
import pytest
from disk import Lazy, Slices, mapped

from rnnkit import Classifier, Regressor
from rnnkit.data import blocks, on_disk, stored
from rnnkit.data.blocks import Blocks
from rnnkit.data.datasets import Arrays
from rnnkit.data.examples import Examples
from rnnkit.data.share import Share
from rnnkit.errors import ConfigError, DataError, ShapeError

N = 103


@pytest.fixture
def small(monkeypatch):
    """Make pieces of 10 examples of `numbered`, and buffers of 3 pieces."""
    monkeypatch.setattr(stored, 'PIECE', 120)
    monkeypatch.setattr(blocks, 'BUFFER', 3 * 10 * (12 + blocks.OVERHEAD))
    monkeypatch.setattr(blocks, 'IN_ORDER', 10 * (12 + blocks.OVERHEAD))


def numbered(n=N):
    """Return examples (n, 2, 1) and (n, 1) that carry their number, of 12 bytes each."""
    number = np.arange(n, dtype='float32')
    return np.stack([number, -number], 1)[..., None], number[:, None]


def network(**options):
    return Regressor([1, ('rnn', 2), 'last', 1], layout='batch', seed=0, **options)


def examples(x, y, **options):
    return Examples(network(**options)._border, on_disk.wrapped([x, y], 'train'), 'train')


def drawn(dataset):
    return [y[:, 0].astype(int).tolist() for _, y in dataset]


def joined(lists):
    return list(chain.from_iterable(lists))


def kinds(tmp_path):
    x, y = numbered()
    return {
        'memmap': [mapped(tmp_path, x), mapped(tmp_path, y)],
        'slices': [Slices(x, chunks=(7, 2, 1)), Slices(y)],
        'lists': [Lazy(list(x)), Lazy(list(y))],
        'mixture': [mapped(tmp_path, x), y],
    }


@pytest.mark.parametrize('kind', ['memmap', 'slices', 'lists', 'mixture'])
def test_a_pass_has_every_example_once_in_an_order_of_its_own(tmp_path, small, kind):
    dataset = Blocks(examples(*kinds(tmp_path)[kind]), 8, seed=0)
    assert dataset.n_buffers > 2
    passes = [drawn(dataset) for _ in range(3)]
    for batches in passes:
        assert [len(batch) for batch in batches] == [8] * 12 + [7]
        assert sorted(joined(batches)) == list(range(N))
    assert len({str(batches) for batches in passes}) == 3


def test_examples_of_several_blocks_are_shuffled_together(tmp_path, small):
    dataset = Blocks(examples(*kinds(tmp_path)['memmap']), 8, seed=0)
    first = joined(drawn(dataset))[:30]  # a buffer
    assert len({k // 10 for k in first}) in (3, 4)
    neighbours = np.abs(np.diff(first)) == 1
    assert neighbours.mean() < 0.2


@pytest.mark.parametrize('batch_size', [8, N, 1000])
def test_what_fits_a_buffer_has_the_batches_of_arrays(tmp_path, batch_size):
    x, y = numbered()
    dataset = Blocks(examples(*kinds(tmp_path)['memmap']), batch_size, seed=[3, 1])
    arrays = Arrays([x.swapaxes(0, 1), y], [1, 0], batch_size, seed=[3, 1])
    for _ in range(2):
        for one, two in zip(dataset, arrays, strict=True):
            for a, b in zip(one, two, strict=True):
                np.testing.assert_array_equal(a, b)


def test_in_order_batches_are_those_of_arrays_and_begin_anew(tmp_path, small):
    dataset = Blocks(examples(*kinds(tmp_path)['memmap']), 8, seed=0).in_order(3)
    assert dataset.one_pass
    assert drawn(dataset) == drawn(dataset) == [list(range(k, k + 8)) for k in (0, 8, 16)]


@pytest.mark.parametrize('n_batches', [None, 3, 20])
def test_a_stream_goes_on_from_its_state_to_the_bit(tmp_path, small, n_batches):
    make = lambda: Blocks(examples(*kinds(tmp_path)['memmap']), 8, n_batches, seed=5)  # noqa: E731
    whole = make()
    batches = [batch for _ in range(6) for batch in drawn(whole)]
    for at in (0, 2, 5):
        first = make()
        before = [batch for _ in range(at) for batch in drawn(first)]
        again = make()
        again.set_state(first.get_state())
        after = [batch for _ in range(6 - at) for batch in drawn(again)]
        assert before + after == batches


def test_batches_that_were_read_ahead_are_not_counted(tmp_path, small):
    dataset = Blocks(examples(*kinds(tmp_path)['memmap']), 8, seed=0)
    epoch = iter(dataset)
    for k in range(1, 6):
        next(epoch)
        assert dataset.get_state() == {'drawn': k}
    epoch.close()
    rest = Blocks(examples(*kinds(tmp_path)['memmap']), 8, seed=0)
    rest.set_state({'drawn': 5})
    assert drawn(dataset)[:4] == drawn(rest)[:4]


@pytest.mark.parametrize('size', [2, 3])
@pytest.mark.parametrize('fits', [True, False])
def test_shares_of_processes_are_the_batches_of_one(tmp_path, small, monkeypatch, size, fits):
    if fits:
        monkeypatch.setattr(blocks, 'BUFFER', 10**6)
    data = kinds(tmp_path)['memmap']
    each = [Blocks(examples(*data), 8, seed=0, share=Share(rank, size)) for rank in range(size)]
    whole = Blocks(examples(*data), 8, seed=0)
    for _ in range(2):
        parts = zip(*map(drawn, each), strict=True)
        assert [joined(part) for part in parts] == drawn(whole)


def test_a_share_without_an_example_is_an_empty_batch(tmp_path):
    dataset = Blocks(examples(*kinds(tmp_path)['memmap']), 2, 1, seed=0, share=Share(2, 3))
    (batch,) = list(dataset)
    assert [array.shape for array in batch] == [(2, 0, 1), (0, 1)]


def test_only_slices_of_a_chunk_or_more_are_read(small):
    x, y = numbered()
    read = []
    source = Slices(x, chunks=(20, 2, 1), read=read)
    drawn(Blocks(examples(source, y), 8, seed=0))
    assert {(s.start % 20, s.stop - s.start) for s in read} == {(0, 20), (0, 3)}


def test_blocks_come_in_another_order_in_each_pass(small):
    x, y = numbered()
    dataset = Blocks(examples(Slices(x), y), 8, seed=0)
    passes = [np.concatenate([batch[1][:, 0] for batch in dataset]) // 10 for _ in range(3)]
    first = {tuple(np.unique(blocks_of[:28]).tolist()) for blocks_of in passes}
    assert len(first) == 3
    assert all(len(some) in (3, 4) for some in first)  # of one buffer, or two at the short block


def test_bucket_sorts_the_sequences_of_a_buffer_by_length(tmp_path, small, monkeypatch):
    monkeypatch.setattr(blocks, 'BUFFER', 50 * (32 + blocks.OVERHEAD))
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 9, N)
    mask = (np.arange(8) < lengths[:, None]).astype('float32')
    x = rng.standard_normal((N, 8, 1)).astype('float32')
    y = np.arange(N, dtype='float32')[:, None]
    net = network(masked=True)
    data = on_disk.wrapped([mapped(tmp_path, x), y, mask], 'train')
    dataset = Blocks(Examples(net._border, data, 'train'), 4, seed=0, bucket=True)
    batches = list(dataset)
    assert sorted(np.concatenate([b[1][:, 0] for b in batches]).tolist()) == list(range(N))
    steps = [b[0].shape[0] for b in batches]
    assert all(
        s == lengths[b[1][:, 0].astype(int)].max() for s, b in zip(steps, batches, strict=True)
    )
    read = sum(s * b[0].shape[1] for s, b in zip(steps, batches, strict=True))
    assert read < 0.75 * 8 * N
    with pytest.raises(ConfigError) as error:
        net.train([mapped(tmp_path, x), y, mapped(tmp_path, mask)], bucket=True)
    assert str(error.value) == (
        'train: bucket=True sorts sequences by length, and their lengths are on disk, too; pass '
        'the mask as an array in memory, or leave bucket out'
    )


# --- threads


def readers():
    return [thread for thread in threading.enumerate() if thread.name == 'rnnkit reads ahead']


def test_no_thread_is_left_when_a_training_ends_early(tmp_path, small):
    net = network()
    epochs = net.itertrain(kinds(tmp_path)['memmap'], algo='sgd', batch_size=4, progress=False)
    next(epochs)
    assert not readers()
    epochs.close()
    dataset = iter(Blocks(examples(*kinds(tmp_path)['memmap']), 4, seed=0))
    next(dataset)
    dataset.close()
    assert not readers()


def test_an_error_of_the_thread_is_raised_where_its_batch_is_due(tmp_path, small):
    x, y = numbered()
    source = Slices(x)
    dataset = Blocks(examples(source, y), 8, seed=0)
    epoch = iter(dataset)
    next(epoch)
    dataset._ahead[1].wait()
    source.broken = True
    for _ in range(6):  # from the two buffers that have been read
        assert len(next(epoch)[1]) == 8
    with pytest.raises(DataError, match='^train: x cannot be read from .* OSError: gone$'):
        next(epoch)
    assert not readers()
    source.broken = False
    assert len(drawn(dataset)[0]) == 8


# --- errors


def test_a_number_that_is_not_finite_is_named_by_its_index_on_disk(tmp_path, small):
    x, y = numbered()
    x[57, 1, 0] = np.nan
    net = network()
    with pytest.raises(DataError) as error:
        net.train([x, y])
    for data in ([mapped(tmp_path, x), mapped(tmp_path, y)], [mapped(tmp_path, x), y]):
        with pytest.raises(DataError) as same:
            net.train(data)
        assert str(same.value) == str(error.value)
        assert 'index (57, 1, 0)' in str(error.value)


@pytest.mark.parametrize('valid', [0.2, ('tail', 0.6)])
def test_its_index_is_that_before_a_part_was_held_out(tmp_path, valid):
    x, y = numbered()
    x[57, 1, 0] = np.nan
    for data in ([mapped(tmp_path, x), y], [x, mapped(tmp_path, y)], [Slices(x), Slices(y)]):
        with pytest.raises(DataError, match=r'x contains nan at index \(57, 1, 0\);'):
            network().train(data, valid=valid)
    with pytest.raises(DataError, match=r'x\[57\] contains nan at index \(1, 0\);'):
        network().train([Lazy(list(x)), Lazy(list(y))], valid=valid)


def test_masked_arrays_of_a_file_are_refused():
    x, y = numbered()
    masked = np.ma.masked_equal(x, x.flat[9])
    message = 'is a NumPy masked array, and its mask would be lost'
    for data in (Slices(masked), Lazy(masked), [Slices(one) for one in masked]):
        with pytest.raises(DataError, match=rf'^train: x(\[\d+\])? {message}'):
            network().train([data, y])
    network().train([Slices(np.ma.array(x)), y], algo='sgd', epochs=1, verbose=0)


@pytest.mark.parametrize('one', [None, 3.0])
def test_an_example_that_is_no_sequence_is_named(one):
    x, y = numbered()
    sequences = list(x)
    sequences[11] = one
    message = rf'^train: x\[11\] is a single number, {one}; a sequence is an array$'
    with pytest.raises(ShapeError, match=message):
        network().train([Lazy(sequences), Lazy(list(y))])


def test_labels_that_cannot_be_read_are_named():
    x, _ = numbered()
    broken = Slices(np.zeros(N, 'int64'))
    broken.broken = True
    net = Classifier([1, ('rnn', 2), 'last', 3], layout='batch', seed=0)
    with pytest.raises(DataError, match='^valid: y cannot be read from .* OSError: gone$'):
        net.train([x, np.zeros(N, 'int64')], [x, broken])


def test_a_label_out_of_range_is_named_by_its_index_on_disk(tmp_path, small):
    x, _ = numbered()
    labels = np.zeros(N, 'int64')
    labels[91] = 7
    net = Classifier([1, ('rnn', 2), 'last', 3], layout='batch', seed=0)
    with pytest.raises(DataError) as error:
        net.train([x, labels])
    with pytest.raises(DataError) as same:
        net.train([mapped(tmp_path, x), mapped(tmp_path, labels)])
    assert str(same.value) == str(error.value)
    assert 'index (91,)' in str(error.value)


@pytest.mark.parametrize(
    'change',
    [
        lambda x, y: (x[:, :, [0, 0]], y),
        lambda x, y: (x[:50], y),
        lambda x, y: (x[..., 0], y),
        lambda x, y: (x, y[:, [0, 0]]),
        lambda x, y: (x.astype(complex), y),
        lambda x, y: (x[:0], y[:0]),
    ],
)
def test_shapes_are_refused_as_those_of_arrays(change):
    x, y = change(*numbered())
    net = network()
    with pytest.raises((ShapeError, DataError)) as error:
        net.train([x, y])
    with pytest.raises(type(error.value)) as same:
        net.train([Slices(x), Slices(y)])
    assert str(same.value) == str(error.value)


def test_a_source_that_changes_its_length_is_an_error(small):
    x, y = numbered()
    source = Slices(x)
    dataset = Blocks(examples(source, y), 8, seed=0)
    source.array = x[:95]
    with pytest.raises(DataError, match='^train: x has changed: from .* its shape is'):
        drawn(dataset)


def test_lists_of_other_lengths_are_refused():
    x, y = numbered()
    with pytest.raises(
        ShapeError,
        match='^'
        + re.escape('train: the arrays have different numbers of examples: x has 103, y has 50'),
    ):
        network().train([Lazy(list(x)), Lazy(list(y[:50]))])


def test_a_shape_without_slices_is_an_error():
    x, y = numbered()

    class Shape:
        shape, dtype = x.shape, x.dtype

    with pytest.raises(
        DataError,
        match='^'
        + re.escape(
            'train: x is a Shape, which has a shape but no slices, such as array[0:32]; pass an '
            'object that can be sliced, or an array in memory'
        )
        + '$',
    ):
        network().train([Shape(), y])
