"""A network that learns classes."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnkit import metrics
from rnnkit.common.old_words import warn
from rnnkit.errors import ConfigError
from rnnkit.inference.sampling import Sampling
from rnnkit.inference.streaming import State
from rnnkit.layers import Dense
from rnnkit.losses import accuracy
from rnnkit.models.files import models
from rnnkit.models.network import Network


@models.add('Classifier')
class Classifier(Network):
    """A network whose output is the probability of each class, at each time step.

    Targets are class labels, whole numbers from 0, of shape (T, B). The last layer has one
    unit for each class, and is a softmax. Its parameters and attributes are those of
    `rnnkit.Network`; the loss is 'xe'.

    Examples
    --------
    >>> import numpy as np
    >>> net = Classifier([1, ('rnn', 3), 4], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B)
    (20, 2)
    """

    default_loss = 'xe'
    output_activation = 'softmax'
    integer_targets = True

    def _finish_last_layer(self, loss):
        super()._finish_last_layer(loss)
        last = self.layers[-1]
        if not isinstance(last, Dense) or last.activation != 'softmax':
            raise ConfigError(
                f'Classifier: the last layer must be a softmax, so write the number of classes '
                f'alone; got {last.form!r} with activation {getattr(last, "activation", None)!r}'
            )

    def monitors(self, output, error, target, weights):
        """Return the error and the accuracy, as symbolic scalars."""
        return {'err': error, 'acc': accuracy(output, target, weights)}

    def predict(
        self,
        x: Any,
        *,
        mask: Any = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: Any,
    ) -> Any:
        """Return the most probable class.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `Regressor.predict`.
        mask, state, return_state, **noise
            Likewise.

        Returns
        -------
        labels : array of int of shape (T, B)
            0 over padding.
        """
        found = self.inference.predict('predict()', x, mask, state, return_state, noise)
        out, *rest = found if return_state else (found,)
        best = [one.argmax(-1) for one in out] if isinstance(out, list) else out.argmax(-1)
        return (best, *rest) if return_state else best

    def predict_proba(
        self,
        x: Any,
        *,
        mask: Any = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: Any,
    ) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask, state, return_state, **noise
            As in `Regressor.predict`.

        Returns
        -------
        probabilities : array of shape (T, B, O)
            They sum to 1 over the last axis; over padding all are 0.
        """
        return self.inference.predict('predict_proba()', x, mask, state, return_state, noise)

    def predict_logit(self, x: Any, *, mask: Any = None) -> np.ndarray:
        """Return what the softmax of the network is taken of.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask : array of shape (T, B), optional
            Where steps are real.

        Returns
        -------
        logits : array of shape (T, B, O)
        """
        return self.inference.logits(x, mask)

    def classify(self, x: Any) -> Any:
        """Return what `predict` does, under an old name."""
        warn('classify() is an old word; write predict()')
        return self.predict(x)

    def score(self, x: Any, y: Any, weights: Any = None, mask: Any = None) -> float:
        """Return the share of labels that are predicted correctly.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of int of shape (T, B)
        weights : array of shape (T, B), optional
        mask : array of shape (T, B), optional
            Where steps are real.
        """
        return self.inference.score(metrics.accuracy, x, y, weights, mask)

    def generate(
        self,
        seed: Any,
        steps: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        beam: int | None = None,
        streams: int = 1,
        start: Any = None,
        stop: int | None = None,
        rng: Any = None,
    ) -> np.ndarray:
        """Return how a sequence goes on, when each label is the next input.

        The network has as many inputs as classes, and reads labels through an embedding or as
        vectors with a single 1. Its state is carried, so that each step costs the same.

        Parameters
        ----------
        seed : array of int of shape (T,) or (T, B), or int
            The start of the sequence; or an array (T, B, I) of the vectors. For a network with an
            encoder, what the encoder reads.
        steps : int
            How many labels follow, at most.
        temperature : float
            Labels are drawn from softmax(pre / temperature), where pre is what the softmax of
            the network is taken of. 0 takes the most likely one.
        top_k : int, optional
            Draw only from the k most likely labels.
        top_p : float, optional
            Draw only from the most likely labels, as many as it takes to reach this probability.
        beam : int, optional
            Instead of drawing, search for the most likely sequence, and go on from so many of the
            best at each step.
        streams : int
            How many sequences go on from a single seed.
        start : int or array of int of shape (B,), optional
            For a network with an encoder: the first label that the decoder reads.
        stop : int, optional
            A label after which a sequence has ended. It is repeated until all have.
        rng : int or numpy.random.Generator, optional
            A seed or a generator; without one, each call draws other labels.

        Returns
        -------
        labels : array of int of shape (steps, streams)
            (streams, steps) with ``layout='batch'``; (steps, B) if there are several seeds.

        Raises
        ------
        ConfigError
            If the output cannot be the next input, a layer needs to see the whole sequence, or an
            option makes no sense.
        ShapeError, DataError
            If the seed is not usable.

        References
        ----------
        Graves 2013, arXiv:1308.0850, for sampling; Sutskever et al. 2014, NeurIPS 27, for beams.

        Examples
        --------
        >>> net = Classifier([5, ('gru', 4), 5], seed=0)
        >>> net.generate([1, 2], steps=3, streams=2, rng=0).shape
        (3, 2)
        """
        given = {'temperature': temperature, 'top_k': top_k, 'top_p': top_p, 'rng': rng}
        go_on = self.inference.continuation
        if beam is None:
            return go_on.sampled(seed, steps, Sampling(**given), streams, start, stop)
        wrong = [name for name, value in given.items() if value != getattr(Sampling, name)]
        if wrong or streams != 1:
            raise ConfigError(
                f'generate(): beam looks for one sequence, nothing is drawn; leave out '
                f'{", ".join(wrong or ["streams"])}'
            )
        return go_on.searched(seed, steps, beam, start, stop)

    def predict_sequence(
        self, labels: Any, steps: int, streams: int = 1, rng: Any = None
    ) -> Iterator[int | list[int]]:
        """Yield labels that go on from `labels`, one at a time, as theanets did.

        Parameters
        ----------
        labels : list of int
            The start of the sequence.
        steps : int
        streams : int
            How many sequences go on from it. If there are several, lists of labels are yielded.
        rng : int or numpy.random.Generator, optional

        Examples
        --------
        >>> net = Classifier([5, ('gru', 4), 5], seed=0)
        >>> len(list(net.predict_sequence([1, 2], 3, rng=0)))
        3
        """
        return self.inference.continuation.sequence(labels, steps, streams, rng)
