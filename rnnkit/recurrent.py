"""The networks and helpers for sequences, under the name of their module in theanets."""

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
