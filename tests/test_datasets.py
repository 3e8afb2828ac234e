"""Tests of the small data sets."""

import numpy as np
import pytest

import rnnkit
from rnnkit.datasets import airline_passengers, waves


def test_airline_passengers():
    series = airline_passengers()
    # Known of the series: its length, first and last values, greatest value and mean.
    assert series.shape == (144,)
    assert (series[0], series[-1], series.max()) == (112, 432, 622)
    assert round(series.mean(), 2) == 280.30
    series[:] = 0  # the caller's own copy
    assert airline_passengers()[0] == 112


def test_waves_without_noise_have_their_form():
    sequences, names = waves(60, noise=0, lengths=(5, 9), seed=3)
    assert len(sequences) == len(names) == 60
    assert {len(one) for one in sequences} == {5, 6, 7, 8, 9}
    assert set(names) == {'sine', 'square', 'sawtooth'}
    for one, name in zip(sequences, names, strict=True):
        assert one.shape[1:] == (1,)
        assert one.dtype == np.float32
        steps = np.diff(one[:, 0])
        assert (set(np.abs(one[:, 0])) == {1}) == (name == 'square')
        if name == 'sawtooth':  # rises in equal steps, of one period in 8 to 16, and falls by 2
            rise = steps[steps > 0]
            np.testing.assert_allclose(rise, rise[0], rtol=1e-4)
            assert 2 / 16 <= rise[0] <= 2 / 8
            np.testing.assert_allclose(steps[steps < 0], rise[0] - 2, rtol=1e-4)
        if name == 'sine':  # x[t + 1] + x[t - 1] = 2 cos(2 pi / period) x[t]
            inner = one[1:-1, 0]
            ratio = (one[2:, 0] + one[:-2, 0])[np.abs(inner) > 0.1] / inner[np.abs(inner) > 0.1]
            np.testing.assert_allclose(ratio, ratio[0], atol=1e-4)


def test_seeds_of_waves():
    first, names = waves(5, seed=1)
    again, same = waves(5, seed=1)
    other, _ = waves(5, seed=2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert (names == same).all()
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (dict(n=0), r'waves\(\): n must be a whole number of at least 1; got 0'),
        (dict(n=1, lengths=5), r'lengths must be the least and the greatest number .*; got 5'),
        (dict(n=1, lengths=(5, 4)), r'the greatest length must be a whole number of at least 5'),
        (dict(n=1, noise=-1), r'noise must be a finite number of at least 0; got -1'),
        (dict(n=1, sed=1), r"unknown option 'sed', did you mean 'seed'\?"),
    ],
)
def test_wrong_options_of_waves(given, message):
    with pytest.raises(rnnkit.ConfigError, match=message):
        waves(**given)
