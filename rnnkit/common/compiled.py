"""Symbolic graphs turned into functions: the one place that calls ``pytensor.function``."""

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytensor
from numpy.typing import ArrayLike
from pytensor.compile import SharedVariable
from pytensor.compile.mode import Mode, get_mode
from pytensor.tensor import TensorVariable

from rnnkit.common import progress
from rnnkit.common.interrupts import held_back
from rnnkit.errors import DataError

# Warning filters and PyTensor's flags belong to the whole process. Two threads that change and
# restore them in turns would leave them changed, so only one at a time may.
PROCESS = threading.RLock()
_mode: ContextVar[Mode | None] = ContextVar('mode', default=None)
# FAST_COMPILE runs each operation by NumPy. These rewrites join products and sums of two arrays to
# ones of several, which NumPy does not have: PyTensor then calls a Python function for each number.
JOINING = ('local_mul_canonizer', 'local_add_canonizer')
# What gives the mode of functions for which no other is chosen; None stands for PyTensor's own.
modes: list[Callable[[], Mode | None]] = []


@contextmanager
def quickly() -> Iterator[None]:
    """Build and compile the graphs of this block in the quickest way, for what is called seldom."""
    token = _mode.set(get_mode('FAST_COMPILE').excluding(*JOINING))
    try:
        yield
    finally:
        _mode.reset(token)


@contextmanager
def options_of_scan() -> Iterator[dict[str, Mode]]:
    """Return the keywords of `pytensor.scan` that go with the mode of this block, if any."""
    chosen = _mode.get()
    if chosen is None:
        yield {}
        return
    # PyTensor compiles what is inside a scan to machine code, whatever the mode of the function
    # is, unless scan is told. That is deprecated in 3.3, where nothing else has taken its place.
    with PROCESS, warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'The `mode` argument of `scan` is deprecated')
        yield {'mode': chosen}


@contextmanager
def floats_as(dtype: str) -> Iterator[None]:
    """Treat Python's floats as numbers of a dtype in the graphs of this block."""
    with PROCESS, pytensor.config.change_flags(floatX=dtype):
        yield


def double_precision() -> AbstractContextManager[None]:
    """Treat Python's floats as float64 in the graphs of this block, whatever floatX is."""
    return floats_as('float64')


def origin(error: SystemError) -> BaseException:
    """Return the exception that a SystemError hides.

    Where a signal handler raises an exception, such as KeyboardInterrupt for Ctrl-C, while
    machine code runs, the interpreter finds a result and an exception, and raises this instead.
    """
    seen: BaseException | None = error
    while isinstance(seen, SystemError):
        seen = seen.__cause__ or seen.__context__
    return error if seen is None else seen


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
        self._lock = threading.RLock()  # PyTensor's functions keep their arguments in places

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the lock, which cannot be copied."""
        return {name: value for name, value in vars(self).items() if name != '_lock'}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Return the outputs for these inputs, and apply the updates."""
        try:
            if self._function is None:
                with PROCESS:  # which also keeps two threads from compiling the same graph
                    if self._function is None:
                        return self._in_order(self._compile(*arrays))
            with self._lock:
                return self._in_order(self._function(*arrays))
        except IndexError as error:  # arrays are checked before, but may be the user's own
            raise DataError(
                f'{self.what}: {error}; a token or label has changed since the data were checked: '
                f'pass arrays that nothing else writes to, such as copies'
            ) from error
        except SystemError as error:
            raise origin(error)  # noqa: B904 - its context is the SystemError

    @property
    def function(self) -> Any:
        """PyTensor's function; None before the first call."""
        return self._function

    @property
    def order(self) -> list[int]:
        """Which output of the function is each of the outputs."""
        return self._order

    def _compile(self, *arrays: np.ndarray) -> list[ArrayLike]:
        """Compile the function, and return what it returns for these inputs."""
        inputs, outputs, updates = self._graph
        progress.prepare_logging()
        with progress.timed(f'compiling {self.what}'), warnings.catch_warnings(), held_back():
            # Numba's advice about products with transposed matrices, which is not for users.
            warnings.filterwarnings('ignore', r'(?s).*np\.dot\(\) is faster on contiguous arrays')
            function = pytensor.function(
                inputs,
                outputs,
                mode=_mode.get() or next((found for mode in modes if (found := mode())), None),
                updates=updates,
                on_unused_input='ignore',
                name=self.what,
            )
            function.trust_input = True
            result = function(*arrays)  # the Numba backend compiles in the first call
            self._foreign = not all(isinstance(a, np.ndarray | np.generic) for a in result)
            self._function, self._graph = function, None
        return result

    def _in_order(self, results: list[ArrayLike]) -> list[np.ndarray]:
        """Return the results as NumPy arrays, one for each output."""
        if self._foreign:
            results = [np.array(a) for a in results]
        return [results[i] for i in self._order]
