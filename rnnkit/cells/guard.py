"""How a cell's methods are called: their constants, their result, and what they read in vain.

Every method that a cell defines is wrapped when the class is made, so that all who call it, the
scan, the kernels and the writers of other formats, see the same.
"""

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Protocol

from pytensor.tensor import TensorVariable

from rnnkit.common.compiled import floats_as
from rnnkit.common.spelling import brief, nearest
from rnnkit.errors import ConfigError

GUARDED = ('prepare', 'project', 'step', 'output')


class HasTables(Protocol):
    """The parts of `rnnkit.Cell` that this module uses."""

    state: type
    params: dict[str, tuple[str, ...]]
    options: dict[str, object]
    side: dict[str, str]


def guarded(name: str, method: Callable[..., object]) -> Callable[..., object]:
    """Return a method of a cell that is called with care.

    Python's floats become constants of the network's dtype, whatever floatX is. What `step`
    returns becomes a state. A name that does not exist is a ConfigError that says which do.

    Parameters
    ----------
    name : {'prepare', 'project', 'step', 'output'}
    method : callable
    """
    if getattr(method, 'is_guarded', False):
        return method

    @functools.wraps(method)
    def run(self: HasTables, *args: object, **named: object) -> object:
        given = (*args, *named.values())
        try:
            with _floats_of(given):
                result = method(self, *args, **named)
        except AttributeError as error:
            why = _missing(self, name, given, error)
            if why is None:
                raise
            raise ConfigError(f'{type(self).__name__}.{name}(): {why}') from error
        # A method of a base class, called by way of super(), may return anything.
        outermost = name == 'step' and type(self).step is run
        return as_state(self, result) if outermost else result

    run.is_guarded = True
    return run


def _floats_of(given: Sequence[object]) -> AbstractContextManager[None]:
    """Return a context in which constants have the dtype of the first argument."""
    first: object = given[0] if given else None
    if isinstance(first, dict):
        first = next(iter(first.values()), None)
    elif isinstance(first, tuple):
        first = first[0] if first else None
    dtype = getattr(first, 'dtype', None)
    return floats_as(dtype) if dtype in ('float32', 'float64') else nullcontext()


def _missing(
    cell: HasTables, name: str, given: Sequence[object], error: AttributeError
) -> str | None:
    """Return what to say of an attribute of the state, of p or of the cell that does not exist."""
    owner, what = error.obj, error.name or ''
    if not any(owner is one for one in (cell, *given)):
        return None
    if isinstance(owner, cell.state):
        fields = owner._fields
        near = nearest(what, fields)
        hint = f'did you mean s.{near}? F' if near else 'f'
        many = ' '.join((*fields, what))
        states = 'the state is' if len(fields) == 1 else 'the states are'
        return (
            f'there is no s.{what}; {states} {", ".join(fields)}; {hint}or a further one declare '
            f"state = '{many}', and let step return each"
        )
    if isinstance(owner, SimpleNamespace):
        return _not_in_p(cell, name, what, list(vars(owner)))
    if owner is cell:
        known = [*cell.options, *(one for one in dir(cell) if not one.startswith('_'))]
        near = nearest(what, known)
        hint = f'did you mean self.{near}? A' if near else 'a'
        return (
            f'there is no self.{what}; {hint}n option of the layer is declared, with its default, '
            f"in options = {{'{what}': ...}}"
        )
    return None


def _not_in_p(cell: HasTables, name: str, what: str, there: list[str]) -> str:
    """Return what to say of ``p.what``, which does not exist."""
    if what in cell.side:
        return f'only project and step can read p.{what}; pass on what output needs in a state'
    listed = f'p has {", ".join(there) or "nothing"}'
    if name == 'project' and what in ('xh', 'b') and what not in cell.params:
        return (
            f'there is no p.{what}; a cell without a project(self, x, p) of its own computes '
            f"x @ p.xh + p.b: declare 'xh' and 'b' in params, or define project ({listed})"
        )
    if near := nearest(what, there):
        return f'there is no p.{what}; did you mean p.{near}? ({listed})'
    shape = {'xh': "('I', 'H')", 'b': "('H',)"}.get(what, "('H', 'H')")
    table = ', '.join(f'{key!r}: {tuple(axes)!r}' for key, axes in cell.params.items())
    return (
        f'there is no p.{what} ({listed}); declare a parameter with its shape, as '
        f'params = {{{table}, {what!r}: {shape}}}'
    )


def as_state(cell: HasTables, new: object) -> tuple[object, ...]:
    """Return what `step` returned as a named tuple of the cell's.

    Parameters
    ----------
    cell : Cell
    new : named tuple, tuple, or tensor
        A plain tuple has one entry for each state. One tensor will do where there is one state.

    Raises
    ------
    ConfigError
        If it is something else.
    """
    fields = cell.state._fields
    if isinstance(new, cell.state):
        return new
    if isinstance(new, TensorVariable) and len(fields) == 1:
        return cell.state(new)
    if type(new) in (tuple, list) and len(new) == len(fields):
        return cell.state(*new)
    if type(new) in (tuple, list):
        got = f'{len(new)} values'
    elif isinstance(new, TensorVariable):
        got = 'one tensor'
    else:
        got = brief(new) if new is None else type(new).__name__
    many = f'{len(fields)} states' if len(fields) > 1 else 'one state'
    forgot = '; a return may be missing' if new is None else ''
    raise ConfigError(
        f'{type(cell).__name__}.step() must return the new state, as return '
        f'{", ".join(fields)}; got {got}. The cell has {many}, {", ".join(fields)}; the attribute '
        f'state declares others{forgot}'
    )


def check_states(
    cell: HasTables, new: Sequence[object], old: Sequence[TensorVariable]
) -> list[TensorVariable]:
    """Return new states, of which each has the type of the old one, or raise a ConfigError."""
    where = f'{type(cell).__name__}.step()'
    for name, was, became in zip(cell.state._fields, old, new, strict=True):
        if not isinstance(became, TensorVariable):
            raise ConfigError(f'{where}: state {name!r} must be a tensor; got {became!r}')
        if became.dtype != was.dtype:
            raise ConfigError(
                f'{where} turns state {name!r} from {was.dtype} into {became.dtype}; write '
                f'constants as Python numbers, such as 0.1, or cast them'
            )
        if became.ndim != was.ndim:
            raise ConfigError(f'{where} gives state {name!r} {became.ndim} axes; it must be (B, H)')
        width, H = became.type.shape[-1], was.type.shape[-1]
        if None not in (width, H) and width != H:
            raise ConfigError(
                f'{where} gives state {name!r} {width} columns; its width is {H}. A state of '
                f"another width than H is declared by axes = {{{name!r}: 'P'}}, with P in lengths"
            )
    return list(new)
