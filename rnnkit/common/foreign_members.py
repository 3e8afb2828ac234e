"""Metrics, initializers, penalties and activations of other libraries, and those of rnnkit.

They only make hints, when a module does not have a name; `foreign_names` has those of all modules.
"""


def by_name(advice: str, names: dict[str, str]) -> dict[str, str]:
    """Return the advice for each foreign name, given these by the names of rnnkit.

    Examples
    --------
    >>> by_name('write {}', {'mae': 'l1loss l1'})
    {'l1loss': 'write mae', 'l1': 'write mae'}
    """
    return {
        name: advice.format(ours) for ours, foreign in names.items() for name in foreign.split()
    }


_METRIC = 'write rnnkit.metrics.{}'
_COUNTS = 'rnnkit.metrics.confusion returns the counts that it is computed from'

# Of the module of metrics, in lower case.
METRICS = {
    **by_name(
        _METRIC,
        {
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
        },
    ),
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


_INITIAL = 'initial values are written by name: dict(size=10, w={!r})'

# Of the module of initializers.
INITIALIZERS = {
    **by_name(
        _INITIAL,
        {
            'glorot_uniform': 'glorotuniform xavieruniform xavier',
            'glorot_normal': 'glorotnormal xaviernormal',
            'he_uniform': 'heuniform kaiminguniform',
            'he_normal': 'henormal kaimingnormal he kaiming',
            'lecun_uniform': 'lecununiform',
            'lecun_normal': 'lecunnormal variancescaling',
            'orthogonal': 'orthogonal',
            'identity': 'identity eye',
            'zeros': 'zeros',
            'normal': 'randomnormal truncatednormal truncnormal',
            'uniform': 'randomuniform',
        },
    ),
    **dict.fromkeys(('constant', 'ones'), 'a number is an initial value, too: dict(size=10, b=1)'),
}
_PENALTIES = 'penalties are options of train(): weight_l2=1e-4'
REGULARIZERS = dict.fromkeys(('l1', 'l2', 'l1l2', 'l1_l2', 'elasticnet', 'regularizer'), _PENALTIES)
_ACTIVATION = 'activations are written by name: (10, {!r})'
ACTIVATIONS = by_name(
    _ACTIVATION,
    {
        'leaky-relu': 'leakyrelu',
        'hard_sigmoid': 'hardsigmoid',
        'relu': 'rectify get activation',
        'softmax': 'logsoftmax',
    },
)
OF_MODULES = {
    'rnnkit.metrics': METRICS,
    'rnnkit.initializers': INITIALIZERS,
    'rnnkit.regularizers': REGULARIZERS,
    'rnnkit.activations': ACTIVATIONS,
}
