"""scale_targets: training on scaled targets, and all numbers of users in their own units."""

import json

import numpy as np
import pytest
from compilations import numba_mode
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError, DataError, FormatError
from rnnkit.kernels.runtime.plan import Plan

I, O = 2, 2  # noqa: E741 - letters of the shape alphabet
ONCE = {'algo': 'sgd', 'epochs': 1, 'restore_best': False}
# A dense layer at each time step compiles sooner than a recurrent one.
LAYERS = (dict(size=I, ndim=3), (4, 'tanh'), O)


def make(layers=LAYERS, scale_targets=True, **options):
    options = {'dtype': 'float64', 'seed': 0, 'scale_targets': scale_targets, **options}
    return rnnkit.Regressor(list(layers), **options)


@pytest.fixture
def data(rng):
    x = rng.standard_normal((6, 9, I))
    return [x, x @ [[30, 0.01], [-20, 0.02]] + [1e3, -5] + rng.standard_normal((6, 9, O))]


def trained(net):
    return [p.get_value() for p in net.params if p.name not in net.frozen]


def measured(net, layer='out'):
    names = ('target_mean', 'target_deviation')
    return [net.find(layer, name).get_value() for name in names]


def moments(y, weights=None):
    rows = y.reshape(-1, y.shape[-1])
    mean = np.average(rows, axis=0, weights=weights)
    return mean, np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weights))


def assert_close(found, wanted, rtol=1e-9):
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol)


# --- training is that on targets which were scaled by hand

LOSSES = {
    'mse': lambda d: d**2,
    'mae': abs,
    'huber': lambda d: np.where(abs(d) <= 1, d**2 / 2, abs(d) - 0.5),
    'quantile': lambda d: np.maximum(0.5 * d, -0.5 * d),
}


@pytest.mark.parametrize('loss', ['mse', long('mae'), long('huber'), 'quantile'])
def test_losses_as_by_hand(data, loss):
    (x, y), (m, s) = data, moments(data[1])
    net, other = make(loss=loss), make(scale_targets=False, loss=loss)
    options = {'algo': 'rmsprop', 'epochs': 3, 'batch_size': 4, 'seed': 5, 'weight_l2': 0.1}
    valid = [x[:, :3] + 1, y[:, :3]]
    found = net.train([x, y], valid, **options)
    wanted = other.train([x, (y - m) / s], [valid[0], (valid[1] - m) / s], **options)
    assert_close(measured(net), (m, s), 1e-12)
    for a, b in zip(found, wanted, strict=True):
        assert_close(a['loss'], b['loss'])
    for a, b in zip(trained(net), trained(other), strict=True):
        assert_close(a, b)
    p = net.predict(x)
    assert_close(p, other.predict(x) * s + m)
    assert net.score(x, y) == pytest.approx(rnnkit.metrics.r2(y, p), rel=1e-12)
    results = net.evaluate(x, y, monitors='mae')
    assert_close(results['err'], LOSSES[loss](y - p).mean())
    assert_close(results['mae'], abs(y - p).mean())
    assert_close(results['loss'], LOSSES[loss]((y - p) / s).mean())
    valid_err = LOSSES[loss](valid[1] - net.predict(valid[0])).mean()
    assert_close(found[1]['err'], valid_err)


def test_predictions_follow_the_scale_of_the_targets(data):
    """For targets c y + d, with c > 0, they are c p + d."""
    (x, y), c, d = data, np.array([7.0, 1e-3]), np.array([1e4, 3.0])
    predictions = []
    for target in (y, c * y + d):
        net = make()
        net.train([x, target], algo='adam', epochs=4, batch_size=4, seed=1)
        predictions.append(net.predict(x))
    assert_close(predictions[1], c * predictions[0] + d)


