"""Cells of the literature in NumPy, straight from the papers: products in sequence, norms, gaps.

Each function returns ``step(x, old, p) -> new`` for `complex_step`, given the options of the cell.
The equations stand in the order of the papers, product by product, whatever rnnkit does. Where a
cell has the option `times`, the time since the step before is the last column of x; else it is 1.
"""

import numpy as np
from complex_step import absolute, blocks, maximum, sigmoid


def cornn(dt=0.1, gamma=1.0, epsilon=1.0, damping='explicit'):
    def step(x, old, p):
        y, z = old
        force = np.tanh(y @ p['hh'] + z @ p['ch'] + x @ p['xh'] + p['b'])
        if damping == 'explicit':
            z = z + dt * force - dt * gamma * y - dt * epsilon * z
        else:  # z = old z + dt * (force - gamma y - epsilon z), solved for z
            z = (z + dt * force - dt * gamma * y) / (1 + epsilon * dt)
        return y + dt * z, z

    return step


def lem(dt=1.0):
    def step(x, old, p):
        y, z = old
        (v1, v2, vz, vy), (w1, w2, wz) = blocks(p['xh'], 4), blocks(p['hh'], 3)
        b1, b2, bz, by = blocks(p['b'], 4)
        of_z = dt * sigmoid(y @ w1 + x @ v1 + b1)
        of_y = dt * sigmoid(y @ w2 + x @ v2 + b2)
        z = (1 - of_z) * z + of_z * np.tanh(y @ wz + x @ vz + bz)
        y = (1 - of_y) * y + of_y * np.tanh(z @ p['ch'] + x @ vy + by)
        return y, z

    return step


def rhn(depth=3, coupled=True):
    def step(x, old, p):
        (s,), n = old, 2 if coupled else 3
        for layer in range(1, depth + 1):
            w, b = (p[f'{name}{layer if layer > 1 else ""}'] for name in ('hh', 'b'))
            parts = [s @ wk + bk for wk, bk in zip(blocks(w, n), blocks(b, n), strict=True)]
            if layer == 1:
                parts = [a + x @ wk for a, wk in zip(parts, blocks(p['xh'], n), strict=True)]
            h, t = np.tanh(parts[0]), sigmoid(parts[1])
            c = 1 - t if coupled else sigmoid(parts[2])
            s = h * t + s * c
        return (s,)

    return step


def layer_norm(a):
    centred = a - a.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def lstm_normed(layernorm=True, coupled=False, peepholes=False, projection=None):
    """LSTM of Ba et al. 2016; in the paper the bias is a sum of three."""

    def step(x, old, p):
        h, c = old
        a = p['gh'] * layer_norm(h @ p['hh']) + p['gx'] * layer_norm(x @ p['xh']) + p['b']
        i, f, g, o = _gates(a, coupled)
        if peepholes:
            i = i + p['ci'] * c
            f = -i if coupled else f + p['cf'] * c
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        if peepholes:
            o = o + p['co'] * c
        h = sigmoid(o) * np.tanh(p['gc'] * layer_norm(c) + p['bc'])
        return (h if projection is None else h @ p['hr']), c

    return step


def _gates(a, coupled):
    """Return i, f, g and o; 1 - sigmoid(i) is sigmoid(-i)."""
    if not coupled:
        return blocks(a, 4)
    i, g, o = blocks(a, 3)
    return i, -i, g, o


def gru_normed(layernorm=True, reset='after'):
    """GRU of Ba et al. 2016: the products of both gates are normalized as one."""

    def step(x, old, p):
        (h,), H = old, old[0].shape[-1]
        gates, last = slice(2 * H), slice(2 * H, 3 * H)
        a = p['gx'][gates] * layer_norm(x @ p['xh'][:, gates]) + p['b'][gates]
        r, z = blocks(sigmoid(a + p['gh'][gates] * layer_norm(h @ p['hh'][:, gates])), 2)
        n = p['gx'][last] * layer_norm(x @ p['xh'][:, last]) + p['b'][last]
        left = h if reset == 'after' else r * h
        inner = p['gh'][last] * layer_norm(left @ p['hh'][:, last])
        n = np.tanh(n + (r * (inner + p['bn']) if reset == 'after' else inner))
        return ((1 - z) * n + z * h,)

    return step


def _timed(x, times):
    """Return the input, and the time since the step before, (B, 1)."""
    return (x, 1.0) if times is None else (x[:, :-1], x[:, -1:])


def lecun_tanh(a):
    return 1.7159 * np.tanh(0.666 * a)


def grud(times=None):
    def step(x, old, p):
        (x, passed), (h, seen, gap) = _timed(x, times), old
        m, delta, mean = ~np.isnan(x), passed + gap, p['fill']
        last = mean + seen  # the last observation itself
        decay_x = np.exp(-maximum(0, delta * p['wx'] + p['bx']))
        decay_h = np.exp(-maximum(0, delta @ p['wh'] + p['bh']))
        filled = np.where(m, x, decay_x * last + (1 - decay_x) * mean)
        (wr, wz, wn), (ur, uz, un) = blocks(p['xh'], 3), blocks(p['hh'], 3)
        (vr, vz, vn), (br, bz, bn) = blocks(p['mh'], 3), blocks(p['b'], 3)
        h, real = decay_h * h, m.astype(float)
        r = sigmoid(filled @ wr + h @ ur + real @ vr + br)
        z = sigmoid(filled @ wz + h @ uz + real @ vz + bz)
        n = np.tanh(filled @ wn + (r * h) @ un + real @ vn + bn)
        last = np.where(m, x, last)
        return z * h + (1 - z) * n, last - mean, np.where(m, 0, delta)

    return step


def cfc(mode='default', backbone_layers=1, backbone_units=128, times=None):
    def step(x, old, p):
        (x, passed), (h,) = _timed(x, times), old
        both = np.concatenate([x, h], axis=1)
        u = both @ np.concatenate([p['xh'], p['hh']]) + p['b']
        if backbone_layers:
            u = lecun_tanh(u)
            for k in range(2, backbone_layers + 1):
                u = lecun_tanh(u @ p[f'u{k}'] + p[f'b{k}'])
            u = u @ p['uh'] + p['bh']
        if mode == 'pure':
            decay = np.exp(-passed * (absolute(p['tau']) + absolute(u)))
            return (-p['A'] * decay * u + p['A'],)
        f, g, a, d = blocks(u, 4)
        gate = sigmoid(a * passed + d)
        keep = 1 if mode == 'no_gate' else 1 - gate
        return (np.tanh(f) * keep + gate * np.tanh(g),)

    return step
