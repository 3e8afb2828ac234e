"""Forecast the next day of a series in which 40 % of the days are missing.

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

import argparse
import sys

import numpy as np

import rnnkit


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
    plot=None,
):
    """Train networks of both forms, and judge them on the last 15 % of the days.

    Returns
    -------
    results : dict
        ``'grud'`` and ``'gru'``, the errors of both; ``'error'``, the first divided by the second;
        ``'repeat'``, the error of repeating the last observation; the number of ``'updates'``, of
        one network.
    """
    rng = np.random.default_rng(seed)
    truth = temperatures(days, rng) if data is None else read(data)
    series = np.where(rng.random(len(truth)) < missing, np.nan, truth)
    ends = [round(share * len(series)) for share in (0.7, 0.85)]
    options = dict(size=size, steps=steps, learning_rate=learning_rate, batch_size=batch_size)
    options['updates'] = updates
    results, made, counts = {}, {}, []
    for form, x in (('grud', series), ('gru', filled(series))):
        nets = [
            fit(form, x, series, ends, **options, seed=seed + 1000 * k) for k in range(networks)
        ]
        each = [net.predict(x[:-1, None, None])[:, 0, 0] for net in nets]  # one sequence
        made[form] = np.mean(each, axis=0)
        results[form] = _error(made[form], truth, ends[1])
        counts.append(max(net.history[-1]['updates'] for net in nets))
        print(f'{form:4}  error {results[form]:.3f} after {counts[-1]} updates')
    results['repeat'] = _error(filled(series)[:-1], truth, ends[1])
    if plot:
        draw(plot, truth, series, made)
    return {**results, 'error': results['grud'] / results['gru'], 'updates': max(counts)}


def _error(forecasts, truth, start):
    return float(np.sqrt(np.mean((forecasts - truth[1:])[start - 1 :] ** 2)))


def draw(path, truth, series, made):
    """Draw the last 100 days, those that are missing, and both forecasts."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 3.4), layout='constrained')
    axes, days = figure.subplots(), np.arange(len(truth))[-100:]
    axes.plot(days, series[days], 'o', ms=3, color='0.3', label='observed')
    hidden = days[np.isnan(series[days])]
    axes.plot(hidden, truth[hidden], 'o', ms=3, mfc='none', color='0.6', label='missing')
    for (form, forecasts), color in zip(made.items(), ('tab:blue', 'tab:orange'), strict=True):
        axes.plot(days, forecasts[days - 1], lw=1, color=color, label=form)
    axes.set(xlabel='day', ylabel='value', title='Forecasts of the next day')
    axes.legend(fontsize='small', ncols=2)
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Forecast a series with missing values, by grud and by a GRU.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--data', metavar='FILE', help='a file of CSV, whose last column is the series')
    option('--days', type=int, metavar='N', help='length of the series that is made')
    option('--missing', type=float, metavar='P', help='share of the days that are removed')
    option('--networks', type=int, metavar='N', help='networks of each form, which are averaged')
    option('--size', type=int, metavar='H', help='number of units')
    option('--steps', type=int, metavar='T', help='days in a training sequence')
    option('--learning-rate', type=float, metavar='RATE', help='step size of Adam')
    option('--batch-size', type=int, metavar='B', help='sequences in a mini-batch')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the weights, of the series and of its gaps')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=1.0)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'error of grud: {results["error"]:.3f} times that of the GRU; repeating the last '
        f'observation has {results["repeat"]:.3f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
