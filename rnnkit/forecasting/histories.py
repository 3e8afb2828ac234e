"""Series side by side, as networks see them: without gaps, each with a lag and a scale."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnkit.forecasting.bases import SEASONS, Choices

FLOOR = 0.1  # the least scale, as a fraction of the mean over the whole past
SCALES = ('mean_abs', 'standard', 'robust')


@dataclass
class Histories:
    """Time series end to end, with room before and after each.

    The room before a series repeats its first season, so that every lag of every step exists; the
    differences there are 0. The room after it is for the steps that follow.

    Attributes
    ----------
    y : array of shape (M,)
        Values, as logarithms where `log` says so. Missing ones are filled by the last value plus
        the change of a lag ago.
    seen : array of bool of shape (M,)
        Which values are real.
    mean, own : arrays of shape (M,)
        The mean of the value and those of one, two and three lags before; and the values that the
        base repeats, which are these means or the values themselves.
    gap : array of shape (M,)
        Absolute errors of the base one step ahead; without a base, absolute values.
    total, count : arrays of shape (M,)
        Sums of these so far, and their number.
    unit : array of shape (M,)
        The scale after each step; 0 where nothing has changed.
    level : array of shape (M, L)
        Mean differences over the last season at each lag above 1, and the mean absolute deviation
        of the season's values.
    begin, end : arrays of int of shape (N,)
        The first step of each series, and the one after its last.
    choices : Choices
        The base of each series, and whether it has logarithms.
    known : array of shape (M, K)
        Inputs that are known in advance.
    calendar : array of shape (M, C)
        The place of each step in the day, the week and the year.
    past : array of shape (M, P)
    static : array of shape (N, S)
    lags : tuple of int
    season : int
    window : int
        The steps that a scale is the mean of.
    scale : {'mean_abs', 'standard', 'robust'} or None
    has_base : bool
        Whether the base is subtracted; without it, the values themselves are predicted.
    room : int
        The steps after each series.
    """

    y: np.ndarray
    seen: np.ndarray
    mean: np.ndarray
    own: np.ndarray
    gap: np.ndarray
    total: np.ndarray
    count: np.ndarray
    unit: np.ndarray
    level: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    choices: Choices
    known: np.ndarray
    calendar: np.ndarray
    past: np.ndarray
    static: np.ndarray
    lags: tuple[int, ...]
    season: int
    window: int
    scale: str | None
    has_base: bool
    room: int

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def lag(self) -> np.ndarray:
        """The lag of the base of each series, (N,)."""
        return self.choices.lag

    @property
    def log(self) -> np.ndarray:
        """Whether the values of each series are logarithms, (N,)."""
        return self.choices.log

    @property
    def start(self) -> np.ndarray:
        """The first step of each series that a base comes before, (N,)."""
        return self.begin + (self.lag if self.has_base else 0)

    @property
    def first(self) -> np.ndarray:
        """The first step of each series at which there is a scale, (N,)."""
        lag = np.minimum(self.lag, self.end - self.begin - 1)
        return np.minimum(self.begin + lag + np.minimum(lag, 8), self.end - 1)

    @property
    def informative(self) -> np.ndarray:
        """The first step of each series from `first` on after which the scale is not 0, (N,)."""
        return np.array(
            [
                first + int(np.argmax(np.append(self.unit[first:end] > 0, True)))
                for first, end in zip(self.first, self.end, strict=True)
            ]
        )

    def base(self, at: np.ndarray, series: np.ndarray, steps: int) -> np.ndarray:
        """Return the naive forecasts of the steps after `at`, (..., steps)."""
        return self.bases(at, series, steps)[0]

    def bases(
        self, at: np.ndarray, series: np.ndarray, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the naive forecasts of the steps after `at`, and the means of some seasons.

        Parameters
        ----------
        at : array of int of shape (...) or (T, n)
        series : array of int of shape (n,)
            The series of the last axis of `at`.
        steps : int

        Returns
        -------
        base, usual : arrays of shape (..., steps)
            One of them is the other where the base is a mean of seasons.
        """
        lags = self.choices.lag[series]
        base, usual = np.zeros((2, *at.shape, steps))
        for lag in np.unique(lags):
            mine = lags == lag
            some = at[..., mine]
            usual[..., mine, :] = self.repeated(some, lag, steps, self.mean)
            if self.has_base:
                base[..., mine, :] = self.repeated(some, lag, steps, self.own)
        return base, usual

    def repeated(self, at: np.ndarray, lag: int, steps: int, of: np.ndarray) -> np.ndarray:
        """Return the values of a lag ago for the steps after `at`, (..., steps).

        Of columns (M, K), the values are of shape (..., K, steps).
        """
        width = min(lag, steps)
        # Rows that are read whole are much faster than single values.
        values = sliding_window_view(of, width, axis=0)[at + 1 - lag]
        return values if width == steps else values[..., np.arange(steps) % lag]

    def inputs_of_base(self, at: np.ndarray, series: np.ndarray, steps: int) -> np.ndarray:
        """Return the known inputs of the steps that the base repeats, (..., K, steps).

        Where it is the mean of several seasons, they are means, too; without a base they are 0.
        """
        found = np.zeros((*at.shape, self.known.shape[1], steps))
        lags, seasons = self.choices.lag[series], self.choices.seasons[series]
        for lag in np.unique(lags) if self.has_base else ():
            mine = lags == lag
            some = at[..., mine]
            each = [self.repeated(some - j * lag, lag, steps, self.known) for j in range(SEASONS)]
            mean = sum(each[1:], each[0]) / SEASONS
            found[..., mine, :, :] = np.where((seasons[mine] > 1)[:, None, None], mean, each[0])
        return found

    def errors_of_base(self, at: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Return the absolute errors of the base one step ahead; without a base, of 0."""
        return abs(self.y[at] - self.base(at - 1, series, 1)[..., 0])

    def repeat(self, at: np.ndarray, series: np.ndarray) -> None:
        """Write `mean` and `own` at some steps, whose values are there."""
        lag = self.choices.lag[series]
        mean = sum((self.y[at - j * lag] for j in range(1, SEASONS)), self.y[at]) / SEASONS
        self.mean[at] = mean
        self.own[at] = np.where(self.choices.seasons[series] > 1, mean, self.y[at])

    def measure(self, at: np.ndarray, series: np.ndarray) -> None:
        """Write the scales after some steps, and the levels, given all up to them."""
        self.unit[at] = self._scale(at, series)
        self.level[at] = self._levels(at)

    def _scale(self, at: np.ndarray, series: np.ndarray) -> np.ndarray:
        if self.scale is None:
            return np.ones(at.shape)
        back = at[..., None] - np.arange(self.window)  # (..., window)
        real = back >= self.start[series][..., None]
        size = self.gap[np.where(real, back, at[..., None])] * real
        n = np.maximum(real.sum(axis=-1), 1)
        if self.scale == 'mean_abs':
            recent = size.sum(axis=-1) / n
        elif self.scale == 'standard':
            recent = np.sqrt((size**2).sum(axis=-1) / n)
        else:
            recent = 1.4826 * _median(size, real)
        return np.maximum(recent, FLOOR * self.total[at] / np.maximum(self.count[at], 1))

    def _levels(self, at: np.ndarray) -> np.ndarray:
        """Return mean differences over the last season, and how large the season itself is."""
        if self.level.shape[1] == 0:
            return np.zeros((*at.shape, 0))
        season = at[..., None] - np.arange(self.season)
        values = self.y[season]  # (..., season)
        parts = [(values - self.y[season - lag]).mean(axis=-1) for lag in self.lags if lag > 1]
        swing = abs(values - values.mean(axis=-1, keepdims=True)).mean(axis=-1)
        return np.stack([*parts, swing], axis=-1)

    def relative_unit(self, at: np.ndarray) -> np.ndarray:
        """Return 1 / scale, in units of the mean scale so far, of the shape of `at`."""
        if self.scale is None:
            return np.ones(at.shape)
        unit, mean = self.unit[at], self.total[at] / np.maximum(self.count[at], 1)
        return mean / np.where(unit > 0, unit, 1)

    def append(self, values: np.ndarray, seen: np.ndarray) -> None:
        """Write one further value of each series, (N,), as in `y`; NaN is filled."""
        at, series = self.end, np.arange(len(self))
        moved = self.y[at - 1] + self.y[at - self.lag] - self.y[at - self.lag - 1]
        values = np.where(np.isfinite(values), values, moved)
        self.y[at], self.seen[at] = values, seen
        self.repeat(at, series)
        self.gap[at] = self.errors_of_base(at, series)
        enough = at >= self.start
        self.total[at] = self.total[at - 1] + self.gap[at] * enough
        self.count[at] = self.count[at - 1] + enough
        self.measure(at, series)
        self.end = at + 1

    def tails(self, chosen: np.ndarray, stop: np.ndarray, steps: int, room: int) -> 'Histories':
        """Return copies of the last steps of some series, with room for further ones.

        Parameters
        ----------
        chosen : array of int of shape (n,)
            May contain a series several times.
        stop : array of int of shape (n,)
            The step of each after the last one.
        steps : int
            The steps to copy, as many as lags and scales need.
        room : int
            The steps after them.
        """
        width = steps + room
        rows = stop[:, None] - steps + np.arange(width)  # (n, width)
        inside = np.clip(rows, 0, len(self.y) - 1)
        flat = inside.ravel()
        end = np.arange(len(chosen)) * width + steps
        return replace(
            self,
            **{name: getattr(self, name)[flat] for name in STEPWISE},
            begin=end - np.minimum(stop - self.begin[chosen], steps),
            end=end,
            choices=self.choices.of(chosen),
            static=self.static[chosen],
            room=room,
        )


STEPWISE = (
    'y',
    'seen',
    'mean',
    'own',
    'gap',
    'total',
    'count',
    'unit',
    'level',
    'known',
    'calendar',
    'past',
)


def _median(size: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return the medians along the last axis of what is real; 0 where nothing is."""
    ordered = np.sort(np.where(real, size, np.inf), axis=-1)
    n = real.sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0)[..., None] // 2, -1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(n // 2, size.shape[-1] - 1)[..., None], -1)[
        ..., 0
    ]
    return np.where(n > 0, (low + high) / 2, 0)
