"""Layers: named parts of a network, which turn symbolic inputs into symbolic outputs."""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.layers.attention import Attention
from rnnkit.layers.base import Layer
from rnnkit.layers.bidirectional import Bidirectional
from rnnkit.layers.conv import Conv1
from rnnkit.layers.dense import Dense, Softmax
from rnnkit.layers.dropout import Dropout
from rnnkit.layers.embedding import Embedding
from rnnkit.layers.input import Input
from rnnkit.layers.joining import Concatenate, Product, Sum
from rnnkit.layers.normalization import LayerNorm
from rnnkit.layers.pooling import Max, Mean
from rnnkit.layers.recurrent import Recurrent
from rnnkit.layers.registry import layers as registry
from rnnkit.layers.reshape import Reshape
from rnnkit.layers.spec import parse_layers
from rnnkit.layers.standardize import Standardize
from rnnkit.layers.tied import Tied
from rnnkit.layers.time import Flatten, Last, Repeat

add = registry.add

__all__ = [
    'Attention',
    'Bidirectional',
    'Concatenate',
    'Conv1',
    'Dense',
    'Dropout',
    'Embedding',
    'Flatten',
    'Input',
    'Last',
    'Layer',
    'LayerNorm',
    'Max',
    'Mean',
    'Product',
    'Recurrent',
    'Repeat',
    'Reshape',
    'Softmax',
    'Standardize',
    'Sum',
    'Tied',
    'add',
    'parse_layers',
    'registry',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
