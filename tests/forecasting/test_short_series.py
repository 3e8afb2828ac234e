"""Series that are too short to hold out a horizon."""

import warnings

import numpy as np
import pytest

from rnnkit import Forecaster
from rnnkit.forecasting import building, fitted, fitting
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.panel import read
from rnnkit.forecasting.series import Columns

QUICK = {'form': 'rnn', 'size': 2, 'updates': 2, 'ensemble': 1, 'seed': 0}
Y = np.random.default_rng(0).standard_normal(60) + 10


def test_a_series_without_room_for_a_horizon():
    with pytest.warns(UserWarning, match='too few') as caught:
        Forecaster(horizon=14, season=7, **QUICK).fit(Y[:5])
    assert [str(one.message) for one in caught] == [
        'fit(): y has 5 values, too few to hold out horizon=14 of them and to learn from the rest; '
        'the forecast is little more than a naive one, and intervals are rough. Two horizons and '
        'two seasons, 42 values, are the least'
    ]
    assert caught[0].filename == __file__


def test_what_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        Forecaster(horizon=4, season=3, **QUICK).fit([Y[:40], Y[:4], Y[:6]])
        Forecaster(horizon=14, season=7, validation=None, **QUICK).fit(Y[:5])


@pytest.mark.parametrize('horizon', [1, 2, 3, 5, 12, 24])
@pytest.mark.parametrize('season', [1, 2, 7, 12])
@pytest.mark.parametrize('base', ['naive', 'seasonal'])
def test_the_least_length_is_enough(horizon, season, base):
    if base == 'seasonal' and season == 1:
        return
    options = Forecaster(horizon=horizon, season=season, base=base, **QUICK).options
    assert isinstance(options, Options)
    n = fitting.least_length(horizon, season)
    panel = read('fit()', np.random.default_rng(1).standard_normal(n), None, Columns())
    design = fitted._design(panel, options)
    histories = building.build(panel.series, design, horizon + 1)
    assert fitting.long_enough(histories, horizon).all()
