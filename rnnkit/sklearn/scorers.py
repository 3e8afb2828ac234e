"""Scorers for targets of each time step, in 3-D arrays and lists of sequences."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer

from rnnkit.sklearn.targets import each_step, joined, lengths_of


class StepScorer:
    """A scorer that counts each time step as one sample; see `per_step`."""

    def __init__(self, scoring: str | Callable[..., float]):
        self.scoring = scoring

    def __call__(
        self,
        estimator: BaseEstimator,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> float:
        """Return the score of a fitted estimator."""
        flat, options = _Flat(estimator, y), {}
        if sample_weight is not None:
            options['sample_weight'] = each_step(sample_weight, lengths_of(y, y))
        return float(get_scorer(self.scoring)(flat, X, joined(y), **options))

    def __repr__(self) -> str:
        return f'per_step({self.scoring!r})'


class _Flat:
    """An estimator whose predictions are those of all steps, one after the other."""

    def __init__(self, estimator: Any, y: ArrayLike):
        self._estimator, self._y = estimator, y

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._estimator, name)
        if name not in ('predict', 'predict_proba', 'predict_log_proba'):
            return value

        @functools.wraps(value)
        def of_steps(X: ArrayLike) -> np.ndarray:
            predicted = value(X)
            lengths_of(self._y, predicted)  # or an error
            return joined(predicted)

        return of_steps

    def __sklearn_tags__(self) -> Any:
        return self._estimator.__sklearn_tags__()


def per_step(scoring: str | Callable[..., float]) -> StepScorer:
    """Return a scorer for targets of each time step.

    scikit-learn's own scorers expect one target for each sample, and refuse 3-D and ragged ones.

    Parameters
    ----------
    scoring : str or scorer
        A scorer of scikit-learn, such as 'f1_macro', 'neg_log_loss' or
        'neg_mean_absolute_error'. Each time step is one of its samples.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``, for ``cross_val_score(scoring=...)`` and
        the like. It can be pickled.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import cross_val_score
    >>> from rnnkit.sklearn import SequenceClassifier, per_step
    >>> X = [np.arange(steps)[:, None] % 2 for steps in (4, 5, 6, 7)]
    >>> y = [np.where(x[:, 0] == 0, 'even', 'odd') for x in X]
    >>> model = SequenceClassifier((('rnn', 4),), learning_rate=0.1, epochs=40, random_state=0)
    >>> cross_val_score(model, X, y, cv=2, scoring=per_step('f1_macro')).tolist()
    [1.0, 1.0]
    """
    return StepScorer(scoring)
