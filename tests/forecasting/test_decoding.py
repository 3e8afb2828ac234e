"""What an encoder and a decoder read and predict, against loops over single steps."""

from dataclasses import replace

import numpy as np
import pytest

from rnnkit.forecasting import building, decoding, features, windows
from rnnkit.forecasting.design import decide
from rnnkit.forecasting.series import Series


def histories(lengths=(60,), horizon=3):
    rng = np.random.default_rng(0)
    series = [
        Series(
            None, 'y', rng.standard_normal(n).cumsum(), rng.random((n, 1)), rng.random((n, 2)),
            np.zeros(0), None,
        )
        for n in lengths
    ]  # fmt: skip
    moments = {
        kind: features.moments([getattr(one, name) for one in series])
        for kind, name in (('known', 'future'), ('past', 'past'))
    }
    plan = decide(
        series, 4, (1, 4), horizon, horizon, scale='mean_abs', log=False, base='seasonal',
        calendar=False, moments=moments, decodes=True,
    )  # fmt: skip
    found = building.build(series, plan, horizon + 1)
    for one, end in zip(series, found.end, strict=True):
        found.known[end : end + horizon] = one.future[:horizon]
    return plan, found


def test_the_decoder_reads_what_is_known_of_each_step():
    plan, found = histories()
    for t in (20, 59):
        at = found.begin + t
        y, known = found.y[found.begin[0] :], found.known[found.begin[0] :]
        x = decoding.ahead(plan, found, at, np.zeros(1, int))
        scale = found.unit[at][0]
        mean, deviation = plan.moments['known']
        assert x.shape == (3, 1, 2 + 1 + 4)
        for k in (1, 2, 3):
            base = y[t + k - 4]
            usual = np.mean([y[t + k - 4 * j] for j in (1, 2, 3, 4)])
            expected = [0, (usual - base) / scale, k / 3]
            expected += list((known[t + k] - mean) / deviation)
            unit = np.mean(abs(y[4 : t + 1] - y[: t - 3])) / scale
            expected += list((known[t + k] - known[t + k - 4]) / deviation * unit)
            np.testing.assert_allclose(x[k - 1, 0], expected, rtol=1e-5, atol=1e-6)


def test_the_encoder_reads_the_steps_up_to_the_origin():
    plan, found = histories()
    at = found.begin + 50
    x = decoding.past(plan, found, at, np.zeros(1, int), 32)
    steps = found.begin[0] + np.arange(19, 51)
    expected = features.read(replace(plan, horizon=1), found, steps, np.zeros(32, int))
    assert x[:, 0].tolist() == expected.tolist()


def test_short_series_begin_with_copies_of_their_first_features():
    plan, found = histories((60, 12))
    at = found.end - 1
    x = decoding.past(plan, found, at, np.arange(2), 32)
    begin = found.first[1] - found.begin[1]
    alone = decoding.past(plan, found, at[1:], np.ones(1, int), 12 - begin)
    assert x.shape[:2] == (32, 2)
    assert x[-(12 - begin) :, 1].tolist() == alone[:, 0].tolist()
    assert (x[: 32 - 12 + begin, 1] == alone[0, 0]).all()


@pytest.mark.parametrize('source', [windows, decoding])
def test_nothing_is_learned_from_values_that_are_held_out(source):
    plan, found = histories((60, 16))
    stop = found.end - 5
    before = source.draw(plan, found, stop, 12, 200)(np.random.default_rng(0))
    again = source.draw(plan, found, stop, 12, 200)(np.random.default_rng(0))
    for end in stop:
        found.y[end : end + 5] = 1e6
    after = source.draw(plan, found, stop, 12, 200)(np.random.default_rng(0))
    weights = before[-1]
    assert weights.mean() > 0.4
    if source is windows:  # a short window goes on, with weights of 0
        for batch in (before, again, after):
            batch[0] = batch[0][weights.any(axis=-1)]
    for parts in zip(before, again, after, strict=True):
        assert parts[0].tolist() == parts[1].tolist() == parts[2].tolist()


@pytest.mark.parametrize('source', [windows, decoding])
def test_there_are_no_batches_of_series_that_are_too_short_or_constant(source):
    plan, found = histories((60, 12))
    assert source.draw(plan, found, found.first + 1, 32, 8) is None
    found.unit[:] = 0
    assert source.draw(plan, found, found.end, 32, 8) is None


def test_windows_for_validation_count_only_forecasts_of_the_tails():
    plan, found = histories((60, 30, 12))
    tail = np.array([8, 0, 2])
    x, y, weights = windows.ends(plan, found, tail, 12, np.random.default_rng(0))
    assert x.shape[:2] == (20, 2)
    start = np.array([found.end[0] - 20, found.first[2]])
    for column, k in enumerate((0, 2)):
        for t in range(20):
            at = start[column] + t
            for j in (1, 2, 3):
                counts = at + 1 >= found.end[k] - tail[k] and at + j < found.end[k]
                assert weights[t, column, j - 1] == counts
                if counts:
                    expected = (found.y[at + j] - found.y[at + j - 4]) / found.unit[at]
                    assert y[t, column, j - 1] == np.float32(expected)


def test_validation_is_on_whole_horizons_of_the_tails():
    plan, found = histories((60, 30))
    tail = np.array([8, 0])
    x, known, y, weights = decoding.ends(plan, found, tail, 32, np.random.default_rng(0))
    steps = [found.end[0] - 1 - left[0] for _, left in windows.judged(tail, 3)]
    assert [int(at - found.begin[0]) for at in steps] == [51, 52, 53, 54, 55, 56]
    assert (weights == 1).all()
    assert y.shape == (3, 6, 1)
    assert known.shape[:2] == (3, 6)
    assert x.shape[:2] == (32, 6)
    for column, at in enumerate(steps):
        scale = found.unit[at]
        expected = [(found.y[at + k] - found.y[at + k - 4]) / scale for k in (1, 2, 3)]
        np.testing.assert_allclose(y[:, column, 0], expected, rtol=1e-5, atol=1e-6)
