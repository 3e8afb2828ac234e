"""Values that a user gives parameters."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pytensor.graph.basic import Variable

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError, ShapeError


def fitting(where: str, parameter: Variable, value: object) -> np.ndarray:
    """Return a copy of an array in the dtype of a parameter.

    Raises
    ------
    ShapeError
        If it has another shape than the parameter.
    DataError
        If it is no array of numbers, or has one that is too large for the dtype.
    """
    name, shape, dtype = parameter.name, parameter.get_value(borrow=True).shape, parameter.dtype
    if isinstance(value, Variable):
        raise DataError(
            f'{where}: {name} must be an array of numbers; got the variable {value.name or value}, '
            f'write {value.name or "it"}.get_value() for its values'
        )
    try:
        array = np.asarray(value)
    except ValueError as why:  # rows of unlike lengths
        raise ShapeError(f'{where}: {name} must be an array of shape {shape}: {why}') from None
    if array.dtype.kind not in 'biuf' or np.ma.isMaskedArray(value):
        kind = 'a masked array' if np.ma.isMaskedArray(value) else f'{array.dtype} values'
        raise DataError(f'{where}: {name} must be an array of numbers; got {kind}')
    if array.shape != shape:
        turned = '; transpose it with .T' if array.T.shape == shape else ''
        raise ShapeError(f'{where}: {name} has shape {shape}; got {array.shape}{turned}')
    with np.errstate(over='ignore'):
        cast = array.astype(dtype)  # a copy
    lost = np.isfinite(array) & ~np.isfinite(cast)
    if lost.any():
        at = tuple(map(int, np.argwhere(lost)[0]))
        raise DataError(f'{where}: {name} is {dtype}, which cannot hold {array[at]} at {at}')
    return cast


def fitting_all(where: str, params: Sequence[Variable], values: object) -> list[np.ndarray]:
    """Return copies of arrays, one for each parameter in their order.

    Raises
    ------
    ConfigError
        If there are more or fewer of them; and as `fitting`.
    """
    several = isinstance(values, Iterable) and not isinstance(values, Mapping | str | bytes)
    try:
        arrays = list(values) if several else None  # type: ignore[call-overload]
    except TypeError:  # an array or a tensor without axes
        arrays = None
    if arrays is None:
        raise ConfigError(
            f'{where}: expects a list of arrays, one for each of the {len(params)} parameters; '
            f'got {brief(values)}'
        )
    if len(arrays) != len(params):
        names = ', '.join(str(p.name) for p in params)
        raise ConfigError(
            f'{where}: expects {len(params)} arrays, one for each parameter ({names}); '
            f'got {len(arrays)}'
        )
    return [fitting(where, p, value) for p, value in zip(params, arrays, strict=True)]
