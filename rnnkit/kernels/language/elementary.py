"""Elementary functions on vectors: the operations that a `Program` may name.

All are built on one polynomial, of ``exp(r) - 1`` for ``|r| <= log(2) / 2``, and one series, of
the inverse hyperbolic tangent. Errors are a few units in the last place; NaN gives NaN.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir

from rnnkit.kernels.language.vector import Flag, Vec


class _Format(NamedTuple):
    """A float format: its layout in bits, and limits and lengths of series for it."""

    integer: int  # bits of the mantissa that are stored
    bias: int
    log2_high: float  # log(2) in two parts, the first with zeros at its end
    log2_low: float
    low: float  # exp is 0 below
    high: float  # exp is infinite above
    terms: int  # of exp
    log_terms: int
    flat: float  # tanh is 1 beyond


_HIGH32 = math.ldexp(round(math.ldexp(math.log(2), 12)), -12)
_HIGH64 = math.ldexp(round(math.ldexp(math.log(2), 33)), -33)
# log(2) - _HIGH64 to more digits than a difference of doubles has
_LOG2_TAIL = 2.319046813846299558417771e-17
FORMATS = {
    32: _Format(23, 127, _HIGH32, math.log(2) - _HIGH32, -87.6, 89.0, 7, 6, 10.0),
    64: _Format(52, 1023, _HIGH64, math.log(2) - _HIGH64 + _LOG2_TAIL, -708.7, 710.0, 13, 14, 20.0),
}


def _format(x: Vec) -> _Format:
    return FORMATS[x.code.target.bits]


def _polynomial(x: Vec, coefficients: list[float]) -> Vec:
    """Evaluate by Horner's rule; the coefficient of the highest power is the first."""
    result = x.code.vec(coefficients[0])
    for c in coefficients[1:]:
        result = result.fma(x, c)
    return result


def _reduced(x: Vec) -> tuple[Vec, Vec]:
    """Return r and 2 ** (n - 1) such that exp(x) = 2 * exp(r) * 2 ** (n - 1), for x in range.

    With n itself, 2 ** n would overflow where exp(x) does not yet.
    """
    code, f = x.code, _format(x)
    # Adding this number rounds to a whole n, and leaves n - 1 + bias in the lowest bits of the
    # mantissa. The exponent's place is above it; higher bits are shifted out.
    magic = 1.5 * 2.0**f.integer + (f.bias - 1)
    rounded = (x * (1 / math.log(2))).plus(magic)
    shift = ir.Constant(code.lane_int, [f.integer] * code.target.lanes)
    bits = code.builder.shl(code.builder.bitcast(rounded.value, code.lane_int), shift)
    # log(2) has two parts (Cody & Waite): n times the first is exact, so the difference, in which
    # almost all digits cancel, is exact as well.
    n = rounded - magic
    r = n.fma(-f.log2_low, n.fma(-f.log2_high, x))
    return r, Vec(code, code.builder.bitcast(bits, code.vector_type))


def _in_range(x: Vec) -> Vec:
    f = _format(x)
    return x.at_most(f.high).at_least(f.low)


def _expm1_kernel(r: Vec) -> Vec:
    """Return exp(r) - 1 for small r, accurate also where it is close to 0."""
    terms = _format(r).terms
    series = _polynomial(r, [1 / math.factorial(k) for k in range(terms, 1, -1)])
    return (series * r).fma(r, r)


def exp(x: Vec) -> Vec:
    """Exponential function."""
    r, half = _reduced(_in_range(x))
    return _expm1_kernel(r).fma(2.0, 2.0) * half


def expm1(x: Vec) -> Vec:
    """Return exp(x) - 1."""
    return _expm1(_in_range(x))


def _expm1(x: Vec) -> Vec:
    r, half = _reduced(x)
    return (_expm1_kernel(r) * 2.0).fma(half, half * 2.0 - 1.0)


def tanh(x: Vec) -> Vec:
    """Hyperbolic tangent: with e = exp(2|x|) - 1 it is e / (e + 2)."""
    e = _expm1(x.abs().at_most(_format(x).flat) * 2.0)
    return (e / (e + 2.0)).call('copysign', x)


