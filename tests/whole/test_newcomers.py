"""The first lines that people write who come from another library, and the hint that they get.

Each row is one mistake: what is written, and the whole message. `test_mistakes.py` has others, in
tables by the kind of call.
"""

import numpy as np
import pytest

import rnnkit
from rnnkit import (
    activations,
    callbacks,
    initializers,
    layers,
    losses,
    optimizers,
    regularizers,
    schedules,
)

NET = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0)
CLASSIFIER = rnnkit.Classifier([2, ('rnn', 3), 2], seed=0)
X, Y = np.zeros((4, 2, 2)), np.zeros((4, 2, 1))

LAYER = "layers[1], 'hid1': layer 'lstm': unknown option "
WEIGHTED = 'make the network with weighted=True, and pass the weights with the data: [x, y, '
ENTRIES = "each layer is an entry of the list, with its size: [3, ('lstm', 10), 1]"
SIZE = "the first entry of the list is the number of input features: [3, ('lstm', 10), 1]"
BOTH_WAYS = "dict(form='bidirectional', worker='lstm', size=20)"
RATE = (
    'learning_rate must be a number of at least 0, a schedule, or a callable of the number of '
    'updates; got '
)
PATIENCE = 'patience= ends the training when the validation loss stops falling'
BY_NAME = 'initial values are written by name: dict(size=10, w='
CLASS_WEIGHT = "write class_weight='balanced', or a dict by class: class_weight={'yes': 5}"


def train(**options):
    return lambda: NET.train([X, Y], **options)


def net(*layers, **options):
    return lambda: rnnkit.Regressor([2, *(layers or [('lstm', 3)]), 1], **options)


def lstm(**options):
    return net(dict(form='lstm', size=3, **options))


