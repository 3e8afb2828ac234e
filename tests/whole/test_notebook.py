"""A notebook that is executed: what somebody sees in Jupyter."""

import os
import re
import warnings

import pytest
from repository import ROOT, TESTS

nbformat = pytest.importorskip('nbformat')
from nbclient import NotebookClient  # noqa: E402

NO_WIDGETS = "sys.modules['ipywidgets'] = None"  # a line of text, and no bar
CELLS = {
    'import': f"""
        import sys
        {NO_WIDGETS}
        import numpy as np
        import rnnkit
        import quick_mode
        quick_mode.hasten()

        x = np.random.default_rng(0).normal(size=(20, 16, 1))
        y = x.cumsum(axis=0) / 5
        net = rnnkit.Regressor([1, dict(form='rnn', size=3, name='<script>'), 1], seed=0)
        net
    """,
    'summary': 'net.summary()',
    'train': 'net.train([x, y], valid=0.2, epochs=60, validate_every=1, patience=60, algo="sgd")',
    'again': 'net.train([x, y], epochs=30, algo="sgd");',
    'all': 'net.train([x, y], epochs=3, verbose=2, algo="sgd");',
    'nothing': 'net.train([x, y], epochs=3, verbose=0, algo="sgd");',
    'stopped': """
        def stop(training):
            if training.epoch == 2:
                training.stop('enough')
        stopping = rnnkit.callbacks.Callback()
        stopping.on_epoch_end, stopping.prints = stop, False
        net.train([x, y], algo='sgd', callbacks=stopping);
    """,
    'history': 'net.history',
    'plot': 'net.history.plot()',
    'flow': 'net.gradient_flow(x, y)',
    'forecast': """
        series = {name: 10 + np.sin(np.arange(60) * np.pi / 6) for name in ('a', '<b>')}
        options = dict(size=2, horizon=3, season=12, updates=4, ensemble=1, seed=0, verbose=1)
        forecaster = rnnkit.Forecaster('rnn', **options).fit(series)
        forecaster
    """,
    'forecasts': 'forecaster.forecast(level=80)',
    'one': 'forecaster.forecast(level=80)["a"]',
    'backtest': 'found = forecaster.backtest(windows=1); found',
    'scores': 'found.scores("step")',
    'objects': """
        [net.layers, net.losses, net.stepper(1), rnnkit.schedules.Cosine(0.1, 9),
         rnnkit.callbacks.EarlyStop(), rnnkit.optimizers.Adam(), rnnkit.losses.build('huber')]
    """,
}


@pytest.fixture(scope='module')
def outputs(tmp_path_factory):
    """Return the outputs of each cell by its name."""
    return executed(CELLS, tmp_path_factory.mktemp('jupyter'))


def executed(texts, folder):
    """Return the outputs of each cell of a notebook by its name."""
    names = list(texts)
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(_dedented(texts[name])) for name in names],
        metadata={'kernelspec': {'name': 'python3', 'display_name': '', 'language': 'python'}},
    )
    # Nothing of the user's settings is read, and the code is that of this checkout.
    path = os.pathsep.join(map(str, (ROOT, TESTS / 'helpers')))
    own = {f'JUPYTER_{name}_DIR': str(folder / name) for name in ('CONFIG', 'DATA', 'RUNTIME')}
    own |= {'IPYTHONDIR': str(folder / 'ipython'), 'PYTHONPATH': path}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of Jupyter's own packages
        client = NotebookClient(book, timeout=300, resources={'metadata': {'path': str(folder)}})
        inherited = {name: value for name, value in os.environ.items() if name != 'MPLBACKEND'}
        client.execute(env=inherited | own)
    return {name: cell.outputs for name, cell in zip(names, book.cells, strict=True)}


@pytest.mark.long
def test_with_widgets_a_bar_gives_way_to_a_line(tmp_path_factory):
    pytest.importorskip('ipywidgets')
    cells = {name: CELLS[name].replace(NO_WIDGETS, '') for name in ('import', 'train')}
    assert cells['import'] != CELLS['import']
    shown, result = executed(cells, tmp_path_factory.mktemp('widgets'))['train']
    assert shown.output_type == 'display_data'
    assert list(shown.data) == ['text/plain']
    assert shown.data['text/plain'].startswith('epoch 60: ')
    assert result.output_type == 'execute_result'


def _dedented(text):
    lines = text.strip('\n').splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    return '\n'.join(line[margin:] for line in lines)


def page(outputs):
    """Return the HTML of the result of a cell."""
    (found,) = (out.data['text/html'] for out in outputs if out.output_type == 'execute_result')
    return found


def lines(outputs):
    """Return the lines of what a cell has written or displayed, as text."""
    texts = [
        out.text if out.output_type == 'stream' else out.data['text/plain']
        for out in outputs
        if out.output_type in ('stream', 'display_data')
    ]
    assert not any('\r' in text for text in texts)  # of which nbconvert makes lines
    return [line for text in texts for line in text.splitlines() if line]


@pytest.mark.parametrize('name', ['import', 'summary'])
def test_a_network_is_a_table(outputs, name):
    found = page(outputs[name])
    assert '<table' in found
    assert '>&lt;script&gt;</td>' in found
    assert '<script>' not in found
    assert '(T, B, 3)' in found
    assert '>15</td>' in found  # parameters of the recurrent layer


def test_a_training_is_one_line_that_changes(outputs):
    (line,) = lines(outputs['train'])
    assert re.match(r'epoch 60: loss [\d.]+ \| valid loss [\d.]+ ', line)
    (line,) = lines(outputs['again'])
    assert re.match(r'epoch 30: loss [\d.]+ \| training loss [\d.]+ \(', line)


def test_verbose_is_as_in_keras(outputs):
    assert [line[:8] for line in lines(outputs['all'])] == ['epoch 1:', 'epoch 2:', 'epoch 3:']
    assert not lines(outputs['nothing'])


def test_why_a_training_has_stopped_is_a_line_of_its_own(outputs):
    last, why = lines(outputs['stopped'])
    assert last.startswith('epoch 2: ')
    assert why == 'training stopped: enough, after epoch 2'


def test_a_history_and_its_plot(outputs):
    assert 'loss' in ''.join(map(str, outputs['history'][0].data.values()))
    assert any('image/png' in out.get('data', {}) for out in outputs['plot'])


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('flow', '>in order</td>'),
        ('forecasts', '>&lt;b&gt;</td>'),
        ('one', '>forecast-lo-80</th>'),
        ('backtest', 'Backtest of 2 series'),
        ('scores', 'MASE by step'),
    ],
)
def test_results_are_tables(outputs, name, part):
    assert part in page(outputs[name])


def test_nothing_shows_where_it_is_in_memory_and_nothing_has_warned(outputs):
    for name, those in outputs.items():
        for out in those:
            assert ' at 0x' not in str(out), name
            assert 'Warning' not in str(out), name


def test_each_training_of_a_forecaster_is_a_line(outputs):
    judged, whole = lines(outputs['forecast'])
    assert judged.startswith('epoch 4: ')
    assert whole.startswith('epoch ')
