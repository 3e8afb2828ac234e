"""Decoding: labels from logits, by sampling, greedily or by beam search. NumPy only."""

from dataclasses import dataclass

import numpy as np

from rnnkit.common.checks import generator, is_real, real, whole
from rnnkit.errors import ConfigError


@dataclass
class Sampling:
    """Samples labels from softmax(logits / temperature).

    Parameters
    ----------
    temperature : float
        Below 1 likely labels become more likely; 0 is greedy: always the most likely label.
    top_k : int, optional
        Only the k most likely labels are sampled.
    top_p : float, optional
        Only the fewest labels whose probabilities reach p together are sampled (the nucleus):
        after temperature and `top_k`.
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
    rng: int | np.random.Generator | None = None

    def __post_init__(self) -> None:
        p = self.top_p
        real('generate(): temperature', self.temperature, least=0)
        if self.top_k is not None:
            whole('generate(): top_k', self.top_k, 1)
        if p is not None and not (is_real(p) and 0 < p <= 1):
            raise ConfigError(
                f'generate(): top_p must be a probability above 0 and of at most 1; got {p!r}'
            )
        self.rng = generator(self.rng)

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Return a label for each row of `logits`, of shape (B, O)."""
        if self.temperature == 0:
            return logits.argmax(axis=-1)
        edges = self.probabilities(logits).cumsum(axis=-1)
        # Rounding may leave the last edge below 1, so draw up to it.
        drawn = self.rng.random(len(logits)) * edges[:, -1]
        return (edges <= drawn[:, None]).sum(axis=-1)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probability of sampling each label; `temperature` is above 0."""
        logits = np.asarray(logits, 'float64')
        with np.errstate(over='ignore'):
            p = np.exp((logits - logits.max(axis=-1, keepdims=True)) / self.temperature)
        if self.top_k is None and self.top_p is None:
            return p / p.sum(axis=-1, keepdims=True)
        order = (-logits).argsort(axis=-1, kind='stable')
        ranked = np.take_along_axis(p, order, axis=-1)
        ranked[:, self.top_k or len(ranked[0]) :] = 0
        ranked /= ranked.sum(axis=-1, keepdims=True)
        if self.top_p is not None:
            ranked[ranked.cumsum(axis=-1) - ranked >= self.top_p] = 0
            ranked /= ranked.sum(axis=-1, keepdims=True)
        np.put_along_axis(p, order, ranked, axis=-1)
        return p


class Beams:
    """The sequences of labels that a beam search keeps for each example.

    The score of a sequence is the sum of the log probabilities of its labels. A sequence that
    has reached `stop` is complete, and keeps its score. Sequences are compared by their scores,
    divided by ``((5 + length) / 6) ** length_penalty``.

    Parameters
    ----------
    n : int
        The width of the beam: how many sequences are kept for each example.
    stop : int, optional
        The label that ends a sequence. It counts in the length.
    length_penalty : float

    References
    ----------
    Wu et al. 2016, arXiv:1609.08144, equation 14.
    """

    def __init__(self, n: int, stop: int | None = None, length_penalty: float = 0.0):
        self.n, self.stop, self.length_penalty = n, stop, length_penalty
        self.scores: np.ndarray | None = None  # (B, beams so far), the best one first
        self._lengths: np.ndarray | None = None  # (B, beams so far)
        self._steps: list[tuple[np.ndarray, np.ndarray]] = []

    def advance(self, logits: np.ndarray) -> np.ndarray:
        """Extend all sequences by a label, and keep the best.

        Parameters
        ----------
        logits : array of shape (B * beams so far, O)

        Returns
        -------
        parents : array of int of shape (B * beams now,)
            The row of `logits` that each of the new sequences extends.
        """
        O = logits.shape[-1]  # noqa: E741 - the letter of the shape alphabet
        log_p = log_softmax(logits)
        if self.scores is None:
            self.scores = np.zeros((len(logits), 1))
            self._lengths = np.zeros(self.scores.shape, int)
        lengths = self._lengths + 1
        if self._steps and self.stop is not None:
            lengths = lengths - (self._steps[-1][1] == self.stop)
        if self._steps and self.stop is not None:
            # A complete sequence has one continuation, which costs nothing.
            complete = self._steps[-1][1].ravel() == self.stop
            log_p[complete] = -np.inf
            log_p[complete, self.stop] = 0
        B, before = self.scores.shape
        total = (self.scores.reshape(-1, 1) + log_p).reshape(B, before * O)
        penalties = ((5 + lengths) / 6) ** self.length_penalty
        compared = total / penalties.repeat(O, axis=1)
        best = (-compared).argsort(axis=1, kind='stable')[:, : self.n]
        self.scores = np.take_along_axis(total, best, axis=1)
        parents, labels = best // O, best % O
        self._lengths = np.take_along_axis(lengths, parents, axis=1)
        self._steps.append((parents, labels))
        return (parents + before * np.arange(B)[:, None]).ravel()

    @property
    def labels(self) -> np.ndarray:
        """The last label of each sequence, (B * beams,)."""
        return self._steps[-1][1].ravel()

    @property
    def complete(self) -> bool:
        """Whether all sequences have reached the label that ends them."""
        return self.stop is not None and bool((self.labels == self.stop).all())

    def best(self) -> np.ndarray:
        """Return the best sequence of each example, (steps, B)."""
        at = np.zeros((len(self.scores), 1), int)
        backwards = []
        for parents, labels in reversed(self._steps):
            backwards.append(np.take_along_axis(labels, at, axis=1)[:, 0])
            at = np.take_along_axis(parents, at, axis=1)
        return np.array(backwards[::-1])


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis, in float64."""
    logits = np.asarray(logits, 'float64')
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
