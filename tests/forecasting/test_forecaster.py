"""`Forecaster` as a whole."""

import copy
import functools
import io
import pickle
from dataclasses import replace

import numpy as np
import pytest

import rnnkit
from rnnkit.common import file_format
from rnnkit.errors import ConfigError, DataError
from rnnkit.forecasting import features, files
from rnnkit.forecasting.ahead import Values
from rnnkit.forecasting.intervals import Calibration

T = np.arange(150)
WAVE = np.exp(0.01 * T) * (10 + np.sin(T * np.pi / 6))
SMALL = dict(form='gru', size=4, horizon=6, season=12, updates=40, batch_size=8, ensemble=1, seed=0)


def made(**changes):
    return rnnkit.Forecaster(**SMALL | changes)


@functools.cache
def one_fitted():
    return made(updates=5).fit(WAVE)


@pytest.fixture(scope='module')
def many():
    """Return series of different lengths, kinds and sizes."""
    rng = np.random.default_rng(0)
    lengths = (60, 100, 100, 80)
    return [
        10.0**k * (3 + np.sin(np.arange(n) * np.pi / 6 + k) + 0.1 * rng.standard_normal(n))
        for k, n in enumerate(lengths)
    ]


@pytest.fixture(scope='module', params=['direct', 'recursive'])
def fitted(request, many):
    return made(mode=request.param).fit(many)


def test_it_learns_what_the_base_misses():
    rng = np.random.default_rng(1)
    y = 0.5 * T + 5 * np.sin(T * np.pi / 6) + 0.5 * rng.standard_normal(150)
    forecaster = made(updates=300).fit(y[:-6])
    naive = abs(y[-18:-12] - y[-6:]).mean()
    assert abs(forecaster.forecast() - y[-6:]).mean() < 0.25 * naive


@pytest.mark.parametrize('scale', ['mean_abs', 'standard', 'robust'])
@pytest.mark.parametrize('log', [True, False])
def test_forecasts_of_c_times_y_are_c_times_those_of_y(many, scale, log):
    plain = made(scale=scale, log=log).fit(many).forecast()
    times = made(scale=scale, log=log).fit([1024 * y for y in many]).forecast()
    for a, b in zip(plain, times, strict=True):
        # A power of 2 is exact but for logarithms.
        np.testing.assert_allclose(b, 1024 * a, rtol=1e-5 if log else 1e-12)


def test_the_order_and_number_of_other_series_change_nothing(fitted, many):
    together = fitted.forecast()
    order = [2, 0, 3, 1]
    for k, found in zip(order, fitted.forecast(y=[many[k] for k in order]), strict=True):
        np.testing.assert_allclose(found, together[k], rtol=1e-7)
    for k, y in enumerate(many):
        np.testing.assert_allclose(fitted.forecast(y=y), together[k], rtol=1e-7)


def test_values_before_the_memory_of_the_features_reach_forecasts_by_the_state(fitted, many):
    changed = many[1].copy()
    changed[:5] *= 1.5
    assert not np.array_equal(fitted.forecast(y=changed), fitted.forecast()[1])


def test_a_file_and_a_pickle_give_the_same_bits(fitted, tmp_path):
    fitted.save(tmp_path / 'forecaster.rnn')
    expected = fitted.forecast(level=80)
    for again in (
        rnnkit.load(tmp_path / 'forecaster.rnn'),
        rnnkit.Forecaster.load(tmp_path / 'forecaster.rnn'),
        pickle.loads(pickle.dumps(fitted)),
    ):
        for found, one in zip(again.forecast(level=80), expected, strict=True):
            assert found.mean.tolist() == one.mean.tolist()
            assert found.lower[80].tolist() == one.lower[80].tolist()
        assert again.options == fitted.options


def test_files_of_networks_and_forecasters_are_not_confused(fitted, tmp_path):
    net = rnnkit.Regressor([1, ('rnn', 2), 1])
    net.save(tmp_path / 'net.rnn')
    fitted.save(tmp_path / 'forecaster.rnn')
    with pytest.raises(ConfigError, match='holds a Regressor'):
        rnnkit.Forecaster.load(tmp_path / 'net.rnn')
    with pytest.raises(ConfigError, match=r'is a Forecaster; write rnnkit.Forecaster.load'):
        rnnkit.Regressor.load(tmp_path / 'forecaster.rnn')


