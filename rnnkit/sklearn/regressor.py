"""A regressor on sequences, or for each of their time steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from rnnkit.models.network import LayerSpec, Network
from rnnkit.models.regressor import Regressor
from rnnkit.sklearn.base import SequenceEstimator
from rnnkit.sklearn.sequences import Sequences
from rnnkit.sklearn.targets import ALL, Targets, read_numbers


class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """A recurrent network that predicts numbers for sequences, or for each of their time steps.

    Parameters
    ----------
    layers : tuple
        The hidden layers, as in `SequenceClassifier`.
    many : {'auto', 'last', 'all'}
        Whether y has targets for each sequence, 'last', or for each time step, 'all'. By default
        the shape of y decides; if it allows both, `fit` raises an error.
    loss : str or dict
        As for `rnnkit.Regressor`: 'mse', 'mae', ``dict(form='huber', delta=0.5)``.
    algo, epochs, batch_size, learning_rate, input_noise, dropout, weight_l2, validation_fraction, \
    patience
        As in `SequenceClassifier`.
    scale : bool
        Whether the network standardizes its inputs and targets with the mean and standard
        deviation of the training data. Predictions are in the units of y.
    channels_first, dtype, options, warm_start, verbose, random_state
        As in `SequenceClassifier`.

    Attributes
    ----------
    net_ : rnnkit.Regressor
        The fitted network.
    history_, n_iter_, n_features_in_, feature_names_in_
        As in `SequenceClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).standard_normal((40, 6, 2))
    >>> y = X[:, :, 0].mean(axis=1)
    >>> model = SequenceRegressor((('gru', 8),), learning_rate=0.01, random_state=0).fit(X, y)
    >>> float(model.score(X, y)) > 0.9
    True
    """

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
        y : array (n,) or (n, O); or array (n, T) or (n, T, O), or list of arrays (T_i,), (T_i, O)
            Targets: one or O numbers for each sequence or for each time step.
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
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one more epoch on these sequences. Parameters are those of `fit`.

        The scaling stays that of the first call, and no data are held out.
        """
        return self._fit(X, y, sample_weight, epochs=1)

    def _read_y(self, y: ArrayLike, X: Sequences, reset: bool) -> Targets:
        targets = read_numbers(y, X, self.many if reset else self.many_)
        if reset:
            self.many_, self._target_shape = targets.many, targets.shape
        elif targets.shape != self._target_shape:
            raise ValueError(
                f'y has shape {np.shape(y)}, which does not fit the targets of the first fit: '
                f'{self._target_shape} for each {"time step" if self.many_ == ALL else "sequence"}'
            )
        return targets.with_features()

    def _new_network(self, targets: Targets, **options: Any) -> Network:
        layers = self._layers(self._features, targets.y.shape[-1], targets.many)
        return Regressor(layers, self.loss, scale_targets=self.scale, **options)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the predicted targets.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        y : array (n,) or (n, O)
            With targets for each time step (n, T) or (n, T, O); or, for a list of sequences, an
            array of n objects: arrays (T_i,) or (T_i, O).
        """
        sequences = self._read(X)
        y = self._outputs(sequences, lambda net, x, mask: net.predict(x, mask=mask))
        y = y.astype(np.float64)
        return self._like_y(y if self._target_shape else y[..., 0], sequences)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R², the coefficient of determination: of sequences, or of all time steps.

        Parameters
        ----------
        X, y : as in `fit`
        sample_weight : array (n,), optional
            The weight of each sequence, and of each of its steps.
        """
        return self._score(r2_score, X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
