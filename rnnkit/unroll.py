"""Run a cell over a sequence: the one place where time is, and the only caller of scan."""

from types import SimpleNamespace
from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells import Cell
from rnnkit.errors import ConfigError


def unroll(
    cell: Cell, x: TensorVariable, params: dict[str, TensorVariable], size: int, state: Any = None
) -> Any:
    """Return the states of `cell` at every time step of `x`.

    Parameters
    ----------
    cell : Cell
    x : tensor of shape (T, B, I)
    params : dict of str to tensor
        The cell's parameters by name.
    size : int
        The number of units, H.
    state : named tuple of tensors of shape (B, H), optional
        The state before the first step; zero if not given.

    Returns
    -------
    states : named tuple of tensors of shape (T, B, H)
        One tensor for each name of the cell's state; the first is the output.
    """
    z = cell.project(x, SimpleNamespace(**params))  # one product for all T steps
    if state is None:
        state = initial_state(cell, z, size)
    names, weights = list(params), list(params.values())
    n_states = len(cell.state._fields)

    def step(z_t: TensorVariable, *args: TensorVariable) -> list[TensorVariable]:
        old = cell.state(*args[:n_states])
        p = SimpleNamespace(**dict(zip(names, args[n_states:], strict=True)))
        return _checked(cell, cell.step(z_t, old, p), old)

    # Every weight goes in by name and strictly: scan can then take the products that give
    # the weights' gradients out of the loop.
    states = pytensor.scan(
        step,
        sequences=[z],
        outputs_info=list(state),
        non_sequences=weights,
        strict=True,
        return_updates=False,
        name=type(cell).__name__,
    )
    return cell.state(*(states if n_states > 1 else [states]))


def initial_state(cell: Cell, z: TensorVariable, size: int) -> Any:
    """Return a state of zeros for as many examples as `z` of shape (T, B, kH) has."""
    zero = pt.zeros((z.shape[1], size), dtype=z.dtype)
    return cell.state(*[zero] * len(cell.state._fields))


def _checked(cell: Cell, new: Any, old: Any) -> list[TensorVariable]:
    """Return the new states as scan wants them: same number, same type as the old ones."""
    where = f'{type(cell).__name__}.step()'
    if not isinstance(new, cell.state):
        raise ConfigError(
            f'{where} must return a {cell.state.__name__} of {", ".join(cell.state._fields)}; '
            f'got {type(new).__name__}'
        )
    for name, was, became in zip(cell.state._fields, old, new, strict=True):
        if not isinstance(became, TensorVariable):
            raise ConfigError(f'{where}: state {name!r} must be a tensor; got {became!r}')
        if became.dtype != was.dtype:
            raise ConfigError(
                f'{where} turns state {name!r} from {was.dtype} into {became.dtype}; write '
                f'constants as Python ints or cast them, for example np.float32(0.1)'
            )
        if became.ndim != was.ndim:
            raise ConfigError(f'{where} gives state {name!r} {became.ndim} axes; it must be (B, H)')
        width, H = became.type.shape[-1], was.type.shape[-1]
        if None not in (width, H) and width != H:
            raise ConfigError(f'{where} gives state {name!r} {width} columns; H is {H}')
    return list(new)
