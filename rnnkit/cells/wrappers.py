"""Cells that are made of others: with dropout of what is fed back, or with zoneout.

A mask that holds for a whole sequence is one more state, which never changes. Random numbers
that are new at each step come in as features of the input, which pass the input's matrix as
they are. So both are written as any cell is, and the kernel can run them.
"""

from collections import namedtuple
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import io_toposort
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell
from rnnkit.errors import ConfigError


class Wrapper(Cell):
    """A cell that is made of another one, and has its parameters.

    Parameters
    ----------
    cell : Cell
    """

    def __init__(self, cell: Cell):
        self.cell, self.state, self.params, self.inner = cell, cell.state, cell.params, cell.inner
        self.axes, self.smallest, self.gates = cell.axes, cell.smallest, cell.gates
        self.counters = cell.counters

    def check_size(self, size):
        self.cell.check_size(size)

    def lengths(self, size):
        return self.cell.lengths(size)

    def prepare(self, params, size):
        return self.cell.prepare(params, size)

    def inner_shapes(self, n_in, size):
        return self.cell.inner_shapes(n_in, size)

    def project_by_cell(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return what the cell makes of the input."""
        return self.cell.project(x, p)


def wrapped(wrapper: type[Wrapper], cell: Cell, *options: Any) -> Any:
    """Return `wrapper` around a cell, with a `project` only if the cell has one of its own."""
    if type(cell).project is Cell.project:
        return wrapper(cell, *options)  # which a kernel can compute
    own = {'project': lambda self, x, p: self.project_by_cell(x, p)}
    return type(wrapper.__name__, (wrapper,), own)(cell, *options)


class Dropped(Wrapper):
    r"""A cell whose recurrent products read :math:`h_{t-1} \odot m`, with one m for all steps.

    The states are ``fed``, which is :math:`h \odot m`, then those of the cell, then ``kept``,
    which is m. What is fed back is the state called h, or else the first.

    References
    ----------
    Gal & Ghahramani 2016, arXiv:1512.05287.
    """

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.state = namedtuple('DroppedState', ('fed', *cell.state._fields, 'kept'))
        fields = cell.state._fields  # of SCRN it is not the output that is fed back
        self.place = fields.index('h') if 'h' in fields else 0

    def start(self, state: Any, kept: TensorVariable) -> Any:
        """Return the state before the first step, from the cell's own and the mask (B, H)."""
        return self.state(state[self.place] * kept, *state, kept)

    def step(self, z, s, p):
        old = self.cell.state(*s[1:-1])
        new = self.cell.step(z, old, p)
        if not isinstance(new, self.cell.state):
            return new  # for the error that it deserves
        leaves = [z, *old, *vars(p).values()]
        new = drop_products(leaves, old[self.place], list(new), s.fed, s.kept)
        return self.state(new[self.place] * s.kept, *new, s.kept)


def drop_products(
    leaves: Sequence[Variable], h: Variable, outputs: list[Variable], fed: Variable, kept: Variable
) -> list[Variable]:
    """Return `outputs` with a mask in each product that reads h.

    What is multiplied by a weight is h itself, or what is computed from it without a product,
    such as the reset h of a GRU; of what is behind a product nothing is left out.

    Parameters
    ----------
    leaves : sequence of tensors
        What the step has been given.
    h : tensor of shape (B, H)
    outputs : list of tensors
    fed, kept : tensors of shape (B, H)
        ``h * kept``, and the mask.
    """
    made: dict[Variable, Variable] = {}
    direct, found = {h}, False
    for node in io_toposort(leaves, outputs):
        inputs = [made.get(v, v) for v in node.inputs]
        if _is_product(node):
            if node.inputs[0] in direct:
                inputs[0] = fed if node.inputs[0] is h else inputs[0] * kept
                found = True
        elif direct & set(node.inputs):
            direct |= set(node.outputs)
        if inputs != node.inputs:
            made.update(zip(node.outputs, node.clone_with_new_inputs(inputs).outputs, strict=True))
    if not found:
        raise ConfigError('dropout has nothing to act on: no product of the cell reads its state')
    return [made.get(v, v) for v in outputs]


def _is_product(node: Apply) -> bool:
    inner = getattr(node.op, 'core_op', node.op)
    names = {type(node.op).__name__, type(inner).__name__}
    return bool(names & {'Dot', 'Matmul'}) and all(v.ndim == 2 for v in node.inputs)


class Mixed(Wrapper):
    r"""What is used of a cell that was trained with zoneout: :math:`p s_{t-1} + (1 - p) s_t`.

    Parameters
    ----------
    cell : Cell
    rate : float
        The probability p. States that count steps are not mixed.
    """

    def __init__(self, cell: Cell, rate: float):
        super().__init__(cell)
        self.rate = rate

    def step(self, z, s, p):
        new = self.cell.step(z, s, p)
        if not isinstance(new, self.state):
            return new
        old_part, new_part = np.array([self.rate, 1 - self.rate], z.dtype)
        mixed = (
            n if name in self.counters else old_part * o + new_part * n
            for name, o, n in zip(self.state._fields, s, new, strict=True)
        )
        return self.state(*mixed)


class Zoned(Wrapper):
    """A cell of whose states some elements keep their old values, others at each step.

    Which ones, says a code: further features of the input, as many as the states have units.
    States of one width share their features: bit number k of such a whole number belongs to
    the state number k among them, and 1 keeps the old value. States that count steps go on.

    Parameters
    ----------
    cell : Cell
    size : int
        The number of units of the layer.

    References
    ----------
    Krueger et al. 2017, arXiv:1606.01305.
    """

    def __init__(self, cell: Cell, size: int):
        super().__init__(cell)
        self.size = size

    def groups(self) -> list[list[int]]:
        """Return the numbers of the states that share features."""
        found: dict[str, list[int]] = {}
        for k, name in enumerate(self.state._fields):
            if name not in self.counters:
                found.setdefault(self.axes.get(name, 'H'), []).append(k)
        return list(found.values())

    def bit_widths(self, size: int) -> list[int]:
        """Return the number of units of each state that may be kept, group by group."""
        widths = self.widths(size)
        return [widths[k] for group in self.groups() for k in group]

    def code_widths(self, size: int) -> list[int]:
        """Return how many features each group has."""
        widths = self.widths(size)
        return [widths[group[0]] for group in self.groups()]

    def codes(self, kept: Sequence[TensorVariable]) -> TensorVariable:
        """Return the features, from 0 or 1 for each element of each state that may be kept.

        Parameters
        ----------
        kept : sequence of tensors of shape (T, B, width)
            For the states of all groups, group by group.
        """
        bits, features = iter(kept), []
        for group in self.groups():
            features.append(sum(next(bits) * 2**bit for bit in range(len(group))))
        return pt.concatenate(features, axis=-1)

    def prepare(self, params, size):
        params = self.cell.prepare(params, size)
        if type(self).project is not Cell.project:
            return params
        xh, b, n = params['xh'], params['b'], sum(self.code_widths(size))
        upper = pt.concatenate([xh, pt.zeros((xh.shape[0], n), dtype=xh.dtype)], axis=1)
        lower = pt.concatenate(
            [pt.zeros((n, xh.shape[1]), dtype=xh.dtype), pt.eye(n, dtype=xh.dtype)], axis=1
        )
        bias = pt.concatenate([b, pt.zeros((n,), dtype=b.dtype)])
        return {**params, 'xh': pt.concatenate([upper, lower], axis=0), 'b': bias}

    def inner_shapes(self, n_in, size):
        shapes, n = self.cell.inner_shapes(n_in, size), sum(self.code_widths(size))
        if 'xh' not in shapes or 'b' not in shapes:
            return shapes
        more = {'xh': (n_in, shapes['xh'][1] + n), 'b': (shapes['b'][0] + n,)}
        return {**shapes, **more}

    def project_by_cell(self, x, p):
        n = sum(self.code_widths(self.size))
        return pt.concatenate([self.cell.project(x[..., :-n], p), x[..., -n:]], axis=-1)

    def step(self, z, s, p: SimpleNamespace):
        widths = [s[group[0]].type.shape[-1] for group in self.groups()]
        end = -sum(widths)
        new = self.cell.step(z[:, :end], s, p)
        if not isinstance(new, self.state):
            return new
        found = list(new)
        for group, width in zip(self.groups(), widths, strict=True):
            code, end = z[:, end : end + width or None], end + width
            for bit in reversed(range(len(group))):
                keeps, k = pt.ge(code, 2**bit), group[bit]
                found[k] = pt.switch(keeps, s[k], found[k])
                if bit:
                    code = pt.switch(keeps, code - 2**bit, code)
        return self.state(*found)
