"""Run a cell over a sequence: the one place where time is, and the only caller of scan."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.cells import Cell
from rnnkit.cells.declared import check_known
from rnnkit.cells.guard import check_states
from rnnkit.cells.rehearsal import explained, named
from rnnkit.common.calls import checked
from rnnkit.common.checks import optional_whole
from rnnkit.common.compiled import options_of_scan
from rnnkit.errors import ConfigError


@checked
def unroll(
    cell: Cell,
    x: TensorVariable,
    params: dict[str, TensorVariable],
    size: int,
    state: Sequence[TensorVariable] | None = None,
    mask: TensorVariable | None = None,
    reverse: bool = False,
    kernel: bool | None = None,
    bptt_limit: int | None = None,
    direct: TensorVariable | None = None,
    side: Mapping[str, TensorVariable] | None = None,
) -> Any:  # a named tuple of the cell's own type
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
        The state before the first step, one row standing for all examples; zero by default.
    mask : tensor of shape (T, B), optional
        True, or 1, where a step is real. Over padding the state is held as it was.
    reverse : bool
        Whether to start at the last step. The states are those after each step of `x`, in
        the order of `x`, in either case.
    kernel : bool, optional
        False keeps the scan; True and None use the fused loop where that is possible.
    bptt_limit : int, optional
        Truncated backpropagation through time. Steps are numbered from 0 in the order in which
        they are done; the gradient does not pass from a step whose number is a multiple of
        `bptt_limit` to the step before it. So it goes back by at most so many steps, and to
        `state` only from the first of them. The states are the same as without.
    direct : tensor of shape (T, B, D), optional
        Further columns of z, after the projected input; the cell's `direct_widths` says which.
        Nothing has a derivative by it.
    side : dict of str to tensor of shape (T, B, width), optional
        What the cell's attribute `side` declares, by name. Nothing has a derivative by what `step`
        reads of it; through `project`, gradients pass.

    Returns
    -------
    states : named tuple of tensors of shape (T, B, H)
        One tensor for each name of the cell's state; the first is the output, unless the cell has
        an `output` of its own.

    Raises
    ------
    ConfigError
        If `kernel` or `bptt_limit` is something else, or `side` is not what the cell declares.

    References
    ----------
    Williams & Peng 1990, Neural Computation 2(4): backpropagation through time, truncated.
    """
    if kernel not in (None, True, False):
        raise ConfigError(f'unroll(): kernel must be True, False or None; got {kernel!r}')
    limit = optional_whole('unroll(): bptt_limit', bptt_limit, 1)
    n_in = x.type.shape[-1]
    if state is None:
        state = [pt.zeros((1, width), dtype=x.dtype) for width in cell.widths(size, n_in)]
    if mask is not None:
        mask = pt.cast(mask, x.dtype)  # kernels take arrays of one dtype
    sides = _side_inputs(cell, x, size, side or {}, mask)
    rows = tuple(s.type.shape[0] == 1 for s in state)
    walk = kernels.Walk(rows, mask is not None, bool(reverse), limit)
    params = cell.prepare(params, size)
    scan, steps = partial(_scan, cell, walk), partial(_steps, cell, walk)
    states = None
    if kernel is not False and kernels.enabled():
        given = (walk, x, params, list(state), mask, direct, sides)
        states = kernels.fused(cell, scan, steps, *given)
    if states is None:
        states = scan(x, params, list(state), mask, direct, sides)
    return cell.state(*states)


def _scan(
    cell: Cell,
    walk: kernels.Walk,
    x: TensorVariable,
    params: dict[str, TensorVariable],
    state: list[TensorVariable],
    mask: TensorVariable | None,
    direct: TensorVariable | None = None,
    sides: Mapping[str, TensorVariable] | None = None,
) -> list[TensorVariable]:
    """Return the states of all steps by `pytensor.scan`; the parameters are prepared ones."""
    turned = _turned(walk, x, *(sides or {}).values())
    p = SimpleNamespace(**params, **dict(zip(sides or {}, turned[1:], strict=True)))
    z = cell.project(turned[0], p)  # one product for all T steps
    return _steps(cell, walk, *_turned(walk, z), params, state, mask, direct, sides)


def _turned(walk: kernels.Walk, *arrays: TensorVariable | None) -> list[TensorVariable | None]:
    """Return arrays of all steps in the order in which the steps are done, or back from it."""
    # Turned beforehand, not by scan's go_backwards: that gives the outputs in the order of the
    # steps, so they have to be turned in any case, and a view costs nothing.
    return [v if v is None or not walk.reverse else v[::-1] for v in arrays]


