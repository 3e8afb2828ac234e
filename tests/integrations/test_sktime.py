"""The forecaster for sktime: sktime's own checks, and what these do not look at."""

import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from compilations import numba_mode

import rnnkit

pytest.importorskip('sktime')

import pandas as pd
from sktime.forecasting.base import ForecastingHorizon
from sktime.split import ExpandingWindowSplitter
from sktime.utils.estimator_checks import check_estimator

from rnnkit.integrations.sktime import RNNForecaster

# Checks that fit a hundred times, for forms of the horizon and of the index, or before and after
# each method.
SLOW = [
    'test_update_predict_predicted_index',
    'test_predict_time_index',
    'test_predict_time_index_with_X',
    'test_predict_interval',
    'test_predict_quantiles',
    'test_fit_idempotent',
    'test_deepcopy_fitted_predict',
    'test_non_state_changing_method_contract',
    'test_methods_have_no_side_effects',
    'test_update_predict_single',
    'test_save_estimators_to_file',
    'test_predict_proba',
    'test_score',
]
QUICK = {'ensemble': 1, 'form': 'gru', 'size': 4, 'season': 4, 'updates': 4, 'random_state': 0}
DAYS = pd.date_range('2026-01-01', periods=60, freq='D')


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Use kernels, and the mode of users."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    with numba_mode():
        yield


def wave(n=40, seed=0, index=DAYS):
    noise = np.random.default_rng(seed).normal(0, 0.3, n)
    return pd.Series(10 + 3 * np.sin(np.arange(n) * np.pi / 2) + noise, index[:n], name='sales')


def panel(lengths):
    """Return a hierarchy of two levels, of series of different lengths."""
    parts = {('north', k): wave(n, k).to_frame() for k, n in enumerate(lengths)}
    return pd.concat(parts, names=['region', 'shop', 'day'])


def long_frame(y):
    return pd.DataFrame({'unique_id': 'sales', 'ds': y.index, 'y': y.to_numpy()})


def direct(y, horizon, **options):
    """Return a forecaster without sktime that is fitted to the same series."""
    options = {**QUICK, **options}
    options['seed'] = options.pop('random_state')
    return rnnkit.Forecaster(horizon=horizon, **options).fit(long_frame(y))


# --- sktime's checks


@pytest.mark.filterwarnings('ignore')
@pytest.mark.usefixtures('machine_code')
@pytest.mark.parametrize(
    'first', [True, pytest.param(False, marks=pytest.mark.long)], ids=['most', 'all']
)
def test_sktime_accepts_the_forecaster(first):
    one = RNNForecaster.create_test_instance() if first else RNNForecaster
    found = check_estimator(one, tests_to_exclude=SLOW if first else None, verbose=False)
    assert {name: text for name, text in found.items() if text != 'PASSED'} == {}
    assert len(found) > (150 if first else 800)


def test_the_defaults_are_those_of_the_forecaster():
    ours = inspect.signature(RNNForecaster).parameters
    for name, parameter in inspect.signature(rnnkit.Forecaster).parameters.items():
        if name not in ('future', 'warm_start', 'seed'):  # sktime's X, update and random_state
            assert ours[name].default == parameter.default, name


def test_the_error_says_what_to_install():
    code = "import sys; sys.modules['sktime'] = None; import rnnkit.integrations.sktime"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        'ImportError: rnnkit.integrations.sktime needs sktime, which is not installed: '
        "pip install 'rnnkit[sktime]'"
    )


# --- values


def test_forecasts_and_quantiles_are_those_of_the_forecaster():
    y = wave()
    forecaster, other = RNNForecaster(**QUICK).fit(y, fh=[1, 3]), direct(y, 3)
    expected = other.forecast(quantiles=(0.1, 0.5, 0.9))
    found = forecaster.predict()
    np.testing.assert_array_equal(found, expected['forecast'][[0, 2]])
    assert found.index.equals(DAYS[[40, 42]])
    assert found.name == 'sales'
    quantiles = forecaster.predict_quantiles(alpha=[0.9, 0.1])
    np.testing.assert_array_equal(quantiles['sales', 0.9], expected['forecast-q0.9'][[0, 2]])
    np.testing.assert_array_equal(quantiles['sales', 0.1], expected['forecast-q0.1'][[0, 2]])
    bands = forecaster.predict_interval(coverage=[0.8])
    np.testing.assert_array_equal(bands['sales', 0.8, 'upper'], expected['forecast-q0.9'][[0, 2]])


