"""The classes of a network: labels of any kind outside, whole numbers from 0 inside. NumPy only.

Labels are strings, whole numbers, other numbers or bools: in arrays, lists, ragged lists of
sequences, or what NumPy can read as an array, such as a Series or a categorical of pandas.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError

FEW = 8  # classes in a message
SINGLE = (str, bytes, dict, set)  # what is no array, although some can be iterated

Find = Callable[[np.ndarray], np.ndarray]  # labels -> numbers of classes, or -1


class Encoded(NamedTuple):
    """Labels as numbers.

    Attributes
    ----------
    value : object
        Numbers in place of labels, nested as these were.
    unknown : tuple
        The labels that are none of the n classes: label k of them became the number n + k.
    """

    value: Any
    unknown: tuple[object, ...] = ()


class Classes:
    """The classes of a network, in the order of its output's units.

    Parameters
    ----------
    n : int
        The number of units.
    names : array_like, optional
        Their names, if they are known.

    Attributes
    ----------
    names : array of shape (n,), or None
        Of str, int64, float64 or bool; None before they are known.
    plain : bool
        Whether labels are whole numbers from 0 to n - 1, or not known to be others.

    Raises
    ------
    ConfigError
        If there are not n different names of one kind.

    Examples
    --------
    >>> classes = Classes(2, ['no', 'yes'])
    >>> classes.encode('y', [['yes', 'no'], ['no', '?']])
    Encoded(value=[[1, 0], [0, 2]], unknown=('?',))
    >>> classes.decode(np.array([1, 0])).tolist()
    ['yes', 'no']
    """

    def __init__(self, n: int, names: object = None):
        self.n = n
        self.names: np.ndarray | None = None
        self.name(None if names is None else read_names(names, n))

    def name(self, names: np.ndarray | None) -> None:
        """Give the classes other names, or none, so that they are not known."""
        self.names = names
        known = np.arange(self.n) if names is None else names
        self.plain = known.dtype.kind == 'i' and bool((known == np.arange(self.n)).all())
        self._kind = 'text' if known.dtype.kind == 'U' else 'number'
        self._numbers = {name: k for k, name in enumerate(known.tolist())}
        self._order = known.argsort(kind='stable')
        self._sorted = known[self._order]
        if names is not None:
            names.flags.writeable = False

    def to_spec(self) -> list[object] | None:
        """Return the names as JSON values, or None if labels are plain."""
        return None if self.plain or self.names is None else self.names.tolist()

    def decode(self, numbers: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
        """Return the names of classes by their numbers.

        Parameters
        ----------
        numbers : array of int
        real : array of bool of the same shape, optional
            Where there is a class; elsewhere stands '', 0 or False.
        """
        if self.plain or self.names is None:
            return numbers
        labels = self.names[numbers]
        if real is None or real.all():
            return labels
        return np.where(real, labels, np.zeros((), labels.dtype))

    def encode(self, where: str, value: object) -> Encoded:
        """Return labels as numbers; they may be anything where they do not count.

        Parameters
        ----------
        where : str
            The name of the labels, for messages.
        value : object
            Labels as a user passed them. What is no array or list is returned as it is.

        Raises
        ------
        DataError
            If it is a masked array of NumPy.
        """
        if (self.plain and are_numbers(value)) or not _is_array_like(value):
            return Encoded(value)
        return encoded(where, value, self.n, self._find)

    def _find(self, labels: np.ndarray) -> np.ndarray:
        if labels.dtype.kind == 'O':
            found = (self.number_of(label) for label in labels.ravel())
            return np.fromiter(found, 'int64', labels.size).reshape(labels.shape)
        if _kind_of(labels) != self._kind:
            return np.full(labels.shape, -1)
        at = np.searchsorted(self._sorted, labels).clip(0, self.n - 1)
        return np.where(self._sorted[at] == labels, self._order[at], -1)

    def number_of(self, name: object) -> int:
        """Return the number of a class by its name, or -1."""
        return self._numbers.get(name, -1) if is_label(name) else -1

    def listed(self) -> str:
        """Return the names, for a message; of many only the first."""
        return several(list(self._numbers))

    def refusal(self, label: object, owner: str) -> str:
        """Say what is wrong with a label that is not one of the classes.

        Parameters
        ----------
        label : object
        owner : str
            The layer that has a unit for each class.
        """
        shown = f'contains {"label " * is_label(label)}{brief(_scalar(label), 40)}'
        if not self.plain:
            return f'{shown}, which is not one of the {self.n} classes {self.listed()}'
        if self.names is not None:
            return f'{shown}; the classes of this network are 0 to {self.n - 1}'
        units = f'{shown}; {owner} has {self.n} units, so labels are 0 to {self.n - 1}'
        if not is_label(label):
            return units
        return f'{units}, or names that are given as classes=[...], one for each unit'


def encoded(where: str, value: object, n: int, find: Find) -> Encoded:
    """Return labels as the numbers that `find` returns; those without one follow from n on."""
    unknown: dict[str, int] = {}
    labels: list[object] = []

    def numbers(where: str, value: object) -> Any:
        given = as_labels(where, value)
        found = find(given)
        if (bad := found < 0).any():
            strange, inverse = given[bad], None
            if given.dtype.kind != 'O':
                strange, inverse = np.unique(strange, return_inverse=True)
            each = []
            for label in strange:
                key = repr(label)
                if key not in unknown:
                    unknown[key] = n + len(labels)
                    labels.append(label)
                each.append(unknown[key])
            found[bad] = each if inverse is None else np.array(each)[inverse]
        return found.tolist() if isinstance(value, list | tuple) else found

    return Encoded(each_array(where, value, numbers), tuple(labels))


# --- what users pass


def is_label(value: object) -> bool:
    """Return whether a value can be a label: a string, a finite number, or a bool."""
    if isinstance(value, float | np.floating):
        return math.isfinite(value)
    return isinstance(value, str | int | np.integer | np.bool_)


def is_placeholder(value: object) -> bool:
    """Return whether a value may stand where there is no label, as over padding."""
    return not isinstance(value, str) or not value or 'pad' in value.lower()


def are_numbers(value: object) -> bool:
    """Return whether labels are an array or frame of numbers, or lists of numbers or of such."""
    if hasattr(value, 'dtype') or hasattr(value, 'dtypes'):
        dtypes = [value.dtype] if hasattr(value, 'dtype') else list(value.dtypes)
        # Types of pandas for missing values have a kind, too.
        return all(getattr(dtype, 'kind', 'O') in tuple('biuf') for dtype in dtypes)
    if not isinstance(value, list | tuple):
        return False
    if _is_nested(value):
        return all(are_numbers(one) for one in value)
    return all(isinstance(one, int | float | np.number | np.bool_) for one in value)


def each_array(where: str, value: Any, function: Callable[[str, Any], Any]) -> Any:
    """Return what a function makes of an array, or of each array or list of numbers in a list."""
    if not _is_nested(value):
        return function(where, value)
    return [each_array(f'{where}[{k}]', one, function) for k, one in enumerate(value)]


def _is_nested(value: object) -> bool:
    """Return whether a value is a list of lists or of arrays."""
    of_objects = isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1
    if not (of_objects or isinstance(value, list | tuple)):
        return False
    return any(isinstance(one, list | tuple) or getattr(one, 'ndim', 0) for one in value)  # type: ignore[attr-defined]


def _is_array_like(value: object) -> bool:
    if value is None or isinstance(value, SINGLE) or hasattr(value, 'tocsr'):
        return False
    return isinstance(value, list | tuple) or hasattr(value, '__array__')


def as_labels(where: str, value: object) -> np.ndarray:
    """Return labels as an array of numbers, of str, or of objects where there are others, too."""
    value = without_mask(where, value)
    if isinstance(value, np.ndarray) and value.dtype.kind in 'biufU':
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind == 'S':
        raise DataError(f'{where} is an array of bytes; make it one of str: y.astype(str)')
    objects = np.asarray(value, dtype=object)
    kinds = set(map(type, objects.ravel()))
    if kinds and all(issubclass(kind, bool | np.bool_) for kind in kinds):
        return objects.astype(bool)
    for numbers, dtype in (((int, np.integer), 'int64'), ((float, np.floating), 'float64')):
        if kinds and all(issubclass(kind, numbers) and kind is not bool for kind in kinds):
            try:
                return objects.astype(dtype)
            except OverflowError:
                return objects
    return objects


def _kind_of(labels: np.ndarray) -> str:
    return 'text' if labels.dtype.kind == 'U' else 'number'


def _scalar(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def several(values: list[Any]) -> str:
    """Return values as text for a message; of many only the first."""
    shown = [brief(_scalar(value), 40) for value in values[:FEW]]
    more = [f'... ({len(values)} in all)'] * (len(values) > FEW)
    return ', '.join([*shown, *more])


# --- names


def read_names(names: object, n: int) -> np.ndarray:
    """Return the names of n classes as an array, or raise a ConfigError."""
    listed = hasattr(names, '__array__') or isinstance(names, list | tuple)
    if not listed:
        raise ConfigError(
            f'classes must be a list of the {n} names, in the order of the units of the last '
            f'layer; got {brief(names)}'
        )
    try:
        array = as_labels('classes', names)
    except (DataError, ValueError) as error:
        raise ConfigError(f'classes cannot be read as a list of names: {error}') from None
    if array.ndim != 1:
        raise ConfigError(f'classes must be one list of names; got an array of shape {array.shape}')
    return _one_kind('classes', array, n)


def _one_kind(where: str, array: np.ndarray, n: int) -> np.ndarray:
    """Return names as an array of one kind, after checking them."""
    wrong = [one for one in array if not is_label(one)]
    if wrong:
        raise ConfigError(
            f'{where}: a class is a string, a number or a bool; got {brief(_scalar(wrong[0]))}, a '
            f'{type(wrong[0]).__name__}'
        )
    kinds = {kind_of_label(one): one for one in reversed(array)}
    if len(kinds) > 1:
        shown = ' and '.join(brief(_scalar(one)) for one in kinds.values())
        raise ConfigError(f'{where} must be of one kind, all strings or all numbers; got {shown}')
    values = [_scalar(one) for one in array]
    twice = sorted({one for one in values if values.count(one) > 1}) if n < 1000 else []
    if len(set(values)) < len(values):
        which = f'; {several(twice)} is there twice' if twice else ''
        raise ConfigError(f'{where} must be different names{which}')
    if len(values) != n:
        raise ConfigError(
            f'{where} has {len(values)} names, and the last layer {n} units; there must be one '
            f'for each unit: {several(values)}'
        )
    return in_one_type(values)


def kind_of_label(label: object) -> str:
    """Return ``'text'``, ``'bool'`` or ``'number'``."""
    if isinstance(label, str):
        return 'text'
    return 'bool' if isinstance(label, bool | np.bool_) else 'number'


def in_one_type(values: list[Any]) -> np.ndarray:
    """Return labels of one kind as an array of str, bool, int64, or float64."""
    if isinstance(values[0], str):
        return np.array(values, dtype=str)
    if isinstance(values[0], bool):
        return np.array(values, dtype=bool)
    if all(isinstance(value, int) for value in values):
        try:
            return np.array(values, dtype='int64')
        except OverflowError:
            raise ConfigError(f'classes: {max(values, key=abs)} does not fit int64') from None
    return np.array(values, dtype='float64')