def test_a_damaged_forecaster_is_a_format_error(fitted):
    file = files.pack(fitted._fitted)
    del file.meta['design']['lags']
    content = io.BytesIO(file_format.pack(file, 'f'))
    with pytest.raises(rnnkit.FormatError, match='its forecaster cannot be built'):
        rnnkit.load(content)


@pytest.mark.parametrize('value', [10**9, 10**18, -1, 'x', {}, 1e300, np.zeros(3)], ids=str)
@pytest.mark.parametrize(
    'path',
    [
        ('spec', 'options', 'horizon'),
        ('spec', 'options', 'ensemble'),
        ('spec', 'networks'),
        ('meta', 'design', 'lags'),
        ('meta', 'design', 'window'),
        ('meta', 'design', 'decodes'),
        ('meta', 'choices', 0),
        ('meta', 'panel', 'form', 'kind'),
        ('meta', 'panel', 'columns', 'future'),
        ('meta', 'calibration', 'counts'),
    ],
    ids=str,
)
def test_a_file_with_a_valid_digest_can_do_no_harm(path, value):
    file = copy.deepcopy(files.pack(one_fitted()._fitted))
    part, *keys, last = path
    found = getattr(file, part)
    for key in keys:
        found = found[key]
    found[last] = value
    try:
        content = io.BytesIO(file_format.pack(file, 'f'))
    except (ConfigError, TypeError):  # it cannot be written
        return
    with pytest.raises(rnnkit.FormatError, match='cannot be built'):
        rnnkit.load(content)


def test_update_forecasts_from_the_longer_series_without_training(fitted, many, tmp_path):
    options = dict(base='seasonal', log=True, mode=fitted.options.mode)  # not by the values
    before = made(**options).fit(many)
    before.save(tmp_path / 'f.rnn')
    after = rnnkit.load(tmp_path / 'f.rnn')
    new = [y[-7:] * 1.1 for y in many]
    after.update(new)
    expected = before.forecast(y=[np.concatenate(pair) for pair in zip(many, new, strict=True)])
    for found, one, old in zip(after.forecast(), expected, before.forecast(), strict=True):
        assert found.tolist() == one.tolist()
        assert found.tolist() != old.tolist()


@pytest.mark.parametrize('mode', ['direct', 'recursive'])
@pytest.mark.parametrize('log', [True, False])
def test_a_stepper_forecasts_what_update_forecasts(mode, log):
    y = WAVE + 0.1 * np.random.default_rng(2).standard_normal(150)
    forecaster = made(mode=mode, log=log).fit(y[:100])
    stepper = forecaster.stepper()
    for t in range(100, 150):
        found = stepper(y[t])
    forecaster.update(y[100:])
    np.testing.assert_allclose(found, forecaster.forecast(), rtol=1e-5)


def test_a_recursive_forecast_reads_its_own_values():
    forecaster = made(mode='recursive', log=False, base='seasonal').fit(WAVE)
    whole, values = forecaster.forecast(), list(WAVE)
    for _ in range(6):
        fitted = forecaster._fitted
        histories = fitted.build(fitted.of(fitted.panel).panel, 2)
        first, _ = fitted.model.after(histories, np.zeros(1, int), histories.end)
        values.append(Values(histories, 1).of(first.point())[0, 0])
        forecaster.update(values[-1:])
    shrink = forecaster._fitted.model.shrink
    base = np.array(WAVE[-12:-6])
    expected = base + shrink * (np.array(values[150:]) - base)
    np.testing.assert_allclose(whole, expected, rtol=1e-6)


def test_an_ensemble_is_the_mean_of_its_networks():
    forecaster = made(ensemble=3).fit(WAVE)
    model, histories = forecaster._fitted.model, forecaster._fitted.histories
    assert len({net.params[0].get_value().sum() for net in forecaster.networks}) == 3
    at, one = histories.end - 1, np.zeros(1, int)
    x = features.read(
        model.design, histories, np.arange(histories.first[0], at[0] + 1)[:, None], one
    )
    mean = np.mean([net.predict(x)[-1] for net in forecaster.networks], axis=0)
    expected = Values(histories, 6).of(model.shrink * mean.astype(float))
    np.testing.assert_allclose(forecaster.forecast(), expected[0], rtol=1e-6)


def test_lags_are_known_after_fit():
    assert made(lags=(3, 12)).fit(WAVE).lags_ == (3, 12)
    assert made().fit(WAVE).lags_[:2] == (1, 12)