KERAS = {
    'compile': (
        lambda: NET.compile(optimizer='adam', loss='mse'),
        "Regressor has no attribute 'compile'; there is nothing to compile; write "
        "net.train([x, y], algo='adam'), and the loss with the layers: rnnkit.Regressor(layers, "
        "loss='mae')",
    ),
    'fit': (lambda: NET.fit(X, Y), "Regressor has no attribute 'fit'; write net.train([x, y])"),
    'history of a history': (
        lambda: NET.history.history['loss'],
        "History has no attribute 'history'; it is the record itself: history['loss'] is a column, "
        'history[-1] a row',
    ),
    'validation_split': (
        train(validation_split=0.2),
        "train(): unknown option 'validation_split': hold out a share of the data: train([x, y], "
        'valid=0.2)',
    ),
    'validation_data': (
        train(validation_data=[X, Y]),
        "train(): unknown option 'validation_data', did you mean 'valid'?",
    ),
    'shuffle': (
        train(shuffle=True),
        "train(): unknown option 'shuffle': arrays are shuffled before each epoch; batches of a "
        'callable are used as they come',
    ),
    'class_weight, misspelt': (
        train(class_weights={0: 1}),
        f"train(): unknown option 'class_weights': {CLASS_WEIGHT}",
    ),
    'sample_weight': (
        train(sample_weight=Y),
        f"train(): unknown option 'sample_weight': {WEIGHTED}weights]",
    ),
    'optimizer': (
        train(optimizer='adam'),
        "train(): unknown option 'optimizer', did you mean 'algo'?",
    ),
    'metrics': (
        train(metrics=['mae']),
        "train(): unknown option 'metrics', did you mean 'monitors'?",
    ),
    'nb_epoch': (train(nb_epoch=3), "train(): unknown option 'nb_epoch', did you mean 'epochs'?"),
    'rho': (
        train(rho=0.9),
        "train(): unknown option 'rho': write rms_halflife=rnnkit.optimizers.halflife(0.9)",
    ),
    'loss_weights': (
        train(loss_weights=[1, 2]),
        "train(): unknown option 'loss_weights': net.add_loss(loss, weight=0.5) adds a loss with "
        'its weight',
    ),
    'return_sequences': (
        lstm(return_sequences=True),
        f"{LAYER}'return_sequences': a recurrent layer returns every step; for the last one alone, "
        "put 'last' after it: [3, ('lstm', 10), 'last', 1]",
    ),
    'units': (
        lambda: rnnkit.Regressor([2, 1], units=3),
        f"Regressor(): unknown option 'units': {ENTRIES}",
    ),
    'input_shape': (
        net(input_shape=(None, 2)),
        f"Regressor(): unknown option 'input_shape': {SIZE}",
    ),
    'kernel_initializer': (
        net(dict(size=3, w='GlorotUniform')),
        "hid1.w: no initializer named 'GlorotUniform'; did you mean 'glorot_uniform'?",
    ),
    'VarianceScaling': (
        net(dict(size=3, w='VarianceScaling')),
        "hid1.w: no initializer named 'VarianceScaling'; did you mean 'lecun_normal'?",
    ),
    'ones': (
        net(dict(size=3, b='Ones')),
        "hid1.b: no initializer named 'Ones'; a number is an initial value, too: 1",
    ),
    'an initializer': (
        lambda: initializers.GlorotUniform(),
        "module 'rnnkit.initializers' has no attribute 'GlorotUniform'; "
        f"{BY_NAME}'glorot_uniform')",
    ),
    'a constant': (
        lambda: initializers.Constant(1),
        "module 'rnnkit.initializers' has no attribute 'Constant'; a number is an initial value, "
        'too: dict(size=10, b=1)',
    ),
    'a regularizer': (
        lambda: regularizers.L2(1e-4),
        "module 'rnnkit.regularizers' has no attribute 'L2'; penalties are options of train(): "
        'weight_l2=1e-4',
    ),
    'a layer': (
        lambda: rnnkit.layers.LSTM(10),
        "module 'rnnkit.layers' has no attribute 'LSTM'; layers are written by name: ('lstm', 10)",
    ),
    'a layer by place': (
        lambda: layers.Dense(10, 'relu'),
        'Dense(): takes 1 by position, size; got 2; write the others with their names: name=...',
    ),
    'Bidirectional': (
        lambda: rnnkit.Bidirectional('lstm'),
        "module 'rnnkit' has no attribute 'Bidirectional'; layers are written by name: "
        f'{BOTH_WAYS}',
    ),
    'Bidirectional around a layer': (
        lambda: layers.Bidirectional(('lstm', 10)),
        f"layer 'bidirectional': its worker is given by name: {BOTH_WAYS}; got ('lstm', 10)",
    ),
    'Bidirectional in a list': (
        net(('Bidirectional', ('lstm', 4))),
        "layers[1], 'hid1': ('Bidirectional', ('lstm', 4)): cannot make sense of ('lstm', 4); "
        "write dict(form='bidirectional', size=4, worker='lstm')",
    ),
    'ReduceLROnPlateau': (
        lambda: callbacks.ReduceLROnPlateau(factor=0.5),
        "module 'rnnkit.callbacks' has no attribute 'ReduceLROnPlateau'; write "
        'rnnkit.schedules.Plateau(0.1), as learning_rate',
    ),
    'save_weights': (
        lambda: NET.save_weights('x'),
        "Regressor has no attribute 'save_weights'; net.save(path) writes a network, "
        'rnnkit.load(path) reads it',
    ),
    'custom_objects': (
        lambda: rnnkit.load('x', custom_objects={}),
        "load(): unknown option 'custom_objects': parts of your own are found by the names under "
        'which they are registered',
    ),
    'overwrite': (
        lambda: NET.save('x', overwrite=True),
        "save(): unknown option 'overwrite': an existing file is replaced",
    ),
}
PYTORCH = {
    'a call': (
        lambda: NET(X),
        'a Regressor is called with PyTensor variables, to be a part of a graph; for arrays write '
        'net.predict(x)',
    ),
    'a call of a classifier': (
        lambda: CLASSIFIER(X),
        'a Classifier is called with PyTensor variables, to be a part of a graph; for arrays write '
        'net.predict(x), or net.predict_proba(x) for probabilities',
    ),
    'nn.LSTM': (
        lambda: rnnkit.nn.LSTM(2, 10),
        "module 'rnnkit' has no attribute 'nn'; write rnnkit.Regressor([3, ('lstm', 10), 1]), or "
        'rnnkit.Classifier',
    ),
    'nn.LSTM as a name': (
        net(('torch.nn.LSTM', 10)),
        "layers[1], 'hid1': no layer or activation named 'torch.nn.LSTM'; did you mean 'lstm'?",
    ),
    'nn.ReLU as a name': (
        net((10, 'nn.ReLU')),
        "layers[1], 'hid1': no layer or activation named 'nn.ReLU'; did you mean 'relu'?",
    ),
    'nn.MSELoss as a name': (
        net(loss='nn.MSELoss'),
        "no loss named 'nn.MSELoss'; did you mean 'mse'?",
    ),
    'batch_first': (
        net(batch_first=True),
        "Regressor(): unknown option 'batch_first': write layout='batch'",
    ),
    'batch_first of a layer': (
        lstm(batch_first=True),
        f"{LAYER}'batch_first': it is an option of networks: rnnkit.Regressor(layers, "
        "layout='batch')",
    ),
    'num_layers': (
        lstm(num_layers=2),
        f"{LAYER}'num_layers': each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), "
        '1]',
    ),
    'hidden_size': (
        net(hidden_size=10),
        f"Regressor(): unknown option 'hidden_size': {ENTRIES}",
    ),
    'hidden_size of a layer': (
        lstm(hidden_size=10),
        f"{LAYER}'hidden_size', did you mean 'size'?",
    ),
    'bidirectional': (lstm(bidirectional=True), f"{LAYER}'bidirectional': write {BOTH_WAYS}"),
    'num_classes': (
        lambda: rnnkit.Classifier([2, 3], num_classes=3),
        "Classifier(): unknown option 'num_classes': the last entry of the list is the number of "
        "classes: rnnkit.Classifier([3, ('lstm', 10), 5])",
    ),
    'optim.Adam as a name': (
        train(algo='torch.optim.Adam'),
        "train(): algo: no algorithm named 'torch.optim.Adam'; did you mean 'adam'?",
    ),
    'an optimizer': (
        lambda: optimizers.Adam(lr=0.1),
        'Adam(): the options of an update rule are options of a training; write '
        "algo='adam', learning_rate=0.1",
    ),
    'amsgrad': (train(amsgrad=True), "train(): unknown option 'amsgrad': write algo='amsgrad'"),
    'lr': (train(lr=0.1), "train(): unknown option 'lr', did you mean 'learning_rate'?"),
    'clip_grad_norm': (
        train(clip_grad_norm=1.0),
        "train(): unknown option 'clip_grad_norm', did you mean 'max_gradient_norm'?",
    ),
    'OneCycleLR': (
        lambda: schedules.OneCycleLR(0.1),
        "module 'rnnkit.schedules' has no attribute 'OneCycleLR'; write "
        'rnnkit.schedules.WarmUp(100, rnnkit.schedules.Cosine(0.1, 1000)), as learning_rate',
    ),
    'CosineAnnealingLR': (
        lambda: schedules.CosineAnnealingLR(0.1),
        "module 'rnnkit.schedules' has no attribute 'CosineAnnealingLR'; write "
        'rnnkit.schedules.Cosine(0.1, 1000), as learning_rate',
    ),
    'a schedule by name': (
        train(learning_rate='ReduceLROnPlateau'),
        f"train(): {RATE}'ReduceLROnPlateau'; write rnnkit.schedules.Plateau(0.1)",
    ),
    'xavier_uniform_': (
        lambda: initializers.xavier_uniform_(X),
        "module 'rnnkit.initializers' has no attribute 'xavier_uniform_'; "
        f"{BY_NAME}'glorot_uniform')",
    ),
    'kaiming_normal_': (
        net(dict(size=3, w='kaiming_normal_')),
        "hid1.w: no initializer named 'kaiming_normal_'; did you mean 'he_normal'?",
    ),
    'softmax over an axis': (
        lambda: activations.softmax(X, dim=-1),
        "softmax(): unknown option 'dim': activations take each element by itself, and softmax "
        'the last axis',
    ),
    'the slope of relu': (
        lambda: activations.relu(X, alpha=0.1),
        "relu(): unknown option 'alpha': 'leaky-relu' and 'prelu' are activations that learn their "
        'slope',
    ),
    'eval': (
        lambda: NET.eval(),
        "Regressor has no attribute 'eval'; there are no modes; dropout and noise are active in "
        'train() alone',
    ),
    'map_location': (
        lambda: rnnkit.load('x', map_location='cpu'),
        "load(): unknown option 'map_location': rnnkit is made for CPUs; there is no such option",
    ),
    'load_state_dict': (
        lambda: rnnkit.load_state_dict('x'),
        "module 'rnnkit' has no attribute 'load_state_dict'; write "
        'rnnkit.from_torch(state_dict, layers)',
    ),
}
SKLEARN = {
    'fit_transform': (
        lambda: NET.fit_transform(X),
        "Regressor has no attribute 'fit_transform'; net.feed_forward(x) returns the outputs of "
        'all layers',
    ),
    'fit_predict': (
        lambda: NET.fit_predict(X),
        "Regressor has no attribute 'fit_predict'; write net.train([x, y]), and then "
        'net.predict(x)',
    ),
    'max_iter': (train(max_iter=3), "train(): unknown option 'max_iter', did you mean 'epochs'?"),
    'n_epochs': (train(n_epochs=3), "train(): unknown option 'n_epochs', did you mean 'epochs'?"),
    'early_stopping': (
        train(early_stopping=True),
        f"train(): unknown option 'early_stopping': {PATIENCE}",
    ),
    'early_stopping_rounds': (
        train(early_stopping_rounds=3),
        "train(): unknown option 'early_stopping_rounds', did you mean 'patience'?",
    ),
    'hidden_layer_sizes': (
        lambda: rnnkit.Regressor(hidden_layer_sizes=(10,)),
        "Regressor(): unknown option 'hidden_layer_sizes', did you mean 'layers'?",
    ),
    'solver': (
        net(solver='adam'),
        "Regressor(): unknown option 'solver': algo= is an option of train()",
    ),
    'alpha': (train(alpha=1e-4), "train(): unknown option 'alpha', did you mean 'weight_l2'?"),
    'tol': (
        net(tol=1e-4),
        "Regressor(): unknown option 'tol': min_improvement= is an option of train()",
    ),
    'adaptive': (
        train(learning_rate='adaptive'),
        f"train(): {RATE}'adaptive'; write rnnkit.schedules.Cosine(0.1, 1000)",
    ),
    'x and y': (
        lambda: NET.train(X, Y),
        'train: expects a list of arrays [x, y]; got array of shape (4, 2, 2); pass all arrays in '
        'one list: [x, y]',
    ),
    'X=': (train(X=X), "train(): unknown option 'X': pass the arrays as one list: [x, y]"),
}
OTHERS = {
    'a layer of Lasagne': (
        lambda: layers.LSTMLayer(X, 10),
        "module 'rnnkit.layers' has no attribute 'LSTMLayer'; layers are written by name: "
        "('lstm', 10)",
    ),
    'get_output': (
        lambda: layers.get_output(NET),
        "module 'rnnkit.layers' has no attribute 'get_output'; net.feed_forward(x) returns the "
        'outputs of all layers',
    ),
    'InputLayer': (
        lambda: layers.InputLayer((None, 2)),
        "module 'rnnkit.layers' has no attribute 'InputLayer'; the first entry of the list is the "
        "size of the input: [3, ('lstm', 10), 1]",
    ),
    'halflife': (
        lambda: optimizers.halflife(x=1),
        "halflife(): unknown option 'x', known are: decay",
    ),
    'a mask beside the data': (
        train(mask=Y),
        "train(): unknown option 'mask': make the network with masked=True, and pass the mask with "
        'the data: [x, y, mask]',
    ),
    'weights beside the data': (
        train(weights=Y),
        f"train(): unknown option 'weights': {WEIGHTED}weights]",
    ),
    'an attribute for a column': (
        lambda: rnnkit.training.History([{'loss': 1.0}]).loss,
        "History has no attribute 'loss'; write history['loss']",
    ),
    'add with a keyword': (
        lambda: layers.add(name='mine'),
        "add(): unknown option 'name'; a layer is registered under one or more names, for example "
        "add('mine')",
    ),
    'add of a loss': (
        lambda: losses.add(name='mine'),
        "add(): unknown option 'name'; a loss is registered under one or more names, for example "
        "add('mine')",
    ),
    'an activation without an array': (
        lambda: activations.relu(),
        "relu(): it is called by layers; write its name: (10, 'relu')",
    ),
    'an initializer without a shape': (
        lambda: initializers.orthogonal(),
        "orthogonal(): it is called by layers; write its name: dict(size=10, w='orthogonal')",
    ),
    'an initializer with a gain': (
        lambda: initializers.glorot(gain=2),
        "glorot(): unknown option 'gain', known are: rng, shape",
    ),
    'a penalty': (
        lambda: regularizers.weight_l2(),
        'weight_l2(): penalties are options of train(): weight_l2=1e-4',
    ),
}
MISTAKES = {
    f'{library}: {what}': row
    for library, table in (
        ('keras', KERAS),
        ('pytorch', PYTORCH),
        ('scikit-learn', SKLEARN),
        ('others', OTHERS),
    )
    for what, row in table.items()
}


@pytest.mark.parametrize('mistake', MISTAKES)
def test_the_hint(mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises((rnnkit.RnnkitError, AttributeError)) as caught:
        call()
    assert str(caught.value) == message


def test_the_registered_functions_are_those_of_the_modules():
    assert activations.activations['relu'] is activations.relu
    assert initializers.initializers['glorot'] is initializers.glorot
    net = rnnkit.Regressor([2, dict(size=3, activation=activations.relu), 1], seed=0)
    assert net.to_spec()['layers'][1]['activation'] == 'relu'
    value = initializers.glorot((2, 3), np.random.default_rng(0))
    limit = np.sqrt(6 / 5)
    expected = np.random.default_rng(0).uniform(-limit, limit, (2, 3))
    np.testing.assert_array_equal(value, expected)
