"""Equations of one row, computed by NumPy."""

import numpy as np
from operations import NUMPY
from scipy import special

STEPS = {
    'array': lambda w, s: w,
    'product': lambda w, s, x: x @ w,
    'columns': lambda w, s, x: x[..., s.start : s.stop],
    'join': lambda w, s, *parts: np.concatenate(parts, axis=-1),
    'softmax': lambda w, s, x: special.softmax(x, axis=-1),
    'sum': lambda w, s, x: x.sum(axis=-1, keepdims=True),
    'max': lambda w, s, x: x.max(axis=-1, keepdims=True),
    'min': lambda w, s, x: x.min(axis=-1, keepdims=True),
    'prod': lambda w, s, x: x.prod(axis=-1, keepdims=True),
}


def computed(equations, given):
    """Return the outputs of equations, by NumPy, for inputs (B, n) by name."""
    values = {}
    for k in equations.needed:
        op, *operands = equations.program.nodes[k]
        read = [values[j] for j in equations.operands(k)]
        if k in equations.steps:
            step = equations.steps[k]
            values[k] = STEPS[step.kind](equations.arrays.get(step.array), step, *read)
        elif op == 'input':
            values[k] = given[operands[0]]
        else:
            values[k] = operands[0] if op == 'constant' else NUMPY[op](*read)
        if np.ndim(values[k]):
            assert values[k].shape[-1] == equations.widths[k]
    return [values[k] for k in equations.outputs]
