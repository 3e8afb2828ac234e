"""One training of a network at a time, and none that has not started leaves a trace."""

import copy
import threading

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit.errors import ConfigError

X = np.random.default_rng(0).standard_normal((40, 1))
DATA = [X, 3 * X + 1]
GOING_ON = 'a training of this network is going on'


def linear_net():
    return rnnkit.Regressor([1, 1], dtype='float64', seed=0)


def params(net):
    return [p.get_value() for p in net.params]


def same(one, other):
    return all(map(np.array_equal, params(one), params(other)))


# --- a training that never starts


def test_a_loop_that_is_never_entered_changes_no_later_training():
    """The order of examples depends on the seed and the number of the training."""
    net, twin = linear_net(), linear_net()
    net.itertrain(DATA, epochs=3)
    assert net._trainings == 0
    for each in (net, twin):
        each.train(DATA, epochs=3, batch_size=4)
    assert same(net, twin)
    assert net.history['training'] == [1, 1, 1]


def test_a_training_is_numbered_when_it_starts():
    net, twin = linear_net(), linear_net()
    later = net.itertrain(DATA, epochs=2, batch_size=4)
    net.train(DATA, epochs=1, batch_size=4)
    assert len(list(later)) == 2
    twin.train(DATA, epochs=1, batch_size=4)
    twin.train(DATA, epochs=2, batch_size=4)
    assert same(net, twin)
    assert net.history['training'] == twin.history['training'] == [1, 2, 2]


def test_options_are_those_of_the_training_that_starts():
    """The weight of a regularizer lies in a shared variable, which both trainings have."""
    net, twin = linear_net(), linear_net()
    first = net.itertrain(DATA, epochs=2, weight_l2=5.0)
    net.itertrain(DATA, epochs=2, weight_l2=0.0)
    list(first)
    twin.train(DATA, epochs=2, weight_l2=5.0)
    assert same(net, twin)


def test_a_loss_that_is_set_before_the_start_is_minimised():
    net, twin = linear_net(), linear_net()
    later = net.itertrain(DATA, epochs=2)
    net.set_loss('mae')
    list(later)
    twin.set_loss('mae')
    twin.train(DATA, epochs=2)
    assert same(net, twin)


def test_a_resumed_training_that_never_starts_leaves_the_network_alone(tmp_path):
    path = tmp_path / 'training.rnn'
    linear_net().train(DATA, epochs=2, checkpoint=path)
    net = rnnkit.Regressor([1, 1], dtype='float64', seed=7)
    net.itertrain(DATA, epochs=4, resume=path)
    assert (net.seed, net._trainings) == (7, 0)
    list(net.itertrain(DATA, epochs=4, resume=path))
    assert (net.seed, net._trainings) == (0, 1)
    assert net.history['epoch'] == [1, 2, 3, 4]


@pytest.mark.parametrize('algo', ['layerwise', 'sample'])
def test_ways_that_never_start(algo):
    layers = [1, ('ff', 3), ('ff', 2), 1]
    net, twin = (rnnkit.Regressor(layers, seed=0, dtype='float64') for _ in range(2))
    net.itertrain(DATA, algo=algo)
    for each in (net, twin):
        each.train(DATA, algo=algo, **({'epochs': 1} if algo == 'layerwise' else {}))
        each.train(DATA, epochs=1, batch_size=4)
    assert same(net, twin)
    assert net._trainings == twin._trainings == 2


# --- a training while another one goes on


@pytest.mark.parametrize('start', ['train', 'itertrain'])
def test_a_second_training_is_refused(start):
    net, twin = linear_net(), linear_net()
    for _ in net.itertrain(DATA, epochs=3):
        with pytest.raises(ConfigError, match=rf'^{start}\(\): {GOING_ON}'):
            getattr(net, start)(DATA, epochs=1, algo='sgd')
    twin.train(DATA, epochs=3)
    assert same(net, twin)


def test_trainings_that_take_turns_are_refused():
    net = linear_net()
    first, second = net.itertrain(DATA, epochs=2), net.itertrain(DATA, epochs=2)
    next(first)
    with pytest.raises(ConfigError, match=GOING_ON):
        next(second)
    assert len(list(first)) == 1
    net.train(DATA, epochs=1)


def test_a_training_within_a_callback_or_a_callable_is_refused():
    net = linear_net()
    with pytest.raises(ConfigError, match=GOING_ON):
        net.train(DATA, epochs=1, callbacks=lambda training: net.train(DATA, epochs=1))
    with pytest.raises(ConfigError, match=GOING_ON):
        net.train(lambda: net.train(DATA, epochs=1), valid=DATA)
    net.train(DATA, epochs=1)  # it is free again


