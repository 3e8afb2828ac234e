"""Layers: registry members that turn symbolic inputs into symbolic outputs."""

from rnnkit.layers.base import Layer
from rnnkit.layers.dense import Dense, Softmax
from rnnkit.layers.input import Input
from rnnkit.layers.recurrent import Recurrent
from rnnkit.layers.registry import layers as registry
from rnnkit.layers.spec import parse_layers

add = registry.add

__all__ = [
    'Dense', 'Input', 'Layer', 'Recurrent', 'Softmax', 'add', 'parse_layers', 'registry',
]  # fmt: skip