def test_a_second_fit_begins_again_unless_it_starts_warm():
    first = made().fit(WAVE).forecast()
    again = made().fit(WAVE)
    assert again.fit(WAVE).forecast().tolist() == first.tolist()
    warm = made(warm_start=True).fit(WAVE)
    before = [p.get_value() for p in warm.networks[0].params]
    old = warm.networks[0]
    assert warm.fit(WAVE).forecast().tolist() != first.tolist()
    assert all(np.array_equal(p.get_value(), b) for p, b in zip(old.params, before, strict=True))


@pytest.mark.parametrize('value', [0.0, 3.5, -2.0])
def test_a_constant_series_stays_constant(value):
    forecaster = made().fit(np.full(50, value))
    assert forecaster.forecast().tolist() == [value] * 6
    found = forecaster.forecast(level=95)
    assert found.lower[95].tolist() == found.upper[95].tolist() == [value] * 6


@pytest.mark.filterwarnings(r'ignore:fit\(\). y has \d+ values, too few to hold out')
@pytest.mark.parametrize(
    'options',
    [
        dict(lags=(3, 12)),
        dict(lags=5, season=None),
        dict(base=None),
        dict(base=None, mode='recursive'),
        dict(base='naive', scale='standard'),
        dict(base='seasonal', scale=None),
        dict(size=(4, 3), form='rnn'),
        dict(season=200),
        dict(horizon=100),
    ],
    ids=str,
)
def test_options_go_together(options):
    forecaster = made(**options).fit(WAVE)
    found = forecaster.forecast(level=80)
    assert len(found) == forecaster.options.horizon
    assert ((found.lower[80] > 0) & (found.upper[80] < 1000)).all()


@pytest.mark.filterwarnings(r'ignore:fit\(\). y has \d+ values, too few to hold out')
@pytest.mark.parametrize(
    'y',
    [
        [0.0] * 4 + [5.0],
        [0.0] * 50 + [1.0],
        [1.0] * 30 + [np.nan] + [1.0] * 3,
        [1e-300] * 20 + [2e-300] * 5,
        [1e300, 1.1e300] * 20,
        [-1.0, 2.0, -3.0, 4.0],
    ],
)
def test_odd_series_have_forecasts_without_another_warning(y):
    found = made(horizon=3, season=2, updates=20).fit(np.array(y)).forecast(level=95)
    for part in (found.mean, found.lower[95], found.upper[95]):
        assert np.isfinite(part).all()
        assert (abs(part) <= 30 * np.nanmax(abs(np.array(y)))).all()


def test_missing_values_are_not_learned_from():
    y = WAVE.copy()
    y[[0, 1, 70, 71, 149]] = np.nan
    found = made(updates=200).fit(y).forecast()
    ahead = 150 + np.arange(6)
    truth = np.exp(0.01 * ahead) * (10 + np.sin(ahead * np.pi / 6))
    assert abs(found / truth - 1).max() < 0.08  # the values of a year ago are 11 % too low


def test_short_series_have_forecasts_beside_long_ones(many):
    found = made().fit([*many, np.array([7.0]), np.array([1.0, 2.0])]).forecast()
    assert found[4].tolist() == [7.0] * 6
    assert found[5].shape == (6,)
    assert np.isfinite(found[5]).all()


def test_too_short_series_are_an_error():
    with pytest.raises(DataError) as caught:
        made().fit([1.0, 2.0])
    assert str(caught.value) == (
        'fit(): y has 2 values; to learn from series, one of them must have at least 4'
    )


def test_intervals_contain_the_point_and_each_other(fitted):
    for one in fitted.forecast(level=(50, 80, 95), quantiles=(0.1, 0.9)):
        for level in (50, 80, 95):
            assert (one.lower[level] <= one.mean).all()
            assert (one.mean <= one.upper[level]).all()
        assert (one.lower[95] <= one.lower[80]).all()
        assert (one.lower[80] <= one.lower[50]).all()
        assert one.lower[80].tolist() == one.quantiles[0.1].tolist()


def test_quantiles_are_on_their_side_of_the_point():
    forecaster = copy.copy(one_fitted())
    fitted = forecaster._fitted
    state = fitted.calibration.state()
    for change in (-100, 100):
        moved = Calibration.from_state({**state, 'corrections': state['corrections'] + change})
        forecaster._fitted = replace(fitted, calibration=moved)
        found = forecaster.forecast(level=80, quantiles=0.5)
        inner, outer = (found.upper, found.lower) if change < 0 else (found.lower, found.upper)
        assert inner[80].tolist() == found.mean.tolist()
        assert (np.sign(change) * (outer[80] - found.mean) > 0).all()
        assert (np.sign(change) * (found.quantiles[0.5] - found.mean) > 0).all()


