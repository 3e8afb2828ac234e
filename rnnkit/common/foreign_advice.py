"""Advice for keywords of other libraries, where the call has no such keyword.

It only makes hints in error messages. Keywords that have another name here are in
`foreign_keywords`.
"""

from collections.abc import Iterable, Mapping

_LAST = "a recurrent layer returns every step; for the last one alone, put 'last' after it: "
_LAST += "[3, ('lstm', 10), 'last', 1]"
_INPUT = "the first entry of the list is the number of input features: [3, ('lstm', 10), 1]"
_START = "write the initial value under the parameter's name: w='glorot' of a dense layer, "
_START += "xh='glorot', hh='orthogonal', b=0 of a recurrent one"
_PENALTY = 'penalties are options of train(): weight_l2=1e-4'
_WEIGHTS = 'make the network with weighted=True, and pass the weights with the data: '
_SHUFFLE = 'arrays are shuffled before each epoch; batches of a callable are used as they come'
_SPLIT = 'hold out a share of the data: train([x, y], valid=0.2)'
_STRATIFY = {
    'train': 'hold out a share of each class yourself, such as by train_test_split of scikit-learn '
    'with stratify=labels, and pass it as valid=[x_valid, y_valid]'
}
_FREQUENCY = {
    'horizon': 'the time stamps of the series say it; season= is the number of steps of a season'
}
_LAYER = "put a layer after the input: [3, 'standardize', ('lstm', 10), 1]"
_SCALE = {'train': _LAYER, 'layers': _LAYER}
_PROGRESS = 'progress=False prints nothing, progress=True, the default, a line for each epoch'
_MASKED = 'make the network with masked=True, and pass lists of sequences, or a mask with the data'

_DECAYS = 'pass a schedule as learning_rate, such as rnnkit.schedules.Exponential(0.1, 0.5, '
_DECAYS += 'every=1000)'
_BETAS = 'beta1_halflife=6.58 is a beta of 0.9, beta2_halflife=692.8 one of 0.999: the number of '
_BETAS += 'updates is log(0.5) / log(beta)'
_FORM = "a layer is chosen by its form: ('lstm', 10), or dict(form='lstm', size=10)"
_BOTH_WAYS = "write dict(form='bidirectional', worker='lstm', size=20)"
_DROPOUT = "it is an option of train(), hidden_dropout=0.1, or a layer of its own: ('dropout', 0.1)"
_ENTRIES = {'layers': "each layer is an entry of the list, with its size: [3, ('lstm', 10), 1]"}
_STEPS = {'layers': 'leave it out; sequences may have any length'}
_PATIENCE = 'patience= ends the training when the validation loss stops falling'
_WARM_UP = {'train': 'pass a schedule as learning_rate, such as rnnkit.schedules.WarmUp(100, 0.1)'}
_CPU = 'rnnkit is made for CPUs; there is no such option'
_NO_CODE = 'leave it out; loading runs no code from the file'
_ONE_LIST = {'train': 'pass the arrays as one list: [x, y]'}
_NOISE = 'it is an option of train(): input_noise=0.1, hidden_noise=0.1'

# By an option that the call has; '' is for all other calls.
_LINES = {'progress': _PROGRESS, '': 'progress= is an option of train()'}
_WEIGHTS_OF_EACH = {
    'weights': 'write weights=, an array in the shape of y',
    '': f'{_WEIGHTS}[x, y, weights]',
}
_WEIGHTS_OF_CLASSES = {
    'class_weight': "write class_weight='balanced', or a dict by class: class_weight={'yes': 5}",
    'weights': 'write weights=class_weights[y]',
    '': 'class_weight= is an option of train()',
}
_SMOOTHING = {'': "it is an option of the loss: loss=dict(form='xe', smoothing=0.1)"}
_LONGEST = {
    'mask_dtype': 'cut the sequences before: [one[:n] for one in sequences]; steps= is the least '
    'length'
}
_AT_END = {'mask_dtype': 'sequences are padded at the end'}
_ZEROS = {'mask_dtype': 'the padding is 0; the mask that is returned says where it is'}

_BATCH_FIRST = {
    'layout': "write layout='batch'",
    '': "it is an option of networks: rnnkit.Regressor(layers, layout='batch')",
}
_ONLY = {'only': "only='hid*' takes over a part, and strict=False what both networks have"}
_BY_NAME = {'only': 'leave it out; parameters are taken over by their names'}
_NAMES = {
    'opset': 'inputs and outputs have the names of their layers: '
    "dict(form='input', size=3, name='x')"
}
_FREE = {'opset': 'leave it out; the numbers of time steps and of examples are free'}
_AMSGRAD = {'algo': "write algo='amsgrad'", '': "algo='amsgrad' is an option of train()"}
_RHO = {'rms_halflife': 'write rms_halflife=rnnkit.optimizers.halflife(0.9)'}
_MASK = {
    'masked': 'write masked=True, and pass the mask with the data: [x, y, mask]',
    'train': 'make the network with masked=True, and pass the mask with the data: [x, y, mask]',
}
_AXIS = {'x': 'activations take each element by itself, and softmax the last axis'}
_CLASSES = {
    'layers': 'the last entry of the list is the number of classes: '
    "rnnkit.Classifier([3, ('lstm', 10), 5])"
}

