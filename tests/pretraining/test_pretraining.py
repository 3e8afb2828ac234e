"""Layers that are trained one after the other: on the target, or to keep what they read."""

import csv

import numpy as np
import pytest

import rnnkit
from rnnkit.callbacks import CSV
from rnnkit.errors import ConfigError, DataError, ShapeError, TrainingError
from rnnkit.pretraining import layerwise

X = np.linspace(-1, 1, 60).reshape(20, 3)
Y = np.c_[X.prod(axis=1), np.sin(3 * X[:, 0])]


def dense(layers=(3, 5, 4, 2), **options):
    return rnnkit.Regressor(list(layers), **{'seed': 0, 'dtype': 'float64', **options})


def values(net, *layers):
    """Return the parameters of these layers, or of all."""
    return [
        p.get_value()
        for layer in net.layers
        if not layers or layer.name in layers
        for p in layer.params.values()
    ]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def data_for(net):
    """Return small data for any network without words."""
    rng = np.random.default_rng(0)
    lengths = {'time': 6, 'batch': 4, 'examples': 4, 'features': 0}
    arrays = []
    for field in [*net._border.inputs, net._border.target]:
        shape = [lengths[axis] or field.size for axis in field.axes]
        if field.origin:
            shape[0] = field.steps_after(shape[0])
        whole = field.kind in ('words', 'labels')
        arrays.append(rng.integers(0, field.size, shape) if whole else rng.standard_normal(shape))
    return arrays


def stages(way, net, **given):
    """Return the stages of a training, which is made but not begun."""
    return way('train()', net, data_for(net), None, given).stages


# --- layerwise: where stages end

REPEAT = [2, ('rnn', 4), 'last', ('repeat', 6), ('rnn', 3), 1]
RESIDUAL = [3, 4, 4, dict(form='sum', inputs=('hid1', 'hid2')), 3, 1]
VALID = dict(form='conv1', size=3, filter_size=2)
FINAL = [2, ('rnn', 4), dict(form='ff', size=3, inputs='hid1:last'), 1]


@pytest.mark.parametrize(
    ('layers', 'found'),
    [
        ([3, 5, 4, 2], ['hid1: input ff ff']),
        ([3, 5, 2], []),
        ([3, ('rnn', 4), 'last', 5, 1], ['hid1: input rnn last ff']),
        ([3, 5, ('rnn', 4), 2], ['hid1: input ff ff']),
        ([3, 5, ('rnn', 4), 'last', 2], ['hid1: input ff last ff']),
        ([3, 4, ('dropout', 0.5), 4, ('dropout', 0.5), 2], ['hid1: input ff dropout ff']),
        ([2, ('rnn', 3), 'layernorm', 4, 1], ['hid1: input rnn layernorm ff']),
        (REPEAT, ['hid1: input rnn last repeat ff']),
        (
            [2, 3, ('rnn', 3), ('flatten', 6), 4, 1],
            ['hid1: input ff flatten ff', 'hid2: input ff rnn flatten ff'],
        ),
        ([2, ('bidirectional', 4), 'last', 3, 1], ['hid1: input bidirectional last ff']),
        (RESIDUAL, ['hid1: input ff ff', 'hid2: input ff ff sum ff']),
        ([2, ('rnn', 3), VALID, 3, 1], ['hid1+hid2: input rnn conv1 ff']),
        (FINAL, ['hid1: input rnn ff']),
        ([3, 4, 4, 4, dict(form='ff', size=2, inputs=('hid1', 'hid3'))], ['hid1: input ff ff']),
        ([6, 5, 4, 'tied', 'tied'], ['hid1: input ff tied']),
        (
            [6, 5, 4, 3, 'tied', 'tied', 'tied'],
            ['hid1: input ff tied', 'hid2: input ff ff tied tied'],
        ),
        ([2, ('rnn', 3), ('rnn', 4)], []),
        ([2, 3, ('rnn', 3), ('rnn', 4)], ['hid1: input ff rnn']),
        (
            [3, dict(form='input', size=2), dict(form='ff', size=4, inputs=('in', 'hid1')), 3, 1],
            ['hid2: input input ff ff'],
        ),
    ],
)
def test_a_stage_has_the_layers_that_it_needs(layers, found):
    net = rnnkit.Regressor(layers, seed=0)
    *before, last = stages(layerwise, net)
    forms = {'feedforward': 'ff'}
    shown = [
        f'{s.name}: {" ".join(forms.get(x.form, x.form) for x in s.net.layers)}' for s in before
    ]
    assert shown == found
    assert last.net is net
    for stage in before:
        assert stage.net._border.target.axes == net._border.target.axes
        assert [x.name for x in stage.net.inputs] == [x.name for x in net.inputs]


