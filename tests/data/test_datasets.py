"""Batches from arrays and from callables, and the conversion of what users pass in."""

import re
from itertools import islice

import numpy as np
import pytest
import scipy.sparse

from rnnkit.data.arrays import as_array
from rnnkit.data.datasets import Arrays, Stream, build, frozen, lengths_of
from rnnkit.errors import ConfigError, DataError, ShapeError


def arrays(n=10, batch_size=4, n_batches=None, seed=0):
    """Return batches of examples x (2, n, 1) and y (n,) that carry their number."""
    numbers = np.arange(float(n))
    x = np.stack([numbers, numbers + 100])[..., None]
    return Arrays([x, numbers], [1, 0], batch_size, n_batches, seed)


def test_examples_are_shuffled_and_not_batches():
    epochs = [[set(y) for _, y in batches] for batches in [arrays(32, 8)] for _ in range(1)]
    aligned = [set(range(k, k + 8)) for k in range(0, 32, 8)]
    assert not any(batch in aligned for batch in epochs[0])


def test_every_epoch_has_each_example_once_in_an_order_of_its_own():
    dataset = arrays()
    epochs = [np.concatenate([y for _, y in dataset]) for _ in range(3)]
    for numbers in epochs:
        assert sorted(numbers) == list(range(10))
    assert len({tuple(e) for e in epochs}) == 3


def test_the_arrays_of_a_batch_belong_together():
    for x, y in arrays():
        np.testing.assert_array_equal(x[0, :, 0], y)
        np.testing.assert_array_equal(x[1, :, 0], y + 100)


def test_the_last_short_batch_is_kept():
    assert [len(y) for _, y in arrays(10, 4)] == [4, 4, 2]
    assert [len(y) for _, y in arrays(8, 4)] == [4, 4]
    assert arrays(10, 4).n_batches == 3


def test_without_a_generator_the_order_stays():
    numbers = np.concatenate([y for _, y in arrays(seed=None)])
    np.testing.assert_array_equal(numbers, np.arange(10))


def test_a_batch_size_above_the_number_of_examples_is_all_of_them():
    (batch,) = list(arrays(3, 32))
    assert len(batch[1]) == 3


def test_fewer_batches_go_on_where_they_stopped():
    dataset = arrays(10, 2, n_batches=3)
    drawn = [np.concatenate([y for _, y in dataset]) for _ in range(5)]
    assert all(len(numbers) == 6 for numbers in drawn)
    stream = np.concatenate(drawn)  # 30 examples: three passes over the ten
    for k in range(0, 30, 10):
        assert sorted(stream[k : k + 10]) == list(range(10))


def test_the_same_generator_makes_the_same_batches():
    first, second = ([y.tolist() for _, y in arrays(seed=7)] for _ in range(2))
    assert first == second
    assert first != [y.tolist() for _, y in arrays(seed=8)]


def test_a_callable_gives_a_hundred_batches_an_epoch_unless_told_otherwise():
    calls = []
    stream = build(lambda: calls.append(1), lambda batch, where: [batch], [], 'train', 32)
    assert isinstance(stream, Stream)
    assert len(list(stream)) == len(calls) == 100
    stream = build(lambda: 1, lambda batch, where: [batch], [], 'train', 32, 3)
    assert len(list(stream)) == 3


def test_batches_of_a_callable_are_drawn_when_they_are_needed():
    calls = []
    stream = build(lambda: calls.append(1), lambda batch, where: [batch], [], 'train', 32)
    list(islice(stream, 2))
    assert len(calls) == 2


def test_frozen_batches_of_a_callable_are_drawn_once():
    counter = iter(range(1000))
    read = build(lambda: np.array(next(counter)), lambda b, where: [b], [], 'valid', 32, 5)
    batches = frozen(read)
    assert next(counter) == 0  # not before they are read
    assert list(batches) == list(batches) == [[1], [2], [3], [4], [5]]
    same = arrays()
    assert frozen(same) is same
    part = frozen(arrays(10, 2, n_batches=3))  # of arrays, too, where an epoch is a part of them
    assert [y.tolist() for _, y in part] == [y.tolist() for _, y in part]


def test_the_callable_is_named_where_its_batch_is_checked():
    seen = []
    stream = build(lambda: 1, lambda batch, where: seen.append(where), [], 'valid', 32, 1)
    list(stream)
    assert seen == ['the batch returned by the valid callable']


def test_an_iterator_needs_a_number_of_batches_because_it_is_read_only_once():
    with pytest.raises(ConfigError, match=r'train is an iterator.*train_batches=100'):
        build(iter([1, 2]), None, [], 'train', 32)


# --- batches of similar length ---


