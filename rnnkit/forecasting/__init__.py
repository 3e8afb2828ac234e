"""Forecasts of time series by one network for any number of them, and how good they are."""

from rnnkit.forecasting.answers import Forecast
from rnnkit.forecasting.backtest import Backtest
from rnnkit.forecasting.forecaster import Forecaster
from rnnkit.forecasting.naive_forecasts import naive, naive2, seasonal_naive
from rnnkit.forecasting.scores import (
    coverage,
    mae,
    mase,
    msis,
    owa,
    rmse,
    smape,
    weighted_quantile_loss,
)
from rnnkit.forecasting.scores_table import Scores, compare

__all__ = [
    'Backtest',
    'Forecast',
    'Forecaster',
    'Scores',
    'compare',
    'coverage',
    'mae',
    'mase',
    'msis',
    'naive',
    'naive2',
    'owa',
    'rmse',
    'seasonal_naive',
    'smape',
    'weighted_quantile_loss',
]
