"""Forecast the passengers of airlines a year ahead, with intervals, and judge the forecasts.

The series has 144 values: international airline passengers in each month from 1949 to 1960, in
thousands (Box & Jenkins 1970, series G). They grow, and so do their seasons. The last year is held
out: a `rnnkit.Forecaster` learns from the eleven years before.

One year is too short to judge by. A backtest also forecasts the years before it, each from the
values up to then, with a network that was trained on nothing later. Its table compares the network
with two naive forecasts: the same month of the last year, and the last value.

The program reports the mean absolute error in the held-out year, divided by the error of repeating
last year's values. For a series as short as this one, compare with exponential smoothing before you
choose a network; see docs/forecast.rst.
"""

import argparse
import sys

import numpy as np

import rnnkit
from rnnkit import forecasting

# Thousands in each month, a year in each row.
PASSENGERS = """
112 118 132 129 121 135 148 148 136 119 104 118
115 126 141 135 125 149 170 170 158 133 114 140
145 150 178 163 172 178 199 199 184 162 146 166
171 180 193 181 183 218 230 242 209 191 172 194
196 196 236 235 229 243 264 272 237 211 180 201
204 188 235 227 234 264 302 293 259 229 203 229
242 233 267 269 270 315 364 347 312 274 237 278
284 277 317 313 318 374 413 405 355 306 271 306
315 301 356 348 355 422 465 467 404 347 305 336
340 318 362 348 363 435 491 505 404 359 310 337
360 342 406 396 420 472 548 559 463 407 362 405
417 391 419 461 472 535 622 606 508 461 390 432
"""


def passengers():
    """Return the series, of shape (144,)."""
    return np.array(PASSENGERS.split(), dtype=float)


def main(
    *, horizon=12, form='lstm', size=32, ensemble=1, updates=None, windows=3, seed=1, plot=None
):
    """Fit a forecaster, judge it by a backtest, and forecast the months that are held out.

    Returns
    -------
    results : dict
        ``'error'``, the mean absolute error divided by ``'repeat'``, the error of the seasonal
        naive forecast; the ``'coverage'`` of the intervals of 80 %; the number of ``'updates'``.
    """
    series = passengers()
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
    if plot:
        draw(plot, forecaster, future)
    repeat = forecasting.mae(future, forecasting.seasonal_naive(past, horizon, 12))
    return {
        'error': forecasting.mae(future, forecast.mean) / repeat,
        'repeat': repeat,
        'coverage': forecasting.coverage(future, lower, upper),
        'updates': forecaster.networks[0].history[-1]['updates'],
    }


def draw(path, forecaster, future):
    """Draw the end of the series, its forecast with intervals, and the held-out values."""
    try:
        forecaster.plot(path, truth=future, past=60)
    except ImportError as error:
        print(f'no picture: {error}')
        return
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Forecast the passengers of airlines, with intervals.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--horizon', type=int, metavar='N', help='months to forecast, such as 12 or 24')
    option('--form', choices=('rnn', 'lstm', 'gru'), help='form of the recurrent layer')
    option('--size', type=int, metavar='H', help='number of its units')
    option('--ensemble', type=int, metavar='N', help='networks whose forecasts are averaged')
    option(
        '--updates',
        type=int,
        metavar='N',
        help='maximum number of updates; by default it depends on the data',
    )
    option('--windows', type=int, metavar='N', help='forecasts of the backtest')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.4)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f"mean absolute error: {results['error']:.3f} times that of last year's values, "
        f'{results["repeat"]:.1f}; {results["coverage"]:.0%} are in the intervals of 80 %'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
