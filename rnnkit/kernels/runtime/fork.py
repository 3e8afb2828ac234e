"""The end of the threads that help kernels, before this process forks.

Python warns of a fork if there are other threads. Kernels make new ones when they need them.
"""

import ctypes
import os
import sys

from rnnkit.kernels.language.vector import Target, Unit
from rnnkit.kernels.language.workers import size_of_team, write_retire
from rnnkit.kernels.runtime.cache import library


def register() -> None:
    """End the threads before each fork from now on."""
    if sys.platform != 'win32':
        os.register_at_fork(before=end_threads)


def end_threads() -> None:
    """End the threads that help kernels, unless a kernel is running."""
    if size_of_team():
        address = library('fork', 'fork', _write).address('retire')
        ctypes.CFUNCTYPE(ctypes.c_int64)(address)()


def _write(name: str) -> str:
    unit = Unit(name, Target(64, 16, 16))
    write_retire(unit)
    return unit.text()
