"""The networks and helpers for sequences, under the name of their module in theanets."""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.data.ragged import pad, unpad
from rnnkit.data.text import Text
from rnnkit.data.windows import batches, fold
from rnnkit.models.autoencoder import Autoencoder
from rnnkit.models.classifier import Classifier
from rnnkit.models.regressor import Regressor

__all__ = [
    'Autoencoder',
    'Classifier',
    'Regressor',
    'Text',
    'batches',
    'fold',
    'pad',
    'unpad',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
