"""Mistakes of people who come from other libraries, and the whole message that they get."""

import copy
import pickle

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, NotFoundError, RnnkitError, ShapeError

NET = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
X, Y = np.zeros((4, 2, 2)), np.zeros((4, 2, 1))
LAST = (
    "a recurrent layer returns every step; for the last one alone, put 'last' after it: "
    "[3, ('lstm', 10), 'last', 1]"
)
WEIGHTS = 'make the network with weighted=True, and pass the weights with the data: [x, y, '
SPLIT = 'hold out a share of the data: train([x, y], valid=0.2)'


def lstm(**options):
    return rnnkit.Regressor([2, {'form': 'lstm', 'size': 3, **options}, 1])


def train(**options):
    return NET.train([X, Y], **options)


IN_LAYER = {
    'return_sequences': f': {LAST}',
    'only_return_final': f': {LAST}',
    'units': ", did you mean 'size'?",
    'hidden_size': ", did you mean 'size'?",
    'num_units': ", did you mean 'size'?",
    'nonlinearity': ", did you mean 'activation'?",
    'go_backwards': ", did you mean 'direction'?",
    'gradient_steps': ", did you mean 'bptt_limit'?",
    'stateful': ': carry_state= is an option of train()',
    'input_size': ': the first entry of the list is the number of input features: '
    "[3, ('lstm', 10), 1]",
    'num_layers': ": each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), 1]",
    'kernel_regularizer': ': penalties are options of train(): weight_l2=1e-4',
    'sizee': ", did you mean 'size'?",
}
IN_TRAIN = {
    'optimizer': ", did you mean 'algo'?",
    'lr': ", did you mean 'learning_rate'?",
    'n_epochs': ", did you mean 'epochs'?",
    'max_epochs': ", did you mean 'epochs'?",
    'epoch': ", did you mean 'epochs'?",
    'validation_data': ", did you mean 'valid'?",
    'validation_split': f': {SPLIT}',
    'validation_fraction': f': {SPLIT}',
    **dict.fromkeys(('val_split', 'holdout'), f': {SPLIT}'),
    **dict.fromkeys(
        ('scale', 'normalize', 'standardize'),
        ": put a layer after the input: [3, 'standardize', ('lstm', 10), 1]",
    ),
    'shuffle': ': arrays are shuffled before each epoch; batches of a callable are used as they '
    'come',
    'sample_weight': f': {WEIGHTS}weights]',
    'class_weights': ": write class_weight='balanced', or a dict by class: class_weight={'yes': 5}",
    'classes': ': classes= is an option of Classifier()',
    'min_delta': ", did you mean 'min_improvement'?",
    'verbosity': ': progress=False prints nothing, progress=True, the default, a line for each '
    'epoch',
    'metrics': ", did you mean 'monitors'?",
    'stateful': ", did you mean 'carry_state'?",
    'restore_best_weights': ", did you mean 'restore_best'?",
    'max_iter': ", did you mean 'epochs'?",
    'tol': ", did you mean 'min_improvement'?",
    'layout': ': layout= is an option of networks',
    'units': ': size= is an option of layers',
    **dict.fromkeys(
        ('betas', 'beta_1', 'beta_2'),
        ': beta1_halflife=6.58 is a beta of 0.9, beta2_halflife=692.8 one of 0.999: the number of '
        'updates is log(0.5) / log(beta)',
    ),
    **dict.fromkeys(
        ('decay', 'lr_decay', 'gamma'),
        ': pass a schedule as learning_rate, such as rnnkit.schedules.Exponential(0.1, 0.5, '
        'every=1000)',
    ),
    'y': ': pass the arrays as one list: [x, y]',
}
ATTRIBUTES = {
    'fit': 'write net.train([x, y])',
    'compile': "there is nothing to compile; write net.train([x, y], algo='adam'), and the loss "
    "with the layers: rnnkit.Regressor(layers, loss='mae')",
    'forward': 'write net.predict(x)',
    'parameters': 'net.params is the list of parameters, net.find(layer, name) is one of them',
    'state_dict': 'net.to_torch() is one for PyTorch; net.save(path) writes a network',
    'export': 'net.to_onnx(path) writes an ONNX file, and net.to_c(folder) C',
    'load_state_dict': 'rnnkit.from_torch(state_dict, layers) builds a network from it; '
    'net.load_weights(source) takes over parameters of another network',
    'eval': 'there are no modes; dropout and noise are active in train() alone',
    'predict_proba': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    'reset_states': 'a network keeps no state between calls; pass state= to predict() and step()',
    'count_params': 'write net.num_params',
    'fnd': "did you mean 'find'?",
}
NAMES = {
    'LSTM': "layers are written by name: ('lstm', 10)",
    'layers.LSTM': "layers are written by name: ('lstm', 10)",
    'layers.Linear': 'layers are written by name: 10',
    'Sequential': "write rnnkit.Regressor([3, ('lstm', 10), 1]), or rnnkit.Classifier",
    'losses.MSELoss': "losses are written by name: loss='mse'",
    'optimizers.Momentum': "update rules are written by name: net.train([x, y], algo='sgd')",
    'callbacks.EarlyStopping': 'write rnnkit.callbacks.EarlyStop(...), as callbacks',
    'callbacks.ModelCheckpoint': 'write rnnkit.callbacks.Checkpoint(path), or net.train(..., '
    "checkpoint='net.rnn'), as callbacks",
    'callbacks.ReduceLROnPlateau': 'write rnnkit.schedules.Plateau(0.1), as learning_rate',
    'schedules.StepLR': 'write rnnkit.schedules.Step(0.1, every=1000), as learning_rate',
    'metrics.acuracy': "did you mean 'accuracy'?",
    'metrics.accuracy_score': 'write rnnkit.metrics.accuracy',
    'metrics.confusion_matrix': 'write rnnkit.metrics.confusion',
    'metrics.xe': 'write rnnkit.metrics.cross_entropy',
    'metrics.f1_score': 'write rnnkit.metrics.f1',
    'metrics.mean_squared_error': 'write rnnkit.metrics.mse',
    'metrics.recall_score': 'rnnkit.metrics.confusion returns the counts that it is computed from',
    'from_tensorflow': 'write rnnkit.from_keras(path)',
    'load_onnx': 'write rnnkit.from_onnx(path)',
    'load_model': 'write rnnkit.load(path); rnnkit.from_torch(path) and from_keras(path) read '
    'other files',
    'Regresor': "did you mean 'Regressor'?",
    'recurrent.pad_sequences': 'write rnnkit.recurrent.pad, or pass lists of sequences',
}
CALLS = {
    'misspelt activation': (
        lambda: rnnkit.Regressor([2, ('lstm', 4, 'rel'), 1]),
        "layers[1], 'hid1': no layer or activation named 'rel'; did you mean 'relu'?",
    ),
    'two sizes': (
        lambda: rnnkit.Regressor([2, (3, 4), 1]),
        "layers[1], 'hid1': (3, 4) has 2 sizes; each layer is an entry of its own: 3, 4",
    ),
    'steps and features': (
        lambda: rnnkit.Regressor([(20, 3), 4, 1]),
        "layers[0], 'in': (20, 3): the input has one size, the number of features of a time step; "
        'write 3',
    ),
    'option of the loss of a classifier': (
        lambda: rnnkit.Classifier([2, 3], loss={'form': 'xe', 'label_smooth': 0.1}),
        "loss 'xe': unknown option 'label_smooth', did you mean 'smoothing'?",
    ),
    'option of a loss without any': (
        lambda: rnnkit.Regressor([2, 3], loss={'form': 'mse', 'label_smooth': 0.1}),
        "loss 'mse': unknown option 'label_smooth'; it has no options",
    ),
    'option of a loss for a network': (
        lambda: rnnkit.Classifier([2, 3], label_smoothing=0.1),
        "Classifier(): unknown option 'label_smoothing': it is an option of the loss: "
        "loss=dict(form='xe', smoothing=0.1)",
    ),
    'option of a loss': (
        lambda: rnnkit.Regressor([2, 3], loss={'form': 'huber', 'd': 0.1}),
        "loss 'huber': unknown option 'd', known are: delta",
    ),
    'training options of a network': (
        lambda: rnnkit.Regressor([2, 3], optimizer='adam', epochs=3),
        "Regressor(): unknown option 'optimizer': algo= is an option of train(); unknown option "
        "'epochs': epochs= is an option of train()",
    ),
    'the base class': (
        lambda: rnnkit.Network([3, 4]),
        'Network is a base class; write one of Autoencoder, Classifier, Regressor',
    ),
    'train() for a mode': (
        lambda: NET.train(),
        'train(): it trains, and expects data: net.train([x, y])',
    ),
    'sampling numbers': (
        lambda: NET.generate(X, 2, temperature=1),
        "generate(): loss 'mse' does not draw, so each output is the next input as it is; leave "
        "out temperature. Losses that draw: 'bce', 'gaussian', 'gll', 'poisson', 'student', "
        "'quantile' with several q, and your own with a method draw()",
    ),
    'too many arguments': (
        lambda: NET.predict(X, None),
        'predict(): takes 1 by position, x; got 2; write the others with their names: mask=...',
    ),
    'an argument missing': (
        lambda: NET.score(X),
        'score(): y is missing; write score(x, y)',
    ),
    'an argument given twice': (
        lambda: NET.score(X, Y, y=Y),
        'score(): y is given twice, by position and as y=',
    ),
    'option of a callback': (
        lambda: rnnkit.callbacks.EarlyStop(patince=3),
        "EarlyStop(): unknown option 'patince', did you mean 'patience'?",
    ),
    'option of windows': (
        lambda: rnnkit.recurrent.batches(X, horizon=12),
        "batches(): unknown option 'horizon', known are: arrays, batch_size, layout, rng, steps",
    ),
    'data as the algorithm': (
        lambda: NET.train([X, Y], [X, Y], [X, Y]),
        'train(): algo must be the name of an algorithm; got list of 2: ndarray of shape '
        '(4, 2, 2), ndarray of shape (4, 2, 1). The data are one list for the training and one '
        'for the validation: train([x, y], [x_valid, y_valid])',
    ),
    'a class as the algorithm': (
        lambda: train(algo=rnnkit.optimizers.Adam),
        "train(): algo must be the name of an algorithm; got the class Adam; write algo='adam'",
    ),
    'an object as the algorithm': (
        lambda: train(algo=rnnkit.optimizers.SGD()),
        "train(): algo must be the name of an algorithm; got an object of SGD; write algo='sgd', "
        'and its options as keywords, such as learning_rate=0.1',
    ),
    'a list as the algorithm': (
        lambda: train(algo=['adam']),
        "train(): algo must be the name of an algorithm; got ['adam']",
    ),
    'arrays as the loss': (
        lambda: rnnkit.Regressor([2, 3], loss=[X]),
        "a loss must be a name such as 'mse', a dict such as dict(form='huber', delta=0.5), or a "
        'rnnkit.losses.Loss; got list of 1: ndarray of shape (4, 2, 2)',
    ),
    'lines of a prediction': (
        lambda: NET.predict(X, verbose=0),
        "predict(): unknown option 'verbose': verbose= is an option of train()",
    ),
    'lines of an evaluation': (
        lambda: NET.evaluate(X, Y, verbose=0),
        "evaluate(): unknown option 'verbose': verbose= is an option of train()",
    ),
    'lines of a callback': (
        lambda: rnnkit.callbacks.EarlyStop(verbose=1),
        "EarlyStop(): unknown option 'verbose': verbose= is an option of train()",
    ),
    'weights of an evaluation': (
        lambda: NET.evaluate(X, Y, sample_weight=Y),
        "evaluate(): unknown option 'sample_weight': write weights=, an array in the shape of y",
    ),
    'weights of the classes of an evaluation': (
        lambda: NET.evaluate(X, Y, class_weight={0: 1}),
        "evaluate(): unknown option 'class_weight': write weights=class_weights[y]",
    ),
    'order of an evaluation': (
        lambda: NET.evaluate(X, Y, shuffle=False),
        "evaluate(): unknown option 'shuffle': only train() shuffles",
    ),
    'targets of a prediction': (
        lambda: NET.predict(X, y=Y),
        "predict(): unknown option 'y', known are: dropout, hidden_dropout, hidden_noise, "
        'input_dropout, input_noise, mask, noise, output_dropout, output_noise, seed, weight_noise',
    ),
    'side of padding': (
        lambda: rnnkit.recurrent.pad([X[0]], padding='post'),
        "pad(): unknown option 'padding': sequences are padded at the end",
    ),
    'length of padding': (
        lambda: rnnkit.recurrent.pad([X[0]], maxlen=5),
        "pad(): unknown option 'maxlen': cut the sequences before: [one[:n] for one in "
        'sequences]; steps= is the least length',
    ),
    'value of padding': (
        lambda: rnnkit.recurrent.pad([X[0]], padding_value=-1),
        "pad(): unknown option 'padding_value': the padding is 0; the mask that is returned says "
        'where it is',
    ),
    'dropout of a network': (
        lambda: rnnkit.Regressor([2, 3], dropout=0.1),
        "Regressor(): unknown option 'dropout': it is an option of train(), hidden_dropout=0.1, "
        "or a layer of its own: ('dropout', 0.1)",
    ),
    'kind of a layer': (
        lambda: rnnkit.Regressor([2, {'type': 'lstm', 'size': 3}, 1]),
        "layers[1], 'hid1': layer 'feedforward': unknown option 'type': a layer is chosen by its "
        "form: ('lstm', 10), or dict(form='lstm', size=10)",
    ),
    'both directions': (
        lambda: rnnkit.Regressor([2, {'form': 'bidirectional', 'size': 4, 'merge_mode': 'sum'}]),
        "layers[1], 'out': layer 'rnn': unknown option 'merge_mode': write "
        "dict(form='bidirectional', worker='lstm', size=20, merge='sum')",
    ),
    'the reset gate': (
        lambda: rnnkit.Regressor([2, {'form': 'gru', 'size': 4, 'reset_after': True}]),
        "layers[1], 'out': layer 'gru': unknown option 'reset_after': write reset='after', the "
        "default, or reset='before'",
    ),
    'a partner': (
        lambda: rnnkit.Regressor([2, ('ff', 3), ('tied', 'hid1')]),
        "layers[2], 'out': 'hid1' is a layer, not an activation; write dict(form='tied', "
        "partner='hid1')",
    ),
    'a partner with a name': (
        lambda: rnnkit.Regressor([2, {'name': 'code', 'size': 3}, ('tied', 'code')]),
        "layers[2], 'out': 'code' is a layer, not an activation; write dict(form='tied', "
        "partner='code')",
    ),
    'an input of a layer': (
        lambda: rnnkit.Regressor([2, ('rnn', 3), ('rnn', 4, 'in'), 1]),
        "layers[2], 'hid2': 'in' is a layer, not an activation; write dict(form='rnn', size=4, "
        "inputs='in')",
    ),
    'inputs of a layer': (
        lambda: rnnkit.Regressor([2, ('ff', 2), ('product', ('in', 'hid1'))]),
        "layers[2], 'out': ('product', ('in', 'hid1')): cannot make sense of ('in', 'hid1'); "
        "write dict(form='product', inputs=('in', 'hid1'))",
    ),
    'a worker': (
        lambda: rnnkit.Regressor([2, ('bidirectional', 'lstm', 4), 1]),
        "layers[1], 'hid1': ('bidirectional', 'lstm', 4) has more than one form: 'bidirectional' "
        "and 'lstm'; write dict(form='bidirectional', size=4, worker='lstm')",
    ),
    'options in a tuple': (
        lambda: rnnkit.Regressor([2, ('lstm', 4, {'dropout': 0.1}), 1]),
        "layers[1], 'hid1': ('lstm', 4, {'dropout': 0.1}): cannot make sense of {'dropout': "
        "0.1}; write dict(form='lstm', size=4, dropout=0.1)",
    ),
    'periods in a tuple': (
        lambda: rnnkit.Regressor([2, ('clockwork', [1, 2], 4), 1]),
        "layers[1], 'hid1': ('clockwork', [1, 2], 4): cannot make sense of [1, 2]; write "
        "dict(form='clockwork', size=4, ...)",
    ),
    'option of a plot': (
        lambda: rnnkit.training.History([{'loss': 1}]).plot(dpi=100),
        "plot(): unknown option 'dpi', known are: axes, keys, learning_rate, log, path",
    ),
}


