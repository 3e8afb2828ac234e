"""Heads of a forecaster: the last layer of its network, its loss, and the meaning of its output.

In: the number of steps ahead h, and the output of the last layer. Out: specs of a layer and of a
loss for `rnnkit.Regressor`; a `Distribution` for each step ahead.

A distribution is computed at normal scores, z = Φ⁻¹(q). A quantile, a sample (z is a normal number)
and a sample of dependent steps (z are correlated normal numbers) are then the same computation.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np

from rnnkit import losses
from rnnkit.common.calls import Abstract
from rnnkit.common.checks import real
from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
Change = Callable[[np.ndarray], np.ndarray]
LayerSpec = dict[str, object]


class Distribution(Abstract):
    """A distribution of each of a number of targets.

    Parameters
    ----------
    *parts : arrays of shape (..., h)
        Its parameters.
    """

    def __init__(self, *parts: np.ndarray):
        self.parts = tuple(np.asarray(part, np.float64) for part in parts)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the targets, (..., h)."""
        return self.parts[0].shape

    def map(self, change: Change) -> Distribution:
        """Return the distribution whose parameters are changed, such as by ``lambda a: a[:3]``."""
        return self.again([change(part) for part in self.parts])

    def again(self, parts: Sequence[np.ndarray]) -> Distribution:
        """Return a distribution of the same kind with other parameters."""
        return type(self)(*parts)

    def moved(self, change: np.ndarray) -> Distribution:
        """Return the distribution that is moved by `change`, (..., h)."""
        return self.again([self.parts[0] + change, *self.parts[1:]])

    @abstractmethod
    def point(self) -> np.ndarray:
        """Return the point forecast, (..., h)."""

    @abstractmethod
    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the quantiles Φ(z), where Φ is the normal distribution function.

        Parameters
        ----------
        z : array that is broadcast to (..., h), or (n, ..., h)
        """

    def width(self) -> np.ndarray:
        """Return a positive measure of spread, (..., h): the standard deviation, if it is normal.

        It is half the distance between the quantiles of the normal scores -1 and 1.
        """
        half = (self.scores(1.0) - self.scores(-1.0)) / 2
        typical = half.mean() if half.size else 1.0
        return np.maximum(half, 1e-6 * typical if typical > 0 else 1.0)

    def quantile(self, q: float) -> np.ndarray:
        """Return a quantile of each target, (..., h), which never decreases with q in (0, 1)."""
        return self.scores(normal_score(real('quantile(): q', q, above=0, below=1)))

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n samples, (n, ..., h); the steps are independent."""
        return self.scores(rng.standard_normal((n, *self.shape)))


class Points(Distribution):
    """Single values."""

    def point(self) -> np.ndarray:
        """Return the values."""
        return self.parts[0]

    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the values: all quantiles are the same."""
        return np.broadcast_to(self.parts[0], np.broadcast_shapes(np.shape(z), self.shape))

    def width(self) -> np.ndarray:
        """Return 1."""
        return np.ones(self.shape)

    def quantile(self, q: float) -> np.ndarray:
        """Raise a ConfigError: a single value has no quantiles."""
        raise ConfigError(
            "output='point' has no quantiles of its own, only those of errors on held-out data; "
            "hold some out with validation='tail', or use another output"
        )

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Raise a ConfigError: a single value has no distribution."""
        return self.quantile(0.5)


class Grid(Distribution):
    """A distribution that is known by some quantiles.

    Between them, it is linear over the normal score of the level, which is exact for a normal
    distribution; beyond, it goes on with the slope of the outermost two.

    Parameters
    ----------
    levels : sequence of float
        At least two, ascending.
    *parts : arrays of shape (..., h)
        The quantile of each level. They are sorted, so that they do not cross.
    centre : array of shape (..., h), optional
        The point forecast; by default the median.

    References
    ----------
    Chernozhukov, Fernández-Val and Galichon 2010, Econometrica 78(3): sorting never increases the
    error of quantiles.
    """

    def __init__(
        self, levels: Sequence[float], *parts: np.ndarray, centre: np.ndarray | None = None
    ):
        self._table = np.sort(np.stack(parts).astype(np.float64), axis=0)  # (Q, ..., h)
        super().__init__(*self._table, *([] if centre is None else [centre]))
        self.levels = tuple(levels)
        self._z = normal_score(np.asarray(levels))

    @property
    def centre(self) -> np.ndarray | None:
        """The point forecast, where it is not the median: the last of the parts."""
        return self.parts[-1] if len(self.parts) > len(self.levels) else None

    def again(self, parts: Sequence[np.ndarray]) -> Grid:
        """Return a distribution of the same kind with other parameters."""
        n = len(self.levels)
        return Grid(self.levels, *parts[:n], centre=None if self.centre is None else parts[n])

    def moved(self, change: np.ndarray) -> Grid:
        """Return the distribution that is moved by `change`, (..., h)."""
        return self.map(lambda part: part + change)

    def point(self) -> np.ndarray:
        """Return the point forecast."""
        return self.scores(0.0) if self.centre is None else self.centre

    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the quantiles Φ(z)."""
        z, table = np.asarray(z), self._table
        k = np.clip(np.searchsorted(self._z, z) - 1, 0, len(self._z) - 2)
        share = (z - self._z[k]) / (self._z[k + 1] - self._z[k])
        if z.ndim == 0:
            low, high = table[k], table[k + 1]
        else:
            k = np.broadcast_to(k, np.broadcast_shapes(z.shape, self.shape))
            low, high = (self._pick(table, i) for i in (k, k + 1))
        return low + share * (high - low)

    def _pick(self, table: np.ndarray, k: np.ndarray) -> np.ndarray:
        """Return one element of the first axis of the table for each index."""
        flat = k.reshape(-1, *self.shape) if k.ndim > len(self.shape) else k[None]
        picked = np.stack([np.take_along_axis(table, one[None], axis=0)[0] for one in flat])
        return picked.reshape(k.shape)


class Normal(Distribution):
    """Normal distributions, by mean and standard deviation."""

    def point(self) -> np.ndarray:
        """Return the means."""
        return self.parts[0]

    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the quantiles Φ(z)."""
        mean, deviation = self.parts
        return mean + deviation * z


