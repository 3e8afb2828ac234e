"""The networks that users make."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnkit import metrics
from rnnkit.errors import ConfigError
from rnnkit.files import models
from rnnkit.layers import Dense
from rnnkit.losses import accuracy
from rnnkit.network import Network
from rnnkit.sampling import Sampling
from rnnkit.spellings import warn
from rnnkit.streaming import State


@models.add('Regressor')
class Regressor(Network):
    """A network whose output is compared with an array of numbers.

    Its parameters and attributes are those of `rnnkit.Network`; the loss is
    'mse' unless another one is named, and the last layer linear.

    Examples
    --------
    >>> import numpy as np
    >>> net = Regressor([1, ('rnn', 3), 1], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B, O)
    (20, 2, 1)
    """

    default_loss = 'mse'
    output_activation = 'linear'

    def predict(
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False,
        **noise: Any,
    ) -> Any:  # fmt: skip
        """Return the output of the last layer.

        Parameters
        ----------
        x : array of shape (T, B, I)
            (B, T, I) with ``layout='batch'``; (examples, I) in a network without a recurrent
            layer; a list of arrays for a network with several inputs. Any T, any B. With
            ``masked=True``, it may be a list of sequences (T_i, I).
        mask : array of shape (T, B), optional
            Where steps are real, for a network with ``masked=True``; by default everywhere.
        state : dict, optional
            The state that an earlier call returned, to go on from; `x` then has only the inputs
            that have the time axis of the output. By default each call starts a new sequence.
        return_state : bool
            Whether to return the state after the last step, too.
        **noise
            What `train` calls noise and dropout, such as ``hidden_dropout=0.5``: the output is then
            one that training could see, and another one at each call. The same ``seed=3`` gives
            the same one. The mean over many is that of Gal & Ghahramani 2016, arXiv:1506.02142.

        Returns
        -------
        y : array of shape (T, B, O)
            0 over padding; (B, O) if the output has no time axis; for a list of sequences, a
            list of arrays (T_i, O).
        state : dict
            Only with `return_state`: a named tuple of arrays (B, size) for each recurrent
            layer, by its name; and the outputs of other layers that stay the same.

        Raises
        ------
        ShapeError, DataError
            If `x` is not such an array.
        """
        return self.inference.predict('predict()', x, mask, state, return_state, noise)

    def score(self, x: Any, y: Any, weights: Any = None, mask: Any = None) -> float:
        """Return R², the share of the variance of `y` that is predicted; at best 1.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of shape (T, B, O)
        weights : array of the shape of `y`, or (T, B), optional
        mask : array of shape (T, B), optional
            Where steps are real.
        """
        return self.inference.score(metrics.r2, x, y, weights, mask)

    def generate(self, seed: Any, steps: int, *, start: Any = None) -> np.ndarray:
        """Return how a sequence goes on, when each output is the next input.

        Parameters
        ----------
        seed : array of shape (T, B, I)
            The start of the sequence; the network has as many outputs as inputs. For a network
            with an encoder, what the encoder reads.
        steps : int
        start : array of shape (B, I), or anything that is broadcast to it, optional
            For a network with an encoder: the first input of the decoder.

        Returns
        -------
        y : array of shape (steps, B, I)
            The steps that follow the seed; (B, steps, I) with ``layout='batch'``.

        Raises
        ------
        ConfigError
            If the output cannot be the next input, or a layer needs to see the whole sequence.
        ShapeError, DataError
            If the seed is not such an array.
        """
        return self.inference.continuation.numbers(seed, steps, start)


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
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False,
        **noise: Any,
    ) -> Any:  # fmt: skip
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
        self, x: Any, *, mask: Any = None, state: State | None = None, return_state: bool = False,
        **noise: Any,
    ) -> Any:  # fmt: skip
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
        self, seed: Any, steps: int, *, temperature: float = 1.0, top_k: int | None = None,
        top_p: float | None = None, beam: int | None = None, streams: int = 1, start: Any = None,
        stop: int | None = None, rng: Any = None,
    ) -> np.ndarray:  # fmt: skip
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
