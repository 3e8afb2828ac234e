"""Which training data are on disk, or read lazily: memory maps, arrays of files, columns of tables.

They are recognized by what they have, such as ``shape``, ``dtype`` and slices; nothing is imported.
NumPy only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnkit.data.frames import is_table
from rnnkit.data.mapped import is_mapped
from rnnkit.data.stored import Stored, StoredList
from rnnkit.errors import DataError

# In memory, and quick to convert: what shares its memory, and what is no array or list.
SHARES = ('__dlpack__', '__array_interface__', '__array_struct__', 'tocsr')
PLAIN = (np.ndarray, np.generic, list, tuple, Mapping, set, frozenset, str, bytes, bytearray, range)


def wrapped(data: Any, where: str, names: Sequence[str] = ()) -> Any:
    """Return training data in which each array on disk is a `Stored`; others stay as they are.

    `names` are those of the arrays of a list, for messages.

    Raises
    ------
    DataError
        If an array cannot be read, such as one of a file that is closed.
    """
    if isinstance(data, dict):
        return {name: _one(value, f'{where}: {name}') for name, value in data.items()}
    if isinstance(data, list | tuple) and not any(isinstance(one, str) for one in data):
        named = [f'{where}[{k}]' for k in range(len(data))]
        if len(data) <= len(names):
            named = [f'{where}: {name}' for name in names[: len(data)]]
        elif _are_sequences(data, names, where):
            return [StoredList(data)]
        parts = [_one(value, name) for value, name in zip(data, named, strict=True)]
        changed = any(new is not old for new, old in zip(parts, data, strict=True))
        return parts if changed else data
    return Stored(data) if _is_array(data, where) else data


def _are_sequences(data: Sequence[object], names: Sequence[str], where: str) -> bool:
    """Return whether a list is the one array of a network, such as an autoencoder's."""
    arrays = [name for name in names if name != 'mask']
    return len(arrays) == 1 and all(_is_array(one, where) for one in data)


def _one(value: object, where: str) -> object:
    """Return one array of a batch as a `Stored`, if it is on disk or read lazily."""
    if isinstance(value, list | tuple):
        # A list of sequences, each of them on disk.
        on_disk = len(value) > 0 and all(_is_array(one, where) for one in value)
        return StoredList(value) if on_disk else value
    if _is_array(value, where):
        return Stored(value)
    return StoredList(value) if _is_lazy_list(value) else value  # type: ignore[arg-type]


def columns(data: Any, names: Sequence[str]) -> Any:
    """Return a table of the `datasets` library as a dict of its columns; other data as they are.

    Parameters
    ----------
    data : object
    names : sequence of str
        The names that arrays of a batch may have, for the order of the columns.
    """
    there = getattr(data, 'column_names', None)
    if not isinstance(there, list) or not (hasattr(data, 'features') and hasattr(data, '__len__')):
        return data
    ordered = [name for name in names if name in there]
    ordered += [name for name in there if name not in ordered]
    return {name: StoredList(Column(data, name)) for name in ordered}


class Column:
    """A column of a table of the `datasets` library, of which slices are read.

    Parameters
    ----------
    table : datasets.Dataset
    name : str
    """

    def __init__(self, table: Any, name: str):
        select = getattr(table, 'select_columns', None)
        self.table, self.name = (table if select is None else select([name])), name

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, chosen: slice) -> Any:
        return self.table[chosen][self.name]


def _is_array(value: object, where: str) -> bool:
    """Return whether a value is an array on disk."""
    if isinstance(value, Stored):
        return False
    if isinstance(value, np.ndarray):
        return not isinstance(value, np.ma.MaskedArray) and is_mapped(value)
    if _in_memory(value):
        return False
    try:
        shape, dtype = getattr(value, 'shape', None), getattr(value, 'dtype', None)
    except Exception as error:  # the value may be of any class
        raise DataError(
            f'{where} cannot be read, {type(error).__name__}: {error}; is its file open?'
        ) from error
    if not (isinstance(shape, tuple) and isinstance(dtype, np.dtype)):
        return False
    if hasattr(value, '__getitem__'):
        return True
    if hasattr(value, '__array__'):
        return False
    raise DataError(
        f'{where} is a {type(value).__name__}, which has a shape but no slices, such as '
        f'array[0:32]; pass an object that can be sliced, or an array in memory'
    )


def _in_memory(value: object) -> bool:
    return isinstance(value, PLAIN) or is_table(value) or any(hasattr(value, a) for a in SHARES)


def _is_lazy_list(value: object) -> bool:
    """Return whether a value has a length and slices, and is nothing that is in memory."""
    if _in_memory(value) or callable(value) or hasattr(value, '__array__'):
        return False
    if not (hasattr(value, '__len__') and hasattr(value, '__getitem__')):
        return False
    try:
        memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    else:
        return False
    try:
        len(value[0:1])
    except Exception:  # a class of the user's: without slices it is no such list
        return False
    return True