LAYERS = {
    'time_distributed': 'a dense layer acts at each time step by itself: write its size alone',
    'masking': 'make the network with masked=True, and pass lists of sequences',
    'repeat_vector': "did you mean 'repeat'?",
    'simple_rnn': "did you mean 'rnn'?",
    'GRUCell': "layers are written by name: ('gru', 10)",
    'max_pooling1d': "'mean' and 'max' pool over all time steps; for some at a time, 'conv1' has a "
    'stride',
    'GlobalAveragePooling1D': "layers are written by name: 'mean'",
    'global_average_pooling': "layers are written by name: 'mean'",
    'avgpool': "layers are written by name: 'mean'",
    'GlobalPoolLayer': "layers are written by name: 'mean'",
    'AdaptiveMaxPool1d': "layers are written by name: 'max'",
    'GlobalMaxPooling1D': "layers are written by name: 'max'",
    'maxpool': "layers are written by name: 'max'",
    'gaussian_noise': 'noise is an option of train(): input_noise=0.1, hidden_noise=0.1',
    'bi': "layers are written by name: dict(form='bidirectional', worker='lstm', size=20)",
}


@pytest.mark.parametrize('name', LAYERS)
def test_a_layer(name):
    for layer, what in ((name, 'layer'), ({'form': name}, 'layer'), ((name, 3), 'layer or acti')):
        with pytest.raises(ConfigError) as caught:
            rnnkit.Regressor([2, layer, 1])
        what = what.replace('acti', 'activation')
        assert str(caught.value) == f"layers[1], 'hid1': no {what} named {name!r}; {LAYERS[name]}"