@pytest.mark.parametrize('layers', [['last', 3], [('rnn', 3), 'last']], ids=str)
def test_last_reads_the_final_states_in_a_stage(layers):
    net = rnnkit.Regressor([2, ('bidirectional', 4), *layers, 1], seed=0)
    graph = stages(layerwise, net)[0].net._graph
    assert [graph.plan.sources[x.name] for x in graph.layers if x.form == 'last'] == [['hid1:last']]


def test_words_labels_masks_and_layouts_go_into_the_stages():
    net = rnnkit.Classifier(
        [7, ('embedding', 3), ('rnn', 4), 3], masked=True, layout='batch', loss='xe', seed=0
    )
    x = [np.array([1, 2, 6]), np.array([3])]
    data = [x, [one % 3 for one in x]]
    _, valid = net.train(data, algo='layerwise', subalgo='sgd', epochs=1)
    assert 'acc' in valid
    assert net.history['stage'] == ['hid1', 'hid2']


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        ([3, 2], 'none of them has weights'),
        ([3, 'layernorm', 2], 'none of them has weights'),
        (
            [2, ('rnn', 3), VALID, 1],
            r"layer 'hid2' \(conv1\) comes later; it changes the time steps",
        ),
        (
            [3, 4, dict(form='ff', size=4, inputs=('in', 'hid1')), 1],
            "later layers read more than one output: 'in:out' by 'hid2' and 'hid1:out' by 'hid2'",
        ),
        (
            [
                3,
                4,
                dict(form='input', size=2, name='b'),
                dict(form='ff', size=4, inputs=('hid1', 'b')),
                1,
            ],
            "layer 'b', an input, comes later",
        ),
        (
            [4, 3, 4, dict(form='tied', partner='hid2')],
            "'out' is tied to 'hid2', which comes later",
        ),
        (
            [2, ('rnn', 4), dict(form='rnn', size=4, inputs='in', h_0='hid1'), 1],
            "'in:out' by 'hid2'",
        ),
    ],
)
def test_a_network_that_has_no_stages_is_refused(layers, message):
    net = rnnkit.Regressor(layers, seed=0)
    before = values(net)
    with pytest.raises(ConfigError, match=message):
        net.train(data_for(net), algo='layerwise', epochs=1)
    assert same(values(net), before)
    assert net._trainings == 0


# --- layerwise: what is trained


def test_each_stage_gives_its_values_to_the_network():
    net = dense([3, 5, 4, 4, 2])
    start = values(net)
    training = net.itertrain([X, Y], algo='layerwise', subalgo='adam', epochs=1)
    next(training)
    assert same(values(net), start)  # until a stage ends
    next(training)
    first = values(net, 'hid1')
    assert not same(first, start[:2])
    assert same(values(net, 'hid2', 'hid3', 'out'), start[2:])
    training.close()  # in the second stage, which has hid1, too
    assert not same(values(net, 'hid1'), first)
    assert not same(values(net, 'hid2'), start[2:4])
    assert same(values(net, 'hid3', 'out'), start[4:])
    assert net.history['stage'] == ['hid1', 'hid2']


