"""Calibrated intervals: forecasts and the errors of earlier ones, on data held out.

In: the distributions of forecasts on held-out data, and what happened. Out: a `Calibration`, which
turns a later `Distribution` into one whose intervals contain the targets as often as they should.

An error is measured in units of the distribution's own width, of the mean error at its step ahead,
and of the mean error of its group, which is a series. What remains is alike for all of them. Its
empirical quantiles, at the ranks of conformal prediction, are added to the forecast.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.errors import ConfigError, ShapeError
from rnnkit.forecasting.outputs import Distribution, Grid, normal_score

log = logging.getLogger('rnnkit')

ENOUGH = 100  # errors; the quantiles of fewer are symmetric
MOST = 5000  # rows of errors that quantiles are taken of
TAILS = (0.005, 0.01)
LEVELS = (*TAILS, *(float(k) / 40 for k in range(1, 40)), *(1 - q for q in TAILS[::-1]))
STRENGTHS = (np.inf, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3)  # of the mean of all groups, in rows
PRIOR = 20  # errors that the curve through the scales of all steps counts as
PAIRS = 30  # pairs of errors that the correlations of a first-order process count as
VERSION = 1
# The level of a quantile -> its distance from the median in local units, (N, h)
Relative = Callable[[float], np.ndarray]


class Calibrated(Grid):
    """A distribution with calibrated quantiles.

    Parameters
    ----------
    *parts : arrays of shape (..., h)
        The quantiles of `LEVELS`.
    centre : array of shape (..., h)
        The point forecast.
    calibration : Calibration
    """

    def __init__(self, *parts: np.ndarray, centre: np.ndarray, calibration: Calibration):
        super().__init__(LEVELS, *parts, centre=centre)
        self.calibration = calibration

    def again(self, parts: Sequence[np.ndarray]) -> Calibrated:
        """Return a distribution of the same kind with other parameters."""
        *quantiles, centre = parts
        return Calibrated(*quantiles, centre=centre, calibration=self.calibration)

    def quantile(self, q: float) -> np.ndarray:
        """Return a quantile; warns if it would need more errors than there are."""
        self.calibration.check_level(q)
        return super().quantile(q)


class Calibration:
    """Corrections of intervals, from errors on held-out data; made by `fit`.

    Parameters
    ----------
    corrections : array of shape (Q, h)
        What is added to the quantiles of `LEVELS`, in units of the local scale.
    scales : array of shape (h,)
        The mean error of each step ahead.
    groups : array of shape (G,)
        The mean error of each group, relative to that.
    correlations : array of shape (h, h)
        Those of the normal scores of errors at two steps ahead.
    counts : array of shape (h,)
        The number of errors that the quantiles of each step were taken of.
    symmetric : bool
        Whether these were absolute errors.
    independent : float
        The number of forecasts whose steps do not overlap.

    Notes
    -----
    Of n errors, the k-th smallest is the quantile k / (n + 1), and others are between two of them:
    a later error that is exchangeable with these lies below it with exactly this probability. For a
    distribution, what is ranked is the target's distance from its quantile. A step ahead with fewer
    than `ENOUGH` errors is pooled with its neighbours. If there are fewer at all, absolute errors
    are ranked, and half of the remaining probability is on each side. A level that would need more
    errors than there are gets the widest error, or the distribution's own quantile, if that is
    wider.

    Errors of forecasts from one step after the other are alike, and do not say how much later ones
    may differ. So intervals are wider by the ratio of the quantiles of Student's t, with as many
    degrees of freedom as there are forecasts that do not overlap, to those of the normal
    distribution: what an interval is wider by whose width is estimated from so many numbers.

    References
    ----------
    Vovk, Gammerman and Shafer 2005, Algorithmic learning in a random world. Romano, Patterson and
    Candès 2019, NeurIPS, arXiv:1905.03222, for distributions.
    """

    def __init__(
        self,
        corrections: np.ndarray,
        scales: np.ndarray,
        groups: np.ndarray,
        correlations: np.ndarray,
        counts: np.ndarray,
        symmetric: bool,
        independent: float = np.inf,
    ):
        self.corrections, self.scales, self.groups = corrections, scales, groups
        self.correlations, self.counts, self.symmetric = correlations, counts, symmetric
        self.independent = float(independent)
        self._warned = False

    # --- from errors ---

    @classmethod
    def fit(
        cls,
        dist: Distribution,
        y: ArrayLike,
        weights: ArrayLike,
        groups: ArrayLike,
        independent: float = np.inf,
    ) -> Calibration:
        """Return the calibration for forecasts like these.

        Parameters
        ----------
        dist : Distribution of N rows, (N, h)
            The forecasts.
        y : array of shape (N, h)
            The targets.
        weights : array of shape (N, h)
            A target counts where its weight is above 0; elsewhere it may be anything.
        groups : array of N integers from 0
            The series of each row. The rows of a series are in the order of time.
        independent : float
            The number of forecasts whose steps do not overlap.

        Raises
        ------
        ShapeError
            If shapes do not fit.
        ConfigError
            If no target counts.
        """
        y, seen, groups = np.asarray(y, np.float64), np.asarray(weights) > 0, np.asarray(groups)
        if not dist.shape == y.shape == seen.shape or groups.shape != y.shape[:1]:
            raise ShapeError(
                f'Calibration.fit(): forecasts, y and weights must be of one shape, and groups of '
                f'its first axis; got {dist.shape}, {y.shape}, {seen.shape} and {groups.shape}'
            )
        if not seen.any():
            raise ConfigError('Calibration.fit(): no target has a weight above 0')
        errors = np.where(seen, y - dist.scores(0.0), 0) / dist.width()  # (N, h)
        scales = _step_scales(abs(errors), seen)
        errors /= scales
        of_row, of_group = _group_scales(abs(errors), seen, groups)
        errors /= of_row[:, None]
        if len(y) > MOST:
            rows = np.linspace(0, len(y) - 1, MOST).astype(int)
            dist, errors, seen = dist.map(lambda part: part[rows]), errors[rows], seen[rows]
        samples = Samples(errors, seen)
        corrections = np.stack([samples.correction(q, _relative(dist, scales)) for q in LEVELS])
        correlations = _correlations(samples.normal_scores(), seen)
        counts, symmetric = samples.counts, samples.symmetric
        return cls(corrections, scales, of_group, correlations, counts, symmetric, independent)

    # --- to forecasts ---

    def apply(self, dist: Distribution, groups: ArrayLike) -> Calibrated:
        """Return calibrated distributions.

        Parameters
        ----------
        dist : Distribution of shape (..., h)
            Later forecasts; h may be smaller than in `fit`.
        groups : array of integers that is broadcast to (...)
            The series of each; -1 for one that was not there in `fit`.

        Raises
        ------
        ConfigError
            If h is larger than in `fit`.
        """
        h = dist.shape[-1]
        if h > len(self.scales):
            raise ConfigError(
                f'Calibration.apply(): intervals are calibrated for {len(self.scales)} steps '
                f'ahead; got forecasts of {h}'
            )
        factors = np.append(self.groups, 1.0)[np.asarray(groups)]
        scales = self.scales[:h]
        local = dist.width() * scales * factors[..., None]
        middle, relative = dist.scores(0.0), _relative(dist, scales)
        parts = [
            middle + local * (relative(q) + row[:h]) * self.widening(q)
            for q, row in zip(LEVELS, self.corrections, strict=True)
        ]
        return Calibrated(*parts, centre=dist.point(), calibration=self)

    def widening(self, q: float) -> float:
        """Return the factor by which the uncertainty of the width itself widens an interval."""
        from scipy.special import stdtrit

        if not np.isfinite(self.independent) or q == 0.5:
            return 1.0
        df = max(self.independent, 1.0)
        return float(stdtrit(df, q) * np.sqrt(1 + 1 / df) / normal_score(q))

    def check_level(self, q: float) -> None:
        """Log a warning, once, if a quantile needs more errors than there are."""
        tail = min(q, 1 - q) * (2 if self.symmetric else 1)
        needed, n = int(np.ceil(1 / tail - 1 - 1e-9)), int(self.counts.min())
        if n >= needed or self._warned:
            return
        self._warned = True
        log.warning(
            'forecast(): the quantile %g needs %s errors on held-out data, and there are %s; '
            'it is at the widest of them. Hold out more data, or ask for a lower level',
            q,
            f'{needed:,}',
            f'{n:,}',
        )

    def paths(
        self, rng: np.random.Generator, n: int, dist: Distribution, groups: ArrayLike
    ) -> np.ndarray:
        """Return samples of whole paths, (n, ..., h), from the calibrated distributions.

        Their steps depend on each other as those of the errors in `fit` do: by a Gaussian copula.

        Parameters
        ----------
        rng : numpy.random.Generator
        n : int
        dist, groups
            As in `apply`.
        """
        h = dist.shape[-1]
        factor = np.linalg.cholesky(self.correlations[:h, :h])
        z = rng.standard_normal((n, *dist.shape)) @ factor.T  # (n, ..., h)
        return self.apply(dist, groups).scores(z)

    # --- files ---

    def state(self) -> dict[str, object]:
        """Return arrays and JSON values from which `from_state` makes an equal calibration."""
        names = ('corrections', 'scales', 'groups', 'correlations', 'counts', 'symmetric')
        more = {'independent': self.independent} if np.isfinite(self.independent) else {}
        return {'version': VERSION, **{name: getattr(self, name) for name in names}, **more}

    @classmethod
    def from_state(cls, state: Mapping[str, object]) -> Calibration:
        """Return the calibration that has this `state`."""
        values = {name: value for name, value in state.items() if name != 'version'}
        shapes = {'corrections': 2, 'scales': 1, 'groups': 1, 'correlations': 2, 'counts': 1}
        for name, ndim in shapes.items():
            values[name] = np.asarray(values[name], np.float64)
            if values[name].ndim != ndim:
                raise ShapeError(f'{name} has {values[name].ndim} axes; expects {ndim}')
        h = len(values['scales'])  # type: ignore[arg-type]
        shape = values['counts'].shape, values['corrections'].shape  # type: ignore[attr-defined]
        if shape != ((h,), (len(LEVELS), h)):
            raise ShapeError(f'corrections must have shape {(len(LEVELS), h)}')
        values['symmetric'] = bool(values['symmetric'])
        return cls(**values)  # type: ignore[arg-type]


class Samples:
    """Errors, (N, h), in units in which they are alike, and those that stand for each step.

    Parameters
    ----------
    errors : array of shape (N, h)
    seen : array of bool of shape (N, h)
        Which of them count.
    """

    def __init__(self, errors: np.ndarray, seen: np.ndarray):
        self.errors, self.seen = errors, seen
        at_step = seen.sum(axis=0)
        self.symmetric = bool(at_step.sum() < ENOUGH)
        self.windows = [_window(at_step, k) for k in range(len(at_step))]
        self.counts = np.array([at_step[a:b].sum() for a, b in self.windows])

    def correction(self, q: float, relative: Relative) -> np.ndarray:
        """Return what is added to the quantile q of each step, (h,)."""
        if not self.symmetric:
            gaps = self.errors - relative(q)
            return np.array([self._rank(q, gaps, k) for k in range(len(self.counts))])
        if q < 0.5:
            return -self.correction(1 - q, relative)
        low, high = relative(1 - q), relative(q)
        beyond = np.maximum(self.errors - high, low - self.errors)
        inside = (low - high) / 2  # an interval of no length
        share = 2 * q - 1
        return np.array([self._rank(share, beyond, k, inside) for k in range(len(self.counts))])

    def _rank(self, q: float, values: np.ndarray, k: int, least: np.ndarray | None = None) -> float:
        """Return the quantile q of what stands for step k."""
        (a, b), n = self.windows[k], self.counts[k]
        seen = self.seen[:, a:b]
        ranked = np.sort(values[:, a:b][seen])
        if least is not None:
            ranked = np.append(min(np.mean(least), ranked[0]), ranked)
        ranks = np.arange(n + 1 - len(ranked), n + 1) / (n + 1)
        found = float(np.interp(q, ranks, ranked))
        if q > ranks[-1]:
            return max(found, 0.0)
        return min(found, 0.0) if q < ranks[0] else found

    def normal_scores(self) -> np.ndarray:
        """Return the normal score of each error among those of its step, (N, h)."""
        z = np.zeros_like(self.errors)
        for k, ((a, b), n) in enumerate(zip(self.windows, self.counts, strict=True)):
            ranked, e = self.errors[:, a:b][self.seen[:, a:b]], self.errors[:, k]
            if self.symmetric:
                ranked = np.concatenate([ranked, -ranked])
                n = 2 * n
            ranked = np.sort(ranked)
            # The mean of the two sides, as several errors may be equal.
            rank = (np.searchsorted(ranked, e) + np.searchsorted(ranked, e, 'right') + 1) / 2
            z[:, k] = normal_score(np.clip(rank, 0.5, n + 0.5) / (n + 1))
        return np.where(self.seen, z, 0)


def _relative(dist: Distribution, scales: np.ndarray) -> Relative:
    """Return a function to the distance of a quantile from the median, in local units."""
    middle, unit = dist.scores(0.0), dist.width() * scales
    return lambda q: (dist.scores(normal_score(q)) - middle) / unit


def _window(at_step: np.ndarray, k: int) -> tuple[int, int]:
    """Return the first step around step k, and the one after the last, that have `ENOUGH` errors.

    All steps, if these have fewer.
    """
    a, b = k, k + 1
    while at_step[a:b].sum() < ENOUGH and (a, b) != (0, len(at_step)):
        a, b = max(a - 1, 0), min(b + 1, len(at_step))
    return a, b


def _step_scales(sizes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the mean size of errors at each step ahead, (h,).

    Where there are few, it is near a power of the number of steps, between a constant, for errors
    that do not grow, and this number itself.
    """
    n, h = seen.sum(axis=0), sizes.shape[1]
    means = sizes.sum(axis=0) / np.maximum(n, 1)
    if not means.any():
        return np.ones(h)
    weights = n * (means > 0)
    x, y = np.log(np.arange(1, h + 1)), np.log(np.where(means > 0, means, 1))
    x0, y0 = np.average(x, weights=weights), np.average(y, weights=weights)
    spread = (weights * (x - x0) ** 2).sum()
    power = (weights * (x - x0) * (y - y0)).sum() / spread if spread > 0 else 0.0
    curve = np.exp(y0 + np.clip(power, 0, 1) * (x - x0))
    return (n * means + PRIOR * curve) / (n + PRIOR)