LOSSES = {
    'SparseCategoricalCrossentropy': 'xe',
    'CrossEntropyLoss': 'xe',
    'BCEWithLogitsLoss': 'bce',
    'smooth_l1_loss': 'huber',
    'KLDivLoss': 'kl',
    'mean_squared_error': 'mse',
}


@pytest.mark.parametrize('name', LOSSES)
def test_a_loss(name):
    with pytest.raises(ConfigError) as caught:
        rnnkit.Regressor([2, 3], loss=name)
    assert str(caught.value) == f'no loss named {name!r}; did you mean {LOSSES[name]!r}?'


@pytest.mark.parametrize('name', ['relu', 'sigmoid', 'linear', 'Linear'])
def test_an_activation_as_a_layer(name):
    for layer in (name, {'form': name, 'size': 3}):
        with pytest.raises(ConfigError) as caught:
            rnnkit.Regressor([2, layer, 1])
        assert str(caught.value) == (
            f"layers[1], 'hid1': {name!r} is an activation, not a layer; write it as "
            f'(20, {name.lower()!r})'
        )


@pytest.mark.parametrize('word', IN_LAYER)
def test_a_keyword_of_a_layer(word):
    with pytest.raises(ConfigError) as caught:
        lstm(**{word: 1})
    start = f"layers[1], 'hid1': layer 'lstm': unknown option {word!r}"
    assert str(caught.value) == start + IN_LAYER[word]


