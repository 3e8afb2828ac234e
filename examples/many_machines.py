"""Train one network on several processes, on one machine or on many.

Copy `place` and the keywords `comm`, `shard` and `checkpoint` of `train`.

    python many_machines.py                         # one process
    mpiexec -n 4 python many_machines.py            # four; on a cluster: srun python ...
    mpiexec -n 4 python many_machines.py --shard    # each of them has a part of the data

The task is to add two marked numbers of a sequence. All processes run this program. Each computes
the gradient of its share of every batch; the gradients are added up, and all make the same update.
So the result does not depend on the number of processes, except for the rounding of sums.

With --checkpoint FILE the training is saved as it proceeds, and goes on from there when the program
is started again, with any number of processes. Ctrl-C ends it in all processes after the same
update.

It needs mpi4py: pip install 'rnnkit[mpi]', and where no MPI is installed, pip install mpich.
"""

import statistics

import common
import numpy as np

import rnnkit


def place():
    """Return the number of this process, and how many there are."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):  # the second where there is no MPI
        return 0, 1
    return MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def main(
    *,
    examples=4096,
    steps=30,
    size=32,
    learning_rate=0.01,
    batch_size=64,
    updates=2000,
    shard=False,
    checkpoint=None,
    seed=1,
):
    """Train on all processes, and test on new sequences."""
    rank, n_ranks = place()
    x, y = sequences(examples, steps, np.random.default_rng([seed, 0]))
    if shard:  # as if each process had read a file of its own
        x, y = x[:, rank::n_ranks], y[rank::n_ranks]
    net = rnnkit.Regressor([2, ('lstm', size), 'last', 1], seed=seed)
    of_an_epoch = min(updates, 50)
    net.train(
        [x, y],
        sequences(512, steps, np.random.default_rng([seed, 1])),
        algo='adam',
        learning_rate=learning_rate,
        batch_size=batch_size,
        train_batches=of_an_epoch,
        epochs=updates // of_an_epoch,
        patience=updates,
        validate_every=2,
        checkpoint=checkpoint,
        resume='auto' if checkpoint else None,
        comm='mpi' if n_ranks > 1 else None,
        shard=shard and n_ranks > 1,
    )
    x_new, y_new = sequences(2000, steps, np.random.default_rng([seed, 2]))
    output = net.predict(x_new)
    results = {
        'error': np.mean((output - y_new) ** 2),
        'seconds': statistics.median(row['seconds'] for row in net.history),
        'processes': n_ranks,
        'updates': net.history[-1]['updates'],
    }
    return results, (y_new, output, net.history) if rank == 0 else None


def sequences(n, steps, rng):
    """Return numbers and marks (steps, n, 2), and the sums of two marked numbers (n, 1)."""
    numbers, marks = rng.uniform(0, 1, (steps, n)), np.zeros((steps, n))
    first, second = rng.integers(0, steps // 2, n), rng.integers(steps // 2, steps, n)
    each = np.arange(n)
    marks[first, each] = marks[second, each] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=0)[:, None]


def draw(figure, sums, output, history):
    """Draw predictions over sums, and the error during training."""
    left, right = figure.subplots(1, 2)
    common.agreement(left, sums, output, 'sum of the two marked numbers', 'prediction', 1)
    common.training(right, history, constant=1 / 6)


if __name__ == '__main__':
    common.run(
        main,
        draw,
        report=(
            '{processes} processes, {seconds:.2f} s for 50 updates: '
            'the mean squared error is {error:.5f}'
        ),
        tolerance=0.01,
        examples='sequences to train on',
        batch_size='sequences in a batch, of all processes',
        shard='give each process a part of the data of its own',
        checkpoint=dict(metavar='FILE', help='file to save the training to, and to resume from'),
    )
