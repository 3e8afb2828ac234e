"""Trainings in child processes that are killed, and what must be true of their files."""

import os
import signal
import time
import warnings

import numpy as np

import rnnkit

RNG = np.random.default_rng(5)
X = RNG.standard_normal((64, 1))
DATA = [X, 3 * X + RNG.standard_normal((64, 1))]
OPTIONS = {'batch_size': 16, 'validate_every': 1, 'patience': 10**9, 'algo': 'adam', 'seed': 1}


def network():
    return rnnkit.Regressor([1, (8, 'tanh'), 1], seed=0)


def fork(work):
    """Run a function in a child, and return the child's number; it ends with 0 if all was well."""
    with warnings.catch_warnings():  # of Python 3.12 and JAX, about threads; children have none
        warnings.simplefilter('ignore', DeprecationWarning)
        warnings.simplefilter('ignore', RuntimeWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return child


def ends_well(child):
    return os.waitpid(child, 0)[1] == 0


def kill_one(net, path, seconds):
    """Kill a training after this time; return the epoch of the file, which must be sound.

    The file is read and gone on with; None is returned if there was none yet.
    """
    child = fork(lambda: net.train(DATA, checkpoint=path, resume='auto', **OPTIONS))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not os.path.exists(path):
        return None
    loaded = rnnkit.load(path)
    epoch = len(loaded.history)
    assert loaded.history['epoch'] == list(range(1, epoch + 1))
    for p in loaded.params:
        assert np.isfinite(p.get_value()).all()
    return epoch
