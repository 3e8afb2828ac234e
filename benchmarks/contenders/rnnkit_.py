"""rnnkit, through its public interface."""

import logging

import numpy as np
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

import rnnkit

UPDATES = 5  # in one epoch
EVERYTHING = {
    'learning_rate': rnnkit.schedules.Cosine(LEARNING_RATE, 10**6),
    'weight_l2': 1e-4,
    'hidden_l1': 1e-4,
    'input_dropout': 0.1,
    'hidden_dropout': 0.2,
}


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    logging.getLogger('rnnkit').setLevel('WARNING')
    rnnkit.set_threads(threads)
    x, y = workload.batch()
    everything = workload.variant == 'everything'
    layers = [workload.I, *hidden(workload), workload.O]
    net = rnnkit.Regressor(layers, masked=everything, seed=0)
    if workload.stepper:
        step, x0 = net.stepper(batch=workload.B), x[0]
        return {'step': lambda: step(x0)}
    if workload.stream:
        return {'step': stream(net, x[0])}
    batch = [x, y, np.ones(x.shape[:2], 'float32')] if everything else [x, y]
    epochs = net.itertrain(
        lambda: batch,
        algo='rmsprop',
        max_gradient_norm=MAX_GRADIENT_NORM,
        train_batches=UPDATES,
        valid_batches=1,
        validate_every=10**9,
        patience=10**9,
        **(EVERYTHING if everything else {'learning_rate': LEARNING_RATE}),
    )
    return {'train': lambda: next(epochs), 'predict': lambda: net.predict(x)}


def hidden(workload: Workload) -> list:
    """Return the specs of the recurrent layers."""
    if workload.both_ways:
        return [{'form': 'bidirectional', 'worker': workload.cell, 'size': workload.width}]
    form = workload.cell
    if workload.variant == 'custom':
        from contenders import custom  # noqa: F401  # registers the form

        form = f'custom_{form}'
    return [{'form': form, 'size': workload.H, **workload.options}] * workload.depth


def stream(net, x):
    """Return a function that makes one step and keeps the state for the next."""
    state = None

    def step():
        nonlocal state
        y, state = net.step(x, state)
        return y

    return step
