"""The second derivative of a loop over time.

In: the gradient Op of a loop, and a direction v: one array for each input by which there are
gradients. Out: how the gradients change along v.

The Jacobian of a gradient is symmetric. So the derivative of ``sum(v * gradient)`` by the inputs
is the change of the gradient along v, and that by the gradients of the states is the change of
the states along v. Both take one loop forward and one backward (Pearlmutter 1994, Neural
Computation 6(1): "Fast exact multiplication by the Hessian"), see
`rnnkit.kernels.recurrent.second_order`. To differentiate the scan's gradient scan takes minutes
to compile.

The Op stands for the derivative of the scan's gradient, which is built only for a third
derivative, or where nothing is rewritten.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pytensor.tensor as pt
from pytensor.compile.mode import optdb
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import dfs_rewriter, node_rewriter

from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.second_order import backward_step, forward_step, own_vectors
from rnnkit.kernels.recurrent.sweep import Sweep
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime.fused_op import FusedOp

T = TypeVar('T')


class GradientOp(FusedOp):
    """What the second derivative needs of a gradient Op."""

    form: Form
    walk: Walk
    given: tuple[bool, ...]
    n_inputs: int

    def unpack(self, inputs: Sequence[T]) -> tuple[T, dict[str, T], list[T], T | None]:
        """Return x, parameters by name, initial states and the mask."""
        raise NotImplementedError

    def wrt(self, inputs: Sequence[T]) -> list[T]:
        """Return those inputs by which there are gradients."""
        raise NotImplementedError


class RecurrentCurvature(FusedOp):
    """Changes of a loop's states and gradients, if its inputs change in a direction.

    Inputs are those of the forward, its states, the gradients by these that are given, and the
    direction. Outputs are the changes of those states, and of all gradients.

    Parameters
    ----------
    gradient : RecurrentGradient
    moved : tuple of bool
        For which inputs there is a direction; the others do not change.
    """

    __props__ = ('gradient', 'moved')
    kind = 'curvature'
    is_loop = True

    def __init__(self, gradient: GradientOp, moved: tuple[bool, ...]):
        self.gradient, self.moved = gradient, moved

    def unpack(
        self, inputs: Sequence[T]
    ) -> tuple[Sequence[T], Sequence[T], Sequence[T], Sequence[T]]:
        """Return the forward's inputs, its states, the gradients by these, and the direction."""
        ends, n_states = [self.gradient.n_inputs], self.gradient.form.n_states
        for length in (n_states, sum(self.gradient.given)):
            ends.append(ends[-1] + length)
        a, b, c = ends
        return inputs[:a], inputs[a:b], inputs[b:c], inputs[c:]

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; each change is of the type of what changes."""
        first, _, given, _ = self.unpack(inputs)
        changing = [*given, *self.gradient.wrt(first)]
        return Apply(self, list(inputs), [v.type() for v in changing])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the derivative of the gradient of the scan."""
        first, _, given, direction = self.unpack(inputs)
        gradients = self.gradient.meaning([*first, *given])
        pairs = zip(_chosen(gradients, self.moved), direction, strict=True)
        total = sum((g * v).sum() for g, v in pairs)
        wrt = [*given, *self.gradient.wrt(first)]
        return grad(total, wrt, disconnected_inputs='ignore')

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        first, _, given, _ = self.unpack(args[-1])
        return [*given, *self.gradient.wrt(first)]


