"""
Why is it not learning?
=======================

The loss does not fall, or it is infinite. This guide takes a training that fails, finds four causes
one after the other, and mends them: unscaled data, an exploding gradient, a vanishing gradient and
a learning rate that is too high. The lines that one would copy:

.. code-block:: python

    layers = [1, 'standardize', dict(form='lstm', size=16, t_max=100), 'last', 1]
    net = rnnkit.Regressor(layers, scale_targets=True)
    rate = WarmUp(100, Cosine(0.03, total=1500))
    net.train(train, valid, algo='adam', learning_rate=rate)
    net.gradient_flow(*valid).verdicts  # {} if all is well, or {'hid2': 'vanishing'}

A sensor reports 100 pressures in hPa. The network must return the mean of the first ten, 90 steps
later. To predict 1000 hPa always is the baseline: no network is useful that is not better.
"""

import matplotlib.pyplot as plt
import numpy as np

import rnnkit
from rnnkit.schedules import Cosine, WarmUp

rng = np.random.default_rng(0)


def readings(n):
    x = rng.normal(1000, 10, (100, n, 1))  # (T, B, I)
    return x, x[:10].mean(axis=0)


train, valid, test = readings(2000), readings(200), readings(500)


def error(output):
    """Return the root mean square error on the test data, in hPa."""
    return float(np.sqrt(np.mean((output - test[1]) ** 2)))


print(f'baseline: {error(1000):.2f} hPa')

# %%
# Unscaled data, and an exploding loss
# ------------------------------------
#
# A first try, with plain gradient descent and without gradient clipping:

options = dict(epochs=25, validate_every=1, patience=25, progress=False)
raw = rnnkit.Regressor([1, ('rnn', 16), 'last', 1], seed=0)
try:
    raw.train(
        train, valid, algo='sgd', learning_rate=0.1, max_gradient_norm=0, **options
    )
except rnnkit.TrainingError as problem:
    print(str(problem).replace('. ', '.\n'))

# %%
# Gradient clipping, which recurrent networks have by default (``max_gradient_norm=1``), keeps the
# loss finite, but the network still learns nothing. Look at the hidden units:

hidden = raw.feed_forward(valid[0])['hid1:out']  # (T, B, H)
print(f'the mean of |h| is {np.abs(hidden).mean():.3f}')

# %%
# All units are at -1 or 1, where ``tanh`` is flat, because inputs are about 1000. The remedy is to
# scale: ``'standardize'`` measures the mean and deviation of the training data and keeps them in
# the network, and ``scale_targets=True`` does the same for targets; predictions are in hPa.
#
# A vanishing gradient
# --------------------

scaled = rnnkit.Regressor(
    [1, 'standardize', ('rnn', 16), 'last', 1], scale_targets=True, seed=0
)
scaled.train(
    train, valid, algo='adam', learning_rate=0.003, monitors='gradients', **options
)
print(f'vanilla RNN: {error(scaled.predict(test[0])):.2f} hPa')
print(f'{scaled.history[-1]["clipped"]:.0%} of the last updates were clipped')

# %%
# The loss is finite now, but no better than the baseline. ``monitors='gradients'`` logs a warning,
# and ``gradient_flow`` shows how far the gradient reaches back. The verdict is in ``verdicts``:

flow = scaled.gradient_flow(*valid)
print(flow.verdicts)

# %%
# The remedy is a cell with a memory. But an LSTM, too, forgets within some steps at first, unless
# its forget gate starts open. ``t_max=100`` sets the initial biases for memories of up to 100
# steps.


def lstm(learning_rate, **cell):
    layers = [1, 'standardize', dict(form='lstm', size=16, **cell), 'last', 1]
    net = rnnkit.Regressor(layers, scale_targets=True, seed=0)
    net.train(train, valid, algo='adam', learning_rate=learning_rate, **options)
    return net


plain, fast = lstm(0.03), lstm(0.1, t_max=100)
updates = 25 * 63  # 25 epochs of 63 batches
good = lstm(WarmUp(100, Cosine(0.03, total=updates)), t_max=100)
flows = {
    'vanilla RNN': flow['hid2'],
    'LSTM': plain.gradient_flow(*valid)['hid2'],
    'LSTM, t_max=100': good.gradient_flow(*valid)['hid2'],
}

figure, axes = plt.subplots(figsize=(8, 3.5), layout='constrained')
for name, norms in flows.items():
    axes.semilogy(np.arange(1, 101), norms, label=name)
axes.set(xlabel='time step t', ylabel='gradient norm ‖∂L / ∂h$_t$‖')
axes.set_title('How far the gradient reaches (needed: steps 1 to 10)')
figure.legend(loc='outside right center')
plt.show()

# %%
# The learning rate
# -----------------
#
# The same LSTM with a learning rate of 0.1 stays at the baseline: its first updates destroy the
# memory that it starts with. The schedule above begins low, reaches 0.03 after 100 updates, and
# falls to 0 at the end.

nets = {
    'vanilla RNN': scaled,
    'LSTM': plain,
    'LSTM, t_max=100,\nlearning rate 0.1': fast,
    'LSTM, t_max=100,\nschedule': good,
}
figure, axes = plt.subplots(figsize=(8, 4), layout='constrained')
for width, (name, net) in zip((6, 4, 2, 2), nets.items(), strict=True):
    history = net.history
    axes.semilogy(history['epoch'], history['valid_loss'], lw=width, label=name)
    print(f'{" ".join(name.split())}: {error(net.predict(test[0])):.2f} hPa')
baseline = (
    np.mean((valid[1] - 1000) ** 2) / train[1].var()
)  # the loss is of scaled targets
axes.axhline(baseline, color='0.4', ls='--', label='baseline')
axes.set(xlabel='epoch', ylabel='validation loss, variances of the target')
figure.legend(loc='outside right center')
plt.show()

# %%
# Checklist
# ---------
#
# .. list-table::
#    :header-rows: 1
#    :widths: 28 32 40
#
#    * - symptom
#      - cause
#      - what to do
#    * - loss is NaN or infinite
#      - exploding gradient, large inputs
#      - ``'standardize'``; leave gradient clipping on; a lower learning rate
#    * - hidden units at -1 or 1
#      - unscaled data
#      - ``'standardize'``, ``scale_targets=True``
#    * - loss stays at the baseline; verdict ``'vanishing'``
#      - long dependence
#      - LSTM with ``t_max=``, shorter sequences, attention
#    * - loss stays at the baseline; no verdict
#      - inputs do not determine the target, or too few updates
#      - check x beside y; overfit 10 sequences first; more epochs
#    * - loss jumps up and down
#      - learning rate too high, batches too small
#      - ``WarmUp`` and ``Cosine``; a larger ``batch_size``
#    * - loss falls very slowly
#      - learning rate too low, nearly all updates ``'clipped'``
#      - a higher rate; ``algo='adam'``; a larger ``max_gradient_norm``
#    * - validation loss rises, training loss falls
#      - overfitting
#      - early stopping (on by default), dropout, weight decay, more data

# %%
# Next
# ----
# :ref:`gradient_flow`, :doc:`/optimizers`, :ref:`scaling`, :doc:`/regularization`,
# :doc:`/cells`.
