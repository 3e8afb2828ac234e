"""The arrays of a batch as users pass them: in a list, in a dict, or one alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnkit.data.field import Field
from rnnkit.data.frames import is_table
from rnnkit.data.ragged import is_list_of_arrays, is_ragged
from rnnkit.errors import DataError

FEW = 4  # arrays of a batch: x, y, weights and mask


def in_order(
    data: object,
    names: Sequence[str],
    where: str,
    optional: Sequence[str] = (),
    having: Mapping[str, bool] | None = None,
) -> list[Any]:
    """Return the arrays of a list, tuple or dict in the order of `names`.

    Parameters
    ----------
    data : list, tuple or dict
    names : sequence of str
    where : str
        The call, for messages.
    optional : sequence of str
        The last of the names, if they may be left out.
    having : dict of str to bool, optional
        The settings of a network that need a further array, and whether it has them.

    Raises
    ------
    DataError
        If the arrays are not these.
    """
    expected = ', '.join(names)
    if isinstance(data, dict):
        if not set(names) - set(optional) <= set(data) <= set(names):
            raise DataError(
                f'{where}: expects {{{expected}}}; got a dict of {sorted(map(str, data))}'
            )
        return [data.get(name) for name in names]
    if not isinstance(data, list | tuple):
        hint = ''
        if len(names) > 1 and getattr(data, 'shape', ()):
            hint = f'; pass all arrays in one list: [{expected}]'
        elif isinstance(data, Mapping):
            hint = '; pass a dict, such as dict(data)'
        elif hasattr(data, '__getitem__') and not isinstance(data, str | bytes):
            hint = (
                '; batches of a dataset are made by a data loader, DataLoader(data, batch_size=32)'
            )
        raise DataError(
            f'{where}: expects a list of arrays [{expected}]; got {describe(data)}{hint}'
        )
    if len(data) not in (len(names), len(names) - len(optional)):
        shown = [*map(describe, data[:4]), *['...'] * (len(data) > 4)]
        hint, lacking = '', [f'{name}=True' for name, has in (having or {}).items() if not has]
        if len(data) == len(names) + 1 and lacking:
            hint = f'; was the network meant to be built with {" or ".join(lacking)}?'
        raise DataError(
            f'{where}: expects {len(names)} arrays [{expected}]; got {len(data)}: '
            f'[{", ".join(shown)}]{hint}'
        )
    return list(data)


def is_one_array(data: object, field: Field, masked: bool) -> bool:
    """Return whether a batch of one array is given as this array, and not in a list.

    Parameters
    ----------
    data : object
    field : Field
        The array; with a time axis it may be a list of sequences.
    masked : bool
        Whether the network has masks.
    """
    if isinstance(data, list | tuple):
        is_list = is_ragged if masked else is_list_of_arrays
        if not (field.has_time and is_list(data, field.ndim - 1)):
            return False
        if len(data) == 1 and is_list_of_arrays(data[0], field.ndim - 2):
            return False  # [x], and x is a list of series of one feature
        # A few arrays with different features are one series and what belongs to it: [x, mask].
        return (
            len(data) > FEW
            or len({tuple(one.shape[1:]) for one in data if hasattr(one, 'shape')}) <= 1
        )
    return not isinstance(data, dict)


def describe(value: object) -> str:
    """Describe a value briefly: its type, or its shape."""
    shape, kind = getattr(value, 'shape', None), type(value).__name__
    if shape is None:
        return kind
    return f'{kind if is_table(value) else "array"} of shape {tuple(shape)}'
