"""Forecast many series by one network, and write the forecasts to a file.

Copy `main` to fit, judge and forecast a dict of series, and `read` to get one from files.

    python many_series.py                                  # synthetic: visits of shops, hourly
    python many_series.py shops/ --horizon 28 --season 7   # a folder: one series in each file
    python many_series.py sales.csv --horizon 28 --season 7 --out next.csv
    python many_series.py m4/ --horizon 48 --season 24     # the M4 competition: *-train.csv

A file of a folder has its values in the last column, in order of time. A single file is a long
frame: a column of ids, one of time stamps, one of values, as `--columns` names them. Empty cells
are missing values. Files may be compressed by gzip.

One network learns from all series, each in units of its own changes. The last values of each series
are held out, or come from the files `*-test.csv` of the competition. The error is the mean absolute
scaled error (MASE) of their forecasts, divided by that of repeating the last season. With `--out`,
the network is then trained on all values, and forecasts what comes next.
"""

import csv
import gzip
import sys
from pathlib import Path

import common
import numpy as np

import rnnkit
from rnnkit import forecasting


def main(
    path=None,
    *,
    columns=('unique_id', 'ds', 'y'),
    horizon=48,
    season=24,
    shops=30,
    weeks=5,
    form='lstm',
    size=32,
    ensemble=1,
    updates=None,
    out=None,
    seed=1,
):
    """Judge a forecaster on the last values of all series, then forecast what comes next."""
    if path is None:
        past, future = apart(visits(shops, weeks, np.random.default_rng(seed)), horizon)
    else:
        past, future = read(path, columns, horizon)
    if not past:
        sys.exit('no series is long enough; --horizon must be smaller')
    forecaster = rnnkit.Forecaster(
        form, size, horizon, season, ensemble=ensemble, updates=updates, seed=seed
    )
    forecasts = forecaster.fit(past).forecast(level=80)

    points = {key: one.mean for key, one in forecasts.items()}
    naive = forecasting.seasonal_naive(past, horizon, season)
    print(f'{len(past)} series      MASE   sMAPE     OWA')
    mase = {}
    for name, answer in (('forecast', points), ('seasonal naive', naive)):
        mase[name] = forecasting.mase(future, answer, past, season)
        smape = forecasting.smape(future, answer)
        owa = forecasting.owa(future, answer, past, season)  # relative to Naive2
        print(f'{name:14} {mase[name]:6.3f} {smape:7.3f} {owa:7.3f}')
    lower, upper = (
        {k: getattr(f, s)[80] for k, f in forecasts.items()} for s in ('lower', 'upper')
    )
    results = {
        'error': mase['forecast'] / mase['seasonal naive'],
        'repeat': mase['seasonal naive'],
        'coverage': forecasting.coverage(future, lower, upper),
        'updates': forecaster.networks[0].history[-1]['updates'],
    }
    if out:
        whole = {key: np.concatenate([values, future[key]]) for key, values in past.items()}
        write(out, forecaster.fit(whole).forecast(level=80))
    return results, (past, future, forecasts)


def apart(series, horizon):
    """Return series without their last values, and these."""
    past = {key: values[:-horizon] for key, values in series.items()}
    return past, {key: values[-horizon:] for key, values in series.items()}


def write(path, forecasts):
    """Write forecasts as a long frame."""
    with open(path, 'w', encoding='utf-8', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['unique_id', 'step', 'forecast', 'forecast-lo-80', 'forecast-hi-80'])
        for key, one in forecasts.items():
            columns = (range(1, len(one) + 1), one.mean, one.lower[80], one.upper[80])
            writer.writerows([key, *row] for row in zip(*columns, strict=True))
    print(f'forecasts: {path}')


def visits(n, weeks, rng):
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


def read(path, columns, horizon):
    """Return the series of a file or a folder, and what follows them."""
    path = Path(path)
    paths = sorted(p for p in path.glob('*') if '.csv' in p.suffixes) if path.is_dir() else [path]
    if not paths or not paths[0].exists():
        sys.exit(f'there are no CSV files in {path}' if path.exists() else f'there is no {path}')
    train, test = (
        read_wide([p for p in paths if part in p.name]) for part in ('-train.', '-test.')
    )
    if train and test:
        return train, {key: test[key][:horizon] for key in train}
    if path.is_dir():
        series = {p.name.partition('.')[0]: read_one(p) for p in paths}
    else:
        series = read_long(path, columns)
    long = {key: values for key, values in series.items() if len(values) > 2 * horizon}
    print(f'{len(long)} of {len(series)} series have more than {2 * horizon} values')
    return apart(long, horizon)


def read_wide(paths):
    """Return the series of a file of the M4 competition: one in each line, after its id."""
    if len(paths) > 1:
        sys.exit(f'one of these files would do: {", ".join(map(str, paths))}')
    lines = [line for path in paths for line in list(rows(path))[1:]]
    return {line[0]: np.array([float(text) for text in line[1:] if text]) for line in lines}


def read_one(path):
    """Return the series of one file: its last column, without a header."""
    cells = [line[-1] for line in rows(path) if line]
    try:
        number(cells[0])
    except ValueError:
        cells = cells[1:]
    return np.array([number(cell) for cell in cells])


def read_long(path, columns):
    """Return the series of a long frame: a dict of arrays, in order of time."""
    lines = rows(path)
    header, found = next(lines, []), {}
    missing = [name for name in columns if name not in header]
    if missing:
        sys.exit(f'{path} has no columns {missing}; it has {header}: see --columns')
    places = [header.index(name) for name in columns]
    for line in lines:
        key, when, value = (line[place] for place in places)
        found.setdefault(key, []).append((when, number(value)))
    return {key: np.array([v for _, v in sorted(pairs)]) for key, pairs in found.items()}


def draw(figure, past, future, forecasts):
    """Draw the first series, their forecasts with intervals, and the held-out values."""
    keys = list(past)[:3]
    figure.set_size_inches(8, 1 + 1.7 * len(keys))
    rows = figure.subplots(len(keys), 1, squeeze=False)[:, 0]
    for axes, key in zip(rows, keys, strict=True):
        forecast, shown = forecasts[key], past[key][-3 * len(future[key]) :]
        ahead = np.arange(1, len(forecast) + 1)
        lower, upper = forecast.lower[80], forecast.upper[80]
        axes.fill_between(ahead, lower, upper, alpha=0.3, lw=0, label='80 % interval')
        axes.plot(np.arange(1 - len(shown), 1), shown, color='0.3', lw=1, label='past')
        axes.plot(ahead, future[key], '.', color='0.3', ms=4, label='what came')
        axes.plot(ahead, forecast.mean, color='tab:blue', label='forecast')
        axes.set(ylabel='value', title=key)
    common.legend(rows[0])
    rows[-1].set_xlabel('time steps after the last known value')


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'MASE: {error:.3f} times that of repeating the last season, {repeat:.3f}; '
            '{coverage:.0%} are in the intervals of 80 %'
        ),
        tolerance=0.7,
        path=dict(nargs='?', help='a folder of CSV files, or a CSV file that is a long frame'),
        columns=dict(
            nargs=3,
            type=str,
            metavar=('ID', 'TIME', 'VALUE'),
            help='columns of a long frame; time stamps sort as texts',
        ),
        horizon='steps to forecast',
        season='steps of a season',
        shops='synthetic series',
        weeks='their length',
        updates=dict(type=int, help='maximum number of updates; if not given, by the data'),
        out=dict(metavar='FILE', help='CSV file for the forecasts of what comes next'),
    )
