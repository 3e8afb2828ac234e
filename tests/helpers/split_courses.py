"""Further trainings for `ranks.run`: callbacks, several trainings, parts of data, checkpoints."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from split_scenarios import (
    B,
    T,
    classifier,
    labels,
    ragged,
    regressor,
    series,
    state,
    train,
)

import rnnkit
from rnnkit.callbacks import Callback


class Ranks:
    """Where a process is: alone, or one of several."""

    def __init__(self, comm: Any):
        self.rank, self.size = 0, 1
        if comm is not None:
            from mpi4py import MPI

            self.rank, self.size = MPI.COMM_WORLD.Get_rank(), MPI.COMM_WORLD.Get_size()

    def parts(self, n: int) -> list[int]:
        """Return where unequal parts of `n` examples end."""
        ends = [n * (k + 1) * (k + 2) // (self.size * (self.size + 1)) for k in range(self.size)]
        return [0, *ends]

    def part(self, array: Any, axis: int = 1) -> Any:
        """Return the part of an array that this process has."""
        ends = self.parts(array.shape[axis])
        return array.take(range(ends[self.rank], ends[self.rank + 1]), axis)


# --- callbacks


def stopping(comm, folder):
    def stop(training):
        if training.epoch == 3:
            training.stop('enough')

    return train(comm, regressor(), series(), valid=0.2, callbacks=[stop])


def stopping_in_an_epoch(comm, folder):
    class Stop(Callback):
        def on_batch_end(self, training):
            if training.updates == 7:
                training.stop('enough')

    return train(comm, regressor(), series(), valid=0.2, callbacks=[Stop()])


def changing_parameters(comm, folder):
    """Of trained and of other layers, after an update and after an epoch."""

    class Change(Callback):
        def on_batch_end(self, training):
            if training.updates == 3:
                training.net.find('out', 'w').set_value(np.full((4, 1), 0.3))

        def on_epoch_end(self, training):
            if training.epoch == 2:
                training.net.find('out', 'b').set_value(np.array([0.7]))
                training.net.find('hid1', 'b').set_value(np.linspace(-1, 1, 16))
                training.record['mine'] = 5.0

    net = regressor()
    net.freeze('hid1')
    return train(comm, net, series(), valid=0.2, epochs=4, callbacks=[Change()])


def changing_the_weight_of_a_loss(comm, folder):
    def change(training):
        training.net.losses[1].weight = 1.0 + training.epoch

    net = regressor()
    net.add_loss('mae', weight=0.5)
    return train(comm, net, series(), valid=0.2, epochs=4, callbacks=[change])


def leaving(comm, folder):
    """End with the mean of all epochs' parameters."""

    class Mean(Callback):
        def on_train_begin(self, training):
            self.seen = []

        def on_epoch_end(self, training):
            self.seen.append([p.get_value() for p in training.params])

        def on_train_end(self, training):
            training.leave([np.mean(values, axis=0) for values in zip(*self.seen, strict=True)])

    return train(comm, regressor(), series(), valid=0.2, epochs=5, callbacks=[Mean()])


def remembered_rule(comm, folder):
    class Remember(Callback):
        state = None

        def on_train_begin(self, training):
            if self.state is not None:
                training.rule_state = self.state

        def on_train_end(self, training):
            self.state = training.rule_state

    net, remember = regressor(), Remember()
    train(comm, net, series(), epochs=3, callbacks=[remember])
    return train(comm, net, series(), epochs=3, callbacks=[remember])


def early_stop(comm, folder):
    stop = rnnkit.callbacks.EarlyStop('valid_r2', patience=1)
    options = dict(monitors=['r2'], callbacks=[stop], learning_rate=0.2, epochs=30)
    return train(comm, regressor(), series(), valid=0.2, **options)


def patience(comm, folder):
    return train(comm, regressor(), series(), valid=0.2, learning_rate=0.3, patience=1, epochs=40)


def chance(comm, folder):
    """A monitor that differs from call to call decides for all."""
    rng = np.random.default_rng()

    def luck(target, output, weights):
        return rng.random()

    options = dict(monitors={'luck': luck}, restore_best=('valid_luck', 'max'), patience=2)
    net = regressor()
    train(comm, net, series(), valid=0.2, epochs=20, **options)
    return {} if comm is None else state(net)


