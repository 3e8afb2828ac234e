"""rnnkit, through its public interface."""

import logging

from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

import rnnkit


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    logging.getLogger('rnnkit').setLevel('WARNING')
    if hasattr(rnnkit, 'set_threads'):
        rnnkit.set_threads(threads)
    x, y = workload.batch()
    hidden = [(workload.cell, workload.H)] * workload.depth
    net = rnnkit.Regressor([workload.I, *hidden, workload.O], seed=0)
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
    return lambda: next(epochs), lambda: net.predict(x)


UPDATES = 5  # one call of the first function makes this many
