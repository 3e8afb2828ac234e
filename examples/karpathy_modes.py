"""The five modes of recurrent networks, each on a small task: waves.

Copy the layers of the mode you need from `modes`; everything else is the same for all.

A network reads one vector or a sequence of vectors, and writes one vector or a sequence:

    one to one                 a number               ->  its sine; no recurrence at all
    one to many                a frequency            ->  the wave with this frequency
    many to one                a wave                 ->  its frequency
    many to many, delayed      the start of a wave    ->  its continuation
    many to many, synced       a wave                 ->  at each step, the next value

`'repeat'` passes a vector on at each step; `'last'` selects the last step. The delayed mode is
sequence-to-sequence: a decoder starts from the last hidden state of an encoder. Here it reads
zeros.

The error is 1 - R², the unexplained part of the target's variance: 1 for predicting the mean.

Karpathy 2015, "The unreasonable effectiveness of recurrent neural networks".
"""

import sys

import common
import numpy as np

import rnnkit


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


def main(*, steps=12, form='gru', size=20, learning_rate=0.02, updates=400, seed=1):
    """Train a network for each mode, and measure its error on new data."""
    if steps < 2:
        sys.exit(f'--steps must be at least 2; got {steps}')
    results, examples = {'updates': updates}, {}
    for mode, layers in modes(steps, size, form).items():
        rng = np.random.default_rng(seed)
        net = rnnkit.Regressor(layers, seed=seed)
        net.train(
            lambda mode=mode, rng=rng: make_batch(mode, steps, 64, rng),
            epochs=1,
            train_batches=updates,
            valid_batches=2,
            algo='adam',
            learning_rate=learning_rate,
        )
        *inputs, y = make_batch(mode, steps, 1000, rng)
        x = inputs if len(inputs) > 1 else inputs[0]
        results[mode] = 1 - net.score(x, y)
        examples[mode] = inputs[0], y, net.predict(x)
        print(f'{mode:<22} 1 - R² = {results[mode]:.4f}')
    return results | {'error': max(results[mode] for mode in examples)}, (examples,)


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


# The steps with an input, a hidden state and an output.
BOXES = {
    'one to one': ('0', '0', '0'),
    'one to many': ('0', '012', '012'),
    'many to one': ('012', '012', '2'),
    'many to many, delayed': ('012', '012345', '345'),
    'many to many, synced': ('012', '012', '012'),
}


def draw(figure, examples):
    """Draw each mode as boxes, and beside it the network's predictions for new examples."""
    figure.set_size_inches(8, 10.5)
    rows = figure.subplots(5, 2, width_ratios=(1, 2.2))
    for (boxes, curves), (mode, example) in zip(rows, examples.items(), strict=True):
        draw_boxes(boxes, *([int(t) for t in row] for row in BOXES[mode]))
        boxes.set_title(mode.capitalize(), loc='center')
        draw_predictions(curves, mode, *example)
        common.legend(curves)


def draw_boxes(axes, inputs, states, outputs):
    """Draw a box for each input, state and output, and arrows between them."""
    for height, steps in enumerate((inputs, states, outputs)):
        color = ('tab:blue', 'tab:green', 'tab:orange')[height]
        axes.plot(steps, [height] * len(steps), 's', ms=12, color=color)
    arrows = [((t, 0), (t, 1)) for t in inputs] + [((t, 1), (t, 2)) for t in outputs]
    for start, end in arrows + [((t, 1), (t + 1, 1)) for t in states[:-1]]:
        style = dict(arrowstyle='->', shrinkA=6, shrinkB=5, color='0.3')
        axes.annotate('', end, start, arrowprops=style)
    for height, name in enumerate(('input', 'state', 'output')):
        axes.text(-0.6, height, name, ha='right', va='center', fontsize='small')
    axes.set(xlim=(-3, 5.5), ylim=(-0.5, 2.5))
    axes.axis('off')


def draw_predictions(axes, mode, x, y, output):
    """Draw the outputs of a network, and what they should be."""
    if y.ndim == 2:  # numbers: draw all examples
        name, abscissa = (
            ('input', x) if mode == 'one to one' else ('frequency (radians per step)', y)
        )
        order = abscissa[:, 0].argsort()[::10]
        axes.plot(abscissa[order], y[order], color='0.4', lw=1, label='target')
        axes.plot(abscissa[order], output[order], '.', ms=4, color='tab:orange', label='output')
        axes.set(xlabel=name, ylabel='sine' if mode == 'one to one' else 'output')
        return
    delay = {'many to many, delayed': len(x), 'many to many, synced': 1}.get(mode, 0)
    t = delay + np.arange(len(y))  # waves: draw one example
    if x.ndim == 3:
        axes.plot(x[:, 0], '.', color='tab:blue', label='input')
    axes.plot(t, y[:, 0], color='0.4', lw=1, label='target')
    axes.plot(t, output[:, 0], 'x', color='tab:orange', label='output')
    axes.set(xlabel='time step', ylabel='value')


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report='the worst mode leaves {error:.4f} of the variance unexplained',
        tolerance=0.1,
        steps='length of the input and output sequences',
    )