@pytest.mark.parametrize('word', IN_TRAIN)
def test_a_keyword_of_a_training(word):
    with pytest.raises(ConfigError) as caught:
        train(**{word: 1})
    assert str(caught.value) == f'train(): unknown option {word!r}{IN_TRAIN[word]}'


@pytest.mark.parametrize('name', ATTRIBUTES)
def test_an_attribute_of_a_network(name):
    with pytest.raises(AttributeError) as caught:
        getattr(NET, name)
    assert str(caught.value) == f'Regressor has no attribute {name!r}; {ATTRIBUTES[name]}'
    assert not hasattr(NET, name)


@pytest.mark.parametrize('name', NAMES)
def test_a_name_of_a_module(name):
    path, _, last = f'rnnkit.{name}'.rpartition('.')
    module = rnnkit if path == 'rnnkit' else getattr(rnnkit, path.rpartition('.')[2])
    with pytest.raises(AttributeError) as caught:
        getattr(module, last)
    assert str(caught.value) == f'module {path!r} has no attribute {last!r}; {NAMES[name]}'


@pytest.mark.parametrize('mistake', CALLS)
def test_a_call(mistake):
    call, message = CALLS[mistake]
    with pytest.raises(ConfigError) as caught:
        call()
    assert str(caught.value) == message


