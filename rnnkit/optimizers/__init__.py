"""Update rules: they know no network and minimise any PyTensor scalar."""

from rnnkit.optimizers.adam import Adam
from rnnkit.optimizers.base import Optimizer, decay, optimizers
from rnnkit.optimizers.rmsprop import RMSProp
from rnnkit.optimizers.sgd import NAG, SGD
from rnnkit.optimizers.step import LIMITS, Objective, StepGraph, check_params

registry = optimizers
add = registry.add

__all__ = [
    'LIMITS', 'NAG', 'SGD', 'Adam', 'Objective', 'Optimizer', 'RMSProp', 'StepGraph',
    'add', 'check_params', 'decay', 'optimizers', 'registry',
]  # fmt: skip