@pytest.mark.parametrize(
    ('index', 'fh'),
    [
        (pd.RangeIndex(60), [1, 3]),
        (pd.RangeIndex(60), ForecastingHorizon([40, 42], is_relative=False)),
        (pd.period_range('2020-01', periods=60, freq='M'), [1, 3]),
        (
            pd.period_range('2020-01', periods=60, freq='M'),
            ForecastingHorizon(pd.PeriodIndex(['2023-05', '2023-07'], freq='M'), is_relative=False),
        ),
        (DAYS, ForecastingHorizon(DAYS[[40, 42]], is_relative=False)),
        (pd.date_range('2020-01-31', periods=60, freq='ME'), [1, 3]),
        (pd.date_range('2020-01-01', periods=60, freq='B'), [1, 3]),
    ],
    ids=['range', 'range at', 'period', 'period at', 'days at', 'month ends', 'business days'],
)
def test_forecasts_have_the_index_that_is_asked_for(index, fh):
    y = wave(index=index)
    found = RNNForecaster(**QUICK, calendar=False).fit(y, fh=fh).predict()
    assert found.index.equals(index[[40, 42]])
    expected = direct(y, 3, calendar=False).forecast()['forecast'][[0, 2]]
    np.testing.assert_array_equal(found, expected)


def test_with_a_horizon_fh_may_come_late():
    y = wave()
    forecaster = RNNForecaster(**QUICK, horizon=5).fit(y)
    np.testing.assert_array_equal(forecaster.predict([2]), direct(y, 5).forecast()['forecast'][[1]])
    message = 'horizon=6, but the network predicts 5 steps'
    with pytest.raises(rnnkit.ConfigError, match=message):
        forecaster.predict([6])


def test_missing_values_are_missing():
    y = wave()
    y.iloc[[7, 20]] = np.nan
    found = RNNForecaster(**QUICK).fit(y, fh=[1, 2]).predict()
    np.testing.assert_array_equal(found, direct(y, 2).forecast()['forecast'])


def test_one_network_forecasts_a_hierarchy_from_the_end_of_each_series():
    y = panel([40, 36, 38])
    forecaster = RNNForecaster(**QUICK).fit(y, fh=[1, 2])
    assert len(forecaster.forecaster_.networks) == 1
    assert len(forecaster.forecaster_.panel.series) == 3
    found = forecaster.predict()
    assert found.index.names == ['region', 'shop', 'day']
    assert list(found.columns) == ['sales']
    ends = {key[1]: rows.index.get_level_values('day') for key, rows in found.groupby(level=[0, 1])}
    assert ends[0].equals(DAYS[40:42].rename('day').as_unit(ends[0].unit))
    assert [str(ends[k][0])[:10] for k in range(3)] == [str(DAYS[n])[:10] for n in (40, 36, 38)]
    alone = {k: wave(n, k) for k, n in enumerate([40, 36, 38])}
    frame = pd.concat([long_frame(one).assign(unique_id=k) for k, one in alone.items()])
    model = rnnkit.Forecaster('gru', 4, 2, 4, updates=4, ensemble=1, seed=0)
    expected = model.fit(frame).forecast()
    np.testing.assert_array_equal(found['sales'], expected['forecast'])
    assert forecaster.predict_interval().index.equals(found.index)


def test_columns_have_networks_of_their_own():
    y = pd.DataFrame({'a': wave(seed=1), 'b': wave(seed=2)})
    found = RNNForecaster(**QUICK).fit(y, fh=[1]).predict()
    for name in y:
        alone = RNNForecaster(**QUICK).fit(y[name], fh=[1]).predict()
        np.testing.assert_array_equal(found[name], alone)