def test_an_attribute_that_no_one_knows_has_no_hint():
    with pytest.raises(AttributeError) as caught:
        NET.zebra  # noqa: B018
    assert str(caught.value) == "Regressor has no attribute 'zebra'"


def test_protocols_of_python_and_notebooks_see_a_plain_object():
    assert not any(hasattr(NET, name) for name in ('_repr_latex_', '__array__', '__len__'))
    again = copy.deepcopy(NET)
    np.testing.assert_array_equal(again.find('out', 'w').get_value(), NET.find(2, 0).get_value())
    bare = object.__new__(rnnkit.Regressor)
    with pytest.raises(AttributeError, match="no attribute '_losses'"):  # not: 'loss'
        bare.loss  # noqa: B018
    for error in (rnnkit.CallError('a'), NotFoundError('b')):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_lists_are_short_and_begin_with_what_is_most_alike():
    with pytest.raises(ConfigError) as caught:
        train(norm_of_gradients=1)
    listed = str(caught.value).partition('known are: ')[2]
    assert listed.count(',') == 11
    assert listed.endswith(' others')
    assert 'max_gradient_norm' in listed


@pytest.mark.parametrize('word', ['sample_wt', 'zzz', 'a', 'weightings', 'data', 'beta'])
def test_no_suggestion_is_far_off(word):
    with pytest.raises(ConfigError) as caught:
        train(**{word: 1})
    assert 'did you mean' not in str(caught.value)


