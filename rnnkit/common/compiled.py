"""Symbolic graphs turned into functions: the one place that calls ``pytensor.function``."""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytensor
from numpy.typing import ArrayLike
from pytensor.compile import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit.common import progress


@contextmanager
def quickly() -> Iterator[None]:
    """Build and compile the graphs of this block in the quickest way, for what is called seldom."""
    flags = {'mode': 'FAST_COMPILE'}
    # PyTensor 3.0 fuses operations inside scan, which Python then does number by number.
    if not pytensor.__version__.startswith('3.0.'):
        flags['cxx'] = ''
    # PyTensor then advises to install another BLAS, which makes no difference for these functions.
    log = logging.getLogger('pytensor.tensor.blas')
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with pytensor.config.change_flags(**flags), warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'PyTensor could not link to a BLAS installation')
            yield
    finally:
        log.setLevel(level)


def own(variables: Iterable[SharedVariable]) -> None:
    """Give shared variables values of their own, which compiled updates may overwrite.

    ``p.set_value(array, borrow=True)`` keeps the user's array: one that is a view of others, or
    cannot be written, such as a file that is mapped into memory.
    """
    for variable in variables:
        value = variable.get_value(borrow=True)
        variable.set_value(np.array(value, order='C'), borrow=True)


class Compiled:
    """A function that is compiled when it is first called, and then kept.

    Parameters
    ----------
    what : str
        What it computes, for the line that announces the compilation.
    inputs, outputs : sequence of variables
    updates : sequence of (shared variable, new value), optional

    Notes
    -----
    Arguments must be contiguous arrays of exactly the declared type: they are checked at
    the border of the library, and not a second time here.
    """

    def __init__(
        self,
        what: str,
        inputs: Sequence[TensorVariable],
        outputs: Sequence[TensorVariable],
        updates: Sequence[tuple[SharedVariable, TensorVariable]] = (),
    ):
        self.what = what
        # Compiled code copies a variable that is an output twice.
        unique = list(dict.fromkeys(outputs))
        self._graph = (list(inputs), unique, list(updates))
        self._order = [unique.index(output) for output in outputs]
        self._function = None
        self._foreign = False  # whether it returns arrays of JAX or another library

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for these inputs, and apply the updates."""
        if self._function is not None:
            return self._in_order(self._function(*arrays))
        inputs, outputs, updates = self._graph
        progress.prepare_logging()
        with progress.timed(f'compiling {self.what}'), warnings.catch_warnings():
            # Numba's advice about products with transposed matrices, which is not for users.
            warnings.filterwarnings('ignore', r'(?s).*np\.dot\(\) is faster on contiguous arrays')
            function = pytensor.function(
                inputs, outputs, updates=updates, on_unused_input='ignore', name=self.what
            )
            function.trust_input = True
            result = function(*arrays)  # the Numba backend compiles in the first call
        self._function, self._graph = function, None
        self._foreign = not all(isinstance(a, np.ndarray | np.generic) for a in result)
        return self._in_order(result)

    def _in_order(self, results: list[ArrayLike]) -> list[np.ndarray]:
        """Return the results as NumPy arrays, one for each output."""
        if self._foreign:
            results = [np.array(a) for a in results]
        return [results[i] for i in self._order]
