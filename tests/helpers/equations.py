"""The cells in plain NumPy, float64, forward and backward written by hand from the equations.

Independent of rnnkit: nothing is imported from it. A cell here is a pair of functions,
``step(x, old, p) -> new, saved`` and ``back(d_new, saved, p) -> d_x, d_old, d_p``, on arrays
of shape (B, ...); `run` and `run_back` add time, masks and first states of one row.
"""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {  # function, and derivative in terms of input and output
    'tanh': (np.tanh, lambda z, y: 1 - y**2),
    'sigmoid': (sigmoid, lambda z, y: y * (1 - y)),
    'relu': (lambda z: np.maximum(z, 0), lambda z, y: (z > 0) * 1.0),
    'linear': (lambda z: z, lambda z, y: np.ones_like(z)),
}


def rnn(activation):
    f, slope = ACTIVATIONS[activation]

    def step(x, old, p):
        (h,) = old
        z = x @ p['xh'] + h @ p['hh'] + p['b']
        y = f(z)
        return [y], (x, h, z, y)

    def back(d_new, saved, p):
        x, h, z, y = saved
        dz = d_new[0] * slope(z, y)
        return dz @ p['xh'].T, [dz @ p['hh'].T], products(x, h, dz, dz)

    return step, back


def lstm(peepholes=False):
    def step(x, old, p):
        h, c = old
        zi, zf, zg, zo = np.split(x @ p['xh'] + h @ p['hh'] + p['b'], 4, axis=1)
        if peepholes:
            zi, zf = zi + p['ci'] * c, zf + p['cf'] * c
        i, f, g = sigmoid(zi), sigmoid(zf), np.tanh(zg)
        new = f * c + i * g
        o = sigmoid(zo + p['co'] * new if peepholes else zo)
        return [o * np.tanh(new), new], (x, h, c, i, f, g, o, new)

    def back(d_new, saved, p):
        x, h, c, i, f, g, o, new = saved
        dh, dc = d_new
        y = np.tanh(new)
        dzo = dh * y * o * (1 - o)
        dc = dc + dh * o * (1 - y**2)
        if peepholes:
            dc = dc + dzo * p['co']
        dzi, dzf, dzg = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
        dz = np.concatenate([dzi, dzf, dzg, dzo], axis=1)
        d_c = dc * f
        d_p = products(x, h, dz, dz)
        if peepholes:
            d_c = d_c + dzi * p['ci'] + dzf * p['cf']
            d_p |= {'ci': (dzi * c).sum(0), 'cf': (dzf * c).sum(0), 'co': (dzo * new).sum(0)}
        return dz @ p['xh'].T, [dz @ p['hh'].T, d_c], d_p

    return step, back


def gru():
    def step(x, old, p):
        (h,) = old
        xr, xz, xn = np.split(x @ p['xh'] + p['b'], 3, axis=1)
        hr, hz, hn = np.split(h @ p['hh'], 3, axis=1)
        r, z, m = sigmoid(xr + hr), sigmoid(xz + hz), hn + p['bn']
        n = np.tanh(xn + r * m)
        return [(1 - z) * n + z * h], (x, h, r, z, m, n)

    def back(d_new, saved, p):
        x, h, r, z, m, n = saved
        (d,) = d_new
        dn = d * (1 - z) * (1 - n**2)
        dz = d * (h - n) * z * (1 - z)
        dr = dn * m * r * (1 - r)
        dx = np.concatenate([dr, dz, dn], axis=1)
        dh = np.concatenate([dr, dz, dn * r], axis=1)
        d_p = products(x, h, dx, dh) | {'bn': (dn * r).sum(0)}
        return dx @ p['xh'].T, [dh @ p['hh'].T + d * z], d_p

    return step, back


