"""Every public call: an unknown keyword, and each argument of a wrong kind.

Parameters are found by introspection. So are functions and methods: what is documented is among
`CALLS`, or `LEFT_OUT`.
"""

import inspect
import itertools
import math
import os
import re
import types
from typing import Any, NamedTuple

import numpy as np
import pytest
from long_forms import long_unless
from repository import ROOT

import rnnkit
from rnnkit.errors import CallError, ConfigError, RnnkitError
from rnnkit.graph.perturbations import WORDS
from rnnkit.integrations import draws, plots

T, B = 3, 2
X = np.linspace(-1, 1, T * B * 2).reshape(T, B, 2)
Y, LABELS = X[..., :1], np.arange(T * B).reshape(T, B) % 2
MASK = np.ones((T, B), bool)


def nothing(*args, **options):
    """Return None, which is the wrong result of any function."""


# Of any kind, so that for each argument most are wrong. The first ones are tried in each run.
VALUES = {
    'an object': object(),
    'a function': nothing,
    'text': 'text',
    '-1': -1,
    'nan': math.nan,
    'an empty list': [],
    'a dict': {},
    'bytes': b'bytes',
    'None': None,
    'True': True,
    '1.5': 1.5,
    'inf': math.inf,
    'a set': {1},
    'a list of objects': [object()],
    'a dict of objects': {'a': object()},
    'an array': np.ones((2, 2)),
    'an array of objects': np.array([None, 'a'], object),
    'an array of text': np.array(['a', 'b']),
    'an empty array': np.zeros(0),
    'complex numbers': np.array([1j]),
    'a module': types,
    'a class': dict,
    'a class of its own': rnnkit.callbacks.EarlyStop,
    'a date': np.datetime64('2020-01-01'),
    'a surrogate': '\ud800',
    'a null': '\0',
    'a range': range(3),
    'a generator': (k for k in range(3)),
}
FEW = ('an object', 'a function', 'text', '-1', 'an empty list', 'None')

NETS = {
    'Regressor': rnnkit.Regressor([2, ('rnn', 2), 2], seed=0),
    'Classifier': rnnkit.Classifier([2, ('rnn', 2), 2], seed=0),
    'Autoencoder': rnnkit.Autoencoder([2, ('rnn', 2), 2], seed=0),
}
TARGETS = {'Regressor': X[::-1], 'Classifier': LABELS, 'Autoencoder': None}


class Call(NamedTuple):
    """A call that is right.

    Attributes
    ----------
    function : callable
    given : dict
        Its arguments.
    """

    function: Any
    given: dict[str, Any]

    def __call__(self, **changed):
        result = self.function(**{**self.given, **changed})
        if inspect.isgenerator(result) or hasattr(result, '__next__'):
            list(itertools.islice(result, 3))


def method(owner, name, **given):
    return Call(getattr(owner, name), given)


def frozen(names, **options):
    net = rnnkit.Regressor([1, 2, 1], seed=0)
    net.freeze(names, **options)
    net.unfreeze(names, **options)


