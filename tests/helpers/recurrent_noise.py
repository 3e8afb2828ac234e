"""Recurrent layers with known noise, and the same in plain NumPy: for tests."""

import numpy as np
import pytensor.tensor as pt
from reference import blocks, sigmoid

from rnnkit.layers import registry

T, B, I, H = 5, 3, 2, 4  # noqa: E741
FORMS = {
    'rnn': ('rnn', {}),
    'lstm': ('lstm', {}),
    'gru': ('gru', {}),
    'gru before': ('gru', {'reset': 'before'}),
}
STATES = {'rnn': 1, 'lstm': 2, 'gru': 1, 'gru before': 1}
MASK = np.arange(T)[:, None] < np.array([T, 2, 4])


class Known:
    """What a layer takes for its `Noise`, with numbers that a test has made up."""

    def __init__(self, kept=None, uniform=()):
        self.kept, self._uniform = kept, iter(uniform)

    def keep(self, rate, like, axes, width):
        assert (axes, width) == ((1,), H)  # one mask for all steps
        return pt.constant(self.kept)

    def codes(self, rate, like, width, n):
        assert width == H
        rate = rate.get_value()
        return pt.constant(sum((next(self._uniform) < rate) * 2.0**bit for bit in range(n)))


def step(name, x, h, c, fed, p, kept):
    """Return the new states of a cell whose products read `fed`; from the papers."""
    if name == 'rnn':
        return [np.tanh(x @ p['xh'] + p['b'] + fed @ p['hh'])]
    if name == 'lstm':
        a = blocks(x @ p['xh'] + p['b'] + fed @ p['hh'], 'ifgo')
        c = sigmoid(a['f']) * c + sigmoid(a['i']) * np.tanh(a['g'])
        return [sigmoid(a['o']) * np.tanh(c), c]
    a, u = blocks(x @ p['xh'] + p['b'], 'rzn'), blocks(p['hh'], 'rzn')
    r, z = (sigmoid(a[k] + fed @ u[k]) for k in 'rz')
    if name == 'gru':
        n = np.tanh(a['n'] + r * (fed @ u['n'] + p['bn']))
    else:
        n = np.tanh(a['n'] + (r * h * kept) @ u['n'])
    return [(1 - z) * n + z * h]


def reference(name, x, p, kept=1.0, stays=None, rate=0.0, mask=None):
    """Return the states of all steps.

    `kept` is the mask of what is fed back. `stays`, (T, B, H) for each state, says which
    elements keep their old values; without it, that is done in the mean, by `rate`.
    """
    state, found = [np.zeros((B, H))] * STATES[name], []
    for t in range(T):
        new = step(name, x[t], state[0], state[-1], state[0] * kept, p, kept)
        for k, old in enumerate(state):
            share = rate if stays is None else stays[k][t]
            new[k] = share * old + (1 - share) * new[k]
            if mask is not None:
                new[k] = np.where(mask[t][:, None], new[k], old)
        state = new
        found.append(state)
    return [np.array(values) for values in zip(*found, strict=True)]


def problem(name, rng, **rates):
    """Return a layer, its values by name, and a keyword each for `reference` and for `Known`."""
    form, options = FORMS[name]
    layer = registry[form](size=H, **options, **rates)
    layer.name = 'it'
    layer.bind({'in:out': I}, 'float64', rng)
    for p in layer.params.values():
        p.set_value(0.5 * rng.standard_normal(p.get_value().shape))
    values = {key: p.get_value() for key, p in layer.params.items()}
    wanted, known = {}, {}
    if 'dropout' in rates:
        wanted['kept'] = known['kept'] = (rng.random((B, H)) > 0.5) / (1 - rates['dropout'])
    if 'zoneout' in rates:
        known['uniform'] = rng.random((STATES[name], T, B, H))
        wanted['stays'] = known['uniform'] < rates['zoneout']
    return layer, values, wanted, known
