"""Interrupt networks at random moments: ``python tests/long/interrupt.py 300``.

Signals arrive while machine code runs. Ctrl-C must end a training as patience does, and any other
exception of a signal handler must come out as it is; afterwards the network must be usable.
"""

import logging
import math
import random
import signal
import sys

import numpy as np

import rnnkit

X = np.random.default_rng(0).standard_normal((40, 64, 3)).astype('float32')
DATA = [X, X[..., :2].cumsum(axis=0) / 6]


class AlarmError(Exception):
    """The exception of a handler, as of a time limit."""


def raise_alarm(number, frame):
    raise AlarmError


def train(net):
    trained, valid = net.train(DATA, epochs=3, batch_size=8, validate_every=1, progress=False)
    assert all(map(math.isfinite, [*trained.values(), *valid.values()])), (trained, valid)


def itertrain(net):
    for trained, valid in net.itertrain(DATA, epochs=3, batch_size=8, progress=False):
        assert math.isfinite(trained['loss'] + valid['loss'])


def predict(net):
    for _ in range(30):
        net.predict(X)


def step(net):
    state = None
    for x in [*X, *X, *X]:
        _, state = net.step(x, state)


ACTIONS = {'train': train, 'itertrain': itertrain, 'predict': predict, 'step': step}


def interrupt(count, seed=0):
    """Return how often each action ended by which exception, '' if by none."""
    logging.getLogger('rnnkit').setLevel('ERROR')
    rng, ends = random.Random(seed), {}
    net = rnnkit.Regressor([3, ('lstm', 16), ('gru', 8), 2], seed=0)
    for act in ACTIONS.values():
        act(net)  # compiled from here on
    handler = signal.getsignal(signal.SIGALRM)
    try:
        for k in range(count):
            name, by_key = list(ACTIONS)[k % 4], k % 8 < 4
            signal.signal(signal.SIGALRM, signal.default_int_handler if by_key else raise_alarm)
            error = ''
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-4, 0.02))
                ACTIONS[name](net)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except (AlarmError, KeyboardInterrupt, SystemError) as caught:
                error = type(caught).__name__
            ends[name, error] = ends.get((name, error), 0) + 1
            assert np.isfinite(net.predict(X[:, :2])).all(), (name, error)
    finally:
        signal.signal(signal.SIGALRM, handler)
    return ends


if __name__ == '__main__':
    counts = interrupt(int(sys.argv[1]) if len(sys.argv) > 1 else 300, *map(int, sys.argv[2:3]))
    for (action, error), n in sorted(counts.items()):
        print(f'{action:10} {error or "finished":18} {n}')
    sys.exit(any(error == 'SystemError' for _, error in counts))
