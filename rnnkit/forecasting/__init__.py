"""Forecasts of time series, and how good they are."""

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
