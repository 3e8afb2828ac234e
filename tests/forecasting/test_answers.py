"""Forecast, the object that holds what is said of the future of one series."""

import numpy as np
import pytest

from rnnkit.forecasting.answers import Forecast, give
from rnnkit.forecasting.panel import read
from rnnkit.forecasting.series import Columns

FULL = Forecast(
    np.array([1.0, 2.0]),
    {80: np.array([0.0, 1.0]), 95: np.array([-1.0, 0.0])},
    {80: np.array([2.0, 3.0]), 95: np.array([3.0, 4.0])},
    {0.1: np.array([0.5, 1.5])},
    np.array([[1.0, 3.0], [1.5, 2.5], [0.0, 0.0]]),
    id='a',
)


def test_a_forecast_is_an_array_of_its_points():
    assert np.asarray(FULL).tolist() == [1, 2]
    assert np.asarray(FULL, 'float32').dtype == np.float32
    assert np.shares_memory(np.asarray(FULL), FULL.mean)
    assert not np.shares_memory(np.array(FULL), FULL.mean)
    assert len(FULL) == 2
    with pytest.raises(ValueError, match='must be copied to be float32'):
        np.array(FULL, 'float32', copy=False)


def test_its_repr_says_what_there_is():
    assert repr(FULL) == "<Forecast of 'a': 2 steps, levels 80, 95, quantiles 0.1, 3 samples>"
    assert repr(Forecast(np.zeros(1))) == '<Forecast: 1 step>'


def test_arrays_get_forecasts_where_there_is_more_than_points():
    panel = read('fit()', {'a': [1, 2], 'b': [3]}, None, Columns())
    found = give(panel, [FULL, FULL], simple=False)
    assert found == {'a': FULL, 'b': FULL}
    panel = read('fit()', [1, 2], None, Columns())
    assert give(panel, [FULL], simple=False) is FULL


def test_a_series_gets_a_frame_where_there_is_more_than_points():
    pd = pytest.importorskip('pandas')
    panel = read('fit()', pd.Series([1, 2], name='y'), None, Columns())
    found = give(panel, [FULL], simple=False)
    names = [
        'forecast',
        'lo-95',
        'lo-80',
        'hi-80',
        'hi-95',
        'q0.1',
        *(f'sample-{k}' for k in range(3)),
    ]
    assert list(found.columns) == [names[0], *(f'forecast-{name}' for name in names[1:])]
    assert found.index.tolist() == [2, 3]
    assert found['forecast-hi-95'].tolist() == [3, 4]
