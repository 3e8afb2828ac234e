"""The history: its trainings, the best validation of each, its table, frame and picture."""

import copy
import pickle
import re
import sys

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, NotFoundError
from rnnkit.training import History

X = np.linspace(-1, 1, 12)[:, None]
FLAT = [X, 3 * X]


def dense():
    return rnnkit.Regressor([1, 1], seed=0, dtype='float64')


def record(epoch, training=1, **more):
    return {'training': training, 'epoch': epoch, 'updates': 10 * epoch, **more}


TWO = History(
    [
        *[record(k, loss=1.0 / k, valid_loss=v) for k, v in enumerate([3.0, 1.0, 2.0], 1)],
        *[record(k, 2, loss=0.2 / k, valid_loss=v) for k, v in enumerate([0.5, 0.4], 1)],
    ]
)


# --- the best validation ---
def test_the_best_validations_are_those_whose_parameters_are_restored():
    net = dense()
    options = dict(valid=FLAT, learning_rate=0.5, algo='sgd', validate_every=1, patience=9)
    net.train(FLAT, epochs=6, **options)
    (best,) = net.history.best()
    assert best['valid_loss'] == pytest.approx(((net.predict(X) - FLAT[1]) ** 2).mean())
    assert best['valid_loss'] == min(net.history['valid_loss'])
    # Judged by another column, the best one is not that of the smallest loss.
    values = iter([5.0, 1.0, 2.0, 3.0])
    options['monitors'] = {'mine': lambda target, output: next(values)}
    net.train(FLAT, epochs=3, restore_best=('valid_mine', 'min'), **options)
    assert net.history.best() == [best, net.history[6]]
    assert net.history[6]['valid_loss'] > min(net.history[7:]['valid_loss'])
    restored = ((net.predict(X) - FLAT[1]) ** 2).mean()
    assert net.history[6]['valid_loss'] == pytest.approx(restored)


def test_a_training_that_has_made_it_worse_has_no_best_epoch():
    net = dense()
    net.train(FLAT, epochs=3, algo='sgd', learning_rate=50.0, validate_every=1, max_gradient_norm=9)
    losses = net.history['training_loss']
    assert min(losses) > np.mean(FLAT[1] ** 2) / 9  # the first validation was better
    assert net.history.best() == []
    (axes,) = net.history.plot().axes
    assert not any(line.get_marker() == '*' for line in axes.lines)
    # A history from a file knows the losses alone.
    assert History(net.history).best()[0]['training_loss'] == min(losses)


def test_copies_and_a_resumed_training_know_the_best_epoch(tmp_path):
    options = dict(algo='sgd', learning_rate=50.0, max_gradient_norm=9, validate_every=1)
    options |= {'seed': 0, 'checkpoint': tmp_path / 'net.rnn'}
    net = dense()
    net.train(FLAT, epochs=2, **options)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.history == net.history
        assert other.history.best() == net.history.best() == net.history.copy().best() == []
    again = dense()
    again.train(FLAT, epochs=4, resume=tmp_path / 'net.rnn', **options)
    assert len(again.history) == 4
    assert again.history.best() == []


def test_copies_have_records_of_their_own():
    other = TWO.copy()
    other[0]['loss'] = 7.0
    assert type(other) is History
    assert TWO[0]['loss'] == 1.0


def test_the_trainings_of_a_history():
    assert [len(part) for part in TWO.trainings()] == [3, 2]
    assert [r['valid_loss'] for r in TWO.best()] == [1.0, 0.4]
    stages = [record(k, stage=stage) for stage in ('hid1', 'hid2') for k in (1, 2)]
    assert [part['stage'] for part in History(stages).trainings()] == [['hid1'] * 2, ['hid2'] * 2]
    counts = History([{'updates': n} for n in (10, 20, 5, 10)])
    assert [part['updates'] for part in counts.trainings()] == [[10, 20], [5, 10]]
    assert list(History().trainings()) == History().best() == []


# --- a frame ---
def test_the_frame():
    pytest.importorskip('pandas')
    history = History([record(1, loss=1.0), record(2, loss=0.5, valid_loss=2.0, note='a')])
    frame = history.to_frame()
    assert frame.index.name == 'epoch'
    assert frame.index.tolist() == [1, 2]
    assert list(frame.columns) == ['training', 'updates', 'loss', 'valid_loss', 'note']
    assert frame['loss'].tolist() == [1.0, 0.5]
    assert frame['updates'].dtype == 'int64'
    assert np.isnan(frame['valid_loss'][1])
    assert frame['valid_loss'][2] == 2.0
    both = TWO.to_frame()
    assert both[both.training == 2]['loss'].tolist() == [0.2, 0.1]


