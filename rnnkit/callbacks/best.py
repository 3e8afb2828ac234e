"""The best value so far of a column of the history."""

import math
import re
from collections.abc import Mapping
from numbers import Real

from rnnkit.callbacks.base import Training
from rnnkit.common.checks import choice, real
from rnnkit.errors import ConfigError

# Metrics for which larger is better.
RISING = ('acc', 'accuracy', 'r2', 'f1', 'binary_accuracy', 'binary_f1')
MODES = ('min', 'max')


class Best:
    """The best value so far of a monitor.

    Parameters
    ----------
    where : str
        The callback, for messages.
    monitor : str
        A column of the history.
    mode : {'min', 'max'}, optional
        Whether small or large values are better; by default 'max' for `RISING`, else 'min'.
    min_improvement : float
        The minimum improvement, as a fraction of the best value.
    min_delta : float
        The minimum improvement, as a difference of values.

    Attributes
    ----------
    value : float, or None
        The best value so far.
    of_validation : bool
        Whether only epochs with a validation have the monitor.
    """

    def __init__(
        self,
        where: str,
        monitor: object,
        mode: object = None,
        min_improvement: object = 0.0,
        min_delta: object = 0.0,
    ):
        if not isinstance(monitor, str) or not monitor:
            raise ConfigError(
                f"{where}: monitor must be a column of the history, such as 'valid_loss'; "
                f'got {monitor!r}'
            )
        choice(f'{where}: mode', mode, (None, *MODES))
        self.where, self.monitor = where, monitor
        rising = monitor.removeprefix('valid_').lower() in RISING
        self.of_validation = monitor.startswith('valid_')
        self.mode = mode or MODES[rising]
        self.sign = -1 if self.mode == 'max' else 1
        self.min_improvement = real(f'{where}: min_improvement', min_improvement, least=0, below=1)
        self.min_delta = real(f'{where}: min_delta', min_delta, least=0)
        self.value: float | None = None

    def read(self, training: Training) -> float | None:
        """Return the value of the latest epoch; None if it was not validated.

        Raises
        ------
        ConfigError
            If there is no such column, or its value is not a number.
        """
        record = training.record
        value = record.get(self.monitor)
        if value is None:
            self._check([*record, *(f'valid_{name}' for name in training.validation)])
            return None
        if not isinstance(value, Real) or isinstance(value, bool):  # NaN is valid: it is not better
            raise ConfigError(f'{self.where}: {self.monitor} must be a number; it is {value!r}')
        return float(value)

    def check(self, training: Training) -> None:
        """Raise a ConfigError if the initial validation shows that there is no such column."""
        if self.of_validation:
            self._check([f'valid_{name}' for name in training.validation])

    def _check(self, columns: list[str]) -> None:
        if self.monitor not in columns:
            listed = ', '.join(dict.fromkeys(columns))
            other = re.sub('^(val|validation|test|dev)_', 'valid_', self.monitor)
            end = f'did you mean {other!r}?' if other in columns else f'there are: {listed}'
            raise ConfigError(f'{self.where}: no monitor {self.monitor!r}; {end}')

    def better(self, value: float) -> bool:
        """Return whether a value is better than the best so far, and if so, keep it."""
        improved = self.improves(value, self.value)
        self.value = value if improved else self.value
        return improved

    def improves(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than another one, if there is one."""
        if best is None:
            return not math.isnan(value)
        fraction = abs(best) * self.min_improvement if math.isfinite(best) else 0.0
        return self.sign * (best - value) > max(fraction, self.min_delta)

    def reaches(self, goal: float) -> bool:
        """Return whether the best value is at least as good as a goal."""
        return self.value is not None and self.sign * (self.value - goal) <= 0

    def get_state(self) -> dict[str, str | float | None]:
        """Return the best value, and the monitor that it belongs to."""
        return {'monitor': self.monitor, 'mode': self.mode, 'best': self.value}

    def set_state(self, state: Mapping[str, object]) -> None:
        """Restore the state from `get_state`; raise a ValueError if it does not fit."""
        for name, current in (('monitor', self.monitor), ('mode', self.mode)):
            if state[name] != current:
                raise ValueError(f'{name} was {state[name]!r}, and is now {current!r}')
        value = state['best']
        if not (value is None or isinstance(value, int | float)):
            raise ValueError(f'best must be a number; got {value!r}')
        self.value = value
