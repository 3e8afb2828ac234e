"""The gradients of a staged form.

In: the equations of a step as scalar graphs, cut at products and sums. Out: the `StagedForm`.

Within one length everything is elementwise, so that PyTensor's own gradient of a scalar graph gives
the derivatives. The upstream gradients are variables: those of the new states, and those of what
each cut reads. ``cost`` of a length is the sum of all that is of this length and goes on, a new
state, a block of the left side of a product or the terms of a sum, each times its upstream
gradient. The derivative of it by a block of the same length is the gradient of that block; the one
by a number is to be summed over the units.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytensor
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from rnnkit.kernels.language.elementary import LONG
from rnnkit.kernels.program.blocks import Block, symbol
from rnnkit.kernels.program.program import Program, Unsupported
from rnnkit.kernels.program.residuals import choose_residuals
from rnnkit.kernels.staged.form import Product, StagedForm, Total


class View(NamedTuple):
    """Whole blocks of rows and columns of a weight: the first ones, their lengths and numbers."""

    weight: str
    row: int
    rows: tuple[str, int]
    column: int
    columns: tuple[str, int]


class Cut(NamedTuple):
    """A product with a part of a weight, or, without one, a sum over the units of `letter`."""

    reads: list[Variable]
    results: list[Block]
    view: View | None
    letter: str


class Equations(NamedTuple):
    """One step: scalar graphs of the new states and of what each cut reads, and their leaves."""

    name: str
    z: list[Block]
    direct: list[Block]
    states: list[Block]
    vectors: dict[str, list[Block]]
    weights: dict[str, tuple[tuple[str, int], tuple[str, int]]]
    lengths: dict[str, Variable]
    cuts: list[Cut]
    new: list[Variable]
    sides: tuple[str, ...]


class _Sink(NamedTuple):
    """What goes on from elementwise mathematics, its length, and the gradient by it."""

    value: Variable
    length: str
    upstream: Block


def differentiate(equations: Equations) -> StagedForm:
    """Return the form: one program of the step and of the gradients."""
    sinks = _sinks(equations)
    vectors = [b for blocks in equations.vectors.values() for b in blocks]
    results = [b for cut in equations.cuts for b in cut.results]
    leaves = [*results, *equations.states, *equations.z, *vectors]
    grads = _gradients(sinks, leaves)
    upstream = [sink.upstream for sink in sinks]
    inputs = [*leaves, *equations.direct, *upstream]
    inputs += [Block(v, '') for v in equations.lengths.values()]
    program, lengths = Program(), _Lengths({b.value.name: b.length for b in inputs})
    nodes = {b.value: program.input(b.value.name) for b in inputs}

    def absorb(values: list[Variable]) -> list[int]:
        return [program.number(i) for i in program.absorb(values, nodes)]

    cuts = [_cut(cut, absorb(cut.reads)) for cut in equations.cuts]
    new = absorb(equations.new)
    found: dict[Variable, list[int]] = {}
    for leaf in leaves:
        found[leaf.value] = _summands(program, lengths, leaf, grads[leaf.value], absorb)
    form = StagedForm(
        name=equations.name,
        program=program,
        lengths=[],
        z=tuple(b.length for b in equations.z),
        direct=tuple(b.length for b in equations.direct),
        states=tuple(b.length for b in equations.states),
        vectors={k: (b[0].length, len(b)) for k, b in equations.vectors.items()},
        weights=equations.weights,
        cuts=cuts,
        new=new,
        sides=equations.sides,
    )
    form.d_cuts = [
        tuple(node for b in cut.results for node in found[b.value]) for cut in equations.cuts
    ]
    form.d_states = [found[b.value][0] for b in equations.states]
    form.d_z = [found[b.value][0] for b in equations.z]
    form.d_vectors = [_one(b, found[b.value]) for b in vectors]
    form.lengths = lengths.all(program)
    form.residuals = _residuals(form, [nodes[b.value] for b in results])
    return form


def _sinks(equations: Equations) -> list[_Sink]:
    sinks = [
        _Sink(value, state.length, Block(symbol(f'grad{k}'), state.length))
        for k, (value, state) in enumerate(zip(equations.new, equations.states, strict=True))
    ]
    for k, cut in enumerate(equations.cuts):
        length = cut.view.rows[0] if cut.view else cut.letter
        for j, value in enumerate(cut.reads):
            back = Block(symbol(f'back{k}:{j}'), length if cut.view else '')
            sinks.append(_Sink(value, length, back))
    return sinks


def _gradients(sinks: list[_Sink], leaves: list[Block]) -> dict[Variable, dict[str, Variable]]:
    """Return for each leaf the gradient of the cost of each length."""
    found: dict[Variable, dict[str, Variable]] = {leaf.value: {} for leaf in leaves}
    for length in dict.fromkeys(sink.length for sink in sinks):
        # A product with upstream gradients that are variables: their values are known in the loop.
        terms = (s.value * s.upstream.value for s in sinks if s.length == length)
        cost = sum(terms, pt.constant(0.0))
        wrt = [leaf.value for leaf in leaves if leaf.length in ('', length)]
        if wrt:
            grads = pytensor.grad(cost, wrt, disconnected_inputs='ignore')
            for leaf, gradient in zip(wrt, grads, strict=True):
                found[leaf][length] = gradient
    return found


def _summands(
    program: Program,
    lengths: '_Lengths',
    leaf: Block,
    by_length: dict[str, Variable],
    absorb: Callable[[list[Variable]], list[int]],
) -> list[int]:
    """Return the nodes of a leaf's gradient: of a number, one for each length that reads it."""
    if leaf.length:
        return absorb([by_length[leaf.length]]) if by_length else [program.constant(0)]
    found = []
    for length, gradient in by_length.items():
        (node,) = absorb([gradient])
        if program.value(node) == 0:
            continue
        if not lengths.of(program, node):  # the same for all units, which are summed over
            node = program.mul(node, program.input(f'length:{length}'))
        found.append(node)
    return found or [program.constant(0)]  # what a comparison alone reads


