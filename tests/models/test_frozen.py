"""Frozen parameters: nothing in a training changes them, and files keep which they are."""

import json

import numpy as np
import pytensor
import pytest

import rnnkit
from rnnkit.optimizers import StepGraph


@pytest.fixture
def net():
    return rnnkit.Regressor([2, ('rnn', 3), (4, 'tanh'), 1], dtype='float64', seed=0)


@pytest.fixture
def data(rng):
    x = rng.standard_normal((5, 8, 2))
    return [x, x.sum(axis=-1, keepdims=True)]


def values(net):
    return {p.name: p.get_value() for p in net.params}


def changed(net, before):
    """Return the names of the parameters that differ from `before`, bit by bit."""
    return [n for n, v in values(net).items() if not np.array_equal(v, before[n])]


def test_frozen_layers_do_not_change_whatever_the_training_does(net, data):
    net.freeze('hid1', 'hid2.b')
    assert net.frozen == ['hid1.xh', 'hid1.hh', 'hid1.b', 'hid2.b']
    before = values(net)
    net.train(
        data,
        algo='adamw',
        weight_decay=0.1,
        momentum=0.9,
        weight_l2=0.1,
        max_norm={'*': 0.5},
        epochs=2,
        restore_best=False,
    )
    assert changed(net, before) == ['hid2.w', 'out.w', 'out.b']
    net.unfreeze('*')
    assert net.frozen == []
    net.train(data, epochs=1, restore_best=False)
    assert changed(net, before) == list(before)


def test_an_update_is_that_of_the_whole_network_without_the_frozen_ones(net, data):
    """Gradient descent by 1: the other parameters change by their gradients, as they would."""
    start = values(net)
    options = dict(algo='sgd', learning_rate=1.0, epochs=1, max_gradient_norm=0)
    found, _ = net.train(data, restore_best=False, weight_l2=0.5, **options)
    right = values(net)
    for p in net.params:
        p.set_value(start[p.name])
    net.freeze('hid1', 'out.b')
    again, _ = net.train(data, restore_best=False, weight_l2=0.5, **options)
    assert again['loss'] == found['loss']  # the penalty still counts all matrices
    for name, value in values(net).items():
        wanted = start[name] if name in net.frozen else right[name]
        np.testing.assert_allclose(value, wanted, rtol=1e-13)


def test_no_gradient_of_a_frozen_layer_below_is_computed(net):
    def names():
        graph = StepGraph(net._train_steps.plain, rnnkit.optimizers.registry['sgd'](), False, False)
        function = pytensor.function(net._variables, [], updates=graph.updates)
        nodes = function.maker.fgraph.apply_nodes
        return sum(type(node.op).__name__ == 'Scan' for node in nodes)

    assert names() == 2
    net.freeze('hid1')
    assert names() == 1


def test_a_layer_spec_may_say_so_and_the_summary_shows_it(data):
    net = rnnkit.Regressor([2, dict(form='rnn', size=3, trainable=False), 1], seed=0)
    assert net.frozen == ['hid1.xh', 'hid1.hh', 'hid1.b']
    assert net.num_params == 22
    assert net.summary() == (
        'layer  form         output     parameters                     count\n'
        '-------------------------------------------------------------------\n'
        'in     input        (T, B, 2)                                 0\n'
        'hid1   rnn          (T, B, 3)  xh 2x3  hh 3x3  b 3  (frozen)  18\n'
        'out    feedforward  (T, B, 1)  w 3x1  b 1                     4\n'
        'Regressor, 22 parameters, 18 of them frozen, float32'
    )
    net.freeze('out.b')
    assert 'w 3x1  b 1 frozen' in net.summary()
    net.unfreeze('out.b')
    before = values(net)
    net.train(data, epochs=1, restore_best=False)
    assert changed(net, before) == ['out.w', 'out.b']