def test_a_stage_starts_where_the_one_before_it_ended(monkeypatch):
    net, begun = dense(), []
    start_of = rnnkit.pretraining.stages.Stage.borrow

    def borrow(stage):
        start_of(stage)
        begun.append(values(stage.net, 'hid1'))

    monkeypatch.setattr(rnnkit.pretraining.stages.Stage, 'borrow', borrow)
    start, training = values(net, 'hid1'), net.itertrain([X, Y], algo='layerwise', epochs=1)
    next(training), next(training)
    assert same(begun[0], start)
    assert not same(begun[1], start)


def test_layerwise_training_learns():
    net = dense()
    untrained = np.square(net.predict(X) - Y).mean()
    _, valid = net.train([X, Y], algo='layerwise', subalgo='adam', epochs=30, learning_rate=0.02)
    assert valid['loss'] < 0.3 * untrained
    np.testing.assert_allclose(np.square(net.predict(X) - Y).mean(), valid['loss'])
    first = [r['loss'] for r in net.history if r['stage'] == 'hid1']
    assert first[-1] < first[0]


def test_a_state_can_be_carried_in_each_stage():
    net = rnnkit.Regressor([1, ('rnn', 2), ('rnn', 3), 1], seed=0)
    x = np.ones((12, 2, 1))
    net.train([x, x], algo='layerwise', epochs=1, carry_state=True, bptt_steps=4)
    assert net.history['updates'] == [3, 3]


def test_weights_and_losses_go_into_the_stages():
    net = rnnkit.Regressor(
        [3, 5, 4, dict(size=2, w=np.ones((4, 2)))],
        weighted=True,
        seed=0,
        loss=dict(form='huber', delta=0.5),
    )
    net.train([X, Y, np.ones(20)], algo='layerwise', subalgo='lbfgs', epochs=2)
    assert net.history['stage'] == ['hid1', 'hid1', 'hid2', 'hid2']


def test_tied_layers_are_trained_with_their_partners():
    net = dense([3, 5, 4, 'tied', 'tied'])
    start = values(net)
    x = X - X.mean()
    training = net.itertrain([x, x], algo='layerwise', subalgo='adam', epochs=1)
    next(training)
    training.close()
    changed = [
        p.name
        for p, old in zip(net.params, start, strict=True)
        if not np.array_equal(p.get_value(), old)
    ]
    assert changed == ['hid1.w', 'hid1.b', 'out.b']
    net.train([x, x], algo='supervised', epochs=1)
    assert not same(values(net, 'hid3'), start[4:5])


@pytest.mark.parametrize('algo', ['layerwise', 'pretrain', 'sample'])
def test_the_seed_says_all(algo):
    found = []
    for seed in (1, 1, 2):
        net = dense()
        net.train(
            [X, Y],
            algo=algo,
            seed=seed,
            batch_size=4,
            **({} if algo == 'sample' else {'epochs': 2, 'hidden_dropout': 0.2}),
        )
        found.append(values(net))
    assert same(*found[:2])
    assert not same(*found[1:])


def test_history_and_counters():
    net = dense()
    net.train([X, Y], epochs=1)
    net.train([X, Y], algo='layerwise', epochs=2)
    net.train([X, Y], algo='pretrain', epochs=1)
    net.train([X, Y], algo='sample')
    net.train([X, Y], epochs=1)
    assert net.history['training'] == [1, 2, 2, 2, 2, 3, 3, 4, 5]
    assert net.history['epoch'] == [1, 1, 2, 1, 2, 1, 1, 1, 1]
    stages = [None, 'hid1', 'hid1', 'hid2', 'hid2', 'hid1', 'hid2', None, None]
    assert net.history['stage'] == stages
    assert net._trainings == 5


