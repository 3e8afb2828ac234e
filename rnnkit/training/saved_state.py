"""Whether the state of a training that was read from a file is one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from rnnkit.callbacks import are_states
from rnnkit.common.checks import is_real, is_whole
from rnnkit.errors import FormatError
from rnnkit.training.protocols import State
from rnnkit.training.trainer import COUNTS, MONITORS

COUNTED = ('training', 'epoch', 'updates')  # columns of a history


def check_state(path: Path | None, expected: State, state: State) -> None:
    """Raise a FormatError unless a state is like `expected`, the trainer's own state."""
    tables = (*MONITORS, 'schedule')
    wrong = [name for name in expected if name not in state]
    wrong += [name for name in COUNTS if not is_whole(state.get(name), 0)]
    wrong += [name for name in MONITORS if not _are_numbers(state.get(name))]
    wrong += [name for name in ('best', 'latest') if not _has_loss(state.get(name))]
    wrong += ['schedule'] * (not _alike(expected['schedule'], state.get('schedule')))
    history = state.get('history')
    if not is_history(history) or (state.get('epoch') and not history):
        wrong.append('history')
    wrong += ['callbacks'] * (not are_states(state.get('callbacks', [])))
    for name in set(expected) - {*COUNTS, *tables, 'history'}:
        # The carried states of batches may be of another number of examples.
        there, here = _joined(state.get(name)), _joined(expected[name])
        if not fits(here, there, name == 'batches'):
            wrong.append(name)
    if wrong:
        raise FormatError(f'{path}: the state of its training does not fit: {wrong[0]}')


def _joined(value: object) -> object:
    """Return a state of batches without saying how many examples each process had of them."""
    if not isinstance(value, dict):
        return value
    parts = value.get('parts', [])
    right = isinstance(parts, list) and all(is_whole(n, 0) for n in parts)
    right = right and sum(parts) == value.get('examples', 0)
    return {name: v for name, v in value.items() if name != 'parts' or not right}


def is_seed(value: object) -> bool:
    """Return whether a value is a seed of NumPy's generators: a number or a list of them."""
    numbers = value if isinstance(value, list) else [value]
    return all(is_whole(n, 0) for n in numbers)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(
        v is None or isinstance(v, int | float | str) for v in value.values()
    )


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(_is_number(v) for v in value.values())


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (is_whole(value) and is_real(value))


def _has_loss(value: object) -> bool:
    return isinstance(value, dict) and is_real(value.get('loss'))


def _alike(expected: Mapping[str, object], value: object) -> bool:
    """Return whether a table has the entries of another one, with values of the same kind."""
    return _is_table(value) and all(
        is_real(value.get(name)) == is_real(there) for name, there in expected.items()
    )


def is_history(value: object) -> TypeGuard[list[dict[str, Any]]]:
    """Return whether a value is a list of records, whose counts are whole numbers."""
    return isinstance(value, list) and all(
        _is_table(record) and all(is_whole(record.get(name, 0), 0) for name in COUNTED)
        for record in value
    )


def fits(expected: object, value: object, any_length: bool) -> bool:
    """Return whether two nested structures are alike, but for first axes with `any_length`."""
    if isinstance(expected, np.ndarray):
        if not isinstance(value, np.ndarray) or value.dtype != expected.dtype:
            return False
        first = 1 if any_length and expected.ndim else 0
        return value.ndim == expected.ndim and value.shape[first:] == expected.shape[first:]
    if isinstance(expected, dict):
        return (
            isinstance(value, dict)
            and set(value) == set(expected)
            and all(fits(expected[k], value[k], any_length) for k in expected)
        )
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(map(fits, expected, value, [any_length] * len(expected)))
        )
    if is_whole(expected):
        return is_whole(value, 0)
    return type(value) is type(expected)
