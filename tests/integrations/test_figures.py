"""Figures: pyplot knows those that do not go to a file, and a notebook shows each once."""

import pickle

import numpy as np
import pytest

from rnnkit.errors import ConfigError
from rnnkit.forecasting.pictures import Line, Picture
from rnnkit.integrations import plots
from rnnkit.training import History
from rnnkit.training.gradient_flow import GradientFlow

matplotlib = pytest.importorskip('matplotlib')
from matplotlib import pyplot  # noqa: E402

HISTORY = History([{'updates': n, 'loss': 1.0 / n} for n in (1, 2, 3)])
FLOW = GradientFlow({'hid1': np.array([1e-3, 1.0])}, {})
LINE = Line(np.array([3, 4]), np.ones(2), {80: (np.zeros(2), np.full(2, 2.0))})
PICTURES = [Picture(name, np.arange(3), np.ones(3), [LINE]) for name in 'ab']


def forecasts(path=None, axes=None):
    return plots.forecasts(PICTURES[:1], path, axes)


PLOTS = {'history': HISTORY.plot, 'gradient flow': FLOW.plot, 'forecasts': forecasts}
every_plot = pytest.mark.parametrize('plot', PLOTS.values(), ids=PLOTS)


@every_plot
def test_pyplot_knows_a_figure(plot):
    figure = plot()
    assert [pyplot.figure(n) for n in pyplot.get_fignums()] == [figure]
    assert pyplot.gcf() is figure


@every_plot
def test_a_figure_of_a_file_opens_nothing_in_pyplot(plot, tmp_path):
    with matplotlib.rc_context({'figure.max_open_warning': 1}):  # a warning is an error here
        for name in ('1.png', '2.svg'):
            plot(tmp_path / name)
    assert pyplot.get_fignums() == []
    assert (tmp_path / '1.png').read_bytes().startswith(b'\x89PNG')


@every_plot
def test_axes_of_the_user_are_drawn_into(plot, tmp_path):
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot(axes=right) is figure
    assert right.lines
    assert not left.lines
    assert plot(tmp_path / 'both.png', axes=left) is figure
    assert (tmp_path / 'both.png').stat().st_size > 1000
    assert len(pyplot.get_fignums()) == 1
    part = pyplot.figure().subfigures(1, 2)[1]
    assert plot(tmp_path / 'part.png', axes=part.subplots()) is pyplot.gcf()


@every_plot
@pytest.mark.parametrize('axes', [3, 'axes', pyplot])
def test_axes_of_another_kind(plot, axes):
    with pytest.raises(ConfigError, match=r'axes must be Axes of matplotlib, as of .*; got'):
        plot(axes=axes)
    assert pyplot.get_fignums() == []


def test_there_are_as_many_axes_as_series():
    _, axes = pyplot.subplots(1, 2)
    plots.forecasts(PICTURES, axes=axes)
    assert [one.get_title('left') for one in axes] == ['a', 'b']
    for wrong in (axes[0], [axes[0]], np.array([*axes, axes[0]])):
        with pytest.raises(ConfigError, match=r'axes must be 2, one for each series; got [13]\.'):
            plots.forecasts(PICTURES, axes=wrong)


@every_plot
def test_a_notebook_shows_the_value_of_a_cell_once(plot, monkeypatch, tmp_path):
    """The inline backend shows what is open in pyplot at the end of a cell: it must be closed."""
    figure, other = plot(), pyplot.figure()
    with pytest.raises(NotImplementedError):  # on which IPython displays it as usual
        figure._ipython_display_()
    assert len(pyplot.get_fignums()) == 2  # of a backend with windows, or none at all
    monkeypatch.setattr(matplotlib, 'get_backend', lambda: 'inline')
    for one in (figure, plot(tmp_path / 'file.png')):
        with pytest.raises(NotImplementedError):
            one._ipython_display_()
        assert [pyplot.figure(n) for n in pyplot.get_fignums()] == [other]


def test_a_figure_can_be_pickled():
    again = pickle.loads(pickle.dumps(HISTORY.plot()))
    with pytest.raises(NotImplementedError):
        again._ipython_display_()


CELLS = {
    "history.plot('file.png')": 1,
    'history.plot()': 1,
    'history.plot();': 1,
    "history.plot('file.png');": 0,
    'figure = history.plot()': 1,
    'figure': 1,
    'from matplotlib import pyplot\n_, axes = pyplot.subplots()\nhistory.plot(axes=axes)': 1,
    'history.plot()\npyplot.show()': 1,
    'history.plot()\ndisplay(figure)': 2,
    'for k in range(3): history.plot()': 3,
    'pyplot.ioff()\nhistory.plot()': 1,
}


@pytest.mark.long
def test_an_executed_notebook_has_each_picture_once(tmp_path, monkeypatch):
    nbformat = pytest.importorskip('nbformat').v4
    pytest.importorskip('ipykernel')
    client = pytest.importorskip('nbclient')
    monkeypatch.delenv('MPLBACKEND')  # or the kernel keeps it, and shows nothing
    first = f'from rnnkit.training import History\nhistory = History({list(HISTORY)})'
    notebook = nbformat.new_notebook(
        cells=[nbformat.new_code_cell(text) for text in (first, *CELLS)]
    )
    client.NotebookClient(
        notebook, timeout=200, resources={'metadata': {'path': str(tmp_path)}}
    ).execute()
    found = {
        cell.source: sum('image/png' in output.get('data', {}) for output in cell.outputs)
        for cell in notebook.cells[1:]
    }
    assert found == CELLS