# --- several trainings


def steps_of_a_loop(comm, folder):
    net, found = regressor(), []
    data, options = series(), dict(batch_size=5, algo='adam', epochs=None, valid=0.2)
    for both in net.itertrain(data, comm=comm, **options):
        found.append(both)
        if len(found) == 4:
            break
    return {'found': found, **state(net)}


def one_after_the_other(comm, folder):
    net, other = regressor(), classifier()
    first = train(comm, net, series(), epochs=2)
    train(comm, other, labels(), epochs=2)
    train(comm, net, series(), epochs=2, algo='rmsprop', hidden_l1=0.1)
    train(None, net, series(), epochs=1)  # each process for itself
    last = train(comm, net, series(), epochs=2)
    return {'first': first, 'other': state(other), **last}


# --- parts


def parts(comm, folder):
    data = [Ranks(comm).part(a) for a in (*series(), ragged())]
    options = dict(batch_size=100, shard=True) if comm else dict(batch_size=100)
    net = regressor([2, 'standardize', ('lstm', 4), 1], masked=True, scale_targets=True)
    return train(comm, net, data, epochs=20, **options)


def parts_of_classes(comm, folder):
    x, y = labels()
    order = np.argsort(y.min(axis=0), kind='stable')
    named = np.array(['no', 'some', 'very'])[np.minimum(y[-1], np.arange(B) % 3)[order]]
    ranks = Ranks(comm)
    data = [ranks.part(x[:, order]), ranks.part(named, axis=0)]
    options = dict(batch_size=100, shard=True) if comm else dict(batch_size=100)
    net = classifier([2, ('gru', 4), dict(form='last'), 3])
    found = train(comm, net, data, class_weight='balanced', epochs=20, **options)
    return {**found, 'classes': list(net.classes_)}


def parts_in_batches(comm, folder):
    """All processes have the same result; a single one has other batches."""
    data = [Ranks(comm).part(a) for a in (*series(), ragged())]
    net = regressor(masked=True)
    options = dict(batch_size=10, bucket=True, shard=comm is not None)
    train(comm, net, data, valid=0.2, **options)
    return {} if comm is None else state(net)


def parts_with_validation(comm, folder):
    ranks = Ranks(comm)
    data, valid = ([ranks.part(a) for a in series(n)] for n in (B, 9))
    options = dict(batch_size=100, shard=comm is not None)
    return train(comm, regressor(), data, valid=valid, monitors=['r2'], **options)


def carried_parts(comm, folder):
    data = [Ranks(comm).part(a) for a in series(9, 31)]
    options = dict(carry_state=True, bptt_steps=7, batch_size=None, shard=comm is not None)
    return train(comm, regressor(), data, epochs=3, hidden_l1=0.1, **options)


def callables(comm, folder):
    ranks, calls = Ranks(comm), itertools.count()

    def draw():
        rng = np.random.default_rng(next(calls))
        x, n = rng.normal(size=(T, 10, 2)), rng.integers(1, T + 1, 10)
        mask = (np.arange(T)[:, None] < n).astype('float64')
        return [ranks.part(a) for a in (x, x.sum(axis=2, keepdims=True), mask)]

    options = dict(train_batches=5, valid_batches=2, epochs=4, hidden_dropout=0.2)
    net = regressor([2, 'standardize', ('lstm', 4), 1], masked=True)
    return train(comm, net, draw, **options)


def callables_with_generators(comm, folder):
    """Each process draws by a generator of its own, from batch sizes of its own."""
    ranks = Ranks(comm)
    drawn = []

    def draw(rng):
        x = rng.normal(size=(T, 3 + ranks.rank, 2))
        drawn.append(x[0, 0, 0])
        return [x, x.sum(axis=2, keepdims=True)]

    net = regressor()
    train(comm, net, draw, train_batches=5, valid_batches=2, epochs=4)
    if comm is None:
        return {}
    from mpi4py import MPI

    every = MPI.COMM_WORLD.allgather(drawn)
    assert len({number for numbers in every for number in numbers}) == sum(map(len, every))
    return state(net)


