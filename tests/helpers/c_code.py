"""Networks as C, compiled and called."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

COMPILER = next(filter(None, map(shutil.which, ('cc', 'gcc', 'clang'))), None)
STRICT = ['-std=c99', '-Wall', '-Wextra', '-pedantic', '-Wshadow', '-Wconversion', '-Werror']
needs_compiler = pytest.mark.skipif(COMPILER is None, reason='no C compiler found')
STATE = 1 << 20  # bytes, more than any network here keeps


def build(*sources, out, flags=()):
    """Compile sources; any warning is an error."""
    command = [COMPILER, *STRICT, *flags, *map(str, sources), '-lm', '-o', str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:4000]
    return out


class Library:
    """The functions of a network, as those of a shared library.

    Parameters
    ----------
    net : rnnkit.Network
    folder : path
    name, dtype : str
        As in `to_c`.
    flags : sequence of str
        For the compiler.
    """

    def __init__(self, net, folder, name='net', dtype='float32', flags=('-O1',)):
        self.net, self.folder, self.name, self.dtype = net, Path(folder), name, dtype
        self.source, self.header, self.test = net.to_c(folder, name, dtype=dtype)
        out = self.folder / f'{name}.so'
        build(self.source, out=out, flags=[*flags, '-fPIC', '-shared'])
        self.functions = ctypes.CDLL(str(out))
        self.state = ctypes.create_string_buffer(STATE)
        self.begin()

    def begin(self):
        self._call('init')

    def _call(self, what, *arguments):
        return getattr(self.functions, f'{self.name}_{what}')(self.state, *arguments)

    def step(self, *x, width):
        """Return the output of a step: of arrays (I,), and tokens."""
        y = np.full(width + 1, 7, self.dtype)  # one more, which nobody may write
        inputs = [np.ascontiguousarray(v, self.dtype) if np.ndim(v) else v for v in x]
        given = [
            v.ctypes.data_as(ctypes.c_void_p) if np.ndim(v) else ctypes.c_int32(int(v))
            for v in inputs
        ]
        self.status = self._call('step', *given, y.ctypes.data_as(ctypes.c_void_p))
        assert y[width] == 7
        return y[:width]

    def run(self, *x, steps, shape):
        """Return the outputs of a sequence: of arrays (T, I), and tokens (T,)."""
        y = np.full(int(np.prod(shape)) + 1, 7, self.dtype)
        inputs = [
            np.ascontiguousarray(v, np.int32 if np.asarray(v).dtype.kind == 'i' else self.dtype)
            for v in x
        ]
        given = [v.ctypes.data_as(ctypes.c_void_p) for v in inputs]
        out = y.ctypes.data_as(ctypes.c_void_p)
        self.status = self._call('run', *given, ctypes.c_int(steps), out)
        assert y[-1] == 7
        return y[:-1].reshape(shape)


def run_test(net, folder, dtype='float32', flags=('-O1',)):
    """Compile and run the test program of a network; return its exit status and its output."""
    source, _, test = net.to_c(folder, 'net', dtype=dtype)
    out = build(source, test, out=Path(folder) / 'net_test', flags=flags)
    done = subprocess.run([str(out)], capture_output=True, text=True)
    return done.returncode, done.stdout
