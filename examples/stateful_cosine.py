"""Predict a long time series window by window, with its hidden state carried: a decaying cosine.

Copy this for a series that is too long for one example: windows with the hidden state carried, in
training (`carry_state`) and in prediction (`predict` below).

The series has 50,000 steps. It is a cosine with a period of 987 steps, whose amplitude decays from
1 to 0.007. At each step a network reads the value, and predicts the one 50 steps later. To do so it
must know whether the series rises or falls, which a single value does not show. The error is
divided by `repeat`, the error of predicting the value that has just been read.

Gradients through 50,000 steps would take much memory and help little: they stop at the borders of
windows of 50 steps (truncated backpropagation through time). The series is also cut into 40
streams, the examples of a batch: stream 1 has the first 1,250 steps, stream 2 the next, and so on.
They begin at different phases of the cosine; 25 streams would rise and fall together.

The series, and the two layers of 50 units, are those of a stateful LSTM among the first examples
of Keras. There the amplitude is 100, and the network predicts 1 step ahead.
"""

import sys

import common
import numpy as np

import rnnkit


def main(
    *,
    steps=50_000,
    period=987,
    ahead=50,
    streams=40,
    window=50,
    size=50,
    learning_rate=0.003,
    updates=3000,
    seed=1,
):
    """Train a network, and measure its error on the whole series."""
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
        algo='adam',
        learning_rate=learning_rate,
        carry_state=True,
        bptt_steps=window,
        train_batches=windows,
        epochs=epochs,
        validate_every=1,
        patience=epochs,
    )

    output = predict(net, x[:, None])[:, 0]
    repeat = np.mean((x - y) ** 2)
    results = {
        'error': np.mean((output - y) ** 2) / repeat,
        'repeat': repeat,
        'updates': net.history[-1]['updates'],
    }
    return results, (y[:, 0], output[:, 0], net.history)


def predict(net, x, piece=1000):
    """Return the outputs for one long series (T, 1, 1), read piece by piece."""
    outputs, state = [], None
    for start in range(0, len(x), piece):
        output, state = net.predict(x[start : start + piece], state=state, return_state=True)
        outputs.append(output)
    return np.concatenate(outputs)


def cosine(steps, period, decay=1e-4):
    """Return the series, of shape (T,)."""
    t = np.arange(steps)
    return np.cos(2 * np.pi * t / period) * np.exp(-decay * t)


def draw(figure, y, output, history):
    """Draw target and prediction, their difference, and the error during training."""
    figure.set_size_inches(8, 6.4)
    axes = figure.subplot_mosaic([['all', 'all'], ['start', 'end'], ['difference', 'training']])
    axes['all'].plot(y, color='0.4', lw=0.7)
    axes['all'].set(title='The whole series', xlabel='time step', ylabel='value')
    length = min(len(y), 3000)
    for name, begin in (('start', 0), ('end', len(y) - length)):
        t = np.arange(begin, begin + length)
        axes[name].plot(t, y[t], color='0.4', lw=2.5, label='target')
        axes[name].plot(t, output[t], color='tab:orange', lw=1, label='prediction')
        axes[name].set(title=f'Its {name}', xlabel='time step', ylabel='value')
        axes[name].locator_params(axis='x', nbins=4)
        common.legend(axes[name])
    axes['difference'].plot(output - y, color='tab:red', lw=0.5)
    axes['difference'].set(xlabel='time step', ylabel='prediction - target', title='Errors')
    common.training(axes['training'], history)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='mean squared error {error:.4f} times that of repeating the input, {repeat:.2g}',
        tolerance=0.1,
        steps='length of the series',
        period='period of the cosine',
        ahead='predict the value so many steps later',
        streams='parts of the series that form a batch',
        window='time steps of truncated backpropagation',
        size='number of units of each of the two layers',
    )
