"""Cells of the literature in NumPy, straight from the papers.

Each function returns ``step(x, old, p) -> new`` for `complex_step`, given the options of the cell.
Letters are those of the papers; gates stand in the order that the cell documents. Where the output
is not the first state, `OUTPUTS` has it.
"""

import numpy as np
from complex_step import blocks, maximum, relu, sigmoid, softplus

PHI = {
    'tanh': np.tanh,
    'relu': relu,
    'sigmoid': sigmoid,
    'hard_sigmoid': lambda a: 1 - relu(1 - relu(a / 6 + 0.5)),
    'linear': lambda a: a,
}


def mgu(activation='tanh', gate_activation='sigmoid'):
    def step(x, old, p):
        (h,), (wf, wh), (uf, uh), (bf, bh) = old, *(blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        f = PHI[gate_activation](h @ uf + x @ wf + bf)
        candidate = PHI[activation]((f * h) @ uh + x @ wh + bh)
        return ((1 - f) * h + f * candidate,)

    return step


def janet(beta=1.0):
    def step(x, old, p):
        (c,), (wf, wc), (uf, uc), (bf, bc) = old, *(blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        s = c @ uf + x @ wf + bf
        candidate = np.tanh(c @ uc + x @ wc + bc)
        return (sigmoid(s) * c + (1 - sigmoid(s - beta)) * candidate,)

    return step


def ugrnn(activation='tanh'):
    def step(x, old, p):
        (h,), (wc, wg), (uc, ug), (bc, bg) = old, *(blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        c = PHI[activation](h @ uc + x @ wc + bc)
        g = sigmoid(h @ ug + x @ wg + bg)
        return (g * h + (1 - g) * c,)

    return step


def ligru(activation='relu', gate_activation='sigmoid'):
    def step(x, old, p):
        (h,), (wz, wh), (uz, uh), (bz, bh) = old, *(blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        z = PHI[gate_activation](x @ wz + h @ uz + bz)
        return (z * h + (1 - z) * PHI[activation](x @ wh + h @ uh + bh),)

    return step


def ran(activation='tanh'):
    def step(x, old, p):
        h, c = old
        (wi, wf), (ui, uf), (bi, bf) = (blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        i, f = sigmoid(h @ ui + x @ wi + bi), sigmoid(h @ uf + x @ wf + bf)
        c = i * (x @ p['xc']) + f * c
        return PHI[activation](c), c

    return step


def cfn():
    def step(x, old, p):
        (h,) = old
        (vt, ve), (ut, ue), (bt, be) = (blocks(p[k], 2) for k in ('xh', 'hh', 'b'))
        theta, eta = sigmoid(h @ ut + x @ vt + bt), sigmoid(h @ ue + x @ ve + be)
        return (theta * np.tanh(h) + eta * np.tanh(x @ p['xc']),)

    return step


def star():
    def step(x, old, p):
        (h,), (wz, wk), (bz, bk) = old, *(blocks(p[k], 2) for k in ('xh', 'b'))
        k = sigmoid(x @ wk + h @ p['hh'] + bk)
        return (np.tanh((1 - k) * h + k * np.tanh(x @ wz + bz)),)

    return step


def minimalrnn(activation='tanh', gate_activation='sigmoid'):
    def step(x, old, p):
        (h,), z = old, PHI[activation](x @ p['xh'] + p['b'])
        u = PHI[gate_activation](h @ p['hh'] + z @ p['zh'] + p['bu'])
        return (u * h + (1 - u) * z,)

    return step


def slstm(forget='sigmoid'):
    def step(x, old, p):
        h, c, n, m = old
        i, f, z, o = blocks(x @ p['xh'] + h @ p['hh'] + p['b'], 4)
        log_f = -softplus(-f) if forget == 'sigmoid' else f
        # An empty memory: its scale is that of the first input.
        m_new = np.where(n == 0, i, maximum(log_f + m, i))
        i = np.exp(i - m_new)
        f = np.exp(np.where(n == 0, 0, log_f + m - m_new))
        c, n = f * c + i * np.tanh(z), f * n + i
        return sigmoid(o) * c / n, c, n, m_new

    return step


def antisymmetric(activation='tanh', epsilon=0.1, gamma=0.01, gated=False):
    def step(x, old, p):
        (h,) = old
        product = h @ p['hh'] - h @ p['hh'].T - gamma * h
        v, b = (blocks(p[k], 2 if gated else 1) for k in ('xh', 'b'))
        z = sigmoid(product + x @ v[0] + b[0]) if gated else 1
        return (h + epsilon * z * PHI[activation](product + x @ v[-1] + b[-1]),)

    return step


def indrnn(activation='relu'):
    def step(x, old, p):
        return (PHI[activation](x @ p['xh'] + p['u'] * old[0] + p['b']),)

    return step


def of_appendix_b(a):
    return np.where(np.real(a) >= 0, a + 0.5, sigmoid(a))


def mingru(positive=False):
    def step(x, old, p):
        z, candidate = blocks(x @ p['xh'] + p['b'], 2)
        z = sigmoid(z)
        return ((1 - z) * old[0] + z * (of_appendix_b(candidate) if positive else candidate),)

    return step


def minlstm(positive=False):
    def step(x, old, p):
        f, i, candidate = blocks(x @ p['xh'] + p['b'], 3)
        f, i = sigmoid(f), sigmoid(i)
        candidate = of_appendix_b(candidate) if positive else candidate
        return (f / (f + i) * old[0] + i / (f + i) * candidate,)

    return step


def sru(highway='matrix', highway_bias=0.0):
    alpha = np.sqrt(1 + 2 * np.exp(highway_bias))

    def step(x, old, p):
        c = old[1]
        (wf, wr), (vf, vr), (bf, br) = (blocks(p[k], 2) for k in ('xh', 'v', 'b'))
        f, r = sigmoid(x @ wf + vf * c + bf), sigmoid(x @ wr + vr * c + br)
        c = f * c + (1 - f) * (x @ p['xc'])
        return r * c + (1 - r) * (x @ p['xs'] if highway == 'matrix' else alpha * x), c

    return step


def lru():
    def step(x, old, p):
        # Complex numbers by their parts, because imaginary ones mark derivatives here.
        re, im, _ = old
        modulus, phase = np.exp(-np.exp(p['nu'])), np.exp(p['theta'])
        cos, sin = modulus * np.cos(phase), modulus * np.sin(phase)
        b_re, b_im = (np.exp(p['gamma']) * (x @ p[k]) for k in ('br', 'bi'))
        return cos * re - sin * im + b_re, cos * im + sin * re + b_im, x @ p['d']

    return step


OUTPUTS = {'lru': lambda states, p: states[0] @ p['cr'] - states[1] @ p['ci'] + states[2]}


# The cells that stood here before. Their other references have derivatives by hand.


def rnn(activation='tanh'):
    def step(x, old, p):
        return (PHI[activation](x @ p['xh'] + old[0] @ p['hh'] + p['b']),)

    return step


def lstm(coupled=False, peepholes=False, projection=None):
    def step(x, old, p):
        h, c = old
        a = blocks(x @ p['xh'] + h @ p['hh'] + p['b'], 3 if coupled else 4)
        peep = {k: p.get(f'c{k}', 0) for k in 'ifo'} if peepholes else {}
        i = sigmoid(a[0] + peep.get('i', 0) * c)
        f = 1 - i if coupled else sigmoid(a[1] + peep.get('f', 0) * c)
        c = f * c + i * np.tanh(a[-2])
        h = sigmoid(a[-1] + peep.get('o', 0) * c) * np.tanh(c)
        return (h if projection is None else h @ p['hr']), c

    return step


def gru(reset='after'):
    def step(x, old, p):
        (h,), (ur, uz, un) = old, blocks(p['hh'], 3)
        r, z, n = blocks(x @ p['xh'] + p['b'], 3)
        r, z = sigmoid(r + h @ ur), sigmoid(z + h @ uz)
        n = np.tanh(n + (r * (h @ un + p['bn']) if reset == 'after' else (r * h) @ un))
        return ((1 - z) * n + z * h,)

    return step


def rrnn(activation='tanh'):
    def step(x, old, p):
        (h,), r = old, sigmoid(x @ p['xr'] + p['r'])
        return ((1 - r) * h + r * PHI[activation](x @ p['xh'] + h @ p['hh'] + p['b']),)

    return step


def mrnn():
    def step(x, old, p):
        f = (x @ p['xf']) * (old[0] @ p['hf'])
        return (np.tanh(x @ p['xh'] + f @ p['fh'] + p['b']),)

    return step


def mut1():
    def step(x, old, p):
        (h,), z = old, sigmoid(x @ p['xz'] + p['bz'])
        r = sigmoid(x @ p['xr'] + h @ p['hr'] + p['br'])
        n = np.tanh((r * h) @ p['hh'] + np.tanh(x @ p['xh']) + p['bh'])
        return (n * z + h * (1 - z),)

    return step


def scrn(context_size=None):
    def step(x, old, p):
        _, h, s = old
        keep = 1 - sigmoid(p['r'])
        s = (1 - keep) * (x @ p['xs']) + keep * s
        h = np.tanh(s @ p['sh'] + x @ p['xh'] + h @ p['hh'] + p['b'])
        return h @ p['ho'] + s @ p['so'], h, s

    return step


def of_units(values, size):
    return np.repeat(np.asarray(values, float), size // len(values))


def reads(slowness):
    """Return 1 where the unit of a column reads that of a row: one not faster."""
    return (slowness[:, None] >= slowness[None, :]).astype(float)


def clockwork(periods=()):
    def step(x, old, p):
        h, phase = old
        period = of_units(periods, h.shape[1])
        new = np.tanh(x @ p['xh'] + h @ (p['hh'] * reads(period)) + p['b'])
        return np.where(phase == 0, new, h), (phase + 1) % period

    return step


def bcrnn(num_modules=1):
    def step(x, old, p):
        h, a = old
        slowness = of_units(2.0 ** np.arange(num_modules), h.shape[1])
        drive = x @ p['xh'] + h @ (p['hh'] * reads(slowness)) + p['b']
        a = (1 - 1 / slowness) * a + drive / slowness
        return np.tanh(a), a

    return step
