"""Attributes, classes and functions of other libraries, and what there is in rnnkit instead.

They only make hints, when an attribute of a network or of a module does not exist.
"""

import sys
from collections.abc import Callable, Iterable, Mapping

from rnnkit.common import foreign_members, old_words
from rnnkit.common.foreign_members import by_name
from rnnkit.common.spelling import nearest, plain

_PARAMS = 'net.params is the list of parameters, net.find(layer, name) is one of them'
_VALUES = '{p.name: p.get_value() for p in net.params} are the values, net.save(path) writes them'
_SET = "net.set('hid1', 'xh', array) changes a parameter, rnnkit.load(path) reads a network"
_FILE = 'net.save(path) writes a network, rnnkit.load(path) reads it'
_TRAIN = 'write net.train([x, y])'
_PREDICT = 'write net.predict(x)'
_NO_STATE = 'a network keeps no state between calls; pass state= to predict() and step()'
_MODE = 'there are no modes; dropout and noise are active in train() alone'
_GRADIENTS = 'train() computes gradients and updates; itertrain() yields after each epoch'
_OUTPUTS = 'net.feed_forward(x) returns the outputs of all layers'
_OPTION = 'it is an option of a training: net.train([x, y], epochs=10)'
_CPU = 'rnnkit is made for CPUs'
_LAYERS = "write the layers as a list: rnnkit.Regressor([3, ('lstm', 10), 1])"
_SPEC = 'net.to_spec() returns a dict, rnnkit.from_spec(spec) builds a network from it'

# Of a network.
ATTRIBUTES = {
    **dict.fromkeys(('fit', 'fit_generator', 'partial_fit', 'train_on_batch', 'learn'), _TRAIN),
    'train_step': _GRADIENTS,
    'training_step': _GRADIENTS,
    'zero_grad': _GRADIENTS,
    'backward': _GRADIENTS,
    'compile': "there is nothing to compile; write net.train([x, y], algo='adam'), and the loss "
    "with the layers: rnnkit.Regressor(layers, loss='mae')",
    'optimizer': "the update rule is an option of a training: net.train([x, y], algo='adam')",
    **dict.fromkeys(('forward', 'call', 'apply', 'predict_on_batch', 'predict_classes'), _PREDICT),
    'predict_proba': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    'predict_log_proba': 'a classifier has predict_logit(x), its logits',
    'predict_logit': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    'classify': 'it is for rnnkit.Classifier; predict() returns the outputs of this network',
    **dict.fromkeys(('transform', 'fit_transform'), _OUTPUTS),
    'fit_predict': 'write net.train([x, y]), and then net.predict(x)',
    **dict.fromkeys(('decision_function', 'score_samples'), 'a classifier has predict_proba(x)'),
    **dict.fromkeys(('evaluate_generator', 'test', 'validate'), 'write net.evaluate(x, y)'),
    **dict.fromkeys(('predict_generator', 'infer', 'inference', 'run'), _PREDICT),
    **dict.fromkeys(('trainable', 'requires_grad_'), "write net.freeze('hid1')"),
    **dict.fromkeys(('learning_rate', 'lr', 'epochs', 'batch_size'), _OPTION),
    **dict.fromkeys(('loss_', 'best_loss_', 'n_iter_'), "write net.history['loss']"),
    'metrics': "monitors are an option of a training: net.train([x, y], monitors='r2')",
    'encode': 'it is for rnnkit.Autoencoder; net.feed_forward(x) returns the outputs of all layers',
    'decode': 'it is for rnnkit.Autoencoder',
    'generate': 'it is for rnnkit.Regressor and rnnkit.Classifier',
    'sample': 'net.generate(seed, steps) continues a sequence',
    **dict.fromkeys(
        (
            'parameters',
            'named_parameters',
            'get_params',
            'get_all_params',
            'trainable_weights',
            'trainable_variables',
            'weights',
            'variables',
            'coefs_',
        ),
        _PARAMS,
    ),
    **dict.fromkeys(('get_param_values', 'get_values'), _VALUES),
    'state_dict': 'net.to_torch() is one for PyTorch; net.save(path) writes a network',
    'get_weights': 'net.to_keras() is the list for Keras; net.save(path) writes a network',
    'load_state_dict': 'rnnkit.from_torch(state_dict, layers) builds a network from it; '
    'net.load_weights(source) takes over parameters of another network',
    'set_weights': 'rnnkit.from_keras(weights, layers) builds a network from those of Keras; '
    'net.load_weights(source) takes over parameters of another network',
    **dict.fromkeys(
        ('export', 'save_onnx', 'to_tflite', 'to_torchscript'),
        'net.to_onnx(path) writes an ONNX file, and net.to_c(folder) C',
    ),
    **dict.fromkeys(('set_params', 'set_param_values', 'set_value'), _SET),
    **dict.fromkeys(('save_weights', 'save_params', 'save_model', 'load_model'), _FILE),
    'load_params': 'net.load_weights(source) takes over parameters of a file or another network',
    'eval': _MODE,
    'training': _MODE,
    **dict.fromkeys(('to', 'cuda', 'cpu', 'device'), _CPU),
    **dict.fromkeys(('half', 'float', 'double'), "write dtype='float64' when it is made"),
    **dict.fromkeys(('reset_states', 'reset_state', 'init_hidden', 'hidden'), _NO_STATE),
    'get_layer': 'net.layers is the list of layers, net.find(layer, name) is a parameter',
    'modules': 'net.layers is the list of layers',
    'children': 'net.layers is the list of layers',
    'add': _LAYERS,
    'pop': _LAYERS,
    'get_config': _SPEC,
    'from_config': _SPEC,
    'to_json': _SPEC,
    'get_spec': _SPEC,
    'count_params': 'write net.num_params',
    'n_params': 'write net.num_params',
    'size': 'net.num_params is the number of parameters',
    'history_': 'write net.history',
    'loss_curve_': "write net.history['loss']",
    'callbacks': 'callbacks are an option of a training: net.train([x, y], callbacks=...)',
    'n_layers': 'write len(net.layers)',
    'output_shape': 'net.summary() shows the sizes of the outputs',
    'input_shape': 'net.summary() shows the sizes of the outputs',
    'monitors': "monitors are an option of a training: net.train([x, y], monitors='r2')",
}

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
    'getoutput': _OUTPUTS,
    'getallparams': _PARAMS,
    'getallparamvalues': _VALUES,
    'setallparamvalues': _SET,
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
            'Callback, a base class': 'callback lambdacallback',
        },
    ),
    'history': 'net.history is the record of all trainings',
    'tensorboard': 'net.history has the numbers of each epoch, and history.plot() draws them',
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
    **dict.fromkeys(('lambda', 'permute', 'attention', 'multiheadattention', 'transformer'), _OWN),
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
        raise AttributeError(message)

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


def _instead(name: str, table: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the end of a message: what to write, if that is known."""
    instead = {**{plain(key): text for key, text in table.items()}, **table}
    for spelling in (name, name.lower(), plain(name)):
        if spelling in instead:
            return f'; {instead[spelling]}'
    near = nearest(name, sorted(n for n in names if not n.startswith('_')))
    return '' if near is None else f'; did you mean {near!r}?'
