"""Run a cell's step, written in NumPy, over time, and differentiate it by the complex step.

A step is a function ``step(x, old, p) -> new``: the input (B, I) of one step, a tuple of old
states (B, width) and a dict of parameters in, a tuple of new states out. If it consists of analytic
functions, it takes complex numbers as well, and the imaginary part of ``f(v + 1e-30j * d)`` is
1e-30 times the derivative of f at v in the direction d, without a difference that would be rounded.
Functions that are not analytic (`relu`, `absolute`, `maximum`, `minimum`) compare real parts here.

Nothing here imports rnnkit. Arrays are float64; T time, B batch.

References
----------
Squire & Trapp 1998, SIAM Review 40(1).
"""

import numpy as np

EPS = 1e-30  # its square vanishes beside any number, so that the derivative is exact


def sigmoid(z):
    e = np.exp(-absolute(z))  # which does not overflow
    return np.where(np.real(z) < 0, e, 1) / (1 + e)


def softplus(z):
    return maximum(z, 0) + np.log1p(np.exp(-absolute(z)))


def log_sigmoid(z):
    return -softplus(-z)


def relu(z):
    return np.where(np.real(z) > 0, z, 0)


def absolute(z):
    return np.where(np.real(z) < 0, -z, z)


def maximum(a, b):
    return np.where(np.real(a) >= np.real(b), a, b)


def minimum(a, b):
    return np.where(np.real(a) <= np.real(b), a, b)


def blocks(a, n):
    """Return the `n` column blocks of equal width of `a`."""
    return np.split(a, n, axis=-1)


def run(step, x, start, p, mask=None, reverse=False):
    """Return the states after each step, each of shape (T, B, width), in the order of `x`.

    Parameters
    ----------
    step : callable
    x : array of shape (T, B, I)
    start : sequence of arrays of shape (B, width), or (1, width) for all examples
    p : dict of str to array
    mask : array of shape (T, B), optional
        Where it is 0 the states are held; what `step` makes of such rows is not looked at.
    reverse : bool
        Whether the last step of `x` is done first.
    """
    n_steps, n_rows = x.shape[:2]
    old = tuple(np.broadcast_to(s, (n_rows, s.shape[-1])) for s in start)
    states = [None] * n_steps
    for t in range(n_steps)[:: -1 if reverse else 1]:
        new = step(x[t], old, p)
        if mask is not None:
            real = mask[t][:, None] > 0.5
            new = [np.where(real, n, o) for n, o in zip(new, old, strict=True)]
        old = states[t] = tuple(new)
    return [
        np.array([s[k] for s in states]) if n_steps else np.zeros((0, *o.shape))
        for k, o in enumerate(old)
    ]


def scalar(step, values, weights, mask=None, reverse=False):
    """Return sum(weights * states) over all states, a number that `gradients` can take.

    Parameters
    ----------
    step : callable
    values : dict of str to array
        ``'x'``; ``'start0'``, ``'start1'``, ... for the initial states; all others are parameters.
    weights : sequence of arrays of shape (T, B, width), or None for a state that does not count
    """
    start = [values[f'start{k}'] for k in range(len(weights))]
    p = {k: v for k, v in values.items() if k != 'x' and not k.startswith('start')}
    states = run(step, values['x'], start, p, mask, reverse)
    return sum((s * w).sum() for s, w in zip(states, weights, strict=True) if w is not None)


def slope(f, values, direction):
    """Return the exact derivative of ``f(values)`` in a direction.

    Parameters
    ----------
    f : callable
        Takes a dict of arrays, returns a number.
    values : dict of str to array
    direction : dict of str to array
        Of the same shapes; names that are missing do not move.
    """
    moved = {k: v + EPS * 1j * direction[k] if k in direction else v for k, v in values.items()}
    return np.imag(f(moved)) / EPS


def gradients(f, values, names=None):
    """Return the exact gradient of ``f(values)`` by each array, element by element.

    It evaluates `f` once for each element: for small arrays only. Elements of `values` that are NaN
    (in padding) are evaluated as they are.
    """
    found = {}
    for name in values if names is None else names:
        gradient = found[name] = np.zeros(values[name].shape)
        for index in np.ndindex(gradient.shape):
            unit = np.zeros(gradient.shape)
            unit[index] = 1
            gradient[index] = slope(f, values, {name: unit})
    return found


def check_slopes(f, values, found, rng, rtol=1e-9, atol=1e-11, directions=2):
    """Compare gradients with exact derivatives in random directions, array by array.

    Parameters
    ----------
    f, values
        As in `slope`.
    found : dict of str to array
        The gradients that are tested, by name.
    """
    for name, gradient in found.items():
        assert gradient.shape == values[name].shape, name
        for _ in range(directions):
            d = rng.standard_normal(gradient.shape)
            want, got = slope(f, values, {name: d}), float((gradient * d).sum())
            # The sum has cancellations, so that its scale counts.
            bound = rtol * np.sqrt((np.asarray(gradient, 'float64') ** 2).sum()) + atol
            assert abs(got - want) <= bound + rtol * abs(want), f'{name}: got {got}, want {want}'
