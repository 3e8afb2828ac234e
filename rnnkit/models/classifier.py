"""A network for classification."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor import TensorVariable

from rnnkit import metrics
from rnnkit.common.calls import checked_methods
from rnnkit.common.old_words import warn
from rnnkit.errors import ConfigError
from rnnkit.inference.sampling import Sampling
from rnnkit.inference.states import State
from rnnkit.layers import Dense, Tied
from rnnkit.losses import Loss, accuracy
from rnnkit.models.files import models
from rnnkit.models.network import Network
from rnnkit.training.protocols import Arrays, Inputs


@models.add('Classifier')
@checked_methods
class Classifier(Network):
    """A network for classification: its output is the probability of each class.

    Targets are class labels, whole numbers from 0, of shape (T, B). The last layer is a softmax
    with one unit for each class. Its parameters and attributes are those of `rnnkit.Network`;
    the default loss is the cross-entropy, 'xe'.

    Examples
    --------
    >>> import numpy as np
    >>> net = Classifier([1, ('rnn', 3), 4], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B)
    (20, 2)
    """

    _default_loss = 'xe'
    _output_activation = 'softmax'
    _integer_targets = True

    def _finish_last_layer(self, loss: Loss) -> None:
        super()._finish_last_layer(loss)
        last = self.layers[-1]
        if not isinstance(last, Dense | Tied) or last.activation != 'softmax':
            raise ConfigError(
                f'Classifier: the last layer must be a softmax; write only the number of classes; '
                f'got {last.form!r} with activation {getattr(last, "activation", None)!r}'
            )

    def _monitors(
        self,
        output: TensorVariable,
        error: TensorVariable,
        target: TensorVariable,
        weights: TensorVariable | None,
    ) -> dict[str, TensorVariable]:
        """Return the error and the accuracy, as symbolic scalars."""
        return {'err': error, 'acc': accuracy(output, target, weights)}

    def predict(
        self,
        x: Inputs,
        *,
        mask: Arrays | None = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: object,
    ) -> Any:
        """Return the most probable class.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask, state, return_state, **noise
            As in `Regressor.predict`.

        Returns
        -------
        labels : array of int of shape (T, B)
            0 over padding.
        """
        result = self._inference.predict('predict()', x, mask, state, return_state, noise)
        proba, *state_after = result if return_state else (result,)
        if isinstance(proba, list):
            labels = [sequence.argmax(-1) for sequence in proba]
        else:
            labels = proba.argmax(-1)
        return (labels, *state_after) if return_state else labels

    def predict_proba(
        self,
        x: Inputs,
        *,
        mask: Arrays | None = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: object,
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
        return self._inference.predict('predict_proba()', x, mask, state, return_state, noise)

    def predict_logit(self, x: Inputs, *, mask: Arrays | None = None) -> np.ndarray:
        """Return the logits: the input of the softmax.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask : array of shape (T, B), optional
            As in `predict`.

        Returns
        -------
        logits : array of shape (T, B, O)
        """
        return self._inference.logits(x, mask)

    def classify(self, x: Inputs) -> Any:
        """Return the most probable class: an old name of `predict`."""
        warn('classify() is an old name; write predict()')
        return self.predict(x)

    def score(
        self, x: Inputs, y: Inputs, weights: Inputs | None = None, mask: Arrays | None = None
    ) -> float:
        """Return the accuracy: the fraction of labels that are predicted correctly.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of int of shape (T, B)
            The true labels.
        weights : array of shape (T, B), or (B,), optional
            Sample weights; where one is 0, the label may be anything.
        mask : array of shape (T, B), optional
            As in `predict`.
        """
        return self._inference.score(metrics.accuracy, x, y, weights, mask)

    def generate(
        self,
        seed: Inputs,
        steps: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        beam: int | None = None,
        streams: int = 1,
        start: ArrayLike | None = None,
        stop: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Continue a sequence: each label that is sampled is the next input.

        The network has as many inputs as classes, and reads labels through an embedding or as
        one-hot vectors. Its hidden state is carried, so that each step costs the same.

        Parameters
        ----------
        seed : array of int of shape (T,) or (T, B), or int
            The start of the sequence; or an array (T, B, I) of one-hot vectors. For a network
            with an encoder, the input of the encoder.
        steps : int
            The number of labels to generate, at most.
        temperature : float
            Labels are sampled from softmax(logits / temperature); 0 is greedy decoding: always
            the most likely label.
        top_k : int, optional
            Sample only from the k most likely labels.
        top_p : float, optional
            Nucleus sampling: sample only from the fewest labels whose probabilities reach `top_p`
            together.
        beam : int, optional
            Beam search instead of sampling: the number of sequences that are kept at each step.
        streams : int
            The number of sequences that are sampled from a single seed.
        start : int or array of int of shape (B,), optional
            For a network with an encoder: the first label that the decoder reads.
        stop : int, optional
            A label that ends a sequence. It is repeated until all sequences have ended.
        rng : int or numpy.random.Generator, optional
            A seed or a generator; without one, each call samples other labels.

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
        options = {'temperature': temperature, 'top_k': top_k, 'top_p': top_p, 'rng': rng}
        continuation = self._inference.continuation
        if beam is None:
            return continuation.sampled(seed, steps, Sampling(**options), streams, start, stop)
        needless = [name for name, value in options.items() if value != getattr(Sampling, name)]
        if needless or streams != 1:
            raise ConfigError(
                f'generate(): a beam search finds one sequence and samples nothing; leave out '
                f'{", ".join(needless or ["streams"])}'
            )
        return continuation.searched(seed, steps, beam, start, stop)

    def predict_sequence(
        self,
        labels: Inputs,
        steps: int,
        streams: int = 1,
        rng: int | np.random.Generator | None = None,
    ) -> Iterator[int | list[int]]:
        """Yield labels that continue `labels`, one at a time, as theanets did.

        Parameters
        ----------
        labels : list of int
            The start of the sequence.
        steps : int
        streams : int
            The number of sequences. If there are several, lists of labels are yielded.
        rng : int or numpy.random.Generator, optional

        Examples
        --------
        >>> net = Classifier([5, ('gru', 4), 5], seed=0)
        >>> len(list(net.predict_sequence([1, 2], 3, rng=0)))
        3
        """
        return self._inference.continuation.sequence(labels, steps, streams, rng)
