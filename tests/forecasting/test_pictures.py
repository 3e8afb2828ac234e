"""Pictures of forecasts: which series and values they show, and what matplotlib draws of it."""

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, NotFoundError
from rnnkit.forecasting import panel, pictures
from rnnkit.forecasting.answers import Forecast
from rnnkit.forecasting.backtest import Plan, judge
from rnnkit.forecasting.pictures import Line, Picture
from rnnkit.forecasting.series import Columns
from rnnkit.integrations import plots

pytest.importorskip('matplotlib')

RNG = np.random.default_rng(0)
SERIES = {key: RNG.gamma(2, size=n) for key, n in zip('abcde', (60, 70, 60, 60, 60), strict=True)}


@pytest.fixture(scope='module')
def forecaster():
    options = dict(size=3, horizon=5, season=6, updates=10, batch_size=8, seed=0)
    return rnnkit.Forecaster('gru', **options).fit(SERIES)


def drawn(figure):
    """Return the lines of each axes by their labels."""
    return [{line.get_label(): line for line in axes.get_lines()} for axes in figure.axes]


def bands(axes):
    """Return the lowest and the highest value of each area, by its label."""
    return {
        area.get_label(): (area.get_paths()[0].vertices[:, 1].min(),
                           area.get_paths()[0].vertices[:, 1].max())
        for area in axes.collections
    }  # fmt: skip


def test_the_ends_of_series_and_their_forecasts_are_drawn(forecaster, tmp_path):
    figure = forecaster.plot(tmp_path / 'picture.png')
    assert (tmp_path / 'picture.png').read_bytes().startswith(b'\x89PNG')
    assert [axes.get_title('left') for axes in figure.axes] == ['a', 'b', 'c', 'd']
    forecasts = forecaster.forecast(level=(80, 95))
    for key, axes, lines in zip('abcd', figure.axes, drawn(figure), strict=True):
        y, n = SERIES[key], len(SERIES[key])
        np.testing.assert_array_equal(lines['history'].get_xdata(), np.arange(n - 20, n))
        np.testing.assert_array_equal(lines['history'].get_ydata(), y[-20:])
        np.testing.assert_array_equal(lines['forecast'].get_xdata(), np.arange(n, n + 5))
        np.testing.assert_array_equal(lines['forecast'].get_ydata(), forecasts[key].mean)
        assert 'actual' not in lines
        found, one = bands(axes), forecasts[key]
        assert list(found) == ['95 % interval', '80 % interval']
        for level in (80, 95):
            ends = one.lower[level].min(), one.upper[level].max()
            assert found[f'{level} % interval'] == pytest.approx(ends)


def test_what_came_is_drawn_beside_it(forecaster):
    truth = {'b': [1.0, 2.0, 3.0], 'a': [4.0, 5.0]}
    both = drawn(forecaster.plot(truth=truth, ids=['b', 'a', 'c'], level=None, past=2))
    for key, lines in zip('ba', both, strict=False):
        n, y = len(SERIES[key]), SERIES[key]
        assert lines['history'].get_ydata().tolist() == y[-2:].tolist()
        # The line begins at the last value that was known.
        assert lines['actual'].get_xdata().tolist() == [*range(n - 1, n + len(truth[key]))]
        assert lines['actual'].get_ydata().tolist() == [y[-1], *truth[key]]
    assert 'actual' not in both[2]


def test_what_came_needs_no_inputs():
    pandas = pytest.importorskip('pandas')
    frame = pandas.DataFrame({'ds': np.arange(60), 'y': SERIES['a'], 'promo': np.arange(60) % 5})
    forecaster = rnnkit.Forecaster('gru', 3, 5, season=6, future='promo', updates=10, seed=0)
    forecaster.fit(frame[:55], id=None)
    X, truth = frame.loc[55:, ['ds', 'promo']], frame.loc[55:, ['ds', 'y']]
    (lines,) = drawn(forecaster.plot(truth=truth, X=X))
    assert lines['actual'].get_ydata().tolist() == SERIES['a'][54:].tolist()