def of_networks():
    """Return the methods of networks, by name."""
    calls = {}
    for kind, net in NETS.items():
        y = TARGETS[kind]
        train = {'train': [X] if y is None else [X, y], 'epochs': 1, 'progress': False}
        train |= {'patience': 0, 'validate_every': 1, 'learning_rate': 0}  # end soon if not
        target = {} if y is None else {'y': y}
        loss = {'loss': 'hinge' if kind == 'Classifier' else 'mae'}
        seed = {'seed': [0, 1] if kind == 'Classifier' else X}
        given = {
            'train': train,
            'itertrain': train,
            'predict': {'x': X},
            'predict_proba': {'x': X},
            'predict_logit': {'x': X},
            'classify': {'x': X},
            'feed_forward': {'x': X},
            'symbolic': {'x': X},
            'load_draw': {'idata': {'hid1.b': np.zeros((1, 1, 2))}},
            'encode': {'x': X},
            'decode': {'z': X},
            'score': {'x': X, **target},
            'evaluate': {'x': X, **target},
            'gradient_flow': {'x': X, **target},
            'step': {'x_t': X[0]},
            'stepper': {'batch': 1},
            'state_to_json': {'state': {'hid1': [[[0.0] * 2]]}},
            'generate': {**seed, 'steps': 2},
            'predict_sequence': {'labels': [0, 1], 'steps': 2},
            'find': {'layer': 'hid1', 'param': 'b'},
            'set': {'layer': 'hid1', 'param': 'b', 'value': [0, 0]},
            'output': {},
            'summary': {},
            'to_spec': {},
            'to_torch': {'arrays': True},
            'to_keras': {},
            'load_weights': {'source': 'net.rnn'},
            'save': {'path': 'net.rnn'},
            'to_onnx': {'path': 'net.onnx'},
            'to_c': {'folder': 'code'},
            'add_loss': loss,
            'set_loss': loss,
        }
        for name, _ in inspect.getmembers(type(net), inspect.isfunction):
            if (
                name in ('freeze', 'unfreeze', 'load')
                or name.startswith('_')
                or (kind != 'Regressor' and hasattr(rnnkit.Network, name))
            ):
                continue
            calls[f'{kind}.{name}'] = method(net, name, **given[name])
        for name in ('train', 'predict', 'score'):
            calls[f'{kind}.{name}'] = method(net, name, **given[name])
    for name in ('add_loss', 'set_loss'):
        fresh = rnnkit.Regressor([1, 1], seed=0)
        calls[f'Regressor.{name}'] = method(fresh, name, loss='mae')
    calls['Regressor.load'] = Call(rnnkit.Regressor.load, {'path': 'net.rnn'})
    calls['Regressor.freeze'] = Call(frozen, {'names': 'hid1'})
    return calls


WINDOWS = rnnkit.windows.of(np.arange(6.0), 2)
TEXT = rnnkit.recurrent.Text('some text, and more of it')
HISTORY = rnnkit.training.History([{'updates': 1, 'loss': 1.0}])
FLOW = rnnkit.training.GradientFlow({'hid1': np.ones(3)}, {})
PROBABILITIES = np.full((T, B, 2), 0.5)
PARAM = rnnkit.Regressor([1, 1], seed=0).params[0]


def of_metrics():
    table = rnnkit.metrics.metrics
    calls = {
        f'metrics.{name}': Call(
            table[name],
            {
                'target': LABELS,
                'output': PROBABILITIES if table[name].reads == 'probabilities' else LABELS,
            },
        )
        for name in table
    }
    calls['metrics.confusion'] = Call(
        rnnkit.metrics.confusion, {'target': LABELS, 'output': LABELS}
    )
    return calls


def of_forecasts():
    """Return the scores of forecasts and the naive ones."""
    y = np.array([3.0, 1.0, 2.0])
    pair, past = {'y': y, 'forecast': y[::-1]}, {'history': np.array([1.0, 3.0, 2.0, 2.5])}
    ends = {'y': y, 'lower': y - 1, 'upper': y + 1}
    given = {
        'mae': pair,
        'rmse': pair,
        'smape': pair,
        'mase': pair | past,
        'owa': pair | past,
        'compare': pair | past,
        'weighted_quantile_loss': {'y': y, 'quantiles': {0.5: y}},
        'coverage': ends,
        'msis': ends | past,
        'naive': past | {'horizon': 2},
        'naive2': past | {'horizon': 2, 'season': 2},
        'seasonal_naive': past | {'horizon': 2, 'season': 2},
    }
    made = {'Forecaster': Call(rnnkit.Forecaster, {'horizon': 2, 'season': 2, 'seed': 0})}
    return made | {
        f'forecasting.{name}': Call(getattr(rnnkit.forecasting, name), arguments)
        for name, arguments in given.items()
    }


class Layer:
    """A call that makes a layer of a form as a part of a network."""

    def __init__(self, form):
        self.form = form

    def __call__(self, **options):
        layer = {'form': self.form, **options}
        networks = {
            'input': [layer, 2],
            'embedding': [5, layer, ('rnn', 2), 2],
            'tied': [2, 3, layer],
            'reshape': [2, layer, 2],
            'repeat': [2, ('rnn', 2), 'last', layer, 2],
            'flat': [2, ('rnn', 2), 'last', ('repeat', 2), ('rnn', 2), layer, 2],
        }
        networks['flatten'] = networks['flat']
        networks['standardize'] = networks['standardise'] = [2, layer, ('rnn', 2), 2]
        rnnkit.Regressor(networks.get(self.form, [2, ('rnn', 2), layer, 2]), seed=0)


