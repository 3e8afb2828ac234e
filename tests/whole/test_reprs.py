"""What public objects show at a prompt and in a notebook."""

import importlib
import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

import rnnkit
from rnnkit import activations, callbacks, forecasting, losses, optimizers, schedules, windows
from rnnkit.cells import cells
from rnnkit.common import html, reprs
from rnnkit.data import Text
from rnnkit.data.windows import Windows
from rnnkit.forecasting.answers import Forecast, ForecastDict, ForecastList
from rnnkit.forecasting.scores_table import Scores
from rnnkit.training import GradientFlow

EVIL = '<script>alert("1")</script>'
T, B = 4, 3
X = np.linspace(-1, 1, T * B * 2).reshape(T, B, 2)
Y = X[..., :1]


def public_classes():
    """Return every class that a module of rnnkit lists as public."""
    found, root = {}, Path(rnnkit.__file__).parent
    for path in root.rglob('*.py'):
        parts = path.relative_to(root).with_suffix('').parts
        if parts[0] in ('integrations', 'kernels') or '__all__ =' not in path.read_text('utf-8'):
            continue  # integrations may need packages that are not installed
        inner = parts[:-1] if parts[-1] == '__init__' else parts
        there = importlib.import_module('.'.join(('rnnkit', *inner)))
        for name in there.__all__:
            member = getattr(there, name)
            if inspect.isclass(member) and not issubclass(member, BaseException):
                found[f'{member.__module__}.{name}'] = member
    return found


CLASSES = public_classes()
# Nobody holds an instance of these: protocols, and what is made inside.
INSIDE = {
    'rnnkit.metrics.Metric',
    'rnnkit.noise.Noise',
    'rnnkit.parallel.alone.Alone',
    'rnnkit.parallel.team.Communicator',
    'rnnkit.parallel.team.Team',
    'rnnkit.optimizers.step_graph.StepGraph',
    'rnnkit.callbacks.hooks.Hooks',
}


@pytest.mark.parametrize('name', sorted(CLASSES.keys() - INSIDE))
def test_no_public_class_shows_an_address(name):
    assert CLASSES[name].__repr__ is not object.__repr__


def series(n=2):
    return {f'{EVIL}{k}': 10 + np.sin(np.arange(40) * np.pi / 6 + k) for k in range(n)}


@pytest.fixture(scope='module')
def forecaster():
    options = {'size': 2, 'horizon': 3, 'season': 12, 'updates': 3, 'ensemble': 1, 'seed': 0}
    return rnnkit.Forecaster('gru', **options).fit(series())


@pytest.fixture(scope='module')
def net():
    layers = [2, dict(form='rnn', size=3, name=EVIL), 1]
    return rnnkit.Regressor(layers, seed=0)


class Mine(callbacks.Callback):
    """A callback of a user."""

    def __init__(self, every=10, write=print):
        self.every, self.write = every, write


class Odd(callbacks.Callback):
    """Has other attributes than arguments."""

    def __init__(self, something):
        self.other = something


REPRS = {
    'Adam()': optimizers.Adam(),
    'SGD()': optimizers.SGD(),
    'Huber(delta=0.5)': losses.build(dict(form='huber', delta=0.5)),
    'MeanSquaredError()': losses.build('mse'),
    'Cosine(rate=0.1, total=100)': schedules.Cosine(0.1, 100),
    'WarmUp(updates=5, then=Step(rate=0.1, every=3))': schedules.WarmUp(5, schedules.Step(0.1, 3)),
    'EarlyStop()': callbacks.EarlyStop(),
    "EarlyStop(monitor='valid_acc', patience=3, mode='max')": callbacks.EarlyStop(
        'valid_acc', patience=3, mode='max'
    ),
    "Checkpoint(path='net.rnn', best_only=True)": callbacks.Checkpoint('net.rnn', best_only=True),
    "CSV(path='log.csv')": callbacks.CSV('log.csv'),
    'Progress(after=1.0)': callbacks.Progress(after=1),
    'Mine(every=3)': Mine(3),
    'Mine(write=len)': Mine(write=len),
    'PReLU()': activations.registry.activations.step('prelu'),
    "Maxout(argument='3')": activations.registry.activations.step('maxout:3'),
    "Affine(argument='2:1')": activations.registry.activations.step('affine:2:1'),
    '<Chain: relu + PReLU()>': activations.chain.Chain('relu+prelu'),
    'LSTMCell(peepholes=True)': cells['lstm'](peepholes=True),
    '<Windows: 4 of 2 of 4 steps, batches of 2>': Windows([X], [1], [0], 2, batch_size=2),
    '<Text: 7 characters, 2 different>': Text('abababc'),
}


