"""The best value so far of one column of the history."""

import math
from numbers import Real
from typing import Any

from rnnkit.callbacks.base import Training
from rnnkit.common.checks import number
from rnnkit.errors import ConfigError

RISING = ('acc', 'accuracy', 'r2', 'f1')  # what is the better the larger it is
MODES = ('min', 'max')


class Best:
    """Judges the values of a monitor.

    Parameters
    ----------
    where : str
        What asks for it, for messages.
    monitor : str
        A column of the history.
    mode : {'min', 'max'}, optional
        Which values are good; by default large ones for `RISING`, else small ones.
    min_improvement : float
        The fraction of the best value by which a better one must differ.

    Attributes
    ----------
    value : float, or None
        The best value so far.
    of_validation : bool
        Whether only epochs with a validation have it.
    """

    def __init__(self, where: str, monitor: Any, mode: Any = None, min_improvement: Any = 0.0):
        if not isinstance(monitor, str) or not monitor:
            raise ConfigError(
                f"{where}: monitor is a column of the history, such as 'valid_loss'; "
                f'got {monitor!r}'
            )
        if mode not in (None, *MODES):
            raise ConfigError(f"{where}: mode is 'min' or 'max'; got {mode!r}")
        self.where, self.monitor = where, monitor
        rising = monitor.removeprefix('valid_') in RISING
        self.of_validation = monitor.startswith('valid_')
        self.mode = mode or MODES[rising]
        self.sign = -1 if self.mode == 'max' else 1
        number(f'{where}: min_improvement', min_improvement, Real, 0, 1)
        self.min_improvement = float(min_improvement)
        self.value: float | None = None

    def read(self, training: Training) -> float | None:
        """Return the value of the latest epoch; None if it was not validated.

        Raises
        ------
        ConfigError
            If there is no such column, or it is not of numbers.
        """
        record = training.record
        value = record.get(self.monitor)
        if value is None:
            self._check([*record, *(f'valid_{name}' for name in training.validation)])
            return None
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ConfigError(f'{self.where}: {self.monitor} is a number; it is {value!r}')
        return float(value)

    def check(self, training: Training) -> None:
        """Raise a ConfigError if the first validation shows that there is no such column."""
        if self.of_validation:
            self._check([f'valid_{name}' for name in training.validation])

    def _check(self, known: list[str]) -> None:
        if self.monitor not in known:
            listed = ', '.join(dict.fromkeys(known))
            raise ConfigError(f'{self.where}: no monitor {self.monitor!r}; there are: {listed}')

    def better(self, value: float) -> bool:
        """Return whether a value is better than the best one so far, and keep it if so."""
        best = self.value
        if best is None:
            found = not math.isnan(value)
        else:
            needed = abs(best) * self.min_improvement if math.isfinite(best) else 0.0
            found = self.sign * (best - value) > needed
        self.value = value if found else best
        return found

    def reaches(self, goal: float) -> bool:
        """Return whether the best value is at least as good as a goal."""
        return self.value is not None and self.sign * (self.value - goal) <= 0

    def get_state(self) -> dict[str, Any]:
        """Return what is remembered, and of what."""
        return {'monitor': self.monitor, 'mode': self.mode, 'best': self.value}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` has returned; raise a ValueError if it does not fit."""
        for name, mine in (('monitor', self.monitor), ('mode', self.mode)):
            if state[name] != mine:
                raise ValueError(f'{name} was {state[name]!r}, and is now {mine!r}')
        value = state['best']
        if not (value is None or isinstance(value, int | float)):
            raise ValueError(f'best is a number; got {value!r}')
        self.value = value