def _cut(cut: Cut, reads: list[int]) -> Product | Total:
    if cut.view is None:
        return Total(reads[0], cut.letter)
    view = cut.view
    (inner, _), (outer, n) = view.rows, view.columns
    return Product(view.weight, tuple(reads), inner, outer, view.row, view.column, n)


def _one(block: Block, nodes: list[int]) -> int:
    if len(nodes) > 1:
        raise Unsupported(
            f'the number {block.value.name.partition(":")[0]!r} meets units of several lengths'
        )
    return nodes[0]


class _Lengths:
    """The length of each node of a program, given those of its inputs."""

    def __init__(self, inputs: dict[str, str]):
        self.inputs = inputs

    def all(self, program: Program) -> list[str]:
        """Return the lengths of all nodes."""
        found: list[str] = []
        for i, (kind, *operands) in enumerate(program.nodes):
            if kind == 'input':
                found.append(self.inputs.get(operands[0], ''))
            else:
                found.append(next((found[j] for j in program.operands(i) if found[j]), ''))
        return found

    def of(self, program: Program, node: int) -> str:
        """Return the length of one node."""
        inputs = [program.nodes[i] for i in program.reach([node])]
        kinds = (self.inputs.get(name, '') for kind, name, *_ in inputs if kind == 'input')
        return next(filter(None, kinds), '')


def _residuals(form: StagedForm, results: list[int]) -> list[int]:
    """Return what the forward keeps: of each cut that the backward needs, its activation.

    Without a cut, it keeps the elementary functions of what a step is given: to read one number
    takes less time than to compute it again.
    """
    program = form.program
    if not form.cuts:
        results = _elementary(form)
    lefts = [i for cut in form.cuts if isinstance(cut, Product) for i in cut.left]
    by_cut = [node for nodes in form.d_cuts for node in nodes]
    outputs = [*by_cut, *form.d_states, *form.d_z, *form.d_vectors, *lefts]
    # The new states are stored anyway: all but those that are an old state or given to a step.
    stored = {i for i in form.new if program.operands(i) or i in results}
    return choose_residuals(
        program,
        results,
        outputs,
        stored,
        lambda node, reader: form.lengths[node] == form.lengths[reader],
    )


def _elementary(form: StagedForm) -> list[int]:
    """Return the elementary functions that new states need, but those that no step changes.

    From the last one to the first: what makes others needless comes before them.
    """
    program, counts = form.program, {'z': form.z, 'direct': form.direct, 'state': form.states}
    given = {program.input(f'{name}{k}') for name, all_ in counts.items() for k in range(len(all_))}
    functions = (i for i in program.reach(form.new) if program.nodes[i][0] in LONG)
    return sorted((i for i in functions if program.reach([i]) & given), reverse=True)