def leaky():
    """h' = s h + (1 - s) tanh(z + u), u' = softplus(u h) with learned rates s = sigmoid(rate)."""

    def step(x, old, p):
        h, u = old
        s = sigmoid(p['rate'])
        y = np.tanh(x @ p['xh'] + h @ p['hh'] + p['b'] + u)
        return [s * h + (1 - s) * y, np.log1p(np.exp(u * h))], (x, h, u, y, s)

    def back(d_new, saved, p):
        x, h, u, y, s = saved
        dh, du = d_new
        dz = dh * (1 - s) * (1 - y**2)
        dw = du * sigmoid(u * h)
        d_rate = (dh * (h - y)).sum(0) * s * (1 - s)
        return (
            dz @ p['xh'].T,
            [dz @ p['hh'].T + dh * s + dw * u, dz + dw * h],
            products(x, h, dz, dz) | {'rate': d_rate},
        )

    return step, back


def zoned(cell):
    """A cell whose states keep old values where the codes, the last H columns of x, say so."""
    inner, inner_back = cell

    def step(x, old, p):
        width = old[0].shape[1]
        new, saved = inner(x[:, :-width], old, p)
        stays = [(x[:, -width:] // 2**k) % 2 == 1 for k in range(len(old))]
        return [np.where(s, o, n) for s, o, n in zip(stays, old, new, strict=True)], (saved, stays)

    def back(d_new, saved, p):
        saved, stays = saved
        moved = [np.where(s, 0, d) for s, d in zip(stays, d_new, strict=True)]
        d_x, d_old, d_p = inner_back(moved, saved, p)
        d_old = [d + np.where(s, g, 0) for d, s, g in zip(d_old, stays, d_new, strict=True)]
        return np.concatenate([d_x, np.zeros_like(stays[0], float)], axis=1), d_old, d_p

    return step, back


def products(x, h, dx, dh):
    """Gradients of the weights and the bias, given those of what they add to."""
    return {'xh': x.T @ dx, 'hh': h.T @ dh, 'b': dx.sum(0)}


def run(cell, x, p, first, mask=None, reverse=False):
    """Return the states of all steps, and what `run_back` needs."""
    if reverse:
        states, tape = run(cell, x[::-1], p, first, None if mask is None else mask[::-1])
        return [s[::-1] for s in states], tape
    step, _ = cell
    b = x.shape[1]
    old = [np.broadcast_to(s, (b, s.shape[1])) for s in first]
    states, tape = [], []
    for t in range(len(x)):
        new, saved = step(x[t], old, p)
        if mask is not None:
            new = [np.where(mask[t][:, None], n, o) for n, o in zip(new, old, strict=True)]
        states.append(new)
        tape.append(saved)
        old = new
    return [np.array(column) for column in zip(*states, strict=True)], tape


def run_back(cell, x, p, first, tape, d_states, mask=None, reverse=False, limit=None):
    """Return the gradients by x, the parameters and the first states.

    `d_states` has for each state an array (T, B, H), or None for zero. Nothing goes back
    from step `limit`, twice `limit`... to the step before, counted as they were done.
    """
    if reverse:
        d_states = [None if d is None else d[::-1] for d in d_states]
        mask = None if mask is None else mask[::-1]
        d_x, *others = run_back(cell, x[::-1], p, first, tape, d_states, mask, False, limit)
        return d_x[::-1], *others
    _, back = cell
    d_x, d_p = np.zeros_like(x), {name: np.zeros_like(value) for name, value in p.items()}
    d = [np.zeros((x.shape[1], s.shape[1])) for s in first]
    for t in reversed(range(len(x))):
        d = [a if g is None else a + g[t] for a, g in zip(d, d_states, strict=True)]
        real = np.ones((x.shape[1], 1)) if mask is None else mask[t][:, None] * 1.0
        d_x[t], d_old, step_p = back([a * real for a in d], tape[t], p)
        for name, value in step_p.items():
            d_p[name] += value
        d = [a * (1 - real) + o for a, o in zip(d, d_old, strict=True)]
        if limit and t in range(limit, len(x), limit):
            d = [np.zeros_like(a) for a in d]
    rows = [a.sum(0, keepdims=True) if len(s) == 1 else a for a, s in zip(d, first, strict=True)]
    return d_x, d_p, rows
