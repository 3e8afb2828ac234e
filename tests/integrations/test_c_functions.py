"""The elementary functions of the C of `to_c`, against NumPy."""

import ctypes
import math
import re

import numpy as np
import pytest
from c_code import build, needs_compiler
from operations import BINARY, FUNCTIONS

from rnnkit.integrations.c import elementary


@needs_compiler
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('flags', [['-O1'], ['-O3', '-march=native']], ids=['O1', 'O3'])
def test_elementary_functions(dtype, flags, tmp_path):
    # SciPy's erfc loses digits where it is small.
    exact = FUNCTIONS | {'erf': np.vectorize(math.erf), 'erfc': np.vectorize(math.erfc)}
    real = {'float32': 'float', 'float64': 'double'}[dtype]
    lines = ['#include <math.h>', '#include <stdint.h>', '#include <string.h>']
    lines += [f'typedef {real} real;', elementary.texts(exact, dtype)]
    for name in exact:
        lines += [
            f'void all_{name}(const real *x, real *y, int n);',
            f'void all_{name}(const real *x, real *y, int n)',
            f'{{ int i; for (i = 0; i < n; ++i) y[i] = real_{name}(x[i]); }}',
        ]
    source = tmp_path / 'functions.c'
    source.write_text('\n'.join(lines))
    library = ctypes.CDLL(
        str(build(source, out=tmp_path / 'f.so', flags=[*flags, '-fPIC', '-shared']))
    )
    info = np.finfo(dtype)
    usual = np.concatenate([np.linspace(-100, 100, 20001), np.geomspace(1e-30, 1e30, 5000)])
    usual = np.concatenate([usual, -usual, [0.0, np.inf, -np.inf, np.nan, 88.7, 89.5, -87.0]])
    x = usual.astype(dtype)
    for name, function in exact.items():
        y = np.empty_like(x)
        pointers = (v.ctypes.data_as(ctypes.c_void_p) for v in (x, y))
        getattr(library, f'all_{name}')(*pointers, ctypes.c_int(len(x)))
        with np.errstate(all='ignore'):
            expected = function(x.astype(np.longdouble if name not in ('erf', 'erfc') else 'f8'))
            expected = expected.astype('f8').astype(dtype)
        close = 8 * info.eps * np.abs(expected) + 2 * info.tiny  # below that, 0 will do
        same = (y == expected) | (np.isnan(y) & np.isnan(expected))
        with np.errstate(invalid='ignore'):
            wrong = ~(same | (np.abs(y - expected) <= close))
        assert not wrong.any(), (name, x[wrong][:5], y[wrong][:5], expected[wrong][:5])


@needs_compiler
def test_extremes_of_two_numbers(tmp_path):
    lines = ['#include <math.h>', '#include <stdint.h>', '#include <string.h>']
    lines += ['typedef float real;', elementary.texts(['max', 'min'], 'float32')]
    for name in ('max', 'min'):
        declaration = f'real the_{name}(real a, real b)'
        lines += [f'{declaration};', f'{declaration} {{ return real_{name}(a, b); }}']
    source = tmp_path / 'extremes.c'
    source.write_text('\n'.join(lines))
    library = ctypes.CDLL(str(build(source, out=tmp_path / 'e.so', flags=['-fPIC', '-shared'])))
    some = [np.nan, np.inf, -np.inf, -1.0, 0.0, 2.0]
    for name in ('max', 'min'):
        function = getattr(library, f'the_{name}')
        function.argtypes, function.restype = [ctypes.c_float] * 2, ctypes.c_float
        found = [[function(a, b) for b in some] for a in some]
        np.testing.assert_array_equal(found, BINARY[name].outer(some, some))


def test_functions_are_defined_before_they_are_called():
    for name in elementary.TEXTS:
        known = set()
        text = re.sub(r'/\*.*?\*/', '', elementary.texts([name], 'float32'), flags=re.DOTALL)
        for line in text.splitlines():
            if defined := re.match(r'static [\w ]*\b(\w+)\(', line):
                known.add(defined[1])
            assert set(re.findall(r'\b(?:real_\w+|add_product)(?=\()', line)) <= known, (name, line)
        assert known
