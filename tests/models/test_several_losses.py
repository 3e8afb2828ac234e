"""Networks with several losses: sums, targets of their own, weights, masks, files."""

import json

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, ShapeError

T, B = 4, 6
FREE = {'algo': 'sgd', 'learning_rate': 1e-12, 'epochs': 1, 'batch_size': 50}
MASK = np.arange(T)[:, None] < np.array([4, 1, 2, 3, 4, 2])


def two_headed(**options):
    return rnnkit.Regressor(
        [
            2,
            ('rnn', 3),
            dict(form='softmax', size=4, name='kind'),
            dict(size=1, name='out', inputs='hid1'),
        ],
        seed=0,
        dtype='float64',
        **options,
    )


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
    net.add_loss('xe', weight=0.5, output='kind', target='label')
    return net


@pytest.fixture(scope='module')
def data():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((T, B, 2))
    return x, x.sum(axis=-1, keepdims=True), rng.integers(0, 4, (T, B))


@pytest.fixture(scope='module')
def net():
    net = two_headed()
    net.add_loss('xe', weight=0.5, output='kind', target='labels')
    net.add_loss(dict(form='mae', weight=0.25))
    return net


@pytest.fixture(scope='module')
def masked():
    net = both_ends(masked=True, weighted=True)
    net.add_loss('mae', weight=2.0, weighted=False)
    return net


def cross_entropy(p, labels):
    return -np.log(np.take_along_axis(p, labels[..., None], axis=-1)[..., 0])


def parts(net, x, y, labels):
    """Return the three losses, in NumPy."""
    found = net.feed_forward(x)
    d = found['out:out'] - y
    return {
        'err': (d**2).mean(),
        'xe': cross_entropy(found['kind:out'], labels).mean(),
        'mae': abs(d).mean(),
    }


def total(net, data):
    found = parts(net, *data)
    return found['err'] + 0.5 * found['xe'] + 0.25 * found['mae']


def put_back(net, values):
    for p, value in zip(net.params, values, strict=True):
        p.set_value(value)


def test_what_is_minimised_is_the_weighted_sum(net, data):
    _, valid = net.train(list(data), **FREE, weight_l2=0.1, monitors=['r2'])
    wanted = parts(net, *data)
    assert {name: valid[name] for name in wanted} == pytest.approx(wanted, rel=1e-9)
    squares = [(p.get_value() ** 2).mean() for p in net.params if p.ndim > 1]
    assert valid['loss'] == pytest.approx(total(net, data) + 0.1 * np.mean(squares), rel=1e-9)
    assert valid['r2'] == pytest.approx(net.score(*data[:2]))


def test_the_gradient_is_that_of_the_sum(net, data, rng):
    start = [p.get_value() for p in net.params]
    direction = [rng.standard_normal(a.shape) for a in start]
    eps, found = 1e-5, []
    for step in (eps, -eps):
        put_back(net, [a + step * d for a, d in zip(start, direction, strict=True)])
        found.append(total(net, data))
    put_back(net, start)
    options = FREE | {'learning_rate': 1.0, 'restore_best': False, 'max_gradient_norm': 0}
    net.train(list(data), **options)
    moved = [a - p.get_value() for a, p in zip(start, net.params, strict=True)]
    put_back(net, start)
    slope = sum((m * d).sum() for m, d in zip(moved, direction, strict=True))
    assert slope == pytest.approx((found[0] - found[1]) / (2 * eps), rel=1e-6)


def test_a_weight_can_be_changed_without_compiling(net, data):
    net.train(list(data), **FREE)
    before = dict(net._train_steps._steps)
    net.losses[1].weight = 3.0
    _, valid = net.train(list(data), **FREE)
    wanted = parts(net, *data)
    assert valid['loss'] == pytest.approx(wanted['err'] + 3 * wanted['xe'] + wanted['mae'] / 4)
    assert net._train_steps._steps == before
    assert net.to_spec()['losses'][1]['weight'] == 3.0
    for wrong in (-1, np.nan, 'x', True):
        with pytest.raises(
            ConfigError, match='weight of a loss must be a finite number of at least 0'
        ):
            net.losses[1].weight = wrong
    net.losses[1].weight = 0.5
    alone = two_headed()
    with pytest.raises(ConfigError, match=r'the only loss is fixed at 1; net.set_loss'):
        alone.losses[0].weight = 2.0


