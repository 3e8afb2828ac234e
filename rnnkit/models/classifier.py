"""A network for classification."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor import TensorVariable

from rnnkit import metrics
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import one_of, real
from rnnkit.common.old_words import warn
from rnnkit.common.spelling import brief
from rnnkit.data.classes import Classes
from rnnkit.data.learn_classes import learn
from rnnkit.errors import ConfigError
from rnnkit.inference.sampling import Sampling
from rnnkit.inference.states import State
from rnnkit.layers import Dense, Tied
from rnnkit.losses import Loss, accuracy
from rnnkit.models.files import models
from rnnkit.models.network import LayerSpec, Network
from rnnkit.parallel import ALONE, Team
from rnnkit.training.protocols import Arrays, Data, Inputs, Valid
from rnnkit.training.undo import Undo

WITHOUT_TARGETS = ('pretrain', 'unsupervised')  # ways to train that read no labels


@models.add('Classifier')
@checked_methods
class Classifier(Network):
    """A network for classification: its output is the probability of each class.

    Targets are class labels of shape (T, B), or (B,) for one label for each sequence. The last
    layer is a softmax with one unit for each class. The default loss is the cross-entropy, 'xe'.

    Labels are whole numbers from 0, or names: strings, other numbers, or bools. `predict` returns
    labels of the same kind. The names are `classes`, or learned at the first training on arrays:
    the labels that count in training and validation data, sorted. Integers from 0 to the number of
    units, less 1, are never names, even if some of them do not occur.

    Parameters
    ----------
    layers, loss, weighted, masked, layout, dtype, seed, kernel
        As of `rnnkit.Network`.
    classes : sequence of str, int, float or bool, optional
        The names of the classes, in the order of the units. They must be given if training data
        come from a callable and have other labels than 0 to n - 1.

    Raises
    ------
    ConfigError
        If there are not as many different names of one kind as units; or for the reasons of
        `rnnkit.Network`.

    Examples
    --------
    >>> import numpy as np
    >>> net = Classifier([1, ('rnn', 3), 4], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B)
    (20, 2)
    >>> net = Classifier([1, ('rnn', 3), 'last', 2], classes=['no', 'yes'], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).tolist()      # (T, B, I) -> (B,)
    ['no', 'no']
    """

    _default_loss = 'xe'
    _output_activation = 'softmax'
    _integer_targets = True
    _own_settings = ('classes',)
    _classes: Classes

    def __init__(
        self,
        layers: Sequence[LayerSpec] | None = None,
        loss: str | Mapping[str, object] | Loss | None = None,
        *,
        classes: Sequence[str | float] | np.ndarray | None = None,
        weighted: bool = False,
        masked: bool = False,
        layout: str = 'time',
        dtype: str = 'float32',
        seed: int | None = None,
        kernel: bool | None = None,
        **unknown: Any,
    ):
        self._names = classes
        super().__init__(
            layers,
            loss,
            weighted=weighted,
            masked=masked,
            layout=layout,
            dtype=dtype,
            seed=seed,
            kernel=kernel,
            **unknown,
        )

    @property
    def classes_(self) -> np.ndarray | None:
        """The names of the classes, in the order of the output's units; None if not known yet.

        They are those of ``classes=``, or learned at the first training: the labels, sorted. Where
        labels are whole numbers from 0, they are 0 to n - 1.
        """
        self._settle()
        return self._classes.names

    def _settle(self) -> None:
        """Note that classes without names are 0 to n - 1, once a training has read labels."""
        if self._classes.names is None and any('acc' in record for record in self.history):
            self._classes.name(np.arange(self._classes.n))

    def _learn_classes(
        self, train: Data, valid: Valid, algo: str, undo: Undo, team: Team = ALONE
    ) -> None:
        from rnnkit.data.on_disk import wrapped

        self._settle()
        if self._classes.names is None and algo not in WITHOUT_TARGETS:
            undo.add(partial(self._classes.name, None))
            gather = partial(team.gather, 'the classes')
            names = [field.name for field in self._border.fields]
            given = ((train, 'train'), (valid, 'valid'))
            sources = [(wrapped(data, where, names), where) for data, where in given]
            self._classes.name(learn(self._border, self._classes.n, sources, gather))

    def _finish_last_layer(self, loss: Loss) -> None:
        super()._finish_last_layer(loss)
        last = self.layers[-1]
        if not isinstance(last, Dense | Tied) or last.activation != 'softmax':
            raise ConfigError(
                f'Classifier: the last layer must be a softmax; write only the number of classes; '
                f'got {last.form!r} with activation {getattr(last, "activation", None)!r}'
            )

    def _build(self) -> None:
        super()._build()
        n = self.layers[-1].size  # a tied layer has a size now
        if n == 1:
            raise ConfigError(
                'Classifier: a softmax of 1 unit is always 1. For two classes write 2 units; or, '
                'for the probability of 1 where targets are 0 or 1, a '
                "Regressor([...], loss='bce') with 1 unit"
            )
        self._classes = Classes(n, self._names)
        del self._names

    def _monitors(
        self,
        output: TensorVariable,
        error: TensorVariable,
        target: TensorVariable,
        weights: TensorVariable | None,
        loss: Loss,
    ) -> dict[str, TensorVariable]:
        """Return the error and the accuracy, as symbolic scalars."""
        return {'err': error, 'acc': accuracy(output, target, weights, loss)}

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
        labels : array of shape (T, B)
            Of int, 0 over padding. Where classes have names, an array of the dtype of
            `classes_`; over padding stands an empty string, 0 or False.
        """
        result = self._inference.predict('predict()', x, mask, state, return_state, noise)
        proba, *state_after = result if return_state else (result,)
        if isinstance(proba, list):
            labels = [self._most_probable(sequence) for sequence in proba]
        else:
            labels = self._most_probable(proba)
        return (labels, *state_after) if return_state else labels

    def _most_probable(self, proba: np.ndarray) -> np.ndarray:
        numbers = proba.argmax(-1)
        if self._classes.plain:
            return numbers
        return self._classes.decode(numbers, proba.any(-1))  # over padding all of them are 0

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
            Column k is that of ``classes_[k]``. They sum to 1 over the last axis; over padding all
            are 0.
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
        y : array of shape (T, B)
            The true labels, of the kind that the network was trained with.
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
        length_penalty: float = 0.0,
        streams: int = 1,
        start: ArrayLike | None = None,
        stop: int | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Continue a sequence: each label that is sampled is the next input.

        The network has as many inputs as classes, and reads labels through an embedding or as
        one-hot vectors. Its hidden state is carried, so that each step costs the same. Labels are
        here the numbers of classes, as the network reads them, also where classes have names:
        ``net.classes_[labels]`` are the names.

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
        length_penalty : float
            For a beam search with a `stop`: log probabilities of sequences are compared after they
            are divided by ``((5 + length) / 6) ** length_penalty``. At 0, shorter sequences are
            preferred, for each label costs something; 0.6 to 1 is usual.
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
        Graves 2013, arXiv:1308.0850, for sampling; Sutskever et al. 2014, NeurIPS 27, for beams;
        Wu et al. 2016, arXiv:1609.08144, for the length penalty.

        Examples
        --------
        >>> net = Classifier([5, ('gru', 4), 5], seed=0)
        >>> net.generate([1, 2], steps=3, streams=2, rng=0).shape
        (3, 2)
        """
        options = {'temperature': temperature, 'top_k': top_k, 'top_p': top_p, 'rng': rng}
        continuation = self._inference.continuation()
        length_penalty = real('generate(): length_penalty', length_penalty, least=0)
        if beam is None:
            if length_penalty:
                raise ConfigError(
                    f'generate(): length_penalty is for a beam search, such as beam=4; got '
                    f'length_penalty={brief(length_penalty)} without beam'
                )
            return continuation.sampled(seed, steps, Sampling(**options), streams, start, stop)
        usual = {name: getattr(Sampling, name) for name in options} | {'streams': 1}
        given = {**options, 'streams': streams}
        needless = [name for name in given if not one_of(given[name], (usual[name],))]
        if needless:
            raise ConfigError(
                f'generate(): a beam search finds one sequence and samples nothing; leave out '
                f'{", ".join(needless)}'
            )
        return continuation.searched(seed, steps, beam, length_penalty, start, stop)

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
        return self._inference.continuation().sequence(labels, steps, streams, rng)
