"""Forecasts in the user's units, from the outputs of networks."""

from dataclasses import replace

import numpy as np

from rnnkit.forecasting.answers import Forecast
from rnnkit.forecasting.fitted import Fitted
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.levels import Wanted
from rnnkit.forecasting.outputs import Distribution
from rnnkit.forecasting.series import Panel


def forecast(
    fitted: Fitted, panel: Panel, inputs: list[np.ndarray], horizon: int, wanted: Wanted
) -> list[Forecast]:
    """Return the forecast of each series.

    Parameters
    ----------
    fitted : Fitted
    panel : Panel
        Its own series, or others.
    inputs : list of arrays of shape (horizon, K)
        The known inputs of the future of each series.
    horizon : int
    wanted : Wanted
    """
    own = panel is fitted.panel
    histories = fitted.histories
    if not own or histories.room <= horizon:
        histories = fitted.build(panel, horizon + 1)
    histories = _with(histories, inputs, horizon)
    series = np.arange(len(histories))
    rng = np.random.default_rng(fitted.options.seed)
    found = fitted.model.forecast(histories, series, histories.end, horizon, rng)
    groups = series if own else np.full(len(series), -1)
    values = Values(histories, horizon)
    if wanted.simple:
        means, quantiles, paths = values.of(found.point()), {}, None
    else:
        calibrated = (
            found if fitted.calibration is None else fitted.calibration.apply(found, groups)
        )
        means = values.of(calibrated.point())
        quantiles = {
            q: _around(values.of(calibrated.quantile(q)), means, q) for q in _quantiles(wanted)
        }
        paths = _paths(fitted, rng, found, groups, wanted.samples, values)
    return [
        Forecast(
            mean=means[k],
            lower={level: quantiles[low(level)][k] for level in wanted.levels},
            upper={level: quantiles[high(level)][k] for level in wanted.levels},
            quantiles={q: quantiles[q][k] for q in wanted.quantiles},
            samples=None if paths is None else paths[:, k],
            times=None if one.times is None else one.times.ahead(horizon),
            id=one.id,
        )
        for k, one in enumerate(panel.series)
    ]


class Values:
    """Conversion from scales of the last steps to the units of the series.

    Parameters
    ----------
    histories : Histories
    horizon : int
    """

    def __init__(self, histories: Histories, horizon: int):
        at, series = histories.end - 1, np.arange(len(histories))
        self.base = histories.base(at, series, horizon)  # (N, horizon)
        self.scale = histories.unit[at][:, None]
        self.log = histories.log[:, None]

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Return numbers (..., N, horizon) in the units of the series."""
        values = self.base + self.scale * numbers
        return np.where(self.log, np.exp(np.where(self.log, values, 0)), values)


def _around(values: np.ndarray, means: np.ndarray, q: float) -> np.ndarray:
    """Return quantiles that are on their side of the point forecast."""
    if q == 0.5:
        return values
    return np.minimum(values, means) if q < 0.5 else np.maximum(values, means)


def low(level: float) -> float:
    """Return the quantile where an interval begins."""
    return round(0.5 - level / 200, 10)


def high(level: float) -> float:
    """Return the quantile where an interval ends."""
    return round(0.5 + level / 200, 10)


def _quantiles(wanted: Wanted) -> list[float]:
    ends = [end(level) for level in wanted.levels for end in (low, high)]
    return [*wanted.quantiles, *ends]


def _paths(
    fitted: Fitted,
    rng: np.random.Generator,
    found: Distribution,
    groups: np.ndarray,
    n: int,
    values: Values,
) -> np.ndarray | None:
    if not n:
        return None
    if fitted.calibration is None:
        return values.of(found.draw(rng, n))
    return values.of(fitted.calibration.paths(rng, n, found, groups))


def _with(histories: Histories, inputs: list[np.ndarray], horizon: int) -> Histories:
    """Return histories with the known inputs of the steps that follow."""
    if not histories.known.shape[1]:
        return histories
    known = histories.known.copy()
    for end, values in zip(histories.end, inputs, strict=True):
        known[end : end + horizon] = values
    return replace(histories, known=known)
