"""Run a cell over a sequence: the one place where time is, and the only caller of scan."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.cells import Cell
from rnnkit.errors import ConfigError


def unroll(
    cell: Cell,
    x: TensorVariable,
    params: dict[str, TensorVariable],
    size: int,
    state: Any = None,
    mask: TensorVariable | None = None,
    reverse: bool = False,
    kernel: bool | None = None,
) -> Any:
    """Return the states of `cell` at every time step of `x`.

    The scan is what this means. A fused loop, generated from the same `step`, takes its place
    where the cell's form allows; the environment variable ``RNNKIT_KERNELS=off`` forbids it.

    Parameters
    ----------
    cell : Cell
    x : tensor of shape (T, B, I)
    params : dict of str to tensor
        The cell's parameters by name.
    size : int
        The number of units, H.
    state : named tuple of tensors of shape (B, H) or (1, H), optional
        The state before the first step, one row standing for all examples; zero if not given.
    mask : tensor of shape (T, B), optional
        True, or 1, where a step is real. Over padding the state is held as it was.
    reverse : bool
        Whether to start at the last step. The states are those after each step of `x`, in
        the order of `x`, in either case.
    kernel : bool, optional
        False keeps the scan; True and None use the fused loop where that is possible.

    Returns
    -------
    states : named tuple of tensors of shape (T, B, H)
        One tensor for each name of the cell's state; the first is the output.
    """
    if kernel not in (None, True, False):
        raise ConfigError(f'unroll(): kernel is True, False or None; got {kernel!r}')
    if state is None:
        state = [pt.zeros((1, width), dtype=x.dtype) for width in cell.widths(size)]
    if mask is not None:
        mask = pt.cast(mask, x.dtype)
    if reverse:
        x, mask = x[::-1], mask if mask is None else mask[::-1]
    params = cell.prepare(params, size)
    scan = partial(_scan, cell, size)
    states = None
    if kernel is not False and kernels.enabled():
        states = kernels.fused(cell, scan, x, params, list(state), mask)
    if states is None:
        states = scan(x, params, list(state), mask)
    return cell.state(*(s[::-1] for s in states) if reverse else states)


def _scan(
    cell: Cell,
    size: int,
    x: TensorVariable,
    params: dict[str, TensorVariable],
    state: list[TensorVariable],
    mask: TensorVariable | None,
) -> list[TensorVariable]:
    """Return the states of all steps by `pytensor.scan`; the parameters are prepared ones."""
    z = cell.project(x, SimpleNamespace(**params))  # one product for all T steps
    names, weights = list(params), list(params.values())
    n_states = len(cell.state._fields)
    state = [
        pt.broadcast_to(s, (z.shape[1], width)) if s.type.shape[0] == 1 else s
        for s, width in zip(state, cell.widths(size), strict=True)
    ]

    def step(z_t: TensorVariable, *args: TensorVariable) -> list[TensorVariable]:
        if mask is not None:
            real, *args = args
        old = cell.state(*args[:n_states])
        p = SimpleNamespace(**dict(zip(names, args[n_states:], strict=True)))
        new = _checked(cell, cell.step(z_t, old, p), old)
        if mask is None:
            return new
        return [pt.switch(real[:, None] > 0.5, n, o) for n, o in zip(new, old, strict=True)]

    # Every weight goes in by name and strictly: scan can then take the products that give
    # the weights' gradients out of the loop.
    states = pytensor.scan(
        step,
        sequences=[z] if mask is None else [z, mask],
        outputs_info=state,
        non_sequences=weights,
        strict=True,
        return_updates=False,
        name=type(cell).__name__,
    )
    return list(states) if n_states > 1 else [states]


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
