"""Outputs that are not numbers: what the error says."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from rnnkit.errors import DataError
from rnnkit.graph.graph import Graph

SMALL = 5_000  # numbers


def not_finite(
    where: str, graph: Graph, outputs: Callable[[], Mapping[str, np.ndarray]] | None = None
) -> DataError:
    """Return the error for an output that is not a number.

    Parameters
    ----------
    where : str
        The call, for messages.
    graph : Graph
    outputs : callable, optional
        Returns the values that count of each output of each layer. It is called only if all
        parameters are finite.
    """
    for layer in graph.layers:
        for param in layer.params.values():
            value = param.get_value(borrow=True)
            if not np.isfinite(value).all():
                wrong = value[~np.isfinite(value)][0]
                return DataError(
                    f'{where}: the output is not a number, since parameter {param.name!r} contains '
                    f'{wrong}; use parameters from before this happened, and train with a smaller '
                    f'learning_rate'
                )
    for name, value in (outputs() if outputs else {}).items():
        if not np.isfinite(value).all():
            wrong = value[~np.isfinite(value)][0]
            return DataError(
                f'{where}: the output is not a number; all parameters are finite, and {name!r} is '
                f'the first output that contains {wrong}. Are x or the parameters too large?'
            )
    return DataError(
        f'{where}: the output is not a number, although all parameters are finite. Are x, the '
        f'state or the parameters too large?'
    )


def is_finite(array: np.ndarray) -> bool:
    """Return whether all numbers are finite; of a small array in a fraction of a microsecond."""
    if array.size < SMALL and math.isfinite(np.vdot(array, array)):
        return True  # and else their squares may have overflowed
    return bool(np.isfinite(array).all())


def is_nan(array: np.ndarray) -> bool:
    """Return whether an array contains NaN."""
    return not is_finite(array) and bool(np.isnan(array).any())
