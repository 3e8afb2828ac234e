"""What is reported does not depend on how the data are cut into batches."""

import numpy as np
import pytest

import rnnkit

T, B = 4, 6
LENGTHS = np.array([4, 1, 2, 3, 4, 2])
MASK = (np.arange(T)[:, None] < LENGTHS).astype('float64')
STILL = {'algo': 'sgd', 'learning_rate': 1e-300, 'epochs': 1}


@pytest.fixture(scope='module')
def data():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((T, B, 2))
    return x, x.sum(axis=-1, keepdims=True), rng.integers(0, 3, B)


def both_ends(**options):
    """Return a network with a number for each step, and a label for each sequence."""
    net = rnnkit.Regressor(
        [
            2,
            ('rnn', 3),
            dict(form='last', name='end'),
            dict(form='softmax', size=3, name='kind'),
            dict(size=1, name='out', inputs='hid1'),
        ],
        seed=0,
        dtype='float64',
        **options,
    )
    net.add_loss('xe', weight=0.5, output='kind', target='label', weighted=True)
    return net


def mean(values, weights):
    return (values * weights).sum() / weights.sum()


def reported(net, batch, batch_size, **options):
    """Return what a training and a validation report, without changing a parameter."""
    options = STILL | options
    train, valid = net.train(batch, batch, batch_size=batch_size, **options)
    return train, valid


@pytest.mark.parametrize('batch_size', [1, 2, 4, 6])
def test_each_loss_has_weights_of_its_own(batch_size, data):
    """The weights of the first target are 0 where those of the second are not."""
    x, y, label = data
    net = both_ends(weighted=True)
    w = np.zeros((T, B, 1))
    w[:, 3:] = np.arange(12).reshape(T, 3, 1)
    own = np.array([2.0, 1.0, 3.0, 0.0, 0.5, 0.0])
    outputs = net.feed_forward(x)
    err = mean((outputs['out:out'] - y) ** 2, w)
    xe = mean(-np.log(outputs['kind:out'][np.arange(B), label]), own)
    for result in reported(net, [x, y, label, w, own], batch_size):
        assert result['err'] == pytest.approx(err, rel=1e-12)
        assert result['xe'] == pytest.approx(xe, rel=1e-12)
        assert result['loss'] == pytest.approx(err + 0.5 * xe, rel=1e-12)


@pytest.mark.parametrize('batch_size', [1, 4, 6])
def test_masked_targets_and_labels_of_sequences(batch_size, data):
    """A label of a sequence counts once, however many steps the sequence has."""
    x, y, label = data
    net = both_ends(masked=True)
    own = np.array([2.0, 1.0, 3.0, 0.0, 0.5, 1.0])
    outputs = net.feed_forward(x, mask=MASK)
    err = mean((outputs['out:out'] - y)[..., 0] ** 2, MASK)
    xe = mean(-np.log(outputs['kind:out'][np.arange(B), label]), own)
    train, valid = reported(net, [x, y, label, own, MASK], batch_size)
    for result in (train, valid):
        assert result['xe'] == pytest.approx(xe, rel=1e-12)
        assert result['loss'] == pytest.approx(err + 0.5 * xe, rel=1e-12)


@pytest.mark.parametrize('batch_size', [1, 4, 6])
def test_the_best_parameters_follow_the_whole_loss(batch_size, data):
    """A batch that counts for one loss alone counts."""
    x, y, label = data
    net = both_ends(weighted=True)
    w, own = np.zeros((T, B, 1)), np.ones(B)
    w[0, 0] = 1
    _, valid = net.train(
        [x, y, label, w, own],
        batch_size=batch_size,
        algo='adam',
        learning_rate=0.02,
        epochs=4,
        validate_every=1,
    )
    outputs = net.feed_forward(x)
    err = mean((outputs['out:out'] - y) ** 2, w)
    xe = -np.log(outputs['kind:out'][np.arange(B), label]).mean()
    assert valid['loss'] == pytest.approx(err + 0.5 * xe, rel=1e-12)
    assert valid['loss'] == min(v for v in net.history['training_loss'] if v is not None)


PENALTIES = {
    'hidden_l1': lambda h: mean(abs(h), MASK[..., None] + 0 * h),
    'recurrent_state': lambda h: mean(
        (h[1:] - h[:-1]) ** 2, (MASK[1:] * MASK[:-1])[..., None] + 0 * h[1:]
    ),
}


@pytest.mark.parametrize('batch_size', [1, 4, 6])
@pytest.mark.parametrize('name', PENALTIES)
def test_regularizers_of_sequences_of_different_lengths(name, batch_size, data):
    x, y, _ = data
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=True, weighted=True, seed=0, dtype='float64')
    w = np.arange(24.0).reshape(T, B, 1)
    outputs = net.feed_forward(x, mask=MASK)
    err = mean((outputs['out:out'] - y) ** 2, w * MASK[..., None])
    expected = err + 10 * PENALTIES[name](outputs['hid1:out'])
    for result in reported(net, [x, y, w, MASK], batch_size, **{name: 10.0}):
        assert result['loss'] == pytest.approx(expected, rel=1e-12)
        assert result['err'] == pytest.approx(err, rel=1e-12)


@pytest.mark.parametrize('batch_size', [1, 4, 6])
def test_monitors_of_outputs(batch_size, data):
    """Shares of units are means over real steps, not over weights of targets."""
    x, y, _ = data
    net = rnnkit.Regressor([2, ('rnn', 3), 1], masked=True, weighted=True, seed=0, dtype='float64')
    w = np.arange(24.0).reshape(T, B, 1)
    h = net.feed_forward(x, mask=MASK)['hid1:out']
    share = mean((h < 0.1).mean(axis=-1), MASK)
    for result in reported(net, [x, y, w, MASK], batch_size, monitors={'hid1:out': 0.1}):
        assert result['hid1:out<0.1'] == pytest.approx(share, rel=1e-12)