def _steps(
    cell: Cell,
    walk: kernels.Walk,
    z: TensorVariable,
    params: dict[str, TensorVariable],
    state: list[TensorVariable],
    mask: TensorVariable | None,
    direct: TensorVariable | None = None,
    sides: Mapping[str, TensorVariable] | None = None,
) -> list[TensorVariable]:
    """Return the states of all steps by `pytensor.scan`, from the projected input.

    Sizes are those of the arrays, so that it means the same for all cells of one form: PyTensor
    takes one Op for another if both compare equal.
    """
    z, mask, direct, *others = _turned(walk, z, mask, direct, *(sides or {}).values())
    if direct is not None:
        z = pt.concatenate([z, disconnected_grad(direct)], axis=-1)
    names, weights = list(params), list(params.values())
    n_states = len(cell.state._fields)
    # Scan keeps all states in one array of fixed shape, so the first one needs its B rows.
    state = [
        pt.broadcast_to(s, (z.shape[1], s.type.shape[1] or s.shape[1])) if row else s
        for s, row in zip(state, walk.rows, strict=True)
    ]
    sequences = {'z': z, 'real': mask, 'cut': _cuts(z.shape[0], walk.bptt_limit)}
    given = zip(sides or {}, others, strict=True)
    sequences |= {f'p.{name}': disconnected_grad(v) for name, v in given}
    sequences = {name: s for name, s in sequences.items() if s is not None}

    # All weights are non-sequences, and scan is strict: a variable that a step takes from elsewhere
    # is an error, rather than one more input that scan finds by itself. The rewrites can then take
    # the products that give the weights' gradients out of the loop, as one product over all steps.
    with options_of_scan() as options:
        states = pytensor.scan(
            partial(_step, cell, list(sequences), names),
            sequences=list(sequences.values()),
            outputs_info=state,
            non_sequences=weights,
            strict=True,
            return_updates=False,
            name=type(cell).__name__,
            **options,
        )
    states = list(states) if n_states > 1 else [states]
    return [s[::-1] for s in states] if walk.reverse else states


def _step(
    cell: Cell, sequences: list[str], names: list[str], *args: TensorVariable
) -> list[TensorVariable]:
    """Return the new states, from what scan hands over: sequences, old states and weights."""
    here = dict(zip(sequences, args, strict=False))
    old, weights = args[len(here) : len(args) - len(names)], args[len(args) - len(names) :]
    if 'cut' in here:
        old = [pt.switch(here['cut'], disconnected_grad(s), s) for s in old]
    old = cell.state(*old)
    sides = {name[2:]: value for name, value in here.items() if name.startswith('p.')}
    p = SimpleNamespace(**dict(zip(names, weights, strict=True)), **sides)
    where, given = (
        f'{type(cell).__name__}.step()',
        {**named('s', old._asdict()), **named('p', vars(p))},
    )
    with explained(where, z=here['z'], **given):
        new = check_states(cell, cell.step(here['z'], old, p), old)
    if 'real' not in here:
        return new
    real = here['real'][:, None] > 0.5
    return [pt.switch(real, n, o) for n, o in zip(new, old, strict=True)]


def _side_inputs(
    cell: Cell,
    x: TensorVariable,
    size: int,
    given: Mapping[str, TensorVariable],
    mask: TensorVariable | None,
) -> dict[str, TensorVariable]:
    """Return the further inputs of all steps, (T, B, width), in the order of the cell's `side`.

    Over padding they are what the cell assumes, or 1, so that no step divides by 0 there.

    Raises
    ------
    ConfigError
        If one is missing, unknown, or of other axes or width than the cell declares.
    """
    where, shown = f'unroll(): side of {type(cell).__name__}', {}
    widths = cell.side_widths(size, x.type.shape[-1])
    check_known(where, 'further input of the cell', given, widths)
    for name, width in widths.items():
        if name not in given and name not in cell.side_defaults:
            raise ConfigError(
                f'{where}: {name!r} is missing; give a tensor (T, B, {width}), as '
                f'side={{{name!r}: ...}}, or the class a default, side_defaults = {{{name!r}: 1.0}}'
            )
    for name, value in given.items():
        fits = value.type.ndim == 3 and value.type.shape[-1] in (None, widths[name])
        if not fits or value.dtype != x.dtype:
            raise ConfigError(
                f'{where}: {name!r} must be a tensor (T, B, {widths[name]}) of {x.dtype}, as x '
                f'is; got {value.type}'
            )
        usual = np.asarray(cell.side_defaults.get(name, 1), x.dtype)
        shown[name] = value if mask is None else pt.switch(mask[:, :, None] > 0.5, value, usual)
    return cell.with_defaults(shown, x, size)


def _cuts(steps: TensorVariable, limit: int | None) -> TensorVariable | None:
    """Return for each step whether gradients stop before it, or None if they never do."""
    if limit is None:
        return None
    number = pt.arange(steps)
    return pt.gt(number, 0) & pt.eq(number % limit, 0)
