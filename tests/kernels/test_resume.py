"""A training by kernels that is stopped and resumed is, bit for bit, one that never stopped."""

import numpy as np
import pytensor
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.kernels.language import threads
from rnnkit.optimizers import optimizers

RNG = np.random.default_rng(4)
T, B = 7, 24
LENGTHS = RNG.integers(2, T + 1, B)
MASK = (np.arange(T)[:, None] < LENGTHS).astype('float32')
DATA = [
    RNG.standard_normal((T, B, 2)).astype('f'),
    RNG.standard_normal((T, B, 1)).astype('f'),
    MASK,
]
OPTIONS = {'batch_size': 8, 'seed': 3, 'validate_every': 2, 'patience': 50}
NOISE = {'hidden_dropout': 0.3, 'input_noise': 0.1, 'weight_l2': 1e-3}


def history(net):
    return [{k: v for k, v in record.items() if k != 'seconds'} for record in net.history]


@pytest.fixture
def many_threads():
    """Share work that is far too small between threads, and restore the settings."""
    before = threads.get_threads()
    with threads.smallest_part(1):
        yield
    threads.set_threads(before)


@pytest.mark.parametrize('algo', long_unless(lambda algo: algo == 'nag', optimizers))
def test_resumed_on_one_thread_and_on_two(algo, many_threads, monkeypatch, tmp_path):
    monkeypatch.delenv('RNNKIT_KERNELS', raising=False)
    options = {'algo': algo, **OPTIONS, **(NOISE if not optimizers[algo].full_batch else {})}
    with pytensor.config.change_flags(mode='NUMBA'):
        net = rnnkit.Regressor([2, ('lstm', 6), 1], masked=True, seed=0)
        start = [p.get_value() for p in net.params]

        def train(**more):
            """Train from the start, and return all that can be seen of it."""
            for p, value in zip(net.params, start, strict=True):
                p.set_value(value)
            net.history.clear()
            result = net.train(DATA, **options, **more)
            return result, history(net), [p.get_value().tolist() for p in net.params]

        for n in (1, 2):
            threads.set_threads(n)
            path = tmp_path / f'{n}.rnn'
            whole = train(epochs=5)
            train(epochs=3, checkpoint=path)
            assert train(epochs=5, resume=path) == whole
    assert whole[2] != [value.tolist() for value in start]
