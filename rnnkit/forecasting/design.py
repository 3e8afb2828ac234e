"""The settings of a fitted forecaster, from which inputs and targets of its networks follow."""

from dataclasses import dataclass

import numpy as np

from rnnkit.forecasting import bases
from rnnkit.forecasting.series import Series

LEAST_PROFILE, MOST_PROFILE = 8, 24  # differences of the last steps that the network reads
MOST_WINDOW = 4  # seasons that a scale is the mean of
LEAST_WINDOW = 24


@dataclass(frozen=True)
class Design:
    """The settings that all series of a fitted forecaster share.

    Attributes
    ----------
    lags : tuple of int
        The lags whose naive forecasts the network reads; each series chooses its base from them.
    season : int
        The first of them that is not 1; 1 without a season.
    horizon : int
        The steps that the network predicts at once.
    judged : int
        The steps by which bases are compared.
    profile : int
        The last steps whose differences it reads.
    window : int
        The steps that a scale is the mean of.
    scale, log, base
        As `Forecaster` takes them.
    calendar : bool
        Whether the network reads the calendar.
    moments : dict of str to (array, array)
        Mean and deviation of the covariates, by ``'known'``, ``'past'`` and ``'static'``.
    decodes : bool
        Whether a decoder goes through the steps ahead; see `rnnkit.forecasting.decoding`.
    """

    lags: tuple[int, ...]
    season: int
    horizon: int
    judged: int
    profile: int
    window: int
    scale: str | None
    log: str | bool
    base: str | None
    calendar: bool
    moments: dict[str, tuple[np.ndarray, np.ndarray]]
    decodes: bool = False

    @property
    def reach(self) -> int:
        """The steps of a training window."""
        return int(np.clip(2 * max(self.judged, self.season), 32, 128))

    @property
    def others(self) -> tuple[int, ...]:
        """The lags whose naive forecasts are compared with the base: all seasons, if there are."""
        return tuple(lag for lag in self.lags if lag > 1) or self.lags

    @property
    def levels(self) -> int:
        """The number of columns of `Histories.level`."""
        return 0 if self.season == 1 else 1 + sum(lag > 1 for lag in self.lags)

    @property
    def pad(self) -> int:
        """The steps before a series that lags of its first step need."""
        return bases.SEASONS * max(self.lags) + max(self.profile, self.season) + 1

    @property
    def memory(self) -> int:
        """The last steps of a series that the features of the next one depend on."""
        return 2 * self.pad + self.window


def decide(
    series: list[Series],
    season: int | None,
    lags: str | tuple[int, ...],
    horizon: int,
    judged: int,
    **options: object,
) -> Design:
    """Decide on the lags from the series, and on what follows from them.

    Parameters
    ----------
    series, season, lags
    horizon : int
        The steps that the network predicts at once.
    judged : int
        The steps by which lags are compared.
    **options
        The other attributes of `Design`.
    """
    season = season or 1
    if lags == 'auto':
        lags = (1,) if season == 1 else (1, season)
        if season > 1:
            y, n = aligned([filled(one.values, season) for one in series], 20 * season + 5 * judged)
            second = bases.second_season(y, n, season, judged)
            lags = lags if second is None else (*lags, second)
    profile = min(max(season, LEAST_PROFILE), MOST_PROFILE)
    window = max(MOST_WINDOW * min(season, 52), LEAST_WINDOW)
    return Design(tuple(lags), season, horizon, judged, profile, window, **options)


def aligned(values: list[np.ndarray], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the last steps of all series, aligned at their ends, (N, T), and their lengths."""
    n = np.array([len(one) for one in values])
    width = min(steps, n.max())
    y = np.zeros((len(n), width))
    for row, one in zip(y, values, strict=True):
        part = one[-width:]
        row[width - len(part) :] = part
    return y, n


def filled(values: np.ndarray, lag: int) -> np.ndarray:
    """Return values whose gaps are filled by the last value plus the change of a lag ago.

    Within the first lag, the last value stays.
    """
    if np.isfinite(values).all():
        return values
    values = values.copy()
    for t in np.flatnonzero(~np.isfinite(values)):
        values[t] = values[t - 1] + (values[t - lag] - values[t - lag - 1] if t > lag else 0)
    return values


def is_multiplicative(values: np.ndarray, lag: int) -> bool:
    """Return whether the differences of a series grow with its level, so that logarithms help.

    They do if the slope of log |difference| over log level is nearer to 1 than to 0: the power
    transform (Box and Cox 1964) that makes the spread equal at all levels is then nearer to the
    logarithm than to none.
    """
    if len(values) <= lag + 8 or not (values[np.isfinite(values)] > 0).all():
        return False
    change, level = abs(values[lag:] - values[:-lag]), (values[lag:] + values[:-lag]) / 2
    moved = change > 0  # not of a missing value
    if moved.sum() < 8:
        return False
    x, y = np.log(level[moved]), np.log(change[moved])
    x = x - x.mean()
    spread = (x**2).sum()
    return bool(spread > 0 and (x * y).sum() > 0.5 * spread)
