"""Forecasts of time series by one network for any number of them."""
