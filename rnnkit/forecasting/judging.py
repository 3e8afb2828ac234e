"""Forecasts of held-out values, from which the share of corrections and intervals follow."""

from dataclasses import dataclass, replace

import numpy as np

from rnnkit.forecasting import features, windows
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.intervals import Calibration
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import Distribution, Points
from rnnkit.forecasting.running import Model

LEAST = 20  # held-out values that intervals are learned from
PRICE = 0.02  # of a forecast of a single held-out horizon, as a share of the base's error


@dataclass(frozen=True)
class Judged:
    """Forecasts of held-out values, and the values themselves.

    Attributes
    ----------
    forecasts : Distribution
        Of shape (n, horizon), in scales; those of a series in the order of time.
    targets, weights : arrays of shape (n, horizon)
    groups : array of int of shape (n,)
        The series of each.
    held_out : int
        The number of different values among the targets.
    """

    forecasts: Distribution
    targets: np.ndarray
    weights: np.ndarray
    groups: np.ndarray
    held_out: int = 0

    def shrink(self) -> float:
        """Return the factor of the forecasts with the least mean absolute error, from 0 to 1.

        They are corrections of the base. The fewer there are, the more they must improve on it.
        """
        shares = np.linspace(0, 1, 21)
        number = self.forecasts.point()
        errors = np.array([(abs(self.targets - a * number) * self.weights).sum() for a in shares])
        apart = self.independent
        return float(shares[np.argmin(errors + PRICE * shares * errors[0] / np.sqrt(apart))])

    @property
    def independent(self) -> float:
        """The number of forecasts whose steps do not overlap."""
        return max(1, self.held_out) / self.targets.shape[1]

    @property
    def is_enough(self) -> bool:
        """Whether there are enough values to tell how wide intervals must be."""
        return bool(self.weights.sum() >= LEAST)

    def calibration(self, shrink: float) -> Calibration:
        """Return the calibration for forecasts that are shrunk."""
        forecasts = self.forecasts.moved((shrink - 1) * self.forecasts.point())
        weights = self.weights
        if not weights.any():  # all series are constant
            weights = np.ones_like(weights)
        return Calibration.fit(forecasts, self.targets, weights, self.groups, self.independent)


def on_tails(model: Model, histories: Histories, tail: np.ndarray, options: Options) -> Judged:
    """Return the forecasts from steps of the tails."""
    horizon, rng = options.horizon, np.random.default_rng(options.seed)
    parts = []
    for series, left in windows.judged(tail, horizon):
        stop = histories.end[series] - left
        forecast = model.forecast(histories, series, stop, horizon, rng)
        parts.append(_compared(forecast, histories, series, stop, horizon))
    return replace(joined(parts), held_out=int(tail.sum()))


def of_bases(histories: Histories, options: Options) -> Judged:
    """Return the forecasts of the bases alone, from all steps of each series."""
    parts = []
    for k in range(len(histories)):
        stop = np.arange(histories.begin[k] + 1, histories.end[k])
        series = np.full(len(stop), k)
        nothing = Points(np.zeros((len(stop), options.horizon)))
        parts.append(_compared(nothing, histories, series, stop, options.horizon))
    return replace(joined(parts), held_out=int((histories.end - histories.begin).sum()))


def _compared(
    forecast: Distribution,
    histories: Histories,
    series: np.ndarray,
    stop: np.ndarray,
    horizon: int,
) -> Judged:
    error, weight = features.targets(histories, stop - 1, series, histories.end[series], horizon)
    return Judged(forecast, error, weight, series)


def joined(parts: list[Judged]) -> Judged:
    """Return the forecasts of several parts as those of one."""
    forecasts = [one.forecasts for one in parts]
    every = zip(*(one.parts for one in forecasts), strict=True)
    return Judged(
        forecasts[0].again([np.concatenate(part) for part in every]),
        *(np.concatenate([getattr(one, name) for one in parts]) for name in NAMES),
        held_out=sum(one.held_out for one in parts),
    )


NAMES = ('targets', 'weights', 'groups')
