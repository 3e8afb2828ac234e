"""The body of a function in C, of random equations: order, places and stores of values."""

import ctypes

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from c_code import build, needs_compiler
from long_forms import long
from rows import computed

from rnnkit.integrations.c import elementary, literals
from rnnkit.integrations.c.body import Body
from rnnkit.integrations.c.functions import INSIDE
from rnnkit.integrations.c.names import Names
from rnnkit.integrations.c.schedule import Schedule, Target
from rnnkit.integrations.c.simplify import simplified
from rnnkit.integrations.equations import read_rows

INPUTS = {'x': 5, 'a': 4, 'b': 4, 'n': 1}
STATES = ('a', 'b', 'n')
OUT = 6


class Graphs:
    """Random graphs of inputs, a list for each width.

    Parameters
    ----------
    rng : numpy.random.Generator
    """

    def __init__(self, rng):
        self.rng = rng
        self.inputs = {
            name: pt.tensor(name, dtype='float64', shape=(None, width))
            for name, width in INPUTS.items()
        }
        self.known = list(self.inputs.values())
        for _ in range(rng.integers(3, 18)):
            v = self.grown()
            if v.type.shape[-1] is not None:  # PyTensor does not know that of some slices
                self.known.append(v)

    def weights(self, *shape):
        return pytensor.shared(self.rng.standard_normal(shape), shape=shape)

    def some(self, width=None):
        fits = [v for v in self.known if width in (None, v.type.shape[-1])]
        return fits[self.rng.integers(len(fits))] if fits else self.of_width(width)

    def of_width(self, width):
        """Return a value of a width that there may not be yet: a product, a join or a slice."""
        v, kind = self.some(), self.rng.integers(3)
        if kind == 0 or (kind == 1 and v.type.shape[-1] <= width):
            return v @ self.weights(v.type.shape[-1], width)
        if v.type.shape[-1] > width:
            start = int(self.rng.integers(v.type.shape[-1] - width + 1))
            return v[:, start : start + width]
        rest = width - v.type.shape[-1]
        return v if rest == 0 else pt.concatenate([v, self.of_width(rest)], axis=-1)

    def grown(self):
        """Return a further value."""
        rng, v = self.rng, self.some()
        width = v.type.shape[-1]
        w = self.weights(width)
        makers = [
            lambda: pt.tanh(v),
            lambda: v + self.some(width),
            lambda: v * self.some(1),
            lambda: v - w,
            lambda: pt.sigmoid(v * w),
            lambda: pt.switch(pt.gt(v, self.some(width)) & pt.lt(v, 1), v, self.some(width)),
            lambda: pt.maximum(v, self.some(width)) + self.of_width(width),
            lambda: self.of_width(int(rng.integers(1, 9))),
            lambda: self.of_width(width) + w + self.of_width(width),
            lambda: pt.concatenate([v, self.some()], axis=-1)[:, 1 : 1 + width],
            lambda: pt.concatenate([v[:, 1:width], v[:, :1]], axis=-1) if width > 1 else -v,
            lambda: pt.special.softmax(v, axis=-1) * 2,
            lambda: pt.tanh(v.sum(axis=-1, keepdims=True)),
            lambda: v.max(axis=-1, keepdims=True) - v.min(axis=-1, keepdims=True),
        ]
        return makers[rng.integers(len(makers))]()

    def outputs(self):
        """Return new states, which may be old ones, and an output."""
        recent = self.known[-6:]
        chosen = []
        for width in (*(INPUTS[name] for name in STATES), OUT):
            fits = [v for v in recent if v.type.shape[-1] == width]
            old = [v for v in self.inputs.values() if v.type.shape[-1] == width]
            either = [*fits, *fits, *old] or [self.of_width(width)]
            chosen.append(either[self.rng.integers(len(either))])
        return chosen


def written(name, equations):
    """Return the text of a function, of its weights, and what it uses."""
    targets = [Target(state, state, INPUTS[state]) for state in STATES] + [Target('y', '', OUT)]
    schedule = Schedule(simplified(equations), targets)
    arrays = {key: f'{name}_{k}' for k, key in enumerate(schedule.arrays)}
    lines = []
    for key in arrays:
        rows = literals.array(equations.arrays[key], 'float64')
        lines += [f'static const real {arrays[key]}[] = {{', *rows, '};']
    names = Names(*INSIDE, *INPUTS, 'y')
    body = Body(schedule, {key: key for key in INPUTS}, arrays, 'float64', names)
    arguments = 'real *restrict a, real *restrict b, real *restrict n, const real *restrict x'
    declaration = f'void {name}({arguments}, real *restrict y)'
    inner = body.write()
    unused = [f'(void){key};' for key in ('x', *STATES)]
    inside = [f'    {line}' for line in ('int j;', *inner, *unused, '(void)j;')]
    inside = ['    int j = 0;' if line == '    int j;' else line for line in inside]
    return [*lines, f'{declaration};', declaration, '{', *inside, '}'], body.functions


@needs_compiler
@pytest.mark.parametrize('seed', [0, *(long(seed) for seed in range(1, 9))])
def test_random_equations(seed, tmp_path):
    rng = np.random.default_rng(seed)
    cases, text, used = [], [], set()
    for k in range(60):
        graphs = Graphs(rng)
        equations = read_rows(f'f{k}', graphs.outputs(), graphs.inputs)
        lines, functions = written(f'f{k}', equations)
        cases.append(equations)
        text += lines
        used |= functions
    head = ['#include <math.h>', '#include <stdint.h>', '#include <string.h>']
    head += ['typedef double real;', elementary.texts(used, 'float64')]
    source = tmp_path / 'bodies.c'
    source.write_text('\n'.join([*head, *text]))
    library = ctypes.CDLL(str(build(source, out=tmp_path / 'b.so', flags=['-fPIC', '-shared'])))
    for k, equations in enumerate(cases):
        given = {name: rng.standard_normal(width) for name, width in INPUTS.items()}
        expected = computed(equations, given)
        arrays = {name: value.copy() for name, value in given.items()}
        y = np.full(OUT, np.nan)
        order = [arrays[name] for name in (*STATES, 'x')] + [y]
        getattr(library, f'f{k}')(*(v.ctypes.data_as(ctypes.c_void_p) for v in order))
        found = [arrays[name] for name in STATES] + [y]
        for one, other in zip(found, expected, strict=True):
            other = np.broadcast_to(other, one.shape)
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11, err_msg=f'f{k}')
        np.testing.assert_array_equal(arrays['x'], given['x'])
