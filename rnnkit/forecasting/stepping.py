"""Forecasts of streams: one for each new value, from the networks' states after the last one."""

import numpy as np

from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import is_real
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting.ahead import Values
from rnnkit.forecasting.fitted import Fitted

ROOM = 512  # new values before the last ones are copied to new memory


@checked_methods
class ForecastStepper:
    """Forecasts a stream of values: ``stepper(value)`` returns the forecast of those that follow.

    `Forecaster.stepper` makes one. It begins after the last value of the forecaster, which stays
    as it is.

    Parameters
    ----------
    fitted : Fitted

    Raises
    ------
    ConfigError
        If the forecaster has several series, or covariates.
    """

    def __init__(self, fitted: Fitted):
        panel, model = fitted.panel, fitted.model
        if len(panel.series) != 1:
            raise ConfigError(
                f'stepper(): it follows one series, and this forecaster has {len(panel.series)}; '
                f'call update() with the new values of all, and then forecast()'
            )
        if panel.past or panel.future:
            raise ConfigError(
                'stepper(): it takes values alone, and this forecaster has past= or future=; call '
                'update() with the new values and covariates, and then forecast()'
            )
        if model.design.decodes:
            raise ConfigError(
                "stepper(): with mode='encoder-decoder' each forecast reads the last "
                f'{model.design.reach} values again; call update() with the new values, and then '
                "forecast(), or make a Forecaster with mode='direct'"
            )
        self._fitted, self._model = fitted, model
        self._one = np.zeros(1, int)
        self._histories = fitted.histories
        _, self._states = model.after(fitted.histories, self._one, fitted.histories.end)
        self._steps = len(panel.series[0])  # read so far
        self._left = 0

    def __repr__(self) -> str:
        return f'<ForecastStepper: {self._steps:,} steps read>'

    def __call__(self, value: float) -> np.ndarray:
        """Read a value; return the forecast of those that follow, (horizon,).

        Parameters
        ----------
        value : float
            NaN where it is missing.

        Raises
        ------
        DataError
            If it is not a number, or not positive where logarithms are forecast.
        """
        number = self._read(value)
        if not self._left:
            self._make_room()
        self._left -= 1
        self._steps += 1
        histories, model = self._histories, self._model
        histories.append(np.array([number]), np.array([np.isfinite(number)]))
        said = model.step(histories, self._states)
        _, self._states = said
        horizon = self._fitted.options.horizon
        forecast = model.forecast(histories, self._one, histories.end, horizon, said=said)
        return Values(histories, horizon).of(forecast.point())[0]

    def _read(self, value: object) -> float:
        if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
            value = value.item()
        is_missing = isinstance(value, float) and np.isnan(value)
        if not is_real(value) and not is_missing:
            raise DataError(
                f'stepper(): expects the next value, a number, or NaN if it is missing; got '
                f'{brief(value)}'
            )
        if not self._histories.log[0] or is_missing:
            return float(value)  # type: ignore[arg-type]
        if value <= 0:  # type: ignore[operator]
            raise DataError(
                f'stepper(): got {brief(value)}; all values so far were positive, so that '
                f'logarithms are forecast; fit a Forecaster with log=False'
            )
        return float(np.log(value))  # type: ignore[arg-type]

    def _make_room(self) -> None:
        """Copy the values that the next features depend on, with room for further ones."""
        model, horizon = self._model, self._fitted.options.horizon
        self._histories = self._histories.tails(
            self._one, self._histories.end, model.design.memory, ROOM + horizon + 1
        )
        if model.design.calendar:
            steps = len(self._histories.calendar)
            start = self._steps - model.design.memory
            times = self._fitted.panel.series[0].times
            self._histories.calendar[:] = times.calendar(start, steps)
        self._left = ROOM
