"""Windows of long series: in order with a flag, at random, and streams side by side."""

from itertools import islice, pairwise

import numpy as np
import pytest
from disk import mapped
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnkit.common.checks import generator
from rnnkit.data.datasets import build, frozen
from rnnkit.data.windows import Window, Windows, batches, fold, is_fresh
from rnnkit.errors import ConfigError, ShapeError

quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def windows(T=10, B=3, steps=4, batch_size=None, n_batches=None):
    """Return windows of x (T, B, 1), a static input (B, 1) and y (T, B), all with numbers."""
    numbers = np.arange(float(T * B)).reshape(T, B)
    static = np.arange(float(B))[:, None]
    return Windows(
        [numbers[..., None], static, numbers], [1, 0, 1], [0, None, 0], steps, batch_size, n_batches
    )


@quick
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 12), st.integers(1, 5))
def test_the_windows_of_each_series_joined_are_the_series(T, B, steps, batch_size):
    dataset = windows(T, B, steps, batch_size)
    found, series = [], []
    for window in dataset:
        assert all(a.flags.c_contiguous for a in window)
        if window.fresh:
            series.append([])
        series[-1].append(window)
    for group in series:
        x, static, y = (
            np.concatenate(p) if k != 1 else p[0] for k, p in enumerate(zip(*group, strict=True))
        )
        assert all(np.array_equal(window[1], static) for window in group)
        np.testing.assert_array_equal(x[..., 0], y)
        assert y.shape[1] <= batch_size
        np.testing.assert_array_equal(y[0], static[:, 0])  # the series' own numbers
        found.append(y)
    np.testing.assert_array_equal(np.concatenate(found, axis=1), np.arange(T * B).reshape(T, B))


def test_a_short_last_window_is_kept():
    assert [len(y) for *_, y in windows(10, steps=4)] == [4, 4, 2]
    assert [len(y) for *_, y in windows(8, steps=4)] == [4, 4]
    assert [len(y) for *_, y in windows(3, steps=4)] == [3]


def test_only_the_first_window_of_a_series_is_fresh():
    assert [w.fresh for w in windows(10, 3, 4)] == [True, False, False]
    assert [w.fresh for w in windows(10, 3, 4, 2)] == [True, False, False] * 2


def test_each_reading_of_all_windows_is_the_same():
    dataset = windows()
    first, second = list(dataset), list(dataset)
    assert [w.fresh for w in first] == [w.fresh for w in second]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a[2], b[2])
    assert frozen(dataset) is dataset


def test_a_part_of_the_windows_goes_on_where_the_last_part_ended():
    dataset = windows(10, 1, 4, n_batches=2)
    assert [[w.fresh for w in dataset] for _ in range(3)] == [
        [True, False],
        [False, True],
        [False, False],
    ]
    kept = frozen(dataset.in_order(2))
    assert [w.fresh for w in kept] == [w.fresh for w in kept] == [True, False]


def test_other_axes_can_be_time_and_batch():
    x = np.arange(20.0).reshape(2, 10)  # (B, T)
    found = list(Windows([x], [0], [1], 6))
    np.testing.assert_array_equal(np.concatenate([w[0] for w in found], axis=1), x)


def test_arrays_must_have_one_length():
    with pytest.raises(ShapeError, match=r'one length in time; got \[3, 4\]'):
        Windows([np.ones((3, 1)), np.ones((4, 1))], [1, 1], [0, 0], 2)
    with pytest.raises(ConfigError, match='steps must be a whole number of at least 1; got 0'):
        windows(steps=0)


def test_arrays_that_are_built_in_another_way():
    def make(arrays, axes, batch_size, n_batches, rng):
        return Windows(arrays, axes, [0], 2, batch_size, n_batches)

    found = build(np.ones((5, 3)), lambda a, where: [a], [1], 'train', 2, make=make)
    assert [w[0].shape for w in found] == [(2, 2), (2, 2), (1, 2), (2, 1), (2, 1), (1, 1)]


def test_a_callable_may_return_windows():
    given_ = iter([Window([1], True), Window([2], False), [3]])
    stream = build(given_.__next__, lambda b, where: [10 * b[0]], [], 'train', 32, 3)
    assert [(is_fresh(b), b) for b in stream] == [(True, [10]), (False, [20]), (True, [30])]


# --- streams side by side ---


