"""The networks that users make."""

from rnnkit.models.autoencoder import Autoencoder
from rnnkit.models.classifier import Classifier
from rnnkit.models.files import from_spec, load
from rnnkit.models.network import Network
from rnnkit.models.regressor import Regressor

__all__ = ['Autoencoder', 'Classifier', 'Network', 'Regressor', 'from_spec', 'load']