# --- parameters


def test_find_raises_a_key_error_as_theanets_did():
    for call in (lambda: NET.find('hid7', 'w'), lambda: NET.set('hid7', 'w', 1)):
        with pytest.raises(KeyError) as caught:
            call()
        assert isinstance(caught.value, ConfigError)
        assert str(caught.value).partition(': ')[2] == "no layer named 'hid7'; did you mean 'hid1'?"
    with pytest.raises(NotFoundError, match="find.*: no parameter of layer 'hid1' named 'W'; know"):
        NET.find('hid1', 'W')
    with pytest.raises(NotFoundError, match='there is no layer number 3; there are 3'):
        NET.find(3, 0)
    with pytest.raises(NotFoundError, match=r"output\(\): no output 'out:h'; there are out:out, o"):
        NET.output('h')


def test_set_casts_and_copies():
    given = np.arange(3.0)
    NET.set('hid1', 'b', given)
    given[:] = 9
    value = NET.find('hid1', 'b').get_value()
    assert value.dtype == 'float32'
    np.testing.assert_array_equal(value, [0, 1, 2])
    NET.set(1, 'b', [1, 2, True])
    np.testing.assert_array_equal(NET.find('hid1', 'b').get_value(), [1, 2, 1])
    NET.set('hid1', 'hh', np.eye(3).T[::-1])
    assert NET.find('hid1', 'hh').get_value(borrow=True).flags.writeable