@pytest.mark.parametrize(('algo', 'data'), [('layerwise', [X, Y]), ('pretrain', X)])
def test_callbacks_hear_of_each_stage(algo, data, tmp_path):
    seen, path = [], tmp_path / 'a.csv'
    net, file = dense(), CSV(path)
    callbacks = [lambda t: seen.append((t.stage, t.record['stage'], t.epoch)), file]
    for k in (1, 2):  # the second one begins anew
        net.train(data, algo=algo, epochs=2, callbacks=callbacks)
        assert seen == [(s, s, e) for s in ('hid1', 'hid2') for e in (1, 2)] * k
        with open(path, newline='') as lines:
            rows = list(csv.DictReader(lines))
        assert [(row['training'], row['stage'], row['epoch']) for row in rows] == [
            (str(k), s, e) for s in ('hid1', 'hid2') for e in '12'
        ]
    other = dense()
    other.train([X, Y], epochs=1, callbacks=file)
    assert len(path.read_text().split()) == 2


def test_the_last_stage_is_compiled_for_the_next_training(monkeypatch):
    net = dense()
    net.train([X, Y], algo='layerwise', subalgo='sgd', epochs=1)
    monkeypatch.setattr(rnnkit.common.compiled.pytensor, 'function', None)
    net.train([X, Y], algo='sgd', epochs=1)


# --- how a training ends


def failing(after, what):
    """Return a callable that makes so many batches, then once something else, then batches."""
    count = iter(range(100))

    def draw():
        return [X, Y] if next(count) != after else what()

    return draw


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize('algo', ['layerwise', 'pretrain'])
def test_an_error_says_which_stage(algo):
    net = dense()
    start = values(net)
    # In each stage one batch to validate with, and two to train with.
    draw = failing(5, lambda: [X * np.nan, Y])
    with pytest.raises(DataError, match=r'stage 2 of 2 \(hid2\): the batch returned by the train'):
        net.train(draw, algo=algo, epochs=1, train_batches=2, valid_batches=1)
    assert not same(values(net, 'hid1'), start[:2])
    assert same(values(net, 'hid2', 'out'), start[2:])  # the best ones of the second stage
    net = dense()
    with (
        np.errstate(over='ignore'),
        pytest.raises(
            TrainingError, match=r'stage 1 of 2 \(hid1\): the (validation )?loss .*is inf'
        ),
    ):
        net.train([X * 1e200, Y * 1e200], algo=algo, subalgo='sgd', epochs=1)
    assert same(values(net), start)
    assert set(net.history['stage']) <= {'hid1'}


# A stage draws one batch to validate with, and one in each epoch.
@pytest.mark.parametrize(('after', 'found'), [(2, ['hid1']), (3, ['hid1']), (4, ['hid1', 'hid2'])])
def test_ctrl_c_ends_all_stages(after, found):
    net = dense([3, 5, 4, 4, 2])
    start = values(net)
    draw = failing(after, interrupt)
    _, valid = net.train(
        draw, algo='layerwise', epochs=1, train_batches=1, valid_batches=1, learning_rate=1e-4
    )
    assert net.history['stage'] == found
    assert valid['loss'] < net.history[0]['loss']
    assert not same(values(net, 'hid1'), start[:2])
    assert same(values(net, 'hid2'), start[2:4]) == (len(found) == 1)
    assert same(values(net, 'out'), start[6:])


# --- options


def test_what_a_stage_does_not_have_is_left_out_there():
    net = rnnkit.Regressor([3, 5, ('rnn', 4), 1], seed=0)
    given = {
        'weight_l2': 0.1,
        'recurrent_state': 0.1,
        'hidden_l1': dict(weight=1, pattern='hid2:out'),
        'dropout': {'hid1': 0.1, 'hid2': 0.2},
        'monitors': ['r2', {'hid2:out': 0.5, 'out.w': 0.0}],
    }
    staged = layerwise('train()', net, data_for(net), None, given)
    first, last = [{k: v for k, v in one.items() if k != 'seed'} for one in staged.keywords]
    assert first == {'weight_l2': 0.1, 'dropout': {'hid1': 0.1}, 'monitors': ['r2', {'out.w': 0}]}
    assert last == {**given, 'monitors': ['r2', {'hid2:out': 0.5}, {'out.w': 0.0}]}


