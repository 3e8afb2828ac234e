"""The networks under the name of their module in theanets."""

from rnnkit.models import Classifier, Regressor

__all__ = ['Classifier', 'Regressor']
