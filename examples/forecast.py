"""Forecast airline passengers a year ahead, with intervals, and judge the forecasts.

Copy this to forecast a series of your own: `fit`, `forecast` with intervals, and a backtest that
compares with naive forecasts.

The series has 144 values: international airline passengers in each month from 1949 to 1960, in
thousands (Box & Jenkins 1970, series G). They grow, and so do their seasons. The last year is held
out: a `rnnkit.Forecaster` learns from the eleven years before.

One year is too short to judge by. A backtest also forecasts the years before it, each from the
values up to then, with a network that was trained on nothing later. Its table compares the network
with two naive forecasts: the same month of the last year, and the last value.

The error is the mean absolute error in the held-out year, divided by that of repeating last year's
values. For a series as short as this one, compare with exponential smoothing before you choose a
network; see docs/forecast.rst.
"""

import sys

import common
import numpy as np

import rnnkit
from rnnkit import forecasting


def main(*, horizon=12, form='lstm', size=32, ensemble=1, updates=None, windows=3, seed=1):
    """Fit a forecaster, judge it by a backtest, and forecast the months that are held out."""
    series = rnnkit.datasets.airline_passengers()
    past, future = series[:-horizon], series[-horizon:]
    forecaster = rnnkit.Forecaster(
        form, size, horizon, season=12, ensemble=ensemble, updates=updates, seed=seed
    )
    forecaster.fit(past)
    try:
        backtest = forecaster.backtest(windows)
    except rnnkit.DataError as error:
        sys.exit(f'--windows or --horizon must be smaller: {error}')
    print(backtest, end='\n\n')

    forecast = forecaster.forecast(level=(80, 95))
    print('month    passengers  forecast      80 %')
    months = np.datetime64('1949-01') + np.arange(len(series))
    lower, upper = forecast.lower[80], forecast.upper[80]
    for row in zip(months[-horizon:], future, forecast.mean, lower, upper, strict=True):
        print('{}  {:9.0f} {:9.0f}  {:4.0f} to {:3.0f}'.format(*row))
    repeat = forecasting.mae(future, forecasting.seasonal_naive(past, horizon, 12))
    results = {
        'error': forecasting.mae(future, forecast.mean) / repeat,
        'repeat': repeat,
        'coverage': forecasting.coverage(future, lower, upper),
        'updates': forecaster.networks[0].history[-1]['updates'],
    }
    return results, (months, series, forecast)


def draw(figure, months, series, forecast):
    """Draw the last years of the series, and the forecast of the last one with its intervals."""
    axes, ahead = figure.subplots(), months[-len(forecast) :]
    for level, alpha in ((95, 0.15), (80, 0.3)):
        ends = forecast.lower[level], forecast.upper[level]
        name = f'{level} % interval'
        axes.fill_between(ahead, *ends, color='tab:blue', alpha=alpha, lw=0, label=name)
    axes.plot(months[-72:], series[-72:], '.-', color='0.3', lw=1, ms=4, label='passengers')
    axes.plot(ahead, forecast.mean, color='tab:blue', lw=2, label='forecast')
    axes.axvline(ahead[0], color='0.3', ls=':', lw=1, label='held out from here')
    axes.set(
        xlabel='month', ylabel='passengers in thousands', title='International airline passengers'
    )
    common.legend(axes, 5)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            "mean absolute error: {error:.3f} times that of last year's values, {repeat:.1f}; "
            '{coverage:.0%} are in the intervals of 80 %'
        ),
        tolerance=0.4,
        horizon='months to forecast, such as 12 or 24',
        updates=dict(type=int, help='maximum number of updates; if not given, by the data'),
        windows='forecasts of the backtest',
    )
