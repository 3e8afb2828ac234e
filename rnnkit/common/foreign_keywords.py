"""Keywords and names of other libraries, such as Keras, and those of rnnkit for the same thing.

They only make hints in error messages: ``did you mean 'size'?``. Those of theanets are in
`old_words`; most of them still do what they did, and warn. Attributes and classes of other
libraries are in `foreign_names`.
"""

# The words of rnnkit with the same meaning, where the call knows one of them.
FOREIGN_KEYWORDS: dict[str, tuple[str, ...]] = {
    # layers
    **dict.fromkeys(
        (
            'units',
            'hidden_size',
            'num_units',
            'n_units',
            'output_size',
            'output_dim',
            'out_features',
            'out_channels',
            'filters',
            'num_filters',
            'hidden_dim',
            'hidden_units',
            'n_hidden',
            'num_hidden',
            'embedding_dim',
        ),
        ('size',),
    ),
    'nonlinearity': ('activation',),
    'go_backwards': ('direction',),
    'backwards': ('direction',),
    'reverse': ('direction',),
    'gradient_steps': ('bptt_limit',),
    'truncate_gradient': ('bptt_limit',),
    'hid_init': ('h_0',),
    'cell_init': ('c_0',),
    'learn_init': ('h_0',),
    'kernel_size': ('filter_size',),
    'strides': ('stride',),
    'padding': ('border_mode',),
    'pad': ('border_mode',),
    'dropouts': ('dropout',),
    'recurrent_dropout': ('dropout',),
    'variational_dropout': ('dropout',),
    'dropout_rate': ('dropout', 'rate', 'hidden_dropout'),
    'eps': ('epsilon',),
    'input_layer': ('inputs',),
    'incoming': ('inputs',),
    'target_shape': ('shape',),
    # networks
    'batch_first': ('layout',),
    'time_major': ('layout',),
    'random_state': ('seed',),
    'random_seed': ('seed',),
    'hidden_layer_sizes': ('layers',),
    'output_name': ('output',),
    'criterion': ('loss',),
    'objective': ('loss',),
    'loss_function': ('loss',),
    'loss_fn': ('loss',),
    # training
    'lr': ('learning_rate',),
    'learnrate': ('learning_rate',),
    'learning_rate_init': ('learning_rate',),
    'update_learning_rate': ('learning_rate',),
    'update_momentum': ('momentum',),
    'optimizer': ('algo',),
    'optim': ('algo',),
    'solver': ('algo',),
    'update': ('algo',),
    **dict.fromkeys(
        ('max_epochs', 'nb_epoch', 'n_epochs', 'num_epochs', 'nb_epochs', 'max_iter', 'n_iter'),
        ('epochs',),
    ),
    **dict.fromkeys(
        (
            'clipnorm',
            'global_clipnorm',
            'clip_norm',
            'grad_norm',
            'max_grad_norm',
            'gradient_clip_val',
            'gradient_clipping',
            'grad_clip',
            'total_norm_constraint',
        ),
        ('max_gradient_norm',),
    ),
    'clipvalue': ('max_gradient_elem',),
    'clip_value': ('max_gradient_elem',),
    'grad_clipping': ('max_gradient_elem',),
    'min_delta': ('min_delta', 'min_improvement'),
    'tol': ('min_improvement', 'min_delta'),
    'threshold': ('min_improvement', 'goal'),
    'n_iter_no_change': ('patience',),
    'restore_best_weights': ('restore_best',),
    'stateful': ('carry_state',),
    **dict.fromkeys(
        ('validation_data', 'validation_set', 'valid_data', 'val_data', 'eval_set', 'val'),
        ('valid',),
    ),
    'validation_steps': ('valid_batches',),
    'validation_freq': ('validate_every',),
    'validation_frequency': ('validate_every',),
    'steps_per_epoch': ('train_batches',),
    'batches_per_epoch': ('train_batches',),
    'samples_per_epoch': ('train_batches',),
    'metrics': ('monitors',),
    'on_epoch_finished': ('callbacks',),
    'callback': ('callbacks',),
    'save_best_only': ('best_only',),
    'batch': ('batch_size',),
    'kernel_constraint': ('max_norm',),
    'maxnorm': ('max_norm',),
    'max_column_norm': ('max_norm',),
    'alpha': ('weight_l2',),
    'weight_regularizer': ('weight_l2',),
    # callbacks and schedules
    'initial_learning_rate': ('rate',),
    'decay_rate': ('decay',),
    'gamma': ('factor', 'decay'),
    'decay_steps': ('every', 'total'),
    'step_size': ('every',),
    't_max': ('total',),
    'eta_min': ('least',),
    'min_lr': ('least',),
    'warmup_steps': ('updates',),
    'filepath': ('path',),
    'filename': ('path',),
    # layers by name
    'fc': ('dense',),
    'fullyconnected': ('dense',),
    'simplernn': ('rnn',),
    'elmanrnn': ('rnn',),
    'repeatvector': ('repeat',),
    'conv1d': ('conv1',),
    'conv': ('conv1',),
    'batchnorm': ('layernorm',),
    'batch_norm': ('layernorm', 'norm:z'),
    'layernormalization': ('layernorm',),
    'layer_norm': ('layernorm', 'norm:z'),
    'bilstm': ('bidirectional',),
    'birnn': ('bidirectional',),
    'brnn': ('bidirectional',),
    'multiply': ('product',),
    # activations, losses, initializers and rules by name
    'leaky_relu': ('leaky-relu',),
    'leakyrelu': ('leaky-relu',),
    'hardsigmoid': ('hard_sigmoid',),
    'identity': ('linear',),
    'rectify': ('relu',),
    'binary_crossentropy': ('bce',),
    'binary_cross_entropy': ('bce',),
    'bceloss': ('bce',),
    'categorical_crossentropy': ('xe',),
    'sparse_categorical_crossentropy': ('xe',),
    'crossentropyloss': ('xe',),
    'ce': ('xe',),
    'nll': ('xe',),
    'nllloss': ('xe',),
    'mseloss': ('mse',),
    'mean_squared_error': ('mse',),
    'squared_error': ('mse',),
    'mean_absolute_error': ('mae',),
    'l1loss': ('mae',),
    'smooth_l1': ('huber',),
    'l1': ('mae', 'weight_l1'),
    'l2': ('mse', 'weight_l2'),
    'xavier': ('glorot',),
    'xavier_uniform': ('glorot_uniform',),
    'randomnormal': ('normal',),
    'random_normal': ('normal',),
    'gaussian': ('normal',),
    'eye': ('identity',),
    'l_bfgs': ('lbfgs',),
    'momentum': ('sgd',),
}

