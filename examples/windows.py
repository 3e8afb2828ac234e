"""Forecast a monthly series two years ahead: cycles of about 11 years, like those of sunspots.

Copy this to cut long series into windows, to hold out its end without leaks, and to predict many
steps at once.

The series is synthetic. Each cycle has a length and a height of its own, rises faster than it
falls, and has noise that grows with it. `rnnkit.windows.of` cuts the series into windows: the last
11 years, which the network reads, and the next 24 months, which it predicts all at once.

The first 80 % of the series are training data, the rest validation data: no window of one has
targets of the other. The error is the mean absolute error on the validation data, divided by that
of predicting the mean of the last year.
"""

import sys

import common
import numpy as np

import rnnkit


def main(
    *,
    months=3000,
    period=132,
    past=132,
    future=24,
    form='gru',
    size=24,
    learning_rate=0.003,
    batch_size=64,
    updates=1500,
    seed=1,
):
    """Train a network, and compare its error on the last cycles with that of repeating."""
    series = cycles(months, period, seed) / 100
    try:
        train, valid = rnnkit.windows.of(series, past, future).split(0.2)
    except rnnkit.ShapeError as error:
        sys.exit(f'--months must be larger: {error}')
    net = rnnkit.Regressor([1, (form, size), 'last', future], seed=seed)
    epochs = max(1, updates // 50)
    net.train(
        train.batches(min(batch_size, len(train)), form='direct'),
        valid.arrays('direct'),
        algo='adam',
        learning_rate=rnnkit.schedules.Cosine(learning_rate, updates),
        train_batches=min(updates, 50),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    )

    x, y = valid.arrays('direct')
    output = net.predict(x)  # (N, future)
    year = x[-min(12, past) :, :, 0].mean(axis=0)[:, None]
    repeat = abs(year - y).mean()
    results = {
        'error': abs(output - y).mean() / repeat,
        'repeat': 100 * repeat,
        'updates': net.history[-1]['updates'],
    }
    return results, (series, valid, output, net.history)


def cycles(months, period=132, seed=0):
    """Return a monthly series with numbers like those of sunspots, of shape (months,)."""
    rng, pieces, total = np.random.default_rng(seed), [], 0
    while total < months:
        length = round(period * rng.uniform(0.85, 1.15))
        t = np.arange(length) / length
        shape = np.sin(np.pi * t**0.8) ** 2  # the maximum is before the middle
        pieces.append(rng.uniform(80, 200) * shape)
        total += length
    smooth = np.concatenate(pieces)[:months]
    return np.maximum(smooth + rng.standard_normal(months) * (3 + 0.12 * smooth), 0)


def draw(figure, series, valid, output, history):
    """Draw the last cycles with some forecasts, and the error during training."""
    figure.set_size_inches(8, 6)
    axes = figure.subplot_mosaic([['series', 'series'], ['errors', 'training']])
    first = valid.times.min()
    axes['series'].plot(
        np.arange(first, len(series)), 100 * series[first:], color='0.7', lw=1, label='series'
    )
    for n in range(0, len(valid), max(1, valid.future)):
        forecast = axes['series'].plot(valid.times[:, n], 100 * output[n], color='tab:orange')[0]
    forecast.set_label(f'forecasts of {valid.future} months')
    axes['series'].set(title='Validation data', xlabel='month', ylabel='number of spots')
    common.legend(axes['series'])
    errors = abs(output - valid.y[..., 0].T).mean(axis=0)
    axes['errors'].plot(np.arange(1, valid.future + 1), 100 * errors, color='tab:red')
    axes['errors'].set(title='Error by distance', xlabel='months ahead', ylim=(0, None))
    axes['errors'].set_ylabel('mean absolute error, spots')
    common.training(axes['training'], history, error='mean squared error, spots²', scale=1e4)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'mean absolute error {error:.3f} times that of repeating the last year, {repeat:.1f}'
        ),
        tolerance=0.4,
        months='length of the series',
        period='mean length of a cycle',
        past='months that the network reads',
        future='months that it predicts',
    )
