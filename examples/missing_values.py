"""Forecast the next day of a series in which 40 % of the days are missing.

Copy this for sensor data with gaps: NaN where a value is missing, `grud`, and weights that leave
missing targets out.

The series is like one of daily temperatures: a wave with a period of a year, and weather that
lasts for some days. A part of the days is removed at random. Two networks forecast the day after
each day, from what is left:

- 'grud' reads NaN where a day is missing. It lets the last observation, and its own state, decay
  with the time since then, and its gates see what is missing;
- a GRU of the same size reads the series with gaps filled by the last observation.

Both are trained alike, on the days that are left. Forecasts vary with the initial weights, so there
are five networks of each form, and their mean is the forecast. The last 15 % of the days judge
both: the error is the root mean squared error there, of the first divided by that of the second.
``--data`` names a file of CSV whose last column is another series.
"""

import common
import numpy as np

import rnnkit


def windows(series, target, steps):
    """Return all windows of a series as x, y and weights, each of shape (steps, windows, 1)."""
    x, y = (
        np.lib.stride_tricks.sliding_window_view(s, steps).T[:, :, None]
        for s in (series[:-1], target[1:])
    )
    return [x, np.nan_to_num(y), ~np.isnan(y)]


def fit(form, series, target, ends, *, size, steps, learning_rate, batch_size, updates, seed):
    """Train a network on the days before the first end, validate it on those before the second."""
    net = rnnkit.Regressor([1, 'standardize', (form, size), 1], weighted=True, seed=seed)
    train, valid = (
        windows(series[a:b], target[a:b], steps) for a, b in zip((0, *ends), ends, strict=False)
    )
    batches = min(updates, 50)  # in one epoch
    epochs = updates // batches
    net.train(
        train,
        valid,
        algo='adam',
        learning_rate=learning_rate,
        batch_size=batch_size,
        train_batches=batches,
        epochs=epochs,
        patience=epochs,
        validate_every=2,
        verbose=0,
    )
    return net


def main(
    *,
    data=None,
    days=3650,
    missing=0.4,
    networks=5,
    size=8,
    steps=60,
    learning_rate=0.005,
    batch_size=64,
    updates=2000,
    seed=1,
):
    """Train networks of both forms, and judge them on the last 15 % of the days."""
    rng = np.random.default_rng(seed)
    truth = temperatures(days, rng) if data is None else read(data)
    series = np.where(rng.random(len(truth)) < missing, np.nan, truth)
    ends = [round(share * len(series)) for share in (0.7, 0.85)]
    options = dict(size=size, steps=steps, learning_rate=learning_rate, batch_size=batch_size)

    def error_of(forecasts):
        return np.sqrt(np.mean((forecasts - truth[1:])[ends[1] - 1 :] ** 2))

    results, made = {'repeat': error_of(filled(series)[:-1]), 'updates': 0}, {}
    for form, x in (('grud', series), ('gru', filled(series))):
        nets = [
            fit(form, x, series, ends, **options, updates=updates, seed=seed + 1000 * k)
            for k in range(networks)
        ]
        each = [net.predict(x[:-1, None, None])[:, 0, 0] for net in nets]  # one sequence
        made[form] = np.mean(each, axis=0)
        results[form] = error_of(made[form])
        results['updates'] = max(results['updates'], *(n.history[-1]['updates'] for n in nets))
        print(f'{form:4}  root mean squared error {results[form]:.3f}')
    return results | {'error': results['grud'] / results['gru']}, (truth, series, made)


def temperatures(days, rng):
    """Return a series like daily minimum temperatures, of shape (days,)."""
    weather = np.zeros(days)
    for t in range(1, days):
        weather[t] = 0.6 * weather[t - 1] + 2 * rng.standard_normal()
    return 11 + 4 * np.cos(2 * np.pi * np.arange(days) / 365) + weather


def read(path):
    """Return the last column of a file of CSV, whose first line has the names of the columns."""
    return np.genfromtxt(path, delimiter=',', skip_header=1)[:, -1]


def filled(values):
    """Return a series with each gap filled by the last observation before it."""
    there = np.flatnonzero(~np.isnan(values))
    last = np.searchsorted(there, np.arange(len(values)), side='right') - 1
    return values[there[np.maximum(last, 0)]]  # the first gap: by the observation after it


def draw(figure, truth, series, made):
    """Draw the last 100 days, those that are missing, and both forecasts."""
    axes, days = figure.subplots(), np.arange(len(truth))[-100:]
    axes.plot(days, series[days], 'o', ms=4, color='0.3', label='observed')
    hidden = days[np.isnan(series[days])]
    axes.plot(hidden, truth[hidden], 'o', ms=4, mfc='none', color='0.6', label='missing')
    for name, forecasts in zip(('GRU-D', 'GRU'), made.values(), strict=True):
        axes.plot(days, forecasts[days - 1], lw=1.2, label=f'forecast by {name}')
    axes.set(xlabel='day', ylabel='temperature in °C', title='Forecasts of the next day')
    common.legend(axes)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'error of grud: {error:.3f} times that of the GRU; repeating the last observation '
            'has {repeat:.3f}'
        ),
        tolerance=1.0,
        data=dict(metavar='FILE', help='a file of CSV, whose last column is the series'),
        days='length of the series that is made',
        missing='share of the days that are removed',
        networks='networks of each form, which are averaged',
    )
