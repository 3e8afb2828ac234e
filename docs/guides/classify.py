"""
Classify sequences
==================

A `rnnkit.Classifier` tells to which class a sequence belongs. Sequences may have different
lengths (ragged sequences), and classes may have names:
"""

import rnnkit

sequences, names = rnnkit.datasets.waves(1000, seed=0, noise=0.5)

net = rnnkit.Classifier([1, ('gru', 16), 'last', 3], masked=True, seed=0)
net.train([sequences, names], valid=0.2)
net.predict(sequences[:4])

# %%
# Data are a list of arrays of shape (steps, features), and the class of each: here noisy waves
# of 20 to 60 steps and one feature.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(
    1, 3, figsize=(9, 2.6), sharey=True, layout='constrained'
)
for name, ax in zip(net.classes_, axes):
    ax.plot(sequences[list(names).index(name)], '.-', lw=0.8)
    ax.set(title=name, xlabel='time step', xlim=(0, 59))
axes[0].set_ylabel('value')
plt.show()

# %%
# The network is a list of layers: one feature, a recurrent layer of 16 gated recurrent units
# (GRU), its last hidden state, and the probabilities of three classes. ``masked=True`` is for
# different lengths. ``valid=0.2`` holds out a fifth of the sequences as validation data. When
# their loss no longer falls, training stops and restores the best weights (early stopping):

net.history.plot()

# %%
# New sequences
# -------------
# Measure the accuracy on a test set, which was used neither for training nor for early stopping.
# For comparison, a network without recurrence sees each value, but not their order:

new, truth = rnnkit.datasets.waves(1000, seed=1, noise=0.5)

unordered = rnnkit.Classifier([1, ('tanh', 16), 'mean', 3], masked=True, seed=0)
unordered.train([sequences, names], valid=0.2)
print(f'recurrent network {net.score(new, truth):.1%}')
print(f'without order     {unordered.score(new, truth):.1%}')

# %%
# The probability of each class, in the order of ``classes_``:

net.classes_, net.predict_proba(new[:2]).round(3)

# %%
# A confusion matrix shows which classes are taken for which:

import numpy as np

from rnnkit import metrics


def draw(*tables):
    """Draw confusion matrices: a row for each true class, in percent of it."""
    n = len(tables)
    _, axes = plt.subplots(
        1, n, figsize=(4 * n, 3.6), squeeze=False, layout='constrained'
    )
    for (title, predicted), ax in zip(tables, axes[0]):
        counts = metrics.confusion(truth, predicted, classes=net.classes_)
        share = 100 * counts / counts.sum(axis=1, keepdims=True)
        ax.imshow(share, cmap='Blues', vmin=0, vmax=100)
        for (i, j), value in np.ndenumerate(share):
            color = 'white' if value > 60 else 'black'
            ax.text(j, i, f'{value:.0f} %', ha='center', va='center', color=color)
        ax.set_xticks(range(3), net.classes_)
        ax.set_yticks(range(3), net.classes_, rotation=90, va='center')
        ax.set(xlabel='predicted class', ylabel='true class', title=title)


draw(('all classes equally frequent', net.predict(new)))

# %%
# Rare classes
# ------------
# Here only every tenth sawtooth is left in the training data. A network then takes many of
# them for something more frequent. ``class_weight='balanced'`` lets all classes weigh the same:

rng = np.random.default_rng(0)
kept = np.flatnonzero((names != 'sawtooth') | (rng.random(len(names)) < 0.1))
few, few_names = [sequences[k] for k in kept], names[kept]

plain = rnnkit.Classifier([1, ('gru', 16), 'last', 3], masked=True, seed=0)
plain.train([few, few_names], valid=0.2)
weighted = rnnkit.Classifier([1, ('gru', 16), 'last', 3], masked=True, seed=0)
weighted.train([few, few_names], valid=0.2, class_weight='balanced')
draw(
    ('plain', plain.predict(new)),
    ("class_weight='balanced'", weighted.predict(new)),
)

# %%
# Next
# ----
# - :doc:`/classify`: which labels there may be, class weights as a dict, label smoothing;
# - :doc:`/variable_length`: ragged sequences, padding and masks; :doc:`/training`: all options;
# - :doc:`/gallery/tag`, if each time step has a label;
# - the reference of `rnnkit.Classifier` and `rnnkit.metrics`.
