"""Learn from few examples with a network that was trained on another task: transfer learning.

Copy this to take over layers of a trained network, to freeze them, and to train the rest on few
examples.

A first network reads waves with noise and predicts their next value. There are plenty of waves
without a label, so it has seen many. The task is another one: tell the frequency of a wave after
its last step. Only a few waves have this label: 24 to train on, and 24 for early stopping.

The second network gets the recurrent layer of the first one. This layer is frozen, so that training
changes the output layer alone. It is compared with the same network that starts from random weights
and trains all of them on the same few examples.

See Yosinski et al. 2014, "How transferable are features in deep neural networks?", NeurIPS 27.
"""

import common
import numpy as np

import rnnkit


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
):
    """Train a network on a task with many examples, and two on one with few."""
    rng = np.random.default_rng(seed)
    options = dict(algo='adam', learning_rate=learning_rate)
    x, _ = waves(steps + 1, unlabelled, noise, rng)
    first = rnnkit.Regressor([1, ('lstm', size), 1], seed=seed)
    data, held_out = ([x[:-1, part], x[1:, part]] for part in (slice(100, None), slice(100)))
    train(first, data, held_out, updates, batch_size=64, **options)

    few, valid, test = (waves(steps, n, noise, rng) for n in (labelled, labelled, 1000))
    results = {'constant': test[1].var(), 'updates': first.history[-1]['updates']}
    predictions = {}
    for name in ('error', 'scratch'):
        net = rnnkit.Regressor([1, ('lstm', size), 'last', 1], seed=seed + 1)
        if name == 'error':
            for param in net.layers[1].params:
                net.set('hid1', param, first.find('hid1', param).get_value())
            net.freeze('hid1')
        train(net, few, valid, updates, weight_l2=1e-3, **options)
        results[name] = net.evaluate(*test)['loss']
        predictions[name] = net.predict(test[0])
    return results, (results, test[1], predictions)


def train(net, data, valid, updates, **options):
    """Train for a number of updates, and keep the parameters that are best on validation data."""
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


def waves(steps, examples, noise, rng):
    """Return waves of shape (T, B, 1) with noise, and their frequencies (B, 1), from -1 to 1."""
    frequency, phase = rng.uniform(-1, 1, examples), rng.uniform(0, 2 * np.pi, examples)
    angle = 2 * np.pi * (2 + frequency) / 20 * np.arange(steps)[:, None] + phase
    x = np.sin(angle) + noise * rng.standard_normal((steps, examples))
    return x[..., None], frequency[:, None]


def draw(figure, results, y, predictions):
    """Draw the predicted frequencies over the true ones."""
    titles = {'error': 'Frozen layer', 'scratch': 'Random weights at first'}
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        title = f'{title}: error {results[name]:.3f}'
        p = predictions[name]
        common.agreement(axes, y, p, 'frequency, scaled', 'predicted frequency', title=title)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            'error {error:.4f} with the frozen layer, {scratch:.4f} from random weights; '
            'the constant mean has {constant:.2f}'
        ),
        tolerance=0.05,
        unlabelled='waves for the first task',
        labelled='examples to train on, and as many to validate',
        updates='maximum number of updates of each network',
    )
