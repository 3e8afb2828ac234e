"""Update rules, which minimise any PyTensor scalar: they know nothing of networks."""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.optimizers.adagrad import Adadelta, Adagrad
from rnnkit.optimizers.adam import Adam, AdamW, AMSGrad, NAdam
from rnnkit.optimizers.base import Optimizer, algo_name, decay, halflife, library, optimizers
from rnnkit.optimizers.esgd import ESGD
from rnnkit.optimizers.lbfgs import LBFGS
from rnnkit.optimizers.lion import Lion
from rnnkit.optimizers.objective import Addend, Objective
from rnnkit.optimizers.rmsprop import RMSProp
from rnnkit.optimizers.rprop import RProp
from rnnkit.optimizers.sgd import NAG, SGD
from rnnkit.optimizers.sparse_rows import flattened
from rnnkit.optimizers.step_graph import LIMITS, StepGraph, check_params, gradient_names

registry = optimizers
add = registry.add

__all__ = [
    'ESGD',
    'LBFGS',
    'LIMITS',
    'NAG',
    'SGD',
    'AMSGrad',
    'Adadelta',
    'Adagrad',
    'Adam',
    'AdamW',
    'Addend',
    'Lion',
    'NAdam',
    'Objective',
    'Optimizer',
    'RMSProp',
    'RProp',
    'StepGraph',
    'add',
    'algo_name',
    'check_params',
    'decay',
    'flattened',
    'gradient_names',
    'halflife',
    'library',
    'optimizers',
    'registry',
]

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
