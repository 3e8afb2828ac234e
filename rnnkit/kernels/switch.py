"""Whether kernels are wanted, and whether they can be built here."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rnnkit.kernels.recurrent.op import register_with_numba

_usable: list[bool] = []


_allowed: ContextVar[bool] = ContextVar('kernels are allowed', default=True)


@contextmanager
def allowed(wanted: bool | None) -> Iterator[None]:
    """Build graphs without kernels within, if `wanted` is False."""
    token = _allowed.set(_allowed.get() if wanted is None else wanted)
    try:
        yield
    finally:
        _allowed.reset(token)


def enabled() -> bool:
    """Return whether kernels are wanted: the environment may say ``RNNKIT_KERNELS=off``."""
    if not _allowed.get():
        return False
    return os.environ.get('RNNKIT_KERNELS', 'on').lower() not in ('off', '0', 'no', 'false')


def usable() -> bool:
    """Return whether kernels can be built here; warns, the first time, if not."""
    if not _usable:
        try:
            register_with_numba()
            _usable.append(True)
        except Exception as why:  # whatever keeps LLVM or Numba from working here
            warnings.warn(
                f'rnnkit: fused kernels cannot be built here, recurrent layers use scan, which '
                f'is slower: {why!r}',
                RuntimeWarning,
                stacklevel=2,
            )
            _usable.append(False)
    return _usable[0]
