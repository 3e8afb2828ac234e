"""Programs of one unit against PyTensor's own evaluation of the same graph."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from operations import KERNELS

from rnnkit.kernels.program.program import Program, Unsupported

EXPRESSIONS = {
    'gate': lambda a, b: pt.sigmoid(a) * pt.tanh(b) + 1 - a,
    'softplus': lambda a, b: pt.softplus(a) - pt.log1p(pt.exp(b)),
    'relu': lambda a, b: pt.maximum(a, 0) + pt.minimum(b, 0.5),
    'switch': lambda a, b: pt.switch(pt.and_(a > b, a < 1), a * a, b / (2 + abs(a))),
    'elu': lambda a, b: pt.switch(a <= 0, pt.expm1(pt.minimum(a, 0)), a) + pt.sqr(b),
    'softsign': lambda a, b: a / (1 + pt.abs(a)) + pt.sqrt(b * b + 1),
    'logarithm': lambda a, b: pt.log(pt.exp(a) + pt.exp(b)),
    'power': lambda a, b: a**3 - pt.clip(b, -1, 1) + pt.sign(a) + (1 + b * b) ** -2,
    'hard sigmoid': lambda a, b: pt.clip(0.2 * a + 0.5, 0, 1) * b,
    'comparison as number': lambda a, b: a * (a >= b) + pt.cast(pt.neq(b, a), 'float64') * 3,
    'logic': lambda a, b: pt.switch(pt.xor(a > 0, b > 0) | ~(a > 1), a, -b),
    'reciprocal': lambda a, b: pt.reciprocal(2 + a * a) - (-b) / 4,
}


@pytest.mark.parametrize('name', EXPRESSIONS)
def test_value_and_gradient(name):
    a, b, g = (pt.scalar(n, dtype='float64') for n in 'abg')
    y = EXPRESSIONS[name](a, b)
    graphs = [y, *pytensor.grad((y * g), [a, b], disconnected_inputs='ignore')]
    program = Program()
    inputs = {v: program.input(v.name) for v in (a, b, g)}
    ids = program.absorb(graphs, inputs)
    rng = np.random.default_rng(0)
    values = {v: rng.standard_normal(100) * 2 for v in (a, b, g)}
    known = {inputs[v]: lambda v=v: values[v] for v in values}
    got = program.evaluate([program.number(i) for i in ids], known, float, KERNELS)
    function = pytensor.function([a, b, g], graphs, mode='FAST_COMPILE', on_unused_input='ignore')
    want = np.array([function(*row) for row in zip(*values.values(), strict=True)]).T
    for x, exact in zip(got, want, strict=True):
        np.testing.assert_allclose(np.broadcast_to(x, 100), exact, rtol=1e-14, atol=1e-14)


def test_equal_nodes_are_kept_once():
    p = Program()
    a, b = p.input('a'), p.input('b')
    assert p.add(a, b) == p.add(b, a)
    assert p.mul(p.input('a'), b) == p.mul(b, a)
    assert p.sub(a, b) != p.sub(b, a)


def test_simplifications():
    p = Program()
    a, zero, one = p.input('a'), p.constant(0), p.constant(1)
    assert p.add(a, zero) == p.mul(a, one) == p.sub(a, zero) == p.div(a, one) == a
    assert p.mul(a, zero) == zero
    assert p.value(p.div(p.constant(1), p.constant(4))) == 0.25
    flag = p.node('lt', a, zero)
    assert p.nodes[p.mul(flag, a)] == ('select', flag, a, zero)
    assert p.select(flag, a, a) == a


@pytest.mark.parametrize(
    'graph', [pt.erf, pt.sin, lambda a: a**0.3, lambda a: a**a, lambda a: pt.cast(a, 'int32') + a]
)
def test_what_it_cannot_do_is_refused(graph):
    a = pt.scalar('a', dtype='float64')
    p = Program()
    with pytest.raises(Unsupported):
        p.absorb([graph(a)], {a: p.input('a')})
