"""States as users pass them: by names or in order, as arrays or nested lists, such as from JSON.

They may come from anyone, such as a client of a server: names, lengths and numbers are checked
before anything is converted, and messages show none of the numbers.
"""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common.masked_arrays import without_mask
from rnnkit.common.registry import meant
from rnnkit.data.arrays import as_array
from rnnkit.data.unpack import describe
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.graph.course import state_sizes
from rnnkit.inference.blame import is_finite
from rnnkit.layers import Layer

# A named tuple of arrays (B, size) for each layer with a state, by its name; and an array for
# each output that stays the same, by the name of the output.
State = dict[str, Any]

MOST, LONGEST = 9, 40  # names in a message, and letters of each


class Part(NamedTuple):
    """An array of a state that was given: its name for messages, its value, and its shape."""

    what: str
    value: object
    shape: tuple[int | None, ...]  # None stands for any length; -1 for the number of examples


class StateForm:
    """The parts of the state of a network: their names, sizes and dtype.

    Parameters
    ----------
    layers : list of Layer
        Those that have a state.
    fixed : dict of str to (int, int)
        The number of axes, and of features, of each output that stays the same, by its name.
    dtype : str
    """

    def __init__(self, layers: Sequence[Layer], fixed: Mapping[str, tuple[int, int]], dtype: str):
        self.kinds = {layer.name: layer.state for layer in layers}
        self.sizes = {layer.name: state_sizes(layer) for layer in layers}
        self.fixed, self.dtype = dict(fixed), dtype

    def named(self, flat: Sequence[np.ndarray]) -> State:
        """Return arrays, of the fixed outputs and then of the layers, by their names."""
        arrays = iter(flat)
        fixed = {name: next(arrays) for name in self.fixed}
        states = {
            name: kind(*(next(arrays) for _ in kind._fields)) for name, kind in self.kinds.items()
        }
        return states | fixed

    def read(self, where: str, state: object, n: int) -> list[np.ndarray]:
        """Check a state that a user gave for `n` examples, and return its arrays in order.

        Raises
        ------
        ConfigError
            If a layer or a part of its state is missing, or unknown.
        ShapeError, DataError
            If an array has another shape, or is not of finite numbers.
        """
        return [self._array(where, part, n) for part in self._parts(where, state)]

    def plain(self, where: str, state: object) -> dict[str, Any]:
        """Return a state as dicts and lists, fit for JSON; floats keep all their bits."""
        parts = self._parts(where, state)
        lengths = _lengths(parts[-1].value)  # of a layer's
        n = lengths[0] if lengths else 1
        arrays = iter([self._array(where, part, n).tolist() for part in parts])
        fixed = {name: next(arrays) for name in self.fixed}
        states = {
            name: {part: next(arrays) for part in sizes} for name, sizes in self.sizes.items()
        }
        return states | fixed

    def _parts(self, where: str, state: object) -> list[Part]:
        """Find the arrays by their names."""
        names = [*self.kinds, *self.fixed]
        if not isinstance(state, Mapping) or set(state) != set(names):
            raise ConfigError(
                f'{where}: state must have an entry for each of {_listed(names)}; got '
                f'{_given(state)}{_guess(state, names)}'
            )
        parts = []
        for name, (ndim, size) in self.fixed.items():
            shape = (*[None] * (ndim - 2), -1, size)
            parts.append(Part(f'state {name!r}', state[name], shape))
        for name, sizes in self.sizes.items():
            values = self.of_layer(where, name, state[name])
            for (part, size), value in zip(sizes.items(), values, strict=True):
                parts.append(Part(f'state {part!r} of layer {name!r}', value, (-1, size)))
        return parts

    def of_layer(self, where: str, name: str, given: object) -> list[object]:
        """Return the parts of the state of a layer: by names, or in their order."""
        kind, names = self.kinds[name], list(self.sizes[name])
        fields = getattr(given, '_fields', None)
        if isinstance(given, Mapping):
            if set(given) == set(names):
                return [given[part] for part in names]
        elif fields is not None:
            if set(names) <= set(fields):
                return [getattr(given, part) for part in names]
        elif isinstance(given, list | tuple) and len(given) == len(names):
            return list(given)
        raise ConfigError(
            f'{where}: state must have the {kind.__name__} of layer {name!r}, by names or in this '
            f'order: {_listed(names)}; got {_given(given)}{_guess(given, names)}'
        )

    def _array(self, where: str, part: Part, n: int) -> np.ndarray:
        """Return an array after all checks."""
        value, what = part.value, f'{where}: {part.what}'
        shape = tuple(n if length == -1 else length for length in part.shape)
        if (  # the usual case
            type(value) is np.ndarray
            and value.dtype == self.dtype
            and value.shape == shape
            and is_finite(value)
        ):
            return np.ascontiguousarray(value)
        if not isinstance(value, list | tuple):
            value = without_mask(what, value, 'the mask of x as mask=')
        lengths = _lengths(value)
        if len(lengths) != len(shape) or any(
            length not in (None, actual) for length, actual in zip(shape, lengths, strict=True)
        ):
            axes = '(batch, size)' if len(shape) == 2 else '(time, batch, size)'
            kind = lengths or getattr(value, 'shape', type(value).__name__)
            raise ShapeError(
                f'{what} must have shape {_shown(shape)} {axes}, for {n} examples; got {kind}'
            )
        if isinstance(value, list | tuple):
            _check_list(what, value, lengths)
        return as_array(what, value, self.dtype)