@pytest.mark.parametrize('text', REPRS)
def test_a_repr_is_the_call_that_makes_another_one(text):
    assert repr(REPRS[text]) == text


def test_an_argument_that_is_not_kept_is_left_out_and_an_object_is_its_class():
    assert repr(Odd(1)) == 'Odd()'
    assert repr(Mine(object())) == 'Mine(every=<object>)'
    assert reprs.call(object()) == 'object()'


def test_objects_of_networks_show_no_address(net, forecaster):
    class Look(callbacks.Callback):
        def on_epoch_end(self, training):
            self.seen = repr(training)

    look = Look()
    net.train([X, Y], epochs=1, callbacks=look, verbose=0, algo='sgd')
    assert look.seen == '<Training: epoch 1, 1 updates>'
    others = [net, net.layers, net.losses, net.loss, net.stepper(1), net.history]
    others += [forecaster, forecaster.panel, windows.of(X[:, :1], past=2, future=1)]
    others += [rnnkit.Forecaster('gru', horizon=1), forecasting.compare([1.0], [1.0], [1.0, 2.0])]
    others += [rnnkit.Forecaster('gru', size=2, horizon=1, updates=2).fit(X.ravel()).stepper()]
    for one in others:
        assert ' at 0x' not in repr(one), one
    assert repr(forecaster.panel) == '<Panel: 2 series, 80 steps>'


# --- HTML


def escaped(page):
    """Check that a page has a name of a user's, and not as a tag."""
    assert '<script>' not in page
    assert '&lt;script&gt;alert("1")&lt;/script&gt;' in page
    assert 'color' not in page  # the notebook's own, be it light or dark
    assert page.count('<tr>') == page.count('</tr>')
    return page


def test_a_network(net):
    page = escaped(net._repr_html_())
    for part in ('Regressor:', 'loss mse', "layout 'time'", '(T, B, 3)', 'xh 2x3, hh 3x3, b 3'):
        assert part in page
    for part in ('22 parameters', 'T: time steps', 'float32', '>18</td>'):
        assert part in page
    page = rnnkit.Classifier([2, 3], masked=False, seed=0)._repr_html_()
    for part in ('Classifier:', 'loss xe', '(E, 3)', 'E: examples', 'not trained'):
        assert part in page


def test_what_a_network_was_trained_for_and_what_is_frozen():
    net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0, masked=False)
    net.freeze('hid1')
    net.add_loss('mae', weight=0.5)
    net.train([X, Y], epochs=1, verbose=0, algo='sgd')
    page = net._repr_html_()
    for part in ('trained for 1 epoch,', 'loss 1 mse of out:out + 0.5 mae of out:out', '(frozen)'):
        assert part in page


def test_a_summary_is_text_with_html_beside_it(net):
    table = net.summary()
    assert isinstance(table, str)
    assert repr(table) == str(table)
    assert table._repr_html_() == net._repr_html_()
    again = pickle.loads(pickle.dumps(table))
    assert (again, again.html) == (table, table.html)


