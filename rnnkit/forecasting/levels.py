"""The intervals, quantiles and samples that are asked of a forecast."""

from dataclasses import dataclass

from rnnkit.common.checks import is_real, whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

USUAL = (80, 95)  # %


@dataclass(frozen=True)
class Wanted:
    """The intervals, quantiles and samples that a forecast has besides its mean.

    Attributes
    ----------
    levels : tuple of float
        Probabilities of intervals, in %, ascending.
    quantiles : tuple of float
        Between 0 and 1, ascending.
    samples : int
    """

    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()
    samples: int = 0

    @property
    def simple(self) -> bool:
        """Whether only the mean is asked for."""
        return not (self.levels or self.quantiles or self.samples)


def of_bands(where: str, level: object, has_intervals: bool) -> Wanted:
    """Return the levels of intervals, of which ``'auto'`` are `USUAL`, if there are intervals."""
    if isinstance(level, str) and level == 'auto':
        return Wanted(USUAL if has_intervals else ())
    return read(where, level, None, None)


def read(where: str, level: object, quantiles: object, samples: object) -> Wanted:
    """Read the arguments of `forecast`.

    Raises
    ------
    ConfigError
        If a level is not a percentage, or a quantile not between 0 and 1.
    """
    levels = _numbers(f'{where}: level', level, 100, 'percentages such as (80, 95)')
    if levels and max(levels) <= 1:
        raise ConfigError(
            f'{where}: level is in %, such as 80; got {brief(level)}; for the quantile 0.8 write '
            f'quantiles=0.8'
        )
    chosen = _numbers(f'{where}: quantiles', quantiles, 1, 'between 0 and 1, such as (0.1, 0.9)')
    n = 0 if samples is None else whole(f'{where}: samples', samples, 1)
    return Wanted(levels, chosen, n)


def _numbers(where: str, given: object, below: float, expected: str) -> tuple[float, ...]:
    if given is None:
        return ()
    if hasattr(given, 'tolist'):
        given = given.tolist()
    values = given if isinstance(given, list | tuple) else [given]
    if not values or not all(is_real(v) and 0 < v < below for v in values):
        raise ConfigError(f'{where} must be {expected}; got {brief(given)}')
    return tuple(sorted(set(values)))
