"""Cells that wrap another cell, to add recurrent dropout or zoneout.

A dropout mask that is shared by all steps is an additional state that never changes. Random
numbers drawn at each step are further columns of z, which no weight multiplies. Both are thus
ordinary cells, which the kernels can run.
"""

from collections import namedtuple
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TypeVar

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import io_toposort
from pytensor.tensor import TensorVariable

from rnnkit.cells.base import Cell
from rnnkit.errors import ConfigError

State = tuple[TensorVariable, ...]  # a named tuple, whose class depends on the cell


class Wrapper(Cell):
    """A cell that wraps another one, and has its parameters.

    Parameters
    ----------
    cell : Cell
    """

    def __init__(self, cell: Cell):
        self.cell, self.state, self.params, self.inner = cell, cell.state, cell.params, cell.inner
        self.axes, self.smallest, self.gates = cell.axes, cell.smallest, cell.gates
        self.counters, self.side, self.side_defaults = cell.counters, cell.side, cell.side_defaults

    def check_size(self, size):
        self.cell.check_size(size)

    def lengths(self, size):
        return self.cell.lengths(size)

    def prepare(self, params, size):
        return self.cell.prepare(params, size)

    def inner_shapes(self, n_in, size):
        return self.cell.inner_shapes(n_in, size)

    def direct_widths(self, size, n_in=None):
        return self.cell.direct_widths(size, n_in)

    def project_by_cell(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return the contribution of the input, computed by the wrapped cell."""
        return self.cell.project(x, p)


W = TypeVar('W', bound=Wrapper)


def wrapped(wrapper: type[W], cell: Cell, *options: float) -> W:
    """Return `wrapper` around a cell; it overrides `project` only if the cell does."""
    # Kernels compute the default projection, and recognize it by its not being overridden.
    if not cell.has_own_projection:
        return wrapper(cell, *options)
    own = {'project': lambda self, x, p: self.project_by_cell(x, p)}
    return type(wrapper.__name__, (wrapper,), own)(cell, *options)


class Dropped(Wrapper):
    r"""A cell whose recurrent products read :math:`h_{t-1} \odot m`, with the same m at all steps.

    The states are ``fed``, which is :math:`h \odot m`; those of the cell; and ``kept``, which
    is m. The dropout acts on the state called h, or else the first state.

    References
    ----------
    Gal & Ghahramani 2016, arXiv:1512.05287.
    """

    def __init__(self, cell: Cell):
        super().__init__(cell)
        self.state = namedtuple('DroppedState', ('fed', *cell.state._fields, 'kept'))
        fields = cell.state._fields
        self.place = fields.index('h') if 'h' in fields else 0  # SCRN does not feed back its output
        letter = cell.axes.get(fields[self.place], 'H')
        self.axes = {**cell.axes, 'fed': letter, 'kept': letter}

    def start(self, state: Sequence[TensorVariable], kept: TensorVariable) -> State:
        """Return the initial state, given the cell's own and the mask (B, H)."""
        return self.state(state[self.place] * kept, *state, kept)

    def step(self, z, s, p):
        old = self.cell.state(*s[1:-1])
        new = self.cell.step(z, old, p)
        leaves = [z, *old, *vars(p).values()]
        new = drop_products(leaves, old[self.place], list(new), s.fed, s.kept)
        return self.state(new[self.place] * s.kept, *new, s.kept)


def drop_products(
    leaves: Sequence[Variable], h: Variable, outputs: list[Variable], fed: Variable, kept: Variable
) -> list[Variable]:
    """Return `outputs`, with the mask applied to h in each matrix product that reads it.

    The mask is applied to h itself, or to a value computed from it without a product, such as
    the h times reset gate of a GRU; it is not applied behind a product.

    Parameters
    ----------
    leaves : sequence of tensors
        The inputs of the step.
    h : tensor of shape (B, H)
    outputs : list of tensors
    fed, kept : tensors of shape (B, H)
        ``h * kept``, and the mask.
    """
    replaced: dict[Variable, Variable] = {}
    from_h, applied = {h}, False  # variables computed from h without a product
    for node in io_toposort(leaves, outputs):
        inputs = [replaced.get(v, v) for v in node.inputs]
        if _is_product(node):
            if node.inputs[0] in from_h:
                inputs[0] = fed if node.inputs[0] is h else inputs[0] * kept
                applied = True
        elif from_h & set(node.inputs):
            from_h |= set(node.outputs)
        if inputs != node.inputs:
            clones = node.clone_with_new_inputs(inputs).outputs
            replaced.update(zip(node.outputs, clones, strict=True))
    if not applied:
        raise ConfigError('dropout has no effect: no matrix product of the cell reads its state')
    return [replaced.get(v, v) for v in outputs]


def _is_product(node: Apply) -> bool:
    # PyTensor wraps the product of two matrices in a Blockwise, whose name says nothing.
    inner = getattr(node.op, 'core_op', node.op)
    names = {type(node.op).__name__, type(inner).__name__}
    return bool(names & {'Dot', 'Matmul'}) and all(v.ndim == 2 for v in node.inputs)


class Mixed(Wrapper):
    r"""Zoneout at inference: the expected state :math:`p s_{t-1} + (1 - p) s_t`.

    Parameters
    ----------
    cell : Cell
    rate : float
        The zoneout probability p. States that count steps are not mixed.
    """

    def __init__(self, cell: Cell, rate: float):
        super().__init__(cell)
        self.rate = rate

    def step(self, z, s, p):
        new = self.cell.step(z, s, p)
        old_part, new_part = np.array([self.rate, 1 - self.rate], z.dtype)
        mixed = (
            n if name in self.counters else old_part * o + new_part * n
            for name, o, n in zip(self.state._fields, s, new, strict=True)
        )
        return self.state(*mixed)


class Zoned(Wrapper):
    """Zoneout in training: at each step, random elements of the states keep their old values.

    Further columns of z, called codes, say which. States of the same width share their columns: bit
    k of a code belongs to state k among them, and 1 keeps the old value. States that count steps
    are always updated.

    Parameters
    ----------
    cell : Cell

    References
    ----------
    Krueger et al. 2017, arXiv:1606.01305.
    """

    def groups(self) -> list[list[int]]:
        """Return the indices of the states of each width, which share codes."""
        by_width: dict[str, list[int]] = {}
        for k, name in enumerate(self.state._fields):
            if name not in self.counters:
                by_width.setdefault(self.axes.get(name, 'H'), []).append(k)
        return list(by_width.values())

    def direct_widths(self, size, n_in=None):
        widths = self.widths(size, n_in)
        return [widths[group[0]] for group in self.groups()]

    def step(self, z, s, p):
        widths = [s[group[0]].type.shape[-1] for group in self.groups()]
        end = -sum(widths)
        states = list(self.cell.step(z[:, :end], s, p))
        for group, width in zip(self.groups(), widths, strict=True):
            code, end = z[:, end : end + width or None], end + width
            for bit in reversed(range(len(group))):  # codes are floats
                keeps, k = pt.ge(code, 2**bit), group[bit]
                states[k] = pt.switch(keeps, s[k], states[k])
                if bit:
                    code = pt.switch(keeps, code - 2**bit, code)
        return self.state(*states)
