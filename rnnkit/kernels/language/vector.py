"""The vector language: functions of integers and SIMD vectors, written as LLVM IR.

In: Python code that calls the methods below, in the order in which the function executes. Out:
the text of an LLVM module, for `rnnkit.kernels.runtime.cache` to compile.

Three kinds of values: `Int` (64 bits: counts and byte addresses), `Flag` (a truth value or a
vector of them) and `Vec` (one SIMD register of floats). A `Unit` is one module for one `Target`;
`Unit.function` opens a `Code`, the body of one function. All functions take and return `Int`s.

The last vector of a row is loaded and stored under a lane mask, so that nothing beyond the row
is read or written. A loop over the last elements one by one would need a cell's whole program a
second time, for scalars, and could round otherwise than the vectors do.

NaN is preserved: limits are an ordered comparison and a select. LLVM's ``minnum`` and
``maxnum`` return the operand that is a number, so that a training that has diverged would go on
with finite values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar, overload

from llvmlite import ir

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
POINTER = ir.PointerType()
# Products may be fused into multiply-adds, which are twice as fast and more exact. Not `fast`:
# `reassoc` turns (1 + u) - 1 into u, on which `log1p` and the errors of sums depend, and makes
# results depend on LLVM's version; `nnan` and `ninf` let LLVM delete the checks for NaN.
CONTRACT = ('contract',)

V = TypeVar('V', 'Int', 'Vec')


class Target(NamedTuple):
    """A float format and the vector registers of a processor."""

    bits: int  # of a float
    width: int  # bytes of a vector
    registers: int

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.bits // 8

    @property
    def lanes(self) -> int:
        """Elements of one vector."""
        return self.width // self.size


# All addresses are integers: a kernel then has one type of argument, needs none of LLVM's
# `getelementptr`, and Numba passes them without counting references.
class Int:
    """A 64-bit integer that is known when the function runs."""

    def __init__(self, code: Code, value: ir.Value):
        self.code, self.value = code, value

    def _binary(self, name: str, other: Int | int, swap: bool = False) -> Int:
        a, b = self.value, self.code.int(other).value
        if swap:
            a, b = b, a
        return Int(self.code, getattr(self.code.builder, name)(a, b))

    def __add__(self, other: Int | int) -> Int:
        return self._binary('add', other)

    def __sub__(self, other: Int | int) -> Int:
        return self._binary('sub', other)

    def __rsub__(self, other: Int | int) -> Int:
        return self._binary('sub', other, swap=True)

    def __mul__(self, other: Int | int) -> Int:
        return self if isinstance(other, int) and other == 1 else self._binary('mul', other)

    def __floordiv__(self, other: Int | int) -> Int:
        """Divide, for operands that are not negative."""
        return self._binary('udiv', other)

    def __rfloordiv__(self, other: Int | int) -> Int:
        return self._binary('udiv', other, swap=True)

    def __mod__(self, other: Int | int) -> Int:
        return self._binary('urem', other)

    __radd__, __rmul__ = __add__, __mul__

    def _compare(self, sign: str, other: Int | int) -> Flag:
        b = self.code.int(other).value
        return Flag(self.code, self.code.builder.icmp_signed(sign, self.value, b))

    def __lt__(self, other: Int | int) -> Flag:
        return self._compare('<', other)

    def __le__(self, other: Int | int) -> Flag:
        return self._compare('<=', other)

    def __gt__(self, other: Int | int) -> Flag:
        return self._compare('>', other)

    def __ge__(self, other: Int | int) -> Flag:
        return self._compare('>=', other)

    def equals(self, other: Int | int) -> Flag:
        """Return whether both are the same number."""
        return self._compare('==', other)

    def differs(self, other: Int | int) -> Flag:
        """Return whether the numbers differ."""
        return self._compare('!=', other)

    def min(self, other: Int | int) -> Int:
        """Return the smaller one."""
        return (self < other).pick(self, other)

    def max(self, other: Int | int) -> Int:
        """Return the larger one."""
        return (self > other).pick(self, other)

    def ceil_div(self, other: Int | int) -> Int:
        """Return the quotient, rounded up."""
        return (self + (other - 1)) // other


class Flag:
    """A truth value, or one for each lane of a vector."""

    def __init__(self, code: Code, value: ir.Value):
        self.code, self.value = code, value

    @overload
    def pick(self, yes: Vec, no: Vec | float) -> Vec: ...
    @overload
    def pick(self, yes: Vec | float, no: Vec) -> Vec: ...
    @overload
    def pick(self, yes: Int | int, no: Int | int) -> Int: ...
    def pick(self, yes: Vec | Int | float, no: Vec | Int | float) -> Vec | Int:
        """Return `yes` where true, else `no`: two vectors, or two integers."""
        like = yes if isinstance(yes, (Int, Vec)) else no
        to = self.code.vec if isinstance(like, Vec) else self.code.int
        yes, no = to(yes), to(no)
        return type(yes)(self.code, self.code.builder.select(self.value, yes.value, no.value))

    def _binary(self, name: str, other: Flag) -> Flag:
        return Flag(self.code, getattr(self.code.builder, name)(self.value, other.value))

    def __and__(self, other: Flag) -> Flag:
        return self._binary('and_', other)

    def __or__(self, other: Flag) -> Flag:
        return self._binary('or_', other)

    def __xor__(self, other: Flag) -> Flag:
        return self._binary('xor', other)

    def __invert__(self) -> Flag:
        return Flag(self.code, self.code.builder.not_(self.value))


class Vec:
    """One SIMD register of floats."""

    def __init__(self, code: Code, value: ir.Value):
        self.code, self.value = code, value

    def _binary(self, name: str, other: Vec | float, flags: tuple[str, ...] = CONTRACT) -> Vec:
        operation = getattr(self.code.builder, name)
        return Vec(self.code, operation(self.value, self.code.vec(other).value, flags=flags))

    def __add__(self, other: Vec | float) -> Vec:
        return self._binary('fadd', other)

    def __sub__(self, other: Vec | float) -> Vec:
        return self._binary('fsub', other)

    def __rsub__(self, other: Vec | float) -> Vec:
        return self.code.vec(other) - self

    def __mul__(self, other: Vec | float) -> Vec:
        return self._binary('fmul', other)

    def __truediv__(self, other: Vec | float) -> Vec:
        return self._binary('fdiv', other)

    def __rtruediv__(self, other: Vec | float) -> Vec:
        return self.code.vec(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def plus(self, other: Vec | float) -> Vec:
        """Return the rounded sum, even where `other` is a product that could be fused into it."""
        return self._binary('fadd', other, ())

    def minus(self, other: Vec | float) -> Vec:
        """Return the rounded difference, even where `other` is a product."""
        return self._binary('fsub', other, ())

    def call(self, name: str, *others: Vec | float) -> Vec:
        """Call one of LLVM's functions on vectors."""
        args = [self.value, *[self.code.vec(o).value for o in others]]
        return Vec(self.code, self.code.intrinsic(name, self.code.vector_type, args))

    def fma(self, factor: Vec | float, term: Vec | float) -> Vec:
        """Return ``self * factor + term``, fused where the processor can."""
        return self.call('fmuladd', factor, term)

    def abs(self) -> Vec:
        """Return the absolute value."""
        return self.call('fabs')

    def compare(self, sign: str, other: Vec | float) -> Flag:
        """Return the comparison, false if either one is NaN; for ``!=``, true."""
        kind = 'fcmp_unordered' if sign == '!=' else 'fcmp_ordered'
        compare = getattr(self.code.builder, kind)
        return Flag(self.code, compare(sign, self.value, self.code.vec(other).value))

    def is_nan(self) -> Flag:
        """Return where this is not a number."""
        compare = self.code.builder.fcmp_unordered
        return Flag(self.code, compare('uno', self.value, self.value))

    def at_most(self, limit: float) -> Vec:
        """Return the smaller one; NaN stays."""
        return self.compare('>', limit).pick(limit, self)

    def at_least(self, limit: float) -> Vec:
        """Return the larger one; NaN stays."""
        return self.compare('<', limit).pick(limit, self)


