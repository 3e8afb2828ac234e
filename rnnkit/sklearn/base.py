"""The common part of the estimators: parameters, the network, its training and its outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from rnnkit.common import progress
from rnnkit.models.network import Network
from rnnkit.sklearn.sequences import Sequences, read
from rnnkit.sklearn.sharing import workers
from rnnkit.sklearn.targets import ALL, LAST, Targets, read_weights

WHOLE = 1000  # sequences that make one batch with batch_size='auto'
BATCH = 64  # and the size of a batch if there are more
CHUNK = 2048  # sequences that are predicted at a time
POOLING = ('last', 'mean', 'max')  # layers that leave no time axis


class SequenceEstimator(BaseEstimator, ABC):
    """A network that is fitted to sequences."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        'layers': [list, tuple],
        'many': [StrOptions({'auto', LAST, ALL})],
        'loss': [str, dict],
        'algo': [str],
        'epochs': [Interval(Integral, 1, None, closed='left')],
        'batch_size': [StrOptions({'auto'}), Interval(Integral, 1, None, closed='left')],
        'learning_rate': [Interval(Real, 0, None, closed='neither'), callable],
        'dropout': [Interval(Real, 0, 1, closed='left')],
        'weight_l2': [Interval(Real, 0, None, closed='left')],
        'validation_fraction': [None, Interval(Real, 0, 1, closed='neither')],
        'patience': [Interval(Integral, 0, None, closed='left')],
        'scale': ['boolean'],
        'channels_first': ['boolean'],
        'dtype': [StrOptions({'float32', 'float64'})],
        'options': [None, dict],
        'warm_start': ['boolean'],
        'verbose': ['verbose'],
        'random_state': ['random_state'],
    }
