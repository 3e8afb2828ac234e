"""Derivatives of programs in one direction, against differences."""

import numpy as np
import pytest

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.program import arrays
from rnnkit.kernels.program.dual import Dual, push
from rnnkit.kernels.program.program import FLAGS, Program

POSITIVE = ('log', 'log1p', 'sqrt')
BINARY = ('add', 'sub', 'mul', 'div', 'max', 'min')


def evaluate(program, nodes, known):
    fetch = {node: (lambda value=value: value) for node, value in known.items()}
    return program.evaluate(nodes, fetch, float, arrays.OPERATIONS)


def function_of(name, program, a, b):
    """Return a node that uses an operation on inputs and on what depends on them."""
    if name in BINARY:
        return program.node(name, a, b)
    if name == 'select':
        return program.select(program.node('gt', a, b), program.mul(a, b), b)
    if name in FLAGS:
        first, second = program.node('gt', a, b), program.node('lt', a, program.constant(0))
        numbers = name not in ('and', 'or', 'xor', 'not')
        args = (a, b) if numbers else (first, second)[: 1 if name == 'not' else 2]
        return program.select(program.node(name, *args), a, program.mul(b, b))
    return program.node(name, program.mul(a, a) if name in POSITIVE else a)


def test_arrays_have_all_operations_of_kernels():
    assert set(arrays.OPERATIONS) == set(OPERATIONS)


@pytest.mark.parametrize('name', OPERATIONS)
def test_change_equals_differences(name, rng):
    program = Program()
    a, b, da, db = map(program.input, ('a', 'b', 'da', 'db'))
    node = function_of(name, program, a, b)
    before = list(program.nodes)
    values = dict(zip((a, b, da, db), rng.standard_normal((4, 50)), strict=True))
    (dual,) = push(program, [node], {a: Dual(a, da), b: Dual(b, db)})
    assert program.nodes[: len(before)] == before
    assert dual.value == node
    # A difference over 2e-6 has an error of about 1e-9: rounding over it, and its own length.
    ends = [
        evaluate(program, [node], {a: values[a] + h * values[da], b: values[b] + h * values[db]})[0]
        for h in (1e-6, -1e-6)
    ]
    (change,) = evaluate(program, [dual.change], values)
    np.testing.assert_allclose(change, (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-8)


def test_what_does_not_change_has_no_change():
    program = Program()
    a, b, da = map(program.input, ('a', 'b', 'da'))
    node = program.node('tanh', b)
    one, product = push(program, [node, program.mul(node, a)], {a: Dual(a, da)})
    assert one == Dual(node)
    assert product.change == program.mul(da, node)