@pytest.mark.parametrize(
    ('value', 'error', 'message'),
    [
        (np.ones(4), ShapeError, 'set(): hid1.b has shape (3,); got (4,)'),
        (1.0, ShapeError, 'set(): hid1.b has shape (3,); got ()'),
        ([1, np.nan, 1], DataError, 'set(): hid1.b must be finite; got nan at (1,)'),
        (
            [1, 1, -1e40],
            DataError,
            'set(): hid1.b is float32, which cannot hold -1e+40 at (2,)',
        ),
        (['a', 'b', 'c'], DataError, 'set(): hid1.b must be an array of numbers; got <U1 values'),
        (None, DataError, 'set(): hid1.b must be an array of numbers; got object values'),
        (
            np.ma.masked_array([1.0, 2, 3], [1, 0, 0]),
            DataError,
            'set(): hid1.b must be an array of numbers; got a masked array',
        ),
    ],
)
def test_set_refuses(value, error, message):
    before = NET.find('hid1', 'b').get_value()
    with pytest.raises(RnnkitError) as caught:
        NET.set('hid1', 'b', value)
    assert type(caught.value) is error
    assert str(caught.value) == message
    np.testing.assert_array_equal(NET.find('hid1', 'b').get_value(), before)


def test_set_says_what_to_transpose():
    with pytest.raises(ShapeError, match=r'hid1.xh has shape \(2, 3\); got \(3, 2\); transpose it'):
        NET.set('hid1', 'xh', np.ones((3, 2)))


# --- the history


def test_columns_of_a_history():
    history = rnnkit.training.History([{'epoch': 1, 'loss': 2.0, 'valid_loss': 3.0}, {'loss': 1.0}])
    assert history['valid_loss'] == [3.0, None]
    assert history.columns == ['epoch', 'loss', 'valid_loss']
    for name, end in {
        'los': "did you mean 'loss'?",
        'val_loss': "did you mean 'valid_loss'?",
        'zebra': 'there are epoch, loss, valid_loss',
    }.items():
        for call, where in (
            (lambda name=name: history[name], 'history'),
            (lambda name=name: history.plot(keys=name), 'history.plot()'),
        ):
            with pytest.raises(KeyError) as caught:
                call()
            assert str(caught.value) == f'{where}: no column {name!r}; {end}'


def test_a_history_before_a_validation_and_before_a_training():
    assert rnnkit.training.History()['loss'] == []
    history = rnnkit.training.History([{'epoch': 1, 'loss': 2.0}])
    assert history['valid_loss'] == [None]
    with pytest.raises(NotFoundError):
        history['valid_epoch']
    # A column that a callback adds says nothing about validations.
    history = rnnkit.training.History([{'epoch': 1, 'loss': 2.0, 'training_speed': 3.0}])
    assert history['valid_loss'] == history['training_loss'] == [None]
    history = rnnkit.training.History([{'epoch': 1, 'loss': 2.0, 'valid_loss': 3.0}])
    with pytest.raises(NotFoundError, match="'training_loss'; did you mean 'valid_loss', or 'lo"):
        history['training_loss']
    assert type(history[:1]) is rnnkit.training.History
    with pytest.raises(ConfigError, match='expects the name of a column'):
        history[None]
