"""The operations of programs by NumPy and SciPy, for tests.

Independent of rnnkit, whose own table, `rnnkit.kernels.program.arrays`, is among what is tested.
All but ``'erf'`` and ``'erfc'`` work in extended precision as well.
"""

import numpy as np
from scipy import special

FUNCTIONS = {  # of one number
    'exp': np.exp,
    'expm1': np.expm1,
    'tanh': np.tanh,
    'log': np.log,
    'log1p': np.log1p,
    'sigmoid': special.expit,
    'softplus': lambda x: np.logaddexp(0, x),
    'sqrt': np.sqrt,
    'abs': np.abs,
    'sign': np.sign,
}
BINARY = {
    'add': np.add,
    'sub': np.subtract,
    'mul': np.multiply,
    'div': np.divide,
    'max': np.maximum,
    'min': np.minimum,
}
COMPARISONS = {
    'lt': np.less,
    'le': np.less_equal,
    'gt': np.greater,
    'ge': np.greater_equal,
    'eq': np.equal,
    'ne': np.not_equal,
}
LOGICAL = {
    'and': np.logical_and,
    'or': np.logical_or,
    'xor': np.logical_xor,
    'not': np.logical_not,
}
# All that kernels have.
KERNELS = {**FUNCTIONS, **BINARY, **COMPARISONS, **LOGICAL, 'select': np.where}
NUMPY = {**KERNELS, 'erf': special.erf, 'erfc': special.erfc}
