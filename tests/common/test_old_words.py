"""Old words do what the new ones do, warn at the user's line, and name the new one."""

import inspect
import re
from functools import lru_cache

import numpy as np
import pytest

import rnnkit
from rnnkit.common import old_words
from rnnkit.common.registry import HINTS
from rnnkit.errors import ConfigError

X, Y = np.random.default_rng(1).standard_normal((2, 12, 3)).astype('f')
DATA = [X, Y[:, :1]]
QUICK = {'epochs': 2, 'batch_size': 5}


def dense(**settings):
    return rnnkit.Regressor([3, 4, 1], **{'seed': 3, **settings})


def recurrent(*layer, **keywords):
    return rnnkit.Regressor([3, *layer, dict(name='it', **keywords), ('rnn', 2), 1], seed=3)


def values(net):
    return [p.get_value() for p in net.params]


def assert_same(one, two):
    assert [p.name for p in one.params] == [p.name for p in two.params]
    for a, b in zip(values(one), values(two), strict=True):
        np.testing.assert_array_equal(a, b)


def warned(call, *words):
    """Return what `call` returns; it must warn in this file, and name all words."""
    with pytest.warns(DeprecationWarning, match='; (write|leave)') as caught:
        found = call()
    said = ' '.join(str(w.message) for w in caught)
    assert all(word in said for word in words), said
    assert {w.filename for w in caught} == {__file__}
    return found


TRAININGS = {
    'algorithm': ({'algorithm': 'sgd'}, {'algo': 'sgd'}),
    'algorithm as a list': ({'algorithm': ['sgd']}, {'algo': 'sgd'}),
    'optimize': ({'optimize': 'adam'}, {'algo': 'adam'}),
    'rng': ({'rng': 5}, {'seed': 5}),
    'rng of NumPy': ({'rng': np.int64(5)}, {'seed': 5}),
    'max_updates': ({'max_updates': 1, 'epochs': None}, {'epochs': 1}),
    'iteration_size': ({'iteration_size': 2}, {'train_batches': 2, 'valid_batches': 2}),
    'validate': ({'validate': 1}, {'validate_every': 1}),
    'max_gradient_clip': ({'max_gradient_clip': 1e-4}, {'max_gradient_elem': 1e-4}),
    'gradient_clip': ({'gradient_clip': 1e-4}, {'max_gradient_elem': 1e-4}),
    'regularizers': ({'regularizers': {'weight_l2': 0.5}}, {'weight_l2': 0.5}),
    'input_dropouts': ({'input_dropouts': 0.5}, {'input_dropout': 0.5}),
    'hidden_dropouts': ({'hidden_dropouts': 0.5}, {'hidden_dropout': 0.5}),
    'output_dropouts': ({'output_dropouts': 0.5}, {'output_dropout': 0.5}),
    'input_noises': ({'input_noises': 0.5}, {'input_noise': 0.5}),
    'hidden_noises': ({'hidden_noises': 0.5}, {'hidden_noise': 0.5}),
    'output_noises': ({'output_noises': 0.5}, {'output_noise': 0.5}),
    'axis': ({'axis': 0}, {}),
}


@lru_cache
def plain():
    net = dense()
    net.train(DATA, **QUICK)
    return values(net)


@pytest.mark.parametrize('name', TRAININGS)
def test_an_old_word_of_train_is_the_new_one(name):
    old, new = TRAININGS[name]
    given = {k: v for k, v in {**QUICK, **old}.items() if v is not None}
    one = dense()
    shown = [f'{word}={value!r}' for word, value in new.items()]
    warned(lambda: one.train(DATA, **given), 'train()', *set(old) - {'epochs'}, *shown)
    two = dense()
    two.train(DATA, **{**QUICK, **new})
    assert_same(one, two)
    if name not in ('axis', 'validate'):  # and it has an effect
        assert any((a != b).any() for a, b in zip(values(one), plain(), strict=True))


def test_every_old_word_of_train_is_tested():
    files = {'save_progress', 'save_every', 'train_set', 'valid_set'}
    assert {name.partition(' ')[0] for name in TRAININGS} | files == set(old_words.TRAINING)


def test_old_names_of_the_data():
    one, two = dense(), dense()
    warned(
        lambda: one.train(train_set=DATA, valid_set=[X[:4], Y[:4, :1]], **QUICK),
        'write train=...',
        'write valid=...',
    )
    two.train(DATA, [X[:4], Y[:4, :1]], **QUICK)
    assert_same(one, two)
    assert one.history[-1]['valid_loss'] == two.history[-1]['valid_loss']


def test_itertrain_and_minimize_understand_them_too():
    one, two = dense(), dense()
    list(warned(lambda: one.itertrain(DATA, algorithm='sgd', **QUICK), 'itertrain()'))
    list(two.itertrain(DATA, algo='sgd', **QUICK))
    assert_same(one, two)
    import pytensor

    w = pytensor.shared(np.array([3.0]), 'w')
    warned(lambda: rnnkit.minimize((w**2).sum(), algorithm='adam', epochs=1), 'minimize()')
    assert w.get_value()[0] != 3


