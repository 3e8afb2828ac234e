"""
Sensor data with gaps
=====================

Readings are missing where a sensor failed, and come when they come. The layer ``'grud'``, a GRU
that decays (Che et al. 2018), reads NaN as missing, and the times between readings:
"""

import numpy as np

import rnnkit


def readings(n, seed):
    """Return temperatures of turning parts, hours between readings, states."""
    rng = np.random.default_rng(seed)
    hours = rng.exponential(
        1.0, (40, n, 1)
    )  # (steps, parts, 1): since the last reading
    state = rng.choice(['worn', 'good'], n)
    period = np.where(state == 'worn', 6, 9) * rng.uniform(0.9, 1.1, n)  # hours
    turns = hours.cumsum(axis=0) / period[:, None] + rng.random((n, 1))
    angles = 2 * np.pi * np.concatenate([turns, turns + 0.25], axis=2)
    x = 20 + 5 * np.sin(angles) + rng.normal(0, 1, angles.shape)  # two sensors
    x[rng.random(x.shape) < 0.3] = np.nan  # 30 % are missing
    return x, hours, state


x, hours, state = readings(1000, seed=0)

layers = [
    2,
    dict(form='input', size=1, name='hours'),
    dict(form='standardize', inputs='in'),
    dict(form='grud', size=16, times='hours'),
    'last',
    2,
]
net = rnnkit.Classifier(layers, seed=0)
net.train([x, hours, state], valid=0.2)
net.predict([x[:, :3], hours[:, :3]])

# %%
# A worn part turns faster than a good one. Both are seen at random times, by two sensors:

import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, sharex=True, figsize=(8, 4), layout='constrained')
for name, ax in zip(net.classes_, axes):
    k = list(state).index(name)
    for sensor in (0, 1):
        time = hours[:, k, 0].cumsum()
        ax.plot(time, x[:, k, sensor], 'o', ms=4, label=f'sensor {sensor + 1}')
    ax.set(title=f'a {name} part', ylabel='temperature (°C)', xlim=(0, 30))
axes[1].set_xlabel('time (hours)')
figure.legend(*axes[0].get_legend_handles_labels(), loc='outside right upper')
plt.show()

# %%
# A value that is missing moves from the last one that was seen towards the mean, at a rate that is
# learned for each sensor, and the hidden state decays as well. ``'standardize'`` measures mean and
# deviation of the training data, leaving out what is missing.
#
# Does it pay?
# ------------
# The usual way is to fill gaps with the last value, for a GRU, which may read the times as one
# more feature. These are the accuracies for new parts:

new, new_hours, truth = readings(1000, seed=1)


def filled(x):
    """Fill gaps with the last value; before the first one stands the mean."""
    x = np.concatenate([np.full_like(x[:1], 20), x])
    for t in range(1, len(x)):
        x[t] = np.where(np.isnan(x[t]), x[t - 1], x[t])
    return x[1:]


blind = rnnkit.Classifier([2, 'standardize', ('gru', 16), 'last', 2], seed=0)
blind.train([filled(x), state], valid=0.2)
timed = rnnkit.Classifier([3, 'standardize', ('gru', 16), 'last', 2], seed=0)
timed.train([np.concatenate([filled(x), hours], axis=2), state], valid=0.2)

with_hours = np.concatenate([filled(new), new_hours], axis=2)
print(f"'grud' with times           {net.score([new, new_hours], truth):.1%}")
print(f'GRU, filled, hours as input {timed.score(with_hours, truth):.1%}')
print(f'GRU, filled                 {blind.score(filled(new), truth):.1%}')

# %%
# The times matter most here. Told the times, both networks do well, so compare both on data of
# your own. ``'grud'`` spares the filling, and knows what is missing also where true values repeat.
#
# Gaps in what is to be predicted
# -------------------------------
# A target that is missing gets a weight of 0, in a network with ``weighted=True``; its value may
# then be NaN. Here the next readings are predicted at each step, from those that came so far:

layers = [*layers[:-2], 2]
ahead = rnnkit.Regressor(layers, weighted=True, scale_targets=True, seed=0)
y = x[1:]
ahead.train([x[:-1], hours[:-1], y, ~np.isnan(y)], valid=0.2)
predicted = ahead.predict([new[:-1], new_hours[:-1]])


def error(predicted):
    return np.sqrt(np.nanmean((predicted - new[1:]) ** 2))


print(f'root mean squared error {error(predicted):.2f} °C')
print(f'repeating the last value {error(filled(new)[:-1]):.2f} °C')
print(f'the mean of the training data {error(np.nanmean(x)):.2f} °C')

# %%
# Next
# ----
# - :doc:`/missing_values`: the equations, irregular times with ``'cfc'``, step by step, and when
#   ``'grud'`` does not pay;
# - :doc:`/variable_length`: masks; :ref:`windows` with ``missing=True``;
# - :ref:`sample weights <weights>`;
# - the reference of `rnnkit.cells.GRUDCell` and `rnnkit.cells.CfCCell`.
