"""A cell is run once on empty symbols, so that its mistakes are found when a layer is made.

In: a cell, and the numbers of inputs and units. Out: which parameters and further inputs its
equations read. A mistake that Python or PyTensor finds becomes an error that shows what the cell's
methods were given.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import NamedTuple

from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.traversal import ancestors
from pytensor.tensor import TensorVariable

from rnnkit.cells import numpy_calls
from rnnkit.cells.base import Cell
from rnnkit.cells.guard import check_states
from rnnkit.common import caller
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import variable
from rnnkit.errors import ConfigError, RnnkitError

LONGEST = 300  # characters of another error's message
NO_NUMPY = 'in place of functions of NumPy, write those of pytensor.tensor'
PRODUCT = 'a matrix product is written s.h @ p.hh'
# What to do about some messages of Python, NumPy and PyTensor.
ADVICE = {
    'Python boolean': (
        'a tensor has no value yet: in place of if, and, or, min, max and functions of NumPy, '
        'write pt.switch(condition, a, b), pt.minimum, pt.maximum'
    ),
    'array element with a sequence': NO_NUMPY,
    'TensorType: object': NO_NUMPY,
    'matmul: Input operand': PRODUCT,
    'converted to Python float': (
        'in place of functions of the module math, write those of pytensor.tensor, such as pt.tanh'
    ),
    "can't set attribute": 'the state cannot be changed; return the new one',
    'values to unpack': (
        'rnnkit.split(v, n) returns n tensors, one for each name before the equals sign'
    ),
    'Undeclared input': 'a tensor has no value yet, so eval() cannot compute it',
}


class Reads(NamedTuple):
    """The symbols that the equations of a cell read.

    Attributes
    ----------
    params : set of str
        Parameters.
    sides : set of str
        Further inputs, in any of its methods.
    step_sides : set of str
        Further inputs that `step` reads.
    """

    params: set[str]
    sides: set[str]
    step_sides: set[str]


def rehearse(cell: Cell, n_in: int, size: int, dtype: str) -> Reads:
    """Run the methods of a cell once; return what they read.

    Raises
    ------
    ConfigError
        If one fails, or returns something that cannot be used.
    """
    name = type(cell).__name__
    shapes = cell.shapes(n_in, size)
    params = {key: variable(key, dtype, shape) for key, shape in shapes.items()}
    with explained(f'{name}.prepare()', **params):
        arrays = cell.prepare(params, size)
    if not isinstance(arrays, Mapping):
        raise ConfigError(
            f'{name}.prepare() must return a dict of arrays by name; got {brief(arrays)}'
        )
    widths = cell.side_widths(size, n_in)
    x = variable('x', dtype, (None, None, n_in))
    whole = {key: variable(key, dtype, (None, None, width)) for key, width in widths.items()}
    p = SimpleNamespace(**arrays, **whole)
    with explained(f'{name}.project()', x=x, **named('p', vars(p))):
        z = cell.project(x, p)
    _check_z(f'{name}.project()', z, dtype)
    sides = {key: variable(key, dtype, (None, width)) for key, width in widths.items()}
    p = SimpleNamespace(**arrays, **sides)
    row = variable('z', dtype, (None, z.type.shape[-1]))
    fields = cell.state._fields
    old = [
        variable(part, dtype, (None, width))
        for part, width in zip(fields, cell.widths(size, n_in), strict=True)
    ]
    state = dict(zip(fields, old, strict=True))
    with explained(f'{name}.step()', z=row, **named('s', state), **named('p', vars(p))):
        new = check_states(cell, cell.step(row, cell.state(*old), p), old)
    _check_step(cell, row, new)
    results = [z, *new]
    if cell.has_own_output:
        rows = cell.state(*(variable(v.name, dtype, (None, *v.type.shape)) for v in old))
        with explained(f'{name}.output()', **named('s', rows._asdict()), **named('p', arrays)):
            results.append(cell.output(rows, SimpleNamespace(**arrays)))
        _check_output(f'{name}.output()', results[-1], cell.output_width(size, n_in))
    read = set(ancestors([v for v in results if isinstance(v, TensorVariable)]))
    in_step = {key for key, side in sides.items() if side in read}
    in_any = in_step | {key for key, side in whole.items() if side in read}
    return Reads({key for key, param in params.items() if param in read}, in_any, in_step)


def check_reads(cell: Cell, reads: Reads) -> None:
    """Say so if a cell declares something that none of its equations reads.

    A parameter that a class lists itself is only warned of, since networks in files may have it.

    Raises
    ------
    ConfigError
        If it is a further input, or a parameter that a cell has by default.
    """
    name = type(cell).__name__
    for key in cell.params:
        if key in reads.params:
            continue
        others = {one: tuple(axes) for one, axes in cell.params.items() if one != key}
        message = (
            f'{name}: nothing that the cell computes reads p.{key}, so the parameter {key!r} '
            f'would never learn; leave it out: params = {others}'
        )
        if not cell.lists_params:
            raise ConfigError(message)
        caller.warn(message, UserWarning)
    for key in cell.side:
        if key not in reads.sides:
            raise ConfigError(
                f'{name}: nothing that the cell computes reads p.{key}; leave {key!r} out of side'
            )


@contextmanager
def explained(where: str, **given: object) -> Iterator[None]:
    """Turn any failure in a block into a ConfigError that shows the shapes of what was given."""
    try:
        with numpy_calls.refused():
            yield
    except numpy_calls.NumpyError as why:
        raise ConfigError(f'{where}: {why}') from None
    except RnnkitError:
        raise
    except Exception as why:
        shapes = ', '.join(f'{name} {_shape(v)}' for name, v in given.items())
        text = ' '.join(str(why).split())[:LONGEST].rstrip('.')
        advice = next((f'; {do}' for part, do in ADVICE.items() if part in text), '')
        raise ConfigError(
            f'{where} failed: {type(why).__name__}: {text}{advice}. It was given {shapes}'
        ) from why


def named(owner: str, values: dict[str, object]) -> dict[str, object]:
    """Return values by the names that a cell's methods read them by."""
    return {f'{owner}.{name}': value for name, value in values.items()}


