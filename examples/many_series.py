"""Forecast many series by one network, and write the forecasts to a file.

    python many_series.py                                  # synthetic series
    python many_series.py shops/ --horizon 28 --season 7   # a folder: one series in each file
    python many_series.py sales.csv --horizon 28 --season 7 --out next.csv
    python many_series.py m4/ --horizon 48 --season 24     # the M4 competition: *-train.csv

A file of a folder has its values in the last column, in order of time. A single file is a long
frame: a column of ids, one of time stamps, one of values, as `--id`, `--time` and `--target` name
them. Empty cells are missing values. Files may be compressed by gzip.

One network learns from all series, each in units of its own changes. So they may be of any size,
and patterns that are learned from one help to forecast the others. The last values of each series
are held out, or come from the files ``*-test.csv`` of the competition. The program reports the mean
absolute scaled error (MASE) of their forecasts, divided by the error of repeating the last season.
With `--out`, the network is then trained on all values, and forecasts what comes next.

The synthetic series are visits of shops in each hour of some weeks: two peaks a day, other
week-ends, a slow trend, and noise.
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


def shops(n, weeks, rng):
    """Return synthetic series, hourly: a dict of arrays of different lengths."""
    series = {}
    for k in range(n):
        hours = np.arange(168 * weeks + int(rng.integers(0, 72)))
        day, free = hours % 24, (hours // 24) % 7 >= 5
        peaks = np.exp(-((day - rng.uniform(10, 13)) ** 2) / 6)
        peaks += rng.uniform(0.3, 1) * np.exp(-((day - rng.uniform(16, 19)) ** 2) / 6)
        level = rng.lognormal(5, 1) * np.exp(rng.normal(0, 0.15) * hours / len(hours))
        visits = level * (0.1 + peaks * np.where(free, rng.uniform(0.3, 1.5), 1))
        series[f'shop {k}'] = visits * rng.lognormal(0, 0.1, len(hours))
    return series


def rows(path):
    """Yield the rows of a CSV file as lists of texts."""
    opened = gzip.open if path.suffix == '.gz' else open
    with opened(path, 'rt', encoding='utf-8', newline='') as file:
        yield from csv.reader(file)


def number(text):
    """Return the number of a cell; NaN if it is empty."""
    return float(text) if text.strip() else np.nan


def read_long(path, names):
    """Return the series of a long frame: a dict of arrays, in order of time."""
    lines = rows(path)
    header = next(lines, [])
    missing = [name for name in names if name not in header]
    if missing:
        sys.exit(f'{path} has no columns {missing}; it has {header}: see --id, --time, --target')
    places = [header.index(name) for name in names]
    found = {}
    for line in lines:
        key, when, value = (line[place] for place in places)
        found.setdefault(key, []).append((when, number(value)))
    return {key: np.array([v for _, v in sorted(pairs)]) for key, pairs in found.items()}


def read_folder(folder):
    """Return the series of a folder, and what follows them, or None if nothing does."""
    paths = sorted(p for p in folder.iterdir() if '.csv' in p.suffixes)
    if not paths:
        sys.exit(f'{folder} has no CSV files')
    competition = [read_wide(folder, paths, part) for part in ('-train.', '-test.')]
    if all(competition):
        return competition
    return {path.name.partition('.')[0]: read_one(path) for path in paths}, None


def read_wide(folder, paths, part):
    """Return the series of a file of the M4 competition: one in each line, after its id."""
    chosen = [path for path in paths if part in path.name]
    if len(chosen) > 1:
        sys.exit(f'{folder} has several files {part}: {[path.name for path in chosen]}')
    lines = [line for path in chosen for line in list(rows(path))[1:]]
    return {line[0]: np.array([float(text) for text in line[1:] if text]) for line in lines}


def read_one(path):
    """Return the series of one file: its last column, without a header."""
    cells = [line[-1] for line in rows(path) if line]
    try:
        number(cells[0])
    except ValueError:
        cells = cells[1:]
    return np.array([number(cell) for cell in cells])


def read(path, names, horizon):
    """Return the series of a file or a folder, and what follows them."""
    path = Path(path)
    if not path.exists():
        sys.exit(f'there is no {path}')
    series, future = read_folder(path) if path.is_dir() else (read_long(path, names), None)
    if future:
        return series, {key: future[key][:horizon] for key in series}
    long = {key: values for key, values in series.items() if len(values) > 2 * horizon}
    print(f'{len(long)} of {len(series)} series have more than {2 * horizon} values')
    return apart(long, horizon)


def apart(series, horizon):
    """Return series without their last values, and these."""
    past = {key: values[:-horizon] for key, values in series.items()}
    return past, {key: values[-horizon:] for key, values in series.items()}


def main(
    path=None,
    *,
    names=('unique_id', 'ds', 'y'),
    horizon=48,
    season=24,
    shops_=30,
    weeks=5,
    form='lstm',
    size=32,
    ensemble=1,
    updates=None,
    seed=1,
    out=None,
    plot=None,
):
    """Judge a forecaster on the last values of all series, then forecast what comes next.

    Returns
    -------
    results : dict
        ``'error'``, the MASE divided by ``'repeat'``, the MASE of the seasonal naive forecast; the
        ``'coverage'`` of the intervals of 80 %; the number of ``'updates'``.
    """
    if path is None:
        past, future = apart(shops(shops_, weeks, np.random.default_rng(seed)), horizon)
    else:
        past, future = read(path, names, horizon)
    if not past:
        sys.exit('no series is long enough; --horizon must be smaller')
    forecaster = rnnkit.Forecaster(
        form, size, horizon, season, ensemble=ensemble, updates=updates, seed=seed
    )
    begin = time.perf_counter()
    forecaster.fit(past)
    print(f'{len(past)} series, {time.perf_counter() - begin:.1f} s to train')
    forecasts = forecaster.forecast(level=80)

    points = {key: one.mean for key, one in forecasts.items()}
    naive = forecasting.seasonal_naive(past, horizon, season)
    ours, theirs = (scores_of(future, answer, past, season) for answer in (points, naive))
    print('                 MASE   sMAPE     OWA')
    for name, scores in (('forecast', ours), ('seasonal naive', theirs)):
        print(f'{name:14} {scores["mase"]:6.3f} {scores["smape"]:7.3f} {scores["owa"]:7.3f}')
    lower, upper = (
        {k: getattr(f, s)[80] for k, f in forecasts.items()} for s in ('lower', 'upper')
    )
    if plot:
        draw(plot, forecaster, future)
    if out:
        write(out, forecaster.fit(join(past, future)).forecast(level=80))
    return {
        'error': ours['mase'] / theirs['mase'],
        'repeat': theirs['mase'],
        'coverage': forecasting.coverage(future, lower, upper),
        'updates': forecaster.networks[0].history[-1]['updates'],
    }


def scores_of(future, answer, past, season):
    """Return the scores of the M4 competition; the OWA is relative to its benchmark, Naive2."""
    return {
        'mase': forecasting.mase(future, answer, past, season),
        'smape': forecasting.smape(future, answer),
        'owa': forecasting.owa(future, answer, past, season),
    }


def join(past, future):
    """Return the whole series."""
    return {key: np.concatenate([values, future[key]]) for key, values in past.items()}


def write(path, forecasts):
    """Write forecasts as a long frame."""
    with open(path, 'w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['unique_id', 'step', 'forecast', 'forecast-lo-80', 'forecast-hi-80'])
        for key, one in forecasts.items():
            columns = (range(1, len(one) + 1), one.mean, one.lower[80], one.upper[80])
            writer.writerows([key, *row] for row in zip(*columns, strict=True))
    print(f'forecasts: {path}')


def draw(path, forecaster, future):
    """Draw the first series, their forecasts with intervals, and the held-out values."""
    try:
        forecaster.plot(path, truth=future)
    except ImportError as error:
        print(f'no picture: {error}')
        return
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Forecast many series by one network.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('path', nargs='?', help='a folder of CSV files, or a CSV file that is a long frame')
    option('--id', metavar='NAME', help='column of the ids in a long frame')
    option('--time', metavar='NAME', help='column of the time stamps, which sort as texts')
    option('--target', metavar='NAME', help='column of the values')
    option('--horizon', type=int, metavar='N', help='steps to forecast')
    option('--season', type=int, metavar='N', help='steps of a season')
    option('--shops', type=int, metavar='N', dest='shops_', help='synthetic series')
    option('--weeks', type=int, metavar='N', help='their length')
    option('--form', choices=('rnn', 'lstm', 'gru'), help='form of the recurrent layer')
    option('--size', type=int, metavar='H', help='number of its units')
    option('--ensemble', type=int, metavar='N', help='networks whose forecasts are averaged')
    option(
        '--updates',
        type=int,
        metavar='N',
        help='maximum number of updates; by default it depends on the data',
    )
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed')
    option('--out', metavar='FILE', help='CSV file for the forecasts of what comes next')
    option('--plot', metavar='FILE', help='file for a picture')
    names = dict(zip(('id', 'time', 'target'), main.__kwdefaults__['names'], strict=True))
    parser.set_defaults(**main.__kwdefaults__, **names, tolerance=0.7)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    options['names'] = tuple(options.pop(name) for name in names)
    results = main(**options)
    print(
        f'MASE: {results["error"]:.3f} times that of repeating the last season, '
        f'{results["repeat"]:.3f}; '
        f'{results["coverage"]:.0%} are in the intervals of 80 %'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
