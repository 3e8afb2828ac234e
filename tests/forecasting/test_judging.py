"""Forecasts of held-out values, and the decisions that follow from them."""

import numpy as np
import pytest

import rnnkit
from rnnkit.forecasting import fitting, judging, windows
from rnnkit.forecasting.outputs import Points

SMALL = dict(form='gru', size=4, horizon=6, updates=5, batch_size=8, ensemble=1, seed=0)


def fit(y, **options):
    return rnnkit.Forecaster(**SMALL | options).fit(y)._fitted


@pytest.mark.parametrize(('held_out', 'share'), [(2, 0), (6, 0), (10, 1), (200, 1)])
def test_the_fewer_forecasts_the_more_must_they_improve_on_the_base(held_out, share):
    """The gain is 1 % of the base's error; from n forecasts at least 2 % / sqrt(n) is needed."""
    forecasts = np.ones((200, 2))
    targets = np.ones((200, 2))
    targets[:99] = -1
    judged = judging.Judged(Points(forecasts), targets, np.ones((200, 2)), np.zeros(200), held_out)
    assert judged.shrink() == share


def test_the_share_of_corrections_has_the_least_error():
    forecasts = np.random.default_rng(0).standard_normal((50, 2))
    weights = np.ones((50, 2))
    weights[:5] = 0
    targets = np.where(weights > 0, 0.35 * forecasts, 100.0)
    judged = judging.Judged(Points(forecasts), targets, weights, np.zeros(50), 100)
    assert judged.shrink() == pytest.approx(0.35)


@pytest.mark.filterwarnings(r'ignore:fit\(\). y has \d+ values, too few to hold out')
def test_errors_of_the_base_are_added_to_few_held_out_values():
    y = np.random.default_rng(1).standard_normal(60).cumsum()
    for n, is_enough in ((9, False), (60, True)):
        fitted = fit(y[:n])
        tail = fitting.tails(fitted.histories, 6)
        found = judging.on_tails(fitted.model, fitted.histories, tail, fitted.options)
        assert found.is_enough == is_enough
        held_out = tail.sum() + (0 if is_enough else n)
        assert fitted.calibration.independent == held_out / 6


def test_drawn_paths_are_judged_at_each_step_of_the_tails():
    series = [np.random.default_rng(n).standard_normal(n).cumsum() for n in (30, 100)]
    fitted = fit(series, mode='recursive', output='gaussian', base='naive', log=False)
    model, histories = fitted.model, fitted.histories
    tail = fitting.tails(histories, 6)
    found = judging.on_tails(model, histories, tail, fitted.options)
    rng, row = np.random.default_rng(0), 0
    for series, left in windows.judged(tail, 6):
        one = model.forecast(histories, series, histories.end[series] - left, 6, rng)
        rows = slice(row, row + len(series))
        assert found.forecasts.point()[rows].tolist() == one.point().tolist()
        row = rows.stop
    assert row == len(found.targets)