def test_the_frame_of_an_empty_history_and_of_one_without_epochs():
    pytest.importorskip('pandas')
    assert History().to_frame().shape == (0, 0)
    assert History([{'loss': 1.0}]).to_frame().index.tolist() == [0]


def test_a_frame_needs_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(ImportError, match=r'to_frame\(\) needs pandas: pip install pandas'):
        TWO.to_frame()


# --- a table ---
def rows(history):
    lines = re.findall('<tr>(.*?)</tr>', history._repr_html_())
    return [re.findall('<t[hd] .*?>(.*?)</t[hd]>', line) for line in lines]


def test_the_table_has_the_last_epochs_and_the_best_ones():
    values = [5.0, 1.0, *[2.0] * 18]
    history = History([record(k, loss=k / 3, valid_loss=v) for k, v in enumerate(values, 1)])
    head, *body = rows(history)
    assert head == ['epoch', 'updates', 'loss', 'valid_loss']
    assert body[0] == ['⋮'] * 4
    assert body[1] == ['2 ★', '20', '0.6667', '1']
    assert body[2] == ['⋮'] * 4
    assert body[3] == ['11', '110', '3.667', '2']
    assert len(body) == 13
    assert 'History:</strong> 20 epochs; ★ best validation' in history._repr_html_()


def test_the_table_leaves_out_what_is_empty_or_said_twice():
    same = [record(k, loss=1.0, err=1.0, valid_loss=None, seconds=2.0, r2=0.5) for k in (1, 2)]
    assert rows(History(same))[0] == ['epoch', 'updates', 'loss', 'r2', 'seconds']
    same[0]['err'] = 0.9
    assert 'err' in rows(History(same))[0]
    assert rows(TWO)[0][0] == 'training'


