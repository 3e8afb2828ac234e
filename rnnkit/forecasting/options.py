"""The keywords of `Forecaster`, checked once."""

from dataclasses import asdict, dataclass, fields

from rnnkit.cells import cells
from rnnkit.common.checks import choice, flag, is_whole, optional_whole, real, verbosity, whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.forecasting.histories import SCALES
from rnnkit.forecasting.outputs import HEADS

MODES = ('direct', 'recursive', 'encoder-decoder')
BASES = ('auto', 'naive', 'seasonal')


@dataclass(frozen=True)
class Options:
    """The checked arguments of `Forecaster`, whose docstring explains each.

    Raises
    ------
    ConfigError
        If a value is not allowed.
    """

    form: str
    size: int | tuple[int, ...]
    horizon: int
    season: int | None
    mode: str
    output: str
    lags: str | tuple[int, ...]
    scale: str | None
    log: str | bool
    base: str | None
    past: tuple[str, ...]
    future: tuple[str, ...]
    static: tuple[str, ...]
    calendar: str | bool
    validation: str | None
    ensemble: int
    updates: int | None
    learning_rate: float
    batch_size: int | None
    patience: int
    warm_start: bool
    seed: int | None
    verbose: int

    def __post_init__(self):
        for name, check in CHECKS.items():
            value = check(f'Forecaster(): {name}', getattr(self, name))
            object.__setattr__(self, name, value)
        if self.season == 1:
            object.__setattr__(self, 'season', None)
        if self.base == 'seasonal' and self.season is None:
            raise ConfigError("Forecaster(): base='seasonal' needs season=, such as season=12")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the recurrent layers."""
        return self.size if isinstance(self.size, tuple) else (self.size,)

    def to_spec(self) -> dict[str, object]:
        """Return the options, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_spec(cls, spec: dict) -> 'Options':
        """Return the options of a spec."""
        return cls(**{field.name: _tupled(spec[field.name]) for field in fields(cls)})


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _form(where: str, form: object) -> str:
    if is_whole(form):
        raise ConfigError(
            f"{where} must be the name of a recurrent cell, such as 'lstm'; got {brief(form)}. For "
            f'the number of steps to forecast write horizon={brief(form)}'
        )
    return choice(where, form, list(cells))


def _size(where: str, size: object) -> int | tuple[int, ...]:
    if isinstance(size, list | tuple):
        if not size:
            raise ConfigError(f'{where} must name at least one size; got {brief(size)}')
        return tuple(whole(where, one, 1) for one in size)
    return whole(where, size, 1)


def _horizon(where: str, horizon: object) -> int:
    if horizon is None:
        raise ConfigError(f'{where} is missing: how many steps to forecast, such as horizon=12')
    return whole(where, horizon, 1)


def _lags(where: str, lags: object) -> str | tuple[int, ...]:
    if isinstance(lags, str) and lags == 'auto':
        return lags
    values = lags if isinstance(lags, list | tuple) else [lags]
    if not values or not all(is_whole(lag, 1) for lag in values) or len(set(values)) < len(values):
        raise ConfigError(
            f"{where} must be 'auto' or different whole numbers of at least 1, such as (1, 24, "
            f'168); got {brief(lags)}'
        )
    return tuple(sorted(int(lag) for lag in values))


def _names(where: str, names: object) -> tuple[object, ...]:
    if isinstance(names, str) or is_whole(names):
        names = (names,)
    if not isinstance(names, list | tuple) or len(set(names)) < len(names):
        raise ConfigError(
            f"{where} must be names of columns, such as ['price', 'holiday']; got {brief(names)}"
        )
    return tuple(names)


def _one_of(*choices: object):
    return lambda where, value: choice(where, value, choices)


def _from(least: int):
    return lambda where, value: whole(where, value, least)


def _optional(where: str, value: object) -> int | None:
    return optional_whole(where, value, 1)


def _season(where: str, value: object) -> int | None:
    if isinstance(value, list | tuple):
        raise ConfigError(
            f'{where} must be the steps of the shortest season, such as 24 for hourly values; a '
            f'longer one, such as the week, is found in the data; got {brief(value)}'
        )
    return _optional(where, value)


CHECKS = {
    'form': _form,
    'size': _size,
    'horizon': _horizon,
    'season': _season,
    'mode': _one_of(*MODES),
    'output': lambda where, value: choice(where, value, list(HEADS)),
    'lags': _lags,
    'scale': _one_of(*SCALES, None),
    'log': _one_of('auto', True, False),
    'base': _one_of(*BASES, None),
    'past': _names,
    'future': _names,
    'static': _names,
    'calendar': _one_of('auto', True, False),
    'validation': _one_of('tail', None),
    'ensemble': _from(1),
    'updates': _optional,
    'learning_rate': lambda where, value: real(where, value, above=0),
    'batch_size': _optional,
    'patience': _from(0),
    'warm_start': flag,
    'seed': lambda where, value: optional_whole(where, value, 0),
    'verbose': verbosity,
}
