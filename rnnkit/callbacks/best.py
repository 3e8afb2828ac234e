"""The best value so far of a column of the history."""

import math
import re
from collections.abc import Mapping, Sequence
from numbers import Real

from rnnkit.callbacks.base import Training
from rnnkit.common.checks import choice, real
from rnnkit.common.registry import meant
from rnnkit.errors import ConfigError
from rnnkit.losses import losses
from rnnkit.metrics import metrics

MODES = ('min', 'max')
KINDS = ('valid', 'training')  # how columns of validations begin: with validation data, or without
MEASURED = re.compile(f'^({"|".join(KINDS)})_')
ELSEWHERE = re.compile('^(val|validation|test|dev)_')  # how other libraries call them


def mode_of(monitor: str) -> str | None:
    """Return whether small or large values of a column are better; None if that is not known.

    Examples
    --------
    >>> mode_of('valid_f1'), mode_of('training_loss'), mode_of('valid_mine')
    ('max', 'min', None)
    """
    name = MEASURED.sub('', monitor).lower()
    if name in metrics:
        return metrics[name].better
    # The column of a loss may have the name of its layer, too: 'xe@hid1#2'.
    return 'min' if name in ('loss', 'err') or name.partition('@')[0] in losses else None


class Best:
    """The best value so far of a monitor.

    Parameters
    ----------
    where : str
        The callback, for messages.
    monitor : str, optional
        A column of the history; by default the one that the training is judged by.
    mode : {'min', 'max'}, optional
        Whether small or large values are better; by default as of the metric, else 'min'.
    min_improvement : float
        The minimum improvement, as a fraction of the best value.
    min_delta : float
        The minimum improvement, as a difference of values.

    Attributes
    ----------
    value : float, or None
        The best value so far.
    """

    def __init__(
        self,
        where: str,
        monitor: object,
        mode: object = None,
        min_improvement: object = 0.0,
        min_delta: object = 0.0,
    ):
        if not (monitor is None or isinstance(monitor, str)) or monitor == '':
            raise ConfigError(
                f"{where}: monitor must be a column of the history, such as 'valid_loss'; "
                f'got {monitor!r}'
            )
        choice(f'{where}: mode', mode, (None, *MODES))
        self.where, self.by_default = where, monitor is None
        self.monitor = monitor or 'valid_loss'
        self.given_mode = mode
        self.mode = mode or mode_of(self.monitor) or 'min'
        self.min_improvement = real(f'{where}: min_improvement', min_improvement, least=0, below=1)
        self.min_delta = real(f'{where}: min_delta', min_delta, least=0)
        self.value: float | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """What it was made with, except for what it is part of."""
        return {
            'monitor': None if self.by_default else self.monitor,
            'mode': self.given_mode,
            'min_improvement': self.min_improvement,
            'min_delta': self.min_delta,
        }

    @property
    def sign(self) -> int:
        """-1 if large values are better, else 1."""
        return -1 if self.mode == 'max' else 1

    def begin(self, training: Training) -> None:
        """Choose the column and mode that the training is judged by, if none is given."""
        if self.by_default:
            self.monitor, mode = training.judged_by
            self.mode = self.given_mode = self.given_mode or mode

    def of_validation(self, training: Training) -> bool:
        """Return whether only epochs with a validation have the monitor."""
        return self.monitor in training.measured

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
            self.check_among(training.measured, [*record])
            return None
        if not isinstance(value, Real) or isinstance(value, bool):  # NaN is valid: it is not better
            raise ConfigError(f'{self.where}: {self.monitor} must be a number; it is {value!r}')
        return float(value)

    def check(self, training: Training) -> None:
        """Raise a ConfigError if the initial validation shows that there is no such column."""
        measured = training.measured
        others = [name.partition('_')[2] for name in measured]
        # A callback may add a column of any other name.
        if self.monitor.startswith('valid_') or MEASURED.sub('', self.monitor) in others:
            self.check_among(measured, [] if MEASURED.match(self.monitor) else [self.monitor])

    def check_among(self, measured: Sequence[str], others: Sequence[str] = ()) -> None:
        """Raise a ConfigError unless the monitor is a column, and it is known what is better.

        Parameters
        ----------
        measured, others : sequence of str
            The columns of validations, and all others that there are.
        """
        if self.monitor in measured:
            if self.given_mode is None and self._is_open():
                raise ConfigError(
                    f'{self.where}: are small or large values of {self.monitor!r} better? Add '
                    f"mode='min' or 'max': {self._with_mode()}"
                )
            return
        if self.monitor not in others:
            raise ConfigError(
                f'{self.where}: no monitor {self.monitor!r}; {self._instead(measured, others)}'
            )

    def _is_open(self) -> bool:
        name = MEASURED.sub('', self.monitor)
        return mode_of(self.monitor) is None and not re.search('[:<]', name)  # levels: min

    def _with_mode(self) -> str:
        if self.where.endswith('restore_best'):
            return f"restore_best=({self.monitor!r}, 'max')"
        return f"{self.where}({self.monitor!r}, mode='max')"

    def _instead(self, measured: Sequence[str], others: Sequence[str]) -> str:
        """Return what to write instead of a column that is not there."""
        columns = list(dict.fromkeys([*others, *measured]))
        start = 'valid_' if any(name.startswith('valid_') for name in measured) else 'training_'
        other = MEASURED.sub(start, ELSEWHERE.sub('valid_', self.monitor))
        if other in columns and self.monitor.startswith('valid_'):
            return (
                f'there are no validation data; write {other!r}, or hold out a share of the data, '
                f'valid=0.2'
            )
        for column in (other, f'{start}{self.monitor}'):
            if column in columns:
                return f'did you mean {column!r}?'
        name = other.removeprefix(start)
        if name in metrics:
            return f'add monitors={name!r} to the training; there are: {", ".join(columns)}'
        word = meant(other, columns)
        return f'did you mean {word!r}?' if word else f'there are: {", ".join(columns)}'

    def better(self, value: float) -> bool:
        """Return whether a value is better than the best so far, and if so, keep it."""
        improved = self.improves(value, self.value)
        self.value = value if improved else self.value
        return improved

    def improves(self, value: float, best: float | None) -> bool:
        """Return whether a value is better than another one, if there is one."""
        if best is None or math.isnan(best):
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
        was = state['monitor']
        # Earlier versions called results on the training data 'valid_...', too.
        earlier = self.monitor.startswith('training_') and was == self.monitor.replace(
            'training_', 'valid_', 1
        )
        if not (self.by_default or earlier):
            _compare('monitor', was, self.monitor)
            _compare('mode', state['mode'], self.mode)
        value = state['best']
        if not (value is None or isinstance(value, int | float)):
            raise ValueError(f'best must be a number; got {value!r}')
        self.value = value


def _compare(name: str, was: object, now: object) -> None:
    if was != now:
        raise ValueError(f'{name} was {was!r}, and is now {now!r}')