def bucketed(lengths, batch_size=4, seed=0, **options):
    """Return batches [x (T, B, 1), static (B, 2), mask (T, B)]; x has its number in each step."""
    lengths = np.asarray(lengths)
    mask = (np.arange(lengths.max())[:, None] < lengths).astype('float32')
    numbers = np.arange(float(len(lengths)))
    x = (mask * (1 + numbers))[..., None]
    static = np.stack([numbers, lengths], axis=1)
    return Arrays(
        [x, static, mask],
        [1, 0, 1],
        batch_size,
        seed=seed,
        bucket=True,
        masks=[2, None, 2],
        **options,
    )


LENGTHS = np.random.default_rng(1).integers(1, 100, 203)


def test_every_epoch_of_buckets_has_each_example_once_and_whole():
    dataset = bucketed(LENGTHS)
    epochs = []
    for _ in range(3):
        epochs.append([])
        for x, static, mask in dataset:
            number, length = static.T
            np.testing.assert_array_equal(mask.sum(0), length)
            np.testing.assert_array_equal(x[..., 0], mask * (1 + number))
            epochs[-1].extend(number)
        assert sorted(epochs[-1]) == list(range(len(LENGTHS)))
    assert epochs[0] != epochs[1] != epochs[2]


@pytest.mark.parametrize('seed', [0, None])
def test_a_batch_of_a_bucket_is_as_long_as_its_longest_example(seed):
    for x, static, mask in bucketed(LENGTHS, seed=seed):
        assert len(x) == len(mask) == static[:, 1].max()
        assert x.flags.c_contiguous


def test_buckets_have_far_fewer_steps_that_are_filled_up():
    def steps(dataset):
        return sum(mask.size for *_, mask in dataset)

    bucket = steps(bucketed(LENGTHS))
    plain = bucketed(LENGTHS)
    plain = Arrays(plain.arrays, plain.axes, 4, seed=0)
    assert LENGTHS.sum() < bucket < 1.2 * LENGTHS.sum()
    assert steps(plain) == 99 * len(LENGTHS)


def test_batches_of_buckets_have_other_examples_in_every_epoch_in_no_order():
    dataset = bucketed(LENGTHS)
    first, second = ([frozenset(s[:, 0]) for _, s, _ in dataset] for _ in range(2))
    assert len(set(first) & set(second)) < 5
    longest = [s[:, 1].max() for _, s, _ in dataset]
    assert 0.3 < np.mean(np.diff(longest) > 0) < 0.7  # sorted groups would mostly rise


def test_the_same_generator_makes_the_same_buckets():
    first, second, other = (
        [s[:, 0].tolist() for _, s, _ in bucketed(LENGTHS, seed=seed)] for seed in (5, 5, 6)
    )
    assert first == second != other


def test_buckets_in_order_are_sorted_by_length():
    for dataset in (bucketed(LENGTHS, seed=None), bucketed(LENGTHS).in_order()):
        lengths = np.concatenate([s[:, 1] for _, s, _ in dataset])
        np.testing.assert_array_equal(lengths, np.sort(LENGTHS))
        assert frozen(dataset) is dataset


@pytest.mark.parametrize('n', [1, 4, 5, 8, 9])
def test_few_examples_make_buckets_too(n):
    found = [static for _, static, _ in bucketed(LENGTHS[:n])]
    assert sum(map(len, found)) == n
    assert max(map(len, found)) <= 4
    if n > 4:  # two batches are one group: each is shorter than each of the other
        short, long = sorted(found[:2], key=lambda s: s[:, 1].max())
        assert n > 8 or short[:, 1].max() <= long[:, 1].min()


def test_one_batch_is_cut_to_its_longest_example():
    x = np.ones((9, 2, 1))
    mask = np.zeros((9, 2))
    mask[:3, 0] = mask[4, 1] = 1
    ((cut, cut_mask),) = Arrays([x, mask], [1, 1], 2, bucket=True, masks=[1, 1])
    assert cut.shape == (5, 2, 1)  # up to the last step that counts, gaps included
    assert cut_mask.shape == (5, 2)


