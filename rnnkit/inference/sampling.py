"""From the outputs of a softmax to labels: drawn at random, the best, or the best of a row.

NumPy only.
"""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from rnnkit.common.checks import check_count, generator
from rnnkit.errors import ConfigError


@dataclass
class Sampling:
    """How labels are drawn from softmax(pre / temperature).

    Parameters
    ----------
    temperature : float
        Below 1 likely labels become more likely; 0 takes the most likely one, always.
    top_k : int, optional
        Only the k most likely labels are drawn.
    top_p : float, optional
        Only the most likely labels are drawn, as many as it takes for their probabilities to
        reach p together: after temperature and `top_k`.
    rng : int or numpy.random.Generator, optional

    Raises
    ------
    ConfigError
        If a value makes no sense.

    References
    ----------
    Fan, Lewis & Dauphin 2018, ACL (top k). Holtzman et al. 2020, ICLR (top p, the nucleus).
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    rng: Any = None

    def __post_init__(self) -> None:
        t, p = self.temperature, self.top_p
        if not _is_number(t) or not 0 <= t < np.inf:
            raise ConfigError(f'temperature is a number of at least 0; got {t!r}')
        if self.top_k is not None:
            check_count('top_k', self.top_k)
        if p is not None and (not _is_number(p) or not 0 < p <= 1):
            raise ConfigError(f'top_p is a probability above 0, and at most 1; got {p!r}')
        self.rng = generator(self.rng)

    def __call__(self, pre: np.ndarray) -> np.ndarray:
        """Return a label for each row of `pre`, of shape (B, O)."""
        if self.temperature == 0:
            return pre.argmax(axis=-1)
        edges = self.probabilities(pre).cumsum(axis=-1)
        drawn = self.rng.random(len(pre)) * edges[:, -1]
        return (edges <= drawn[:, None]).sum(axis=-1)

    def probabilities(self, pre: np.ndarray) -> np.ndarray:
        """Return the probability with which each label is drawn; `temperature` is above 0."""
        pre = np.asarray(pre, 'float64')
        with np.errstate(over='ignore'):
            p = np.exp((pre - pre.max(axis=-1, keepdims=True)) / self.temperature)
        if self.top_k is None and self.top_p is None:
            return p / p.sum(axis=-1, keepdims=True)
        order = (-pre).argsort(axis=-1, kind='stable')
        ranked = np.take_along_axis(p, order, axis=-1)
        ranked[:, self.top_k or len(ranked[0]) :] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
        if self.top_p is not None:
            ranked[ranked.cumsum(axis=-1) - ranked >= self.top_p] = 0
            ranked /= ranked.sum(axis=-1, keepdims=True)
        np.put_along_axis(p, order, ranked, axis=-1)
        return p


class Beams:
    """The best sequences of labels that are known so far, a number of them for each example.

    The score of a sequence is the sum of the log probabilities of its labels. One that has
    reached `stop` is complete, and keeps its score.

    Parameters
    ----------
    n : int
        How many are kept for each example.
    stop : int, optional
    """

    def __init__(self, n: int, stop: int | None = None):
        self.n, self.stop = n, stop
        self.scores: np.ndarray | None = None  # (B, number so far), the best one first
        self._steps: list[tuple[np.ndarray, np.ndarray]] = []

    def advance(self, pre: np.ndarray) -> np.ndarray:
        """Make all sequences longer by a label, and keep the best.

        Parameters
        ----------
        pre : array of shape (B * number so far, O)

        Returns
        -------
        parents : array of int of shape (B * new number,)
            From which row of `pre` each of the new rows goes on.
        """
        O = pre.shape[-1]  # noqa: E741 - the letter of the shape alphabet
        found = log_softmax(pre)
        if self.scores is None:
            self.scores = np.zeros((len(pre), 1))
        elif self.stop is not None:
            complete = self._steps[-1][1].ravel() == self.stop
            found[complete] = -np.inf
            found[complete, self.stop] = 0
        B, before = self.scores.shape
        total = (self.scores.reshape(-1, 1) + found).reshape(B, before * O)
        best = (-total).argsort(axis=1, kind='stable')[:, : self.n]
        self.scores = np.take_along_axis(total, best, axis=1)
        parents, labels = best // O, best % O
        self._steps.append((parents, labels))
        return (parents + before * np.arange(B)[:, None]).ravel()

    @property
    def labels(self) -> np.ndarray:
        """The last label of each sequence, (B * number,)."""
        return self._steps[-1][1].ravel()

    @property
    def complete(self) -> bool:
        """Whether all sequences have reached the label that stops them."""
        return self.stop is not None and bool((self.labels == self.stop).all())

    def best(self) -> np.ndarray:
        """Return the best sequence of each example, (steps, B)."""
        at = np.zeros((len(self.scores), 1), int)
        found = []
        for parents, labels in reversed(self._steps):
            found.append(np.take_along_axis(labels, at, axis=1)[:, 0])
            at = np.take_along_axis(parents, at, axis=1)
        return np.array(found[::-1])


def log_softmax(pre: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis, in float64."""
    pre = np.asarray(pre, 'float64')
    pre = pre - pre.max(axis=-1, keepdims=True)
    return pre - np.log(np.exp(pre).sum(axis=-1, keepdims=True))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def check_label(name: str, value: Any, size: int) -> None:
    """Raise a ConfigError unless `value` is one of `size` labels."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not 0 <= value < size:
        raise ConfigError(f'{name} is a label from 0 to {size - 1}; got {value!r}')
