"""A loop over time of one program and one product: one Op, and its kernel.

In: a `Step`, which says what is computed at each step. Out: an Op that runs it over a sequence.

Second derivatives are such loops, see `rnnkit.kernels.recurrent.curvature`. All that a step reads
of the sequence is computed before, and all sums over the sequence after, as products of whole
arrays; what is left is a program of each unit, and one product that mixes units.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import copy_row, each_piece, each_width
from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.language.threads import part_of, parts, worker, write_parallel
from rnnkit.kernels.language.vector import Code, Flag, Int, Target, Unit
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.program import arrays
from rnnkit.kernels.program.program import Program
from rnnkit.kernels.recurrent.unit import Once
from rnnkit.kernels.runtime.fused_op import FusedOp

COST = 32  # multiply-adds that take as long as the program of one unit


@dataclass(frozen=True)
class Product:
    """A product at the end of a step: some blocks that it emits, times a weight.

    It is added to the `sums` blocks that are carried on, from number `into` on; its factors are
    the `terms` blocks that are emitted from number `first` on.
    """

    first: int
    terms: int
    into: int
    sums: int


@dataclass(frozen=True)
class Step:
    """What a loop computes at one step; a block is an array (B, H).

    Attributes
    ----------
    program : Program
    sequences : tuple of tuple of str
        For each sequence (T, B, kH), the names of the inputs of the program that its k blocks are;
        an empty name is a block that is not read.
    marks : tuple of str
        The names of the inputs that are sequences (T, B), one number for all units.
    vectors : tuple of str
        The names of the inputs that are blocks (H,) of the per-unit vectors.
    carried : tuple of str
        The names of the inputs that the step before has left, in the order of `carries`.
    emitted, carries : tuple of int
        Nodes of what is kept of the step, and of what it leaves to the next one.
    product : Product
    back : bool
        Whether the loop starts at the last step.
    """

    program: Program
    sequences: tuple[tuple[str, ...], ...]
    marks: tuple[str, ...]
    vectors: tuple[str, ...]
    carried: tuple[str, ...]
    emitted: tuple[int, ...]
    carries: tuple[int, ...]
    product: Product
    back: bool

    @property
    def key(self) -> str:
        """Return text that is equal for steps that compute the same."""
        others = (self.sequences, self.marks, self.vectors, self.carried, self.emitted)
        return repr((self.program.nodes, *others, self.carries, self.product, self.back))

    @property
    def outputs(self) -> list[int]:
        """Return all nodes that a step computes."""
        return [*self.emitted, *self.carries]


class Sweep(FusedOp):
    """Runs a step over a sequence.

    Inputs are the sequences, the marks, the vectors (nH,), the weight of the product, and what is
    carried to the first step (B, mH). Outputs are what all steps emit, (T, B, kH), and what the
    last one leaves.
    """

    __props__ = ('key',)
    kind = 'sweep'
    is_loop = True

    def __init__(self, step: Step):
        self.step = step
        self.key = hashlib.sha256(step.key.encode()).hexdigest()[:24]

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node."""
        t, b, _ = inputs[0].type.shape
        emitted = pt.tensor(dtype=inputs[0].type.dtype, shape=(t, b, None))
        return Apply(self, list(inputs), [emitted, inputs[-1].type()])

    def writer(self, node: Apply, target: Target) -> 'SweepKernel':
        """Return the writer of the kernel."""
        return SweepKernel(self.step, target)

    def unpack(self, inputs: Sequence[Any]) -> tuple[list[Any], list[Any], Any, Any, Any]:
        """Return sequences, marks, vectors, weight and what is carried to the first step."""
        n, m = len(self.step.sequences), len(self.step.marks)
        return list(inputs[:n]), list(inputs[n : n + m]), *inputs[n + m :]

    def perform(
        self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[object]]
    ) -> None:
        """Compute by NumPy."""
        sequences, marks, vectors, weight, carry = self.unpack(inputs)
        steps = len(sequences[0])
        emitted: list[Any] = [None] * steps
        with np.errstate(all='ignore'):
            for t in range(steps)[:: -1 if self.step.back else 1]:
                here = [s[t] for s in sequences], [m[t] for m in marks]
                emitted[t], carry = advance(
                    self.step, *here, vectors, weight, carry, arrays.OPERATIONS, np
                )
        blank = np.empty((0, carry.shape[0], len(self.step.emitted) * sequences[0].shape[2]))
        output_storage[0][0] = np.stack(emitted) if steps else blank.astype(carry.dtype)
        output_storage[1][0] = np.array(carry)

    def infer_shape(self, *args: Any) -> list[tuple[Any, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        shapes = args[-1]
        (t, b, h), carry = shapes[0], shapes[-1]
        return [(t, b, h * len(self.step.emitted)), carry]


def advance(
    step: Step,
    sequences: Sequence[Any],
    marks: Sequence[Any],
    vectors: Any,
    weight: Any,
    carry: Any,
    operations: dict[str, Callable[..., Any]],
    xp: Any,
) -> tuple[Any, Any]:
    """Return what one step emits, and what it leaves, by NumPy or a library like it.

    Parameters
    ----------
    step : Step
    sequences, marks : sequences of arrays (B, kH) and (B,)
        Those of this step.
    vectors, weight, carry : arrays
    operations : dict of str to callable
    xp : module
        NumPy, or one that has its functions.
    """
    program = step.program
    like = sequences[0][:, : carry.shape[1] // len(step.carried)]
    named = [*zip(step.sequences, sequences, strict=True), (step.carried, carry)]
    named += [(step.vectors, vectors[None])] if step.vectors else []
    known = {
        program.input(name): part
        for names, array in named
        for name, part in zip(names, xp.split(array, len(names), axis=-1), strict=True)
        if name
    }
    known |= {program.input(m): a[:, None] for m, a in zip(step.marks, marks, strict=True)}
    fetch = {node: (lambda value=value: value) for node, value in known.items()}
    values = program.evaluate(step.outputs, fetch, float, operations)
    values = [xp.broadcast_to(xp.asarray(v, like.dtype), like.shape) for v in values]
    n, at = len(step.emitted), step.product
    emitted, left = values[:n], values[n:]
    factors = xp.concatenate(emitted[at.first : at.first + at.terms], axis=-1)
    sums = xp.split(factors @ weight, at.sums, axis=-1)
    run = slice(at.into, at.into + at.sums)
    left[run] = [a + b for a, b in zip(left[run], sums, strict=True)]
    return xp.concatenate(emitted, axis=-1), xp.concatenate(left, axis=-1)


def _blocks(n: int) -> str:
    """Return the length of `n` blocks, as a frame writes it."""
    return 'H' if n == 1 else f'{n}H'


class SweepKernel(Writer):
    """Writer of the kernel of a step."""

    def __init__(self, step: Step, target: Target):
        self.step, rows, product = step, ('T', 'B'), step.product
        sequences = [
            Array(f'sequence{k}', (*rows, _blocks(len(names))))
            for k, names in enumerate(step.sequences)
        ]
        inputs = [
            *sequences,
            *(Array(name, rows) for name in step.marks),
            Array('vectors', (_blocks(len(step.vectors)),)),
            Array('weight', (_blocks(product.terms), _blocks(product.sums))),
            Array('carried', ('B', _blocks(len(step.carried)))),
        ]
        outputs = [
            Array('emitted', (*rows, _blocks(len(step.emitted)))),
            Array('left', ('B', _blocks(len(step.carried)))),
        ]
        super().__init__(target, Frame(inputs, outputs), step.key)

    def write_functions(self, unit: Unit) -> None:
        """Write the functions that `run` calls."""
        write_parallel(unit)
        with worker(unit, 'steps') as (code, part, n_parts, block):
            self._steps(code, part, n_parts, block)

    def run(self, code: Code, desc: Int, block: Int) -> None:
        """Write the body of ``run``: all rows, in parts."""
        self.stage(code, desc, block)
        t, b, h = self.frame.read(code, block, *'TBH')
        product = self.step.product
        work = t * b * h * (h * (product.terms * product.sums) + COST)
        code.call('parallel', code.address_of('steps'), parts(code, b, work), block)

    def _steps(self, code: Code, part: Int, n_parts: Int, block: Int) -> None:
        """Do all steps for one part of the rows."""
        size = self.target.size
        t_end, b, h = self.frame.read(code, block, *'TBH')
        first, last = part_of(b, part, n_parts)
        row = h * (len(self.step.carried) * size)
        start, left = self.frame.read(code, block, 'carried', 'left')
        copy_row(code, start + first * row, left + first * row, (last - first) * row // size)
        with code.loop(0, t_end) as number:
            t = t_end - 1 - number if self.step.back else number
            with code.loop(first, last) as r:
                at = t * b + r
                with code.loop(0, h, self.target.lanes) as j:
                    self._point(code, block, at, left + r * row, j)
                self._multiply(code, block, at, left + r * row)

    def _point(self, code: Code, block: Int, at: Int, carry: Int, j: Int) -> None:
        """Compute the program of row `at`, counted through all steps, for units from j on."""
        step, size = self.step, self.target.size
        (h,) = self.frame.read(code, block, 'H')

        def place(row: Int, k: int) -> Int:
            return row + (h * k + j) * size

        def compute(lanes: Flag | None) -> None:
            places: dict[str, Int] = {}
            for k, names in enumerate(step.sequences):
                (start,) = self.frame.read(code, block, f'sequence{k}')
                row = start + at * h * (len(names) * size)
                places |= {name: place(row, i) for i, name in enumerate(names) if name}
            (vectors,) = self.frame.read(code, block, 'vectors')
            places |= {name: place(vectors, i) for i, name in enumerate(step.vectors)}
            places |= {name: place(carry, i) for i, name in enumerate(step.carried)}
            known = {
                step.program.input(name): Once(lambda address=address: code.load(address, lanes))
                for name, address in places.items()
            }
            for name in step.marks:
                (start,) = self.frame.read(code, block, name)
                mark = start + at * size
                known[step.program.input(name)] = Once(lambda mark=mark: code.spread(mark))
            values = step.program.evaluate(step.outputs, known, code.vec, OPERATIONS)
            (start,) = self.frame.read(code, block, 'emitted')
            n = len(step.emitted)
            row = start + at * h * (n * size)
            targets = [*(place(row, k) for k in range(n)), *places_of(carry, len(values) - n)]
            for value, to in zip(values, targets, strict=True):
                code.store(value, to, lanes)

        def places_of(row: Int, n: int) -> list[Int]:
            return [place(row, k) for k in range(n)]

        each_width(code, h - j, compute)

    def _multiply(self, code: Code, block: Int, at: Int, carry: Int) -> None:
        """Add the product of what row `at` emits to what it leaves."""
        size, product = self.target.size, self.step.product
        h, start, weight = self.frame.read(code, block, 'H', 'emitted', 'weight')
        factors = start + (at * len(self.step.emitted) + product.first) * h * size
        into = carry + h * (product.into * size)
        row = h * (product.sums * size)

        def add(j: Int, lanes: Flag | None) -> None:
            to = into + j * size
            total = code.var(code.load(to, lanes))
            with code.loop(0, h * product.terms) as k:
                column = code.load(weight + k * row + j * size, lanes)
                total.set(code.spread(factors + k * size).fma(column, total.get()))
            code.store(total.get(), to, lanes)

        each_piece(code, 0, h * product.sums, add)
