"""The operations of programs on NumPy arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


OPERATIONS: dict[str, Callable[..., Any]] = {
    'add': np.add,
    'sub': np.subtract,
    'mul': np.multiply,
    'div': np.divide,
    'max': np.maximum,
    'min': np.minimum,
    'select': np.where,
    'lt': np.less,
    'le': np.less_equal,
    'gt': np.greater,
    'ge': np.greater_equal,
    'eq': np.equal,
    'ne': np.not_equal,
    'and': np.logical_and,
    'or': np.logical_or,
    'xor': np.logical_xor,
    'not': np.logical_not,
    'exp': np.exp,
    'expm1': np.expm1,
    'tanh': np.tanh,
    'sigmoid': _sigmoid,
    'log': np.log,
    'log1p': np.log1p,
    'softplus': lambda x: np.logaddexp(0, x),
    'sqrt': np.sqrt,
    'abs': np.abs,
    'sign': np.sign,
}
