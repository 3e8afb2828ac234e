"""A program with faults in one of its processes: ``mpiexec -n 2 python fault_program.py NAMES``.

Each fault is caught; each rank writes which error it got. Afterwards all must have the same
parameters and the same history, and must be able to train.
"""

import json
import logging
import sys
import zlib
from pathlib import Path

import numpy as np
from mpi4py import MPI

import rnnkit
from rnnkit.callbacks import Callback
from rnnkit.training import agreement

COMM = MPI.COMM_WORLD
RANK, LAST = COMM.Get_rank(), COMM.Get_size() - 1
MINE = RANK == LAST  # whether the fault is of this process
X = np.random.default_rng(0).standard_normal((6, 16, 3))
Y = X.sum(axis=2, keepdims=True).cumsum(axis=0) / 6
COMMON = dict(comm='mpi', epochs=3, batch_size=8, algo='adam', validate_every=1)
FOLDER = Path('.')
faults = {}


class MyError(Exception):
    """An error of the user's."""


class Picky(Exception):  # noqa: N818
    """An error of the user's that cannot be made of a text."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second

    def __str__(self):
        return f'{self.args[0]} and {self.second}'


def fault(function):
    faults[function.__name__] = function
    return function


def network(size=4, activation=None, dtype='float64', **options):
    layer = dict(form='lstm', size=size)
    if activation:
        layer = dict(form='rnn', size=size, activation=activation)
    return rnnkit.Regressor([3, layer, 1], seed=0, dtype=dtype, **options)


def train(net, data=None, valid=None, **options):
    return net.train([X, Y] if data is None else data, valid, **{**COMMON, **options})


def raiser(error, at=3, mine=MINE):
    """Return a callable that makes batches, and raises an error at one of them on one rank."""
    count = 0

    def make():
        nonlocal count
        count += 1
        if mine and count == at:
            raise error
        return [X[:, :4], Y[:, :4]]

    return make


def hooked(name, error, at=2):
    """Return a callback that raises an error in one hook."""
    calls = [0]

    def hook(self, training):
        calls[0] += 1
        if calls[0] == at:
            raise error

    return type('Hooked', (Callback,), {name: hook})()


def in_callable(error, at=3):
    return lambda net: train(net, raiser(error, at), [X, Y], train_batches=3)


for _error in (
    ValueError('no number'),
    MyError('a class of mine'),
    Picky('needs', 'two'),
    MemoryError('too much'),
    StopIteration('no more'),
    KeyboardInterrupt(),
    SystemExit(3),
    OSError(5, 'a disk failed', 'data.bin'),
    rnnkit.DataError('an odd batch'),
):
    faults[f'callable_{type(_error).__name__}'] = in_callable(_error)
faults['callable_first'] = in_callable(ValueError('no number'), 1)

for _name, _at in {
    'on_train_begin': 1,
    'on_batch_end': 3,
    'on_validation_end': 1,
    'on_epoch_end': 2,
    'on_train_end': 1,
}.items():
    faults[_name] = lambda net, name=_name, at=_at: train(
        net, callbacks=hooked(name, MyError(f'in {name}'), at)
    )


@fault
def exit_in_callback(net):
    train(net, callbacks=hooked('on_batch_end', SystemExit(0)))


@fault
def unsendable_record(net):
    class Fixed:
        def __reduce__(self):
            raise TypeError('this stays here')

    class Odd(Callback):
        def on_validation_end(self, training):
            training.record['odd'] = Fixed()

    train(net, callbacks=Odd())


@fault
def nan_in_data(net):
    x = X.copy()
    x[1, 2] = np.nan if MINE else 0
    train(net, [x, Y])


@fault
def nan_in_shard(net):
    x = X.copy()
    x[1, 2] = np.nan if MINE else 0
    train(net, [x, Y], shard=True)


@fault
def overflow(net):
    x = X * (1e200 if MINE else 1)
    train(net, [x, x[..., :1]], [X, Y], shard=True)


@fault
def overflow_with_callback(net):
    x = X * (1e200 if MINE else 1)
    train(net, [x, x[..., :1]], [X, Y], shard=True, callbacks=hooked('on_batch_end', None, 99))


@fault
def overflow_in_validation(net):
    y = Y * (1e200 if MINE else 1)
    train(net, [X, Y], [X, y], shard=True)


@fault
def iterable(net):
    class Loader:
        def __iter__(self):
            yield [X[:, :4], Y[:, :4]]
            if MINE:
                raise ValueError('a file is missing')
            yield [X[:, :4], Y[:, :4]]

    train(net, Loader(), [X, Y])


@fault
def unequal_iterables(net):
    class Loader:
        def __iter__(self):
            for _ in range(2 + MINE):
                yield [X[:, :4], Y[:, :4]]

    train(net, Loader(), [X, Y])


@fault
def unequal_iterables_with_dropout(net):
    class Loader:
        def __iter__(self):
            for _ in range(3 - MINE):
                yield [X[:, :4], Y[:, :4]]

    train(net, Loader(), [X, Y], input_noise=0.1)


@fault
def unequal_lists(net):
    class Loader(list):
        def __array__(self):
            raise TypeError

    class Sized:
        def __len__(self):
            return 2 + MINE

        def __iter__(self):
            return iter([[X[:, :4], Y[:, :4]]] * len(self))

    train(net, Sized(), [X, Y])


@fault
def monitor(net):
    def odd(target, output, weights):
        if MINE:
            raise ValueError('a monitor failed')
        return abs(target - output)

    train(net, monitors={'out': odd})


@fault
def whole_metric(net):
    seen = [0]

    def odd(target, output):
        seen[0] += 1
        if seen[0] == 2:
            raise ValueError('a metric failed')
        return 0.5

    train(net, monitors=[odd])


@fault
def schedule(net):
    def rate(k):
        if MINE and k == 2:
            raise ValueError('no rate')
        return 0.01

    train(net, learning_rate=rate)


@fault
def schedule_and_callback(net):
    def rate(k):
        if MINE and k == 2:
            raise ValueError('no rate')
        return 0.01

    train(net, learning_rate=rate, callbacks=hooked('on_batch_end', None, 99))


@fault
def apply_fails(net):
    """An error after the sum of gradients, where the others make the next update."""
    from rnnkit.training.split_update import SplitUpdate

    applied, calls = SplitUpdate._applied, [0]

    def odd(self, *args):
        calls[0] += 1
        if MINE and calls[0] == 3:
            raise MemoryError('no memory')
        return applied(self, *args)

    SplitUpdate._applied = odd
    try:
        train(net, input_noise=0.1, callbacks=hooked('on_batch_end', None, 99))
    finally:
        SplitUpdate._applied = applied


@fault
def no_file(net):
    train(net, checkpoint=str(FOLDER / 'a.rnn'), resume=str(FOLDER / 'missing.rnn'))


@fault
def no_folder(net):
    train(net, checkpoint=str(FOLDER / 'missing' / 'a.rnn'))


@fault
def disk_full(net):
    from rnnkit.common import file_format

    write, calls = file_format.write, [0]

    def full(*args):
        calls[0] += 1
        if calls[0] == 2:
            raise OSError(28, 'No space left on device')
        write(*args)

    file_format.write = full
    try:
        train(net, checkpoint=str(FOLDER / 'full.rnn'))
    finally:
        file_format.write = write


for _name, _one, _other in (
    ('epochs', 3, 4),
    ('batch_size', 8, 4),
    ('algo', 'adam', 'sgd'),
    ('learning_rate', 0.1, 0.2),
    ('seed', 1, 2),
    ('hidden_dropout', 0.1, 0.2),
    ('monitors', None, ['mae']),
    ('patience', 5, 6),
    ('checkpoint', None, '{}/one.rnn'),
    ('weight_l2', 0.0, 0.1),
    ('callbacks', None, None),
    ('verbose', 0, 7),
    ('restore_best', True, False),
):

    def _differ(net, name=_name, one=_one, other=_other):
        value = other if MINE else one
        value = value.format(FOLDER) if isinstance(value, str) else value
        train(net, **{name: value})

    faults[f'option_{_name}'] = _differ


@fault
def other_size(net):
    train(network(4 + MINE))


@fault
def other_activation(net):
    train(network(4, 'relu' if MINE else 'tanh'))


@fault
def other_dtype(net):
    train(network(dtype='float32' if MINE else 'float64'))


@fault
def other_shapes(net):
    n = 12 if MINE else 16
    train(net, [X[:, :n], Y[:, :n]])


@fault
def other_steps(net):
    n = 5 if MINE else 6
    train(net, [X[:n], Y[:n]])


@fault
def no_validation_data(net):
    train(net, valid=None if MINE else [X, Y])


@fault
def other_version(net):
    before = agreement.VERSIONS
    if MINE:
        agreement.VERSIONS = {**before, 'the version of rnnkit': '0.0.1'}
    try:
        train(net)
    finally:
        agreement.VERSIONS = before


@fault
def bad_option(net):
    train(net, epochs=-1 if MINE else 2)


@fault
def misspelt(net):
    train(net, **({'epoch': 2} if MINE else {'epochs': 2}))


@fault
def loop_left(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if MINE and k == 1:
            break


@fault
def loop_left_by_all(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if k == 1:
            break
    assert len(net.history) == 2


@fault
def loop_fails(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if MINE and k == 1:
            raise MyError('in the loop')


@fault
def loop_fails_on_all(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if k == 1:
            raise MyError(f'in the loop of rank {RANK}')


@fault
def train_in_loop(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if MINE and k == 1:
            train(net)


@fault
def other_net_in_loop(net):
    for k, _ in enumerate(net.itertrain([X, Y], **COMMON)):
        if MINE and k == 1:
            train(network())


@fault
def train_or_itertrain(net):
    if MINE:
        for _ in net.itertrain([X, Y], **COMMON):
            pass
    else:
        train(net)


@fault
def two_at_once(net):
    loops = [one.itertrain([X, Y], **COMMON) for one in (network(), net)]
    assert len(list(zip(*loops, strict=True))) == 3


def run(name):
    """Run one fault; return what each rank got, and what was left of it."""
    net = network()
    before = [p.get_value() for p in net.params]
    code, error, text = None, '', ''
    try:
        faults[name](net)
    except BaseException as caught:
        error, text = type(caught).__name__, str(caught)
        code = getattr(caught, 'errno', None)
    digest = zlib.crc32(b''.join(p.get_value().tobytes() for p in net.params))
    same = all(
        np.array_equal(p.get_value(), old) for p, old in zip(net.params, before, strict=True)
    )
    left = [digest, len(net.history), net._trainings]
    after = train(network(), progress=False)[0]['loss']  # it still works
    return {'error': error, 'text': text, 'errno': code, 'left': left, 'same': same, 'after': after}


def main(folder, *names):
    global FOLDER
    FOLDER = Path(folder)
    logging.getLogger('rnnkit').setLevel('ERROR')
    for name in names or faults:
        found = COMM.gather(run(name))
        if not RANK:
            print(json.dumps([name, found]), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
