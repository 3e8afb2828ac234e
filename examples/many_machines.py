"""Train one network on several processes, on one machine or on many.

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

import argparse
import statistics
import sys

import numpy as np

import rnnkit


def place():
    """Return the number of this process, and how many there are."""
    try:
        from mpi4py import MPI
    except ImportError:
        return 0, 1
    return MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size


def sequences(n, steps, rng):
    """Return numbers and marks (steps, n, 2), and the sums of two marked numbers (n, 1)."""
    numbers, marks = rng.uniform(0, 1, (steps, n)), np.zeros((steps, n))
    first, second = rng.integers(0, steps // 2, n), rng.integers(steps // 2, steps, n)
    each = np.arange(n)
    marks[first, each] = marks[second, each] = 1
    return np.stack([numbers, marks], axis=-1), (numbers * marks).sum(axis=0)[:, None]


def main(
    *,
    examples=4096,
    steps=30,
    size=32,
    algo='adam',
    learning_rate=0.01,
    batch_size=64,
    updates=2000,
    shard=False,
    checkpoint=None,
    seed=1,
    plot=None,
):
    """Train on all processes, and test on new sequences.

    Returns
    -------
    results : dict
        ``'error'``, the mean squared error; ``'seconds'`` of an epoch; and the number of
        ``'updates'``.
    """
    rank, n_ranks = place()
    x, y = sequences(examples, steps, np.random.default_rng([seed, 0]))
    if shard:  # as if each process had read a file of its own
        x, y = x[:, rank::n_ranks], y[rank::n_ranks]
    net = rnnkit.Regressor([2, ('lstm', size), 'last', 1], seed=seed)
    of_an_epoch = min(updates, 50)
    net.train(
        [x, y],
        sequences(512, steps, np.random.default_rng([seed, 1])),
        algo=algo,
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
    if plot and rank == 0:
        draw(plot, net.history)
    return {
        'error': float(np.mean((net.predict(x_new) - y_new) ** 2)),
        'seconds': statistics.median(row['seconds'] for row in net.history),
        'updates': net.history[-1]['updates'],
    }


def draw(path, history):
    """Draw the errors during training."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; run: pip install 'rnnkit[plot]'")
        return
    figure = Figure(figsize=(6, 3.4), layout='constrained')
    axes = figure.subplots()
    axes.semilogy(history['updates'], history['loss'], label='training')
    axes.semilogy(history['updates'], history['valid_loss'], 'o', markersize=3, label='validation')
    axes.set(title='Mean squared error during training', xlabel='updates')
    axes.legend(fontsize='small')
    figure.savefig(path, dpi=110)
    print(f'picture: {path}')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(
        description='Train one network on several processes: mpiexec -n 4 python many_machines.py',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    option = parser.add_argument
    option('--examples', type=int, metavar='N', help='sequences to train on')
    option('--steps', type=int, metavar='T', help='their length')
    option('--size', type=int, metavar='H', help='number of units of the recurrent layer')
    option('--algo', choices=sorted(rnnkit.optimizers.registry), help='update rule')
    option('--learning-rate', type=float, metavar='RATE', help='step size of the update rule')
    option('--batch-size', type=int, metavar='B', help='sequences in a batch, of all processes')
    option('--updates', type=int, metavar='N', help='number of updates')
    option('--shard', action='store_true', help='give each process a part of the data of its own')
    option('--checkpoint', metavar='FILE', help='file to save the training to, and to resume from')
    option('--tolerance', type=float, metavar='E', help='fail if the error is not below this')
    option('--seed', type=int, help='random seed of the sequences and the initial weights')
    option('--plot', metavar='FILE', help='file for a picture')
    parser.set_defaults(**main.__kwdefaults__, tolerance=0.01)
    options = vars(parser.parse_args())
    tolerance = options.pop('tolerance')
    results = main(**options)
    if place()[0] == 0:
        print(
            f'{place()[1]} processes, {results["updates"]} updates, {results["seconds"]:.2f} s for '
            f'50 of them: the mean squared error is {results["error"]:.5f}'
        )
    if not results['error'] < tolerance:
        sys.exit(f'FAILED: the error is not below {tolerance:g}')
