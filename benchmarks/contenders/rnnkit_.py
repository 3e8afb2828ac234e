"""rnnkit, through its public interface."""

import logging

from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

import rnnkit

UPDATES = 5  # an epoch has so many


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    logging.getLogger('rnnkit').setLevel('WARNING')
    rnnkit.set_threads(threads)
    x, y = workload.batch()
    net = rnnkit.Regressor([workload.I, *hidden(workload), workload.O], seed=0)
    if workload.stream:
        return {'step': stream(net, x[0])}
    epochs = net.itertrain(
        lambda: [x, y],
        algo='rmsprop',
        learning_rate=LEARNING_RATE,
        max_gradient_norm=MAX_GRADIENT_NORM,
        train_batches=UPDATES,
        valid_batches=1,
        validate_every=10**9,
        patience=10**9,
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
    return [(form, workload.H)] * workload.depth


def stream(net, x):
    """Return a function that makes one step and keeps the state for the next."""
    state = None

    def step():
        nonlocal state
        y, state = net.step(x, state)
        return y

    return step