def test_a_gaussian_likelihood_scales_mean_and_variance(data):
    (x, y), (m, s) = data, moments(data[1])
    layers = [
        dict(size=I, ndim=3),
        (4, 'tanh'),
        dict(size=O, name='covar', activation='softplus'),
        dict(size=O, name='mean', inputs='hid1'),
    ]
    net, other = make(layers, loss='gll'), make(layers, False, loss='gll')
    options = {'algo': 'sgd', 'epochs': 3, 'learning_rate': 0.05}
    found, _ = net.train([x, y], **options)
    wanted, _ = other.train([x, (y - m) / s], **options)
    assert_close(found['loss'], wanted['loss'])
    ours, theirs = net.feed_forward(x), other.feed_forward(x)
    assert_close(ours['mean:out'], theirs['mean:out'] * s + m)
    assert_close(ours['covar:out'], theirs['covar:out'] * s**2)
    assert_close(ours['mean:scaled'], theirs['mean:out'])
    assert_close(ours['covar:scaled'], theirs['covar:out'])
    np.testing.assert_array_equal(net.predict(x), ours['mean:out'])
    v = ours['covar:out'] + 1e-3
    nats = 0.5 * (np.log(2 * np.pi * v) + (y - ours['mean:out']) ** 2 / v)
    assert_close(net.evaluate(x, y)['err'], nats.mean())


def test_an_update_has_the_gradient_of_numpy(data):
    """One step of plain descent by hand, in a linear network."""
    (x, y), (m, s) = data, moments(data[1])
    net = make([dict(size=I, ndim=3), O])
    w, b = trained(net)
    rows, z = x.reshape(-1, I), ((y - m) / s).reshape(-1, O)
    slope = 2 * (rows @ w + b - z) / z.size
    net.train(data, learning_rate=0.5, max_gradient_norm=0, batch_size=9, **ONCE)
    found = trained(net)
    assert_close(found[0], w - 0.5 * rows.T @ slope, 1e-12)
    assert_close(found[1], b - 0.5 * slope.sum(axis=0), 1e-12)