# --- covariates


def with_inputs():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 2)), DAYS, ['price', 'heat'])
    y = wave() + 2 * X['price'][:40]
    return y.rename('sales'), X


def test_columns_of_x_are_known_in_the_future_unless_they_are_named():
    y, X = with_inputs()
    options = {**QUICK, 'updates': 40, 'validation': None}
    forecaster = RNNForecaster(**options, past=('heat',)).fit(y, X, fh=[1, 2])
    frame = long_frame(y).assign(price=X['price'][:40].to_numpy(), heat=X['heat'][:40].to_numpy())
    options['seed'] = options.pop('random_state')
    other = rnnkit.Forecaster(horizon=2, future='price', past='heat', **options).fit(frame)
    ahead = pd.DataFrame({'unique_id': 'sales', 'ds': DAYS[40:42], 'price': [1.0, -1.0]})
    given = pd.DataFrame({'price': [1.0, -1.0]}, DAYS[40:42])  # without what is not known
    np.testing.assert_array_equal(forecaster.predict(X=given), other.forecast(X=ahead)['forecast'])
    np.testing.assert_array_equal(
        forecaster.predict(X=X), forecaster.predict(X=X[40:42])
    )  # rows of the past and of later times are left out
    assert (forecaster.predict(X=given) != forecaster.predict(X=X)).all()


def test_x_is_needed_where_fit_had_it():
    y, X = with_inputs()
    forecaster = RNNForecaster(**QUICK).fit(y, X, fh=[1, 2])
    columns = "expects X with the columns ['price', 'heat'], which fit() had; got none"
    with pytest.raises(rnnkit.DataError, match=f'^{re.escape(f"predict() {columns}")}$'):
        forecaster.predict()
    with pytest.raises(rnnkit.DataError, match=f'^{re.escape(f"update() {columns}")}$'):
        forecaster.clone().fit(y, X, fh=[1]).update(wave(42)[40:])
    message = "predict(X=...) has no columns ['heat'], which fit() had; it has ['price']"
    with pytest.raises(rnnkit.DataError, match=f'^{re.escape(message)}$'):
        forecaster.predict(X=X[['price']])
    message = 'predict() got X, but fit() had none; pass X to fit(), too'
    with pytest.raises(rnnkit.DataError, match=f'^{re.escape(message)}$'):
        RNNForecaster(**QUICK).fit(y, fh=[1]).predict(X=X)


def test_columns_named_like_those_of_the_frame_do_no_harm():
    y, X = with_inputs()
    names = dict(zip(X, ['y', 'time'], strict=True))
    one = RNNForecaster(**QUICK).fit(y, X, fh=[1]).predict(X=X)
    two = RNNForecaster(**QUICK).fit(y, X.rename(columns=names), fh=[1])
    np.testing.assert_array_equal(one, two.predict(X=X.rename(columns=names)))


def test_integers_count_steps():
    message = (
        'fit() expects an index of integers to count time steps, 0, 1, 2, ...; got +2 from one '
        'row to the next; insert rows with NaN for missing time steps'
    )
    with pytest.raises(rnnkit.DataError, match=f'^{re.escape(message)}$'):
        RNNForecaster(**QUICK).fit(wave(index=pd.RangeIndex(0, 120, 2)), fh=[1])


# --- going on


def test_an_update_reads_without_training():
    y = wave(48)
    forecaster = RNNForecaster(**QUICK).fit(y[:40], fh=[1, 2])
    other = direct(y[:40], 2)
    forecaster.update(y[36:44], update_params=False).update(y[44:], update_params=False)
    found = forecaster.predict()
    assert found.index.equals(DAYS[48:50])
    np.testing.assert_array_equal(found, other.update(long_frame(y[40:])).forecast()['forecast'])


