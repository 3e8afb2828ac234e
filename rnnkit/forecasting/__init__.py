"""Forecasts of time series by one network for any number of them."""

from rnnkit.forecasting.answers import Forecast
from rnnkit.forecasting.forecaster import Forecaster

__all__ = ['Forecast', 'Forecaster']
