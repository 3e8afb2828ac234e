"""Scaling of each feature over all time steps of all sequences."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted

from rnnkit.data.moments import Moments
from rnnkit.sklearn.sequences import LIST, TABLE, Sequences, as_objects, read
from rnnkit.sklearn.targets import read_weights


class SequenceScaler(
    OneToOneFeatureMixin, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None
):
    """Scale each feature by its mean and standard deviation, or its range, over all time steps.

    The estimators of this package scale their inputs themselves, with ``scale=True``. This
    transformer is for pipelines with other steps.

    Parameters
    ----------
    method : {'standard', 'minmax'}
        'standard' gives each feature mean 0 and standard deviation 1, 'minmax' the range 0 to 1. A
        constant feature becomes 0.
    channels_first : bool
        Whether X is (sequences, features, time steps).

    Attributes
    ----------
    center_, scale_ : arrays of shape (I,)
        The number that is subtracted, and the one that the difference is divided by.
    n_steps_seen_ : int
        The number of time steps, of all sequences together.
    n_features_in_, feature_names_in_
        As in `SequenceClassifier`.

    Notes
    -----
    Means and standard deviations are computed in float64, and `partial_fit` merges them exactly. A
    table (n, T) has n series of one feature, so it has a single mean and standard deviation.

    ``set_output`` applies to tables; arrays (n, T, I) and lists stay as they are.

    Examples
    --------
    >>> import numpy as np
    >>> X = [np.array([[0.0, 5.0], [1.0, 5.0]]), np.array([[2.0, 5.0]])]
    >>> scaler = SequenceScaler('minmax').fit(X)
    >>> [x.tolist() for x in scaler.transform(X)]
    [[[0.0, 0.0], [0.5, 0.0]], [[1.0, 0.0]]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        'method': [StrOptions({'standard', 'minmax'})],
        'channels_first': ['boolean'],
    }

    def __init__(self, method: str = 'standard', *, channels_first: bool = False):
        self.method = method
        self.channels_first = channels_first

    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Compute the mean and standard deviation, or the range, of each feature.

        Parameters
        ----------
        X : list of arrays (T_i, I), array (n, T, I), or array or frame (n, T)
        y : None
            Ignored.
        sample_weight : array (n,), optional
            The weight of each sequence. With 'minmax' a sequence counts if it is above 0.

        Raises
        ------
        ValueError
            If X or a parameter is not usable.
        """
        return self._fit(X, sample_weight, reset=True)

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Add further sequences to those of earlier calls. Parameters are those of `fit`."""
        return self._fit(X, sample_weight, reset=not hasattr(self, 'scale_'))

    def _fit(self, X: ArrayLike, sample_weight: ArrayLike | None, reset: bool) -> Self:
        self._validate_params()
        sequences = read(self, X, reset=reset)
        weights = read_weights(sample_weight, sequences)
        rows = sequences.x[sequences.mask]
        each = np.repeat(weights, sequences.lengths)
        if reset:
            self._moments = Moments(self._features)
            self._range = np.full((2, self._features), [[np.inf], [-np.inf]])
            self.n_steps_seen_ = 0
        self.n_steps_seen_ += len(rows)
        if self.method == 'standard':
            self._moments.add(rows, None if sample_weight is None else each)
            self.center_, self.scale_ = self._moments.mean, self._moments.deviation()
        else:
            counted = rows[each > 0]
            least = np.minimum(self._range[0], counted.min(axis=0))
            most = np.maximum(self._range[1], counted.max(axis=0))
            self._range = np.stack([least, most])
            self.center_, self.scale_ = least, np.where(most > least, most - least, 1.0)
        return self

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Fit, and return scaled sequences, in the form of X."""
        return self.fit(X, y, sample_weight).transform(X)

    def transform(self, X: ArrayLike) -> Any:
        """Return scaled sequences, in the form of X.

        Parameters
        ----------
        X : as in `fit`
        """
        check_is_fitted(self, 'scale_')
        sequences = read(self, X, reset=False)
        scaled = (sequences.x - self.center_) / self.scale_
        return self._like(X, sequences, scaled)

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return sequences in their units before `transform`, in the form of X."""
        check_is_fitted(self, 'scale_')
        sequences = read(self, X, reset=False)
        return self._like(X, sequences, sequences.x * self.scale_ + self.center_, wrap=False)

    def _like(
        self, X: ArrayLike, sequences: Sequences, values: np.ndarray, wrap: bool = True
    ) -> Any:
        """Return values (n, T, I) in the form of X."""
        values = values.astype(sequences.x.dtype, copy=False)
        if sequences.form == TABLE:
            table = values[:, :, 0]
            return _wrap_data_with_container('transform', table, X, self) if wrap else table
        if self.channels_first:
            values = values.swapaxes(1, 2)
        if sequences.form != LIST:
            return values
        ends = sequences.lengths
        arrays = [
            one[:, :end] if self.channels_first else one[:end]
            for one, end in zip(values, ends, strict=True)
        ]
        return as_objects(arrays) if isinstance(X, np.ndarray) else arrays

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ['float64', 'float32']
        return tags


# `transform` wraps tables itself, since frames cannot hold other forms of X.
SequenceScaler._sklearn_auto_wrap_output_keys = {'transform'}
