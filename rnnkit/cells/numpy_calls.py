"""Functions of NumPy on tensors: refuse those that would compute something else, or fail.

NumPy takes a tensor for an array without axes that holds an object. Of two such arrays, ``np.dot``
is their product, so that ``np.dot(s.h, p.hh)`` would be ``s.h * p.hh``. Elementwise functions of
one tensor, such as ``np.tanh``, call the tensor's own and are right.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError

FINE = ('ndim', 'shape', 'swapaxes')  # they call what the tensor has
PRODUCTS = ('dot', 'vdot', 'inner', 'tensordot')
INTERNAL = ('numpy', 'pytensor')


class NumpyError(ConfigError):
    """A function of NumPy was called on a tensor."""


_lock = threading.Lock()
_here = threading.local()
_blocks = 0  # that are open, in all threads


@contextmanager
def refused() -> Iterator[None]:
    """Raise `NumpyError` for a function of NumPy that is called on a tensor in a block."""
    global _blocks
    with _lock:
        _blocks += 1
        TensorVariable.__array_function__ = _call
    before, _here.refuses = getattr(_here, 'refuses', False), True
    try:
        yield
    finally:
        _here.refuses = before
        with _lock:
            _blocks -= 1
            if not _blocks:
                del TensorVariable.__array_function__


def _call(
    tensor: TensorVariable,
    function: Callable[..., object],
    types: Sequence[type],
    args: Sequence[object],
    kwargs: Mapping[str, object],
) -> object:
    """Do what NumPy does where a class has no ``__array_function__``, or refuse to."""
    caller = sys._getframe(1).f_globals.get('__name__', '').partition('.')[0]
    name = function.__name__
    if getattr(_here, 'refuses', False) and caller not in INTERNAL and name not in FINE:
        raise NumpyError(f'np.{name} cannot read a tensor; {_instead(name)}')
    return function._implementation(*args, **kwargs)  # type: ignore[attr-defined]


def _instead(name: str) -> str:
    """Return what to write in place of a function of NumPy."""
    if name in PRODUCTS:
        return 'a matrix product is written s.h @ p.hh'
    if hasattr(pt, name):
        return f'write pt.{name}, with import pytensor.tensor as pt'
    return 'write functions of pytensor.tensor'
