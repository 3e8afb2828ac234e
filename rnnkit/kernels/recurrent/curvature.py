"""PyTensor's view of the second derivative of a loop over time: one Op.

In: the gradient Op of a loop, and a direction v: one array for each input by which there are
gradients. Out: how the gradients change along v.

The Jacobian of a gradient is symmetric. So the derivative of ``sum(v * gradient)`` by the inputs
is the change of the gradient along v, and that by the gradients of the states is the change of
the states along v. Both take one loop forward and one backward: Pearlmutter 1994, Neural
Computation 6(1), "Fast exact multiplication by the Hessian". To differentiate the gradient of a
scan takes minutes to compile.

What the Op means is the derivative of the scan's gradient. It is built only for a third
derivative.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.recurrent.curvature_arrays import Loops
from rnnkit.kernels.recurrent.curvature_kernel import CurvatureKernel
from rnnkit.kernels.recurrent.loop_op import NO_GRADIENT, GradientOp
from rnnkit.kernels.runtime.fused_op import FusedOp

T = TypeVar('T')


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
        form = gradient.form
        wrt = gradient.wrt(gradient.names)
        self.directions = [name for name, is_moved in zip(wrt, moved, strict=True) if is_moved]
        states = [k for k in range(form.n_states) if gradient.given[k]]
        self.names = [
            *gradient.names,
            *(f'new{k}' for k in range(form.n_states)),
            *(f'given{k}' for k in states),
            *(f'd_{name}' for name in self.directions),
        ]
        self.results = [*(f'd_new{k}' for k in states), *(f'c_{name}' for name in wrt)]

    def changing(self, inputs: Sequence[T]) -> list[T]:
        """Return those inputs whose derivatives change."""
        named = dict(zip(self.names, inputs, strict=True))
        likes = {'d_new': 'given', 'c_': ''}
        return [
            named[next(like + r[len(kind) :] for kind, like in likes.items() if r.startswith(kind))]
            for r in self.results
        ]

    def make_node(self, *inputs: Variable) -> Apply:
        """Return the node; each change is of the type of what changes."""
        return Apply(self, list(inputs), [v.type() for v in self.changing(inputs)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the derivative of the gradient of the scan."""
        gradient = self.gradient
        n, end = gradient.n_inputs, len(inputs) - len(self.directions)
        given = inputs[n + gradient.form.n_states : end]
        gradients = gradient.meaning([*inputs[:n], *given])
        moved = [g for g, is_moved in zip(gradients, self.moved, strict=True) if is_moved]
        total = sum((g * v).sum() for g, v in zip(moved, inputs[end:], strict=True))
        return grad(total, self.changing(inputs), disconnected_inputs='ignore')

    def perform(
        self, node: Apply, inputs: Sequence[np.ndarray], output_storage: list[list[object]]
    ) -> None:
        """Compute by NumPy."""
        named = dict(zip(self.names, inputs, strict=True))
        found = Loops(self.gradient.form, self.gradient.walk, named).run()
        for storage, name in zip(output_storage, self.results, strict=True):
            storage[0] = np.ascontiguousarray(found[name])

    def writer(self, node: Apply, target: Target) -> CurvatureKernel:
        """Return the writer of the kernel."""
        gradient = self.gradient
        return CurvatureKernel(
            gradient.form, target, gradient.walk, gradient.given, self.directions, self.results
        )

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return self.changing(args[-1])


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
    n, start = op.n_inputs, len(inputs) - sum(op.given)
    direction = [g for g, is_moved in zip(gradients, moved, strict=True) if is_moved]
    changes = RecurrentCurvature(op, moved)(
        *inputs[:n],
        *inputs[n : n + op.form.n_states],
        *inputs[start:],
        *direction,
        return_list=True,
    )
    # The outputs of the forward are inputs to save time; they are functions of the others.
    by_inputs = dict(zip(op.wrt(range(n)), changes[sum(op.given) :], strict=True))
    outer = [by_inputs[k] if k in by_inputs else disconnected_type() for k in range(start)]
    return [*outer, *changes[: sum(op.given)]]


def connection(op: GradientOp, node: Apply) -> list[list[bool]]:
    """Return which outputs of a gradient Op have a derivative by which of its inputs."""
    start = len(node.inputs) - sum(op.given)
    pattern = [k >= start for k in range(len(node.inputs))]
    pattern[: op.n_inputs] = [name not in NO_GRADIENT for name in op.names]
    return [[connected] * len(node.outputs) for connected in pattern]