class Unit:
    """One LLVM module for one target.

    `name` is the prefix of its functions' symbols.
    """

    def __init__(self, name: str, target: Target):
        self.name, self.target = name, target
        self.module = ir.Module(name)
        self.functions: dict[str, ir.Function] = {}

    @contextmanager
    def function(
        self, name: str, args: str, export: bool = False, apart: bool = False
    ) -> Iterator[list[Any]]:
        """Open a function; yields its `Code` and its arguments, named in `args`.

        It returns 0, unless `Code.ret` was called last. A function that is `apart` is never
        inlined.
        """
        names = args.split()
        kind = ir.FunctionType(I64, [I64] * len(names))
        function = ir.Function(self.module, kind, f'{self.name}_{name}')
        if not export:
            function.linkage = 'internal'
        if apart:
            # Inlined into loops that hold addresses and bounds of their own, the accumulators of
            # a tile would no longer all stay in registers.
            function.attributes.add('noinline')
        self.functions[name] = function
        code = Code(self, ir.IRBuilder(function.append_basic_block('entry')))
        for arg, arg_name in zip(function.args, names, strict=True):
            arg.name = arg_name
        yield [code, *[Int(code, arg) for arg in function.args]]
        if not code.builder.block.is_terminated:
            code.ret(0)

    def for_target(self, target: Target) -> Unit:
        """Return a unit that writes functions for another target into the same module."""
        other = Unit(self.name, target)
        other.module, other.functions = self.module, self.functions
        return other

    def text(self) -> str:
        """Return the module as LLVM IR."""
        return str(self.module)