@quick
@given(st.integers(1, 40), st.integers(1, 6), st.sampled_from([(), (2,)]))
def test_streams_put_end_to_end_are_the_series(total, streams, features):
    series = np.arange(total * max(1, *features, 1)).reshape(total, *features)
    if total < streams:
        with pytest.raises(ShapeError, match=f'{total} steps cannot be cut into {streams}'):
            fold(series, streams)
        return
    found = fold(series, streams)
    T = total // streams
    assert found.shape == (T, streams, *features)
    joined = np.concatenate([found[:, k] for k in range(streams)])
    np.testing.assert_array_equal(joined, series[: T * streams])
    np.testing.assert_array_equal(fold(series, streams, 'batch').swapaxes(0, 1), found)


def test_windows_of_streams_go_on_across_batches():
    text = fold(np.arange(23), 2)  # (11, 2)
    found = list(Windows([text], [1], [0], 4))
    for a, b in pairwise(found):
        np.testing.assert_array_equal(a[0][-1] + 1, b[0][0])


# --- windows at random ---

T = 50
SERIES = [np.arange(T), np.arange(float(T))[:, None] * [1, 100]]


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_random_windows_are_parts_of_all_series_alike(layout):
    a, b = batches(SERIES, 7, 40, rng=0, layout=layout)()
    assert b.shape == ((7, 40, 2) if layout == 'time' else (40, 7, 2))
    np.testing.assert_array_equal(a, b[..., 0])
    np.testing.assert_array_equal(100 * a, b[..., 1])
    steps = a if layout == 'time' else a.T
    np.testing.assert_array_equal(np.diff(steps, axis=0), 1)
    assert a.dtype == SERIES[0].dtype


def test_random_windows_begin_anywhere_that_they_fit():
    starts = batches([np.arange(10)], 4, 500, rng=0)()[0][0]
    assert set(starts) == set(range(7))
    (whole,) = batches(np.arange(4), 4, 3)()
    np.testing.assert_array_equal(whole, np.arange(4)[:, None] * [1, 1, 1])


def test_the_seed_makes_the_windows_and_without_one_they_differ():
    def drawn(rng):
        draw = batches(np.arange(10**6), 2, 3, rng)
        return [draw()[0].tolist() for _ in range(3)]

    assert drawn(3) == drawn(3) == drawn(np.random.default_rng(3)) != drawn(4)
    assert drawn(None) != drawn(None)
    first, second, _ = drawn(3)
    assert first != second


def test_random_windows_train_as_a_callable():
    stream = build(batches(SERIES, 7, 4, rng=0), lambda b, where: b, [], 'train', 32, 3)
    assert [x.shape for x, _ in islice(stream, 2)] == [(7, 4), (7, 4)]


@pytest.mark.parametrize(
    ('arrays', 'options', 'error', 'message'),
    [
        (
            np.ones(9),
            {'steps': 10},
            ShapeError,
            'series has 9 steps; windows of 10 do not fit; try s',
        ),
        (
            [np.ones(9), np.ones(8)],
            {},
            ShapeError,
            r'arrays\[1\] has 8 steps, but arrays\[0\] has 9',
        ),
        (3.0, {}, ShapeError, 'arrays whose first axis is time'),
        ([], {}, ShapeError, 'arrays whose first axis is time'),
        (
            np.ones(9),
            {'steps': 0},
            ConfigError,
            'steps must be a whole number of at least 1; got 0',
        ),
        (
            np.ones(9),
            {'steps': 2, 'batch_size': 1.5},
            ConfigError,
            'batch_size must be a whole number',
        ),
        (
            np.ones(9),
            {'layout': 'b'},
            ConfigError,
            "layout must be one of 'time', 'batch'; got 'b'",
        ),
        (np.ones(9), {'steps': 2, 'rng': 'x'}, ConfigError, "rng must be a seed .* got 'x'"),
    ],
)
def test_random_windows_that_cannot_be_drawn(arrays, options, error, message):
    with pytest.raises(error, match=message):
        batches(arrays, **options)


def test_generators():
    rng = np.random.default_rng(1)
    assert generator(rng) is rng
    with pytest.raises(ConfigError, match='got -1'):
        generator(-1)
    with pytest.raises(ConfigError, match='got True'):
        generator(True)


def test_a_memory_map_is_folded_without_a_copy(tmp_path):
    array = mapped(tmp_path, np.arange(20.0).reshape(10, 2))
    for layout in ('time', 'batch'):
        folded = fold(array, 3, layout)
        assert np.shares_memory(folded, array)
        np.testing.assert_array_equal(folded, fold(np.array(array), 3, layout))
