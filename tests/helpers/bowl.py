"""A badly scaled bowl with ripples, for update rules to run down, and the rules' options."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from rnnkit.optimizers import Objective, StepGraph, optimizers

RNG = np.random.default_rng(4)
SCALE = np.exp(RNG.uniform(-2, 2, 6))
START = RNG.standard_normal(6)
SEED = 3  # of what is drawn in an update
BETAS = {'beta1_halflife': 4.0, 'beta2_halflife': 9.0}
HYPER = {
    'sgd': {'learning_rate': 0.05},
    'nag': {'learning_rate': 0.05},
    'rprop': {
        'learning_rate': 0.05,
        'rprop_increase': 1.3,
        'rprop_decrease': 0.6,
        'rprop_min_step': 1e-3,
        'rprop_max_step': 0.3,
    },
    'rmsprop': {'learning_rate': 0.02, 'rms_halflife': 3.0, 'rms_regularizer': 1e-6},
    'adagrad': {'learning_rate': 0.2, 'rms_regularizer': 1e-3},
    'adadelta': {'learning_rate': 0.7, 'rms_halflife': 3.0, 'rms_regularizer': 1e-3},
    'esgd': {'learning_rate': 0.05, 'rms_halflife': 3.0, 'rms_regularizer': 1e-2},
    'adam': {'learning_rate': 0.05, **BETAS, 'rms_regularizer': 1e-6},
    'adamw': {'learning_rate': 0.05, **BETAS, 'rms_regularizer': 1e-6, 'weight_decay': 0.3},
    'amsgrad': {'learning_rate': 0.05, **BETAS, 'rms_regularizer': 1e-6},
    'nadam': {'learning_rate': 0.05, **BETAS, 'rms_regularizer': 1e-6, 'momentum_halflife': 8.0},
    'lion': {'learning_rate': 0.02, **BETAS, 'weight_decay': 0.3},
}


def gradient(p):
    """Return the slope of Σ scale p² / 2 + Σ cos p."""
    return SCALE * p - np.sin(p)


def curvature(p, number):
    """Return the Hessian times the vector that is drawn after `number` updates."""
    return (SCALE - np.cos(p)) * np.random.default_rng([SEED, number]).standard_normal(6)


def objective(start=START, dtype='float64'):
    """Return that function of two parameters of unlike shape."""
    a = pytensor.shared(start[:4].reshape(2, 2).astype(dtype), name='a')
    b = pytensor.shared(start[4:].astype(dtype), name='b')
    p = pt.concatenate([a.ravel(), b])
    loss = (SCALE.astype(dtype) * p * p / 2 + pt.cos(p)).sum()
    return Objective(loss.astype(dtype), [a, b], [])


def values(params):
    return np.concatenate([p.get_value().ravel() for p in params])


def compiled_run(
    algo, n, momentum=0.0, nesterov=False, start=START, switches=None, mode=None, **hyper
):
    """Return the parameters after each of `n` compiled updates."""
    goal = objective(start)
    graph = StepGraph(goal, optimizers[algo](**switches or {}), bool(momentum), nesterov)
    hyper |= {'momentum': momentum} if momentum else {}
    graph.set(**{'max_gradient_norm': 0, 'max_gradient_elem': 0, **hyper})
    f = pytensor.function([], graph.outputs, updates=graph.updates, mode=mode)
    path = []
    for number in range(n):
        graph.draw(SEED, number)
        f()
        path.append(values(goal.params))
    return np.array(path)
