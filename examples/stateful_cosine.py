"""Predict a long series, window by window, and carry the state along: a decaying cosine.

The series has 50,000 steps. It is a cosine with a period of 987 steps, whose amplitude falls from
1 to 0.007 on the way. At each step a network reads the value, and predicts the one 50 steps later.
For that it must know whether the series rises or falls; a single value does not tell.

Gradients through 50,000 steps would take much memory and help little. So the series is cut into
windows of 50 steps. With `carry_state=True` each window starts from the state in which the one
before it ended: to the network this is one long series, only gradients end where windows do. And
the series is cut into 40 streams which are read side by side, as a batch: stream 1 has the first
1,250 steps, stream 2 the next, and so on. They begin at different phases of the cosine. With 25
streams, of very nearly two periods each, all would rise and fall together, and each batch would
say the same 25 times.

Prediction carries the state, too: the whole series is read in pieces, each of which goes on from
the state that `predict` returned for the last. A network that answered with what it has just read
would have the error called `repeat`; that is what the network's error is divided by.

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
    """Return the outputs for one long series (T, 1, 1), which is read piece by piece."""
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
    """Train a network, measure its error on the whole series, draw truth and prediction.

    Returns
    -------
    found : dict
        ``'error'``, the network's mean squared error divided by that of ``'repeat'``, and the
        number of ``'updates'``.
    """
    if steps < 2 * streams or ahead < 1:
        sys.exit(f'{steps} steps are too few for {streams} streams that look {ahead} ahead')
    series = cosine(steps + ahead, period)[:, None]
    x, y = series[:-ahead], series[ahead:]
    net = rnnkit.Regressor([1, ('lstm', size), ('lstm', size), 1], seed=seed)
    folded = [rnnkit.recurrent.fold(a, streams) for a in (x, y)]  # (T / streams, streams, 1)
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
    """Draw truth and prediction, what is between them, and the error while learning."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(9, 5.4), layout='constrained')
    axes = figure.subplot_mosaic([['truth', 'begin'], ['output', 'end'], ['between', 'error']])
    axes['truth'].plot(y, color='0.4', lw=0.5)
    axes['truth'].set(title='truth')
    axes['output'].plot(output, color='tab:orange', lw=0.5)
    axes['output'].set(title='prediction')
    axes['between'].plot(output - y, color='tab:red', lw=0.5)
    axes['between'].set(title='prediction - truth', xlabel='time step')
    part = min(len(y), 3000)
    for name, start in (('begin', 0), ('end', len(y) - part)):
        t = np.arange(start, start + part)
        axes[name].plot(t, y[t], color='0.4', lw=2, label='truth')
        axes[name].plot(t, output[t], color='tab:orange', lw=1, label='prediction')
        axes[name].set(title=f'the {name}')
        axes[name].legend(fontsize='small', loc='upper right')
    axes['error'].semilogy(history['updates'], history['loss'])
    axes['error'].set(title='mean squared error while learning', xlabel='updates')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network on a long series, with its state carried along.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of the series')
    option('--period', type=int, metavar='T', help='period of the cosine')
    option('--ahead', type=int, metavar='N', help='predict what comes so many steps later')
    option('--streams', type=int, metavar='B', help='parts of the series that are read together')
    option('--window', type=int, metavar='T', help='steps through which gradients go back')
    option('--size', type=int, metavar='H', help='number of units of each of the two layers')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='how far an update goes')
    option('--updates', type=int, metavar='N', help='train no longer than this')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below')
    option('--seed', type=int, help='drives the initial weights')
    option('--plot', metavar='FILE', help='draw a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.1)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    print(
        f'after {found["updates"]} updates: mean squared error '
        f'{found["error"]:.4f} times that of repeating, {found["repeat"]:.2g}'
    )
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g} of that of repeating')
