"""Parameters of a network by name: one of them, and new values for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit.common.checks import is_whole
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import DataError, NotFoundError, ShapeError
from rnnkit.layers import Layer


def find(where: str, layers: Sequence[Layer], layer: object, param: object) -> Any:
    """Return one parameter; see `rnnkit.Network.find`."""
    by_name = {str(one.name): one for one in layers}
    if isinstance(layer, str):  # children have names, but no numbers
        by_name |= {str(child.name): child for one in layers for child in one.children}
    owner = _pick(where, 'layer', by_name, layer)
    return _pick(where, f'parameter of layer {owner.name!r}', owner.params, param)


def assign(where: str, parameter: TensorSharedVariable, value: ArrayLike) -> None:
    """Give a parameter a copy of an array, in its own dtype; see `rnnkit.Network.set`."""
    name, shape, dtype = parameter.name, parameter.get_value(borrow=True).shape, parameter.dtype
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
    if not np.isfinite(array).all():
        at = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
        raise DataError(f'{where}: {name} must be finite; got {array[at]} at {at}')
    with np.errstate(over='ignore'):
        cast = array.astype(dtype)  # a copy
    if not np.isfinite(cast).all():
        at = tuple(map(int, np.argwhere(~np.isfinite(cast))[0]))
        raise DataError(f'{where}: {name} is {dtype}, which cannot hold {array[at]} at {at}')
    parameter.set_value(cast, borrow=True)


def _pick(where: str, what: str, members: Mapping[str, Any], key: object) -> Any:
    """Return a member by name or by number."""
    if is_whole(key):
        number = int(key)  # type: ignore[call-overload]
        if not -len(members) <= number < len(members):
            raise NotFoundError(
                f'{where}: there is no {what} number {number}; there are {len(members)}'
            )
        return list(members.values())[number]
    if not isinstance(key, str) or key not in members:
        raise NotFoundError(f'{where}: no {what} named {brief(key)}; {hint(str(key), members)}')
    return members[key]