def test_kernels_compute_the_same_in_plans(data, monkeypatch):
    """Neither the training nor a prediction needs a compiler."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    layers = [I, 'standardize', ('gru', 3), O]
    net, plain = make(layers), make(layers, kernel=False)
    options = {'algo': 'adam', 'epochs': 2, 'batch_size': 4, 'seed': 2}
    with numba_mode():
        found = net.train(data, **options)
        p, y_0 = net.predict(data[0]), net.step(data[0][0])[0]
    (step,) = net._train_steps._steps.values()
    (variant,) = net._train_steps._variants.values()
    inference = net._inference
    functions = [step.update, variant.evaluate._function, inference.stream.advance]
    for compiled in [*functions, *inference._functions.values()]:
        assert isinstance(compiled.function.vm.jit_fn, Plan), compiled.what
    wanted = plain.train(data, **options)
    for a, b in zip(found, wanted, strict=True):
        assert list(a) == list(b) == ['loss', 'err']
        assert_close(list(a.values()), list(b.values()))
    assert_close(p, plain.predict(data[0]))
    np.testing.assert_allclose(y_0, p[0], rtol=1e-12)


# --- which targets count


def test_of_ragged_sequences_and_their_steps_alone(rng):
    lengths = [5, 2, 7, 1]
    x = [rng.standard_normal((n, I)) for n in lengths]
    y = [rng.normal([9, -1], [5, 2], (n, O)) for n in lengths]
    net = make(masked=True)
    net.train([x, y], **ONCE)
    assert_close(measured(net), moments(np.concatenate(y)), 1e-12)
    for a, b in zip(net.predict(x), y, strict=True):
        assert a.shape == b.shape
    wide = net.predict(np.zeros((3, 1, I)), mask=np.array([[1], [1], [0]]))
    assert not wide[2].any()
    assert wide[1].any()


def test_weights_are_those_of_each_number(data, rng):
    x, y = data
    w = rng.integers(0, 3, y.shape)
    net = make(weighted=True)
    net.train([x, np.where(w > 0, y, np.nan), w], **ONCE)
    for k in range(O):
        rows, weights = y[..., k].ravel(), w[..., k].ravel()
        mean = np.average(rows, weights=weights)
        std = np.average((rows - mean) ** 2, weights=weights) ** 0.5
        assert_close([a[k] for a in measured(net)], [mean, std], 1e-12)
    other = make(scale_targets=False, weighted=True)
    m, s = measured(net)
    other.train([x, np.where(w > 0, (y - m) / s, np.nan), w], **ONCE)
    for a, b in zip(trained(net), trained(other), strict=True):
        assert_close(a, b)


def test_validation_targets_do_not_count(data):
    net = make()
    net.train(data, [data[0], data[1] * 9], **ONCE)
    assert_close(measured(net), moments(data[1]), 1e-12)


@pytest.mark.parametrize(
    ('layers', 'shape'),
    [([I, ('rnn', 3), 'last', O], (9, O)), ([I, ('rnn', 3), O], (6, 9, O))],
    ids=['per sequence', 'recurrent'],
)
def test_one_target_per_sequence_or_per_step(rng, layers, shape):
    x, y = rng.standard_normal((6, 9, I)), rng.normal([100, -3], [7, 0.1], shape)
    net = make(layers)
    net.train([x, y], **ONCE)
    assert_close(measured(net), moments(y), 1e-12)
    p = net.predict(x)
    assert p.shape == shape
    assert abs(p - y).mean(axis=tuple(range(p.ndim - 1)))[0] < 20
    if len(shape) == 2:
        return
    state, steps = None, []
    stepper = net.stepper(batch=9)
    for x_t in x:
        y_t, state = net.step(x_t, state)
        steps.append(y_t)
        assert_close(stepper(x_t), y_t, 1e-12)
    assert_close(steps, p, 1e-12)
    assert_close(net.generate(x, 2)[0], p[-1], 1e-12)
    before = measured(net)
    net.train([x, y + 50], carry_state=True, bptt_steps=2, **ONCE)  # keeps what it knows
    np.testing.assert_array_equal(measured(net), before)


def test_a_callable_is_drawn_once(data):
    made = []

    def batch():
        rng = np.random.default_rng(len(made))
        made.append(rng.normal([5, 1], [3, 2], (4, 3, O)))
        return [np.zeros((4, 3, I)), made[-1]]

    net = make()
    net.train(batch, data, train_batches=3, **ONCE)
    assert len(made) == 3
    assert_close(measured(net), moments(np.concatenate(made)), 1e-12)


def test_a_constant_target_is_predicted():
    x = np.zeros((3, 4, I))
    net = make(dtype='float32')
    net.train([x, np.full((3, 4, O), 7.5)], **ONCE)
    np.testing.assert_array_equal(measured(net)[1], 1)
    np.testing.assert_allclose(net.predict(x), 7.5, atol=2)


# --- several losses


def test_all_losses_of_the_first_target_compare_scaled_numbers(data):
    (x, y), (m, s) = data, moments(data[1])
    layers = [dict(size=I, ndim=3), (4, 'tanh'), dict(size=O, name='early'), O]
    more = {'mae': dict(weight=0.5), 'huber': dict(output='early'), 'mse': dict(target='z')}
    nets = make(layers), make(layers, False)
    z = np.random.default_rng(1).normal(50, 9, y.shape)
    found = []
    for net, target in zip(nets, (y, (y - m) / s), strict=True):
        for loss, keywords in more.items():
            keywords = dict(keywords)
            if loss == 'mse':
                keywords['output'] = 'early'
            net.add_loss(loss, **keywords)
        found.append(net.train([x, target, z], algo='sgd', epochs=2, batch_size=4, seed=0))
    assert_close(found[0][0]['loss'], found[1][0]['loss'])
    for a, b in zip(*map(trained, nets), strict=True):
        assert_close(a, b)
    results, outputs = nets[0].evaluate(x, [y, z]), nets[0].feed_forward(x)
    p, early = outputs['out:out'], outputs['early:out']
    assert_close(results['err'], ((p - y) ** 2).mean())
    assert_close(results['mae'], abs(p - y).mean())
    assert_close(results['huber'], LOSSES['huber'](early * s + m - y).mean())
    assert_close(results['mse'], ((early - z) ** 2).mean())  # a target of its own is not scaled
    again = rnnkit.from_spec(json.loads(json.dumps(nets[0].to_spec())))
    assert again.to_spec() == nets[0].to_spec()


def test_the_loss_may_be_replaced(data):
    net = make([dict(size=I, ndim=3), (O, 'tanh'), O])
    net.train(data, **ONCE)
    before = net.predict(data[0])
    net.set_loss('mae')
    np.testing.assert_array_equal(net.predict(data[0]), before)
    assert_close(net.evaluate(*data)['err'], abs(before - data[1]).mean())
    with pytest.raises(ConfigError) as caught:
        net.set_loss('gll', mean_name='out', covar_name='hid1')
    assert str(caught.value) == (
        "scale_targets=True: loss 'gll' reads 'hid1:out', which is not in the units of the target; "
        "make a network with this loss: loss='gll'"
    )
    with pytest.raises(ConfigError, match="loss 'mse' reads 'hid1:out', which is not in the units"):
        net.set_loss('mse', output='hid1')


# --- files, and what others build on


def test_files_specs_and_checkpoints(data, tmp_path):
    x, y = data
    layers = [dict(size=I, ndim=3), 'standardize', (4, 'tanh'), O]
    fresh, net = make(layers), make(layers)
    assert fresh.to_spec()['scale_targets'] is True
    assert 'scale_targets' not in make(layers, False).to_spec()
    options = {'algo': 'adam', 'batch_size': 4, 'validate_every': 1}
    net.train(data, epochs=1, checkpoint=tmp_path / 'training.rnn', **options)
    assert net.to_spec() == fresh.to_spec()
    net.train(data, epochs=3, resume=tmp_path / 'training.rnn', **options)
    fresh.train(data, epochs=3, resume=tmp_path / 'training.rnn', **options)
    for a, b in zip(net.params, fresh.params, strict=True):
        np.testing.assert_array_equal(a.get_value(), b.get_value())
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(again.predict(1e3 * x + 7), net.predict(1e3 * x + 7))
    again.train([x, 5 * y], **ONCE)
    np.testing.assert_array_equal(measured(again), measured(net))
    net.find('out', 'target_deviation').set_value(np.zeros(O))
    net.save(tmp_path / 'net.rnn')
    with pytest.raises(FormatError, match='out.target_deviation must be above 0; got 0.0'):
        rnnkit.load(tmp_path / 'net.rnn')


def test_graphs_are_in_the_units_of_the_target(data):
    net = make()
    net.train(data, **ONCE)
    x = data[0]
    found = net.output('out').eval({net.inputs[0]: x})
    np.testing.assert_array_equal(found, net.predict(x))
    np.testing.assert_array_equal(found, net.feed_forward(x)['out:out'])
    m, s = measured(net)
    assert_close(net.output('scaled').eval({net.inputs[0]: x}), (found - m) / s, 1e-11)


def test_by_hand_and_anew(data):
    net = make()
    net.set('out', 'target_mean', [1, 2])
    net.train(data, **ONCE)
    np.testing.assert_array_equal(measured(net), [[1, 2], [1, 1]])
    net.set('out', 'target_known', 0)
    net.train(data, **ONCE)
    assert_close(measured(net), moments(data[1]), 1e-12)
    with pytest.raises(DataError, match='out.target_deviation must be above 0'):
        net.set('out', 'target_deviation', [0, 1])


def test_they_are_not_trained_frozen_or_marked(data):
    net = make()
    names = ['out.target_mean', 'out.target_deviation', 'out.target_known']
    assert net.frozen == names
    net.freeze('out')
    assert net.to_spec()['layers'][-1]['trainable'] is False
    net.unfreeze('out')
    net.freeze('out.b')
    assert net.to_spec()['frozen'] == ['out.b']
    net.unfreeze('*')
    assert net.frozen == names
    assert net.summary().splitlines()[-2:] == [
        'out    feedforward  (T, B, 2)  w 4x2  b 2  measured: target_mean 2  target_deviation 2  '
        'target_known  15',
        'Regressor, 27 parameters, 5 of them measured, float64',
    ]


@pytest.mark.parametrize('algo', ['layerwise', 'sample', long('lbfgs')])
def test_other_ways_to_train(data, algo):
    net = make([dict(size=I, ndim=3), (4, 'tanh'), (3, 'tanh'), O])
    options = {'sample': {}, 'layerwise': {'subalgo': 'adam', 'epochs': 2}, 'lbfgs': {'epochs': 2}}
    net.train(data, algo=algo, **options[algo])
    assert_close(measured(net), moments(data[1]), 1e-12)
    assert_close(np.mean(net.predict(data[0]), axis=(0, 1))[0], 1e3, 0.1)


def test_an_autoencoder(rng):
    x = rng.normal([100, -3, 0], [5, 0.1, 1], (40, 3))
    options = {'dtype': 'float64', 'seed': 0}
    net = rnnkit.Autoencoder([3, 'standardize', 2, 3], scale_targets=True, **options)
    other = rnnkit.Autoencoder([3, 2, 3], **options)
    for p, value in zip(other.params, trained(net), strict=True):
        p.set_value(value)
    m, s = moments(x)
    found, _ = net.train(x, algo='adam', epochs=3, seed=0)
    wanted, _ = other.train((x - m) / s, algo='adam', epochs=3, seed=0)
    assert_close(found['loss'], wanted['loss'])
    assert_close(net.predict(x), other.predict((x - m) / s) * s + m)
    assert_close(net.decode(net.encode(x)), net.predict(x), 1e-12)
    assert net.score(x) == pytest.approx(rnnkit.metrics.r2(x, net.predict(x)))


# --- mistakes


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (
            lambda: rnnkit.Regressor([1, 1], normalize_targets=True),
            "Regressor(): unknown option 'normalize_targets', did you mean 'scale_targets'?",
        ),
        (
            lambda: rnnkit.Regressor([1, 1]).train([[[0.0]], [[0.0]]], scale_targets=True),
            "train(): unknown option 'scale_targets': scale_targets= is an option of networks",
        ),
        (
            lambda: make(loss='poisson'),
            "scale_targets=True: targets of loss 'poisson' are counts, which would make no sense "
            'when they are scaled; leave it out',
        ),
        (
            lambda: make(loss='bce'),
            "scale_targets=True: targets of loss 'bce' are probabilities, which would make no "
            'sense when they are scaled; leave it out',
        ),
        (
            lambda: make(loss='kl'),
            "scale_targets=True: targets of loss 'kl' are distributions, which would make no sense "
            'when they are scaled; leave it out',
        ),
        (
            lambda: rnnkit.Classifier([1, 2], scale_targets=True),
            'Classifier(): scale_targets is for numbers, and not for class labels',
        ),
        (lambda: make(scale_targets=1), 'Regressor(): scale_targets must be True or False; got 1'),
        (
            lambda: make(
                [
                    1,
                    dict(size=1, name='covar', activation='softplus'),
                    dict(size=1, name='mean', inputs='covar'),
                ],
                loss='gll',
            ),
            "scale_targets=True: 'covar:out' is in the units of the target, so no other layer can "
            "read it; layer 'mean' does",
        ),
    ],
)
def test_mistakes(build, message):
    with pytest.raises(ConfigError) as caught:
        build()
    assert str(caught.value) == message
