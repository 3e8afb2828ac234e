"""Predict a long time series window by window, with its hidden state carried: a decaying cosine.

The series has 50,000 steps. It is a cosine with a period of 987 steps, whose amplitude decays from
1 to 0.007. At each step a network reads the value, and predicts the one 50 steps later. To do so it
must know whether the series rises or falls, which a single value does not show.

Gradients through 50,000 steps would take much memory and help little. So the series is cut into
windows of 50 steps. With `carry_state=True` each window starts from the last hidden state of the
one before. To the network this is one long series; only gradients stop at the borders of windows:
truncated backpropagation through time. The series is also cut into 40 streams, which are the
examples of a batch: stream 1 has the first 1,250 steps, stream 2 the next, and so on. They begin at
different phases of the cosine. 25 streams would have very nearly two periods each and rise and fall
together, so that the examples of a batch would be almost equal.

Prediction carries the state, too: the whole series is read in pieces, and each continues from the
state that `predict` returned for the one before. The error is divided by `repeat`, the error of
predicting the value that has just been read.

The series, and the two layers of 50 units, are those of a stateful LSTM among the first examples
of Keras. There the amplitude is 100, and the network predicts 1 step ahead.
"""

import argparse
import sys

import numpy as np

import rnnkit


def cosine(steps, period, decay=1e-4):
    """Return the series, of shape (T,)."""
    t = np.arange(steps)
    return np.cos(2 * np.pi * t / period) * np.exp(-decay * t)


def predict(net, x, piece=1000):
    """Return the outputs for one long series (T, 1, 1), read piece by piece."""
    outputs, state = [], None
    for start in range(0, len(x), piece):
        output, state = net.predict(x[start : start + piece], state=state, return_state=True)
        outputs.append(output)
    return np.concatenate(outputs)


def main(
    *,
    steps=50_000,
    period=987,
    ahead=50,
    streams=40,
    window=50,
    size=50,
    algo='adam',
    learning_rate=0.003,
    updates=3000,
    seed=1,
    plot=None,
):
    """Train a network, measure its error on the whole series, draw target and prediction.

    Returns
    -------
    results : dict
        ``'error'``, the network's mean squared error divided by that of ``'repeat'``, and the
        number of ``'updates'``.
    """
    if steps < 2 * streams or ahead < 1:
        sys.exit(
            f'--steps must be at least 2 * --streams, --ahead at least 1; got {steps}, {ahead}'
        )
    series = cosine(steps + ahead, period)[:, None]
    x, y = series[:-ahead], series[ahead:]
    net = rnnkit.Regressor([1, ('lstm', size), ('lstm', size), 1], seed=seed)
    # (T, 1) -> (T / streams, streams, 1)
    folded = [rnnkit.recurrent.fold(array, streams) for array in (x, y)]
    windows = min(updates, -(-len(folded[0]) // window))
    epochs = updates // windows
    net.train(
        folded,
        algo=algo,
        learning_rate=learning_rate,
        carry_state=True,
        bptt_steps=window,
        train_batches=windows,
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    )

    output = predict(net, x[:, None])[:, 0]
    repeat = float(np.mean((x - y) ** 2))
    if plot:
        draw(plot, y[:, 0], output[:, 0], net.history)
    return {
        'error': float(np.mean((output - y) ** 2)) / repeat,
        'repeat': repeat,
        'updates': net.history[-1]['updates'],
    }


def draw(path, y, output, history):
    """Draw target and prediction, their difference, and the error during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(9, 5.4), layout='constrained')
    axes = figure.subplot_mosaic([['target', 'start'], ['output', 'end'], ['difference', 'error']])
    axes['target'].plot(y, color='0.4', lw=0.5)
    axes['target'].set(title='Target')
    axes['output'].plot(output, color='tab:orange', lw=0.5)
    axes['output'].set(title='Prediction')
    axes['difference'].plot(output - y, color='tab:red', lw=0.5)
    axes['difference'].set(title='Prediction - target', xlabel='time step')
    length = min(len(y), 3000)
    for name, begin in (('start', 0), ('end', len(y) - length)):
        t = np.arange(begin, begin + length)
        axes[name].plot(t, y[t], color='0.4', lw=2, label='target')
        axes[name].plot(t, output[t], color='tab:orange', lw=1, label='prediction')
        axes[name].set(title=f'{name.capitalize()} of the series')
        axes[name].legend(fontsize='small', loc='upper right')
    axes['error'].semilogy(history['updates'], history['loss'])
    axes['error'].set(title='Mean squared error during training', xlabel='updates')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network on a long time series, with its hidden state carried.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of the series')
    option('--period', type=int, metavar='T', help='period of the cosine')
    option('--ahead', type=int, metavar='N', help='predict the value so many steps later')
    option('--streams', type=int, metavar='B', help='parts of the series that form a batch')
    option('--window', type=int, metavar='T', help='time steps of truncated backpropagation')
    option('--size', type=int, metavar='H', help='number of units of each of the two layers')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='maximum number of updates')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the initial weights')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.1)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'after {results["updates"]} updates: mean squared error '
        f'{results["error"]:.4f} times that of repeating the input, {results["repeat"]:.2g}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the relative error is not below {tolerance:g}')
