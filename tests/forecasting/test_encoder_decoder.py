"""`Forecaster(mode='encoder-decoder')`; and covariates and calendars, in all modes."""

import pickle

import numpy as np
import pytensor
import pytest
from long_forms import long

import rnnkit
from rnnkit.errors import ConfigError, DataError

pd = pytest.importorskip('pandas')

MODES = ('direct', 'recursive', 'encoder-decoder')
N, H = 160, 6
QUICK = dict(
    form='gru', size=8, horizon=H, season=7, updates=100, batch_size=16, learning_rate=0.01,
    calendar=False, seed=0,
)  # fmt: skip
pytestmark = pytest.mark.usefixtures('machine_code')
each_mode = pytest.mark.parametrize('mode', MODES)


def made(**changes):
    return rnnkit.Forecaster(**QUICK | dict(mode='encoder-decoder') | changes)


def table(many, make):
    """Return a frame of `many` series and what follows, whose columns `make` returns."""
    rng = np.random.default_rng(3)
    days = pd.date_range('2020-01-01', periods=N + H)
    parts = [pd.DataFrame(dict(unique_id=k, ds=days, **make(k, rng))) for k in range(many)]
    frame = pd.concat(parts, ignore_index=True)
    later = frame.groupby('unique_id').cumcount() >= N
    return frame[~later], frame[later]


def error(forecaster, frame, columns, X=()):
    """Return the mean absolute error of the forecast by a frame."""
    past, ahead = frame
    keys = ['unique_id', 'ds']
    forecaster.fit(past[[*keys, 'y', *columns]])
    found = forecaster.forecast(X=ahead[[*keys, *X]] if X else None)
    return abs(found['forecast'].to_numpy() - ahead['y'].to_numpy()).mean()


def wave(n):
    return 3 * np.sin(np.arange(n) * 2 * np.pi / 7)


@pytest.fixture(scope='module')
def promotions():
    def make(k, rng):
        sale = (rng.random(N + H) < 0.25).astype(float)
        noise = 0.3 * rng.standard_normal(N + H)
        return dict(y=50 + 10 * k + 10 * sale + wave(N + H) + noise, sale=sale)

    return table(3, make)


@each_mode
@pytest.mark.parametrize('season', [7, long(None)])
def test_known_inputs_are_used(promotions, mode, season):
    options = dict(mode=mode, season=season, updates=200)
    without = error(made(**options), promotions, [])
    found = error(made(future='sale', **options), promotions, ['sale'], ['sale'])
    assert found < without / 2.5


@each_mode
def test_a_forecast_follows_the_known_inputs_of_its_own_step(promotions, mode):
    forecaster = made(mode=mode, future='sale', updates=200).fit(promotions[0])
    ahead = promotions[1].assign(sale=0.0)
    plain = forecaster.forecast(X=ahead[['unique_id', 'ds', 'sale']])['forecast'].to_numpy()
    for k in (0, H - 1):
        ahead['sale'] = (ahead.groupby('unique_id').cumcount() == k).astype(float)
        found = forecaster.forecast(X=ahead[['unique_id', 'ds', 'sale']])['forecast'].to_numpy()
        change = (found - plain).reshape(3, H)
        assert (change[:, k] > 6).all()
        change[:, k] = 0
        assert abs(change).max() < 3


@each_mode
def test_a_covariate_that_leads_the_target_is_used(mode):
    def make(k, rng):
        x = rng.standard_normal(N + H)
        y = 20 + 5 * np.concatenate([[0], x[:-1]]) + 0.2 * rng.standard_normal(N + H)
        return dict(y=y, x=x)

    past, later = table(12, make)
    frame = past, later[later.groupby('unique_id').cumcount() == 0]
    options = dict(mode=mode, season=None, horizon=1, updates=200)
    without = error(made(**options), frame, [])
    assert error(made(past='x', **options), frame, ['x']) < 0.5 * without


def test_a_missing_covariate_is_an_error():
    past, _ = table(1, lambda k, rng: dict(y=wave(N + H), x=rng.random(N + H)))
    past.loc[past.index[3], 'x'] = np.nan
    with pytest.raises(DataError) as caught:
        made(past='x').fit(past)
    assert str(caught.value) == (
        "fit(): column 'x', an input known up to now, is nan in series 0 at 2020-01-04; fill such "
        'gaps first'
    )


