"""Forecast a monthly series two years ahead: cycles of about 11 years, like those of sunspots.

The series is synthetic. Each cycle has a length and a height of its own, rises faster than it
falls, and has noise that grows with it. `rnnkit.windows.of` cuts the series into windows: the last
11 years, which the network reads, and the next 24 months, which it predicts all at once. So it is
trained with one target of 24 numbers for each window.

The first 80 % of the series are training data, the rest validation data: no window of one has
targets of the other. The program reports the mean absolute error on the validation data, divided by
the error of `repeat`, which predicts the mean of the last year. Since cycles differ in length and
height, a network that had learned only their mean length would not do much better.
"""

import argparse
import sys

import numpy as np

import rnnkit


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


def main(
    *,
    months=3000,
    period=132,
    past=132,
    future=24,
    form='gru',
    size=24,
    algo='adam',
    learning_rate=0.003,
    batch_size=64,
    updates=1500,
    seed=1,
    plot=None,
):
    """Train a network, compare its error on the last cycles with that of repeating, draw forecasts.

    Returns
    -------
    results : dict
        ``'error'``, the mean absolute error divided by ``'repeat'``, the error of repeating the
        last year, and the number of ``'updates'``.
    """
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
        algo=algo,
        learning_rate=rnnkit.schedules.Cosine(learning_rate, updates),
        train_batches=min(updates, 50),
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    )

    x, y = valid.arrays('direct')
    output = net.predict(x)  # (N, future)
    year = x[-min(12, past) :, :, 0].mean(axis=0)[:, None]
    repeat = float(abs(year - y).mean())
    if plot:
        draw(plot, series, valid, output, net.history)
    return {
        'error': float(abs(output - y).mean()) / repeat,
        'repeat': 100 * repeat,
        'updates': net.history[-1]['updates'],
    }


def draw(path, series, valid, output, history):
    """Draw the last cycles with some forecasts, and the error during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(9, 5.4), layout='constrained')
    axes = figure.subplot_mosaic([['series', 'series'], ['errors', 'training']])
    first = valid.times.min()
    axes['series'].plot(np.arange(first, len(series)), 100 * series[first:], color='0.7', lw=1)
    for n in range(0, len(valid), max(1, valid.future)):
        axes['series'].plot(valid.times[:, n], 100 * output[n], color='tab:orange', lw=1.5)
    axes['series'].set(title='Forecasts of 24 months', xlabel='month')
    errors = abs(output - valid.y[..., 0].T).mean(axis=0)
    axes['errors'].plot(np.arange(1, valid.future + 1), 100 * errors, color='tab:red')
    axes['errors'].set(title='Mean absolute error', xlabel='months ahead', ylim=(0, None))
    axes['training'].semilogy(history['updates'], history['loss'], label='training')
    axes['training'].semilogy(history['updates'], history['valid_loss'], label='validation')
    axes['training'].set(title='Mean squared error during training', xlabel='updates')
    axes['training'].legend(fontsize='small')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network to forecast a monthly series.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--months', type=int, metavar='T', help='length of the series')
    option('--period', type=int, metavar='T', help='mean length of a cycle')
    option('--past', type=int, metavar='T', help='months that the network reads')
    option('--future', type=int, metavar='N', help='months that it predicts')
    option('--form', choices=('rnn', 'lstm', 'gru'), help='form of the recurrent layer')
    option('--size', type=int, metavar='H', help='number of units of that layer')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--batch-size', type=int, metavar='B', help='windows in a batch')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the series and the initial weights')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.4)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: mean absolute error '
        f'{results["error"]:.3f} times that of repeating the last year, {results["repeat"]:.1f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