def test_the_table_is_escaped_and_needs_no_pandas(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pandas', None)
    history = History([{'hid1:out<0.1': 0.5, '<b>': '</td><script>', 'other': None}])
    text = history._repr_html_()
    assert '<script>' not in text
    assert '<b>' not in text
    assert rows(history) == [
        ['hid1:out&lt;0.1', '&lt;b&gt;'],
        ['0.5 ★'[:3], '&lt;/td&gt;&lt;script&gt;'],
    ]
    assert 'no epoch yet' in History()._repr_html_()


# --- a picture ---
@pytest.fixture
def picture():
    pytest.importorskip('matplotlib')

    def draw(history, *args, **options):
        """Return the lines of each axes by label, with the figure."""
        figure = history.plot(*args, **options)
        return figure, [{line.get_label(): line for line in axes.lines} for axes in figure.axes]

    return draw


def data(line):
    return list(line.get_xdata()), list(line.get_ydata())


def test_curves_of_training_and_validation(picture, tmp_path):
    history = TWO[:3]
    figure, (lines,) = picture(history, tmp_path / 'h.png')
    assert (tmp_path / 'h.png').stat().st_size > 1000
    assert data(lines['training']) == ([10, 20, 30], history['loss'])
    assert data(lines['validation']) == ([10, 20, 30], history['valid_loss'])
    assert data(lines['best: epoch 2']) == ([20], [1.0])
    (axes,), (legend,) = figure.axes, figure.legends
    assert [axes.get_xlabel(), axes.get_ylabel()] == ['updates', 'loss']
    assert [t.get_text() for t in legend.get_texts()] == ['training', 'validation', 'best: epoch 2']
    assert axes.get_legend() is None  # it is above, where no curve is


def test_without_validation_data(picture):
    net = dense()
    net.train(FLAT, epochs=4, validate_every=2)
    _, (lines,) = picture(net.history)
    x, y = data(lines['training, after the epoch'])
    assert x == net.history['updates'][1::2]
    assert y == net.history['training_loss'][1::2]
    assert 'best: epoch 4' in lines


def test_each_column_has_a_panel(picture):
    history = History([record(k, loss=1.0, valid_acc=k, acc=0.5, gradient_norm=2) for k in (1, 2)])
    figure, lines = picture(history, keys=('loss', 'acc', 'gradient_norm', 'valid_acc'))
    assert [a.get_ylabel() for a in figure.axes] == ['loss', 'acc', 'gradient norm', 'valid_acc']
    assert [a.get_xlabel() for a in figure.axes] == ['', '', '', 'updates']
    assert [set(one) for one in lines[:2]] == [{'training'}, {'training', 'validation'}]
    assert data(lines[3]['validation']) == ([10, 20], [1, 2])
    assert len(figure.axes[2].lines) == 1


def test_several_trainings_stand_apart(picture):
    figure, (lines,) = picture(TWO)
    (axes,) = figure.axes
    curves = [line for line in axes.lines if line.get_color() == 'C0']
    assert [data(line)[0] for line in curves] == [[10, 20, 30], [40, 50]]
    stars = [line for line in axes.lines if line.get_marker() == '*']
    assert [data(line) for line in stars] == [([20], [1.0]), ([50], [0.4])]
    assert 'best of each training' in lines
    assert [text.get_text() for text in axes.texts] == ['training 1', 'training 2']
    (border,) = [line for line in axes.lines if line.get_linestyle() == ':']
    assert list(border.get_xdata()) == [30, 30]


def test_stages_have_their_names(picture):
    stages = [record(k, stage=stage, loss=1.0) for stage in ('hid1', 'hid2') for k in (1, 2)]
    figure, _ = picture(History(stages))
    assert [text.get_text() for text in figure.axes[0].texts] == ['hid1', 'hid2']
    many = History([record(1, training, loss=1.0) for training in range(1, 9)])
    assert not picture(many)[0].axes[0].texts


@pytest.mark.parametrize(
    ('values', 'log', 'scale'),
    [
        ((1.0, 0.02), None, 'linear'),
        ((1.0, 0.009), None, 'log'),
        ((1.0, 0.009), False, 'linear'),
        ((1.0, 0.9), True, 'log'),
        ((1.0, 0.0), None, 'linear'),
        ((1e5, -1.0), None, 'linear'),
        ((np.nan, 1.0, 1e-3), None, 'log'),
    ],
)
def test_the_scale_of_the_axis(picture, values, log, scale):
    figure, _ = picture(History([record(k, loss=v) for k, v in enumerate(values)]), log=log)
    assert figure.axes[0].get_yscale() == scale


def test_the_learning_rate_has_a_panel_if_it_has_changed(picture):
    same = History([record(k, loss=1.0, learning_rate=0.1) for k in (1, 2)])
    other = History([record(k, loss=1.0, learning_rate=0.1 / k) for k in (1, 2)])
    assert len(picture(same)[1]) == 1
    figure, _ = picture(other)
    assert [axes.get_ylabel() for axes in figure.axes] == ['loss', 'learning\nrate']
    (line,) = figure.axes[1].lines
    assert data(line)[1] == [0.1, 0.05]
    assert len(picture(other, learning_rate=False)[1]) == 1
    assert len(picture(same, learning_rate=True)[1]) == 2
    assert len(picture(other, keys=('loss', 'learning_rate'))[1]) == 2


def test_values_that_are_not_finite_are_gaps(picture):
    history = History([record(k, loss=v) for k, v in enumerate([1.0, np.nan, np.inf, 2.0])])
    figure, (lines,) = picture(history)
    np.testing.assert_array_equal(lines['training'].get_ydata(), [1.0, np.nan, np.nan, 2.0])
    assert lines['training'].get_marker() == 'o'
    figure, _ = picture(History([record(1, loss=np.nan)]))
    assert figure.axes[0].texts[0].get_text() == 'no finite value'


def test_axes_of_the_user(picture):
    pyplot = pytest.importorskip('matplotlib.pyplot')
    figure, several = pyplot.subplots(2)
    changed = History([record(k, loss=1.0, acc=0.5, learning_rate=0.1 / k) for k in (1, 2)])
    assert picture(changed, keys=('loss', 'acc'), axes=several)[0] is figure
    assert len(figure.axes) == 2
    assert several[0].get_legend() is not None
    with pytest.raises(ConfigError, match='axes must be 1, one for each column; got 2'):
        changed.plot(axes=several)
    with pytest.raises(ConfigError, match=r"write keys=\('loss', 'learning_rate'\) and axes="):
        changed.plot(axes=several[0], learning_rate=True)


def test_mistakes_in_a_picture(picture):
    history = History([record(1, loss=-1.0, note='a')])
    with pytest.raises(ConfigError, match="log=True needs values above 0, but 'loss' has -1"):
        history.plot(log=True)
    with pytest.raises(ConfigError, match=r'history\.plot\(\): log must be True or False'):
        history.plot(log='yes')
    with pytest.raises(ConfigError, match='learning_rate must be True or False'):
        history.plot(learning_rate=0.1)
    with pytest.raises(NotFoundError, match='there is no learning rate'):
        history.plot(learning_rate=True)
    with pytest.raises(ConfigError, match="column 'note' has text"):
        history.plot(keys='note')
    pyplot = pytest.importorskip('matplotlib.pyplot')
    assert not pyplot.get_fignums()  # no figure is left behind


def test_a_history_without_updates_is_drawn_over_epochs(picture):
    figure, (lines,) = picture(History([{'loss': 2.0}, {'loss': 1.0}]))
    assert data(lines['training']) == ([1, 2], [2.0, 1.0])
    assert figure.axes[0].get_xlabel() == 'epochs'
