"""A training that TensorBoard is to show, for `ranks.run`."""

import numpy as np

import rnnkit
from rnnkit.callbacks import TensorBoard


def board(comm, folder):
    """Return the history; the files are in the folder ``runs``."""
    x = np.random.default_rng(0).standard_normal((40, 1))
    net = rnnkit.Regressor([1, 1], seed=0, dtype='float64')
    options = dict(valid=0.2, epochs=3, validate_every=1, batch_size=8, seed=0, comm=comm)
    net.train([x, 3 * x], callbacks=TensorBoard(folder / 'runs'), **options)
    return [dict(record) for record in net.history]