def _group_scales(
    sizes: np.ndarray, seen: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative mean size of errors for each row, (N,), and for each group, (G,).

    Both are blended with the mean of all. How much of it is best is found on the data: the scale of
    a row is measured on the other half of its group, as the scale of a forecast is measured on
    errors of another time. If already the first half reaches beyond the end of the data, all rows
    are about the same time, and the scales are 1.
    """
    n_groups, h = int(groups.max()) + 1, sizes.shape[1]
    pooled = sizes.sum() / seen.sum()
    if not pooled:
        return np.ones(len(sizes)), np.ones(n_groups)
    totals, shares = sizes.sum(axis=1) / pooled / h, seen.sum(axis=1) / h  # (N,)
    order = np.argsort(groups, kind='stable')
    starts = np.searchsorted(groups[order], np.arange(n_groups))
    n_rows = np.bincount(groups, minlength=n_groups)
    place = np.empty(len(groups), int)
    place[order] = np.arange(len(groups)) - starts[groups[order]]
    half = (2 * place >= n_rows[groups]).astype(int)
    if seen[half == 0, -1].sum() < 0.75 * seen[half == 0, 0].sum():
        return np.ones(len(sizes)), np.ones(n_groups)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(2 * groups + half, values, 2 * n_groups).reshape(n_groups, 2)

    total, share = sums(totals), sums(shares)  # (G, 2)
    best, of_row, of_group = np.inf, np.ones(len(sizes)), np.ones(n_groups)
    for strength in STRENGTHS:
        blend = of_row, of_group
        if np.isfinite(strength):
            each_half = (total + strength) / (share + strength)
            whole = (total.sum(axis=1) + strength) / (share.sum(axis=1) + strength)
            blend = each_half[groups, 1 - half], whole
        # The negative log-likelihood of Laplace's distribution, up to a constant
        cost = (shares * np.log(blend[0]) + totals / blend[0]).sum()
        if cost < best:
            best, (of_row, of_group) = cost, blend
    return of_row, of_group


def _correlations(z: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the correlations of errors at two steps ahead, (h, h).

    Where there are few pairs, they are near those of a first-order autoregressive process.
    """
    h, seen = z.shape[1], seen.astype(np.float64)
    pairs = seen.T @ seen  # (h, h)
    products = z.T @ z
    squares = (z**2).T @ seen
    norms = np.sqrt(squares * squares.T)
    found = np.divide(products, norms, out=np.zeros_like(norms), where=norms > 0)
    next_pairs = np.diagonal(pairs, 1)
    total = next_pairs.sum()
    rho = float((next_pairs * np.diagonal(found, 1)).sum() / total) if total else 0.0
    rho = min(max(rho, -0.99), 0.99)
    process = rho ** abs(np.subtract.outer(np.arange(h), np.arange(h)))
    blend = (pairs * found + PAIRS * process) / (pairs + PAIRS)
    # Of pairs from different rows, the matrix need not be one of correlations.
    values, vectors = np.linalg.eigh((blend + blend.T) / 2)
    blend = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = np.sqrt(np.diagonal(blend))
    return blend / np.outer(scale, scale)
