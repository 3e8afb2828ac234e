"""Layerwise pretraining of a network."""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.pretraining.autoencoders import pretrain
from rnnkit.pretraining.growing import layerwise
from rnnkit.pretraining.samples import sample

__all__ = ['layerwise', 'pretrain', 'sample']

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