def pull_back(
    op: GradientOp, inputs: Sequence[Variable], gradients: Sequence[Variable]
) -> list[Variable]:
    """Return the derivatives by the inputs of a gradient Op, one node for all.

    Parameters
    ----------
    op : RecurrentGradient
    inputs : sequence of variables
        Those of the Op.
    gradients : sequence of variables
        Those by its outputs.
    """
    moved = tuple(not isinstance(g.type, DisconnectedType) for g in gradients)
    if not any(moved):
        return [disconnected_type() for _ in inputs]
    n, n_given = op.n_inputs, sum(op.given)
    known = inputs[len(inputs) - n_given :]
    states = inputs[n : n + op.form.n_states]
    direction = _chosen(gradients, moved)
    curvature = RecurrentCurvature(op, moved)
    changes = curvature(*inputs[:n], *states, *known, *direction, return_list=True)
    # The outputs of the forward are given to save time; they are functions of its inputs.
    by_inputs = dict(zip(op.wrt(range(n)), changes[n_given:], strict=True))
    outer = [by_inputs.get(k, disconnected_type()) for k in range(len(inputs) - n_given)]
    return [*outer, *changes[:n_given]]


def connection(op: GradientOp, node: Apply) -> list[list[bool]]:
    """Return which outputs of a gradient Op have a derivative by which of its inputs."""
    n, last = op.n_inputs - op.walk.masked, len(node.inputs) - sum(op.given)
    return [[k < n or k >= last] * len(node.outputs) for k in range(len(node.inputs))]


@node_rewriter([RecurrentCurvature])
def expand_curvature(fgraph: FunctionGraph, node: Apply) -> list[Variable]:
    """Replace the Op by two loops, and by products of whole sequences."""
    return _Loops(node.op, node.inputs).changes()


# Before those that expand or specialize other Ops, for they see the result.
optdb.register(
    'expand_curvature', dfs_rewriter(expand_curvature), 'fast_run', 'fast_compile', position=-0.03
)


def _chosen(values: Sequence[T], which: Sequence[bool]) -> list[T]:
    return [value for value, is_chosen in zip(values, which, strict=True) if is_chosen]