def test_a_deep_network_is_cut():
    net = rnnkit.Regressor([1, *[2] * 998, 1], seed=0)
    page = net._repr_html_()
    assert page.count('<tr>') == 1 + html.MOST
    assert '… 981 more layers' in page
    assert len(repr(net)) < 500
    assert ' > ... 989 more ... > ' in repr(net)
    assert net.summary().count('\n') == 1002


def test_a_gradient_flow():
    flow = GradientFlow({EVIL: np.geomspace(1e-9, 1, 40), 'hid2': np.ones(40)}, {EVIL: 'vanishing'})
    page = escaped(flow._repr_html_())
    for part in ('>vanishing</td>', '>in order</td>', '>40</td>', '>1</td>'):
        assert part in page
    assert '<img alt=' in page
    assert len(GradientFlow({'a': np.ones(1)}, {})._repr_html_()) > 500


def test_a_gradient_flow_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'matplotlib.figure', None)
    page = GradientFlow({'hid1': np.ones(4)}, {})._repr_html_()
    assert '<img' not in page
    assert '>hid1</td>' in page


def test_a_forecast():
    times = np.datetime64('2026-01-01') + np.arange(30)
    low, high = {80: np.arange(30.0)}, {80: 12345.6 + np.arange(30)}
    page = escaped(Forecast(np.full(30, 0.12345), low, high, times=times, id=EVIL)._repr_html_())
    for part in ('30 steps, intervals in %: 80', '>forecast-lo-80</th>', '>12,346</td>'):
        assert part in page
    for part in ('>2026-01-01</td>', '>0.1235</td>', '… 11 more steps', '>2026-01-30</td>'):
        assert part in page
    assert page.count('<tr>') == 1 + html.MOST
    page = Forecast(np.ones(2), samples=np.ones((99, 2)))._repr_html_()
    assert ['99 samples' in page, '>step</th>' in page, 'forecast-sample' in page] == [1, 1, 0]


def test_forecasts_of_many_series():
    one = Forecast(np.arange(20.0), {80: np.zeros(20)}, {80: np.ones(20)})
    page = escaped(ForecastDict({f'{EVIL}{k}': one for k in range(100_000)})._repr_html_())
    assert 'Forecasts of 100,000 series:' in page
    assert '… 99,981 more series' in page
    assert len(page) < 40_000
    assert ForecastList([])._repr_html_() is None
    assert ForecastList([1])._repr_html_() is None
    assert '>2</td>' in ForecastList([one] * 3)._repr_html_()


def test_a_forecaster_answers_in_such_lists_and_dicts(forecaster):
    found = forecaster.forecast(level=80)
    escaped(found._repr_html_())
    assert isinstance(found, dict)
    assert type(forecaster.forecast()) is dict  # of arrays
    answer = forecaster.forecast(y=list(series().values()), level=80)
    assert isinstance(answer, ForecastList)
    assert answer == [*answer]


def test_scores():
    row = {'forecast': {'mase': 0.5, 'coverage-80': 0.75}, 'naive': {'mase': 1.0}}
    page = escaped(Scores({**row, EVIL: {'mase': 2.0}})._repr_html_())
    for part in ('>in 80 %</th>', '>75.0</td>', '>MASE</th>', '>values in intervals: %</div>'):
        assert part in page
    scores = Scores({f'{EVIL}{k}': row for k in range(100_000)}, by='id')
    page = escaped(scores._repr_html_())
    assert 'MASE by id' in page
    assert page.count('<tr>') == 1 + html.MOST
    assert '… 99,981 more id' in page
    assert repr(scores).splitlines()[-1] == '... and 99976 more'


def test_a_backtest(forecaster):
    found = forecaster.backtest(windows=2)
    page = found._repr_html_()
    for part in ('Backtest of 2 series: 2 windows of 3 steps', '>forecast</td>', 'MASE', 'naive'):
        assert part in page
    assert page.rstrip().endswith('</div>')