# What to do instead, where no keyword of rnnkit means the same.
EXPLAINED: dict[str, str | Mapping[str, str]] = {
    'return_sequences': _LAST,
    'only_return_final': _LAST,
    **dict.fromkeys(
        (
            'hidden_size',
            'hidden_dim',
            'hidden_units',
            'n_hidden',
            'num_hidden',
            'units',
            'num_units',
            'output_size',
            'output_dim',
        ),
        _ENTRIES,
    ),
    'batch_first': _BATCH_FIRST,
    'time_major': {'layout': "layout='time' is the default", '': _BATCH_FIRST['']},
    **dict.fromkeys(('num_classes', 'n_classes'), _CLASSES),
    **dict.fromkeys(
        ('seq_len', 'seq_length', 'sequence_length', 'timesteps', 'n_timesteps', 'lookback'),
        _STEPS,
    ),
    'return_state': 'predict(x, return_state=True) returns the states',
    'num_layers': "each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), 1]",
    'n_layers': "each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), 1]",
    **dict.fromkeys(
        (
            'type',
            'layer_type',
            'rnn_type',
            'cell',
            'cell_type',
            'class_name',
            'kind',
            'model',
            'rnn',
        ),
        _FORM,
    ),
    'layer': {'layers': "did you mean 'layers'?", '': _FORM},
    **dict.fromkeys(('bidirectional', 'forward_layer', 'backward_layer'), _BOTH_WAYS),
    'merge_mode': f"{_BOTH_WAYS[:-1]}, merge='sum')",
    'reset_after': {
        'reset': "write reset='after', the default, or reset='before'",
        '': "reset= is an option of the layer 'gru'",
    },
    **dict.fromkeys(('unroll', 'implementation'), 'leave it out; it would change no number'),
    'input_length': 'leave it out; sequences may have any length',
    'dropout': _DROPOUT,
    'noise': _NOISE,
    **dict.fromkeys(
        (
            'input_shape',
            'input_size',
            'input_dim',
            'in_features',
            'in_channels',
            'num_inputs',
            'batch_input_shape',
            'vocab_size',
            'num_embeddings',
        ),
        _INPUT,
    ),
    **dict.fromkeys(
        (
            'kernel_initializer',
            'recurrent_initializer',
            'bias_initializer',
            'embeddings_initializer',
            'weight_init',
            'initializer',
            'init',
            'W',
        ),
        _START,
    ),
    **dict.fromkeys(
        (
            'kernel_regularizer',
            'recurrent_regularizer',
            'bias_regularizer',
            'activity_regularizer',
            'regularizer',
            'regularization',
            'penalty',
        ),
        _PENALTY,
    ),
    'use_bias': 'every layer has a bias; it cannot be left out',
    'bias': 'every layer has a bias; it cannot be left out',
    'mask_zero': _MASKED,
    'mask_input': _MASKED,
    'masking': _MASKED,
    'shuffle': {'epochs': _SHUFFLE, '': 'only train() shuffles'},
    **dict.fromkeys(
        (
            'validation_split',
            'validation_fraction',
            'valid_split',
            'val_split',
            'eval_size',
            'test_size',
            'holdout',
        ),
        _SPLIT,
    ),
    'stratify': _STRATIFY,
    'freq': _FREQUENCY,
    **dict.fromkeys(('standardize', 'normalize', 'scaler', 'scale'), _SCALE),
    **dict.fromkeys(('sample_weight', 'sample_weights'), _WEIGHTS_OF_EACH),
    **dict.fromkeys(('class_weight', 'class_weights'), _WEIGHTS_OF_CLASSES),
    **dict.fromkeys(('verbosity', 'log_every', 'log_interval', 'print_every'), _LINES),
    **dict.fromkeys(('label_smoothing', 'label_smooth', 'smoothing'), _SMOOTHING),
    **dict.fromkeys(('betas', 'beta_1', 'beta_2', 'beta1', 'beta2'), _BETAS),
    **dict.fromkeys(
        ('decay', 'lr_decay', 'learning_rate_decay', 'learning_rate_schedule', 'lr_schedule'),
        _DECAYS,
    ),
    **dict.fromkeys(('maxlen', 'max_length', 'truncating', 'truncation'), _LONGEST),
    **dict.fromkeys(('padding', 'padding_side'), _AT_END),
    **dict.fromkeys(('value', 'padding_value', 'fill_value'), _ZEROS),
    **dict.fromkeys(('early_stopping', 'early_stop'), _PATIENCE),
    **dict.fromkeys(('skip_mismatch', 'exclude'), _ONLY),
    'by_name': _BY_NAME,
    'opset_version': {'opset': 'write opset='},
    **dict.fromkeys(('input_names', 'output_names'), _NAMES),
    **dict.fromkeys(('dynamic_axes', 'dynamic_shapes'), _FREE),
    'amsgrad': _AMSGRAD,
    'rho': _RHO,
    **dict.fromkeys(('warmup', 'warmup_steps', 'warmup_epochs'), _WARM_UP),
    'loss_weights': 'net.add_loss(loss, weight=0.5) adds a loss with its weight',
    'mask': _MASK,
    'alpha': {'x': "'leaky-relu' and 'prelu' are activations that learn their slope"},
    **dict.fromkeys(('axis', 'dim'), _AXIS),
    'weights': {'train': f'{_WEIGHTS}[x, y, weights]'},
    'custom_objects': 'parts of your own are found by the names under which they are registered',
    'save_format': 'a network is written as a safetensors file',
    'overwrite': 'an existing file is replaced',
    'include_optimizer': "train(checkpoint='training.rnn') writes the state of the rule, too",
    **dict.fromkeys(('weights_only', 'allow_pickle', 'compile'), _NO_CODE),
    'initial_epoch': 'resume= goes on from a checkpoint',
    'warm_start': 'each training goes on from the parameters that the network has',
    'lr_scheduler': 'pass a schedule as learning_rate, such as rnnkit.schedules.Cosine(0.1, 1000)',
    'scheduler': 'pass a schedule as learning_rate, such as rnnkit.schedules.Cosine(0.1, 1000)',
    **dict.fromkeys(('device', 'use_cuda', 'map_location'), _CPU),
    **dict.fromkeys(
        ('workers', 'num_workers', 'n_jobs', 'use_multiprocessing', 'max_queue_size'),
        'rnnkit.set_threads(n) sets the number of threads',
    ),
    **dict.fromkeys(('x', 'y', 'X', 'target', 'targets', 'labels', 'inputs', 'data'), _ONE_LIST),
    **dict.fromkeys(('x_train', 'y_train', 'X_train', 'x_valid', 'y_valid'), _ONE_LIST),
}