def test_time_may_be_another_axis():
    x = np.arange(12.0).reshape(2, 6)  # (B, T)
    mask = np.array([[1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]).T
    found = list(Arrays([x, mask], [0, 1], 1, bucket=True, masks=[1, 1], time_axes=[1, 0]))
    assert [x.tolist() for x, _ in found] == [[[6.0]], [[0.0, 1.0, 2.0]]]


def test_two_masks_cut_each_its_own_arrays():
    source, target = np.array([3, 1, 2, 5]), np.array([2, 1, 4, 6])
    masks = [(np.arange(n.max())[:, None] < n).astype(float) for n in (source, target)]
    arrays_ = [*(m * (1 + np.arange(4)) for m in masks), *masks]
    found = list(Arrays(arrays_, [1] * 4, 2, bucket=True, masks=[2, 3, 2, 3]))
    assert [[a.shape for a in batch] for batch in found] == [
        [(3, 2), (2, 2)] * 2,
        [(5, 2), (6, 2)] * 2,
    ]
    assert [x[0].tolist() for x, *_ in found] == [[2, 1], [3, 4]]  # sums of lengths 2, 5, 6, 11


def test_examples_without_any_data_have_one_step():
    assert lengths_of(np.zeros((4, 2))).tolist() == [1, 1]


def test_buckets_want_a_mask():
    with pytest.raises(ConfigError, match='bucket=True sorts .* needs a mask or a list of seq'):
        Arrays([np.ones((3, 4, 1))], [1], 2, bucket=True, masks=[None])


# --- conversion ---


class Frame:
    """Something that NumPy can read but does not know."""

    def __array__(self, dtype=None, copy=None):
        return np.array([[1, 2], [3, 4]], dtype or 'int64')


GOOD = {
    'float64': np.array([[1.0, 2.0], [3.0, 4.0]]),
    'float16': np.array([[1, 2], [3, 4]], 'float16'),
    'int64': np.array([[1, 2], [3, 4]]),
    'uint8': np.array([[1, 2], [3, 4]], 'uint8'),
    'fortran': np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
    'strided': np.arange(1.0, 9.0).reshape(2, 4)[:, ::2] // 2 + 1,
    'big endian': np.array([[1.0, 2.0], [3.0, 4.0]], '>f8'),
    'list': [[1, 2.0], [3, 4]],
    'tuple': ((1, 2), (3, 4)),
    'objects': np.array([[1, 2.0], [np.float32(3), 4]], dtype=object),
    'like an array': Frame(),
    'masked': np.ma.array([[1.0, 2.0], [3.0, 4.0]]),
}


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('kind', GOOD)
def test_numbers_of_any_kind_are_converted(kind, dtype):
    found = as_array('x', GOOD[kind], dtype)
    assert type(found) is np.ndarray
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, [[1, 2], [3, 4]])


def test_booleans_are_zeros_and_ones():
    np.testing.assert_array_equal(as_array('x', [True, False], 'float32'), [1, 0])


def test_an_array_that_is_right_already_is_not_copied():
    given = np.ones((2, 2), 'float32')
    assert as_array('x', given, 'float32') is given


def test_whole_numbers_are_labels_whatever_their_type():
    for given in ([0, 2], np.array([0.0, 2.0]), np.array([0, 2], 'uint8')):
        found = as_array('y', given, 'int64')
        assert found.dtype == np.int64
        assert found.tolist() == [0, 2]


BAD = [
    ([1.0, np.nan], DataError, r'x contains nan at index \(1,\)'),
    ([[1.0], [-np.inf]], DataError, r'x contains -inf at index \(1, 0\)'),
    ([1e300], DataError, r'x contains 1e\+300 at index \(0,\), which does not fit float32'),
    (['a', 'b'], DataError, 'x must be real numbers; got an array of <U1'),
    ([1j], DataError, 'x must be real numbers; got an array of complex128'),
    (np.array(['2020-01-01'], 'datetime64[D]'), DataError, 'got an array of datetime64'),
    ([], DataError, r'x is empty: its shape is \(0,\)'),
    (np.ones((3, 0)), DataError, r'x is empty: its shape is \(3, 0\)'),
    ([[1, 2], [3]], ShapeError, 'x is ragged.*pad it to one length'),
    (None, DataError, 'x must be an array of numbers; got NoneType'),
    ('abc', DataError, 'x must be an array of numbers; got str'),
    ({'a': 1}, DataError, 'x must be an array of numbers; got dict'),
    (scipy.sparse.eye(3).tocsr(), DataError, r'x must be .* got csr_matrix.*make it dense with'),
    (
        np.array([1, None], object),
        DataError,
        'x must be real numbers; it contains None, a NoneType',
    ),
    (np.array([1, 'z'], object), DataError, "it contains 'z', a str"),
]


@pytest.mark.parametrize(('value', 'error', 'message'), BAD, ids=[m[:30] for *_, m in BAD])
def test_what_is_not_usable_is_refused_by_name(value, error, message):
    with pytest.raises(error, match=message):
        as_array('x', value, 'float32')


def test_labels_must_be_whole_numbers():
    with pytest.raises(DataError, match=re.escape('y must be whole numbers (class labels)')):
        as_array('y', [0.5, 1.0], 'int64')
