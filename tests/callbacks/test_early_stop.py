"""EarlyStop: when it stops by a difference, a baseline and a start; and which parameters stay."""

import numpy as np
import pytest
from one_weight import NOISY, Feed, made, renewed, values

from rnnkit.callbacks import EarlyStop
from rnnkit.errors import ConfigError, FormatError

QUICK = {'algo': 'sgd', 'batch_size': 10, 'seed': 0, 'validate_every': 1, 'patience': 99}


@pytest.fixture(scope='module')
def shared():
    return made()


@pytest.fixture
def net(shared):
    return renewed(shared)


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


class Snapshots(Feed):
    """Feeds values, and keeps the parameters after each epoch."""

    def on_epoch_end(self, training):
        super().on_epoch_end(training)
        self.params = [*getattr(self, 'params', []), values(training.net)]


@pytest.mark.parametrize(
    ('series', 'options', 'epochs'),
    [
        ([5, 4.5, 3.9, 3], {'patience': 0, 'min_delta': 0.5}, 2),  # 0.5 is not more than 0.5
        ([5, 4.4, 3.8, 3.5], {'patience': 0, 'min_delta': 0.5}, 4),
        ([5, 4.6, 4.3, 4.2], {'patience': 1, 'min_delta': 0.5}, 4),  # all relative to 5
        ([0.1, 0.7, 1.0, 1.6], {'patience': 0, 'min_delta': 0.5, 'mode': 'max'}, 3),
        ([5, 4.4, 3.8], {'patience': 0, 'min_delta': 0.1, 'min_improvement': 0.2}, 2),
        ([3, 2, 1, 0.5], {'patience': 1, 'baseline': 1.5}, 2),
        ([3, 2, 1, 0.5], {'patience': 2, 'baseline': 1.5}, 4),
        ([1, 2, 3, 4], {'patience': 1, 'baseline': 1.5}, 3),
        ([2, 1.4, 1.3], {'patience': 1, 'baseline': 1.5, 'min_delta': 0.2}, 2),
        ([0.55, 0.76, 0.81, 0.8], {'patience': 1, 'baseline': 0.75, 'mode': 'max'}, 4),
        ([1, 2, 3, 4, 5], {'patience': 1, 'start_from_epoch': 2}, 5),  # 3, 4, 5
        ([1, 9, 3, 2, 5, 6], {'patience': 0, 'start_from_epoch': 1}, 5),
        ([1, 2, 3], {'patience': 0, 'start_from_epoch': 3}, 3),
        ([1, 0, 3], {'goal': 0.5, 'start_from_epoch': 2}, 3),
    ],
)
def test_when_it_stops(net, series, options, epochs):
    worst = 100 if options.get('mode') != 'max' else -100
    feed = Feed([*series, *[worst] * 9])
    callbacks = [feed, EarlyStop('mine', **options)]
    net.train(NOISY, epochs=len(series), callbacks=callbacks, **QUICK)
    assert len(net.history) == epochs


def test_the_reason_is_logged(net, caplog):
    caplog.set_level('INFO')
    stop = EarlyStop('mine', patience=0, baseline=1)
    net.train(NOISY, epochs=3, callbacks=[Feed([3, 2, 1]), stop], **QUICK)
    assert 'training stopped: mine has not surpassed 1 1 times, after epoch 1' in caplog.text


@pytest.mark.parametrize(
    ('series', 'options', 'best'),
    [
        ([5, 3, 4, 6], {}, 2),
        ([5, 3, 4, 6], {'mode': 'max'}, 4),
        ([5, 3, 4, 6], {'start_from_epoch': 2}, 3),
        ([5, 4.9, 4.8, 4.7], {'min_delta': 1}, 1),
        ([5, 3, 1, 6], {'goal': 3}, 2),
        ([5, 3, 2, 6], {'baseline': 1}, 3),  # surpassed by none
    ],
)
@pytest.mark.parametrize('restore_best', [True, False])
def test_the_parameters_of_the_best_epoch_of_its_own_monitor_stay(
    net, series, options, best, restore_best
):
    feed = Snapshots(series)
    stop = EarlyStop('mine', patience=9, restore_best=True, **options)
    _, valid = net.train(
        NOISY, epochs=4, callbacks=[feed, stop], restore_best=restore_best, **QUICK
    )
    np.testing.assert_array_equal(flat(values(net)), flat(feed.params[best - 1]))
    # What training returns is a validation of these parameters.
    x, y = NOISY
    assert valid['loss'] == pytest.approx(np.mean((net.predict(x) - y) ** 2), rel=1e-12)
    assert valid['loss'] == pytest.approx(net.history['training_loss'][best - 1], rel=1e-12)


