"""Recurrences in plain NumPy, straight from the papers, forward and backward by hand.

Nothing here imports rnnkit. Arrays are float64; T time, B batch, I inputs, H size. Each
``*_forward`` returns the states by name, each of shape (T, B, H); each ``*_backward`` takes
the derivatives of some scalar by these states, and returns its derivatives by ``x``, every
parameter and the state before the first step.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


SQUASH = {'tanh': np.tanh, 'relu': lambda z: np.where(z > 0, z, 0.0)}
# Slopes as functions of the value that the squashing function returned.
SLOPE = {'tanh': lambda y: 1 - y**2, 'relu': lambda y: (y > 0).astype(float)}


def blocks(a, letters):
    """Return the column blocks of `a` by letter."""
    H = a.shape[-1] // len(letters)
    return {k: a[..., n * H : (n + 1) * H] for n, k in enumerate(letters)}


def rnn_forward(x, p, h0, activation='tanh'):
    h, hs = h0, []
    for x_t in x:
        h = SQUASH[activation](x_t @ p['xh'] + h @ p['hh'] + p['b'])
        hs.append(h)
    return {'h': np.array(hs)}


def rnn_backward(x, p, h0, d, activation='tanh'):
    h = rnn_forward(x, p, h0, activation)['h']
    g = {k: np.zeros_like(v) for k, v in {'x': x, **p}.items()}
    dh = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        before = h[t - 1] if t else h0
        da = (d['h'][t] + dh) * SLOPE[activation](h[t])
        g['xh'] += x[t].T @ da
        g['hh'] += before.T @ da
        g['b'] += da.sum(0)
        g['x'][t] = da @ p['xh'].T
        dh = da @ p['hh'].T
    return {**g, 'h0': dh}


def lstm_steps(x, p, h0, c0, activation='tanh'):
    phi, h, c, steps = SQUASH[activation], h0, c0, []
    for x_t in x:
        a = blocks(x_t @ p['xh'] + h @ p['hh'] + p['b'], 'ifgo')
        s = {'h_old': h, 'c_old': c, 'g': phi(a['g'])}
        s |= {k: sigmoid(a[k] + p.get(f'c{k}', 0) * c) for k in 'if'}
        c = s['f'] * c + s['i'] * s['g']
        s['o'] = sigmoid(a['o'] + p.get('co', 0) * c)  # this peephole sees the new memory
        h = s['o'] * phi(c)
        steps.append({**s, 'h': h, 'c': c, 'phi_c': phi(c)})
    return steps


def lstm_forward(x, p, h0, c0, activation='tanh'):
    steps = lstm_steps(x, p, h0, c0, activation)
    return {k: np.array([s[k] for s in steps]) for k in 'hc'}


def lstm_backward(x, p, h0, c0, d, activation='tanh'):
    slope = SLOPE[activation]
    steps = lstm_steps(x, p, h0, c0, activation)
    grads = {k: np.zeros_like(v) for k, v in {'x': x, **p}.items()}
    dh, dc = np.zeros_like(h0), np.zeros_like(c0)
    for t in reversed(range(len(x))):
        s = steps[t]
        dh = dh + d['h'][t]
        do = dh * s['phi_c'] * s['o'] * (1 - s['o'])
        dc = dc + d['c'][t] + dh * s['o'] * slope(s['phi_c']) + do * p.get('co', 0)
        di = dc * s['g'] * s['i'] * (1 - s['i'])
        df = dc * s['c_old'] * s['f'] * (1 - s['f'])
        da = np.concatenate([di, df, dc * s['i'] * slope(s['g']), do], axis=1)
        for peephole, dz, memory in (('ci', di, 'c_old'), ('cf', df, 'c_old'), ('co', do, 'c')):
            if peephole in p:
                grads[peephole] += (dz * s[memory]).sum(0)
        grads['xh'] += x[t].T @ da
        grads['hh'] += s['h_old'].T @ da
        grads['b'] += da.sum(0)
        grads['x'][t] = da @ p['xh'].T
        dh = da @ p['hh'].T
        dc = dc * s['f'] + di * p.get('ci', 0) + df * p.get('cf', 0)
    return {**grads, 'h0': dh, 'c0': dc}


def gru_steps(x, p, h0, reset, activation='tanh'):
    phi, h, steps = SQUASH[activation], h0, []
    U = blocks(p['hh'], 'rzn')
    for x_t in x:
        a = blocks(x_t @ p['xh'] + p['b'], 'rzn')
        r, z = sigmoid(a['r'] + h @ U['r']), sigmoid(a['z'] + h @ U['z'])
        if reset == 'after':
            inner = h @ U['n'] + p['bn']
            n = phi(a['n'] + r * inner)
        else:
            inner = None
            n = phi(a['n'] + (r * h) @ U['n'])
        new = (1 - z) * n + z * h
        steps.append({'old': h, 'r': r, 'z': z, 'n': n, 'inner': inner, 'h': new})
        h = new
    return steps


def gru_forward(x, p, h0, reset='after', activation='tanh'):
    return {'h': np.array([s['h'] for s in gru_steps(x, p, h0, reset, activation)])}


def gru_backward(x, p, h0, d, reset='after', activation='tanh'):
    steps = gru_steps(x, p, h0, reset, activation)
    g = {k: np.zeros_like(v) for k, v in {'x': x, **p}.items()}
    U, dU = blocks(p['hh'], 'rzn'), blocks(g['hh'], 'rzn')  # dU are views into g['hh']
    dh = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        s = steps[t]
        old, r, z, n = s['old'], s['r'], s['z'], s['n']
        dh = dh + d['h'][t]
        dz = dh * (old - n) * z * (1 - z)
        dn = dh * (1 - z) * SLOPE[activation](n)
        dh = dh * z
        if reset == 'after':
            dr = dn * s['inner'] * r * (1 - r)
            g['bn'] += (dn * r).sum(0)
            dU['n'] += old.T @ (dn * r)
            dh = dh + (dn * r) @ U['n'].T
        else:
            back = dn @ U['n'].T
            dr = back * old * r * (1 - r)
            dU['n'] += (r * old).T @ dn
            dh = dh + back * r
        dU['r'] += old.T @ dr
        dU['z'] += old.T @ dz
        dh = dh + dr @ U['r'].T + dz @ U['z'].T
        da = np.concatenate([dr, dz, dn], axis=1)
        g['xh'] += x[t].T @ da
        g['b'] += da.sum(0)
        g['x'][t] = da @ p['xh'].T
    return {**g, 'h0': dh}


def run(form, x, p, state, d, **options):
    """Return the states by name, and all derivatives by name, of one recurrence."""
    forward, backward = {
        'rnn': (rnn_forward, rnn_backward),
        'lstm': (lstm_forward, lstm_backward),
        'gru': (gru_forward, gru_backward),
    }[form]
    return forward(x, p, *state, **options), backward(x, p, *state, d, **options)


def run_in_windows(form, x, p, state, d, limit, **options):
    """Return the same, if gradients do not leave windows of `limit` steps.

    Each window is a sequence of its own, whose first state is the last one of the window
    before and has no gradient.
    """
    states, grads = [], []
    for t in range(0, len(x), limit):
        window = slice(t, t + limit)
        new, grad = run(form, x[window], p, state, {k: v[window] for k, v in d.items()}, **options)
        state = [v[-1] for v in new.values()]
        states.append(new)
        grads.append(grad)
    total = {k: sum(g[k] for g in grads) for k in p}
    total['x'] = np.concatenate([g['x'] for g in grads])
    total |= {f'{k}0': grads[0][f'{k}0'] for k in d}
    return {k: np.concatenate([s[k] for s in states]) for k in d}, total
