"""
Sensor data with gaps
=====================
"""

import numpy as np

import rnnkit


def readings(n, seed, mean_gap=1.0, steps=40):
    """Return irregular readings of waves, the times between them, and whether they are fast."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(mean_gap, (steps, n, 1))
    fast = rng.random(n) < 0.5
    period = np.where(fast, 6, 9) * rng.uniform(0.9, 1.1, n)
    phase = rng.random(n)
    turns = gaps.cumsum(axis=0) / period[:, None] + phase[:, None]
    x = np.concatenate([np.sin(2 * np.pi * turns), np.cos(2 * np.pi * turns)], axis=2)
    x = 20 + 5 * x + rng.normal(0, 1.0, x.shape)
    x[rng.random(x.shape) < 0.3] = np.nan
    return x, gaps, np.where(fast, 'fast', 'slow')


x, gaps, y = readings(1000, 0)
import time
for layers in [
    [2, dict(form='input', size=1, name='gaps'), dict(form='standardize', inputs='in'), dict(form='grud', size=16, times='gaps'), 'last', 2],
    [2, 'standardize', ('grud', 16), 'last', 2],
    [2, 'standardize', ('gru', 16), 'last', 2],
]:
    t0 = time.time()
    net = rnnkit.Classifier(layers, seed=0)
    xn, gn, yn = readings(1000, 1)
    if 'gru' in str(layers) and 'grud' not in str(layers):
        fill = lambda a: np.where(np.isnan(a), 20, a)
        net.train([fill(x), y], valid=0.2); s = net.score(fill(xn), yn)
    elif layers[1] == 'standardize':
        net.train([x, y], valid=0.2); s = net.score(xn, yn)
    else:
        net.train([x, gaps, y], valid=0.2); s = net.score([xn, gn], yn)
    print(s, len(net.history), time.time() - t0)
