"""Recurrent networks on PyTensor: layers by name, three lines to train them.

>>> import rnnkit
>>> net = rnnkit.Regressor(layers=[1, ('lstm', 10), 1], seed=0)
>>> net.num_params
491
"""

from typing import NoReturn

from rnnkit import (
    activations,
    callbacks,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    pretraining,
    recurrent,
    regularizers,
    schedules,
    spellings,
)
from rnnkit.autoencoder import Autoencoder
from rnnkit.cells import Cell
from rnnkit.custom import Regularizer
from rnnkit.errors import (
    ConfigError,
    DataError,
    FormatError,
    RnnkitError,
    ShapeError,
    TrainingError,
)
from rnnkit.experiment import Experiment, log
from rnnkit.files import from_spec, load
from rnnkit.kernels import set_threads
from rnnkit.layers import Layer
from rnnkit.minimize import minimize
from rnnkit.models import Classifier, Regressor
from rnnkit.network import Network
from rnnkit.optimizers import Optimizer
from rnnkit.tensors import split
from rnnkit.version import __version__

__all__ = [
    'Autoencoder',
    'Cell',
    'Classifier',
    'ConfigError',
    'DataError',
    'Experiment',
    'FormatError',
    'Layer',
    'Network',
    'Optimizer',
    'Regressor',
    'Regularizer',
    'RnnkitError',
    'ShapeError',
    'TrainingError',
    '__version__',
    'activations',
    'callbacks',
    'from_spec',
    'initializers',
    'layers',
    'load',
    'log',
    'losses',
    'metrics',
    'minimize',
    'optimizers',
    'pretraining',
    'recurrent',
    'regularizers',
    'schedules',
    'set_threads',
    'split',
]  # fmt: skip


def __getattr__(name: str) -> NoReturn:
    """Say what to write for a name that theanets has, and rnnkit has not."""
    instead = f'; {spellings.NAMES[name]}' if name in spellings.NAMES else ''
    raise AttributeError(f"module 'rnnkit' has no attribute {name!r}{instead}")