@pytest.mark.parametrize(('every', 'epochs'), [(2, [2, 4]), (-1e-9, [1, 2, 3, 4]), (None, [4])])
def test_save_progress_is_checkpoint(tmp_path, every, epochs):
    net, given = dense(), {} if every is None else {'save_every': every}
    words = ['checkpoint='] + (['save_every=1e-09'] if every and every < 0 else [])
    warned(lambda: net.train(DATA, save_progress=f'{tmp_path}/a{{}}.x', epochs=4, **given), *words)
    found = sorted(int(re.sub(r'\D', '', path.name)) for path in tmp_path.iterdir())
    assert [n for n in found if n] == epochs
    if every is None:
        assert_same(net, rnnkit.load(tmp_path / 'a4.x'))


NETWORKS = [
    ({'rng': 4}, {'seed': 4}, 'write seed=4'),
    ({'sparse_input': False}, {}, 'leave it out'),
    ({'batch_size': 7}, {}, 'an option of train'),
    ({'decode_from': 1}, {}, 'leave it out'),
    ({'tied_weights': False}, {}, 'leave it out'),
]


@pytest.mark.parametrize(('old', 'new', 'message'), NETWORKS)
def test_an_old_word_of_a_network_is_the_new_one(old, new, message):
    given = old if 'rng' in old else {'seed': 3, **old}
    assert_same(warned(lambda: rnnkit.Regressor([3, 4, 1], **given), message), dense(**new))


def test_the_warning_is_at_the_line_of_the_user():
    with pytest.warns(DeprecationWarning, match='write (seed=1|form=)') as caught:
        rnnkit.Regressor(
            [3, ('lrrnn', 2), 1],
            rng=1,
        )
    line = inspect.currentframe().f_lineno - 5
    assert {(w.filename, w.lineno - line) for w in caught} <= {(__file__, k) for k in range(4)}
    assert len(caught) == 2


def test_activations_of_a_network():
    layers = [3, 4, (4, 'relu'), ('rnn', 3), ('lstm', 3), dict(size=3, name='d'), 2]
    net = warned(
        lambda: rnnkit.Regressor(
            layers, hidden_activation='logistic', output_activation='tanh', seed=1
        ),
        'hidden_activation=',
        'output_activation=',
        "(20, 'tanh')",
    )
    found = [getattr(layer, 'activation', None) for layer in net.layers[1:]]
    assert found == ['logistic', 'relu', 'logistic', 'tanh', 'logistic', 'tanh']
    again = rnnkit.from_spec(net.to_spec())
    assert [getattr(layer, 'activation', None) for layer in again.layers[1:]] == found


def test_a_classifier_keeps_its_softmax():
    net = warned(lambda: rnnkit.Classifier([3, 4, 2], hidden_activation='tanh', seed=1))
    assert [layer.activation for layer in net.layers[1:]] == ['tanh', 'softmax']


LAYERS = [
    (dict(form='lrrnn', size=3), dict(form='rrnn', size=3, rate='vector'), "rate='vector'"),
    (dict(form='arrnn', size=3), dict(form='rrnn', size=3, rate='matrix'), "rate='matrix'"),
    (
        dict(form='rrnn', size=3, rate=None),
        dict(form='rrnn', size=3, rate='matrix'),
        "rate='matrix'",
    ),
    (
        dict(form='bidirectional', worker='LRRNN', size=4),
        dict(form='bidirectional', worker='rrnn', size=4, rate='vector'),
        "worker='rrnn'",
    ),
    (dict(shape=(4,)), dict(size=4), 'write size=4'),
    (
        dict(form='rnn', size=3, direction='backwards'),
        dict(form='rnn', size=3, direction='backward'),
        "direction='backward'",
    ),
    (dict(form='rnn', size=3, direction=None), dict(form='rnn', size=3), 'it is forward'),
    (dict(form='rnn', size=3, bptt_limit=-1), dict(form='rnn', size=3), 'leave it out'),
    (dict(size=4, sparse=False), dict(size=4), 'leave it out'),
    (dict(size=4, inputs={'in:out': 3}), dict(size=4, inputs=('in:out',)), "inputs=('in:out',)"),
]


@pytest.mark.parametrize(('old', 'new', 'message'), LAYERS, ids=str)
def test_an_old_word_of_a_layer_is_the_new_one(old, new, message):
    one, two = warned(lambda: recurrent(**old), message), recurrent(**new)
    assert_same(one, two)
    assert one.layers[1].to_spec() == two.layers[1].to_spec()


def test_forms_of_old_in_tuples():
    net = warned(lambda: rnnkit.Regressor([3, ('lrrnn', 4), 1], seed=1), "form='rrnn'")
    assert net.layers[1].cell.rate == 'vector'


# --- errors

