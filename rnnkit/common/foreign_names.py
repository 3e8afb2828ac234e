"""Attributes, classes and functions of other libraries, and what there is in rnnkit instead.

They only make hints, when an attribute of a network or of a module does not exist.
"""

import sys
from collections.abc import Callable, Iterable, Mapping

from rnnkit.common import old_words
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
    'transform': 'net.feed_forward(x) returns the outputs of all layers',
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
    **dict.fromkeys(('state_dict', 'get_weights', 'get_param_values', 'get_values'), _VALUES),
    **dict.fromkeys(
        ('load_state_dict', 'set_weights', 'set_params', 'set_param_values', 'set_value'), _SET
    ),
    **dict.fromkeys(('save_weights', 'save_params', 'load_weights', 'load_params'), _FILE),
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
_TEXT = 'rnnkit.recurrent.Text turns text into labels'

# Of a module, in lower case.
NAMES = {
    **dict.fromkeys(('sequential', 'model', 'module', 'functional', 'nn', 'models'), _NETWORK),
    **{
        name: _LAYER.format(f"('{form}', 10)")
        for form, names in {
            'rnn': 'rnn simplernn rnnlayer recurrentlayer',
            'lstm': 'lstm lstmlayer lstmcell cudnnlstm',
            'gru': 'gru grulayer grucell',
            'conv1': 'conv1d conv1dlayer convolution1d',
            'embedding': 'embedding embeddinglayer',
        }.items()
        for name in names.split()
    },
    **dict.fromkeys(('dense', 'linear', 'denselayer', 'fullyconnected'), _LAYER.format('10')),
    'dropout': _LAYER.format("('dropout', 0.5)"),
    'droplayer': _LAYER.format("('dropout', 0.5)"),
    'repeatvector': _LAYER.format("('repeat', 10)"),
    'bidirectional': _LAYER.format("dict(form='bidirectional', worker='lstm', size=20)"),
    'timedistributed': 'a dense layer acts at each time step by itself: write its size alone',
    'masking': 'make the network with masked=True, and pass lists of sequences',
    'activation': _LAYER.format("(10, 'tanh')"),
    'batchnormalization': _LAYER.format("'layernorm'"),
    'layernormalization': _LAYER.format("'layernorm'"),
    **{
        name: _RULE.format(rule)
        for rule, names in {
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
        }.items()
        for name in names.split()
    },
    **{
        name: _LOSS.format(loss)
        for loss, names in {
            'mse': 'mse mseloss meansquarederror mean_squared_error squared_error',
            'mae': 'mae l1loss meanabsoluteerror mean_absolute_error',
            'huber': 'huber huberloss smoothl1loss',
            'xe': 'crossentropyloss nllloss categoricalcrossentropy sparsecategoricalcrossentropy '
            'categorical_crossentropy',
            'bce': 'bce bceloss bcewithlogitsloss binarycrossentropy binary_crossentropy',
            'poisson': 'poissonnllloss',
        }.items()
        for name in names.split()
    },
    **{
        name: _CALLBACK.format(ours)
        for ours, names in {
            'EarlyStop(...)': 'earlystopping earlystopper earlystop',
            "Checkpoint(path), or net.train(..., checkpoint='net.rnn')": 'modelcheckpoint '
            'checkpoint',
            'CSV(path)': 'csvlogger csv',
            'Progress()': 'progbarlogger progressbar tqdmcallback progbar printlog',
            'Callback, a base class': 'callback lambdacallback',
        }.items()
        for name in names.split()
    },
    'history': 'net.history is the record of all trainings',
    'tensorboard': 'net.history has the numbers of each epoch, and history.plot() draws them',
    'terminateonnan': 'a training ends by itself when the loss is not finite',
    **{
        name: _SCHEDULE.format(ours)
        for ours, names in {
            'Plateau(0.1)': 'reducelronplateau plateau',
            'Exponential(0.1, 0.5, every=1000)': 'exponentiallr exponentialdecay exponential',
            'Step(0.1, every=1000)': 'steplr multisteplr step piecewiseconstantdecay',
            'Cosine(0.1, 1000)': 'cosineannealinglr cosinedecay cosine',
            'WarmUp(100, 0.1)': 'linearlr warmup',
        }.items()
        for name in names.split()
    },
    'learningratescheduler': 'pass any function of the number of updates as learning_rate',
    'lambdalr': 'pass any function of the number of updates as learning_rate',
    'load_model': 'write rnnkit.load(path)',
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
_POOL = "pooling is not here; 'conv1' has a stride, and 'last' takes the last step"

# Of a layer, in lower case, without underscores; those of a module count, too.
LAYERS = {
    **dict.fromkeys(('noise', 'gaussiannoise'), _NOISE),
    **dict.fromkeys(('lambda', 'permute', 'attention', 'multiheadattention', 'transformer'), _OWN),
    **dict.fromkeys(
        (
            'pool',
            'pooling',
            'maxpool',
            'maxpool1d',
            'maxpooling1d',
            'avgpool1d',
            'averagepooling1d',
            'globalaveragepooling1d',
            'globalmaxpooling1d',
        ),
        _POOL,
    ),
    **dict.fromkeys(('residual', 'skip'), "write dict(form='sum', inputs=('hid1', 'hid2'))"),
    **dict.fromkeys(('bi', 'bilstm', 'birnn', 'bigru'), NAMES['bidirectional']),
    **dict.fromkeys(('embed', 'lookup', 'embeddings'), NAMES['embedding']),
    **dict.fromkeys(('spatialdropout1d', 'gaussiandropout', 'alphadropout'), NAMES['dropout']),
}


_METRIC = 'write rnnkit.metrics.{}'
_COUNTS = 'rnnkit.metrics.confusion returns the counts that it is computed from'

# Of the module of metrics, in lower case.
METRICS = {
    **{
        name: _METRIC.format(ours)
        for ours, names in {
            'accuracy': 'accuracy_score acc categorical_accuracy sparse_categorical_accuracy '
            'categoricalaccuracy sparsecategoricalaccuracy',
            'binary_accuracy': 'binaryaccuracy',
            'confusion': 'confusion_matrix confusionmatrix multilabel_confusion_matrix',
            'f1': 'f1_score f1score fbeta_score',
            'r2': 'r2_score r2score',
            'mse': 'mean_squared_error meansquarederror mseloss',
            'mae': 'mean_absolute_error meanabsoluteerror l1loss',
            'rmse': 'root_mean_squared_error rootmeansquarederror',
            'cross_entropy': 'xe nll ce categorical_crossentropy categoricalcrossentropy '
            'sparse_categorical_crossentropy sparsecategoricalcrossentropy crossentropyloss '
            'nllloss',
        }.items()
        for name in names.split()
    },
    **dict.fromkeys(
        (
            'precision',
            'precision_score',
            'recall',
            'recall_score',
            'balanced_accuracy_score',
            'classification_report',
            'matthews_corrcoef',
            'cohen_kappa_score',
        ),
        _COUNTS,
    ),
}


def of_module(module: str) -> Callable[[str], object]:
    """Return a ``__getattr__`` for a module, which says what there is instead of a name."""

    def missing(name: str) -> object:
        message = f'module {module!r} has no attribute {name!r}'
        if not name.startswith('_'):
            there = vars(sys.modules[module])
            own = METRICS if module == 'rnnkit.metrics' else {}
            table = {**NAMES, **old_words.NAMES, **own}
            message += _instead(name, table, there.get('__all__', there))
        raise AttributeError(message)

    return missing


def of_layer(form: str) -> str | None:
    """Return what there is instead of a layer of another library, if that is known."""
    return LAYERS.get(plain(form)) or NAMES.get(plain(form))


def of_network(kind: type, name: str, names: Iterable[str]) -> str:
    """Return the message about an attribute that a network does not have."""
    return f'{kind.__name__} has no attribute {name!r}{_instead(name, ATTRIBUTES, names)}'


def _instead(name: str, table: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the end of a message: what to write, if that is known."""
    if name in table or name.lower() in table:
        return f'; {table.get(name) or table[name.lower()]}'
    near = nearest(name, sorted(n for n in names if not n.startswith('_')))
    return '' if near is None else f'; did you mean {near!r}?'
