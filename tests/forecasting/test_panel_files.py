"""A panel as arrays and JSON, and back."""

import json

import numpy as np
import pytest

from rnnkit.errors import ConfigError
from rnnkit.forecasting.answers import Forecast, give
from rnnkit.forecasting.panel import read, read_ahead
from rnnkit.forecasting.panel_files import from_state, to_state
from rnnkit.forecasting.series import Columns

pd = pytest.importorskip('pandas')
pl = pytest.importorskip('polars')

MONTHS = pd.date_range('2020-01-31', periods=4, freq='ME', tz='Europe/Berlin', name='month')
FRAME = pd.DataFrame(
    {
        'shop': pd.Categorical([*'bba']),
        'ds': MONTHS[[0, 1, 0]],
        'y': [np.nan, 2.0, 3],
        'x': [1, 2, 3],
        'kind': [*'uuv'],
    }
)
NAMES = Columns('shop', future=('x',), static=('kind',))
CASES = {
    'frame': (FRAME, NAMES),
    'polars': (pl.DataFrame({'unique_id': [1, 1], 'ds': [3, 5], 'y': [1, 2]}), Columns()),
    'series': (pd.Series([1.0, 2], MONTHS[:2], name='sales'), Columns()),
    'periods': ({'a': pd.Series([1.0], pd.period_range('2020', periods=1, freq='M'))}, Columns()),
    'range': ([pd.Series([1.0]), pd.Series([1.0, 2])], Columns()),
    'arrays': ([[1.0, np.nan], [2.0]], Columns()),
    'array': (np.arange(4.0), Columns()),
}


def through_a_file(panel):
    """Return a panel of the arrays and the JSON of another one."""
    state = to_state(panel)
    arrays = {name: value for name, value in state.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in state.items() if name not in arrays}
    return from_state({**json.loads(json.dumps(others)), **arrays})


@pytest.mark.parametrize('case', CASES)
def test_a_panel_is_the_same_after_a_file(case):
    y, columns = CASES[case]
    panel = read('fit()', y, None, columns)
    again = through_a_file(panel)
    for one, other in zip(panel.series, again.series, strict=True):
        for name in ('values', 'past', 'future', 'static'):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.id, one.name, one.skipped) == (other.id, other.name, other.skipped)
        assert one.times == other.times
    assert (again.form, again.columns, again.categories) == (
        panel.form,
        panel.columns,
        panel.categories,
    )
    found = [
        give(each, [Forecast(np.arange(2.0)) for _ in each.series], True) for each in (panel, again)
    ]
    assert repr(found[0]) == repr(found[1])


def test_inputs_of_the_future_are_read_after_a_file():
    again = through_a_file(read('fit()', FRAME, None, NAMES))
    ahead = pd.DataFrame({'shop': [*'ba'], 'ds': MONTHS[[2, 1]], 'x': [7, 8]})
    assert [one.tolist() for one in read_ahead('', again, ahead, 1)] == [[[7]], [[8]]]


def test_ids_must_be_fit_for_json():
    panel = read('fit()', {(1, 2): [1.0]}, None, Columns())
    with pytest.raises(ConfigError) as caught:
        to_state(panel)
    assert str(caught.value) == ('save(): an id must be a str or a number; got (1, 2), a tuple')
