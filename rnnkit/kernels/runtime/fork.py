"""Preparations for a fork of this process.

Threads that help kernels end before it, because Python warns of a fork if there are other threads;
kernels make new ones when they need them. A fork waits until other threads of Python have compiled
their kernels: a lock that one of them held would stay locked in the new process.
"""

import ctypes
import os
import sys

from rnnkit.kernels.language.vector import Target, Unit
from rnnkit.kernels.language.workers import size_of_team, write_retire
from rnnkit.kernels.runtime.cache import library, lock


def register() -> None:
    """Prepare each fork from now on."""
    if sys.platform != 'win32':
        os.register_at_fork(before=end_threads)
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


def end_threads() -> None:
    """End the threads that help kernels, unless a kernel is running."""
    if size_of_team():
        address = library('fork', 'fork', _write).address('retire')
        ctypes.CFUNCTYPE(ctypes.c_int64)(address)()


def _write(name: str) -> str:
    unit = Unit(name, Target(64, 16, 16))
    write_retire(unit)
    return unit.text()
