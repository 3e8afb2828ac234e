"""Calibrated intervals: their coverage, their width for noisy series, and dependent paths."""

import numpy as np
import pytest

from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.outputs import Points


def coverage_of(make, n_groups, rows, h, level, repetitions, rng):
    """Return the share of later targets in the interval, for each repetition."""
    shares = []
    for _ in range(repetitions):
        noise = np.exp(rng.normal(0, 0.5, n_groups))
        groups = np.repeat(np.arange(n_groups), rows)
        y = make(rng, noise[groups], h)
        forecasts = rng.standard_normal(y.shape)
        fitted = Calibration.fit(Points(forecasts), forecasts + y, np.ones_like(y), groups)
        dist = fitted.apply(Points(np.zeros((n_groups, h))), np.arange(n_groups))
        later = make(rng, noise, h)
        low, high = dist.quantile((1 - level) / 2), dist.quantile((1 + level) / 2)
        shares.append(((low <= later) & (later <= high)).mean())
    return np.array(shares)


def errors(rng, noise, h):
    """Return heavy-tailed errors that grow with the number of steps."""
    return rng.standard_t(4, (len(noise), h)) * noise[:, None] * np.sqrt(np.arange(1, h + 1))


@pytest.mark.parametrize('level', [0.5, 0.8, 0.95])
@pytest.mark.parametrize(
    ('n_groups', 'rows', 'h', 'repetitions'), [(1, 8, 6, 300), (20, 5, 6, 60), (150, 4, 12, 6)]
)
def test_coverage_of_exchangeable_errors(n_groups, rows, h, repetitions, level, rng):
    shares = coverage_of(errors, n_groups, rows, h, level, repetitions, rng)
    # Intervals share the errors that they are made of: 4 standard errors over repetitions, and
    # one point, since the scales are estimated from the same errors.
    assert abs(shares.mean() - level) < 4 * shares.std() / np.sqrt(repetitions) + 0.01
