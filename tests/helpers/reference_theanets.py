"""The cells that theanets had besides rnn, lstm and gru, in plain NumPy, from the papers.

Nothing here imports rnnkit. A cell is a pair of functions on arrays of shape (B, ...),
``step(x, old, p) -> new, saved`` and ``back(d_new, saved, p) -> d_x, d_old, d_p``, with all
derivatives written by hand; `run` adds time and masks. `CELLS` makes the pair from options.
"""

import numpy as np
from reference import SLOPE, SQUASH, sigmoid


def rates(form, n):
    """Return fixed rates: the middle of each of n equal parts of the distribution."""
    middles = np.linspace(0, 1, 2 * n + 1)[1::2]
    return middles if form == 'uniform' else np.exp(-6 + 6 * middles)


def rrnn(activation='tanh', rate='matrix'):
    def step(x, old, p):
        (h,) = old
        n = SQUASH[activation](x @ p['xh'] + h @ p['hh'] + p['b'])
        if rate == 'matrix':
            r = sigmoid(x @ p['xr'] + p['r'])
        else:
            r = sigmoid(p['r']) if rate == 'vector' else rates(rate, h.shape[1])
        return [(1 - r) * h + r * n], (x, h, n, r)

    def back(d_new, saved, p):
        x, h, n, r = saved
        (d,) = d_new
        da = d * r * SLOPE[activation](n)
        dr = d * (n - h) * r * (1 - r)
        d_x, d_p = da @ p['xh'].T, {'xh': x.T @ da, 'hh': h.T @ da, 'b': da.sum(0)}
        if rate in ('matrix', 'vector'):
            d_p['r'] = dr.sum(0)
        if rate == 'matrix':
            d_x, d_p['xr'] = d_x + dr @ p['xr'].T, x.T @ dr
        return d_x, [da @ p['hh'].T + d * (1 - r)], d_p

    return step, back


def mrnn(activation='tanh', factors=None):
    def step(x, old, p):
        (h,) = old
        f = (x @ p['xf']) * (h @ p['hf'])
        return [n := SQUASH[activation](x @ p['xh'] + f @ p['fh'] + p['b'])], (x, h, f, n)

    def back(d_new, saved, p):
        x, h, f, n = saved
        da = d_new[0] * SLOPE[activation](n)
        df = da @ p['fh'].T
        dx, dh = df * (h @ p['hf']), df * (x @ p['xf'])
        d_p = {
            'xh': x.T @ da,
            'b': da.sum(0),
            'fh': f.T @ da,
            'xf': x.T @ dx,
            'hf': h.T @ dh,
        }
        return da @ p['xh'].T + dx @ p['xf'].T, [dh @ p['hf'].T], d_p

    return step, back


def mut1():
    def step(x, old, p):
        (h,) = old
        z = sigmoid(x @ p['xz'] + p['bz'])
        r = sigmoid(x @ p['xr'] + h @ p['hr'] + p['br'])
        inner = np.tanh(x @ p['xh'])
        n = np.tanh((r * h) @ p['hh'] + inner + p['bh'])
        return [n * z + h * (1 - z)], (x, h, z, r, inner, n)

    def back(d_new, saved, p):
        x, h, z, r, inner, n = saved
        (d,) = d_new
        dz = d * (n - h) * z * (1 - z)
        dn = d * z * (1 - n**2)
        db = dn @ p['hh'].T
        dr = db * h * r * (1 - r)
        di = dn * (1 - inner**2)
        d_p = {
            'xz': x.T @ dz,
            'bz': dz.sum(0),
            'xr': x.T @ dr,
            'hr': h.T @ dr,
            'br': dr.sum(0),
            'xh': x.T @ di,
            'hh': (r * h).T @ dn,
            'bh': dn.sum(0),
        }
        d_x = dz @ p['xz'].T + dr @ p['xr'].T + di @ p['xh'].T
        return d_x, [d * (1 - z) + db * r + dr @ p['hr'].T], d_p

    return step, back