def test_seeds_determine_samples_and_forecasts(many):
    a, b, c = (made(seed=s).fit(many[0]).forecast(samples=5).samples for s in (1, 1, 2))
    assert a.shape == (5, 6)
    assert a.tolist() == b.tolist()
    assert a.tolist() != c.tolist()


def test_a_longer_horizon_needs_steps_of_one(fitted):
    if fitted.options.mode == 'recursive':
        long, short = fitted.forecast(20), fitted.forecast()
        assert [one[:6].tolist() for one in long] == [one.tolist() for one in short]
    else:
        with pytest.raises(ConfigError) as caught:
            fitted.forecast(20)
        assert str(caught.value) == (
            'forecast(): horizon=20, but the network predicts 6 steps; make a Forecaster with '
            "horizon=20, or with mode='recursive'"
        )
    assert [one.tolist() for one in fitted.forecast(2)] == [
        one[:2].tolist() for one in fitted.forecast()
    ]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(horizon=None), 'horizon is missing: how many steps to forecast, such as horizon=12'),
        (dict(horizon=0), 'horizon must be a whole number of at least 1; got 0'),
        (dict(season=-1), 'season must be a whole number of at least 1; got -1'),
        (dict(mode='direkt'), "did you mean 'direct'?"),
        (dict(output='quantile'), "did you mean 'quantiles'?"),
        (dict(scale='std'), 'scale must be one of'),
        (dict(lags=(0, 1)), 'lags must be'),
        (dict(base='seasonal', season=None), "base='seasonal' needs season="),
        (dict(form='lstmm'), "did you mean 'lstm'?"),
        (dict(size=()), 'size must name at least one size'),
        (dict(updates=0), 'updates must be a whole number of at least 1; got 0'),
        (dict(seed=1.5), 'seed must be'),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError) as caught:
        made(**options)
    assert message in str(caught.value)


def test_a_misspelt_option_has_a_hint():
    with pytest.raises(rnnkit.CallError, match="did you mean 'horizon'"):
        rnnkit.Forecaster(horizen=12)


@pytest.mark.parametrize(
    ('wanted', 'message'),
    [
        (dict(level=0.8), 'forecast(): level is in %, such as 80; got 0.8'),
        (dict(level=100), 'forecast(): level must be percentages such as (80, 95); got 100'),
        (dict(quantiles=1.5), 'forecast(): quantiles must be between 0 and 1'),
        (dict(samples=0), 'forecast(): samples must be a whole number of at least 1; got 0'),
    ],
)
def test_wrong_levels_are_named(fitted, wanted, message):
    with pytest.raises(ConfigError) as caught:
        fitted.forecast(**wanted)
    assert message in str(caught.value)


def test_a_calendar_needs_time_stamps():
    with pytest.raises(ConfigError, match=r'fit\(\): calendar=True needs time stamps, and the ser'):
        made(calendar=True).fit(WAVE)


def test_intervals_need_held_out_values():
    with pytest.raises(ConfigError, match="hold some out with validation='tail'"):
        made(validation=None).fit(WAVE).forecast(level=80)


def test_forecasts_come_after_fit():
    with pytest.raises(ConfigError, match=r'forecast\(\): first call fit\(\)'):
        made().forecast()


@pytest.mark.parametrize(('verbose', 'count'), [(0, 0), (False, 0), (1, 8), (True, 8), (2, 8)])
def test_verbose_is_that_of_a_training(verbose, count, caplog):
    options = dict(size=2, horizon=2, updates=4, ensemble=1, seed=0, lags=1)
    with caplog.at_level('INFO', 'rnnkit'):
        rnnkit.Forecaster('rnn', **options, verbose=verbose).fit(np.sin(np.arange(30.0)))
    about = [record.epoch for record in caplog.records if getattr(record, 'epoch', None)]
    assert len(about) == count
    assert all(one.stays == (verbose == 2) for one in about)


def test_what_verbose_cannot_be():
    with pytest.raises(rnnkit.ConfigError, match=r'Forecaster\(\): verbose must be 0, .*; got 3'):
        rnnkit.Forecaster('rnn', horizon=2, verbose=3)