def test_layerwise_training_keeps_others_away_in_all_its_stages():
    net = rnnkit.Regressor([1, ('ff', 3), ('ff', 2), 1], seed=0)
    stages = []
    for _ in net.itertrain(DATA, algo='layerwise', epochs=1):
        stages.append(net.history[-1]['stage'])
        with pytest.raises(ConfigError, match=GOING_ON):
            net.train(DATA, epochs=1)
    assert len(stages) == 2


def test_of_two_threads_one_trains():
    net, results = linear_net(), []
    inside, go_on = threading.Event(), threading.Event()

    def wait(training):
        inside.set()
        assert go_on.wait(30)

    thread = threading.Thread(
        target=lambda: results.append(net.train(DATA, epochs=1, callbacks=wait))
    )
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(ConfigError, match=GOING_ON):
            net.train(DATA, epochs=1)
    finally:
        go_on.set()
        thread.join()
    assert len(results) == 1


def test_a_loop_that_an_exception_ends_has_ended():
    """Even if the traceback is kept, as in a notebook."""
    net, kept = linear_net(), None
    try:
        for _ in net.itertrain(DATA, epochs=9, validate_every=1):
            raise ValueError('in the body of the loop')
    except ValueError as error:
        kept = error
    net.train(DATA, epochs=1)
    assert kept.__traceback__ is not None


def test_an_iterator_can_be_closed():
    net = linear_net()
    epochs = net.itertrain(DATA, epochs=9)
    next(epochs)
    with pytest.raises(ConfigError, match=r'or close\(\) its iterator$'):
        net.train(DATA, epochs=1)
    epochs.close()
    net.train(DATA, epochs=1)


def test_a_loop_that_is_never_entered_draws_no_batch():
    drawn = []

    def batch():
        drawn.append(1)
        return DATA

    net = linear_net()
    epochs = net.itertrain(batch, epochs=1, train_batches=3, valid_batches=2)
    assert not drawn
    next(epochs)
    assert len(drawn) == 5


@pytest.mark.parametrize('carry_state', [False, True])
def test_kept_batches_are_copies(carry_state):
    """A callable may fill the same arrays each time."""
    x = np.empty((6, 8, 3))
    net = rnnkit.Regressor([3, ('rnn', 2), 1], dtype='float64', seed=0)
    rng = np.random.default_rng(0)

    def batch():
        x[:] = rng.standard_normal(x.shape)
        return [x, x[..., :1]]

    net.train(
        batch,
        epochs=4,
        train_batches=3,
        valid_batches=4,
        algo='sgd',
        learning_rate=1e-300,
        validate_every=1,
        carry_state=carry_state,
    )
    assert len(set(net.history['valid_loss'])) == 1


def test_kept_batches_of_minimize_are_copies():
    w, x = pytensor.shared(np.ones(2), 'w'), pt.matrix('x', dtype='float64')
    buffer, rng = np.empty((3, 2)), np.random.default_rng(0)

    def batch():
        buffer[:] = rng.standard_normal(buffer.shape)
        return [buffer]

    losses = []
    rnnkit.minimize(
        ((x - w) ** 2).mean(),
        batch,
        algo='sgd',
        learning_rate=1e-300,
        epochs=3,
        validate_every=1,
        train_batches=2,
        valid_batches=2,
        callbacks=lambda training: losses.append(training.validation['loss']),
    )
    assert len(losses) == 3
    assert len(set(losses)) == 1


def test_arrays_and_lists_in_specs_are_copied(tmp_path):
    """What is saved is what the network was made of."""
    array, rows = np.eye(2), [[1.0, 0.0], [0.0, 1.0]]
    layers = [1, dict(form='rnn', size=2, hh=array), dict(form='rnn', size=2, hh=rows), 1]
    net = rnnkit.Regressor(layers, seed=0)
    array[:], rows[0][0] = 7, 7
    assert [layer['hh'] for layer in net.to_spec()['layers'][1:3]] == [np.eye(2).tolist()] * 2


class Interrupting:
    """A lock that is interrupted as soon as it is released."""

    def __enter__(self):
        pass

    def __exit__(self, *error):
        raise KeyboardInterrupt


def test_an_interrupt_before_the_start_leaves_the_network_free(monkeypatch):
    net = linear_net()
    with monkeypatch.context() as patch:
        patch.setattr(net._sessions, '_lock', Interrupting())
        with pytest.raises(KeyboardInterrupt):
            net.train(DATA, epochs=1)
    net.train(DATA, epochs=1)


def test_a_copy_of_a_network_trains_by_itself():
    net = linear_net()
    net.train(DATA, epochs=1)
    for _ in net.itertrain(DATA, epochs=2):
        twin = copy.deepcopy(net)
        twin.train(DATA, epochs=1)
        assert not same(net, twin)
