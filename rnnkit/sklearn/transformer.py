"""Features of sequences: the last hidden state of a trained network."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions

from rnnkit.models.classifier import Classifier
from rnnkit.models.network import LayerSpec, Network
from rnnkit.models.regressor import Regressor
from rnnkit.sklearn.base import SequenceEstimator
from rnnkit.sklearn.hidden import form_of
from rnnkit.sklearn.sequences import Sequences, read
from rnnkit.sklearn.targets import ALL, Targets, joined, read_labels, read_numbers

LABELS, NUMBERS, NEXT = 'labels', 'numbers', 'next step'  # what a network was trained for


class SequenceTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, SequenceEstimator):
    """A fixed number of features for each sequence: the last hidden state of a trained network.

    With y, the network is trained as a classifier or as a regressor of y. Without y, it learns to
    predict the next time step of each sequence. Then it is used up to its last hidden layer, at
    the last time step.

    Parameters
    ----------
    layers : tuple
        The hidden layers, as in `SequenceClassifier`. The last one gives the features.
    target : {'auto', 'labels', 'numbers'}
        Whether y has class labels or numbers. By default floats are numbers, and all other values
        are labels.
    many, loss, algo, epochs, batch_size, learning_rate, input_noise, dropout, weight_l2, \
    validation_fraction, patience, scale, channels_first, dtype, options, warm_start, verbose, \
    random_state
        As in `SequenceClassifier` and `SequenceRegressor`.

    Attributes
    ----------
    net_ : rnnkit.Classifier or rnnkit.Regressor
        The fitted network, with its output layer.
    history_, n_iter_, n_features_in_, feature_names_in_
        As in `SequenceClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((40, 6, 2))
    >>> model = SequenceTransformer((('gru', 3),), epochs=5, random_state=0)
    >>> model.fit_transform(X).shape
    (40, 3)
    >>> model.get_feature_names_out().tolist()
    ['sequencetransformer0', 'sequencetransformer1', 'sequencetransformer2']
    """

    _adds_output: ClassVar[bool] = False  # the last hidden layer is what `transform` returns
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **SequenceEstimator._parameter_constraints,
        'target': [StrOptions({'auto', LABELS, NUMBERS})],
    }

    def __init__(
        self,
        layers: Sequence[LayerSpec] = (('gru', 64),),
        *,
        target: str = 'auto',
        many: str = 'auto',
        loss: str | Mapping[str, object] | None = None,
        algo: str = 'adam',
        epochs: int = 100,
        batch_size: int | str = 'auto',
        learning_rate: float | Callable[[int], float] = 0.003,
        input_noise: float = 0.0,
        dropout: float = 0.0,
        weight_l2: float = 0.0,
        validation_fraction: float | None = None,
        patience: int = 20,
        scale: bool = True,
        channels_first: bool = False,
        dtype: str = 'float32',
        options: dict[str, object] | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ):
        self._keep(locals())

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : list of arrays (T_i, I), array (n, T, I), or array or frame (n, T)
        y : as for `SequenceClassifier` or `SequenceRegressor`, optional
            Without it, the targets are the time steps that follow.
        sample_weight : array (n,), optional
            The weight of each sequence.
        X_val, y_val : as X and y, optional
            Validation data, for early stopping; without y, X_val alone.

        Raises
        ------
        ValueError
            If a parameter or an array is not usable; without y, if a sequence has only one time
            step, or a layer reads the sequence backward.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val))

    def _examples(
        self, X: ArrayLike, y: ArrayLike, reset: bool, **known: Any
    ) -> tuple[Sequences, Targets]:
        sequences = read(self, X, reset=reset)
        if reset:
            self._kind = NEXT if y is None else self.target
            if self._kind == 'auto':
                self._kind = NUMBERS if joined(y).dtype.kind == 'f' else LABELS
        if (y is None) != (self._kind == NEXT):
            raise ValueError(f'fit: the first fit was {"without" if y is not None else "with"} y')
        if y is not None:
            return sequences, self._read_y(y, sequences, reset)
        if sequences.lengths.min() < 2:
            raise ValueError(
                f'X has a sequence of 1 time step, number {int(sequences.lengths.argmin())}; '
                f'without y the network learns to predict the next time step, so each sequence '
                f'must have 2 (n_features = 1 for each)'
            )
        shorter = Sequences(sequences.x[:, :-1], sequences.lengths - 1, sequences.form)
        return shorter, Targets(sequences.x[:, 1:], ALL)

    def _read_y(self, y: ArrayLike, X: Sequences, reset: bool, **known: Any) -> Targets:
        many = self.many if reset else self.many_
        if self._kind == LABELS:
            targets, classes = read_labels(y, X, many, None if reset else self._classes)
            if reset:
                self._classes = classes
        else:
            targets = read_numbers(y, X, many).with_features()
        if reset:
            self.many_ = targets.many
        return targets

    def _new_network(self, targets: Targets, **options: Any) -> Network:
        forward = all(form_of(layer) != 'bidirectional' for layer in self.layers)
        if self._kind == NEXT and not forward:
            raise ValueError(
                'without y the network learns to predict the next time step, which a bidirectional '
                'layer has already read; pass y, or use layers that read forward'
            )
        if self._kind == LABELS:
            layers = self._layers(self._features, len(self._classes), targets.many)
            net: Network = Classifier(layers, self.loss, classes=self._classes.tolist(), **options)
        else:
            layers = self._layers(self._features, targets.y.shape[-1], targets.many)
            net = Regressor(layers, self.loss, scale_targets=self.scale, **options)
        self._n_features_out = net.layers[-2].size
        return net

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Return the features.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        features : array (n, H)
            The output of the last hidden layer at the last time step of each sequence.
        """
        sequences = self._read(X)
        name = f'{self.net_.layers[-2].name}:out'
        out = self._outputs(
            sequences,
            lambda net, x, mask: last_of(net._inference.output('transform', name, x, mask), mask),
        )
        return out.astype(np.float64)


def last_of(out: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return an output at the last real step, (n, H), if it has a time axis."""
    return out if out.ndim == 2 else out[np.arange(len(out)), mask.sum(axis=1) - 1]