def test_directions_and_patterns_can_be_named():
    layers = [2, dict(form='bidirectional', size=4), ('rnn', 3), 1]
    net = rnnkit.Regressor(layers, seed=0)
    net.freeze('hid1_bw')
    assert net.frozen == ['hid1_bw.xh', 'hid1_bw.hh', 'hid1_bw.b']
    net.freeze('*.xh', 'out')
    net.unfreeze('hid1_bw')
    assert net.frozen == ['hid1_fw.xh', 'hid2.xh', 'out.w', 'out.b']
    net.unfreeze('hid[12]*')
    assert net.frozen == ['out.w', 'out.b']
    layers[1] = {**layers[1], 'trainable': False}
    assert len(rnnkit.Regressor(layers).frozen) == 6


@pytest.mark.parametrize('names', [['hid1'], ['hid1', 'hid2.b'], ['hid2.w']])
def test_files_and_specs_keep_what_is_frozen(net, data, names, tmp_path):
    net.freeze(*names)
    spec = net.to_spec()
    assert spec['layers'][1].get('trainable', True) == ('hid1' not in names)
    assert spec.get('frozen', []) == [n for n in names if '.' in n]
    assert rnnkit.from_spec(json.loads(json.dumps(spec))).to_spec() == spec
    net.save(tmp_path / 'it')
    again = rnnkit.load(tmp_path / 'it')
    assert again.frozen == net.frozen
    before = values(again)
    again.train(data, epochs=1, restore_best=False)
    assert changed(again, before) == [n for n in before if n not in net.frozen]
    net.unfreeze('*')
    assert net.to_spec() == rnnkit.Regressor(
        [2, ('rnn', 3), (4, 'tanh'), 1], dtype='float64', seed=0
    ).to_spec() | {'layers': net.to_spec()['layers']}
    assert 'trainable' not in net.to_spec()['layers'][1]


def test_a_resumed_training_has_the_frozen_values_of_its_checkpoint(data, tmp_path):
    def made(seed):
        net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
        for p in net.params:
            p.set_value(np.random.default_rng(seed).random(p.get_value().shape).astype('float32'))
        net.freeze('hid1')
        return net

    def train(net, epochs, name, **more):
        path = tmp_path / name
        net.train(data, epochs=epochs, checkpoint=path, validate_every=1, **more)
        return values(net)

    whole = train(made(1), 4, 'whole')
    train(made(1), 2, 'part')
    loaded = rnnkit.load(tmp_path / 'part')
    assert loaded.frozen == ['hid1.xh', 'hid1.hh', 'hid1.b']
    rest = train(made(2), 4, 'part', resume=tmp_path / 'part')  # other values, before it resumes
    for name, value in whole.items():
        np.testing.assert_array_equal(rest[name], value)
    other = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
    with pytest.raises(rnnkit.ConfigError, match='belongs to another network: layers'):
        train(other, 4, 'part', resume=tmp_path / 'part')


def test_lbfgs(net, data):
    net.freeze('hid1')
    before = values(net)
    train, valid = net.train(data, algo='lbfgs', epochs=3)
    assert valid['loss'] < train['loss']
    assert changed(net, before) == ['hid2.w', 'hid2.b', 'out.w', 'out.b']


@pytest.mark.parametrize('algo', ['layerwise', 'pretrain', 'sample'])
def test_pretraining(algo, data):
    net = rnnkit.Regressor([2, ('rnn', 3), ('rnn', 3), 1], seed=0)
    net.freeze('hid1')
    before = values(net)
    options = {} if algo == 'sample' else dict(epochs=1, restore_best=False)
    net.train(data, algo=algo, **options)
    found = changed(net, before)
    assert found
    assert not set(found) & set(net.frozen)
    if algo != 'sample':
        assert not any(r['stage'] == 'hid1' for r in net.history)
    net.freeze('*')
    with pytest.raises(rnnkit.ConfigError, match='all parameters are frozen'):
        net.train(data, algo=algo, **options)


