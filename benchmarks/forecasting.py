"""Forecast the hourly series of the M4 competition with `rnnkit.Forecaster` and its defaults.

    python benchmarks/forecasting.py FOLDER

FOLDER has Hourly-train.csv.gz and Hourly-test.csv.gz, from https://github.com/Mcompetitions/M4-methods.
The last 48 values of each series are forecast: sMAPE, MASE and OWA are the competition's, with the
scores of its Naive2. The test values choose nothing: `--tail` forecasts the 48 values before them
instead, by which the defaults were chosen.

`--single FOLDER` forecasts single series from several of their ends, each by a forecaster that was
fitted to the values before: airline-passengers.csv, monthly-sunspots.csv and
daily-min-temperatures.csv of https://github.com/jbrownlee/Datasets.
`--short` makes 3,000 series of 100 values, and prints the time to fit and to forecast them.
`--torch` trains the same network on the same windows in PyTorch; `--neuralforecast` trains the LSTM
of that library on the same series, with as many updates.
"""

import argparse
import csv
import gzip
import sys
import time
from pathlib import Path

import numpy as np

import rnnkit
from rnnkit import forecasting

HORIZON, SEASON = 48, 24
NAIVE2 = {'smape': 18.383, 'mase': 2.395}  # published by the competition


def read(path):
    """Return the series of a file of the competition."""
    with gzip.open(path, 'rt') as lines:
        rows = list(csv.reader(lines))[1:]
    return [np.array([float(value) for value in row[1:] if value]) for row in rows]


def scores(forecasts, future, past):
    """Return sMAPE and MASE of all series, and the OWA beside the published scores of Naive2."""
    found = {
        'smape': forecasting.smape(future, forecasts),
        'mase': forecasting.mase(future, forecasts, past, SEASON),
    }
    return found | {'owa': float(np.mean([found[name] / NAIVE2[name] for name in NAIVE2]))}


def competition(past, future, seeds, options):
    """Print the scores of several seeds."""
    all_found = []
    for seed in range(seeds):
        start = time.perf_counter()
        forecaster = rnnkit.Forecaster(horizon=HORIZON, season=SEASON, seed=seed, **options)
        forecaster.fit(past)
        fitted = time.perf_counter()
        found = forecaster.forecast(level=(80, 95))
        end = time.perf_counter()
        result = scores([one.mean for one in found], future, past)
        for level in (80, 95):
            lower, upper = zip(
                *[(one.lower[level], one.upper[level]) for one in found], strict=True
            )
            result[f'coverage {level}'] = 100 * forecasting.coverage(future, lower, upper)
        result |= {'fit': fitted - start, 'forecast': end - fitted}
        all_found.append(result)
        print(
            f'seed {seed}:', ', '.join(f'{name} {x:.3f}' for name, x in result.items()), flush=True
        )
    owa = [one['owa'] for one in all_found]
    print(f'OWA: mean {np.mean(owa):.3f}, standard deviation {np.std(owa):.3f}')


def short(number=3000, length=100):
    """Print the time for many short series."""
    rng, t = np.random.default_rng(0), np.arange(length)
    phase = rng.uniform(0, 6, (number, 1))
    series = 10 + np.sin(t * np.pi / 6 + phase) + 0.3 * rng.standard_normal((number, length))
    start = time.perf_counter()
    forecaster = rnnkit.Forecaster(horizon=12, season=12, seed=0).fit(list(series))
    fitted = time.perf_counter()
    forecaster.forecast()
    end = time.perf_counter()
    print(f'{number} series: fit {fitted - start:.1f} s, forecast {end - fitted:.1f} s')


# Files, seasons, horizons, and from how many ends they are forecast.
SINGLE = [
    ('airline-passengers', 12, 12, 6),
    ('airline-passengers', 12, 24, 4),
    ('monthly-sunspots', None, 24, 6),
    ('daily-min-temperatures', 365, 14, 4),
    ('daily-min-temperatures', 7, 14, 6),
]


def single(folder):
    """Print the MASE of single series, beside that of naive forecasts."""
    for name, season, horizon, ends in SINGLE:
        rows = (folder / f'{name}.csv').read_text('utf-8').split('\n')[1:]
        y = np.array([float(row.split(',')[1]) for row in rows if ',' in row])
        lag, found = season or 1, []
        for k in range(ends):
            past, future = np.split(y[: len(y) - k * horizon], [len(y) - (k + 1) * horizon])
            forecaster = rnnkit.Forecaster(horizon=horizon, season=season, seed=k).fit(past)
            forecasts = (
                forecaster.forecast(),
                forecasting.naive(past, horizon),
                forecasting.seasonal_naive(past, horizon, lag),
            )
            found.append([forecasting.mase(future, each, past, lag) for each in forecasts])
        shown = ', '.join(f'{mean:.2f}' for mean in np.mean(found, axis=0))
        print(f'{name}, season {season}, horizon {horizon}: {shown}', flush=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description='Forecast the hourly series of M4.')
    parser.add_argument('folder', type=Path, nargs='?', help='where the files are')
    parser.add_argument('--seeds', type=int, default=3, help='how many forecasters are fitted')
    parser.add_argument('--ensemble', type=int, default=None, help='networks of each')
    parser.add_argument('--output', default='point', help='the output of the networks')
    parser.add_argument('--tail', action='store_true', help='forecast the training data')
    parser.add_argument('--single', type=Path, metavar='FOLDER', help='single series')
    parser.add_argument('--short', action='store_true', help='many short series')
    parser.add_argument('--torch', action='store_true', help='time PyTorch, too')
    parser.add_argument('--neuralforecast', action='store_true', help='time neuralforecast, too')
    given = parser.parse_args()
    if given.short:
        short()
    if given.single:
        print('MASE of the forecaster, the last value, the last season')
        single(given.single)
    if given.folder:
        train, test = (read(given.folder / f'Hourly-{part}.csv.gz') for part in ('train', 'test'))
        if given.tail:
            train, test = ([y[:-HORIZON] for y in train], [y[-HORIZON:] for y in train])
        options = {'output': given.output}
        if given.ensemble:
            options['ensemble'] = given.ensemble
        if given.torch or given.neuralforecast:
            from contenders import forecasters

            forecasters.compare(train, given.torch, given.neuralforecast)
        else:
            competition(train, test, given.seeds, options)
    elif not (given.short or given.single):
        sys.exit('name the FOLDER, or pass --single or --short')
