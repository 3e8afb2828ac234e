"""Train one network on several processes, on one machine or on many.

    python many_machines.py                         # one process
    mpiexec -n 4 python many_machines.py            # four; on a cluster: srun python ...
    mpiexec -n 4 python many_machines.py --shard    # each of them has a part of the data

The task is to add two marked numbers of a long sequence. All processes run this program. Each
computes the gradient of its share of every batch; the gradients are added up, and all make the same
update. So the result does not depend on the number of processes, but for the rounding of sums.

With --checkpoint FILE the training is saved as it proceeds, and goes on from there when the program
is started again, with any number of processes. Ctrl-C ends it in all processes after the same
update.

It needs mpi4py: pip install 'rnnkit[mpi]', and where no MPI is installed, pip install mpich.
"""

import argparse

import numpy as np
from mpi4py import MPI

import rnnkit


def sequences(n, steps, rng):
    """Return numbers and marks (steps, n, 2), and the sums of two marked numbers (n, 1)."""
    numbers, marks = rng.uniform(0, 1, (steps, n)), np.zeros((steps, n))
    first, second = rng.integers(0, steps // 2, n), rng.integers(steps // 2, steps, n)
    each = np.arange(n)
    marks[first, each] = marks[second, each] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=0)[:, None]


def main(
    examples=4096,
    steps=30,
    size=32,
    epochs=40,
    batch_size=64,
    learning_rate=0.01,
    shard=False,
    checkpoint=None,
):
    """Train; return the mean squared error on new sequences."""
    rank, ranks = MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size
    x, y = sequences(examples, steps, np.random.default_rng(0))
    if shard:  # as if each process had read a file of its own
        x, y = x[:, rank::ranks], y[rank::ranks]
    net = rnnkit.Regressor([2, ('lstm', size), 'last', 1], seed=0)
    net.train(
        [x, y],
        sequences(512, steps, np.random.default_rng(1)),
        algo='adam',
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        validate_every=5,
        checkpoint=checkpoint,
        resume='auto' if checkpoint else None,
        comm='mpi',
        shard=shard and ranks > 1,
    )
    x_test, y_test = sequences(1024, steps, np.random.default_rng(2))
    error = np.mean((net.predict(x_test) - y_test) ** 2)
    if rank == 0:
        seconds = np.median([row['seconds'] for row in net.history])
        print(f'{ranks} processes, {seconds:.2f} s per epoch, mean squared error {error:.5f}')
    return error


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('examples', 'steps', 'size', 'epochs', 'batch-size'):
        parser.add_argument(f'--{name}', type=int, default=argparse.SUPPRESS)
    parser.add_argument('--learning-rate', type=float, default=argparse.SUPPRESS)
    parser.add_argument('--shard', action='store_true')
    parser.add_argument('--checkpoint', metavar='FILE')
    main(**vars(parser.parse_args()))
