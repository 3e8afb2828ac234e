"""Batches of windows, whose steps share most of what they read, at a fraction of the cost.

A feature of one step is a feature of the next one, too, one column further and in other units. So
the differences of a window are computed once, as a strip; the features of its steps are slices of
the strip that overlap, times 1 / scale.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rnnkit.forecasting import features
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories

MOST_REPEATS = 4  # of a season within the horizon; a piece for each


@dataclass
class Piece:
    """Some steps of the horizon, in which no naive forecast begins to repeat its season again.

    Attributes
    ----------
    first : int
        The first of them, from 0.
    y, mean, own : arrays of shape (M - n + 1, n)
        All rows of n consecutive values of `Histories`, where n = T + w - 1, and w is the number of
        steps of the piece.
    strips : array of shape (B, K + 1, n)
        By how much K forecasts exceed the base, and the values themselves.
    gaps, errors : arrays of shapes (T, B, K, w) and (T, B, w)
        The strips as each step sees them: views.
    to : tuple of arrays of these shapes
        Where they are written in units of the scale.
    """

    first: int
    y: np.ndarray
    mean: np.ndarray
    own: np.ndarray
    strips: np.ndarray
    gaps: np.ndarray
    errors: np.ndarray
    to: tuple[np.ndarray, np.ndarray]


class Strips:
    """Makes the same batches as `features.both`, to the bit, in the same arrays each time.

    Parameters
    ----------
    design, histories
    steps : int
        The length of a window.
    size : int
        Windows in a batch.

    Notes
    -----
    Windows that go beyond the end of their series, or whose base repeats a few values again and
    again, are read by `features.both`.
    """

    def __init__(self, design: Design, histories: Histories, steps: int, size: int):
        self.design, self.histories, self.steps = design, histories, steps
        horizon = design.horizon
        self.x = np.empty((steps, size, features.count(design, histories)), 'float32')
        self.y, self.weights = np.empty((2, steps, size, horizon), 'float32')
        # Of each window, the differences that are features of single steps, backwards.
        self.changes = np.empty((size, steps + design.profile - 1))
        self.profile = overlapping(self.changes, steps)[::-1]
        self.counts = np.empty((size, steps + horizon - 1), bool)
        self.usable = overlapping(self.counts, steps)
        self.now = sliding_window_view(histories.y, steps)
        self.recent = sliding_window_view(histories.y, self.changes.shape[1])
        self.seen = sliding_window_view(histories.seen, self.counts.shape[1])
        lags = [lag for lag in np.unique(histories.lag).tolist() if _is_long(lag, horizon)]
        self.is_long = np.isin(histories.lag, lags)  # (N,)
        cuts = pieces([*design.others, *lags], horizon)
        self.pieces = [self._piece(first, last) for first, last in cuts]
        marks = [np.zeros((len(histories), 0))]
        if len(design.lags) > 1:
            marks.append(histories.lag[:, None] == np.array(design.lags))
        if histories.has_base:
            marks.append(histories.choices.seasons[:, None] > 1)
        self.marks = np.concatenate(marks, axis=1)

    @classmethod
    def of(cls, design: Design, histories: Histories, steps: int, size: int) -> 'Strips | None':
        """Return strips, or None if they could not read most windows."""
        if not all(_is_long(lag, design.horizon) for lag in design.others):
            return None
        strips = cls(design, histories, steps, size)
        able = strips.is_long & (histories.end - histories.first >= steps)
        return strips if able.mean() > 0.5 else None

    def __call__(self, start: np.ndarray, series: np.ndarray, stop: np.ndarray) -> list[np.ndarray]:
        """Return features, targets and weights of windows, which the next call overwrites.

        Parameters
        ----------
        start, series, stop : arrays of int of shape (B,)
            The first step of each window, its series, and the step where its values end.
        """
        histories, end = self.histories, self.histories.end[series]
        at = np.minimum(start + np.arange(self.steps)[:, None], end - 1)  # (T, B)
        unit = features.inverse(histories.unit[at])
        last = len(self.seen) - 2
        first = np.minimum(start, last)
        self._write_differences(first, series, unit[..., None])
        self._write_columns(at, first, series, unit)
        np.clip(self.x, -features.LIMIT, features.LIMIT, out=self.x)
        self._weigh(first, stop, unit)
        batch = [self.x, self.y, self.weights]
        others = (start + self.steps > end) | (start > last) | ~self.is_long[series]
        if others.any():
            args = at[:, others], series[others], stop[others]
            found = features.both(self.design, histories, *args)
            for array, part in zip(batch, found, strict=True):
                array[:, others] = part
        return batch

    def _piece(self, first: int, last: int) -> Piece:
        """Return the piece of the steps from `first` to `last`."""
        design, (steps, size, _) = self.design, self.x.shape
        compared = len(design.others) + (design.season > 1)
        width = steps + last - first - 1
        strips = np.empty((size, compared + 1, width))
        views = overlapping(strips, steps)
        k = len(design.lags) + design.profile + design.levels
        gaps = self.x[..., k : k + compared * design.horizon]
        gaps = gaps.reshape(steps, size, compared, design.horizon)
        rows = (
            sliding_window_view(of, width)
            for of in (self.histories.y, self.histories.mean, self.histories.own)
        )
        to = gaps[..., first:last], self.y[..., first:last]
        return Piece(first, *rows, strips, views[:, :, :-1], views[:, :, -1], to)

    def _write_differences(self, start: np.ndarray, series: np.ndarray, unit: np.ndarray) -> None:
        """Write the features that are differences of many columns, and the targets."""
        design, lag = self.design, self.histories.lag[series]
        before = start - design.profile + 1
        np.subtract(self.recent[before], self.recent[before - lag], out=self.changes[:, ::-1])
        k = len(design.lags)
        _multiply(self.profile, unit, self.x[..., k : k + design.profile])
        for piece in self.pieces:
            j, strips = piece.first, piece.strips
            ahead = start + 1 + j
            ago = start + 1 + j % lag - lag
            base = piece.own[ago] if self.histories.has_base else 0.0
            for k, other in enumerate(design.others):
                np.subtract(piece.y[start + 1 + j % other - other], base, out=strips[:, k])
            if design.season > 1:
                np.subtract(piece.mean[ago], base, out=strips[:, -2])
            np.subtract(piece.y[ahead], base, out=strips[:, -1])
            _multiply(piece.gaps, unit[..., None], piece.to[0])
            _multiply(piece.errors, unit, piece.to[1])

    def _write_columns(
        self, at: np.ndarray, start: np.ndarray, series: np.ndarray, unit: np.ndarray
    ) -> None:
        """Write the features of few columns."""
        design, histories, x, now = self.design, self.histories, self.x, self.now[start]
        for k, lag in enumerate(design.lags):
            _multiply((now - self.now[start - lag]).T, unit, x[..., k])
        k = len(design.lags) + design.profile
        if design.levels:
            levels = features.levels(histories, at, unit)
            _multiply(levels, unit[..., None], x[..., k : k + design.levels])
        k += design.levels + self.pieces[0].gaps.shape[2] * design.horizon
        if not histories.has_base:
            _multiply(now.T, unit, x[..., k])
            k += 1
        x[..., k] = ~histories.seen[at]
        k += 1
        for part in (self.marks[series], *features.covariates(design, histories, at, series)):
            x[..., k : k + part.shape[-1]] = part
            k += part.shape[-1]

    def _weigh(self, start: np.ndarray, stop: np.ndarray, unit: np.ndarray) -> None:
        """Write the weights, and 0 for targets that do not count."""
        ahead = start[:, None] + 1 + np.arange(self.counts.shape[1])
        np.logical_and(self.seen[start + 1], ahead < stop[:, None], out=self.counts)
        if self.counts.all() and unit.all():
            self.weights.fill(1)
            return
        usable = self.usable & (unit > 0)[..., None]
        self.weights[...] = usable
        np.copyto(self.y, 0, where=~usable)


def overlapping(strips: np.ndarray, steps: int) -> np.ndarray:
    """Return the slices of strips (B, ..., T + w - 1) as a view (T, B, ..., w)."""
    return np.moveaxis(sliding_window_view(strips, strips.shape[-1] - steps + 1, axis=-1), -2, 0)


def pieces(lags: Iterable[int], horizon: int) -> list[tuple[int, int]]:
    """Return first and last of the parts of a horizon that multiples of lags cut it into."""
    cuts = sorted({0, horizon, *(k for lag in lags for k in range(lag, horizon, lag))})
    return list(pairwise(cuts))


def _is_long(lag: int, horizon: int) -> bool:
    return horizon <= MOST_REPEATS * lag


def _multiply(differences: np.ndarray, unit: np.ndarray, to: np.ndarray) -> None:
    """Write products in float64, rounded to float32."""
    np.multiply(differences, unit, out=to, casting='same_kind')
