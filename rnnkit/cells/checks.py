"""Checks of options that several cells have."""

from typing import Any

import numpy as np

from rnnkit.errors import ConfigError


def is_count(value: Any) -> bool:
    """Return whether `value` is a whole number of at least 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1


def check_count(cell: str, name: str, value: Any) -> None:
    """Raise a ConfigError if an option is neither None nor a whole number of at least 1."""
    if value is not None and not is_count(value):
        raise ConfigError(f'{cell}: {name} is a whole number of at least 1; got {value!r}')