def test_monitors_and_rules_with_words_of_regularizers():
    net = dense()
    net.train(
        [X, Y],
        algo='layerwise',
        subalgo='adamw',
        epochs=1,
        weight_decay=0.01,
        monitors={'hid*:out': 0.0},
    )
    assert [('hid2:out<0.0' in r, 'hid1:out<0.0' in r) for r in net.history] == [
        (False, True),
        (True, True),
    ]


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (dict(algo='layerwize'), "no algorithm named 'layerwize'; did you mean 'layerwise'"),
        (
            dict(algo='adam', subalgo='sgd'),
            r"train\(\): subalgo is the update rule of algo 'layerw",
        ),
        (dict(subalgo='pretrain'), "subalgo must be the update rule for algo 'layerwise'"),
        (
            dict(subalgo='rmsprob'),
            "subalgo: no algorithm named 'rmsprob'; did you mean 'rmsprop'",
        ),
        (dict(subalgo=3), 'subalgo must be the name of an algorithm; got 3'),
        (dict(checkpoint='a'), "checkpoint does not go with algo 'layerwise'; save the network"),
        (dict(resume='a'), "resume does not go with algo 'layerwise'"),
        (dict(algo='pretrain', carry_state=True), "carry_state does not go with algo 'pretrain'"),
        (dict(carry_state=True), "stage 'hid1': this network has no recurrent layer"),
        (dict(epoch=3), "unknown option 'epoch', did you mean 'epochs'"),
        (dict(epochs=0), 'epochs must be a whole number'),
        (dict(beta1_halflife=3), 'beta1_halflife belongs to algo'),
        (dict(weight_l2=dict(weight=1, pattern='hid9*')), "'hid9\\*' matches nothing"),
        (dict(weight_l2=-1), 'weight_l2 must be a number of at least 0'),
        (dict(monitors={'hid9:out': 0.1}), "'hid9:out' matches nothing"),
        (dict(algo='pretrain', monitors='acc'), 'is for targets that are class labels'),
        (dict(dropout={'hid2': 2}), 'dropout'),
        (dict(subalgo='lbfgs', hidden_dropout=0.2), "stage 'hid1': algo 'lbfgs' compares losses"),
        (
            dict(algo='sample', epochs=3),
            "epochs does not go with algo 'sample', which makes no updates",
        ),
        (dict(algo='sample', subalgo='sgd'), "subalgo does not go with algo 'sample'"),
        (dict(algo='sample', monitors='gradients'), 'no gradients'),
        (dict(algo='sample', batchsize=3), "unknown option 'batchsize', did you mean 'batch_size'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_trained(given, message):
    net = dense()
    before = values(net)
    with pytest.raises(ConfigError, match=message):
        net.train([X, Y], **{'algo': 'layerwise', **given})
    with pytest.raises(ConfigError, match=message.replace(r'train\(', r'itertrain\(')):
        net.itertrain([X, Y], **{'algo': 'layerwise', **given})
    assert same(values(net), before)
    assert (net._trainings, len(net.history)) == (0, 0)


@pytest.mark.parametrize('algo', ['layerwise', 'pretrain', 'sample'])
def test_bad_data_are_refused_at_once(algo):
    net = dense()
    with pytest.raises(ShapeError, match='x has 2 features'):
        net.itertrain([X[:, :2], Y], algo=algo)
    with pytest.raises(DataError, match='x contains nan'):
        net.itertrain([X * np.nan, Y], algo=algo)
    assert net._trainings == 0