def test_an_update_trains_further_on_all_values():
    y = wave(48)
    forecaster = RNNForecaster(**QUICK).fit(y[:40], fh=[1, 2])
    before = forecaster.predict().to_numpy()
    found = forecaster.update(y[40:]).predict()
    other = direct(y[:40], 2, warm_start=True).fit(long_frame(y))
    np.testing.assert_array_equal(found, other.forecast()['forecast'])
    assert (found.to_numpy() != before).all()


def test_values_that_have_changed_are_read_again():
    y = wave(44)
    forecaster = RNNForecaster(**QUICK).fit(y[:40], fh=[1, 2])
    revised = y.copy()
    revised.iloc[38] += 5
    found = forecaster.update(revised[38:], update_params=False).predict()
    expected = direct(y[:40], 2).forecast(y=long_frame(revised))['forecast']
    np.testing.assert_array_equal(found, expected)


def test_forecasts_of_the_past_do_not_know_what_came_later():
    y = wave()
    forecaster = RNNForecaster(**QUICK).fit(y, fh=[1])
    windows = ExpandingWindowSplitter(fh=[1], initial_window=30, step_length=4)
    found = forecaster.update_predict(y, windows, update_params=False)
    other = direct(y, 1)
    expected = [other.forecast(y=long_frame(y[:n]))['forecast'][0] for n in (30, 34, 38)]
    np.testing.assert_array_equal(found, expected)
    assert found.index.equals(DAYS[[30, 34, 38]])
    assert forecaster.cutoff == DAYS[[39]]


def test_a_new_series_of_an_update_is_forecast_by_the_same_network():
    y = panel([40, 40, 40])
    forecaster = RNNForecaster(**QUICK).fit(y.iloc[:80], fh=[1])
    found = forecaster.update(y.iloc[80:], update_params=False).predict()
    assert found.index.get_level_values('shop').tolist() == [0, 1, 2]
    assert np.isfinite(found.to_numpy()).all()


def test_a_pretrained_network_forecasts_a_series_without_training():
    y, new = panel([40, 40]), wave(32, seed=9)
    forecaster = RNNForecaster(**QUICK).pretrain(y, fh=[1, 2])
    found = forecaster.clone().fit(new, fh=[1, 2])
    expected = forecaster.pretrained_.forecast(
        y=pd.DataFrame({'series': 'sales', 'time': new.index, 'y': new.to_numpy()})
    )
    np.testing.assert_array_equal(found.predict(), expected['forecast'])
    before = found.predict().to_numpy()
    found.update(wave(36, seed=9)[32:])  # trains a copy
    assert (found.predict().to_numpy() != before).all()
    np.testing.assert_array_equal(found.fit(new, fh=[1, 2]).predict(), before)
    np.testing.assert_array_equal(forecaster.fit(new, fh=[1, 2]).predict(), before)


# --- processes


def test_it_is_pickled_with_its_networks():
    forecaster = RNNForecaster(**QUICK).fit(wave(), fh=[1, 2])
    again = pickle.loads(pickle.dumps(forecaster))
    np.testing.assert_array_equal(again.predict(), forecaster.predict())
    np.testing.assert_array_equal(
        again.update(wave(44)[40:]).predict(), forecaster.update(wave(44)[40:]).predict()
    )


@pytest.mark.parametrize(
    'backend',
    [
        *(pytest.param(one, marks=pytest.mark.long) for one in ('loky', 'multiprocessing')),
        'threading',
    ],
)
def test_columns_are_fit_side_by_side(backend):
    y = pd.DataFrame({'a': wave(seed=1), 'b': wave(seed=2)})
    one = RNNForecaster(**QUICK).fit(y, fh=[1]).predict()
    forecaster = RNNForecaster(**QUICK)
    forecaster.set_config(**{'backend:parallel': backend, 'backend:parallel:params': {'n_jobs': 2}})
    # Another process may have another number of threads, and add up in another order.
    np.testing.assert_allclose(forecaster.fit(y, fh=[1]).predict(), one, rtol=1e-6)
