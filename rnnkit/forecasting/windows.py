"""Random windows of many series, for training; the ends of the series, for validation."""

from collections.abc import Callable, Iterator

import numpy as np

from rnnkit.forecasting import features
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.strips import Strips

# The first step of each window and its series, (B,) -> a batch, as `train` takes it
Make = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
Draw = Callable[[np.random.Generator], list[np.ndarray]]

MOST_NUMBERS = 10_000_000  # of the validation data; of more series some are drawn
JUDGED = 50  # forecasts of held-out values, over all series
LEAST_ORIGINS = 2  # of each series; a horizon apart, their errors say how well it is known


def draw(
    design: Design, histories: Histories, stop: np.ndarray, steps: int, size: int
) -> Draw | None:
    """Return a callable that draws batches; None if there is nothing to learn from.

    It may fill the same arrays each time.

    Parameters
    ----------
    design, histories
    stop : array of int of shape (N,)
        The step of each series from which on values must not be used.
    steps : int
        The length of a window.
    size : int
        Windows in a batch. Each series is equally likely.
    """
    strips = Strips.of(design, histories, steps, size)

    def make(start: np.ndarray, series: np.ndarray) -> list[np.ndarray]:
        if strips is not None:
            return strips(start, series, stop[series])
        return window(design, histories, start, series, stop[series], steps)

    return random_steps(histories, stop, steps + min(steps, design.horizon), size, make)


def random_steps(
    histories: Histories, stop: np.ndarray, ahead: int, size: int, make: Make
) -> Draw | None:
    """Return a callable that makes batches from random steps; None if no step can be used.

    Parameters
    ----------
    histories, stop, size
        As in `draw`.
    ahead : int
        The values that follow each step before `stop`, in series that are long enough.
    make : callable
        Returns a batch, given steps (B,) and their series (B,).
    """
    first = histories.informative
    usable = np.flatnonzero(stop - first >= 2)
    if not len(usable):
        return None

    def batch(rng: np.random.Generator) -> list[np.ndarray]:
        series = rng.choice(usable, size)
        last = np.maximum(stop[series] - 1 - ahead, first[series])
        return make(rng.integers(first[series], last + 1), series)

    return batch


def window(
    design: Design,
    histories: Histories,
    start: np.ndarray,
    series: np.ndarray,
    stop: np.ndarray,
    steps: int,
    judged: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return windows of `steps` steps: features (T, B, F), targets (T, B, h) and weights.

    Parameters
    ----------
    design, histories
    start, series, stop : arrays of int of shape (B,)
        The first step of each window, its series, and the step where its values end.
    steps : int
    judged : array of int of shape (B,), optional
        The first step that is judged, for validation. Forecasts that begin before it do not count.
    """
    at = start + np.arange(steps)[:, None]  # (T, B)
    at = np.minimum(at, histories.end[series] - 1)
    x, y, weights = features.both(design, histories, at, series, stop)
    if judged is not None:
        weights *= (at + 1 >= judged)[..., None]
    return [x, y, weights]


def origins_of_each(series: int) -> int:
    """Return the number of steps of each tail from which there are forecasts."""
    return max(LEAST_ORIGINS, -(-JUDGED // series))


def judged(tail: np.ndarray, horizon: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield steps of the tails from which the whole horizon is known, in the order of time.

    Where a tail is shorter than that, the step before it.

    Parameters
    ----------
    tail : array of int of shape (N,)
        The number of values at the end of each series that are held out; 0 for none.
    horizon : int

    Yields
    ------
    series : array of int of shape (n,)
    left : array of int of shape (n,)
        The number of values of each that follow.
    """
    reach = np.minimum(tail, horizon)
    origins = np.where(tail > 0, tail - reach + 1, 0)
    apart = max(1, (origins.max() - 1) // (origins_of_each(len(tail)) - 1))
    for back in reversed(range(0, origins.max(), apart)):
        series = np.flatnonzero(origins > back)
        yield series, reach[series] + back


def ends(
    design: Design, histories: Histories, tail: np.ndarray, steps: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return the ends of the series, of whose values only those of the tails count.

    Parameters
    ----------
    design, histories
    tail : array of int of shape (N,)
        The number of values at the end of each series that are held out; 0 for none.
    steps : int
        The steps before the tail that the network reads.
    rng : numpy.random.Generator
        Draws some of the series if there are too many.
    """
    series = np.flatnonzero(tail)
    width = steps + int(tail[series].max())
    numbers = width * (features.count(design, histories) + 2 * design.horizon)
    most = max(1, MOST_NUMBERS // numbers)
    if len(series) > most:
        series = np.sort(rng.choice(series, most, replace=False))
    stop = histories.end[series]
    start = np.maximum(stop - width, histories.first[series])
    return window(design, histories, start, series, stop, width, stop - tail[series])
