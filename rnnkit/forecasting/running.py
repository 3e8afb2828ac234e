"""Networks run over whole series, and on into the future."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnkit.common import progress
from rnnkit.forecasting import decoding, features
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.outputs import Distribution, Grid, Head, Points
from rnnkit.models.regressor import Regressor
from rnnkit.models.sharing import workers

MOST_NUMBERS = 8_000_000  # of features and outputs at a time
PATHS = 200  # that are drawn of each series
LEVELS = tuple((k + 0.5) / 40 for k in range(40))

State = dict[str, list[np.ndarray]]
Said = tuple[Distribution, list[State]]  # of all series; one state of each network


@dataclass(frozen=True)
class Model:
    """Trained networks, with the meaning of their inputs and outputs.

    Attributes
    ----------
    networks : list of Regressor
        Of the same architecture; their forecasts are averaged.
    design : Design
    head : Head
    shrink : float
        The share of the networks' correction of the base that helped on held-out data.
    """

    networks: list[Regressor]
    design: Design
    head: Head
    shrink: float = 1.0

    def read(self, outputs: list[np.ndarray]) -> Distribution:
        """Return the forecasts, given the outputs (..., O) of each network."""
        return self.head.blend([self.head.read(one) for one in outputs])

    def forecast(
        self,
        histories: Histories,
        series: np.ndarray,
        stop: np.ndarray,
        horizon: int,
        rng: np.random.Generator | None = None,
        said: Said | None = None,
    ) -> Distribution:
        """Return the forecasts of the steps after some steps of some series.

        Parameters
        ----------
        histories : Histories
            With room for `horizon` steps.
        series : array of int of shape (n,)
        stop : array of int of shape (n,)
            The step of each after the last one that is read.
        horizon : int
        rng : numpy.random.Generator, optional
            For outputs with a distribution that are forecast step by step: paths are drawn.
        said : (Distribution, list of dict), optional
            The outputs of the networks after these steps and their states, where `after` or `step`
            has returned them.

        Returns
        -------
        forecast : Distribution
            Of shape (n, horizon), in scales of the last step that is read.
        """
        said = self.after(histories, series, stop) if said is None else said
        if horizon > self.design.horizon:
            found = self._step_by_step(said, histories, series, stop, horizon, rng)
        else:
            found = said[0].map(lambda part: part[..., :horizon])
        return found if self.shrink == 1 else found.moved((self.shrink - 1) * found.point())

    def _step_by_step(
        self,
        said: Said,
        histories: Histories,
        series: np.ndarray,
        stop: np.ndarray,
        horizon: int,
        rng: np.random.Generator | None,
    ) -> Distribution:
        """Return the forecast of more steps than the network predicts at once."""
        rng = rng if self.head.has_quantiles else None
        copies = 1 if rng is None else PATHS
        chosen = np.tile(np.arange(len(series)), copies)
        tails = histories.tails(series[chosen], stop[chosen], self.design.memory, horizon + 1)
        first, states = said
        first = first.map(lambda part: part[chosen])
        states = [select(one, chosen) for one in states]
        values = self.onward(tails, first, states, horizon, rng)
        base = histories.base(stop - 1, series, horizon)
        unit = features.inverse(histories.unit[stop - 1])[:, None]
        paths = (values.reshape(copies, len(series), horizon) - base) * unit
        if rng is None:
            return Points(paths[0])
        return Grid(LEVELS, *np.quantile(paths, LEVELS, axis=0), centre=np.median(paths, axis=0))

    def after(self, histories: Histories, series: np.ndarray, stop: np.ndarray) -> Said:
        """Return the forecasts of the networks after some steps of some series, and their states.

        Returns
        -------
        forecast : Distribution
            Of shape (n, design.horizon).
        states : list of dict
            One of each network, of all series.
        """
        found = []
        for net in self.networks:
            with workers.working_for(net) as worker, progress.shown(False):
                found.append(self._run(worker, histories, series, stop))
        return self.read([out for out, _ in found]), [state for _, state in found]

    def _run(
        self, net: Regressor, histories: Histories, series: np.ndarray, stop: np.ndarray
    ) -> tuple[np.ndarray, State]:
        if self.design.decodes:
            return decoding.run(net, self.design, histories, series, stop), {}
        start = np.minimum(histories.first[series], stop - 1)
        outputs = np.zeros((len(series), net.layers[-1].size))
        states: State = {}
        width = net.layers[0].size + net.layers[-1].size
        for rows in _alike(stop - start, width):
            at = np.arange((stop - start)[rows[0]])[:, None] + start[rows]  # (T, B)
            x = features.read(self.design, histories, at, series[rows])
            out, state = net.predict(x, return_state=True)
            outputs[rows] = out[-1]
            for name, parts in state.items():
                if name not in states:
                    states[name] = [np.zeros((len(series), *p.shape[1:]), p.dtype) for p in parts]
                for whole, part in zip(states[name], parts, strict=True):
                    whole[rows] = part
        return outputs, states

    def step(self, histories: Histories, states: list[State]) -> Said:
        """Return the forecasts after the last step of each series, given the states before it."""
        x = features.read(self.design, histories, histories.end - 1, np.arange(len(histories)))
        pairs = [net.step(x, state) for net, state in zip(self.networks, states, strict=True)]
        return self.read([out for out, _ in pairs]), [state for _, state in pairs]

    def onward(
        self,
        histories: Histories,
        forecast: Distribution,
        states: list[State],
        steps: int,
        rng: np.random.Generator | None = None,
    ) -> np.ndarray:
        """Forecast step by step: each value is read before the next one is predicted.

        Parameters
        ----------
        histories : Histories
            With room for the steps; it is written to.
        forecast : Distribution
            From the last step of each series, (N, 1).
        states : list of dict
            Of the networks, after that step.
        steps : int
        rng : numpy.random.Generator, optional
            Draws values; by default the point forecast is the value.

        Returns
        -------
        values : array of shape (N, steps)
            As in ``histories.y``.
        """
        series, values = np.arange(len(histories)), []
        while True:
            at = histories.end - 1
            number = forecast.point() if rng is None else forecast.draw(rng, 1)[0]  # (N, 1)
            base = histories.base(at, series, 1)[:, 0]
            values.append(base + histories.unit[at] * number[:, 0])
            if len(values) == steps:
                return np.stack(values, axis=1)
            histories.append(values[-1], np.ones(len(series), bool))
            forecast, states = self.step(histories, states)


def _alike(n: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield the numbers of series of the same length, as many as fit into memory."""
    for length in np.unique(n):
        series = np.flatnonzero(n == length)
        most = max(1, MOST_NUMBERS // (int(length) * width))
        for k in range(0, len(series), most):
            yield series[k : k + most]


def select(state: State, chosen: np.ndarray) -> State:
    """Return the state of some series, which may occur several times."""
    return {name: [part[chosen] for part in parts] for name, parts in state.items()}