class Code:
    """The body of one function, written from top to bottom."""

    def __init__(self, unit: Unit, builder: ir.IRBuilder):
        self.unit, self.builder, self.target = unit, builder, unit.target
        bits, lanes = self.target.bits, self.target.lanes
        self.float_type = ir.FloatType() if bits == 32 else ir.DoubleType()
        self.vector_type = ir.VectorType(self.float_type, lanes)
        self.lane_int = ir.VectorType(ir.IntType(bits), lanes)
        self.mask_type = ir.VectorType(I1, lanes)

    def int(self, value: Int | int) -> Int:
        """Return `value` as an Int."""
        return value if isinstance(value, Int) else Int(self, ir.Constant(I64, value))

    def vec(self, value: Vec | float) -> Vec:
        """Return `value` as a vector, a number in all lanes."""
        if isinstance(value, Vec):
            return value
        return Vec(self, ir.Constant(self.vector_type, [float(value)] * self.target.lanes))

    def spread(self, address: Int) -> Vec:
        """Return the one element at `address` in all lanes."""
        element = self.builder.load(self._pointer(address), typ=self.float_type)
        return Vec(self, self._splat(element, self.vector_type))

    def _splat(self, element: ir.Value, kind: ir.VectorType) -> ir.Value:
        undefined = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(undefined, element, ir.Constant(I32, 0))
        first = ir.Constant(ir.VectorType(I32, kind.count), [0] * kind.count)
        return self.builder.shuffle_vector(one, undefined, first)

    def tail(self, n: Int) -> Flag:
        """Return the lane mask of the first `n` lanes."""
        kind = ir.VectorType(I64, self.target.lanes)
        lanes = ir.Constant(kind, list(range(self.target.lanes)))
        return Flag(self, self.builder.icmp_signed('<', lanes, self._splat(n.value, kind)))

    def var(self, value: V) -> Var[V]:
        """Return a variable that starts as `value`."""
        return Var(self, value)

    def _pointer(self, address: Int) -> ir.Value:
        return self.builder.inttoptr(address.value, POINTER)

    def load(self, address: Int, mask: Flag | None = None) -> Vec:
        """Load a vector; lanes that are masked out are 0."""
        if mask is None:
            # Users' arrays are aligned to elements only; a wrong promise of more is a crash.
            kind, align = self.vector_type, self.target.size
            return Vec(self, self.builder.load(self._pointer(address), align=align, typ=kind))
        args = [
            self._pointer(address),
            ir.Constant(I32, self.target.size),
            mask.value,
            ir.Constant(self.vector_type, [0.0] * self.target.lanes),
        ]
        return Vec(self, self.intrinsic('masked.load', self.vector_type, args, pointers=True))

    def store(self, value: Vec | float, address: Int, mask: Flag | None = None) -> None:
        """Store a vector, only the lanes of `mask` if there is one."""
        data, pointer = self.vec(value).value, self._pointer(address)
        if mask is None:
            self.builder.store(data, pointer, align=self.target.size)
        else:
            args = [data, pointer, ir.Constant(I32, self.target.size), mask.value]
            self.intrinsic('masked.store', ir.VoidType(), args, pointers=True)

    def prefetch(self, address: Int, write: bool = False) -> None:
        """Ask for the cache line of an address, which need not exist, to be written or read."""
        # Into the second cache (locality 2): what is asked for early must not fill the first one.
        args = [self._pointer(address), *(ir.Constant(I32, n) for n in (int(write), 2, 1))]
        self.external('llvm.prefetch.p0', ir.VoidType(), args)

    def store_element(self, element: ir.Value, address: Int) -> None:
        """Store one element, a value of LLVM."""
        self.builder.store(element, self._pointer(address))

    def copy_element(self, source: Int, to: Int) -> None:
        """Copy one element."""
        self.store_element(self.builder.load(self._pointer(source), typ=self.float_type), to)

    def get(self, address: Int, index: int = 0) -> Int:
        """Load the integer number `index` of those at `address`."""
        return Int(self, self.builder.load(self._pointer(address + 8 * index), typ=I64))

    def put(self, value: Int | int, address: Int, index: int = 0) -> None:
        """Store an integer as number `index` of those at `address`."""
        self.builder.store(self.int(value).value, self._pointer(address + 8 * index))

    def room(self, size: int, align: int = 64) -> Int:
        """Return the address of `size` bytes that live until the function returns."""
        # In the entry block, else each round of a loop would take more of the stack.
        with self.builder.goto_entry_block():
            block = self.builder.alloca(ir.ArrayType(ir.IntType(8), size))
            block.align = align
            return Int(self, self.builder.ptrtoint(block, I64))

    @contextmanager
    def loop(self, start: Int | int, stop: Int | int, step: Int | int = 1) -> Iterator[Int]:
        """Repeat the block for the numbers from `start` up to, not including, `stop`."""
        builder = self.builder
        start, stop, step = self.int(start), self.int(stop), self.int(step)
        head, body, end = (builder.append_basic_block(name) for name in ('head', 'body', 'end'))
        before = builder.block
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(I64)
        i.add_incoming(start.value, before)
        builder.cbranch(builder.icmp_signed('<', i, stop.value), body, end)
        builder.position_at_end(body)
        yield Int(self, i)
        i.add_incoming(builder.add(i, step.value), builder.block)
        builder.branch(head)
        builder.position_at_end(end)

    @contextmanager
    def when(self, flag: Flag) -> Iterator[None]:
        """Do the block only if `flag` holds."""
        with self.builder.if_then(flag.value):
            yield

    def choose(self, flag: Flag, yes: Callable[[], object], no: Callable[[], object]) -> None:
        """Write `yes` for the case that `flag` holds, and `no` for the other."""
        with self.builder.if_else(flag.value) as (then, otherwise):
            with then:
                yes()
            with otherwise:
                no()

    def ret(self, value: Int | int) -> None:
        """Return from the function."""
        self.builder.ret(self.int(value).value)

    def call(self, name: str, *args: Int | int) -> Int:
        """Call another function of this unit."""
        values = [self.int(arg).value for arg in args]
        return Int(self, self.builder.call(self.unit.functions[name], values))

    def address_of(self, name: str) -> Int:
        """Return the address of a function of this unit."""
        return Int(self, self.builder.ptrtoint(self.unit.functions[name], I64))

    def intrinsic(
        self, name: str, result: ir.Type, args: list[ir.Value], pointers: bool = False
    ) -> ir.Value:
        """Call LLVM's ``llvm.<name>`` for this target's vectors."""
        suffix = f'v{self.target.lanes}f{self.target.bits}' + ('.p0' if pointers else '')
        return self.external(f'llvm.{name}.{suffix}', result, args)

    def external(self, name: str, result: ir.Type, args: list[ir.Value]) -> ir.Value:
        """Call a function that is defined elsewhere; takes and returns values of LLVM."""
        function = self.unit.module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [arg.type for arg in args])
            function = ir.Function(self.unit.module, kind, name)
        return self.builder.call(function, args)


class Var(Generic[V]):
    """A variable: LLVM turns it into a register."""

    def __init__(self, code: Code, value: V):
        self.code, self.kind = code, type(value)
        # A slot in memory, for LLVM's `mem2reg` finds the phi nodes better than we would by hand;
        # it looks only at slots of the entry block.
        with code.builder.goto_entry_block():
            self.slot = code.builder.alloca(value.value.type)
        self.set(value)

    def get(self) -> V:
        """Return the present value."""
        return self.kind(self.code, self.code.builder.load(self.slot))

    def set(self, value: V) -> None:
        """Assign."""
        self.code.builder.store(value.value, self.slot)
