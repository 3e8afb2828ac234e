"""The five modes of recurrent networks, each on a small task: waves.

A network may read one vector or many, one at each time step, and may write one or many:

    one to one                 a number              ->  its sine; no recurrence at all
    one to many                a frequency           ->  the wave that has it
    many to one                a wave                ->  its frequency
    many to many, delayed      the begin of a wave   ->  how it goes on, after all was read
    many to many, synced       a wave                ->  at each step, the next value

`'repeat'` makes many of one: it hands the same vector on at each step. `'last'` makes one of many.
In the delayed mode one layer, the encoder, reads, and another one, the decoder, starts from the
encoder's last state and writes. The decoder could be given something at each step, such as the
word that it wrote before; here it is given zeros.

All five are judged alike, on fresh examples: by 1 - R², the part of the target's variance that the
network leaves unexplained. To answer the mean always leaves 1.

The five are those of Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks".
"""

import argparse
import sys

import numpy as np

import rnnkit


def wave(frequency, phase, steps):
    """Return waves of shape (T, B, 1), from frequencies and phases of shape (B, 1)."""
    return np.sin(frequency * np.arange(steps)[:, None, None] + phase)


def make_batch(mode, steps, batch_size, rng):
    """Return the arrays of a batch: time comes first where there is time, then the batch."""
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
            dict(form='input', size=1, name='given'),
            dict(form=form, size=size, name='decoder', inputs='given', h_0='encoder'),
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
    """Train a network for each mode, measure its error on fresh data, draw what it learned.

    Returns
    -------
    found : dict
        The part of the variance that is left unexplained by mode, the largest of them as
        ``'error'``, and the number of ``'updates'`` of each network.
    """
    if steps < 2:
        sys.exit(f'a wave has at least 2 steps, not {steps}')
    found, drawn = {}, {}
    for mode, layers in modes(steps, size, form).items():
        rng = np.random.default_rng(seed)
        net = rnnkit.Regressor(layers, seed=seed)

        def batches(mode=mode, rng=rng):
            return make_batch(mode, steps, 64, rng)

        net.train(
            batches,
            epochs=1,
            train_batches=updates,
            valid_batches=2,
            algo=algo,
            learning_rate=learning_rate,
        )

        *x, y = make_batch(mode, steps, 1000, rng)
        read = x if len(x) > 1 else x[0]
        found[mode] = 1 - net.score(read, y)
        drawn[mode] = x[0], y, net.predict(read)
        print(f'{mode:<22} 1 - R² = {found[mode]:.4f} after {updates} updates')
    if plot:
        draw(plot, drawn)
    return found | {'error': max(found.values()), 'updates': updates}


def draw(path, drawn):
    """Draw each mode as boxes, and below what its network makes of fresh examples."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install 'rnnkit[plot]' brings it")
        return
    figure = Figure(figsize=(12.5, 4.6), layout='constrained')
    top, bottom = figure.subplots(2, 5, gridspec_kw={'height_ratios': [2, 3]})
    # At which steps something is read, is remembered and is written.
    boxes = (
        ['0', '0', '0'],
        ['0', '012', '012'],
        ['012', '012', '2'],
        ['012', '012345', '345'],
        ['012', '012', '012'],
    )
    for axes, mode, rows in zip(top, drawn, boxes, strict=True):
        read, kept, written = ([int(t) for t in row] for row in rows)
        for height, steps in enumerate((read, kept, written)):
            color = ('tab:blue', 'tab:green', 'tab:orange')[height]
            axes.plot(steps, [height] * len(steps), 's', ms=14, color=color)
        arrows = [((t, 0), (t, 1)) for t in read] + [((t, 1), (t, 2)) for t in written]
        for start, end in arrows + [((t, 1), (t + 1, 1)) for t in kept[:-1]]:
            style = dict(arrowstyle='->', shrinkA=7, shrinkB=6, color='0.3')
            axes.annotate('', end, start, arrowprops=style)
        middle = kept[-1] / 2
        axes.set(title=mode, xlim=(middle - 3.2, middle + 3.2), ylim=(-0.5, 2.5))
        axes.axis('off')
    for axes, (mode, (x, y, output)) in zip(bottom, drawn.items(), strict=True):
        if y.ndim == 2:  # numbers: those of all examples
            label, across = ('input', x) if mode == 'one to one' else ('frequency', y)
            order = across[:, 0].argsort()[::10]
            axes.plot(across[order], y[order], color='0.4', lw=1, label='target')
            axes.plot(across[order], output[order], '.', ms=4, color='tab:orange', label='output')
        else:  # waves: those of one example
            later = {'many to many, delayed': len(x), 'many to many, synced': 1}.get(mode, 0)
            label, t = 'time step', later + np.arange(len(y))
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
        description='Train a network in each of the five modes, and tell how well they do.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--steps', type=int, metavar='T', help='length of what is read or written')
    option('--form', choices=['rnn', 'lstm', 'gru'], help='what the hidden layers are')
    option('--size', type=int, metavar='H', help='number of units of each hidden layer')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='how far an update goes')
    option('--updates', type=int, metavar='N', help='updates of each network')
    option('--tolerance', type=float, metavar='E', help='fail if 1 - R² of a mode is not below')
    option('--seed', type=int, help='drives initial weights and data')
    option('--plot', metavar='FILE', help='draw a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.1)
    given = vars(parser.parse_args())
    tolerance = given.pop('tolerance')
    found = main(**given)
    if not found['error'] < tolerance:
        sys.exit(f'FAILED: 1 - R² of a mode is not below {tolerance:g}')