def _shape(value: object) -> str:
    """Return a shape such as ``(B, 4)``: lengths that are not known are T and B."""
    if not isinstance(value, TensorVariable):
        return type(value).__name__
    lengths = list(value.type.shape)
    unknown = [k for k, n in enumerate(lengths) if n is None]
    for k, letter in zip(reversed(unknown), 'BT', strict=False):
        lengths[k] = letter
    return f'({", ".join(map(str, lengths))}{"," * (len(lengths) == 1)})'


def _check_step(cell: Cell, z: TensorVariable, new: Sequence[TensorVariable]) -> None:
    """Raise a ConfigError if `step` does not read the input, or reads what it was not given."""
    where, read = f'{type(cell).__name__}.step()', list(ancestors(new))
    own = next((v for v in read if isinstance(v, SharedVariable)), None)
    if own is not None and isinstance(own, TensorVariable):
        raise ConfigError(
            f'{where} reads a shared variable{f" {own.name!r}" if own.name else ""}, which the '
            f'layer does not know; declare it in params, with its shape, and read it as p.name'
        )
    if own is not None:
        raise ConfigError(
            f"{where} draws random numbers; the layer's options dropout and zoneout do so, and "
            f'dropout or noise of its inputs'
        )
    if z not in read and not cell.side:
        raise ConfigError(
            f'{where} does not read z, so the layer would ignore its input; z is x @ p.xh + p.b, '
            f'or what project(x, p) returns'
        )


def _check_z(where: str, z: object, dtype: str) -> None:
    """Raise a ConfigError unless `z` is a tensor with an axis of time."""
    if not isinstance(z, TensorVariable) or z.ndim != 3:
        got = f'{z.ndim} axes' if isinstance(z, TensorVariable) else brief(z)
        raise ConfigError(f'{where} must return a tensor (T, B, k); got {got}')
    if z.dtype != dtype:
        raise ConfigError(
            f'{where} must return a tensor of {dtype}, the dtype of the network; got {z.dtype}. '
            f'Write constants as Python numbers, such as 0.1, or cast them'
        )


def _check_output(where: str, y: object, width: int) -> None:
    """Raise a ConfigError unless `y` is a tensor of all steps, with so many features."""
    is_tensor = isinstance(y, TensorVariable)
    if not is_tensor or y.ndim != 3 or y.type.shape[-1] not in (None, width):
        raise ConfigError(
            f'{where} must return a tensor (T, B, {width}); got '
            f'{_shape(y) if is_tensor else brief(y)}; the attribute output_axis declares its width'
        )
