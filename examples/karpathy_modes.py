"""The five modes of recurrent networks, each on a small task: waves.

A network reads one vector or a sequence of vectors, and writes one vector or a sequence:

    one to one                 a number               ->  its sine; no recurrence at all
    one to many                a frequency            ->  the wave with this frequency
    many to one                a wave                 ->  its frequency
    many to many, delayed      the start of a wave    ->  its continuation
    many to many, synced       a wave                 ->  at each step, the next value

`'repeat'` makes a sequence of one vector: it passes the vector on at each step. `'last'` selects
the last step of a sequence. The delayed mode is sequence-to-sequence: an encoder reads, and a
decoder starts from the encoder's last hidden state and writes. The decoder could read an input at
each step, such as its previous output; here it reads zeros.

All five are evaluated on new examples by 1 - R², the unexplained part of the target's variance.
Predicting the mean leaves 1.

The modes are those of Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks".
"""

import argparse
import sys

import numpy as np

import rnnkit


def wave(frequency, phase, steps):
    """Return waves of shape (T, B, 1), from frequencies and phases of shape (B, 1)."""
    return np.sin(frequency * np.arange(steps)[:, None, None] + phase)


def make_batch(mode, steps, batch_size, rng):
    """Return the arrays of a batch, of shape (time, batch, 1), or (batch, 1) without time."""
    frequency = rng.uniform(0.3, 0.8, (batch_size, 1))
    phase = rng.uniform(0, 2 * np.pi, (batch_size, 1))
    if mode == 'one to one':
        return [phase - np.pi, np.sin(phase - np.pi)]
    if mode == 'one to many':
        return [frequency, wave(frequency, 0, steps)]
    x = wave(frequency, phase, 2 * steps)
    if mode == 'many to one':
        return [x[:steps], frequency]
    if mode == 'many to many, delayed':
        return [x[:steps], np.zeros_like(x[steps:]), x[steps:]]
    return [x[:steps], x[1 : steps + 1]]


def modes(steps, size, form):
    """Return the layers of a network for each of the five modes."""
    return {
        'one to one': [1, (size, 'tanh'), 1],
        'one to many': [1, ('repeat', steps), (form, size), 1],
        'many to one': [1, (form, size), 'last', 1],
        'many to many, delayed': [
            1,
            dict(form=form, size=size, name='encoder'),
            dict(form='input', size=1, name='previous'),
            dict(form=form, size=size, name='decoder', inputs='previous', h_0='encoder'),
            1,
        ],
        'many to many, synced': [1, (form, size), 1],
    }


def main(
    *,
    steps=12,
    form='gru',
    size=20,
    algo='adam',
    learning_rate=0.02,
    updates=400,
    seed=1,
    plot=None,
):
    """Train a network for each mode, measure its error on new data, draw its predictions.

    Returns
    -------
    results : dict
        The unexplained part of the variance for each mode, the largest of them as ``'error'``,
        and the number of ``'updates'`` of each network.
    """
    if steps < 2:
        sys.exit(f'--steps must be at least 2; got {steps}')
    results, examples = {}, {}
    for mode, layers in modes(steps, size, form).items():
        rng = np.random.default_rng(seed)
        net = rnnkit.Regressor(layers, seed=seed)

        def draw_batch(mode=mode, rng=rng):
            return make_batch(mode, steps, 64, rng)

        net.train(
            draw_batch,
            epochs=1,
            train_batches=updates,
            valid_batches=2,
            algo=algo,
            learning_rate=learning_rate,
        )

        *inputs, y = make_batch(mode, steps, 1000, rng)
        x = inputs if len(inputs) > 1 else inputs[0]
        results[mode] = 1 - net.score(x, y)
        examples[mode] = inputs[0], y, net.predict(x)
        print(f'{mode:<22} 1 - R² = {results[mode]:.4f} after {updates} updates')
    if plot:
        draw(plot, examples)
    return results | {'error': max(results.values()), 'updates': updates}


def draw(path, examples):
    """Draw each mode as boxes, and below the network's predictions for new examples."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(12.5, 4.6), layout='constrained')
    top, bottom = figure.subplots(2, 5, gridspec_kw={'height_ratios': [2, 3]})
    # The steps with an input, a hidden state and an output.
    boxes = (
        ['0', '0', '0'],
        ['0', '012', '012'],
        ['012', '012', '2'],
        ['012', '012345', '345'],
        ['012', '012', '012'],
    )
    for axes, mode, rows in zip(top, examples, boxes, strict=True):
        inputs, states, outputs = ([int(t) for t in row] for row in rows)
        for height, steps in enumerate((inputs, states, outputs)):
            color = ('tab:blue', 'tab:green', 'tab:orange')[height]
            axes.plot(steps, [height] * len(steps), 's', ms=14, color=color)
        arrows = [((t, 0), (t, 1)) for t in inputs] + [((t, 1), (t, 2)) for t in outputs]
        for start, end in arrows + [((t, 1), (t + 1, 1)) for t in states[:-1]]:
            style = dict(arrowstyle='->', shrinkA=7, shrinkB=6, color='0.3')
            axes.annotate('', end, start, arrowprops=style)
        middle = states[-1] / 2
        axes.set(title=mode, xlim=(middle - 3.2, middle + 3.2), ylim=(-0.5, 2.5))
        axes.axis('off')
    for axes, (mode, (x, y, output)) in zip(bottom, examples.items(), strict=True):
        if y.ndim == 2:  # numbers: draw all examples
            label, abscissa = ('input', x) if mode == 'one to one' else ('frequency', y)
            order = abscissa[:, 0].argsort()[::10]
            axes.plot(abscissa[order], y[order], color='0.4', lw=1, label='target')
            axes.plot(abscissa[order], output[order], '.', ms=4, color='tab:orange', label='output')
        else:  # waves: draw one example
            delay = {'many to many, delayed': len(x), 'many to many, synced': 1}.get(mode, 0)
            label, t = 'time step', delay + np.arange(len(y))
            if x.ndim == 3:
                axes.plot(x[:, 0], '.', color='tab:blue', label='input')
            axes.plot(t, y[:, 0], color='0.4', lw=1, label='target')
            axes.plot(t, output[:, 0], 'x', color='tab:orange', label='output')
        axes.set(xlabel=label, ymargin=0.2)
        axes.legend(
            loc='upper center', ncols=3, fontsize='x-small', columnspacing=0.7, handlelength=1
        )
    figure.savefig(path, dpi=100)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train a network in each of the five modes, and report the errors.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of the input and output sequences')
    option('--form', choices=['rnn', 'lstm', 'gru'], help='form of the hidden layers')
    option('--size', type=int, metavar='H', help='number of units of each hidden layer')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--updates', type=int, metavar='N', help='updates of each network')
    option('--tolerance', type=float, metavar='E', help='fail if a mode is not below this')
    option('--seed', type=int, help='random seed of the initial weights and the data')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.1)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: 1 - R² of a mode is not below {tolerance:g}')