_LAST = "a recurrent layer returns every step; for the last one alone, put 'last' after it: "
_LAST += "[3, ('lstm', 10), 'last', 1]"
_INPUT = "the first entry of the list is the number of input features: [3, ('lstm', 10), 1]"
_START = "write the initial value under the parameter's name: w='glorot' of a dense layer, "
_START += "xh='glorot', hh='orthogonal', b=0 of a recurrent one"
_PENALTY = 'penalties are options of train(): weight_l2=1e-4'
_WEIGHTS = 'make the network with weighted=True, and pass the weights with the data: '
_SHUFFLE = 'arrays are shuffled before each epoch; batches of a callable are used as they come'
_SPLIT = 'pass validation data: train([x, y], valid=[x_valid, y_valid])'
_PROGRESS = 'progress=False prints nothing, progress=True, the default, a line for each epoch'
_MASKED = 'make the network with masked=True, and pass lists of sequences, or a mask with the data'

# What to do instead, where no keyword of rnnkit means the same.
EXPLAINED = {
    'return_sequences': _LAST,
    'only_return_final': _LAST,
    'return_state': 'predict(x, return_state=True) returns the states',
    'num_layers': "each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), 1]",
    'n_layers': "each layer is an entry of the list: [3, ('lstm', 10), ('lstm', 10), 1]",
    'bidirectional': "write dict(form='bidirectional', worker='lstm', size=20)",
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
        ),
        _PENALTY,
    ),
    'use_bias': 'every layer has a bias; it cannot be left out',
    'bias': 'every layer has a bias; it cannot be left out',
    'mask_zero': _MASKED,
    'mask_input': _MASKED,
    'masking': _MASKED,
    'shuffle': _SHUFFLE,
    'validation_split': _SPLIT,
    'validation_fraction': _SPLIT,
    'eval_size': _SPLIT,
    'test_size': _SPLIT,
    'sample_weight': _WEIGHTS + '[x, y, weights]',
    'sample_weights': _WEIGHTS + '[x, y, weights]',
    'class_weight': _WEIGHTS + '[x, y, class_weights[y]]',
    'class_weights': _WEIGHTS + '[x, y, class_weights[y]]',
    'verbose': _PROGRESS,
    'verbosity': _PROGRESS,
    'early_stopping': 'patience= ends the training when the validation loss stops falling',
    'initial_epoch': 'resume= goes on from a checkpoint',
    'warm_start': 'each training goes on from the parameters that the network has',
    'lr_scheduler': 'pass a schedule as learning_rate, such as rnnkit.schedules.Cosine(0.1, 1000)',
    'scheduler': 'pass a schedule as learning_rate, such as rnnkit.schedules.Cosine(0.1, 1000)',
    'device': 'rnnkit is made for CPUs; there is no such option',
    'use_cuda': 'rnnkit is made for CPUs; there is no such option',
    'workers': 'rnnkit.set_threads(n) sets the number of threads',
    'num_workers': 'rnnkit.set_threads(n) sets the number of threads',
    'n_jobs': 'rnnkit.set_threads(n) sets the number of threads',
    'x': 'pass the arrays as one list: [x, y]',
    'y': 'pass the arrays as one list: [x, y]',
}

# The calls that have a keyword, for where it is given to another one.
_OF_TRAIN = (
    'algo epochs batch_size bucket carry_state bptt_steps train_batches valid_batches valid '
    'validate_every learning_rate max_gradient_norm max_gradient_elem nesterov monitors '
    'checkpoint save_every resume callbacks progress max_norm weight_l2'
)
OWNERS = {
    **dict.fromkeys(_OF_TRAIN.split(), 'train()'),
    **dict.fromkeys(('loss', 'weighted', 'masked', 'layout', 'dtype', 'kernel'), 'networks'),
    **dict.fromkeys(('filter_size', 'stride', 'border_mode'), "the layer 'conv1'"),
    **dict.fromkeys(('h_0', 'direction', 'bptt_limit'), 'recurrent layers'),
    'size': 'layers',
}

# What a call without its first argument needs.
MISSING = {
    'train': 'it trains, and expects data: net.train([x, y])',
    'itertrain': 'it trains, and expects data: net.itertrain([x, y])',
    'Regressor': "it expects a list of layers: rnnkit.Regressor([3, ('lstm', 10), 1])",
    'Classifier': "it expects a list of layers: rnnkit.Classifier([3, ('lstm', 10), 2])",
}