@each_mode
def test_constant_covariates_tell_series_apart(mode):
    def make(k, rng):
        step = np.where(k % 2, 3.0, 1.0)
        return dict(y=100 + step * (np.arange(N + H) % 9 == 8).cumsum(), kind=['a', 'b'][k % 2])

    frame = table(4, make)
    forecaster = made(mode=mode, season=None, static='kind', updates=20, validation=None).fit(
        frame[0]
    )
    other = frame[0].assign(kind=frame[0]['kind'].map({'a': 'b', 'b': 'a'}))
    assert not np.allclose(
        forecaster.forecast(y=other)['forecast'], forecaster.forecast()['forecast'], rtol=1e-9
    )


@each_mode
def test_a_weekend_is_known_by_its_date(mode):

    def make(k, rng):
        weekend = pd.date_range('2020-01-01', periods=N + H).day_of_week >= 5
        return dict(y=50 - 10.0 * weekend + 0.3 * rng.standard_normal(N + H))

    frame = table(2, make)
    options = dict(mode=mode, season=None, updates=150)
    found = error(made(calendar=True, **options), frame, [])
    assert found < 1.5


def test_forecasts_of_c_times_y_are_c_times_those_of_y():
    y = 30 + wave(N) + np.random.default_rng(0).standard_normal((2, N))
    options = dict(log=False, updates=20)
    plain = made(**options).fit(list(y)).forecast()
    times = made(**options).fit(list(1024 * y)).forecast()
    for a, b in zip(plain, times, strict=True):
        np.testing.assert_allclose(b, 1024 * a, rtol=1e-12)


@pytest.fixture
def fitted():
    rng = np.random.default_rng(0)
    series = [10.0**k * (3 + wave(n) / 9 + rng.random(n)) for k, n in enumerate((N, 60, 25))]
    return made(form='lstm', size=4, ensemble=2, updates=20).fit(series), series


def test_the_decoder_begins_with_the_states_of_the_encoder(monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    with pytensor.config.change_flags(mode='FAST_COMPILE'):  # Numba takes fifteen seconds for it
        forecaster = made(form='lstm', size=(4, 3), updates=1).fit(wave(N))
    layers = forecaster.networks[0].to_spec()['layers']
    starts = [(one['name'], one['h_0'], one['c_0']) for one in layers if one.get('h_0')]
    assert starts == [('ahead1', 'hid1', 'hid1'), ('ahead2', 'hid2', 'hid2')]


def test_a_file_and_a_pickle_give_the_same_bits(fitted, tmp_path):
    forecaster, _ = fitted
    forecaster.save(tmp_path / 'f.rnn')
    for copy in (rnnkit.load(tmp_path / 'f.rnn'), pickle.loads(pickle.dumps(forecaster))):
        pairs = zip(copy.forecast(level=80), forecaster.forecast(level=80), strict=True)
        for found, one in pairs:
            assert found.mean.tolist() == one.mean.tolist()
            assert found.lower[80].tolist() == one.lower[80].tolist()


def test_other_series_change_nothing(fitted):
    forecaster, series = fitted
    together = forecaster.forecast()
    for found, y in zip(together, series, strict=True):
        np.testing.assert_allclose(forecaster.forecast(y=y), found, rtol=1e-6)


def test_update_forecasts_from_the_longer_series(fitted):
    _, series = fitted
    forecaster = made(base='seasonal', log=True, updates=20).fit(series)  # not by the values
    copy = pickle.loads(pickle.dumps(forecaster))
    new = [y[-7:] * 1.1 for y in series]
    longer = [np.concatenate(pair) for pair in zip(series, new, strict=True)]
    copy.update(new)
    forecasts = copy.forecast(), forecaster.forecast(y=longer), forecaster.forecast()
    for found, expected, old in zip(*forecasts, strict=True):
        assert found.tolist() == expected.tolist()
        assert found.tolist() != old.tolist()


def test_a_shorter_forecast_is_the_start_of_a_longer_one(fitted):
    forecaster, _ = fitted
    for found, whole in zip(forecaster.forecast(2), forecaster.forecast(), strict=True):
        assert found.tolist() == whole[:2].tolist()


def test_a_backtest_judges_it(fitted):
    found = made(updates=20).fit(fitted[1][0]).backtest(windows=2)
    assert found.scores()['forecast']['mase'] > 0


def test_more_steps_and_steppers_are_errors(fitted):
    forecaster, series = fitted
    with pytest.raises(ConfigError) as caught:
        forecaster.forecast(20)
    assert str(caught.value) == (
        'forecast(): horizon=20, but the network predicts 6 steps; make a Forecaster with '
        "horizon=20, or with mode='recursive'"
    )
    with pytest.raises(ConfigError) as caught:
        made(updates=1).fit(series[0]).stepper()
    assert str(caught.value) == (
        "stepper(): with mode='encoder-decoder' each forecast reads the last 32 values again; "
        'call update() with the new values, and then forecast(), or make a Forecaster with '
        "mode='direct'"
    )
