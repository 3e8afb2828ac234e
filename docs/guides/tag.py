"""
Tag sequences
=============

A `rnnkit.Classifier` whose output layer follows a recurrent layer gives a label to each time
step. Here it finds events in a noisy signal: chirps, whose frequency goes up or down.
"""

import numpy as np

import rnnkit


def signals(n, seed):
    """Return noisy signals of different lengths, and a name for each step."""
    rng = np.random.default_rng(seed)
    x, y = [], []
    for steps in rng.integers(60, 121, n):
        signal, tags = rng.normal(0, 0.6, steps), np.full(steps, 'noise')
        for half in rng.choice([0, steps // 2], rng.integers(1, 3), replace=False):
            length, kind = rng.integers(14, 26), rng.choice(['up', 'down'])
            start = half + rng.integers(0, steps // 2 - length)
            chirp = np.sin(2 * np.pi * np.linspace(0.05, 0.35, length).cumsum())
            signal[start : start + length] += chirp if kind == 'up' else chirp[::-1]
            tags[start : start + length] = kind
        x.append(signal[:, None])  # (steps, 1 feature)
        y.append(tags)  # (steps,)
    return x, y


x, y = signals(500, seed=0)

both = dict(form='bidirectional', worker='gru', size=24)
net = rnnkit.Classifier([1, both, 3], masked=True, seed=0)
net.train([x, y], valid=0.2)
net.predict(x[:1])[0][:30]

# %%
# Signals and tags are lists of arrays of different lengths, for which there is ``masked=True``.
# Predictions come as such a list, too. Each step has the probability of each name:

import matplotlib.pyplot as plt

new, truth = signals(200, seed=1)
k = next(k for k, tags in enumerate(truth) if {'up', 'down'} <= set(tags))
p = net.predict_proba(new)[k]  # (steps, 3)

figure, (top, bottom) = plt.subplots(
    2, sharex=True, figsize=(8, 4), layout='constrained'
)
top.plot(new[k], color='0.3', lw=0.8)
for name, color in (('up', 'C0'), ('down', 'C1')):
    bottom.plot(p[:, list(net.classes_).index(name)], color=color, label=name)
    steps = np.flatnonzero(truth[k] == name)
    for ax in (top, bottom):
        ax.axvspan(steps[0] - 0.5, steps[-1] + 0.5, color=color, alpha=0.15, lw=0)
top.set(title='a new signal; its events are shaded', ylabel='value')
bottom.set(xlabel='time step', ylabel='probability', ylim=(0, 1.05))
figure.legend(loc='outside right center')
plt.show()

# %%
# How good is it?
# ---------------
# The bidirectional layer has half of its units for each direction, so that each tag depends on
# what came before and on what comes after. A layer that reads forward only can tag a signal
# while it is measured, but knows less. Both are compared on new signals. Accuracy alone says
# little where most steps are noise; the F1 score here is the mean of those of the three classes:

from rnnkit import metrics

forward = rnnkit.Classifier([1, ('gru', 24), 3], masked=True, seed=0)
forward.train([x, y], valid=0.2)

found = {
    'always noise': [np.full(len(tags), 'noise') for tags in truth],
    'forward': forward.predict(new),
    'bidirectional': net.predict(new),
}
for name, tags in found.items():
    accuracy, f1 = metrics.accuracy(truth, tags), metrics.f1(truth, tags)
    print(f'{name:14} accuracy {accuracy:.2f}, F1 {f1:.2f}')

# %%
# Arrays and padding
# ------------------
# Signals that are padded to one length may be an array (steps, signals, features) with a mask,
# 1 for data and 0 for padding. What stands in the padding, of signals and of tags, never counts:

steps = max(map(len, new[:3]))
padded, mask = np.zeros((steps, 3, 1)), np.zeros((steps, 3))
for column, signal in enumerate(new[:3]):
    padded[: len(signal), column], mask[: len(signal), column] = signal, 1

tags = net.predict(padded, mask=mask)
all((tags[: len(new[k]), k] == net.predict(new)[k]).all() for k in range(3))

# %%
# Next
# ----
# - :doc:`/tag`: words as tokens, tags as lists, several tags for each step;
# - :doc:`/states`: a tag for each step of a stream, as soon as it comes;
# - :ref:`class_weights`, if some tags are rare; :doc:`/variable_length` about padding and masks;
# - the reference of `rnnkit.Classifier` and `rnnkit.metrics`.
