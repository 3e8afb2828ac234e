"""
Tag sequences
=============

A `rnnkit.Classifier` whose output layer follows a recurrent layer has a label for each time
step. Here it marks two kinds of events in a noisy signal: chirps, whose frequency rises or falls.
"""

import numpy as np

import rnnkit


def signals(n, seed):
    """Return signals (T_i, 1) with an event or two in each, and a name for each step."""
    rng = np.random.default_rng(seed)
    x, y = [], []
    for steps in rng.integers(60, 120, n):
        signal, label = rng.normal(0, 0.6, steps), np.full(steps, 'noise')
        for begin in rng.choice([0, steps // 2], rng.integers(1, 3), replace=False):
            length = rng.integers(14, 26)
            start, kind = begin + rng.integers(0, steps // 2 - length), rng.choice(['up', 'down'])
            phase = np.linspace(0.05, 0.35, length).cumsum() * 2 * np.pi
            signal[start : start + length] += np.sin(phase)[:: 1 if kind == 'up' else -1]
            label[start : start + length] = kind
        x.append(signal[:, None].astype('float32'))
        y.append(label)
    return x, y


x, y = signals(500, seed=0)
both = dict(form='bidirectional', worker='gru', size=24)
net = rnnkit.Classifier([1, both, 3], masked=True, seed=0)
net.train([x, y], valid=0.2)

# %%
# ``x`` and ``y`` are lists of arrays, one for each signal; they have different lengths, which
# ``masked=True`` is for. Predictions come in the same form. In a new signal:

import matplotlib.pyplot as plt

new, truth = signals(200, seed=1)
p = net.predict_proba(new)


def draw(k):
    figure, (top, bottom) = plt.subplots(2, sharex=True, figsize=(8, 4), layout='constrained')
    top.plot(new[k], color='0.3', lw=0.8)
    for name, color in (('up', 'C0'), ('down', 'C1')):
        where = (truth[k] == name).astype(float)
        for ax in (top, bottom):
            ax.fill_between(range(len(where)), 0, where, step='mid', color=color, alpha=0.2, lw=0,
                            transform=ax.get_xaxis_transform())  # fmt: skip
        bottom.plot(p[k][:, list(net.classes_).index(name)], color=color, label=name)
    top.set(ylabel='signal', title='shaded: the events')
    bottom.set(xlabel='time step', ylabel='probability', ylim=(0, 1.05))
    figure.legend(loc='outside right center', title='predicted')
    plt.show()


draw(next(k for k, name in enumerate(truth) if len(np.unique(name)) == 3))

# %%
# How well does it work?
# ----------------------
# Most steps are noise, so accuracy says little: always saying so is right for most steps. The
# macro F1 score, the mean over the classes, does not fall for it. A network that reads forward only
# must decide at each step without what comes later:

from rnnkit import metrics

forward = rnnkit.Classifier([1, ('gru', 24), 3], masked=True, seed=0)
forward.train([x, y], valid=0.2)
always = [np.full(len(name), 'noise') for name in truth]
for title, tags in {
    'always noise': always,
    'forward': forward.predict(new),
    'bidirectional': net.predict(new),
}.items():
    print(f'{title:14} accuracy {metrics.accuracy(truth, tags):.3f}  F1 {metrics.f1(truth, tags):.3f}')