def _lengths(value: object) -> tuple[int, ...]:
    """Return the shape of an array, or the lengths of nested lists by their first items."""
    lengths = []
    while isinstance(value, list | tuple) and len(lengths) < 4:
        lengths.append(len(value))
        value = value[0] if value else None
    shape = getattr(value, 'shape', ())
    return (*lengths, *(shape if isinstance(shape, tuple) else ()))


def _check_list(what: str, value: object, lengths: Sequence[int], index: str = '') -> None:
    """Check that nested lists have the same lengths everywhere, and contain numbers alone."""
    if not lengths:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise DataError(f'{what} must be numbers; it contains {_given(value)} at {index}')
        return
    if isinstance(value, np.ndarray) and value.shape == tuple(lengths):
        return
    if not isinstance(value, list | tuple) or len(value) != lengths[0]:
        raise ShapeError(
            f'{what} is ragged: item {index} must be a list of {lengths[0]}; got {_given(value)}'
        )
    for k, item in enumerate(value):
        _check_list(what, item, lengths[1:], f'{index}[{k}]')


def _shown(shape: Iterable[int | None]) -> str:
    return str(tuple(shape)).replace('None', 'any')


def _name(name: object) -> str:
    text = name if isinstance(name, str) else type(name).__name__
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}...'


def _listed(names: Iterable[object]) -> str:
    names = list(names)
    others = [f'{len(names) - MOST} others'] * (len(names) > MOST)
    return ', '.join([*map(_name, names[:MOST]), *others])


def _given(value: object) -> str:
    """Describe what was given by names, lengths and types."""
    if isinstance(value, Mapping):
        return f'a dict of {_listed(value)}' if value else 'an empty dict'
    if hasattr(value, '_fields'):
        return f'{type(value).__name__} of {_listed(value._fields)}'
    if isinstance(value, list | tuple):
        return f'{type(value).__name__} of {len(value)}'
    if value is None or (isinstance(value, float | np.number) and not np.ndim(value)):
        return str(value)
    return describe(value)


def _guess(given: object, names: Sequence[str]) -> str:
    """Return the end of a message: what a name that is unknown probably means."""
    known = given if isinstance(given, Mapping) else getattr(given, '_fields', ())
    unknown = [name for name in known if isinstance(name, str) and name not in names]
    missing = [name for name in names if name not in known]
    for name in unknown[:MOST]:
        likely = meant(name[:LONGEST], missing)
        if likely is not None:
            return f'; did you mean {likely!r} by {_name(name)!r}?'
    return ''
