"""The common part of the estimators: their parameters, the network, its training and outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from rnnkit.callbacks.hooks import listed
from rnnkit.common import progress
from rnnkit.models.network import LayerSpec, Network
from rnnkit.models.sharing import workers
from rnnkit.sklearn.hidden import POOLING, check_hidden, form_of, users_places
from rnnkit.sklearn.hold_out import Examples, hold_out
from rnnkit.sklearn.optimizer_state import OptimizerState
from rnnkit.sklearn.sequences import Sequences, read
from rnnkit.sklearn.targets import (
    ALL,
    LAST,
    Targets,
    each_step,
    joined,
    lengths_of,
    read_weights,
)
from rnnkit.training.loss_term import read_loss_term

WHOLE = 1000  # with batch_size='auto', up to so many sequences are one batch
BATCH = 64  # and more are cut into batches of this size
CHUNK = 2048  # sequences that are predicted at a time
BUILT_WITH = ('layers', 'loss', 'scale', 'dtype')  # the parameters that make the network

Compute = Callable[[Network, np.ndarray, np.ndarray], np.ndarray]  # of x and mask


class SequenceEstimator(BaseEstimator, ABC):
    """A network as an estimator; see `SequenceClassifier` for the parameters."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        'layers': [list, tuple],
        'many': [StrOptions({'auto', LAST, ALL})],
        'loss': [None, str, dict],
        'algo': [str],
        'epochs': [Interval(Integral, 1, None, closed='left')],
        'batch_size': [StrOptions({'auto'}), Interval(Integral, 1, None, closed='left')],
        'learning_rate': [Interval(Real, 0, None, closed='neither'), callable],
        'input_noise': [Interval(Real, 0, None, closed='left')],
        'dropout': [Interval(Real, 0, 1, closed='left')],
        'weight_l2': [Interval(Real, 0, None, closed='left')],
        'validation_fraction': [None, Interval(Real, 0, 1, closed='neither')],
        'patience': [Interval(Integral, 0, None, closed='left')],
        'scale': ['boolean'],
        'channels_first': ['boolean'],
        'dtype': [StrOptions({'float32', 'float64'})],
        'options': [None, dict],
        'warm_start': ['boolean'],
        'verbose': [Options(Integral, {0, 1, 2}), 'boolean'],
        'random_state': ['random_state'],
    }

    _adds_output: ClassVar[bool] = True  # to what `layers` end with

    layers: Sequence[LayerSpec]
    many: str
    loss: str | Mapping[str, object] | None
    algo: str
    epochs: int
    batch_size: int | str
    learning_rate: float | Callable[[int], float]
    input_noise: float
    dropout: float
    weight_l2: float
    validation_fraction: float | None
    patience: int
    scale: bool
    channels_first: bool
    dtype: str
    options: dict[str, object] | None
    warm_start: bool
    verbose: int
    random_state: int | np.random.RandomState | None

    def _keep(self, arguments: dict[str, Any]) -> None:
        """Set each parameter of the constructor, given its ``locals()``."""
        for name in self._get_param_names():
            setattr(self, name, arguments[name])

    # --- what each kind of estimator does in its own way

    @abstractmethod
    def _read_y(self, y: ArrayLike, X: Sequences, reset: bool, **known: Any) -> Targets:
        """Check and convert y; with `reset`, note what later ones must agree with."""

    @abstractmethod
    def _new_network(self, targets: Targets, **options: Any) -> Network:
        """Return a network that has not been trained."""

    def _weighted(self, weights: np.ndarray, X: Sequences, targets: Targets) -> np.ndarray:
        """Return the weights (n,) or (n, T) of the targets, given those of the sequences."""
        return weights

    def _strata(self, targets: Targets) -> np.ndarray | None:
        """Return the labels (n,) to stratify the hold-out by, if any."""
        return None

    def _examples(
        self, X: ArrayLike, y: ArrayLike, reset: bool, **known: Any
    ) -> tuple[Sequences, Targets]:
        """Check and convert X and y."""
        sequences = read(self, X, reset=reset)
        if y is None:  # in scikit-learn's words
            name = type(self).__name__
            raise ValueError(
                f'This {name} estimator requires y to be passed, but the target y is None.'
            )
        return sequences, self._read_y(y, sequences, reset, **known)

    # --- fit

    def _fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        validation: tuple[Any, Any] = (None, None),
        *,
        epochs: int | None = None,
        **known: Any,
    ) -> Any:
        """Fit, or fit further: with ``warm_start=True``, or for a number of epochs."""
        self._validate_params()
        reset = not (hasattr(self, 'net_') and (self.warm_start or epochs))
        if reset:
            vars(self).pop('net_', None)  # which fits the old X and y, if the new ones are wrong
            self._random = check_random_state(self.random_state)
            self._optimizer = OptimizerState()
        else:
            self._check_same_network('partial_fit' if epochs else 'warm_start=True')
        sequences, targets = self._examples(X, y, reset, **known)
        train = (sequences, targets, read_weights(sample_weight, sequences))
        valid = self._validation(*validation, needs_y=y is not None)
        if valid is None and self.validation_fraction and not epochs:
            strata = self._strata(targets)
            train, valid = hold_out(train, self.validation_fraction, strata, self._random)
        if reset:
            self.net_ = self._built(targets)
        self._train(train, valid, epochs)
        return self

    def _built(self, targets: Targets) -> Network:
        """Return a new network, and note the parameters that it was made with."""
        options = {'weighted': True, 'masked': True, 'layout': 'batch', 'dtype': self.dtype}
        with users_places(2 if self.scale else 1, len(self.layers)):
            net = self._new_network(targets, seed=self._seed(), **options)
        self._built_with = {name: getattr(self, name) for name in BUILT_WITH}
        return net

    def _check_same_network(self, what: str) -> None:
        """Raise a ValueError if the fitted network is not the one that the parameters describe."""
        for name, value in self._built_with.items():
            now = getattr(self, name)
            if now is not value and now != value:
                raise ValueError(
                    f'{what} continues with the network of the last fit, which has {name}='
                    f'{value!r}; got {name}={now!r}. Fit a clone for a new network'
                )

    def _seed(self) -> int:
        return int(self._random.randint(2**31 - 1))

    def _validation(
        self, X_val: ArrayLike | None, y_val: ArrayLike | None, needs_y: bool
    ) -> Examples | None:
        """Return the validation data that were passed to `fit`, if any."""
        if X_val is None and y_val is None:
            return None
        if X_val is None or (y_val is None) == needs_y:
            raise ValueError(
                'fit: X_val and y_val belong together, as X and y do; got only one of them'
            )
        sequences, targets = self._examples(X_val, y_val, False)
        return sequences, targets, np.ones(len(sequences))

    def _train(self, train: Examples, valid: Examples | None, epochs: int | None) -> None:
        """Train the network; `epochs` is given for a part of a longer training."""
        n, alone = len(train[0]), epochs is not None
        size = self.batch_size
        if size == 'auto':
            size = n if n <= WHOLE or self.algo == 'lbfgs' else BATCH
        epochs = epochs or self.epochs
        options = {
            'algo': self.algo,
            'epochs': epochs,
            'batch_size': min(size, n),
            'bucket': size < n and not train[0].even,
            'validate_every': 1 if valid else epochs,
            'patience': self.patience,
            'restore_best': valid is not None,
            'seed': self._seed(),
            'verbose': None if 'progress' in (self.options or {}) else int(self.verbose),
            **self._regularization(),
            **(self.options or {}),
        }
        if alone:
            options['callbacks'] = [*listed(options.get('callbacks')), self._optimizer]
        if self.algo != 'lbfgs':  # whose steps have the length that lowers the loss
            options = {'learning_rate': self.learning_rate, **options}
        before = len(self.net_.history)
        with workers.working_for(self.net_) as worker:
            worker.train(self._batch(*train), valid and self._batch(*valid), **options)
        self.history_ = self.net_.history
        done = len(self.history_) - before
        self.n_iter_ = done + (self.n_iter_ if alone and before else 0)

    def _regularization(self) -> dict[str, object]:
        """Return the keywords of `Network.train` against overfitting."""
        first = self.net_.layers[1 if self.scale else 0].name
        keywords = {
            'noise': {first: self.input_noise} if self.input_noise else None,
            'hidden_dropout': self.dropout,
            'weight_l2': self.weight_l2,
        }
        return {name: value for name, value in keywords.items() if value}

    def _batch(self, X: Sequences, targets: Targets, weights: np.ndarray) -> list[np.ndarray]:
        """Return the arrays that the network is trained with."""
        return [X.x, targets.y, self._weighted(weights, X, targets), X.mask]

    def _layers(self, features: int, outputs: int, many: str) -> list[Any]:
        """Return all layers of the network."""
        check_hidden(self.layers, features, outputs if self._adds_output else None)
        if self.loss is not None:
            n = read_loss_term(type(self).__name__, self.loss, {}).loss.n_parts
            if n > 1:
                raise ValueError(
                    f'loss={self.loss!r} reads {n} numbers for each target, but the estimators '
                    f'predict one; for a distribution or several quantiles use rnnkit.Regressor'
                )
        pools = any(form_of(layer) in POOLING for layer in self.layers)
        if pools and many == ALL:
            raise ValueError(
                f'layers={self.layers!r} leave no time axis, but there is a target for each time '
                f"step; leave out 'last', 'mean' and 'max'"
            )
        scaling = ['standardize'] if self.scale else []
        pooling = [] if pools or many == ALL else ['last']
        return [features, *scaling, *self.layers, *pooling, outputs]

    # --- use

    def _read(self, X: ArrayLike) -> Sequences:
        check_is_fitted(self, 'net_')
        return read(self, X, reset=False)

    def _score(
        self,
        metric: Callable[..., float],
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
    ) -> float:
        """Return a metric of scikit-learn: of sequences, or of all their time steps."""
        predicted = self.predict(X)
        if self.many_ == ALL:
            sample_weight = each_step(sample_weight, lengths_of(y, predicted))
            y, predicted = joined(y), joined(predicted)
        return float(metric(y, predicted, sample_weight=sample_weight))

    def _outputs(self, X: Sequences, compute: Compute) -> np.ndarray:
        """Return what the network computes for sequences, (n, ...), some of them at a time."""
        parts = []
        with workers.working_for(self.net_) as worker, progress.shown(False):
            for start in range(0, len(X), CHUNK):
                part = X[start : start + CHUNK]
                parts.append(compute(worker, part.x, part.mask))
        return np.concatenate(parts)

    def _like_y(self, values: np.ndarray, X: Sequences) -> np.ndarray:
        """Return values for sequences (n, ...), or for steps (n, T, ...), in the form of y."""
        return values if self.many_ == LAST else X.split(values)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
