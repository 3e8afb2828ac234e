"""How often machine code is compiled: functions by Numba, kernels by this library."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytensor
from numba.core import event

from rnnkit.kernels.runtime import cache


class Compilations(event.Listener):
    """What has been compiled, by name."""

    def __init__(self):
        self.names: list[str] = []

    def on_start(self, happened: event.Event) -> None:
        """Note a function that Numba compiles; not one that it reads from disk."""
        self.names.append(str(happened.data['dispatcher']))

    def on_end(self, happened: event.Event) -> None:
        """Do nothing."""


@contextmanager
def counted(monkeypatch) -> Iterator[list[str]]:
    """Yield the names of what is compiled in this block."""
    listener = Compilations()
    compile_ir = cache.compile_ir

    def noted(text: str) -> bytes:
        listener.names.append(text.partition('"')[2].partition('"')[0])
        return compile_ir(text)

    with monkeypatch.context() as patch, event.install_listener('numba:compile', listener):
        patch.setattr(cache, 'compile_ir', noted)
        yield listener.names


@contextmanager
def numba_mode() -> Iterator[None]:
    """Use the mode that users have by default, and not that of the tests."""
    with pytensor.config.change_flags(mode='NUMBA'):
        yield