class _Loops:
    """The graph of a second derivative.

    Matrices of tiles are (T, B, nH), their blocks in the order of `Form`. An attribute is a value,
    and `moved` has the changes of the inputs by name.
    """

    def __init__(self, op: RecurrentCurvature, inputs: Sequence[Variable]):
        gradient = op.gradient
        first, self.new, self.given, direction = op.unpack(inputs)
        self.gradient, self.form, self.walk = gradient, gradient.form, gradient.walk
        form = self.form
        self.x, self.params, self.initial, self.mask = gradient.unpack(first)
        names = ['x', form.recurrent, 'xh', *form.vectors]
        self.names = gradient.wrt([*names, *(f'initial{k}' for k in range(form.n_states))])
        self.moved = dict(zip(_chosen(self.names, op.moved), direction, strict=True))
        self.size = self.params[form.recurrent].shape[0]
        self.hh = self._reorder(self.params[form.recurrent], form.h_blocks)
        self.xh = self._reorder(self.params['xh'], form.x_blocks)
        self.d_hh = self._moved(form.recurrent, form.h_blocks)
        self.d_xh = self._moved('xh', form.x_blocks)
        self.old = [self._old(s, new) for s, new in zip(self.initial, self.new, strict=True)]

    def changes(self) -> list[Variable]:
        """Return the changes of the states for which gradients are given, and of gradients."""
        form, n_states = self.form, self.form.n_states
        tiles = self._tiles(_product(self.x, self.xh), _product(self.old[0], self.hh))
        sources = self._sources()
        known = [*self.old, tiles]
        step = forward_step(form, self.walk, list(self.moved), sources is not None)
        ahead, _ = Sweep(step)(
            *known,
            *([] if sources is None else [sources]),
            *self._marks(0),
            self._vectors(),
            self.hh,
            self._start(),
        )
        step = backward_step(form, self.walk, list(self.moved), self.gradient.given)
        back, left = Sweep(step)(
            *known,
            ahead,
            *self.given,
            *self._marks(1),
            self._vectors(),
            self._weight_back(),
            pt.zeros((self.x.shape[1], self.size * (2 * n_states)), dtype=self.x.dtype),
        )
        states = _chosen([self._cut(ahead, k, 1) for k in range(n_states)], self.gradient.given)
        gradients = self._gradients(ahead, back, left)
        return [*states, *(gradients[name]() for name in self.names)]

    # --- before the loops

    def _reorder(self, weight: Variable, blocks: Sequence[int]) -> Variable:
        """Return a weight with its column blocks in the order of the tiles."""
        if list(blocks) == sorted(blocks):
            return weight
        return pt.concatenate([self._cut(weight, k, 1) for k in blocks], axis=-1)

    def _cut(self, array: Variable, first: int, n: int) -> Variable:
        """Return `n` blocks of the last axis, from number `first` on."""
        return array[..., first * self.size : (first + n) * self.size]

    def _moved(self, name: str, blocks: Sequence[int]) -> Variable | None:
        weight = self.moved.get(name)
        return None if weight is None else self._reorder(weight, blocks)

    def _old(self, first: Variable, new: Variable) -> Variable:
        """Return the state before each step, from that before all and those after each."""
        # (1 or B, H) -> (1, B, H)
        begin = pt.broadcast_to(first, (self.x.shape[1], self.size))[None]
        parts = [new[1:], begin] if self.walk.reverse else [begin, new[:-1]]
        return pt.concatenate(parts, axis=0)

    def _tiles(self, from_x: Variable, from_h: Variable) -> Variable:
        """Return the tiles from their parts by both weights."""
        form = self.form
        n, first = form.n_summed, form.h_first
        n_h = len(form.h_blocks)
        if n == n_h == len(form.x_blocks):
            return from_x + from_h
        both = self._cut(from_x, first, n) + self._cut(from_h, 0, n)
        parts = [self._cut(from_x, 0, first), both, self._cut(from_h, n, n_h - n)]
        return pt.concatenate(_chosen(parts, (first > 0, n > 0, n_h > n)), axis=-1)

    def _sources(self) -> Variable | None:
        """Return the changes of the tiles other than by a change of the old state."""
        x, n_x, n_h = self.moved.get('x'), len(self.form.x_blocks), len(self.form.h_blocks)
        by_x = [] if x is None else [_product(x, self.xh)]
        by_x += [] if self.d_xh is None else [_product(self.x, self.d_xh)]
        by_h = [] if self.d_hh is None else [_product(self.old[0], self.d_hh)]
        if not by_x and not by_h:
            return None
        return self._tiles(self._sum(by_x, n_x), self._sum(by_h, n_h))

    def _sum(self, terms: list[Variable], n: int) -> Variable:
        if terms:
            return sum(terms[1:], terms[0])
        t, b, _ = self.x.shape
        return pt.zeros((t, b, self.size * n), dtype=self.x.dtype)

    def _marks(self, ahead: int) -> list[Variable]:
        """Return the sequences (T, B) of what is real and of whether gradients go on.

        They stop between steps: `ahead` is 0 for the step after such a place, 1 for that before.
        """
        marks = [] if self.mask is None else [self.mask]
        if self.walk.bptt_limit is not None:
            t, b, _ = self.x.shape
            number = pt.arange(t)[:: -1 if self.walk.reverse else 1] + ahead
            keep = pt.eq(number, 0) | pt.neq(number % self.walk.bptt_limit, 0)
            marks.append(pt.broadcast_to(pt.cast(keep, self.x.dtype)[:, None], (t, b)))
        return marks

    def _vectors(self) -> Variable:
        """Return all per-unit vectors, and then the changes of those that change."""
        form = self.form
        moved = [self.moved[name] for name in form.vectors if name in self.moved]
        both = [*(self.params[name] for name in form.vectors), *moved]
        return both[0] if len(both) == 1 else pt.concatenate(both)

    def _start(self) -> Variable:
        """Return the changes of the initial states, and the product of the first of them."""
        b, n_h, dtype = self.x.shape[1], len(self.form.h_blocks), self.x.dtype
        changes = [self.moved.get(f'initial{k}') for k in range(self.form.n_states)]
        if all(c is None for c in changes):
            return pt.zeros((b, self.size * (len(changes) + n_h)), dtype=dtype)
        zero = pt.zeros((b, self.size), dtype=dtype)
        rows = [zero if c is None else pt.broadcast_to(c, (b, self.size)) for c in changes]
        return pt.concatenate([*rows, pt.dot(rows[0], self.hh)], axis=-1)

    def _weight_back(self) -> Variable:
        """Return the weight of the backward product: gradients and changes -> both, by h."""
        size, first = self.size, self.form.h_first
        hh = self.hh.T
        zero = pt.zeros_like(hh)
        d_hh = zero if self.d_hh is None else self.d_hh.T
        rows = [pt.concatenate([hh, d_hh], axis=1), pt.concatenate([zero, hh], axis=1)]
        if first:
            rows.insert(1, pt.zeros((size * first, size * 2), dtype=hh.dtype))
        return pt.concatenate(rows, axis=0)

    # --- after the loops

    def _gradients(
        self, ahead: Variable, back: Variable, left: Variable
    ) -> dict[str, Callable[[], Variable]]:
        """Return how to build the change of each gradient, by the name of the input."""
        form, n, n_x = self.form, self.form.n_tiles, len(self.form.x_blocks)
        first, n_h, n_states = form.h_first, len(form.h_blocks), form.n_states
        by_x, by_h = self._cut(back, 0, n_x), self._cut(back, first, n_h)
        d_by_x, d_by_h = self._cut(back, n, n_x), self._cut(back, n + first, n_h)
        moved_x = self.moved.get('x')

        def x() -> Variable:
            change = _product(d_by_x, self.xh.T)
            return change if self.d_xh is None else change + _product(by_x, self.d_xh.T)

        def xh() -> Variable:
            change = _outer(self.x, d_by_x)
            change = change if moved_x is None else change + _outer(moved_x, by_x)
            return self._reorder(change, _inverse(form.x_blocks))

        def hh() -> Variable:
            change = _outer(self.old[0], d_by_h) + _outer(self._cut(ahead, n_states + n, 1), by_h)
            return self._reorder(change, _inverse(form.h_blocks))

        def initial(k: int) -> Variable:
            change = self._cut(left, 2 * k + 1, 1)
            return change.sum(axis=0, keepdims=True) if self.walk.rows[k] else change

        return {
            'x': x,
            'xh': xh,
            form.recurrent: hh,
            **{name: lambda name=name: self._vector(name, back) for name in form.vectors},
            **{f'initial{k}': lambda k=k: initial(k) for k in range(n_states)},
        }

    def _vector(self, name: str, back: Variable) -> Variable:
        """Return the change of the gradient by a vector: sums over steps and examples."""
        form, n = self.form, self.form.n_tiles
        shared, own = form.shared_gradients(), [block for block, _ in own_vectors(form)]
        places = [
            n + shared[name, k] if (name, k) in shared else 2 * n + own.index((name, k))
            for k in range(form.vectors[name])
        ]
        if places == list(range(places[0], places[0] + len(places))):
            return self._cut(back, places[0], len(places)).sum(axis=(0, 1))
        return pt.concatenate([self._cut(back, k, 1).sum(axis=(0, 1)) for k in places])


def _product(a: Variable, w: Variable) -> Variable:
    """Return ``a @ w`` for a (T, B, n) and w (n, m)."""
    t, b, n = a.shape
    return pt.dot(a.reshape((t * b, n)), w).reshape((t, b, w.shape[1]))


def _outer(a: Variable, b: Variable) -> Variable:
    """Return the sum of outer products (n, m) over all steps and examples."""
    rows = a.shape[0] * a.shape[1]
    return pt.dot(a.reshape((rows, a.shape[2])).T, b.reshape((rows, b.shape[2])))


def _inverse(blocks: Sequence[int]) -> list[int]:
    return sorted(range(len(blocks)), key=blocks.__getitem__)