def advice(word: str, known: Iterable[str]) -> str | None:
    """Return what to do instead of a keyword in a call that knows others, or None."""
    found = EXPLAINED.get(word)
    if found is None or isinstance(found, str):
        return found
    return next((text for option, text in found.items() if option in known), found.get(''))


# The calls that have a keyword, for where it is given to another one.
_OF_TRAIN = (
    'algo epochs batch_size bucket carry_state bptt_steps train_batches valid_batches valid '
    'validate_every learning_rate max_gradient_norm max_gradient_elem nesterov monitors '
    'checkpoint save_every resume callbacks progress verbose max_norm weight_l1 weight_l2 '
    'weight_decay input_dropout hidden_dropout output_dropout input_noise hidden_noise output_noise'
)
OWNERS = {
    **dict.fromkeys(_OF_TRAIN.split(), 'train()'),
    **dict.fromkeys(('patience', 'min_improvement', 'restore_best'), 'train()'),
    **dict.fromkeys(('loss', 'weighted', 'masked', 'layout', 'dtype', 'kernel'), 'networks'),
    'scale_targets': 'networks',
    **dict.fromkeys(('filter_size', 'stride', 'border_mode'), "the layer 'conv1'"),
    **dict.fromkeys(('h_0', 'direction', 'bptt_limit'), 'recurrent layers'),
    'reset': "the layer 'gru'",
    'classes': 'Classifier()',
    'class_weight': 'train()',
    **dict.fromkeys(('peepholes', 'coupled'), "the layer 'lstm'"),
    **dict.fromkeys(('worker', 'merge'), "the layer 'bidirectional'"),
    'partner': "the layer 'tied'",
    'size': 'layers',
}

# What a call without its first argument needs.
MISSING = {
    'train': 'it trains, and expects data: net.train([x, y])',
    'itertrain': 'it trains, and expects data: net.itertrain([x, y])',
    'Regressor': "it expects a list of layers: rnnkit.Regressor([3, ('lstm', 10), 1])",
    'Classifier': "it expects a list of layers: rnnkit.Classifier([3, ('lstm', 10), 2])",
    **{
        name: f'it is called by layers; write its name: dict(size=10, w={name!r})'
        for name in [
            'glorot',
            'glorot_normal',
            'he_uniform',
            'he_normal',
            'lecun_uniform',
            'lecun_normal',
            'orthogonal',
            'identity',
            'diagonal',
            'zeros',
            'normal',
            'uniform',
        ]
    },
    **{
        name: f'it is called by layers; write its name: (10, {name!r})'
        for name in [
            'linear',
            'sigmoid',
            'hard_sigmoid',
            'tanh',
            'softsign',
            'relu',
            'softplus',
            'elu',
            'selu',
        ]
    },
    **dict.fromkeys(('weight_l1', 'weight_l2', 'hidden_l1'), _PENALTY),
}
