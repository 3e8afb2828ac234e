"""Activation functions by name, and chains of them such as ``'relu+norm:z'``.

A registered name stands for a function of one tensor, or for a subclass of `Learned`, which has
parameters, or numbers of the user's. Layers that can own parameters parse their activation with
`Chain`; all others use `build`.
"""

from typing import TYPE_CHECKING

from rnnkit.activations.chain import MAX_STEPS, Chain, build, guarded, operations, split
from rnnkit.activations.elementwise import linear, relu, sigmoid, softplus, tanh
from rnnkit.activations.features import softmax
from rnnkit.activations.learned import GainELU, LeakyGainReLU, Maxout, PReLU
from rnnkit.activations.numbered import Affine, AlphaELU, LeakyReLU, ThresholdReLU
from rnnkit.activations.registry import Activation, Learned, activations, add
from rnnkit.common import foreign_names

__all__ = [
    'MAX_STEPS',
    'Activation',
    'Affine',
    'AlphaELU',
    'Chain',
    'GainELU',
    'LeakyGainReLU',
    'LeakyReLU',
    'Learned',
    'Maxout',
    'PReLU',
    'ThresholdReLU',
    'activations',
    'add',
    'build',
    'guarded',
    'linear',
    'operations',
    'relu',
    'sigmoid',
    'softmax',
    'softplus',
    'split',
    'tanh',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
