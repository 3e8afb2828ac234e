"""Trainings of other networks and by other ways to train, for `ranks.run`."""

import os
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from split_courses import Ranks, go_on
from split_scenarios import (
    B,
    T,
    classifier,
    generator,
    labels,
    ragged,
    regressor,
    series,
    state,
    train,
)

import rnnkit
from rnnkit.theanets import Experiment


class State(NamedTuple):
    h: object


@rnnkit.layers.add('half_leaky')
class HalfLeaky(rnnkit.Cell):
    """A cell of a user's own."""

    state, gates = State, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}

    def step(self, z, s, p):
        return State(0.5 * s.h + 0.5 * pt.tanh(z + s.h @ p.hh))


def own_cell(comm, folder):
    net = regressor([2, ('half_leaky', 3), 1], masked=True)
    return train(comm, net, [*series(), ragged()], valid=0.2, epochs=4)


def encoder_and_decoder(comm, folder):
    """Two time axes, each with a mask."""
    layers = [
        2,
        dict(form='lstm', size=3, name='encoder'),
        dict(form='input', size=1, name='given'),
        dict(form='lstm', size=3, h_0='encoder', name='decoder', inputs='given'),
        1,
    ]
    lengths = 1 + np.arange(B) % 4
    given = generator().normal(size=(4, B, 1))
    mask = (np.arange(4)[:, None] < lengths).astype('float64')
    data = [series()[0], given, np.cumsum(given, 0), ragged(), mask]
    return train(comm, regressor(layers, masked=True), data, valid=0.2, hidden_l1=0.1)


def both_directions(comm, folder):
    layers = [2, dict(form='bidirectional', worker='lstm', size=4), 1]
    return train(comm, regressor(layers, masked=True), [*series(), ragged()], valid=0.2)


def experiment(comm, folder):
    net = regressor(masked=True)
    exp = Experiment(net)
    data, found = [*series(), ragged()], []
    for both in exp.itertrain(data, algo='adam', batch_size=5, epochs=3, comm=comm):
        found.append(both)
    return {'found': found, **state(net)}


def estimators(comm, folder):
    from rnnkit.sklearn import SequenceClassifier, SequenceRegressor

    x, y = series()
    settings = dict(layers=[('gru', 3)], epochs=4, batch_size=5, dtype='float64', random_state=1)
    options = {'comm': comm} if comm else {}
    one = SequenceRegressor(**settings, options=options).fit(x.swapaxes(0, 1), y[-1, :, 0])
    named = np.array(['no', 'some', 'very'])[labels()[1][-1]]
    other = SequenceClassifier(**settings, options=options).fit(x.swapaxes(0, 1), named)
    return {'regressor': state(one.net_), 'classifier': state(other.net_)}


def groups(comm, folder):
    """Two groups of processes train at the same time, each a network of its own."""
    if comm is not None:
        from mpi4py import MPI

        world = MPI.COMM_WORLD
        group = world.Get_rank() % 2
        comm = world.Split(group)
        found = train(comm, regressor(seed=group), series(), valid=0.2)
        return next(f for g, f in world.allgather((group, found)) if g == 1)
    return train(None, regressor(seed=1), series(), valid=0.2)


def refused(comm, folder):
    """Ways to train that need more than the gradient of a batch say so, without waiting."""
    import pytensor

    if comm is None:
        return {}
    found = []
    for algo in ('lbfgs', 'esgd', 'layerwise', 'sample'):
        try:
            regressor().train(series(), algo=algo, comm=comm)
        except rnnkit.ConfigError as error:
            found.append(str(error))
    net = regressor([2, 3, 1], loss='mmd')
    try:
        net.train([series()[0][0], series()[1][0]], comm=comm)
    except rnnkit.ConfigError as error:
        found.append(str(error))
    w = pytensor.shared(np.array([3.0]), name='w')
    try:
        rnnkit.minimize((w**2).sum(), comm=comm)
    except rnnkit.ConfigError as error:
        found.append(str(error))
    return {'messages': found}


