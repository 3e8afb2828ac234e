"""A classifier of sequences, or of their time steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import compute_class_weight
from sklearn.utils._param_validation import StrOptions

from rnnkit.models.classifier import Classifier
from rnnkit.models.network import LayerSpec, Network
from rnnkit.sklearn.base import SequenceEstimator
from rnnkit.sklearn.hold_out import Examples
from rnnkit.sklearn.sequences import Sequences
from rnnkit.sklearn.targets import ALL, LAST, Targets, read_labels
from rnnkit.training.class_weights import balanced


class SequenceClassifier(ClassifierMixin, SequenceEstimator):
    """A recurrent network that classifies sequences, or each of their time steps.

    Parameters
    ----------
    layers : tuple
        The hidden layers, as for `rnnkit.Network`: ``(('gru', 32),)``,
        ``(('lstm', 64), ('lstm', 64))``, ``(dict(form='bidirectional', worker='gru', size=64),)``.
        An output layer follows; for one label for each sequence, 'last' comes before it, unless
        there is a layer 'last', 'mean' or 'max': ``(('gru', 32), 'mean')``.
    many : {'auto', 'last', 'all'}
        Whether y has one label for each sequence, 'last', or one for each time step, 'all'. By
        default the shape of y decides.
    loss : str or dict
        As for `rnnkit.Classifier`.
    algo : str
        An update rule, such as 'adam', 'rmsprop' or 'lbfgs'.
    epochs : int
        The largest number of passes over the training data. It can be the ``resource`` of a
        ``HalvingGridSearchCV``.
    batch_size : int or 'auto'
        Sequences in a mini-batch. 'auto' is all sequences up to 1000, and 64 for more. With all
        in one batch, a sample weight of k has the effect of k copies.
    learning_rate : float or callable
        A number, or a ``rnnkit.schedules`` object. 'lbfgs' does not use it.
    input_noise : float
        The standard deviation of the Gaussian noise that is added to the inputs in training,
        after any scaling. On small data 0.2 to 0.5 may help against overfitting.
    dropout : float
        The fraction of the outputs of hidden layers that are set to 0 in training.
    weight_l2 : float
        The weight of the squared weights in the loss.
    validation_fraction : float, optional
        The part of the training data that is held out for early stopping, at random, with the same
        share of each class. By default none is.
    patience : int
        Early stopping: with `validation_fraction`, or with ``X_val`` and ``y_val``, training ends
        when the validation loss has not improved for more than this many epochs in a row, and the
        best parameters are kept. Without validation data, training takes all `epochs`.
    scale : bool
        Whether the network standardizes its inputs with the mean and standard deviation of the
        training data.
    channels_first : bool
        Whether X is (sequences, features, time steps), as in aeon and sktime.
    class_weight : dict, 'balanced' or None
        Weights of the classes, as in scikit-learn. 'balanced' counts the labels of the training
        data; `partial_fit` refuses it.
    dtype : {'float32', 'float64'}
        The precision of the network.
    options : dict, optional
        Further keywords of `rnnkit.Network.train`, such as ``{'max_gradient_norm': 1.0}``.
    warm_start : bool
        Whether `fit` continues from the parameters of the last fit.
    verbose : {0, 1, 2}
        0 shows nothing; 1 a bar or a line that changes; 2 a line for each epoch. See
        `rnnkit.Network.train`.
    random_state : int, RandomState or None
        Seeds the initial weights, the order of sequences, dropout and the hold-out. With an int,
        each fit gives the same bits.

    Attributes
    ----------
    classes_ : array of shape (K,)
    net_ : rnnkit.Classifier
        The fitted network; ``model.net_.save(path)`` writes a file with the names of the classes.
    history_ : rnnkit.training.History
        One record for each epoch.
    n_iter_ : int
        The number of epochs of the last fit; with `partial_fit`, of all calls.
    n_features_in_ : int
        The number of features of each time step; for X of shape (n, T), the number of columns.
    feature_names_in_ : array of str
        Only if X is a frame whose columns have names, or a list of such frames.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = np.array(['calm', 'wild'] * 10)
    >>> X = [rng.normal(scale=3 if k == 'wild' else 1, size=(rng.integers(5, 9), 2)) for k in y]
    >>> model = SequenceClassifier((('gru', 8),), epochs=50, random_state=0).fit(X, y)
    >>> float(model.score(X, y)) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **SequenceEstimator._parameter_constraints,
        'class_weight': [StrOptions({'balanced'}), dict, None],
    }

    def __init__(
        self,
        layers: Sequence[LayerSpec] = (('gru', 64),),
        *,
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
        class_weight: Mapping[Any, float] | str | None = None,
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
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network.

        Parameters
        ----------
        X : list of arrays (T_i, I), array (n, T, I), or array or frame (n, T)
            Sequences of T_i time steps and I features; or n series of T steps of one feature.
        y : array (n,); or array (n, T), or list of arrays (T_i,)
            Labels of any kind, one for each sequence or one for each time step.
        sample_weight : array (n,), optional
            The weight of each sequence.
        X_val, y_val : as X and y, optional
            Validation data, for early stopping.

        Raises
        ------
        ValueError
            If a parameter or an array is not usable.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val))

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one more epoch on these sequences.

        The scaling stays that of the first call, and no data are held out.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array (K,), optional
            All classes there will be; needed at the first call.
        """
        if self.class_weight == 'balanced':
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees only a part "
                'of the data; pass a dict of weights, such as by sklearn.utils.compute_class_weight'
            )
        first = not hasattr(self, 'net_')
        if first and classes is None:
            raise ValueError(
                'classes must be passed on the first call to partial_fit: all classes there will be'
            )
        if classes is not None:
            classes = np.unique(classes)
            if not first and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f'classes={classes.tolist()} is not the same as on the last call to '
                    f'partial_fit: {self.classes_.tolist()}'
                )
        return self._fit(X, y, sample_weight, epochs=1, classes=classes)

    def _read_y(
        self, y: ArrayLike, X: Sequences, reset: bool, classes: ArrayLike | None = None
    ) -> Targets:
        if not reset:
            return read_labels(y, X, self.many_, self.classes_)[0]
        targets, self.classes_ = read_labels(y, X, self.many, classes)
        self.many_ = targets.many
        return targets

    def _new_network(self, targets: Targets, **options: Any) -> Network:
        layers = self._layers(self._features, len(self.classes_), targets.many)
        return Classifier(layers, self.loss, classes=self.classes_.tolist(), **options)

    def _train(self, train: Examples, valid: Examples | None, epochs: int | None) -> None:
        self._factors = self._factors_of(*train)
        super()._train(train, valid, epochs)

    def _factors_of(self, X: Sequences, targets: Targets, weights: np.ndarray) -> np.ndarray | None:
        """Return how much each class counts, given the training data."""
        if self.class_weight is None:
            return None
        if self.class_weight == 'balanced':
            return balanced(targets.y, _each(weights, X, targets), len(self.classes_))
        return compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_)

    def _weighted(self, weights: np.ndarray, X: Sequences, targets: Targets) -> np.ndarray:
        weights = _each(weights, X, targets)
        return weights if self._factors is None else weights * self._factors[targets.y]

    def _strata(self, targets: Targets) -> np.ndarray | None:
        return targets.y if targets.many == LAST else None

    def _probabilities(self, X: Sequences) -> np.ndarray:
        """Return the probabilities of the classes, which sum to 1 in float64; 0 over padding."""
        p = self._outputs(X, lambda net, x, mask: net.predict_proba(x, mask=mask))
        p = p.astype(np.float64)
        total = p.sum(axis=-1, keepdims=True)
        return p / np.where(total > 0, total, 1)

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        probabilities : array (n, K)
            With one label for each time step (n, T, K); or, for a list of sequences, an array of n
            objects: arrays (T_i, K).
        """
        sequences = self._read(X)
        return self._like_y(self._probabilities(sequences), sequences)

    def predict_log_proba(self, X: ArrayLike) -> np.ndarray:
        """Return the logarithm of the probability of each class, in the form of `predict_proba`."""
        sequences = self._read(X)
        with np.errstate(divide='ignore'):
            return self._like_y(np.log(self._probabilities(sequences)), sequences)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the most probable class.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        labels : array (n,)
            With one label for each time step (n, T); or, for a list of sequences, an array of n
            objects: arrays (T_i,).
        """
        sequences = self._read(X)
        labels = self.classes_[self._probabilities(sequences).argmax(axis=-1)]
        return self._like_y(labels, sequences)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy: of sequences, or of all time steps.

        Parameters
        ----------
        X, y : as in `fit`
        sample_weight : array (n,), optional
            The weight of each sequence, and of each of its steps.
        """
        return self._score(accuracy_score, X, y, sample_weight)


def _each(weights: np.ndarray, X: Sequences, targets: Targets) -> np.ndarray:
    """Return the weight of each target, given those of the sequences."""
    return weights[:, None] * X.mask if targets.many == ALL else weights
