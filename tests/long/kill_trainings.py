"""Kill many trainings at random moments: ``python tests/long/kill_trainings.py 200``.

Each child goes on from the file that the one before has left. A file that cannot be read, or a
last network that is not that of a training without a kill, is an error.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS), str(TESTS / 'helpers')]
import conftest  # noqa: E402, F401
from faults import DATA, OPTIONS, kill_one, network  # noqa: E402


def main(count, seed=0):
    """Kill `count` trainings, in rows of 20 that go on from each other."""
    rng, net = np.random.default_rng(seed), network()
    start = [p.get_value() for p in net.params]

    def fresh():
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.history.clear()

    net.train(DATA, epochs=1, **OPTIONS)  # compiled once, here
    killed = 0
    while killed < count:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'net.rnn')
            fresh()
            epoch = 0
            for _ in range(min(20, count - killed)):
                reached = kill_one(net, path, rng.exponential(0.08))
                assert (reached or 0) >= epoch
                epoch = reached or 0
                killed += 1
            parts = len(list(Path(folder).glob('*.part')))
            net.train(DATA, epochs=epoch + 1, checkpoint=path, resume='auto', **OPTIONS)
            found = [p.get_value() for p in net.params]
            fresh()
            net.train(DATA, epochs=epoch + 1, **OPTIONS)
            for a, p in zip(found, net.params, strict=True):
                np.testing.assert_array_equal(a, p.get_value())
        print(f'{killed} killed, the last row after {epoch} epochs, {parts} parts', flush=True)


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