def of_forms():
    sizes = {'bidirectional': 4, 'bcrnn': 4, 'clockwork': 4, 'tied': 2}
    more = {'reshape': {'shape': (1, 2)}, 'conv1': {'filter_size': 2}, 'clockwork': {}}
    more |= {form: {'steps': 2} for form in ('repeat', 'flat', 'flatten')}
    more |= {'bidirectional': {'worker': 'rnn'}, 'clockwork': {'periods': (1, 2)}}
    more |= {'attention': {'memory': 'hid1', 'score': 'additive', 'score_size': 2}}
    more |= {'bcrnn': {'num_modules': 2}, 'mrnn': {'factors': 2}, 'scrn': {'context_size': 2}}
    calls = {}
    for form in rnnkit.layers.registry:
        kind = rnnkit.layers.registry[form]
        size = {'size': sizes.get(form, 2)} if kind.sized else {}
        chosen = {'name': 'it', 'inputs': None, **size, **more.get(form, {})}
        calls[f'layer {form}'] = Call(Layer(form), chosen)
    return calls


def parameters_of(name, call):
    """Return the names of the arguments of a call that are tried."""
    if name.startswith('layer '):
        kind = rnnkit.layers.registry[name[6:]]
        params = ['w', 'xh', 'hh', 'b'] if kind.initial or kind.state else []
        return list(dict.fromkeys([*call.given, *kind.options, *kind.initial, *params, 'std']))
    if name == 'noise and penalties':
        return [*rnnkit.regularizers.regularizers, *WORDS]
    if name.startswith(('loss ', 'initializer ', 'rule ')):
        return list(call.given)
    listed = inspect.signature(call.function).parameters.values()
    return [p.name for p in listed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def with_loss(**options):
    parts = [{'size': 1, 'name': name, 'inputs': 'in'} for name in ('mean', 'covar')]
    # six units: some losses read two or three for each target
    rnnkit.Regressor([1, *parts, {'size': 6, 'inputs': 'mean'}], loss=options)


def initial(**options):
    rnnkit.Regressor([2, {'size': 2, 'w': options}, 1])


def trained(**options):
    NETS['Regressor'].train([X, X], epochs=1, progress=False, **options)


def of_options():
    """Return calls whose options are given by name, in a dict or as keywords of a training."""
    losses = {
        rnnkit.losses.losses[name].form: rnnkit.losses.losses[name].options
        for name in rnnkit.losses.losses
        if not rnnkit.losses.losses[name].integer_targets
    }
    calls = {
        f'loss {form}': Call(with_loss, {'form': form, **options})
        for form, options in losses.items()
    }
    for form in rnnkit.initializers.initializers:
        function = rnnkit.initializers.initializers[form]
        own = list(inspect.signature(function).parameters)[2:]
        given = dict.fromkeys([*own, 'gain', 'sparsity'], 0.5)
        given |= {'radius': 0.5} if form in ('glorot', 'orthogonal', 'normal') else {}
        calls[f'initializer {form}'] = Call(initial, {'form': form, **given})
    for algo in rnnkit.optimizers.optimizers:
        rule = rnnkit.optimizers.optimizers[algo]()
        if not rule.full_batch:
            calls[f'rule {algo}'] = Call(trained, {'algo': algo, **rule.options})
    calls['noise and penalties'] = Call(trained, {})
    return calls


CALLS = {
    'Regressor': Call(rnnkit.Regressor, {'layers': [1, 1]}),
    'Classifier': Call(rnnkit.Classifier, {'layers': [1, 2]}),
    'Autoencoder': Call(rnnkit.Autoencoder, {'layers': [1, 1]}),
    'load': Call(rnnkit.load, {'path': 'net.rnn'}),
    'from_onnx': Call(rnnkit.from_onnx, {'path': 'net.onnx'}),
    'from_spec': Call(rnnkit.from_spec, {'spec': rnnkit.Regressor([1, 1]).to_spec()}),
    'from_torch': Call(
        rnnkit.from_torch, {'source': {'out.weight': np.ones((1, 2)), 'out.bias': np.ones(1)}}
    ),
    'from_keras': Call(
        rnnkit.from_keras, {'source': [np.ones((2, 1)), np.ones(1)], 'layers': [2, 1]}
    ),
    'posterior_predict': Call(
        draws.posterior_predict,
        {'net': NETS['Regressor'], 'idata': {'hid1.b': np.zeros((1, 1, 2))}, 'x': X},
    ),
    'minimize': Call(
        rnnkit.minimize,
        {'loss': (PARAM**2).sum(), 'params': [PARAM], 'epochs': 1, 'learning_rate': 0},
    ),
    'set_threads': Call(rnnkit.set_threads, {'n': 1}),
    'halflife': Call(rnnkit.optimizers.halflife, {'decay': 0.5}),
    'losses.build': Call(rnnkit.losses.build, {'spec': 'mse'}),
    'log': Call(rnnkit.log, {'message': 'a message'}),
    'Text': Call(rnnkit.recurrent.Text, {'text': 'some text'}),
    'Text.encode': method(TEXT, 'encode', text='me'),
    'Text.decode': method(TEXT, 'decode', numbers=[1, 2]),
    'Text.batches': method(TEXT, 'batches', steps=2, batch_size=2),
    'Text.classifier_batches': method(TEXT, 'classifier_batches', steps=2, batch_size=2),
    'Text.contiguous_batches': method(TEXT, 'contiguous_batches', steps=2, batch_size=2),
    'Text.one_hot': method(TEXT, 'one_hot', numbers=[1, 2]),
    'recurrent.batches': Call(
        rnnkit.recurrent.batches, {'arrays': [X, X], 'steps': 2, 'batch_size': 2}
    ),
    'datasets.waves': Call(rnnkit.datasets.waves, {'n': 2}),
    'windows.of': Call(rnnkit.windows.of, {'series': X[:, 0], 'past': 1}),
    'windows.last': Call(rnnkit.windows.last, {'series': X[:, 0], 'past': 1}),
    'SeriesWindows.arrays': method(WINDOWS, 'arrays'),
    'SeriesWindows.batches': method(WINDOWS, 'batches', size=1),
    'SeriesWindows.split': method(WINDOWS, 'split', valid=0.4),
    'recurrent.fold': Call(rnnkit.recurrent.fold, {'series': X[:, 0], 'streams': 2}),
    'recurrent.pad': Call(rnnkit.recurrent.pad, {'sequences': [X[:, 0], X[:2, 0]]}),
    'recurrent.unpad': Call(rnnkit.recurrent.unpad, {'array': X, 'mask': MASK}),
    'EarlyStop': Call(rnnkit.callbacks.EarlyStop, {}),
    'Checkpoint': Call(rnnkit.callbacks.Checkpoint, {'path': 'net.rnn'}),
    'CSV': Call(rnnkit.callbacks.CSV, {'path': 'log.csv'}),
    'Progress': Call(rnnkit.callbacks.Progress, {}),
    'TensorBoard': Call(rnnkit.callbacks.TensorBoard, {'folder': 'runs'}),
    'Constant': Call(rnnkit.schedules.Constant, {'rate': 0.1}),
    'Exponential': Call(rnnkit.schedules.Exponential, {'rate': 0.1, 'decay': 0.5}),
    'Step': Call(rnnkit.schedules.Step, {'rate': 0.1, 'every': 2}),
    'Cosine': Call(rnnkit.schedules.Cosine, {'rate': 0.1, 'total': 2}),
    'WarmUp': Call(rnnkit.schedules.WarmUp, {'updates': 2, 'then': 0.1}),
    'Plateau': Call(rnnkit.schedules.Plateau, {'rate': 0.1}),
    'History.plot': method(HISTORY, 'plot'),
    'GradientFlow.plot': method(FLOW, 'plot'),
    'Experiment': Call(rnnkit.Experiment, {'network': rnnkit.Regressor, 'layers': [1, 1]}),
    'LossTerm': Call(rnnkit.training.LossTerm, {'loss': rnnkit.losses.build('mse')}),
    'metrics.add': Call(rnnkit.metrics.add, {}),
    'layers.parse_layers': Call(rnnkit.layers.parse_layers, {'specs': [1, 1]}),
    'plots.gradient_flow': Call(plots.gradient_flow, {'flow': {'hid1': np.ones(3)}}),
    **of_networks(),
    **of_metrics(),
    **of_forecasts(),
    **of_forms(),
    **of_options(),
}

# What the package calls itself, with tensors, layers or trainings, and has no arguments to check.
LEFT_OUT = [
    'Chain',
    'Learned',
    'Loss',
    'Parts',
    'changed',
    'initial_value',
    'weighted_mean',
    'Forecast',
    'ForecastStepper',
    'RNNForecaster',  # has tests of its own, by sktime
    'PruningCallback',  # likewise
    'MLflow',
    'Attention',  # a form of layer, which is tried as such
    'Network',
    'History',
    'GradientFlow',
    'verdict',
    'Optimizer',
    'Schedule',
    'Callback',
    'Training',
    'Window',
    'Windows',
    'SeriesWindows',
    'WindowIndex',
    'ShortForms',
    'Layer',
    'Input',
    'Dense',
    'Softmax',
    'Recurrent',
    'Bidirectional',
    'Reshape',
    'Standardize',
    'Mean',
    'Max',
    'SequenceClassifier',  # scikit-learn's checks call them
    'SequenceRegressor',
    'SequenceScaler',
    'SequenceTransformer',
    'per_step',
    'Cell',
    'split',
    'activations',
    'initializers',
    'losses',
    'regularizers',
    'Regularizer',
    'metrics',
    'Registry',
    'testing',
    'read',
    'Options',
    'layerwise',
    'pretrain',
    'sample',
    'outputs',  # of PyMC, which Python 3.11 does not have; test_pymc tries wrong arguments
    'LoadedWeights',  # that of `Network.load_weights`
    'Backtest',  # that of `Forecaster.backtest`
    'Scores',
    'Stepper',  # to name a wrong argument would cost each step a tenth of a microsecond
]


def documented():
    """Return the names of what the reference lists, without the modules."""
    text = (ROOT / 'docs' / 'api.rst').read_text()
    names = {name.rpartition('.')[2] for name in re.findall(r'^   (rnnkit\.\S+)$', text, re.M)}
    rules = {type(rnnkit.optimizers.optimizers[n]()).__name__ for n in rnnkit.optimizers.optimizers}
    errors = {name for name in names if name.endswith('Error')}
    return names - rules - errors - {name for name in names if name.endswith('Cell')}


def test_everything_documented_is_tried():
    tried = {name.rpartition('.')[2] for name in CALLS}
    assert documented() - tried - set(LEFT_OUT) == set()


pytestmark = pytest.mark.filterwarnings('ignore')


@pytest.fixture(autouse=True, scope='module')
def a_folder(tmp_path_factory):
    """A folder for the files that calls write; names such as 'text' are files in it."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp('calls'))
    NETS['Regressor'].save('net.rnn')
    NETS['Regressor'].to_onnx('net.onnx')
    yield
    os.chdir(before)
    rnnkit.set_threads()


@pytest.mark.parametrize('name', CALLS)
def test_a_call_that_is_right_works(name):
    CALLS[name]()


@pytest.mark.parametrize('name', [name for name in CALLS if name != 'log'])
def test_an_unknown_keyword_gets_a_hint(name):
    wrong = name.split()[0] in ('noise', 'rule')
    with pytest.raises(ConfigError, match=r"unknown option 'no_option'|no_option") as caught:
        CALLS[name](no_option=1)
    assert wrong or re.search(
        'known are: |has no options|did you mean|there are none|expects', str(caught.value)
    ), caught.value


@pytest.mark.parametrize(
    ('name', 'kind'),
    long_unless(lambda name, kind: kind in FEW, list(itertools.product(CALLS, VALUES))),
)
def test_arguments_of_a_wrong_kind(name, kind):
    call, faults = CALLS[name], []
    for parameter in parameters_of(name, call):
        try:
            call(**{parameter: VALUES[kind]})
        except (RnnkitError, OSError, ImportError):
            pass
        except Exception as error:
            faults.append(f'{parameter}: {type(error).__name__}: {str(error)[:150]}')
    assert not faults, '\n'.join(faults)


@pytest.mark.parametrize('name', [name for name in CALLS if CALLS[name].given])
def test_a_missing_argument_is_named(name):
    function = CALLS[name].function
    if name in ('log', 'Experiment', 'Regressor.freeze'):  # take any
        return
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    if needed:
        with pytest.raises(CallError):
            function()
        with pytest.raises(CallError):
            function(*range(99))