ERRORS = [
    (lambda: dense().train(DATA, optimize='sgd adam'), ['2 algorithms', "algo='sgd'", "'adam'"]),
    (lambda: dense().train(DATA, algorithm='sgd', algo='adam'), ['algorithm=', 'algo=']),
    (lambda: dense().train(DATA, None, 'adam', algorithm='sgd'), ['algorithm=', 'algo=']),
    (lambda: dense().train(DATA, max_gradient_clip=1, gradient_clip=1), ['max_gradient_elem=']),
    (lambda: dense().train(DATA, iteration_size=1, train_batches=2), ['train_batches=']),
    (lambda: dense().train(DATA, regularizers={'weight_l2': 1}, weight_l2=2), ['weight_l2=']),
    (lambda: dense().train(DATA, regularizers=['weight_l2']), ['a dict']),
    (lambda: dense().train(DATA, rng=np.random.RandomState(1)), ['RandomState', 'seed=13']),
    (lambda: dense().train(DATA, rng=True), ['bool', 'seed=13']),
    (lambda: dense().train(DATA, axis=1), ['layout']),
    (lambda: dense().train(DATA, save_every=-2), ['checkpoint=path']),
    (lambda: dense().train(DATA, min_improvment=0.1), ["did you mean 'min_improvement'?"]),
    (lambda: dense().train(DATA, algo='hf'), ["did you mean 'lbfgs'?"]),
    (lambda: dense(rng=3), ['rng=', 'seed=']),
    (lambda: dense(sparse_input=True), ['.toarray()']),
    (lambda: dense(decode_from=2), ['inputs=']),
    (lambda: dense(tied_weights=True), ["'tied'"]),
    (lambda: dense(hiden_activation='tanh'), ['hiden_activation']),
    (lambda: recurrent(form='lrrnn', size=3, rate='log'), ['lrrnn', 'rate']),
    (lambda: recurrent(size=3, shape=(3,)), ['size=']),
    (lambda: recurrent(shape=(3, 2)), ['several axes', 'reshape']),
    (lambda: recurrent(shape=3), ['written as size=']),
    (lambda: recurrent(size=3, sparse='csr'), ['.toarray()']),
    (lambda: recurrent(size=3, rng=1), ['seed=13']),
    (lambda: rnnkit.Regressor([(28, 28, 1), 1]), ["layers[0], 'in'", 'a row of numbers']),
    (lambda: rnnkit.Regressor([3, 'conv2', 1]), ['conv2', 'conv1', 'row of numbers']),
    (lambda: rnnkit.Regressor([3, (4, 'pool1'), 1]), ['pool1', "'mean'"]),
    (lambda: rnnkit.Regressor([3, dict(form='pool2'), 1]), ['pool2']),
]


@pytest.mark.parametrize(('call', 'words'), ERRORS)
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_what_an_old_word_cannot_say_is_an_error(call, words):
    with pytest.raises(ConfigError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_a_dict_of_inputs_with_a_wrong_size_is_an_error():
    with pytest.raises(ConfigError, match="'in' of size 4; its size is 3"):
        recurrent(size=4, inputs={'in': 4})


@pytest.mark.parametrize('word', old_words.NOT_OF_TRAINING)
def test_words_of_train_that_are_gone_say_why(word):
    with pytest.raises(ConfigError, match=rf'train\(\): {word}= \w+'):
        dense().train(DATA, **{word: 1})


@pytest.mark.parametrize('word', old_words.NOT_OF_NETWORKS)
def test_words_of_networks_that_are_gone_say_why(word):
    with pytest.raises(ConfigError, match=rf'Regressor\(\): {word}= \w+'):
        dense(**{word: 1})


@pytest.mark.parametrize('name', old_words.NAMES)
def test_names_that_are_not_here_say_what_to_write(name):
    with pytest.raises(AttributeError, match=re.escape(old_words.NAMES[name])):
        getattr(rnnkit, name)


def test_no_word_of_today_is_in_the_tables():
    from rnnkit.graph.perturbations import term_names
    from rnnkit.training.options import option_names

    today = {*option_names(), *term_names(), 'algo', 'train', 'valid'}
    for other in rnnkit.optimizers.optimizers:
        today |= set(rnnkit.optimizers.optimizers[other].options)
    # One whose meaning was another for numbers below 0.
    assert today & {*old_words.TRAINING, *old_words.NOT_OF_TRAINING} == {'save_every'}
    settings = set(inspect.signature(rnnkit.Regressor).parameters)
    assert not settings & {*old_words.NETWORK, *old_words.NOT_OF_NETWORKS}
    forms = set(rnnkit.layers.registry)
    assert not forms & {*old_words.FORMS, *old_words.NOT_FORMS}
    assert not [name for name in old_words.NAMES if name in rnnkit.__all__]


def test_hints_come_from_the_same_table():
    assert HINTS['algorithm'] == ('algo',)
    assert HINTS['gradient_clip'] == ('max_gradient_elem',)
    assert set(old_words.HINTS) <= set(HINTS)


def test_signatures_are_those_of_today():
    assert list(inspect.signature(rnnkit.Network.train).parameters)[:4] == [
        'self',
        'train',
        'valid',
        'algo',
    ]
    assert rnnkit.Network.train.__doc__.startswith('Train until early stopping')
