"""Series side by side, as networks see them: without gaps, each with a lag and a scale."""

from dataclasses import dataclass, replace

import numpy as np

from rnnkit.forecasting.bases import offsets

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
        Values, as logarithms where `log` says so. Missing ones are filled by those of a lag ago.
    seen : array of bool of shape (M,)
        Which values are real.
    total, count : arrays of shape (M,)
        Sums of the base's errors so far, and their number.
    begin, end : arrays of int of shape (N,)
        The first step of each series, and the one after its last.
    lag : array of int of shape (N,)
        Of the base of each series.
    log : array of bool of shape (N,)
    known : array of shape (M, K)
        Inputs that are known in advance.
    calendar : array of shape (M, C)
        The place of each step in the day, the week and the year.
    past : array of shape (M, P)
    static : array of shape (N, S)
    window : int
        The steps that a scale is the mean of.
    scale : {'mean_abs', 'standard', 'robust'} or None
    has_base : bool
        Whether the base is subtracted; without it, the values themselves are predicted.
    """

    y: np.ndarray
    seen: np.ndarray
    total: np.ndarray
    count: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    lag: np.ndarray
    log: np.ndarray
    known: np.ndarray
    calendar: np.ndarray
    past: np.ndarray
    static: np.ndarray
    window: int
    scale: str | None
    has_base: bool
    room: int

    def __len__(self) -> int:
        return len(self.begin)

    @property
    def first(self) -> np.ndarray:
        """The first step of each series at which there is a scale, (N,)."""
        lag = np.minimum(self.lag, self.end - self.begin - 1)
        return np.minimum(self.begin + lag + np.minimum(lag, 8), self.end - 1)

    def base(self, at: np.ndarray, series: np.ndarray, steps: int) -> np.ndarray:
        """Return the naive forecasts of the steps after `at`, (..., steps)."""
        if not self.has_base:
            return np.zeros((*at.shape, steps))
        return self.repeated(at, self.lag[series], steps)

    def repeated(self, at: np.ndarray, lag: np.ndarray, steps: int) -> np.ndarray:
        """Return the values of a lag ago for the steps after `at`, (..., steps)."""
        return self.y[at[..., None] + offsets(lag, steps)]

    def gap(self, at: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Return the differences that the scale measures: to a lag ago, or to 0."""
        return self.y[at] - self.y[at - self.lag[series]] if self.has_base else self.y[at]

    def scale_at(self, at: np.ndarray, series: np.ndarray) -> np.ndarray:
        """Return the scale after each step, of the shape of `at`; 0 where nothing has changed."""
        if self.scale is None:
            return np.ones(at.shape)
        back = at[..., None] - np.arange(self.window)  # (..., window)
        start = self.begin[series] + (self.lag[series] if self.has_base else 0)
        real = back >= start[..., None]
        back = np.maximum(back, start[..., None])
        back = np.minimum(back, at[..., None])
        size = abs(self.gap(back, np.asarray(series)[..., None])) * real
        n = np.maximum(real.sum(axis=-1), 1)
        if self.scale == 'mean_abs':
            recent = size.sum(axis=-1) / n
        elif self.scale == 'standard':
            recent = np.sqrt((size**2).sum(axis=-1) / n)
        else:
            recent = 1.4826 * _median(size, real)
        return np.maximum(recent, FLOOR * self.total[at] / np.maximum(self.count[at], 1))

    def append(self, values: np.ndarray, seen: np.ndarray) -> None:
        """Write one further value of each series, (N,), as in `y`; NaN is filled."""
        at, series = self.end, np.arange(len(self))
        values = np.where(np.isfinite(values), values, self.y[at - self.lag])
        self.y[at], self.seen[at] = values, seen
        enough = at >= self.begin + (self.lag if self.has_base else 0)
        self.total[at] = self.total[at - 1] + abs(self.gap(at, series)) * enough
        self.count[at] = self.count[at - 1] + enough
        self.end = at + 1

    def tails(self, chosen: np.ndarray, stop: np.ndarray, steps: int, room: int) -> 'Histories':
        """Return copies of the last steps of some series, with room for what follows.

        Parameters
        ----------
        chosen : array of int of shape (n,)
            May contain a series several times.
        stop : array of int of shape (n,)
            The step of each after the last one.
        steps, room : int
            As many steps as lags and scales need; those that follow.
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
            lag=self.lag[chosen],
            log=self.log[chosen],
            static=self.static[chosen],
            room=room,
        )


STEPWISE = ('y', 'seen', 'total', 'count', 'known', 'calendar', 'past')


def _median(size: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return the medians along the last axis of what is real; 0 where nothing is."""
    ordered = np.sort(np.where(real, size, np.inf), axis=-1)
    n = real.sum(axis=-1)
    low = np.take_along_axis(ordered, np.maximum(n - 1, 0)[..., None] // 2, -1)[..., 0]
    high = np.take_along_axis(ordered, np.minimum(n // 2, size.shape[-1] - 1)[..., None], -1)[
        ..., 0
    ]
    return np.where(n > 0, (low + high) / 2, 0)
