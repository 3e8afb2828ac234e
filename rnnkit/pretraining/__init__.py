"""Layerwise pretraining of a network."""

from rnnkit.pretraining.autoencoders import pretrain
from rnnkit.pretraining.growing import layerwise
from rnnkit.pretraining.samples import sample

__all__ = ['layerwise', 'pretrain', 'sample']
