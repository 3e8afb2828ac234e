"""Recurrent networks on PyTensor: layers by name, three lines to train them.

>>> import rnnkit
>>> net = rnnkit.Regressor(layers=[1, ('lstm', 10), 1], seed=0)
>>> net.num_params
491
"""

import importlib
from typing import TYPE_CHECKING

from rnnkit.common import homeless  # noqa: F401  # before anything imports PyTensor

# isort: split
from rnnkit import (
    activations,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    pretraining,
    recurrent,
    regularizers,
    schedules,
    windows,
)
from rnnkit.cells import Cell
from rnnkit.common import foreign_names
from rnnkit.common.tensors import split
from rnnkit.errors import (
    CallError,
    ConfigError,
    DataError,
    FormatError,
    NotFoundError,
    RankError,
    RnnkitError,
    ShapeError,
    TrainingError,
)
from rnnkit.kernels import set_threads
from rnnkit.layers import Layer
from rnnkit.models.autoencoder import Autoencoder
from rnnkit.models.classifier import Classifier
from rnnkit.models.files import from_spec, load
from rnnkit.models.network import Network
from rnnkit.models.regressor import Regressor
from rnnkit.optimizers import Optimizer
from rnnkit.theanets import Experiment, Regularizer, log
from rnnkit.training.minimize import minimize
from rnnkit.version import __version__

__all__ = [
    'Autoencoder',
    'CallError',
    'Cell',
    'Classifier',
    'ConfigError',
    'DataError',
    'Experiment',
    'Forecaster',
    'FormatError',
    'Layer',
    'Network',
    'NotFoundError',
    'Optimizer',
    'RankError',
    'Regressor',
    'Regularizer',
    'RnnkitError',
    'ShapeError',
    'TrainingError',
    '__version__',
    'activations',
    'callbacks',
    'datasets',
    'from_keras',
    'from_onnx',
    'from_spec',
    'from_torch',
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
    'windows',
]


def __dir__() -> list[str]:
    """List the public names, not the modules that they come from."""
    return [*__all__, *(name for name in globals() if name.startswith('__'))]


if TYPE_CHECKING:
    from rnnkit import testing as testing
    from rnnkit.forecasting import Forecaster
    from rnnkit.integrations.keras_weights import from_keras
    from rnnkit.integrations.onnx.reader import from_onnx
    from rnnkit.integrations.torch_weights import from_torch
else:  # or checkers would believe that every name exists
    _foreign = foreign_names.of_module(__name__)
    # Names whose modules are imported when they are first used.
    _LATER = {
        'Forecaster': 'rnnkit.forecasting',
        'from_onnx': 'rnnkit.integrations.onnx.reader',
        'from_keras': 'rnnkit.integrations.keras_weights',
        'from_torch': 'rnnkit.integrations.torch_weights',
    }

    def __getattr__(name: str) -> object:
        """Import what is in `_LATER` when it is first used."""
        if name in _LATER:
            globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
            return globals()[name]
        if name == 'testing':  # checks for layers of one's own, which nothing else imports
            return importlib.import_module('rnnkit.testing')
        return _foreign(name)
