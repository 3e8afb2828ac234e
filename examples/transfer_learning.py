"""Learn from few examples with a network that was trained on another task: transfer learning.

A first network reads waves with noise and predicts their next value. There are plenty of waves
without a label, so it has seen many. The task is another one: tell the frequency of a wave after
its last step. Only a few waves have this label: 24 to train on, and 24 for early stopping.

The second network gets the recurrent layer of the first one. This layer is frozen, so that training
changes the output layer alone. It is compared with the same network that starts from random weights
and trains all of them on the same few examples.

See Yosinski et al. 2014, "How transferable are features in deep neural networks?", NeurIPS 27.
"""

import argparse
import sys

import numpy as np

import rnnkit


def waves(steps, examples, noise, rng):
    """Return waves of shape (T, B, 1) with noise, and their frequencies (B, 1), from -1 to 1."""
    frequency, phase = rng.uniform(-1, 1, examples), rng.uniform(0, 2 * np.pi, examples)
    angle = 2 * np.pi * (2 + frequency) / 20 * np.arange(steps)[:, None] + phase
    x = np.sin(angle) + noise * rng.standard_normal((steps, examples))
    return x[..., None], frequency[:, None]


def train(net, data, valid, updates, **options):
    """Train for a number of updates, with early stopping; return how many were made."""
    epochs = -(-updates // 20)
    net.train(
        data,
        valid,
        train_batches=min(updates, 20),
        epochs=epochs,
        patience=epochs,
        validate_every=1,
        **options,
    )
    return net.history[-1]['updates']


def main(
    *,
    steps=40,
    noise=0.3,
    size=32,
    unlabelled=4000,
    labelled=24,
    updates=3000,
    learning_rate=0.01,
    seed=1,
    plot=None,
):
    """Train three networks; measure the error of two of them, and draw their predictions.

    Returns
    -------
    results : dict
        ``'error'``, the mean squared error of the frequencies by the frozen layer; ``'scratch'``,
        that of the network without it; ``'constant'``, that of the constant mean; ``'updates'`` of
        the first network.
    """
    rng = np.random.default_rng(seed)
    x, _ = waves(steps + 1, unlabelled, noise, rng)
    first = rnnkit.Regressor([1, ('lstm', size), 1], seed=seed)
    made = train(
        first,
        [x[:-1, 100:], x[1:, 100:]],
        [x[:-1, :100], x[1:, :100]],
        updates,
        algo='adam',
        learning_rate=learning_rate,
        batch_size=64,
    )

    few, valid, test = (waves(steps, n, noise, rng) for n in (labelled, labelled, 1000))
    results, predictions = {'constant': float(test[1].var()), 'updates': made}, {}
    for name in ('error', 'scratch'):
        net = rnnkit.Regressor([1, ('lstm', size), 'last', 1], seed=seed + 1)
        if name == 'error':
            for param in net.layers[1].params:
                net.set('hid1', param, first.find('hid1', param).get_value())
            net.freeze('hid1')
        train(net, few, valid, updates, algo='adam', learning_rate=learning_rate, weight_l2=1e-3)
        results[name] = net.evaluate(*test)['loss']
        predictions[name] = net.predict(test[0])
    if plot:
        draw(plot, results, test[1], predictions)
    return results


def draw(path, results, y, predictions):
    """Draw the predicted frequencies over the true ones."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(7, 3.6), layout='constrained')
    titles = {'error': 'Frozen layer of another task', 'scratch': 'All weights from random ones'}
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        axes.plot([-1, 1], [-1, 1], color='0.4', lw=1, label='perfect')
        axes.plot(y, predictions[name], '.', ms=3, color='tab:orange', alpha=0.6, label='network')
        axes.set(xlabel='frequency', title=f'{title}\nmean squared error {results[name]:.3f}')
        axes.legend(fontsize='small')
    figure.axes[0].set(ylabel='prediction')
    figure.savefig(path, dpi=130)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network on one task, and use its recurrent layer for another.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='time steps of a wave')
    option('--noise', type=float, metavar='S', help='standard deviation of the noise')
    option('--size', type=int, metavar='H', help='number of LSTM units')
    option('--unlabelled', type=int, metavar='B', help='waves for the first task')
    option(
        '--labelled', type=int, metavar='B', help='examples to train on, and as many to validate'
    )
    option('--updates', type=int, metavar='N', help='maximum number of updates of each network')
    option('--learning-rate', type=float, metavar='RATE', help='step size of Adam')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.05)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    print(
        f'error {results["error"]:.4f} with the frozen layer, {results["scratch"]:.4f} from '
        f'random weights; the constant mean has {results["constant"]:.2f}'
    )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
