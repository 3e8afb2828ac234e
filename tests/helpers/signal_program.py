"""A long training: ``mpiexec -n 2 python signal_program.py CHECKPOINT [slow validation]``."""

import os
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import rnnkit

PATH, WHERE = Path(sys.argv[1]), sys.argv[2]
RANK = MPI.COMM_WORLD.Get_rank()
X = np.random.default_rng(0).standard_normal((6, 16, 3))
Y = X.sum(axis=2, keepdims=True)
net = rnnkit.Regressor([3, ('lstm', 4), 1], seed=0, dtype='float64')


def ready(training=None):
    """Write who is there, so that the test can begin."""
    path = PATH.with_name(f'ready_{RANK}')
    if not path.exists():
        path.with_suffix('.part').write_text(str(os.getpid()))
        path.with_suffix('.part').rename(path)


def make(calls=[0]):  # noqa: B006 - it counts
    calls[0] += 1
    if calls[0] > 12:  # there were epochs since it has begun
        ready()
    time.sleep(0.002)
    return [X, Y]


def metric(target, output):
    if net.history:
        ready()
        time.sleep(0.5)
    return 1.0


options = dict(valid=[X, Y]) if WHERE == 'epoch' else dict(valid=[X, Y], monitors=[metric])
if WHERE == 'before':
    ready()
    time.sleep(2 + 60 * RANK)
train, valid = net.train(
    make,
    **options,
    train_batches=4,
    validate_every=1,
    epochs=10_000,
    patience=10_000,
    checkpoint=str(PATH),
    resume='auto',
    comm='mpi',
    progress=False,
)
print(f'rank {RANK} ended, validated: {valid["loss"] > 0}')