def sigmoid(x: Vec) -> Vec:
    """Logistic function; not by tanh(x / 2), which loses all digits for negative x."""
    return 1.0 / (exp(x * -1.0) + 1.0)


def log(x: Vec) -> Vec:
    """Natural logarithm."""
    code, f = x.code, _format(x)
    tiny = 2.0 ** -(f.bias - 1)
    builder, lanes = code.builder, code.target.lanes

    def constant(k: int) -> ir.Constant:
        return ir.Constant(code.lane_int, [k] * lanes)

    # x = m * 2 ** e with m between sqrt(1/2) and sqrt(2), taken from the bits
    bits = builder.bitcast(x.value, code.lane_int)
    offset = int(np.array(math.sqrt(0.5), f'f{code.target.size}').view(f'i{code.target.size}'))
    scaled = builder.ashr(builder.sub(bits, constant(offset)), constant(f.integer))
    m_bits = builder.sub(bits, builder.shl(scaled, constant(f.integer)))
    m = Vec(code, builder.bitcast(m_bits, code.vector_type))
    e = Vec(code, builder.sitofp(scaled, code.vector_type))
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    tail = _polynomial(z, [2 / (2 * k + 1) for k in range(f.log_terms, 0, -1)])
    result = e.fma(f.log2_high, e.fma(f.log2_low, (tail * z).fma(s, s * 2.0)))
    result = x.compare('==', math.inf).pick(x, result)
    # Denormal numbers count as 0, as in the rest of the loop.
    result = x.compare('<', tiny).pick(-math.inf, result)
    result = x.compare('<', 0.0).pick(math.nan, result)
    return x.is_nan().pick(x, result)


def log1p(x: Vec) -> Vec:
    """Return log(1 + x), accurate also where x is close to 0."""
    # The error of rounding 1 + x to w is undone by the quotient (Kahan).
    w = x + 1.0
    d = w - 1.0
    exact = d.compare('==', 0.0) | w.compare('==', math.inf)
    corrected = log(w) * (x / exact.pick(1.0, d))
    return exact.pick(x, corrected)


def softplus(x: Vec) -> Vec:
    """Return log(1 + exp(x)) without overflow."""
    return x.at_least(0.0) + log1p(exp(x.abs() * -1.0))


def sqrt(x: Vec) -> Vec:
    """Square root."""
    return x.call('sqrt')


def sign(x: Vec) -> Vec:
    """Return -1, 0 or 1; NaN for NaN."""
    return x.compare('!=', 0.0).pick(x.is_nan().pick(x, x.code.vec(1.0).call('copysign', x)), x)


def maximum(a: Vec, b: Vec) -> Vec:
    """Return the larger one; NaN if either is NaN."""
    return (b.is_nan() | a.compare('<', b)).pick(b, a)


def minimum(a: Vec, b: Vec) -> Vec:
    """Return the smaller one; NaN if either is NaN."""
    return (b.is_nan() | a.compare('>', b)).pick(b, a)


def _comparison(sign: str) -> Callable[[Vec, Vec], Flag]:
    return lambda a, b: a.compare(sign, b)


OPERATIONS: dict[str, Callable[..., Vec | Flag]] = {
    'add': lambda a, b: a + b,
    'sub': lambda a, b: a - b,
    'mul': lambda a, b: a * b,
    'div': lambda a, b: a / b,
    'max': maximum,
    'min': minimum,
    'select': Flag.pick,
    'lt': _comparison('<'),
    'le': _comparison('<='),
    'gt': _comparison('>'),
    'ge': _comparison('>='),
    'eq': _comparison('=='),
    'ne': _comparison('!='),
    'and': Flag.__and__,
    'or': Flag.__or__,
    'xor': Flag.__xor__,
    'not': Flag.__invert__,
    'exp': exp,
    'expm1': expm1,
    'tanh': tanh,
    'sigmoid': sigmoid,
    'log': log,
    'log1p': log1p,
    'softplus': softplus,
    'sqrt': sqrt,
    'abs': Vec.abs,
    'sign': sign,
}
# Long chains of operations, each of which waits for the one before.
LONG = {'exp', 'expm1', 'tanh', 'sigmoid', 'log', 'log1p', 'softplus'}