def test_arrays_come_in_order_or_by_name(net, data):
    x, y, labels = data
    assert [field.name for field in net._border.fields] == ['x', 'y', 'labels']
    wanted = net.train([x, y, labels], **FREE)
    by_name = {'labels': labels, 'y': y, 'x': x}
    for given in (by_name, (x, y, labels), lambda: by_name, lambda: [x, y, labels]):
        found = net.train(given, **FREE, train_batches=1, valid_batches=1)
        assert found[1] == pytest.approx(wanted[1], rel=1e-9)
    for wrong, error, message in (
        ([x, y], DataError, r'expects 3 arrays \[x, y, labels\]; got 2'),
        ([x, y, labels + 1], DataError, "labels contains label 4; layer 'kind' has 4 units"),
        ([x, y, labels[1:]], ShapeError, 'labels has length 3 on axis 0'),
        ([x, y, labels[..., None]], ShapeError, 'labels has shape'),
        ({'x': x, 'y': y, 'kind': labels}, DataError, 'expects {x, y, labels}'),
    ):
        with pytest.raises(error, match=message):
            net.train(wrong)


def test_gradient_flow_reads_all_targets(net, data):
    x, y, labels = data
    flow = net.gradient_flow(x, [y, labels])
    assert flow['hid1'].shape == (T,)
    both = net.gradient_flow(x, {'labels': labels, 'y': y})
    np.testing.assert_array_equal(both['hid1'], flow['hid1'])
    assert not np.allclose(net.gradient_flow(x, [y, 3 - labels])['hid1'], flow['hid1'])
    with pytest.raises(
        DataError, match=r'gradient_flow\(\): expects a list of arrays \[y, labels\]'
    ):
        net.gradient_flow(x, y)


