"""Classes and functions of other libraries, and what there is in rnnkit instead.

They only make hints, when an attribute of a network or of a module does not exist. Attributes of
networks are in `foreign_attributes`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping

from rnnkit.common import foreign_members, old_words
from rnnkit.common.foreign_attributes import (
    ATTRIBUTES,
    OF_FORECASTERS,
    OUTPUTS,
    PARAMS,
    SET,
    VALUES,
)
from rnnkit.common.foreign_members import by_name
from rnnkit.common.missing import attribute_error
from rnnkit.common.spelling import nearest, plain

_LAYER = 'layers are written by name: {}'
_RULE = 'update rules are written by name: net.train([x, y], algo={!r})'
_LOSS = 'losses are written by name: loss={!r}'
_SCHEDULE = 'write rnnkit.schedules.{}, as learning_rate'
_CALLBACK = 'write rnnkit.callbacks.{}, as callbacks'
_NETWORK = "write rnnkit.Regressor([3, ('lstm', 10), 1]), or rnnkit.Classifier"
_LOAD = 'write rnnkit.load(path); rnnkit.from_torch(path) and from_keras(path) read other files'
_TORCH = 'write rnnkit.from_torch(path)'
_TEXT = 'rnnkit.recurrent.Text turns text into labels'

# Of a module, in lower case.
NAMES = {
    **dict.fromkeys(('sequential', 'model', 'module', 'functional', 'nn', 'models'), _NETWORK),
    **by_name(
        _LAYER.format("('{}', 10)"),
        {
            'rnn': 'rnn simplernn rnnlayer recurrentlayer',
            'lstm': 'lstm lstmlayer lstmcell cudnnlstm',
            'gru': 'gru grulayer grucell',
            'conv1': 'conv1d conv1dlayer convolution1d',
            'embedding': 'embedding embeddinglayer',
        },
    ),
    **by_name(
        _LAYER.format("'{}'"),
        {
            'mean': 'avg avgpool avgpooling averagepool averagepooling meanpool meanpooling '
            'globalavgpool1d globalaveragepool globalaveragepooling globalaveragepooling1d '
            'globalpoollayer adaptiveavgpool1d',
            'max': 'maxpool maxpooling globalmaxpool globalmaxpool1d globalmaxpooling '
            'globalmaxpooling1d adaptivemaxpool1d',
        },
    ),
    **dict.fromkeys(('dense', 'linear', 'denselayer', 'fullyconnected'), _LAYER.format('10')),
    'dropout': _LAYER.format("('dropout', 0.5)"),
    'dropoutlayer': _LAYER.format("('dropout', 0.5)"),
    'inputlayer': "the first entry of the list is the size of the input: [3, ('lstm', 10), 1]",
    'slicelayer': _LAYER.format("'last'"),
    'concatlayer': _LAYER.format("dict(form='concatenate', inputs=('hid1', 'hid2'))"),
    'elemwisesumlayer': _LAYER.format("dict(form='sum', inputs=('hid1', 'hid2'))"),
    'getoutput': OUTPUTS,
    'getallparams': PARAMS,
    'getallparamvalues': VALUES,
    'setallparamvalues': SET,
    **dict.fromkeys(('tensor', 'fromnumpy', 'asarray'), 'pass NumPy arrays'),
    'wandbcallback': 'any function of a training is a callback: it is called after each epoch',
    'repeatvector': _LAYER.format("('repeat', 10)"),
    'bidirectional': _LAYER.format("dict(form='bidirectional', worker='lstm', size=20)"),
    'timedistributed': 'a dense layer acts at each time step by itself: write its size alone',
    'masking': 'make the network with masked=True, and pass lists of sequences',
    'activation': _LAYER.format("(10, 'tanh')"),
    'batchnormalization': _LAYER.format("'layernorm'"),
    'layernormalization': _LAYER.format("'layernorm'"),
    'normalization': _LAYER.format("'standardize', after the input"),
    'standardscaler': _LAYER.format("'standardize', after the input"),
    **by_name(
        _RULE,
        {
            'sgd': 'sgd momentum',
            'nag': 'nag nesterov',
            'adam': 'adam optimizer optim rule',
            'adamw': 'adamw',
            'rmsprop': 'rmsprop',
            'adagrad': 'adagrad',
            'adadelta': 'adadelta',
            'nadam': 'nadam',
            'lion': 'lion',
            'lbfgs': 'lbfgs',
        },
    ),
    **by_name(
        _LOSS,
        {
            'mse': 'mse mseloss meansquarederror mean_squared_error squared_error',
            'mae': 'mae l1loss meanabsoluteerror mean_absolute_error',
            'huber': 'huber huberloss smoothl1loss',
            'xe': 'crossentropyloss nllloss categoricalcrossentropy sparsecategoricalcrossentropy '
            'categorical_crossentropy',
            'bce': 'bce bceloss bcewithlogitsloss binarycrossentropy binary_crossentropy',
            'poisson': 'poissonnllloss',
        },
    ),
    **by_name(
        _CALLBACK,
        {
            'EarlyStop(...)': 'earlystopping earlystopper earlystop',
            "Checkpoint(path), or net.train(..., checkpoint='net.rnn')": 'modelcheckpoint '
            'checkpoint',
            'CSV(path)': 'csvlogger csv',
            'Progress()': 'progbarlogger progressbar tqdmcallback progbar printlog',
            'TensorBoard(folder)': 'tensorboard summarywriter',
            'Callback, a base class': 'callback lambdacallback',
        },
    ),
    'history': 'net.history is the record of all trainings',
    'mlflow': 'write rnnkit.integrations.mlflow.MLflow(), as callbacks',
    'mlflowcallback': 'write rnnkit.integrations.mlflow.MLflow(), as callbacks',
    'terminateonnan': 'a training ends by itself when the loss is not finite',
    **by_name(
        _SCHEDULE,
        {
            'Plateau(0.1)': 'reducelronplateau plateau',
            'Exponential(0.1, 0.5, every=1000)': 'exponentiallr exponentialdecay exponential',
            'Step(0.1, every=1000)': 'steplr multisteplr step piecewiseconstantdecay',
            'Cosine(0.1, 1000)': 'cosineannealinglr cosinedecay cosine cosineannealingwarmrestarts '
            'cosinedecayrestarts cycliclr',
            'WarmUp(100, rnnkit.schedules.Cosine(0.1, 1000))': 'onecyclelr onecycle onecyclepolicy '
            'getcosineschedulewithwarmup getlinearschedulewithwarmup',
            'WarmUp(100, 0.1)': 'linearlr warmup',
        },
    ),
    **dict.fromkeys(
        (
            'learningratescheduler',
            'lambdalr',
            'polynomiallr',
            'polynomialdecay',
            'inversetimedecay',
            'sequentiallr',
            'multiplicativelr',
        ),
        'pass any function of the number of updates as learning_rate',
    ),
    **dict.fromkeys(('load_model', 'load_params'), _LOAD),
    'load_weights': 'write net.load_weights(path)',
    'load_state_dict': 'write rnnkit.from_torch(state_dict, layers)',
    **dict.fromkeys(('from_pytorch', 'from_pt', 'from_state_dict', 'load_torch'), _TORCH),
    **dict.fromkeys(
        ('load_keras', 'from_h5', 'from_tensorflow', 'from_tf'), 'write rnnkit.from_keras(path)'
    ),
    **dict.fromkeys(('load_onnx', 'read_onnx', 'import_onnx'), 'write rnnkit.from_onnx(path)'),
    'save_model': 'write net.save(path)',
    'save': 'write net.save(path)',
    'train': 'write net.train([x, y])',
    'fit': 'write net.train([x, y])',
    'seed': 'a network has a seed of its own: rnnkit.Regressor(layers, seed=13)',
    'set_seed': 'a network has a seed of its own: rnnkit.Regressor(layers, seed=13)',
    'manual_seed': 'a network has a seed of its own: rnnkit.Regressor(layers, seed=13)',
    'init': 'write rnnkit.initializers',
    'optim': 'write rnnkit.optimizers',
    'updates': 'write rnnkit.optimizers',
    'objectives': 'write rnnkit.losses',
    'nonlinearities': 'write rnnkit.activations',
    'mlpregressor': 'write rnnkit.Regressor([3, 10, 1])',
    'mlpclassifier': 'write rnnkit.Classifier([3, 10, 2])',
    'tokenizer': _TEXT,
    'stringlookup': _TEXT,
    'textvectorization': _TEXT,
    'pad_sequence': 'write rnnkit.recurrent.pad, or pass lists of sequences',
    **dict.fromkeys(
        ('timeseries_dataset_from_array', 'timeseriesgenerator', 'timeseriesdataset'),
        'write rnnkit.windows.of(series, past, future)',
    ),
    'pad_sequences': 'write rnnkit.recurrent.pad, or pass lists of sequences',
    'pack_padded_sequence': 'write rnnkit.recurrent.pad, or pass lists of sequences',
    'dataloader': 'pass arrays to net.train(), or a callable that returns a batch',
    'dataset': 'pass arrays to net.train(), or a callable that returns a batch',
    'no_grad': 'predict() computes no gradients',
}


_NOISE = 'noise is an option of train(): input_noise=0.1, hidden_noise=0.1'
_OWN = 'write a class derived from rnnkit.Layer, and register it with @rnnkit.layers.add'
_POOL = "'mean' and 'max' pool over all time steps; for some at a time, 'conv1' has a stride"

# Of a layer, in lower case, without underscores; those of a module count, too.
LAYERS = {
    **dict.fromkeys(('noise', 'gaussiannoise'), _NOISE),
    **dict.fromkeys(('lambda', 'permute', 'multiheadattention', 'transformer'), _OWN),
    **dict.fromkeys(
        (
            'pool',
            'pooling',
            'poollayer',
            'pool1dlayer',
            'maxpool1d',
            'maxpool1dlayer',
            'maxpooling1d',
            'avgpool1d',
            'averagepooling1d',
        ),
        _POOL,
    ),
    **dict.fromkeys(('residual', 'skip'), "write dict(form='sum', inputs=('hid1', 'hid2'))"),
    **dict.fromkeys(('bi', 'bilstm', 'birnn', 'bigru'), NAMES['bidirectional']),
    **dict.fromkeys(('embed', 'lookup', 'embeddings'), NAMES['embedding']),
    **dict.fromkeys(('spatialdropout1d', 'gaussiandropout', 'alphadropout'), NAMES['dropout']),
}


def of_module(module: str) -> Callable[[str], object]:
    """Return a ``__getattr__`` for a module, which says what there is instead of a name."""

    def missing(name: str) -> object:
        message = f'module {module!r} has no attribute {name!r}'
        if not name.startswith('_'):
            there = vars(sys.modules[module])
            own = foreign_members.OF_MODULES.get(module, {})
            table = {**NAMES, **old_words.NAMES, **own}
            message += _instead(name, table, there.get('__all__', there))
        raise attribute_error(message, name)

    return missing


def of_layer(form: str) -> str | None:
    """Return what there is instead of a layer of another library, if that is known."""
    name = plain(form.rpartition('.')[2])  # of 'torch.nn.LSTM', the last part
    return LAYERS.get(name) or NAMES.get(name)


def of_call(kind: type, classifies: bool) -> str:
    """Return the message about a network that is called with arrays, as PyTorch's and Keras's."""
    more = ', or net.predict_proba(x) for probabilities' if classifies else ''
    return (
        f'a {kind.__name__} is called with PyTensor variables, to be a part of a graph; for arrays '
        f'write net.predict(x){more}'
    )


def of_network(kind: type, name: str, names: Iterable[str]) -> str:
    """Return the message about an attribute that a network does not have."""
    return f'{kind.__name__} has no attribute {name!r}{_instead(name, ATTRIBUTES, names)}'


def of_forecaster(name: str, names: Iterable[str]) -> str:
    """Return the message about an attribute that a `rnnkit.Forecaster` does not have."""
    return f'Forecaster has no attribute {name!r}{_instead(name, OF_FORECASTERS, names)}'


def _instead(name: str, table: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the end of a message: what to write, if that is known."""
    instead = {**{plain(key): text for key, text in table.items()}, **table}
    for spelling in (name, name.lower(), plain(name)):
        if spelling in instead:
            return f'; {instead[spelling]}'
    near = nearest(name, sorted(n for n in names if not n.startswith('_')))
    return '' if near is None else f'; did you mean {near!r}?'