def test_without_restore_best_the_validation_decides(net):
    feed = Snapshots([1, 2, 3, 4])
    net.train(NOISY, epochs=4, callbacks=[feed, EarlyStop('mine', patience=9)], **QUICK)
    best = int(np.argmin(net.history['training_loss']))
    assert best == 3
    np.testing.assert_array_equal(flat(values(net)), flat(feed.params[best]))


@pytest.mark.parametrize('monitor', ['loss', 'training_loss'])
def test_parameters_of_an_epoch_that_ends_a_training(net, monitor):
    """The last epoch counts, though a longer training would not have validated there."""
    feed = Snapshots(range(5))
    stop = EarlyStop(monitor, restore_best=True)
    options = {**QUICK, 'validate_every': 3}
    net.train(NOISY, epochs=5, callbacks=[feed, stop], restore_best=False, **options)
    assert int(np.argmin(net.history['loss'])) == 4
    np.testing.assert_array_equal(flat(values(net)), flat(feed.params[4]))


def test_the_next_training_does_not_restore_the_last_one(net):
    stop = EarlyStop('mine', patience=9, restore_best=True)
    feed = Snapshots([1, 2, 3])
    net.train(NOISY, epochs=3, callbacks=[feed, stop], **QUICK)
    again = Snapshots([9, 8, 7])
    net.train(NOISY, epochs=3, callbacks=[again, stop], **QUICK)
    np.testing.assert_array_equal(flat(values(net)), flat(again.params[2]))


SERIES = [4, 3, 2, 5, 6, 7, 8, 9]
OPTIONS = {'patience': 3, 'restore_best': True, 'min_delta': 0.5, 'baseline': 3.5}


@pytest.mark.parametrize('cut', [1, 2, 3, 4, 6])
def test_a_resumed_training_ends_as_one_that_was_not_interrupted(shared, tmp_path, cut):
    path = tmp_path / 'run.rnn'

    def run(epochs, **more):
        stop = EarlyStop('mine', start_from_epoch=1, **OPTIONS)
        shared.train(
            NOISY, epochs=epochs, callbacks=[Feed(SERIES), stop], checkpoint=path, **more, **QUICK
        )
        return stop, values(shared)

    renewed(shared)
    whole, expected = run(8)
    assert whole.best == 2
    assert len(shared.history) == 7
    renewed(shared)
    run(cut)
    renewed(shared)
    stop, resumed = run(8, resume=path)
    assert (stop.best, stop.failures) == (whole.best, whole.failures)
    assert len(shared.history) == 7
    np.testing.assert_array_equal(flat(resumed), flat(expected))


def test_a_checkpoint_without_the_best_parameters_is_refused(net, tmp_path):
    path = tmp_path / 'run.rnn'
    net.train(NOISY, epochs=1, callbacks=EarlyStop('loss'), checkpoint=path, **QUICK)
    callbacks = EarlyStop('loss', restore_best=True)
    with pytest.raises(FormatError, match='it has no parameters for restore_best=True'):
        net.train(NOISY, epochs=2, callbacks=callbacks, checkpoint=path, resume=path, **QUICK)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'min_delta': -1},
            'EarlyStop: min_delta must be a finite number of at least 0; got -1',
        ),
        ({'baseline': 'x'}, "EarlyStop: baseline must be a finite number; got 'x'"),
        (
            {'start_from_epoch': 1.5},
            'EarlyStop: start_from_epoch must be a whole number of at least 0; got 1.5',
        ),
        ({'restore_best': 1}, 'EarlyStop: restore_best must be True or False; got 1'),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ConfigError) as caught:
        EarlyStop(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    'name', ['accuracy', 'Accuracy', 'ACC', 'binary_accuracy', 'binary_f1', 'F1', 'R2']
)
def test_metrics_that_are_to_be_large(name):
    assert EarlyStop(name)._best.mode == EarlyStop(f'valid_{name}')._best.mode == 'max'


@pytest.mark.parametrize('name', ['loss', 'err', 'xe', 'perplexity', 'gradient_norm'])
def test_metrics_that_are_to_be_small(name):
    assert EarlyStop(name)._best.mode == EarlyStop(f'valid_{name}')._best.mode == 'min'