def iterables(comm, folder):
    ranks = Ranks(comm)
    batches = [[ranks.part(a) for a in series(n)] for n in (9, 7, 8)]

    class Loader:
        def __iter__(self):
            return iter(batches)

    return train(comm, regressor(), Loader(), epochs=5, valid=series(8))


def generators_of_batches(comm, folder):
    ranks = Ranks(comm)

    def batches():
        while True:
            yield [ranks.part(a) for a in series(8)]

    return train(comm, regressor(), batches(), train_batches=4, valid_batches=1, epochs=5)


def callable_of_windows(comm, folder):
    """Series whose state is carried from batch to batch, in parts of unequal size."""
    ranks = Ranks(comm)
    x, y = (ranks.part(a) for a in series(9, 28))
    made = itertools.count()

    def draw():
        k = next(made) % 4 * 7
        return rnnkit.data.Window([x[k : k + 7], y[k : k + 7]], fresh=k == 0)

    options = dict(train_batches=3, carry_state=True, valid=series(7))
    return train(comm, regressor(), draw, epochs=5, **options)


# --- checkpoints: the jobs of a training that goes on with another number of processes


def go_on(comm: Any, place: Path, net: Any, data: Any, **options: Any) -> dict[str, Any]:
    """Train in two halves, of which the second resumes the first."""
    path = place / 'net.rnn'
    train(comm, net(), data, epochs=4, checkpoint=path, **options)
    second = net()
    resumed = train(comm, second, data, epochs=8, checkpoint=path, resume=path, **options)
    at_once = train(comm, net(), data, epochs=8, **options)
    assert len(second.history) == len(at_once['history'])
    return {'resumed': resumed, 'at once': at_once}


def resumed(comm, folder):
    options = dict(valid=0.2, hidden_dropout=0.2, monitors=['r2'])
    return go_on(comm, folder, lambda: regressor(masked=True), [*series(), ragged()], **options)


def resumed_carrying(comm, folder):
    options = dict(carry_state=True, bptt_steps=7, hidden_dropout=0.2, train_batches=3)
    return go_on(comm, folder, regressor, series(9, 31), **options)


def resumed_parts(comm, folder):
    data = [Ranks(comm).part(a) for a in series()]
    options = dict(batch_size=100, shard=comm is not None)
    return go_on(comm, folder, regressor, data, **options)


def resumed_carrying_parts(comm, folder):
    data = [Ranks(comm).part(a) for a in series(9, 31)]
    options = dict(carry_state=True, bptt_steps=7, batch_size=None, train_batches=3)
    return go_on(comm, folder, regressor, data, shard=comm is not None, **options)


# --- a chain of jobs, each with another number of processes


def _link(comm, folder, net, data, epochs, *, resume=True, **options):
    """Train up to an epoch, from and to a checkpoint that all jobs in turn see."""
    path = folder.parent / f'{net.__name__}.rnn'
    options |= dict(checkpoint=path, resume=path if resume else None)
    return train(comm, net(), data, epochs=epochs, **options)


def _chain(net, data, **options):
    """Return scenarios: at once in one process while two write; three resume; one resumes."""

    def begun(comm, folder):
        if comm is None:
            alone = options | dict(checkpoint=folder / 'net.rnn')
            return train(None, net(), data(), epochs=8, **alone)
        return _link(comm, folder, net, data(), 3, resume=False, **options)

    def continued(comm, folder):
        return {} if comm is None else _link(comm, folder, net, data(), 6, **options)

    def ended(comm, folder):
        return {} if comm is None else _link(comm, folder, net, data(), 8, **options)

    return begun, continued, ended


def masked_net():
    return regressor(masked=True)


def carrying_net():
    return regressor()


noisy = dict(valid=0.2, hidden_dropout=0.2, input_noise=0.1, save_every=1)
begun, continued, ended = _chain(masked_net, lambda: [*series(), ragged()], **noisy)
carrying = dict(carry_state=True, bptt_steps=7, hidden_dropout=0.2, train_batches=3)
carried_begun, carried_continued, carried_ended = _chain(
    carrying_net, lambda: series(9, 31), **carrying
)
