"""
Your own cell
=============

A recurrent layer of your own is one step of its equations. These three lines are one, which
keeps nine tenths of its hidden state:
"""

import pytensor.tensor as pt

import rnnkit


@rnnkit.layers.add('leaky')
class Leaky(rnnkit.Cell):
    def step(self, z, s, p):  # z = x @ xh + b: (batch, units)
        return 0.9 * s.h + 0.1 * pt.tanh(z + s.h @ p.hh)


# %%
# Registered under a name, it is a layer like ``'lstm'``. The loop over time, masks for sequences
# of different lengths, both directions, gradients, files: all that is there already. ``s`` has
# the hidden state before the step, and ``p`` the parameters.
#
# A cell with gates
# -----------------
# What differs from the defaults is declared. ``gates`` has a letter for each block of columns of
# the weights, which `rnnkit.split` cuts apart, and ``initial`` says how parameters start. This is
# the update gate network of Collins et al. (2016), as one would write it after reading the paper:


@rnnkit.layers.add('gated')
class Gated(rnnkit.Cell):
    """A gate decides, for each unit, how much of its state is kept."""

    gates = 'cg'
    initial = {'b': {'g': 1.0}}

    def step(self, z, s, p):
        c, g = rnnkit.split(z + s.h @ p.hh, 2)
        g = pt.sigmoid(g)
        return g * s.h + (1 - g) * pt.tanh(c)


# %%
# Is it right? `rnnkit.testing` has the checks that the built-in layers pass: the gradient against
# finite differences, padding, batches of one, files and more. They raise an error that says what
# is wrong:

from rnnkit import testing

for check in testing.CHECKS:
    check('gated')

# %%
# It learns
# ---------
# Two numbers are marked in a long sequence of noise, and the network has to add them up
# (Hochreiter & Schmidhuber 1997). These are the mean squared errors on new sequences. A network
# that cannot remember has that of always predicting the mean:

import numpy as np


def adding(n, steps, seed):
    rng = np.random.default_rng(seed)
    x = np.zeros((steps, n, 2), 'float32')  # value and mark
    x[..., 0] = rng.random((steps, n))
    first, second = (
        rng.integers(0, steps // 2, n),
        rng.integers(steps // 2, steps, n),
    )
    x[first, range(n), 1] = x[second, range(n), 1] = 1
    return x, (x[..., 0] * x[..., 1]).sum(axis=0)[:, None]


train, valid, new = adding(5000, 40, 0), adding(500, 40, 1), adding(500, 40, 2)
print(f'mean: {np.var(new[1]):.4f}')
for form in ('rnn', 'leaky', 'gated'):
    net = rnnkit.Regressor([2, (form, 32), 'last', 1], seed=0)
    net.train(train, valid, epochs=40, algo='adam')
    print(f'{form}: {np.mean((net.predict(new[0]) - new[1]) ** 2):.4f}')

# %%
# It is fast
# ----------
# The time of a training update, beside the same equations as built into rnnkit and beside an
# LSTM. rnnkit generates a **kernel** from ``step``, machine code for the loop over all steps and
# its gradient; the grey bar is without it (``kernel=False``), by the loop of PyTensor:


batch = [array[..., :32, :] for array in train]  # 32 sequences


def milliseconds(form, **options):
    net = rnnkit.Regressor([2, (form, 64), 'last', 1], seed=0, **options)
    seconds = []
    for _ in net.itertrain(batch, epochs=100, validate_every=1000, progress=False):
        seconds.append(net.history[-1]['seconds'])
    return 1000 * np.median(seconds)


forms = {
    'own cell': ('gated', {}),
    "built-in 'ugrnn'": ('ugrnn', {}),
    "built-in 'lstm'": ('lstm', {}),
    'own cell, kernel=False': ('gated', {'kernel': False}),
}
times = {
    name: milliseconds(form, **options) for name, (form, options) in forms.items()
}

import matplotlib.pyplot as plt

figure, ax = plt.subplots(figsize=(7, 2.4), layout='constrained')
bars = ax.barh(list(times), list(times.values()), color=['C1', 'C0', 'C0', '0.7'])
ax.bar_label(bars, fmt=' %.2f ms')
ax.set(
    xlabel='milliseconds per training update', xlim=(0, 1.2 * max(times.values()))
)
ax.invert_yaxis()
plt.show()

# %%
# Next
# ----
# - :doc:`/extending`: options, several states, outputs of their own, inputs such as the time
#   between steps; :doc:`/own_layers`: layers, losses and update rules;
# - :doc:`/kernels`: which cells get a kernel, and how;
# - :doc:`/cells`: the cells that are built in, and which to choose;
# - the reference of `rnnkit.Cell` and `rnnkit.testing`.
