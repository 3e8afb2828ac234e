"""Bad input of every kind: each is refused by the right error, which names the culprit."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, NotFoundError, RnnkitError, ShapeError

X, Y, LABELS = np.zeros((4, 3, 2)), np.zeros((4, 3, 1)), np.zeros((4, 3), int)


def make(*layers, **options):
    return rnnkit.Regressor(list(layers), **options)


def net(**options):
    return make(2, ('rnn', 3), 1, seed=0, **options)


def train(batch=(X, Y), **options):
    return net().train(list(batch) if isinstance(batch, tuple) else batch, epochs=1, **options)


def classify(y):
    return rnnkit.Classifier([2, ('rnn', 3), 3], seed=0).train([X, y], epochs=1)


def nan_at(place):
    x = X.copy()
    x[place] = np.nan
    return x


# What is done wrong: the call, the error, and words that its message must contain.
TABLE = {
    # layers
    'layer misspelt': (
        lambda: make(1, ('lsmt', 3), 1),
        ConfigError,
        ["layers[1], 'hid1'", "'lsmt'", "'lstm'"],
    ),
    'layer misspelt in a dict': (
        lambda: make(1, {'form': 'guru', 'size': 3}, 1),
        ConfigError,
        ['layers[1]', "no layer named 'guru'", "'gru'"],
    ),
    'layer misspelt alone': (lambda: make(1, 'lsmt', 1), ConfigError, ["no layer named 'lsmt'"]),
    'layer of theanets that is not here': (
        lambda: make(1, ('conv2', 4), 1),
        ConfigError,
        ["'conv2'", "'conv1'"],
    ),
    'activation misspelt': (lambda: make(1, (3, 'rleu'), 1), ConfigError, ["'rleu'", "'relu'"]),
    'activation misspelt in a dict': (
        lambda: make(1, {'size': 3, 'activation': 'tanhh'}, 1),
        ConfigError,
        ["layers[1], 'hid1'", "'tanhh'", "'tanh'"],
    ),
    'activation misspelt in a chain': (
        lambda: make(1, (3, 'relu+tnah'), 1),
        ConfigError,
        ["'tnah'", "'tanh'"],
    ),
    'activation of a cell misspelt': (
        lambda: make(1, {'form': 'lstm', 'size': 3, 'activation': 'tahn'}, 1),
        ConfigError,
        ["'tahn'", "'tanh'"],
    ),
    'option of a layer misspelt': (
        lambda: make(1, {'form': 'gru', 'size': 3, 'rset': 'after'}, 1),
        ConfigError,
        ["layer 'gru'", "'rset'", "'reset'"],
    ),
    'word of another library': (
        lambda: make(1, {'form': 'gru', 'units': 3}, 1),
        ConfigError,
        ["'units'", "'size'"],
    ),
    'value of an option': (
        lambda: make(1, {'form': 'gru', 'size': 3, 'reset': 'late'}, 1),
        ConfigError,
        ['reset', "'late'", "'after', 'before'"],
    ),
    'size 0': (lambda: make(1, ('rnn', 0), 1), ConfigError, ["'hid1'", 'size', 'got 0']),
    'size below 0': (lambda: make(1, -3, 1), ConfigError, ["'hid1'", 'size', 'got -3']),
    'size a fraction': (lambda: make(1, {'size': 2.5}, 1), ConfigError, ['size', 'got 2.5']),
    'size a fraction in a tuple': (lambda: make(1, ('rnn', 2.5), 1), ConfigError, ['2.5']),
    'size a word': (lambda: make(1, {'size': 'ten'}, 1), ConfigError, ['size', "'ten'"]),
    'size True': (lambda: make(1, {'size': True}, 1), ConfigError, ['size', 'True']),
    'no size': (lambda: make(1, 'lstm', 1), ConfigError, ["'lstm'", 'size', 'None']),
    'two sizes': (lambda: make(1, ('rnn', 3, 4), 1), ConfigError, ['more than one size', '3', '4']),
    'two forms': (
        lambda: make(1, ('rnn', 'gru', 4), 1),
        ConfigError,
        ['more than one form', "'rnn'", "'gru'"],
    ),
    'two activations': (
        lambda: make(1, ('relu', 'tanh', 4), 1),
        ConfigError,
        ['more than one activation', "'relu'", "'tanh'"],
    ),
    'a layer that is nothing': (lambda: make(1, None, 1), ConfigError, ["'hid1'", 'None']),
    'layers not a list': (lambda: rnnkit.Regressor('lstm'), ConfigError, ['layers', "'lstm'"]),
    'layers a number': (lambda: rnnkit.Regressor(3), ConfigError, ['layers', '3']),
    'a single layer': (lambda: make(3), ConfigError, ['at least one more layer', '[3]']),
    'no input': (lambda: make(('lstm', 3), 1), ConfigError, ['first layer is the input', "'lstm'"]),
    'one name twice': (
        lambda: make(1, {'size': 3, 'name': 'out'}, 1),
        ConfigError,
        ['two layers', "'out'"],
    ),
    'a name with a dot': (
        lambda: make(1, {'size': 3, 'name': 'a.b'}, 1),
        ConfigError,
        ["layer's name", "'a.b'"],
    ),
    'inputs misspelt': (
        lambda: make(1, 3, {'size': 1, 'inputs': 'hid2'}),
        ConfigError,
        ["'out'", "'hid2:out'"],
    ),
    'inputs from behind': (
        lambda: make(1, {'size': 3, 'inputs': 'out'}, 1),
        ConfigError,
        ["'hid1'", "'out:out'"],
    ),
    'inputs no names': (
        lambda: make(1, {'size': 3, 'inputs': 5}, 1),
        ConfigError,
        ['inputs', 'got 5'],
    ),
    'several inputs to a cell': (
        lambda: make(1, 2, {'form': 'rnn', 'size': 2, 'inputs': ('in', 'hid1')}, 1),
        ConfigError,
        ["'hid2' (rnn)", 'reads one layer', 'in:out, hid1:out'],
    ),
    'one input twice': (
        lambda: make(1, {'size': 2, 'inputs': ('in', 'in')}, 1),
        ConfigError,
        ["'hid1'", "'in:out'", 'more than once'],
    ),
    'initializer misspelt': (
        lambda: make(1, {'form': 'rnn', 'size': 2, 'hh': 'orthogonl'}, 1),
        ConfigError,
        ['hid1.hh', "'orthogonl'", "'orthogonal'"],
    ),
    'initial value of another shape': (
        lambda: make(1, {'form': 'rnn', 'size': 2, 'hh': np.eye(3)}, 1),
        ShapeError,
        ['hid1.hh', '(2, 2)', '(3, 3)'],
    ),
    'gate that is not there': (
        lambda: make(1, {'form': 'lstm', 'size': 2, 'b': {'q': 1}}, 1),
        ConfigError,
        ['hid1.b', "'q'", 'i, f, g, o'],
    ),
    'a layer in two networks': (
        lambda: [make(1, layer, 1) for layer in [rnnkit.layers.Dense(2)] * 2],
        ConfigError,
        ["'hid1'", 'part of a network already'],
    ),
    'weights that are not there': (
        lambda: make(1, {'size': 2, 'w_hid7': 'zeros'}, 1),
        ConfigError,
        ["'hid1'", "'w_hid7'"],
    ),
    # settings of the network
    'loss misspelt': (lambda: net(loss='msee'), ConfigError, ["no loss named 'msee'", "'mse'"]),
    'loss of another kind': (lambda: net(loss='xe'), ConfigError, ['Regressor', "'xe'", "'mse'"]),
    'loss for labels only': (
        lambda: rnnkit.Classifier([2, 3], loss='mse'),
        ConfigError,
        ['Classifier', "'mse'", "'xe'"],
    ),
    'classifier without softmax': (
        lambda: rnnkit.Classifier([2, (3, 'tanh')]),
        ConfigError,
        ['Classifier', "'tanh'"],
    ),
    'classifier that ends in a cell': (
        lambda: rnnkit.Classifier([2, ('lstm', 3)]),
        ConfigError,
        ['Classifier', "'lstm'"],
    ),
    'layout misspelt': (lambda: net(layout='btach'), ConfigError, ['layout', "'btach'", "'batch'"]),
    'dtype': (lambda: net(dtype='int8'), ConfigError, ['dtype', "'int8'", "'float32'"]),
    'dtype that NumPy does not know': (lambda: net(dtype='flot'), ConfigError, ['dtype', "'flot'"]),
    'seed below 0': (lambda: make(1, 1, seed=-1), ConfigError, ['seed', '-1']),
    'seed a word': (lambda: make(1, 1, seed='x'), ConfigError, ['seed', "'x'"]),
    'find a layer': (lambda: net().find('hid7', 'xh'), NotFoundError, ["'hid7'", 'hid1']),
    'spec that is none': (
        lambda: rnnkit.from_spec({'layers': [1]}),
        ConfigError,
        ['from_spec()', 'model', "['layers']"],
    ),
    # options of a training
    'algorithm misspelt': (
        lambda: train(algo='rmspropp'),
        ConfigError,
        ["no algorithm named 'rmspropp'", "'rmsprop'"],
    ),
    'algorithm no word': (lambda: train(algo=3), ConfigError, ['an algorithm', 'got 3']),
    'option misspelt': (
        lambda: train(learning_rat=1),
        ConfigError,
        ['train()', "'learning_rat'", "'learning_rate'"],
    ),
    'option of another library': (
        lambda: train(clipnorm=1),
        ConfigError,
        ["'clipnorm'", "'max_gradient_norm'"],
    ),
    'option of another rule': (
        lambda: train(algo='sgd', rms_halflife=3),
        ConfigError,
        ['train(): rms_halflife belongs to algo', "'rmsprop'", "not 'sgd'"],
    ),
    'regularizer misspelt': (lambda: train(weigt_l2=1), ConfigError, ["'weigt_l2'", "'weight_l2'"]),
    'regularizer twice': (
        lambda: train(weight_l2=1, weight_decay=1),
        ConfigError,
        ['weight_decay, weight_l2', 'same regularizer'],
    ),
    'regularizer below 0': (lambda: train(weight_l2=-1), ConfigError, ['weight_l2', '-1']),
    'regularizer a word': (lambda: train(hidden_l1='a'), ConfigError, ['hidden_l1', "'a'"]),
    'nothing to regularize': (
        lambda: make(2, 1).train([X[0], Y[0]], hidden_l1=1),
        ConfigError,
        ['hidden_l1'],
    ),
    'learning rate below 0': (
        lambda: train(learning_rate=-1),
        ConfigError,
        ['learning_rate', '-1'],
    ),
    'learning rate -1': (
        lambda: train(learning_rate=-1),
        ConfigError,
        ['learning_rate', 'got -1'],
    ),
    'learning rate a word': (
        lambda: train(learning_rate='fast'),
        ConfigError,
        ['learning_rate', "'fast'"],
    ),
    'learning rate nan': (
        lambda: train(learning_rate=np.nan),
        ConfigError,
        ['learning_rate', 'nan'],
    ),
    'momentum 1': (lambda: train(momentum=1), ConfigError, ['momentum', 'below 1', 'got 1']),
    'nesterov without momentum': (
        lambda: train(nesterov=True),
        ConfigError,
        ['nesterov=True', 'momentum'],
    ),
    'nesterov a word': (
        lambda: train(momentum=0.5, nesterov='yes'),
        ConfigError,
        ['nesterov', "'yes'"],
    ),
    'batch size 0': (lambda: train(batch_size=0), ConfigError, ['batch_size', 'got 0']),
    'batch size a fraction': (lambda: train(batch_size=1.5), ConfigError, ['batch_size', '1.5']),
    'epochs 0': (lambda: net().train([X, Y], epochs=0), ConfigError, ['epochs', 'got 0']),
    'patience below 0': (lambda: train(patience=-1), ConfigError, ['patience', '-1']),
    'patience a word': (lambda: train(patience='long'), ConfigError, ['patience', "'long'"]),
    'min_improvement 2': (lambda: train(min_improvement=2), ConfigError, ['min_improvement', '2']),
    'clipping below 0': (
        lambda: train(max_gradient_norm=-1),
        ConfigError,
        ['max_gradient_norm', '-1'],
    ),
    'train_batches a word': (
        lambda: train(train_batches='all'),
        ConfigError,
        ['train_batches', "'all'"],
    ),
    'halflife 0': (lambda: train(rms_halflife=0), ConfigError, ['rms_halflife', 'got 0']),
    'bucket a word': (lambda: train(bucket='yes'), ConfigError, ['bucket', "'yes'"]),
    'bucket without masks': (
        lambda: train(bucket=True),
        ConfigError,
        ['train()', 'bucket=True', 'masked=True'],
    ),
    'bucket of a callable': (
        lambda: train(list, bucket=True),
        ConfigError,
        ['bucket=True', 'callable'],
    ),
    'carry_state a word': (lambda: train(carry_state=1), ConfigError, ['carry_state', 'got 1']),
    'carry_state through both directions': (
        lambda: make(2, dict(form='bidirectional', size=4), 1).train([X, Y], carry_state=True),
        ConfigError,
        ["'hid1' (bidirectional)", 'whole sequence'],
    ),
    'bptt_steps alone': (lambda: train(bptt_steps=3), ConfigError, ['bptt_steps', 'carry_state']),
    'checkpoint no path': (lambda: train(checkpoint=1), ConfigError, ['checkpoint', 'got 1']),
    'checkpoint nowhere': (
        lambda: train(checkpoint='/no/where/x'),
        ConfigError,
        ['train()', 'no folder', '/no/where'],
    ),
    'save_every without a file': (
        lambda: train(save_every=1),
        ConfigError,
        ['save_every', 'checkpoint=path'],
    ),
    'callable of two': (lambda: train(lambda a, b: None), ConfigError, ['train', 'has a, b']),
    'layout an array': (lambda: net(layout=np.ones(2)), ConfigError, ['layout', "'batch'"]),
    'seed of a training': (lambda: train(seed=1.5), ConfigError, ['seed', '1.5']),
    'pattern of a monitor that matches nothing': (
        lambda: train(monitors={'hid7:out': 0.5}),
        ConfigError,
        ['monitors', "'hid7:out'", 'hid1:out', 'hid1.xh'],
    ),
    'monitor of no number': (
        lambda: train(monitors={'hid1:out': 'low'}),
        ConfigError,
        ['monitors', "'hid1:out'", "'low'", 'dict(norm=function)'],
    ),
    'monitor that is no name': (
        lambda: train(monitors=[3]),
        ConfigError,
        ['monitors', "'gradients'", 'got 3'],
    ),
    'metric misspelt': (
        lambda: train(monitors='rmes'),
        ConfigError,
        ['monitors', "'rmes'", "did you mean 'rmse'"],
    ),
    'metric of labels': (
        lambda: train(monitors=['perplexity']),
        ConfigError,
        ['monitors', "'perplexity'", 'class labels', 'rmse'],
    ),
    'metric for other targets': (
        lambda: train(monitors='f1'),
        ConfigError,
        ['monitors', "'f1'", 'class labels'],
    ),
    'function of a monitor that fails': (
        lambda: train(monitors={'hid1.xh': {'bad': lambda w: w @ np.ones(9)}}),
        ConfigError,
        ['monitors', "'hid1.xh:bad'"],
    ),
    'function of a monitor that returns no scalar': (
        lambda: train(monitors={'hid1.xh': {'all': abs}}),
        ConfigError,
        ["'hid1.xh:all'", 'symbolic scalar'],
    ),
    'monitor_gradients a word': (
        lambda: train(monitor_gradients='all'),
        ConfigError,
        ['monitor_gradients', "'all'"],
    ),
    # data
    'rank of x': (lambda: train((X[None], Y)), ShapeError, ['train: x', '4 axes', '(1, 4, 3, 2)']),
    'features of x': (lambda: train((X[..., :1], Y)), ShapeError, ['train: x', '1 features', '2']),
    'features of y': (lambda: train((X, X)), ShapeError, ['train: y', '2 features', 'last layer']),
    'lengths': (lambda: train((X, Y[:2])), ShapeError, ['train: y', 'time', '2', '4']),
    'batches': (lambda: train((X, Y[:, :2])), ShapeError, ['train: y', 'batch', '2', '3']),
    'nan': (lambda: train((nan_at((1, 2, 0)), Y)), DataError, ['train: x', 'nan', '(1, 2, 0)']),
    'nan in validation': (lambda: train(valid=[nan_at(0), Y]), DataError, ['valid: x', 'nan']),
    'no data': (lambda: train(None), DataError, ['train', '[x, y]', 'NoneType']),
    'no target': (lambda: train((X,)), DataError, ['train', '[x, y]', 'got 1']),
    'weights that are not wanted': (
        lambda: train((X, Y, Y)),
        DataError,
        ['train', 'weighted=True'],
    ),
    'empty': (lambda: train((X[:0], Y[:0])), DataError, ['train: x', 'empty', '(0, 3, 2)']),
    'text': (lambda: train((X.astype(str), Y)), DataError, ['train: x', 'real numbers']),
    'complex': (lambda: train((X, Y + 1j)), DataError, ['train: y', 'complex128']),
    'ragged': (
        lambda: train(([[[1, 2]], [[1, 2], [3, 4]]], Y)),
        ShapeError,
        ['train: x', 'ragged'],
    ),
    'label too large': (lambda: classify(LABELS + 3), DataError, ['train: y', 'label 3', '0 to 2']),
    'label below 0': (lambda: classify(LABELS - 1), DataError, ['train: y', 'label -1']),
    'label a fraction': (lambda: classify(LABELS + 0.5), DataError, ['train: y', 'whole numbers']),
    'labels one-hot': (lambda: classify(np.zeros((4, 3, 3))), ShapeError, ['train: y', 'argmax']),
    'junk from a callable': (
        lambda: train(lambda: 'junk'),
        DataError,
        ['train callable', '[x, y]', 'str'],
    ),
    'nothing from a callable': (
        lambda: train(lambda: None),
        DataError,
        ['train callable', 'NoneType'],
    ),
    'an iterator': (
        lambda: train(iter([(X, Y)])),
        ConfigError,
        ['train', 'iterator', 'train_batches='],
    ),
    'wrong array from a valid callable': (
        lambda: train(valid=lambda: [X[None], Y]),
        ShapeError,
        ['valid callable', 'x has 4 axes'],
    ),
    'predict on other features': (
        lambda: net().predict(Y),
        ShapeError,
        ['predict(): x', '1 features', '2'],
    ),
    'score on other lengths': (lambda: net().score(X, Y[:2]), ShapeError, ['score(): y', 'time']),
    'generate with other outputs than inputs': (
        lambda: net().generate(X, 2),
        ConfigError,
        ['generate()', 'x must be like the output', '2 features', '1 units'],
    ),
    'generate no steps': (
        lambda: make(1, ('rnn', 3), 1).generate(Y, 0),
        ConfigError,
        ['generate(): steps', 'got 0'],
    ),
    'generate from another rank': (
        lambda: make(1, ('rnn', 3), 1).generate(Y[..., 0], 2),
        ShapeError,
        ['generate(): seed', '2 axes'],
    ),
    'gradient_flow on other lengths': (
        lambda: net().gradient_flow(X, Y[:2]),
        ShapeError,
        ['gradient_flow(): y', 'time'],
    ),
    'gradient_flow without time': (
        lambda: make(2, 1).gradient_flow(X[0], Y[0]),
        ConfigError,
        ['gradient_flow()', 'no recurrent layer'],
    ),
    'feed_forward on text': (
        lambda: net().feed_forward('abc'),
        DataError,
        ['feed_forward(): x', 'str'],
    ),
}


@pytest.mark.parametrize('kind', TABLE)
def test_bad_input_is_refused_and_the_culprit_named(kind):
    call, error, words = TABLE[kind]
    with pytest.raises(RnnkitError) as caught:
        call()
    message = str(caught.value)
    assert type(caught.value) is error, message
    assert not [word for word in words if word not in message], message
    assert len(message) < 400, message  # a stranger reads it to the end


def test_there_are_as_many_kinds_as_were_promised():
    assert len(TABLE) >= 45


def test_every_error_is_one_family_and_what_python_calls_it():
    for error, base in (
        (ConfigError, ValueError),
        (ShapeError, ValueError),
        (DataError, ValueError),
        (rnnkit.FormatError, ValueError),
        (rnnkit.TrainingError, ArithmeticError),
    ):
        assert issubclass(error, RnnkitError)
        assert issubclass(error, base)


def test_a_wrong_option_does_not_change_the_network():
    regressor = net()
    before = [p.get_value() for p in regressor.params]
    for options in ({'learning_rate': -1}, {'algo': 'x'}, {'weight_l2': 'x'}, {'epohcs': 1}):
        with pytest.raises(ConfigError):
            regressor.train([X, Y], **options)
    assert not regressor.history
    for p, value in zip(regressor.params, before, strict=True):
        assert np.array_equal(p.get_value(), value)


def test_keywords_that_the_constructor_does_not_know_are_refused():
    with pytest.raises(ConfigError, match=r"Regressor\(\): .*'laers', did you mean 'layers'\?"):
        rnnkit.Regressor(laers=[1, 1])
    with pytest.raises(ConfigError, match="'batch_first': write layout='batch'"):
        rnnkit.Classifier([1, 2], batch_first=True)
    with pytest.raises(ConfigError, match='layers must be a list'):
        rnnkit.Regressor()


ARRAY = np.ones((2, 2))


@pytest.mark.parametrize(
    'layer',
    [
        {'form': 'rrnn', 'rate': ARRAY},
        {'form': 'rnn', 'direction': ARRAY},
        {'form': 'rnn', 'h_0': ARRAY},
        {'form': 'bidirectional', 'h_0': ARRAY},
        {'form': 'bidirectional', 'merge': ARRAY},
        {'form': 'bidirectional', 'worker': ARRAY},
        {'form': 'gru', 'reset': ARRAY},
        {'form': 'lstm', 'peepholes': ARRAY},
        {'form': 'lstm', 'zoneout': ARRAY},
        {'form': 'lstm', 'bptt_limit': ARRAY},
        {'form': 'conv1', 'filter_size': 1, 'border_mode': ARRAY},
        {'form': 'clockwork', 'periods': ARRAY},
        {'form': 'tied', 'partner': ARRAY},
        {'form': 'reshape', 'shape': ARRAY},
        {'activation': ARRAY},
        {'form': ARRAY},
        {'name': ARRAY},
        {'form': 'rnn', 'radius_hh': ARRAY},
        {'form': 'rnn', 'xh': object},
    ],
    ids=str,
)
def test_an_array_where_a_word_or_a_number_is_wanted(layer):
    sized = {} if {'partner', 'shape'} & set(layer) else {'size': 2}
    with pytest.raises(ConfigError):
        rnnkit.Regressor([1, {**sized, **layer}, 1])
