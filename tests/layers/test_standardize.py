"""The layer 'standardize': what it measures, when, and that nothing else changes it."""

import itertools
import json

import numpy as np
import pytest
from long_forms import long
from standardized import HID, ONCE, I, X, assert_measured, by_hand, make, measured, trained

import rnnkit
from rnnkit.data.windows import Window
from rnnkit.errors import ConfigError, DataError, FormatError


@pytest.fixture
def data(rng):
    x = rng.normal([1e3, 0, -5], [2, 1e-3, 40], (6, 9, I))
    return [x, rng.standard_normal((6, 9, 1))]


# --- numbers


def test_before_any_training_it_changes_nothing(data):
    net = make()
    np.testing.assert_array_equal(net.predict(data[0]), by_hand(net).predict(data[0]))


def test_a_training_is_that_on_data_scaled_by_hand(data):
    """The same updates, by the same gradients, and the same numbers in every report."""
    net, (x, y) = make(), data
    other = by_hand(net)
    rows = x.reshape(-1, I)
    z = (x - rows.mean(axis=0)) / rows.std(axis=0)
    options = {'algo': 'rmsprop', 'epochs': 3, 'batch_size': 4, 'seed': 5, 'weight_l2': 0.1}
    found, wanted = net.train([x, y], **options), other.train([z, y], **options)
    assert_measured(net, rows)
    np.testing.assert_allclose(found[0]['loss'], wanted[0]['loss'], rtol=1e-10)
    for a, b in zip(trained(net), trained(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.predict(x), other.predict(z), rtol=1e-9, atol=1e-12)
    assert net.score(x, y) == pytest.approx(other.score(z, y), rel=1e-9)


def test_numbers_are_those_of_numpy(data):
    net, (x, _) = make(), data
    net.set('hid1', 'mean', [1.0, 2.0, 3.0])
    net.set('hid1', 'deviation', [0.5, 2.0, 10.0])
    found = net.feed_forward(x)['hid1:out']
    np.testing.assert_array_equal(found, (x - [1, 2, 3]) / [0.5, 2, 10])


@pytest.mark.parametrize(
    ('option', 'mean', 'deviation'), [('center', False, True), ('scale', True, False)]
)
def test_one_of_both(data, option, mean, deviation):
    net = make([X, {'form': 'standardize', option: False}, HID, 1])
    net.train(data, **ONCE)
    rows = data[0].reshape(-1, I)
    found = measured(net)
    np.testing.assert_allclose(found[0], rows.mean(axis=0) if mean else [0] * I, rtol=1e-12)
    np.testing.assert_allclose(found[1], rows.std(axis=0) if deviation else [1] * I, rtol=1e-12)


def test_float32_loses_nothing_beside_a_large_offset(rng):
    """What is left of x ~ 1e6 + noise in float32 is kept to the bit: the difference is exact."""
    x = (1e6 + 3 * rng.standard_normal((40, 50, 1))).astype('float32')
    net = make([dict(size=1, ndim=3), 'standardize', 1], dtype='float32')
    net.train([x, np.zeros_like(x)], **ONCE)
    mean, deviation = (value.astype('float64') for value in measured(net))
    z = net.feed_forward(x)['hid1:out']
    exact = (x.astype('float64') - mean) / deviation
    np.testing.assert_allclose(z, exact, rtol=1.2e-7)
    # The mean in float32 is off by half of its last digit at most: 0.03 of 3.
    assert abs(z.astype('float64').mean()) < 0.5 * np.spacing(np.float32(1e6)) / 3 * 1.01
    assert z.astype('float64').std() == pytest.approx(1, abs=1e-5)


# --- what counts


def test_padding_does_not_count(rng):
    lengths = [5, 2, 7, 1]
    x = [rng.normal(10, 3, (n, I)) for n in lengths]
    y = [rng.standard_normal((n, 1)) for n in lengths]
    net = make(masked=True)
    net.train([x, y], **ONCE)
    assert_measured(net, np.concatenate(x))
    wide = np.full((9, 4, I), 1e6)  # with a mask, padding may be anything
    for k, sequence in enumerate(x):
        wide[: lengths[k], k] = sequence
    target = np.zeros((9, 4, 1))
    other = make(masked=True)
    other.train([wide, target, np.arange(9)[:, None] < lengths], **ONCE)
    assert_measured(other, np.concatenate(x))
    out = other.predict(wide, mask=np.arange(9)[:, None] < lengths)
    assert not out[5:, 0].any()  # 0 over padding, as ever


def test_a_sequence_counts_as_often_as_its_largest_weight_says(data):
    x, y = data
    w = np.zeros((6, 9))
    w[-1] = [0, 1, 2, 3, 0, 1, 1, 2, 1]
    w[2, 3] = 1  # less than its last one
    x[:, 0] = 1e9
    net, other = make(weighted=True), make()
    net.train([x, y, w], **ONCE)
    repeats = w.max(axis=0).astype(int)
    other.train([np.repeat(x, repeats, axis=1), np.repeat(y, repeats, axis=1)], **ONCE)
    for a, b in zip(measured(net), measured(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    nothing = make(weighted=True)
    with pytest.raises(DataError, match='all weights are 0'):
        nothing.train([x, y, 0 * w], **ONCE)
    assert not nothing.find('hid1', 'known').get_value()


@pytest.mark.parametrize('shape', [(6, 9), (9,)], ids=['per step', 'per sequence'])
def test_of_a_classifier_and_batches_first(data, shape, rng):
    """Weights of labels count likewise; and the layout of the data does not matter."""
    layers = [X, 'standardize', HID, *['last'] * (len(shape) == 1), 3]
    options = {'weighted': True, 'masked': True, 'layout': 'batch', 'dtype': 'float64'}
    net = rnnkit.Classifier(layers, seed=0, **options)
    w = np.ones(shape)
    w[..., 0], w[..., 1] = 0, 2
    labels, mask = rng.integers(0, 3, shape), np.ones((6, 9), bool)
    mask[4:, 3] = False
    net.train([data[0].swapaxes(0, 1), labels.T, w.T, mask.T], **ONCE)
    repeats = mask * [0, 2, 1, 1, 1, 1, 1, 1, 1]
    assert_measured(net, np.repeat(data[0].reshape(-1, I), repeats.ravel(), axis=0))


def test_weights_over_padding_do_not_count(rng):
    x, y = rng.standard_normal((4, 2, I)), rng.standard_normal((4, 2, 1))
    w, mask = np.ones((4, 2)), np.ones((4, 2), bool)
    mask[2:, 1], w[:2, 1], w[2:, 1] = False, 0, 7
    net = make(weighted=True, masked=True)
    net.train([x, y, w, mask], **ONCE)
    assert_measured(net, x[:, 0])


def test_validation_data_do_not_count(data, rng):
    net = make()
    net.train(data, [1e3 * rng.standard_normal((6, 4, I)), np.zeros((6, 4, 1))], **ONCE)
    assert_measured(net, data[0].reshape(-1, I))


@pytest.mark.parametrize('options', [{'train_batches': 1}, {'carry_state': True, 'bptt_steps': 2}])
def test_of_arrays_all_rows_count(data, options):
    net = make([I, 'standardize', ('rnn', 2), 1])
    net.train(data, batch_size=4, **options, **ONCE)
    assert_measured(net, data[0].reshape(-1, I))


def test_a_constant_feature_is_centered_only(rng):
    x = rng.standard_normal((5, 4, I))
    x[..., 1] = 0.1
    net = make(dtype='float32')
    net.train([x, x[..., :1]], **ONCE)
    assert measured(net)[1][1] == 1
    z = net.feed_forward(x)['hid1:out']
    np.testing.assert_array_equal(z[..., 1], 0)
    x[..., 1] = [1e-40, 2e-40, 3e-40, 4e-40]  # which kernels take for 0
    again = make(dtype='float32')
    again.train([x, x[..., :1]], **ONCE)
    assert measured(again)[1][1] == 1


def test_without_time(rng):
    x = rng.normal(7, 2, (30, I))
    net = make([I, 'standardize', 4, 1])
    net.train([x, x[:, :1]], batch_size=8, **ONCE)
    assert_measured(net, x)


def test_numbers_whose_squares_overflow_are_an_error():
    x = np.array([[1.0, 1e300], [2.0, -1e300]])
    net = make([2, 'standardize', 1])
    with pytest.raises(DataError) as caught:
        net.train([x, x[:, :1]], **ONCE)
    assert str(caught.value) == (
        'train: x has numbers in feature 1 that are too large to measure their deviation; divide '
        'them by a constant'
    )


# --- callables


class Batches:
    """A callable that notes what it has returned."""

    def __init__(self):
        self.rng, self.made = np.random.default_rng(3), []

    def __call__(self):
        x = self.rng.normal([1e3, 0, -5], [2, 1, 40], (5, 4, I))
        self.made.append(x)
        return [x, x[..., :1] / 1e3]


@pytest.mark.parametrize('valid', [False, True])
def test_of_a_callable_the_batches_of_the_first_epoch_count(valid):
    """They are drawn once: training sees the batches that it would see without the layer."""
    options = {'algo': 'sgd', 'epochs': 2, 'train_batches': 3, 'valid_batches': 2}
    held_out = [np.zeros((5, 4, I)), np.zeros((5, 4, 1))] if valid else None
    net, batches, plain = make(), Batches(), Batches()
    net.train(batches, held_out, **options)
    make([X, HID, 1]).train(plain, held_out, **options)
    assert len(batches.made) == len(plain.made)
    first = batches.made[0 if valid else 2 :][:3]  # those of the validation come first
    assert_measured(net, np.concatenate(first, axis=1).reshape(-1, I))
    other = make()
    for name, value in zip(('mean', 'deviation'), measured(net), strict=True):
        other.set('hid1', name, value)
    other.train(Batches(), held_out, **options)
    for a, b in zip(trained(net), trained(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_callable_that_fills_the_same_arrays_again(rng):
    x = np.zeros((5, 4, I))

    def batch():
        x[...] = rng.normal(50, 5, x.shape)
        made.append(x.copy())
        return [x, x[..., :1]]

    made = []
    net = make(dtype='float64')
    net.train(batch, valid=[x + 1, x[..., :1]], train_batches=4, **ONCE)
    assert len(made) == 4
    assert_measured(net, np.concatenate(made, axis=1).reshape(-1, I))


def test_a_callable_with_a_carried_state():
    """Two windows of one series, and then of the next one."""
    batches, count = Batches(), itertools.count()
    net = make([I, 'standardize', ('rnn', 2), 1])
    net.train(
        lambda: Window(batches(), fresh=next(count) % 2 == 0),
        carry_state=True,
        train_batches=2,
        valid_batches=1,
        **ONCE,
    )
    assert_measured(net, np.concatenate(batches.made[1:], axis=1).reshape(-1, I))


@pytest.mark.parametrize('stop', [long(0), 1])
def test_a_resumed_training_goes_on_with_what_was_measured(data, tmp_path, stop):
    path, options = tmp_path / 'net.rnn', {'algo': 'adam', 'batch_size': 4, 'validate_every': 1}
    right = make()
    right.train(data, epochs=3, **options)
    first = make()
    if stop:
        first.train(data, epochs=stop, checkpoint=path, **options)
    else:  # what is written before the first epoch
        epochs = first.itertrain(data, epochs=3, checkpoint=path, save_every=9, **options)
        next(epochs)
        epochs.close()
    again = make()
    again.train(data, epochs=3, resume=path, **options)
    for a, b in zip(again.params, right.params, strict=True):
        np.testing.assert_array_equal(a.get_value(), b.get_value())


def test_a_resumed_training_of_a_callable(tmp_path):
    """A callable with a generator of its own makes the same batches in the same epoch."""

    def batch(rng):
        x = rng.normal([1e3, 0, -5], [2, 1, 40], (5, 4, I))
        return [x, x[..., :1] / 1e3]

    held_out = batch(np.random.default_rng(0))
    options = {'algo': 'sgd', 'train_batches': 3, 'validate_every': 1, 'seed': 1}
    right = make()
    right.train(batch, held_out, epochs=3, **options)
    first = make()
    first.train(batch, held_out, epochs=1, checkpoint=tmp_path / 'net.rnn', **options)
    again = make()
    again.train(batch, held_out, epochs=3, resume=tmp_path / 'net.rnn', **options)
    for a, b in zip(again.params, right.params, strict=True):
        np.testing.assert_array_equal(a.get_value(), b.get_value())


# --- when


def test_a_second_training_keeps_it_until_it_is_told_to_measure_anew(data):
    net = make()
    net.train(data, **ONCE)
    before = measured(net)
    other = [data[0] * 2 + 1, data[1]]
    net.train(other, **ONCE)
    for a, b in zip(measured(net), before, strict=True):
        np.testing.assert_array_equal(a, b)
    net.set('hid1', 'known', 0)
    net.train(other, **ONCE)
    assert_measured(net, other[0].reshape(-1, I))


def test_what_is_set_by_hand_is_kept(data):
    net = make()
    net.set('hid1', 'mean', [1, 2, 3])
    net.train(data, **ONCE)
    np.testing.assert_array_equal(measured(net), [[1, 2, 3], [1, 1, 1]])
    given = dict(form='standardize', mean=[1, 2, 3], deviation=2.0)
    net = make([X, given, HID, 1])
    net.train(data, **ONCE)
    np.testing.assert_array_equal(measured(net), [[1, 2, 3], [2, 2, 2]])
    again = rnnkit.from_spec(json.loads(json.dumps(net.to_spec())))
    np.testing.assert_array_equal(measured(again), measured(net))


@pytest.mark.parametrize('is_trained', [False, True])
def test_a_file_knows_whether_it_was_measured(data, tmp_path, is_trained):
    net = make()
    if is_trained:
        net.train(data, **ONCE)
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(again.predict(data[0]), net.predict(data[0]))
    other = [data[0] + 7, data[1]]
    again.train(other, **ONCE)
    assert_measured(again, (data if is_trained else other)[0].reshape(-1, I))


def test_a_training_that_never_starts_measures_nothing(data):
    net = make()
    net.itertrain(data, **ONCE)
    np.testing.assert_array_equal(measured(net), [[0] * I, [1] * I])


def test_a_spec_alone_is_a_new_network(data):
    net = make()
    fresh = net.to_spec()
    net.train(data, **ONCE)
    assert net.to_spec() == fresh
    assert fresh['layers'][1] == {'form': 'standardize', 'size': I, 'name': 'hid1'}
    assert 'frozen' not in fresh
    assert not rnnkit.from_spec(fresh).find('hid1', 'known').get_value()


# --- nothing else changes it


def test_nothing_trains_it(data):
    net = make()
    assert net.frozen == ['hid1.mean', 'hid1.deviation', 'hid1.known']
    monitors = net.train(
        data,
        algo='adamw',
        weight_decay=0.5,
        weight_l2=0.1,
        max_norm={'*': 0.1},
        weight_noise=0.1,
        hidden_l1=0.1,
        monitors='gradients',
        epochs=2,
        restore_best=False,
    )
    assert_measured(net, data[0].reshape(-1, I))
    assert not [name for name in monitors[0] if name.startswith('hid1')]
    with pytest.raises(ConfigError, match="'hid1.mean'"):
        net.train(data, monitors={'hid1.mean': 0.1}, **ONCE)


def test_freeze_and_unfreeze_leave_it_alone(data):
    net = make()
    fixed = list(net.frozen)
    net.freeze('hid*')
    net.unfreeze('*')
    assert net.frozen == fixed
    net.freeze('hid1')
    assert net.frozen == fixed
    assert 'frozen' not in net.to_spec()
    with pytest.raises(ConfigError) as caught:
        net.unfreeze('hid1')
    assert str(caught.value) == (
        "unfreeze(): 'hid1' is never trained: hid1.deviation, hid1.known, hid1.mean are measured "
        'in the training data'
    )


def test_keywords_for_hidden_layers_leave_it_out(data):
    """It belongs to the input: hidden_dropout would drop inputs, and hidden_l1 penalize them."""
    net, options = make(), {'restore_best': False, 'seed': 0, **ONCE}
    net.train(data, hidden_l1=1.0, hidden_noise=0.3, **options)
    other = make()
    other.train(data, hidden_l1=1.0, noise={'hid2': 0.3}, **options)
    for a, b in zip(trained(net), trained(other), strict=True):
        np.testing.assert_array_equal(a, b)
    rows = data[0].reshape(-1, I)
    z = [(data[0] - rows.mean(axis=0)) / rows.std(axis=0), data[1]]
    plain = make([X, HID, 1])
    plain.train(z, hidden_l1=1.0, hidden_noise=0.3, **options)
    for a, b in zip(trained(net), trained(plain), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_noise_on_the_input_is_in_its_units(data):
    net = make()
    net.train(data, **ONCE)
    noisy = net.feed_forward(data[0], input_noise=0.5, seed=1)
    np.testing.assert_allclose(np.std(noisy['in:out'] - data[0]), 0.5, rtol=0.1)
    after = net.feed_forward(data[0], noise={'hid1': 0.5}, seed=1)
    clean = net.feed_forward(data[0])
    np.testing.assert_allclose(np.std(after['hid1:out'] - clean['hid1:out']), 0.5, rtol=0.1)


# --- mistakes


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        (
            [I, 4, 'standardize', 1],
            "layer 'hid2' (standardize) reads 'hid1:out'; it must read an input layer, whose data "
            "are known before training. 'layernorm' normalizes the outputs of other layers",
        ),
        (
            [I, dict(form='standardize', center=False, scale=False), 1],
            "layers[1], 'hid1': layer 'standardize': with center=False and scale=False it does "
            'nothing',
        ),
        (
            [I, dict(form='standardize', mean=3), 1],
            "layers[1], 'hid1': layer 'standardize': mean is given without deviation; give both, "
            'or let the first training measure both',
        ),
        (
            [I, dict(form='standardize', center=False, mean=3), 1],
            "layers[1], 'hid1': layer 'standardize': mean has no effect with center=False",
        ),
        (
            [I, dict(form='standardize', trainable=True), 1],
            "layers[1], 'hid1': layer 'standardize': training never changes mean and deviation; "
            'leave trainable out',
        ),
        (
            [I, dict(form='standardize', mean=3, deviation=[1, 0, 2]), 1],
            'hid1.deviation must be above 0; got 0.0',
        ),
        (
            [5, ('embedding', 2), 'standardize', ('rnn', 2), 1],
            "layer 'hid2' (standardize) reads 'hid1:out'; it must read an input layer, whose data "
            "are known before training. 'layernorm' normalizes the outputs of other layers",
        ),
    ],
)
def test_mistakes_in_specs(layers, message):
    with pytest.raises(ConfigError) as caught:
        make(layers)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ('spec', 'hint'),
    [
        ('Normalization', "did you mean 'standardize'?"),
        ('StandardScaler', "did you mean 'standardize'?"),
        (dict(form='standardize', with_mean=False), "did you mean 'center'?"),
        (
            dict(form='standardize', std=1),  # initial values at random make no sense here
            'known are: center, deviation, inputs, known, mean, name, scale, size, trainable',
        ),
    ],
)
def test_hints(spec, hint):
    with pytest.raises(ConfigError) as caught:
        make([I, spec, 1])
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('deviation', [1, -1, 1], 'set(): hid1.deviation must be above 0; got [1, -1, 1]'),
        ('deviation', ['a'], 'set(): hid1.deviation must be an array of numbers; got <U1 values'),
        (
            'known',
            2,
            'set(): hid1.known must be 1, if hid1.mean and hid1.deviation are to be kept, or 0, if '
            'the next training is to measure them; got 2',
        ),
    ],
)
def test_mistakes_in_set(name, value, message):
    with pytest.raises(DataError) as caught:
        make().set('hid1', name, value)
    assert str(caught.value) == message


def test_a_file_with_a_deviation_of_0_is_refused(data, tmp_path):
    net = make()
    net.find('hid1', 'deviation').set_value(np.zeros(I))
    net.save(tmp_path / 'net.rnn')
    with pytest.raises(FormatError, match='hid1.deviation must be above 0; got 0.0'):
        rnnkit.load(tmp_path / 'net.rnn')
