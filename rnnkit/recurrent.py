"""The networks under the name of their module in theanets, and what makes batches of sequences."""

from rnnkit.autoencoder import Autoencoder
from rnnkit.models import Classifier, Regressor
from rnnkit.sequences import pad, unpad
from rnnkit.text import Text
from rnnkit.windows import batches, fold

__all__ = [
    'Autoencoder', 'Classifier', 'Regressor', 'Text', 'batches', 'fold', 'pad', 'unpad',
]  # fmt: skip