def other_data(comm, folder):
    """Without shard=True, all processes must have the same arrays, in memory or on disk."""
    if comm is None:
        return {}
    found, ranks = [], Ranks(comm)
    x, y = series()
    other = [x + ranks.rank, y]
    on_disk = _on_disk(_own(folder, 'a'), other)
    carrying = dict(carry_state=True, bptt_steps=3)
    for data, options in (
        (other, {}),
        ([ranks.part(x), ranks.part(y)], {}),
        (on_disk, {'layout': 'batch'}),
        (on_disk, {'layout': 'batch', **carrying}),
        ((lambda: other) if ranks.rank else other, {'train_batches': 2}),
        (on_disk if ranks.rank else [a.swapaxes(0, 1) for a in other], {'layout': 'batch'}),
    ):
        net = regressor(**{k: options.pop(k) for k in ('layout',) if k in options})
        try:
            train(comm, net, data, **options)
        except rnnkit.ConfigError as error:
            found.append(str(error))
    return {'messages': found}


def classes_with_noise(comm, folder):
    """Losses whose weight is computed by the kernel of the error, behind dropout."""
    net = classifier(masked=True, weighted=True)
    net.add_loss('hinge', weight=0.1)
    weights = generator().integers(0, 3, (T, B)).astype('float64')
    options = dict(hidden_dropout=0.3, hidden_l1=0.1, class_weight={1: 3.0}, batch_size=2)
    return train(comm, net, [*labels(), weights, ragged()], epochs=2, **options)


# --- data on disk


def _on_disk(folder, arrays):
    """Return arrays (B, T, ...) as memory-mapped files."""
    found = []
    for k, array in enumerate(arrays):
        np.save(folder / f'{k}.npy', np.ascontiguousarray(array.swapaxes(0, 1)))
        found.append(np.load(folder / f'{k}.npy', mmap_mode='r'))
    return found


def _own(folder, name):
    """Return a folder of this process."""
    path = folder / f'{name}{os.getpid()}'
    path.mkdir()
    return path


def stored(comm, folder):
    data = _on_disk(_own(folder, 'a'), [*series(), ragged()])
    layers = [2, 'standardize', ('lstm', 4), 1]
    net = regressor(layers, masked=True, layout='batch', scale_targets=True)
    return train(comm, net, data, valid=0.2, hidden_dropout=0.2)


def stored_in_buckets(comm, folder):
    data = [*_on_disk(_own(folder, 'a'), series()), ragged().T]
    net = regressor(masked=True, layout='batch')
    return train(comm, net, data, valid=('tail', 0.2), bucket=True, batch_size=2, epochs=3)


def stored_lists(comm, folder):
    """Sequences in files of their own; the masks are made of their lengths."""
    lengths = ragged().sum(axis=0).astype(int)
    arrays = [[a[:n, k] for k, n in enumerate(lengths)] for a in series()]
    data = []
    for k, array in enumerate(arrays):
        path = _own(folder, f'{k}_')
        names = [path / f'{i}.npy' for i in range(len(array))]
        for name, sequence in zip(names, array, strict=True):
            np.save(name, sequence)
        data.append([np.load(name, mmap_mode='r') for name in names])
    return train(comm, regressor(masked=True, layout='batch'), data, epochs=3)


def stored_series(comm, folder):
    data = _on_disk(_own(folder, 'a'), series(5, 31))
    options = dict(carry_state=True, bptt_steps=7, batch_size=2, valid=0.3, epochs=4)
    return train(comm, regressor(layout='batch'), data, **options)


def stored_classes(comm, folder):
    data = _on_disk(_own(folder, 'a'), [*labels(), ragged()])
    net = classifier(masked=True, layout='batch')
    return train(comm, net, data, valid=0.2, class_weight='balanced', epochs=4)


def stored_parts(comm, folder):
    ranks = Ranks(comm)
    data = _on_disk(_own(folder, 'a'), [ranks.part(a) for a in (*series(), ragged())])
    layers = [2, 'standardize', ('lstm', 4), 1]
    net = regressor(layers, masked=True, layout='batch', scale_targets=True)
    return train(comm, net, data, batch_size=100, shard=comm is not None)


def stored_and_resumed(comm, folder):
    data = _on_disk(_own(folder, 'a'), [*series(), ragged()])

    def net():
        return regressor(masked=True, layout='batch')

    return go_on(comm, folder, net, data, valid=0.2, batch_size=4)