def test_losses_can_be_added_between_trainings(data):
    x, y, labels = data
    net = two_headed()
    net.train([x, y], epochs=1)
    before = [p.get_value() for p in net.params]
    for bad in (dict(output='nothing'), dict(output='kind')):
        with pytest.raises(ConfigError):
            net.add_loss('mae', **bad)
    assert net.add_loss('xe', output='kind:out', target='labels') is None
    for p, value in zip(net.params, before, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
    net.train([x, y, labels], epochs=1)
    assert net.history['training'] == [1, 2]
    assert net.history['xe'] == [None, net.history[-1]['xe']]
    assert not np.array_equal(net.find('kind', 'w').get_value(), before[3])
    assert net.set_loss('huber', delta=0.5, weight=2) is None
    assert net.loss.delta == 0.5
    _, valid = net.train([x, y], **FREE)
    d = abs(net.predict(x) - y)
    huber = np.where(d < 0.5, d**2 / 2, 0.5 * (d - 0.25)).mean()
    assert [valid['err'], valid['loss']] == pytest.approx([huber, 2 * huber])


def test_names_under_which_losses_are_reported():
    net = two_headed()
    for options in ({}, {'output': 'out:pre'}, {'output': 'out'}, {'target': 'z'}):
        net.add_loss('mae', **options)
    net.add_loss('mse', output='hid1', target='state')
    assert [goal.name for goal in net.losses] == [
        'err',
        'mae',
        'mae@out',
        'mae@out#2',
        'mae@out#3',
        'mse',
    ]
    assert repr(net.losses[2]) == '<1 mae of out:pre>'
    with pytest.raises(ConfigError, match="'mse' is the name that a loss of this network"):
        net.train([np.ones((T, B, 2))] * 4, monitors=['mse'])


# --- weights and masks


def test_each_loss_leaves_padding_out_by_its_own_time(masked, data):
    x, y, labels = data
    label, rng = labels[0] % 3, np.random.default_rng(0)
    weights = rng.random((T, B))
    names = [field.name for field in masked._border.fields]
    assert names == ['x', 'y', 'label', 'weights', 'mask']
    _, valid = masked.train([x, y, label, weights, MASK], **FREE)
    found = masked.feed_forward(x, mask=MASK)
    d, w = (found['out:out'] - y)[..., 0], weights * MASK
    wanted = {
        'err': (w * d**2).sum() / w.sum(),
        'mae': abs(d)[MASK].mean(),
        'xe': cross_entropy(found['kind:out'], label).mean(),
    }
    assert {name: valid[name] for name in wanted} == pytest.approx(wanted)
    assert valid['loss'] == pytest.approx(wanted['err'] + wanted['xe'] / 2 + 2 * wanted['mae'])
    ragged = [
        [a[:n, k] for k, n in enumerate(MASK.sum(axis=0))] for a in (x, y, weights[..., None])
    ]
    _, again = masked.train([*ragged[:2], label, ragged[2]], **FREE)
    assert again['loss'] == pytest.approx(valid['loss'], rel=1e-9)
    masked.train([x, y, label, weights, MASK], epochs=1, batch_size=2, bucket=True)
    score = masked.score(x, y, weights, MASK)
    assert score == pytest.approx(rnnkit.metrics.r2(y[..., 0], masked.predict(x)[..., 0], w))


def test_a_target_of_its_own_has_weights_of_its_own(data, rng):
    x, y, labels = data
    net = both_ends(weighted=True)
    net.set_loss('mse')
    net.add_loss('xe', output='kind', target='label', weighted=True)
    net.add_loss('hinge', output='kind:out', target='label')  # with the same weights
    net.add_loss('mae', weight=0, weighted=False)
    names = [field.name for field in net._border.fields]
    assert names == ['x', 'y', 'label', 'weights', 'weights_label']
    assert [goal.weighted for goal in net.losses] == [True, True, True, False]
    label, w, v = labels[0] % 3, rng.random((T, B, 1)), rng.random(B)
    _, valid = net.train([x, y, label, w, v], **FREE)
    found = net.feed_forward(x)
    d, p = found['out:out'] - y, found['kind:out']
    right = np.take_along_axis(p, label[:, None], axis=-1)[:, 0]
    rival = np.where(np.arange(3) == label[:, None], -np.inf, p).max(axis=-1)
    wanted = {
        'err': (w * d**2).sum() / w.sum(),
        'xe': (v * -np.log(right)).sum() / v.sum(),
        'hinge': (v * np.maximum(0, 1 + rival - right)).sum() / v.sum(),
        'mae': abs(d).mean(),
    }
    assert {name: valid[name] for name in wanted} == pytest.approx(wanted)
    assert valid['loss'] == pytest.approx(sum(wanted.values()) - wanted['mae'])
    by_name = {'x': x, 'y': y, 'label': label, 'weights': w, 'weights_label': v}
    assert net.train(by_name, **FREE)[1]['loss'] == pytest.approx(valid['loss'])
    flow = net.gradient_flow(x, [y, label], [w, v])
    assert flow['hid1'].shape == (T,)


# --- the rest of training


def test_a_state_is_carried_and_series_are_cut(net, data):
    _, whole = net.train(list(data), **FREE)
    _, cut = net.train(list(data), **FREE, carry_state=True, bptt_steps=2)
    assert cut == pytest.approx(whole, rel=1e-9)


def test_a_training_is_resumed_bit_for_bit(data, tmp_path):
    x, y, labels = (a.reshape(T * B, -1) for a in data)
    data = [x, y, labels[:, 0]]
    net = rnnkit.Regressor(
        [
            2,
            (3, 'tanh'),
            dict(form='softmax', size=4, name='kind'),
            dict(size=1, name='out', inputs='hid1'),
        ],
        seed=0,
    )
    net.add_loss('xe', weight=0.5, output='kind', target='labels')
    run = {'batch_size': 5, 'validate_every': 1, 'hidden_noise': 0.3, 'seed': 4}
    start = [p.get_value() for p in net.params]
    net.train(data, epochs=4, **run)
    wanted = [p.get_value() for p in net.params]
    net.train(data, epochs=4, **run)  # moves on, so that the file has to bring all back
    put_back(net, start)
    net.train(data, epochs=2, checkpoint=tmp_path / 'run', **run)
    net.train(data, epochs=4, resume=tmp_path / 'run', **run)
    for p, value in zip(net.params, wanted, strict=True):
        np.testing.assert_array_equal(p.get_value(), value)
    net.losses[1].weight = 0.25
    with pytest.raises(ConfigError, match='belongs to another network: losses was'):
        net.train(data, epochs=5, resume=tmp_path / 'run', **run)
    net.set_loss('mse')
    with pytest.raises(ConfigError, match='another network: losses was .* and is now None'):
        net.train(data[:2], epochs=5, resume=tmp_path / 'run', **run)


def test_files_and_specs(net, masked, data, tmp_path):
    for one in (net, masked):
        one.save(tmp_path / 'net')
        same = rnnkit.load(tmp_path / 'net')
        assert [goal.to_spec() for goal in same.losses] == [goal.to_spec() for goal in one.losses]
        spec = json.loads(json.dumps(one.to_spec()))
        assert rnnkit.from_spec(spec).to_spec() == spec
        assert [f.name for f in same._border.fields] == [f.name for f in one._border.fields]
    assert 'losses' not in two_headed(loss='mae', weighted=True).to_spec()
    net = rnnkit.Regressor([2, 1], loss='bce', seed=0)
    net.set_loss('mse', weighted=True)  # of a sigmoid, which must stay one
    again = rnnkit.from_spec(net.to_spec())
    assert again.layers[-1].activation == 'sigmoid'
    assert (again.loss.form, again.weighted) == ('mse', True)
    for wrong in ([], {}, [{'loss': 'mse'}], [1], None, [net.to_spec()['losses'][0]] * 2):
        if wrong is not None:
            with pytest.raises(ConfigError, match=r'from_spec\(\): losses must be a list of dicts'):
                rnnkit.from_spec(net.to_spec() | {'losses': wrong})


def test_a_classifier_and_an_autoencoder_have_further_losses_too(data, rng):
    x, _, labels = (a.reshape(T * B, -1) for a in data)
    labels = labels[:, 0]
    net = rnnkit.Classifier([2, (3, 'tanh'), 4], seed=0)
    net.add_loss('hinge', weight=0.5)
    net.add_loss('mse', output='hid1', target='state')
    state = rng.standard_normal((T * B, 3))
    _, valid = net.train([x, labels, state], **FREE)
    assert valid['loss'] == pytest.approx(valid['err'] + valid['hinge'] / 2 + valid['mse'])
    assert valid['acc'] == pytest.approx(net.score(x, labels))
    auto = rnnkit.Autoencoder(
        [2, (3, 'tanh'), dict(form='softmax', size=4, name='kind'), dict(size=2, inputs='hid1')],
        seed=0,
    )
    auto.add_loss('xe', output='kind', target='y')
    auto.add_loss('mae')
    _, valid = auto.train([x, labels], **FREE)
    assert valid['mae'] == pytest.approx(abs(auto.predict(x) - x).mean(), rel=1e-5)
    p = auto.encode(x, 'kind')
    assert valid['xe'] == pytest.approx(cross_entropy(p, labels).mean(), rel=1e-5)


def test_a_first_loss_of_another_output(data, rng):
    x, state = data[0], rng.standard_normal((B, 3))
    net = two_headed()
    net.set_loss('mse', output='hid1:last')
    _, valid = net.train([x, state], **FREE, monitors=['r2', 'mse'])
    h = net.feed_forward(x)['hid1:last']
    assert [valid['err'], valid['mse']] == pytest.approx([((h - state) ** 2).mean()] * 2)
    assert [valid['r2'], net.score(x, state)] == pytest.approx([rnnkit.metrics.r2(state, h)] * 2)
    assert net.predict(x).shape == (T, B, 1)


# --- what is refused


def test_an_activation_that_nobody_named_is_said_in_words():
    with pytest.raises(ConfigError, match=r"'hid1' \(feedforward\) has that of its form$"):
        rnnkit.Regressor([2, 3, 1]).add_loss('xe', output='hid1', target='labels')


def test_losses_are_changed_by_calls_alone(net):
    before = net.losses
    with pytest.raises(AttributeError):
        net.losses.pop()
    for name in ('loss', 'losses'):
        with pytest.raises(AttributeError, match='no setter'):
            setattr(net, name, [])
    assert net.losses == before
    assert net.loss is before[0].loss


@pytest.mark.parametrize(
    ('loss', 'options', 'message'),
    [
        ('hubert', {}, "no loss named 'hubert'; did you mean 'huber'?"),
        ('mae', {'delta': 1}, "unknown option 'delta'"),
        ('huber', {'delt': 1}, "unknown option 'delt', did you mean 'delta'?"),
        ('mae', {'output_name': 'hid1'}, "unknown option 'output_name', did you mean 'output'?"),
        (dict(form='mae', output_name='hid1'), {}, "did you mean 'output'?"),
        (dict(form='mae', weight=0.5), {'weight': 2.0}, 'weight is given twice'),
        (dict(form='huber', delta=0.5), {'delta': 2.0}, 'delta is given twice'),
        (
            rnnkit.losses.MeanAbsoluteError(),
            {'delta': 1},
            'an option of a loss that is given by name',
        ),
        (3, {}, 'a loss must be a name'),
        ('mae', {'weight': -1}, 'weight must be a finite number of at least 0; got -1'),
        ('mae', {'weight': np.inf}, 'weight must be a finite number of at least 0'),
        ('mae', {'output': 1}, "output must be the name of an output, such as 'hid1'; got 1"),
        ('mae', {'target': ''}, 'target must be the name of an array of each batch'),
        ('mae', {'weighted': 'yes'}, 'weighted must be True or False'),
        ('mae', {'output': 'hid7'}, "reads 'hid7:out', which does not exist"),
        (
            'mae',
            {'output': 'hid1'},
            "compares 'hid1:out' with 3 numbers for each time step of 'in'; "
            "'y' is 1 number for each time step of 'in'. Name a target of its own",
        ),
        ('mae', {'output': 'hid1:last', 'target': 'x'}, "target 'x' has the name of another array"),
        ('mae', {'target': 'weights', 'weighted': True, 'output': 'hid1'}, None),
        ('xe', {'output': 'kind'}, "compares 'kind:pre' with 4 classes for"),
        (
            'xe',
            {'output': 'hid1', 'target': 'labels'},
            "expects a layer with activation 'softmax'; layer 'hid1' (rnn) has 'tanh'",
        ),
        ('xe', {'target': 'labels'}, "layer 'out' (feedforward) has 'linear'"),
        ('gll', {'output': 'hid1'}, "its own options say that it reads 'mean:out', 'covar:out'"),
    ],
)
def test_losses_that_do_not_fit(loss, options, message, net):
    before = [goal.to_spec() for goal in net.losses]
    if message is None:
        fresh = two_headed(weighted=True)
        with pytest.raises(ConfigError, match="target 'weights' has the name of another array"):
            fresh.add_loss(loss, **options)
        return
    with pytest.raises(ConfigError) as caught:
        net.add_loss(loss, **options)
    assert message in str(caught.value)
    assert [goal.to_spec() for goal in net.losses] == before


def test_the_first_loss_has_no_choice_of_target(net):
    with pytest.raises(ConfigError, match='the target of the first loss cannot be renamed'):
        net.set_loss('mae', target='z')
    with pytest.raises(ConfigError, match="Regressor: loss 'hinge' is for targets that are class"):
        net.set_loss('hinge', output='kind')
