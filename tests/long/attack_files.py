"""Load files that were written to do harm: ``python tests/long/attack_files.py 3000``.

Each has a valid digest. An error that is not rnnkit's own, one with a long message, or a load that
takes more than a second and a half, ends the run with the file that did it.
"""

import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS), str(TESTS / 'helpers')]
import conftest  # noqa: E402, F401
import numpy as np  # noqa: E402
from attacks import attack  # noqa: E402

import rnnkit  # noqa: E402
from rnnkit.errors import LONGEST_MESSAGE, RnnkitError  # noqa: E402
from rnnkit.schedules import Plateau  # noqa: E402

X, Y = np.ones((4, 3, 2), 'f'), np.ones((4, 3, 1), 'f')
SLOW = 1.5  # seconds


def sources(folder):
    """Return contents of files; and a network and the data of its training, for checkpoints."""
    nets = [
        rnnkit.Regressor([2, ('lstm', 3), dict(form='rnn', size=2, hh=dict(form='orthogonal', radius=0.9), h_0='learn'), 1], seed=0),  # noqa: E501
        rnnkit.Classifier([2, dict(form='bidirectional', worker='gru', size=4), 'last', 3], seed=1),
        rnnkit.Regressor([dict(form='input', size=2, ndim=3), dict(form='conv1', size=3, filter_size=2, activation='relu+norm:z'), dict(form='clockwork', size=4, periods=[1, 2]), ('dropout', 0.5), (2, 'maxout:3'), 1], seed=2),  # noqa: E501
        rnnkit.Regressor([7, ('embedding', 3), dict(form='scrn', size=3, rate='log'), dict(form='mrnn', size=2, factors=2, dropout=0.2), 'layernorm', 1], seed=3),  # noqa: E501
        rnnkit.Autoencoder([3, dict(size=2, name='a', w=0.5, std_b=0.1), dict(form='tied', partner='a')], seed=4),  # noqa: E501
    ]  # fmt: skip
    nets[0].add_loss(dict(form='huber', delta=0.5), weight=0.3, output='hid1:c', target='z')
    nets[1].meta = {'scaler': {'mean': np.ones(3), 'n': np.array(4)}, 'words': ['a', {'b': [1.5]}]}
    for k, net in enumerate(nets):
        net.save(folder / f'{k}')
        yield (folder / f'{k}').read_bytes(), None
    trained = rnnkit.Regressor([2, ('rnn', 2), ('dropout', 0.2), 1], seed=0)
    for k, options in enumerate((
        dict(algo='adam', callbacks=rnnkit.callbacks.EarlyStop(), batch_size=2, hidden_l1=0.1),
        dict(algo='sgd', momentum=0.5, carry_state=True, learning_rate=Plateau(0.1)),
        dict(algo='rprop', callbacks=[rnnkit.callbacks.CSV(folder / 'history.csv')]),
    )):  # fmt: skip
        trained.history.clear()
        trained.meta = {} if k else {'mean': np.ones(2), 'columns': ['a', 'b']}
        trained.train([X, Y], epochs=2, checkpoint=folder / f't{k}', seed=1, **options)
        yield (folder / f't{k}').read_bytes(), (trained, options)


def tried(path, training):
    """Load a file, and resume from it; return whether it was refused."""
    start = time.perf_counter()
    try:
        rnnkit.load(path)
        if training is not None:
            net, options = training
            net.train([X, Y], epochs=3, resume=path, seed=1, progress=False, **options)
        refused = False
    except RnnkitError as error:
        refused = True
        if len(str(error)) > LONGEST_MESSAGE + 200:
            raise AssertionError('a long message') from error
    took = time.perf_counter() - start
    assert took < SLOW, f'it took {took:.1f} s'
    return refused


def main(count=3000, seed=0):
    """Try `count` files."""
    rng, refused = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        files = list(sources(Path(name)))
        path = Path(name) / 'attack'
        for k in range(count):
            content, training = rng.choice(files)
            before = [p.get_value() for p in training[0].params] if training else []
            path.write_bytes(attack(content, rng))
            try:
                refused += tried(path, training)
            except Exception:
                kept = Path(tempfile.gettempdir()) / f'attack-{seed}-{k}'
                kept.write_bytes(path.read_bytes())
                traceback.print_exc(limit=-4)
                print(f'number {k} of seed {seed}, kept as {kept}', flush=True)
            for p, value in zip(training[0].params if training else [], before, strict=True):
                p.set_value(value)
    print(f'{count} files, {refused} of them refused')


if __name__ == '__main__':
    main(*map(int, sys.argv[1:]))
