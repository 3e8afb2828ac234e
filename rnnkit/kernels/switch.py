"""Whether kernels are allowed, and whether they can be built here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from rnnkit.common import caller
from rnnkit.common.interrupts import held_back
from rnnkit.errors import ConfigError
from rnnkit.kernels.runtime import memory_pool

_allowed: ContextVar[bool] = ContextVar('kernels are allowed', default=True)


@contextmanager
def allowed(kernel: bool | None) -> Iterator[None]:
    """Build graphs in this block without kernels if `kernel` is False; None changes nothing."""
    token = _allowed.set(_allowed.get() if kernel is None else kernel)
    try:
        yield
    finally:
        _allowed.reset(token)


def enabled() -> bool:
    """Return whether kernels may be used: the environment may say ``RNNKIT_KERNELS=off``."""
    if not _allowed.get():
        return False
    return os.environ.get('RNNKIT_KERNELS', 'on').lower() not in ('off', '0', 'no', 'false')


@cache
def usable() -> bool:
    """Return whether kernels can be built here; warns, the first time, if not."""
    with held_back():  # an exception of a signal handler is no reason
        return _can_be_built()


def _can_be_built() -> bool:
    try:
        build_one()
    except ConfigError:  # of the user's: RNNKIT_CPU
        raise
    except Exception as why:  # whatever keeps LLVM from working here
        caller.warn(
            f'rnnkit: fused kernels cannot be built here, so recurrent layers use scan, which is '
            f'slower: {why!r}'
        )
        return False
    return True


def build_one() -> None:
    """Compile a kernel that all others need, or read it from the cache."""
    memory_pool.compiled()