class StudentT(Distribution):
    """Student's t distributions, by location, scale and degrees of freedom."""

    def point(self) -> np.ndarray:
        """Return the locations."""
        return self.parts[0]

    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the quantiles Φ(z)."""
        from scipy.special import stdtrit

        location, scale, df = self.parts
        # By the lower tail, whose probabilities keep all digits.
        return location - scale * np.sign(z) * stdtrit(df, normal_share(-np.abs(z)))


class Average(Distribution):
    """The distribution whose quantiles are the means of those of several distributions."""

    def __init__(self, *members: Distribution):
        super().__init__(*(part for one in members for part in one.parts))
        self.members = members

    def again(self, parts: Sequence[np.ndarray]) -> Average:
        """Return a distribution of the same kind with other parameters."""
        n = len(self.members[0].parts)
        cut = [parts[k : k + n] for k in range(0, len(parts), n)]
        return Average(*(one.again(own) for one, own in zip(self.members, cut, strict=True)))

    def moved(self, change: np.ndarray) -> Average:
        """Return the distribution that is moved by `change`, (..., h)."""
        return Average(*(one.moved(change) for one in self.members))

    def point(self) -> np.ndarray:
        """Return the mean of their point forecasts."""
        return np.mean([one.point() for one in self.members], axis=0)

    def scores(self, z: np.ndarray | float) -> np.ndarray:
        """Return the quantiles Φ(z)."""
        return np.mean([one.scores(z) for one in self.members], axis=0)


class Head(Abstract):
    """The last layer of a network that forecasts, and the meaning of its output.

    Attributes
    ----------
    n_parts : int
        The number of units for each step ahead.
    has_quantiles : bool
        Whether the output alone is a distribution.
    """

    n_parts: ClassVar[int] = 1
    has_quantiles: ClassVar[bool] = True

    def layers(self, h: int, inputs: str | list[str]) -> list[LayerSpec]:
        """Return the specs of the output layers: a single one, which is linear.

        Parameters
        ----------
        h : int
            The number of steps ahead.
        inputs : str or list of str
            The layers before it.
        """
        return [{'size': h * self.n_parts, 'name': 'out', 'inputs': inputs, 'activation': 'linear'}]

    @abstractmethod
    def loss(self) -> str | dict[str, object]:
        """Return the spec of the loss."""

    @abstractmethod
    def read(self, output: np.ndarray) -> Distribution:
        """Return the distribution of the targets.

        Parameters
        ----------
        output : array of shape (..., h * n_parts)
        """

    def blend(self, distributions: Sequence[Distribution]) -> Distribution:
        """Return one distribution for those of several networks.

        Each of its quantiles is the mean of their quantiles. Mostly, so is each parameter.
        """
        parts = zip(*(one.parts for one in distributions), strict=True)
        return distributions[0].again([np.mean(part, axis=0) for part in parts])


HEADS: Registry[type[Head]] = Registry('output', check=Head)


@HEADS.add('point')
class PointHead(Head):
    """One number for each step: its median, since the loss is the mean absolute error."""

    has_quantiles = False

    def loss(self) -> str:
        """Return the spec of the loss."""
        return 'mae'

    def read(self, output: np.ndarray) -> Points:
        """Return the single values."""
        return Points(output)


@HEADS.add('quantiles')
class QuantilesHead(Head):
    """Some quantiles of each step; between and beyond them, see `Grid`."""

    levels = LEVELS
    n_parts = len(LEVELS)

    def loss(self) -> dict[str, object]:
        """Return the spec of the loss."""
        return {'form': 'quantile', 'q': list(self.levels)}

    def read(self, output: np.ndarray) -> Grid:
        """Return the distribution that has these quantiles."""
        return Grid(self.levels, *np.split(output, self.n_parts, axis=-1))


@HEADS.add('gaussian')
class GaussianHead(Head):
    """Mean and standard deviation of each step."""

    n_parts = 2

    def loss(self) -> str:
        """Return the spec of the loss."""
        return 'gaussian'

    def read(self, output: np.ndarray) -> Normal:
        """Return the normal distribution."""
        return Normal(*losses.Gaussian().parameters(output))


@HEADS.add('student')
class StudentHead(Head):
    """Location, scale and degrees of freedom of each step, for errors with heavy tails."""

    n_parts = 3

    def loss(self) -> str:
        """Return the spec of the loss."""
        return 'student'

    def read(self, output: np.ndarray) -> StudentT:
        """Return the distribution."""
        return StudentT(*losses.Student().parameters(output))

    def blend(self, distributions: Sequence[Distribution]) -> Distribution:
        """Return one distribution for those of several networks."""
        return Average(*distributions) if len(distributions) > 1 else distributions[0]


def normal_score(q: np.ndarray | float) -> np.ndarray:
    """Return the quantile q of the standard normal distribution."""
    from scipy.special import ndtri

    return ndtri(q)


def normal_share(z: np.ndarray | float) -> np.ndarray:
    """Return the probability below z of the standard normal distribution."""
    from scipy.special import ndtr

    return ndtr(z)