def scrn(activation='tanh', rate='vector', context_size=None):
    def step(x, old, p):
        _, h, s = old
        r = sigmoid(p['r']) if rate == 'vector' else rates(rate, s.shape[1])
        context = (1 - r) * s + r * (x @ p['xs'])
        n = SQUASH[activation](context @ p['sh'] + x @ p['xh'] + h @ p['hh'] + p['b'])
        return [n @ p['ho'] + context @ p['so'], n, context], (x, h, s, r, context, n)

    def back(d_new, saved, p):
        x, h, s, r, context, n = saved
        dy, dn, dc = d_new
        da = (dn + dy @ p['ho'].T) * SLOPE[activation](n)
        dc = dc + dy @ p['so'].T + da @ p['sh'].T
        d_p = {
            'xh': x.T @ da,
            'hh': h.T @ da,
            'b': da.sum(0),
            'sh': context.T @ da,
            'ho': n.T @ dy,
            'so': context.T @ dy,
            'xs': x.T @ (dc * r),
        }
        if rate == 'vector':
            d_p['r'] = (dc * (x @ p['xs'] - s)).sum(0) * r * (1 - r)
        d_x = da @ p['xh'].T + (dc * r) @ p['xs'].T
        return d_x, [np.zeros_like(dy), da @ p['hh'].T, dc * (1 - r)], d_p

    return step, back


def parts(values, n):
    """Return the value of each of n units, and where unit i may act on unit j."""
    each = [value for value in values for _ in range(n // len(values))]
    return np.array(each), np.array([[a >= b for b in each] for a in each])


def clockwork(activation='tanh', periods=()):
    def step(x, old, p):
        h, phase = old
        period, allowed = parts(periods, h.shape[1])
        new = SQUASH[activation](x @ p['xh'] + h @ np.where(allowed, p['hh'], 0) + p['b'])
        due = phase % period == 0
        return [np.where(due, new, h), (phase + 1) % period], (x, h, phase, due, new)

    def back(d_new, saved, p):
        x, h, phase, due, new = saved
        d, d_phase = d_new
        period, allowed = parts(periods, h.shape[1])
        da = np.where(due, d * SLOPE[activation](new), 0)
        d_p = {'xh': x.T @ da, 'hh': np.where(allowed, h.T @ da, 0), 'b': da.sum(0)}
        dh = da @ np.where(allowed, p['hh'], 0).T + np.where(due, 0, d)
        return da @ p['xh'].T, [dh, np.where(phase + 1 < period, d_phase, 0)], d_p

    return step, back


def bcrnn(activation='tanh', num_modules=1):
    def step(x, old, p):
        h, pre = old
        time, allowed = parts([2**k for k in range(num_modules)], h.shape[1])
        r = 1 - 1 / time
        a = r * pre + (1 - r) * (x @ p['xh'] + h @ np.where(allowed, p['hh'], 0) + p['b'])
        return [y := SQUASH[activation](a), a], (x, h, r, allowed, y)

    def back(d_new, saved, p):
        x, h, r, allowed, y = saved
        da = d_new[1] + d_new[0] * SLOPE[activation](y)
        dz = da * (1 - r)
        d_p = {'xh': x.T @ dz, 'hh': np.where(allowed, h.T @ dz, 0), 'b': dz.sum(0)}
        return dz @ p['xh'].T, [dz @ np.where(allowed, p['hh'], 0).T, da * r], d_p

    return step, back


CELLS = {
    'rrnn': rrnn,
    'mrnn': mrnn,
    'mut1': mut1,
    'scrn': scrn,
    'clockwork': clockwork,
    'bcrnn': bcrnn,
}
STATES = {'scrn': ['y', 'h', 's'], 'clockwork': ['h', 'phase'], 'bcrnn': ['h', 'pre']}


def run(form, x, p, state, d, mask=None, **options):
    """Return the states by name, and all derivatives by name, of one recurrence.

    `d` has the derivatives of some scalar by the states, by name; where `mask` (T, B) is
    false, the states are held.
    """
    step, back = CELLS[form](**options)
    names = STATES.get(form, ['h'])
    real = np.ones(x.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    old, states, tape = state, [], []
    for t in range(len(x)):
        new, saved = step(x[t], old, p)
        old = [np.where(real[t][:, None], n, o) for n, o in zip(new, old, strict=True)]
        states.append(old)
        tape.append(saved)
    g = {k: np.zeros_like(v) for k, v in {'x': x, **p}.items()}
    carried = [np.zeros_like(s) for s in state]
    for t in reversed(range(len(x))):
        here = real[t][:, None]
        total = [c + d[n][t] for c, n in zip(carried, names, strict=True)]
        g['x'][t], d_old, d_p = back([np.where(here, a, 0) for a in total], tape[t], p)
        for k, v in d_p.items():
            g[k] += v
        carried = [np.where(here, o, a) for o, a in zip(d_old, total, strict=True)]
    series = {n: np.array([s[k] for s in states]) for k, n in enumerate(names)}
    return series, {**g, **{f'{n}0': c for n, c in zip(names, carried, strict=True)}}