def test_an_embedding_and_tied_weights_can_be_frozen(rng):
    words = rng.integers(0, 6, (5, 4))
    net = rnnkit.Classifier([6, ('embedding', 3), ('rnn', 3), 6], seed=0)
    net.freeze('hid1')
    before = values(net)
    net.train([words, words], epochs=1, restore_best=False)
    assert 'hid1.w' not in changed(net, before)
    coder = rnnkit.Autoencoder([4, 3, 'tied'], seed=0)
    coder.freeze('hid1.w')
    before = values(coder)
    coder.train(rng.standard_normal((8, 4)), epochs=1, restore_best=False)
    assert changed(coder, before) == ['hid1.b', 'out.b']


def test_losses_and_optimizers_see_a_new_network_after_it(net, data):
    net.add_loss('mae', weight=0.5)
    net.losses[1].weight = 0.25
    net.freeze('out')
    assert [term.weight for term in net.losses] == [1, 0.25]
    train, _ = net.train(data, epochs=1)
    assert set(train) >= {'loss', 'err', 'mae'}
    steps = net.itertrain(data, epochs=2)
    next(steps)
    with pytest.raises(rnnkit.ConfigError, match=r'unfreeze\(\): a training of this network is'):
        net.unfreeze('out')
    assert net.frozen == ['out.w', 'out.b']
    steps.close()


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (
            ['hdi1'],
            "freeze(): no layer with parameters, and no parameter, is named 'hdi1'; did you mean "
            "'hid1'?",
        ),
        (
            ['in'],
            "no layer with parameters, and no parameter, is named 'in'; known are: hid1, hid1.b, ",
        ),
        ([], "freeze(): name layers or parameters, such as 'hid1'; '*' stands for all"),
        ([['hid1']], "freeze() expects names of layers or parameters, such as 'hid1' or"),
    ],
)
def test_names_that_match_nothing(net, names, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        net.freeze(*names)
    assert message in str(error.value)
    assert net.frozen == []


def test_nothing_left_to_train(net, data):
    net.freeze('*')
    assert net.predict(data[0]).shape == (5, 8, 1)
    with pytest.raises(rnnkit.ConfigError) as error:
        net.train(data)
    assert str(error.value) == (
        "train(): all parameters are frozen, so there is nothing to train; net.unfreeze('out') "
        'lets training change those of a layer'
    )
    net.unfreeze('out')
    net.train(data, epochs=1)


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        (dict(form='rnn', size=3, trainable=0), 'trainable must be True or False; got 0'),
        (
            dict(form='dropout', rate=0.5, trainable=False),
            "layer 'hid1' (dropout): trainable=False has no effect, since it has no parameters",
        ),
    ],
)
def test_specs_that_make_no_sense(spec, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        rnnkit.Regressor([2, spec, 1])
    assert message in str(error.value)


def test_a_spec_with_a_wrong_list_of_frozen_parameters(net):
    for bad in ('hid1.b', ['hid9.b'], [3]):
        with pytest.raises(rnnkit.ConfigError):
            rnnkit.from_spec({**net.to_spec(), 'frozen': bad})


def test_the_attribute_of_a_layer_is_not_for_setting():
    """As Keras' users would write."""
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
    with pytest.raises(rnnkit.ConfigError) as caught:
        net.layers[1].trainable = False
    assert str(caught.value) == (
        "layer 'hid1': write net.freeze('hid1') or net.unfreeze('hid1'), or trainable=False in its "
        'spec'
    )
    net.freeze('hid1')
    assert not net.layers[1].trainable


@pytest.mark.parametrize('last', ['dropout', 'standardize'])
def test_a_network_without_weights_says_so(last):
    net = rnnkit.Regressor([1, last])
    with pytest.raises(rnnkit.ConfigError) as caught:
        net.train([np.ones((2, 1)), np.ones((2, 1))])
    assert str(caught.value) == (
        'train(): no layer of this network has weights, so there is nothing to train; the number '
        "of its outputs alone, as in [3, 'standardize', 1], is a layer that has"
    )