def test_a_backtest_draws_each_window(forecaster):
    found = forecaster.backtest(windows=2, level=80)
    figure = found.plot(ids='b')
    (axes,) = figure.axes
    lines, records = drawn(figure)[0], found.records
    mine = records['id'] == 'b'
    assert lines['history'].get_ydata().tolist() == SERIES['b'][40:60].tolist()
    assert lines['actual'].get_ydata().tolist() == SERIES['b'][59:].tolist()
    curves = [line for line in axes.get_lines() if line.get_color() == plots.BLUE]
    for window, curve in enumerate(curves, 1):
        rows = mine & (records['window'] == window)
        assert curve.get_xdata().tolist() == records['time'][rows].tolist()
        assert curve.get_ydata().tolist() == records['forecast'][rows].tolist()
    assert len(curves) == len(axes.collections) == 2
    # Each window and each level once in the legend.
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ['history', 'actual', '80 % interval', 'forecast']
    with pytest.raises(ConfigError, match=r'^plot\(\): path must be the path of a file; got 3$'):
        found.plot(3)


def test_time_stamps_are_the_axis():
    pandas = pytest.importorskip('pandas')
    months = pandas.period_range('2020-01', periods=40, freq='M')
    y = pandas.Series(SERIES['a'][:40], months)
    plan = Plan(windows=1, horizon=4, step=4, season=12)

    def train(series):
        return lambda series, inputs: [Forecast(np.ones(4), {80: np.zeros(4)}, {80: np.ones(4)})]

    figure = judge(panel.read('fit()', y, None, Columns()), plan, train).plot()
    (lines,) = drawn(figure)
    assert lines['forecast'].get_xdata().astype('M8[D]').tolist() == [
        stamp.date() for stamp in months[36:].to_timestamp()
    ]
    assert lines['history'].get_ydata().tolist() == y[:36].tolist()  # three seasons
    assert figure.axes[0].get_xlabel() == ''


def test_values_beside_missing_ones_and_single_steps_are_seen():
    holes = Picture('', np.arange(3), np.array([1, np.nan, 2]), [])
    one = Line(np.array([3]), np.array([1.0]), {80: (np.array([0.0]), np.array([2.0]))})
    figure = plots.forecasts([holes, Picture('', np.arange(3), np.ones(3), [one], one)])
    first, second = drawn(figure)
    assert first['history'].get_marker() == second['forecast'].get_marker() == '.'
    assert second['history'].get_marker() == 'None'
    (bar,) = figure.axes[1].collections
    assert bar.get_segments()[0].tolist() == [[3, 0], [3, 2]]


def test_ids_of_series():
    series = panel.read('fit()', SERIES, None, Columns())
    assert pictures.chosen('plot()', series, None) == [0, 1, 2, 3]
    assert pictures.chosen('plot()', series, 'e') == [4]
    assert pictures.chosen('plot()', series, ['e', 'b']) == [4, 1]
    assert pictures.chosen('plot()', series, np.array(['e', 'b'])) == [4, 1]
    one = panel.read('fit()', SERIES['a'], None, Columns())
    assert pictures.chosen('plot()', one, None) == [0]
    pairs = panel.read('fit()', {(1, 2): [1.0], (3, 4): [1.0]}, None, Columns())
    assert pictures.chosen('plot()', pairs, (3, 4)) == [1]
    assert pictures.chosen('plot()', pairs, [(3, 4), (1, 2)]) == [1, 0]


@pytest.mark.parametrize(
    ('options', 'kind', 'message'),
    [
        ({'ids': 'f'}, NotFoundError, "plot(): there is no series 'f'; the ids are 'a', 'b'"),
        ({'ids': []}, ConfigError, 'plot(): ids must name at least one series; got []'),
        ({'ids': [{}]}, NotFoundError, 'plot(): there is no series {}'),
        ({'past': 0}, ConfigError, 'plot(): past must be a whole number of at least 1; got 0'),
        ({'path': 3}, ConfigError, 'plot(): path must be the path of a file; got 3'),
        ({'truth': {'z': [1.0]}}, DataError, "plot(): truth['z'] was not in fit()"),
    ],
)
def test_mistakes(forecaster, options, kind, message):
    with pytest.raises(kind) as raised:
        forecaster.plot(**options)
    assert str(raised.value).startswith(message)
