"""What people write in their first hour with a classifier and a forecaster, and what they read."""

import re
import subprocess
import sys

import numpy as np
import pytest

import rnnkit
from rnnkit import Forecaster, metrics
from rnnkit.errors import ConfigError, DataError, RnnkitError
from rnnkit.training import History

RNG = np.random.default_rng(0)
X = [RNG.standard_normal((9, 3)) for _ in range(4)]
NAMES = np.array(['a', 'b', 'a', 'b'])
GAPS = [x.copy() for x in X]
GAPS[2][4, 1] = np.nan
FILL = (
    '; fill missing values, such as by interpolate() or fillna() of pandas, or read them by a '
    "layer 'grud'"
)
TURNED = '; a sequence is (steps, features); transpose them: [one.T for one in x]'
QUICK = {'form': 'rnn', 'size': 2, 'updates': 2, 'ensemble': 1, 'seed': 0}


def net():
    return rnnkit.Classifier([3, ('rnn', 2), 'last', 2], masked=True, seed=0)


def train(x=X, y=NAMES, **options):
    return net().train([x, y], epochs=1, verbose=0, **options)


def forecaster():
    return Forecaster(horizon=2, **QUICK)


CALLS = {
    'a gap': (
        lambda: train(GAPS),
        'train: x[2] contains nan at index (4, 1); numbers must be finite; padding is where the '
        f'mask is 0{FILL}',
    ),
    'a gap, in predict': (
        lambda: net().predict(GAPS),
        'predict(): x[2] contains nan at index (4, 1); numbers must be finite; padding is where '
        f'the mask is 0{FILL}',
    ),
    'features before steps': (
        lambda: train([X[0].T, X[1][:8].T, X[2].T, X[3].T]),
        f'train: x[1] has 8 features; x[0] has 9{TURNED}',
    ),
    'features before steps, of one length': (
        lambda: train([x.T for x in X]),
        'train: x has 9 features (its last axis, shape (3, 4, 9)); the input layer has 3' + TURNED,
    ),
    'other features': (
        lambda: train([X[0], X[1][:, :2], *X[2:]]),
        'train: x[1] has 2 features; x[0] has 3',
    ),
    'a label that is missing': (
        lambda: train(y=[0, 1, np.nan, 1]),
        'train: y contains nan; labels are strings, numbers or bools; this is at index (2,); leave '
        'out what has no known target, or give it a weight of 0, in a network with weighted=True',
    ),
    'mask': (
        lambda: rnnkit.Classifier([3, 2], mask=True),
        "Classifier(): unknown option 'mask': write masked=True, and pass the mask with the data: "
        '[x, y, mask]',
    ),
    'stratify': (
        lambda: train(stratify=NAMES),
        "train(): unknown option 'stratify': hold out a share of each class yourself, such as by "
        'train_test_split of scikit-learn with stratify=labels, and pass it as valid=[x_valid, '
        'y_valid]',
    ),
    'seasonality': (
        lambda: Forecaster(horizon=14, seasonality=7),
        "Forecaster(): unknown option 'seasonality', did you mean 'season'?",
    ),
    'fh': (
        lambda: Forecaster(fh=14),
        "Forecaster(): unknown option 'fh', did you mean 'horizon'?",
    ),
    'freq': (
        lambda: Forecaster(horizon=14, freq='D'),
        "Forecaster(): unknown option 'freq': the time stamps of the series say it; season= is the "
        'number of steps of a season',
    ),
    'a horizon by position': (
        lambda: Forecaster(14),
        "Forecaster(): form must be the name of a recurrent cell, such as 'lstm'; got 14. For the "
        'number of steps to forecast write horizon=14',
    ),
    'predict of a forecaster': (
        lambda: forecaster().predict(),
        "Forecaster has no attribute 'predict'; write forecaster.forecast()",
    ),
    'a misspelt method': (
        lambda: forecaster().forcast(),
        "Forecaster has no attribute 'forcast'; did you mean 'forecast'?",
    ),
    'a list of strings': (
        lambda: forecaster().fit(['1', '2', '3']),
        "fit(): y must be an array of numbers; it contains '1', a str; convert it first, such as "
        'by pandas.to_numeric(y)',
    ),
    'an array of strings': (
        lambda: forecaster().fit({'a': np.array(['1', '2', '3'])}),
        "fit(): y['a'] must be an array of numbers; it contains '1', a str; convert it first, such "
        "as by pandas.to_numeric(y['a'])",
    ),
}


@pytest.mark.parametrize('call', CALLS)
def test_a_mistake(call):
    wrong, message = CALLS[call]
    with pytest.raises((RnnkitError, AttributeError)) as caught:
        wrong()
    assert str(caught.value) == message


def test_attributes_of_a_forecaster_that_are_asked_for_by_other_programs():
    for name in ('predict', '_repr_mimebundle_', '__array__'):
        assert not hasattr(forecaster(), name)


def test_frames_and_series_of_pandas():
    pd = pytest.importorskip('pandas')
    pd = pytest.importorskip('pandas')
    days = pd.date_range('2026-01-01', periods=30)
    frame = pd.DataFrame({'y': RNG.standard_normal(30)}, days)
    index = "; its index has the time stamps: y.reset_index(names='ds') makes them a column"
    column = 'of the ids of the series by id=, or pass id=None for a single series'
    with pytest.raises(RnnkitError) as caught:
        forecaster().fit(frame)
    assert str(caught.value) == (
        f"fit(): y has no column 'unique_id'; its columns are 'y'; name the column {column}{index}"
    )
    with pytest.raises(RnnkitError) as caught:
        forecaster().fit(frame, id=None)
    assert str(caught.value).endswith(f'name the column of the time stamps by time={index}')
    with pytest.raises(RnnkitError, match=r'such as by pandas.to_numeric\(y\)$'):
        forecaster().fit(frame['y'].astype(str))
    forecaster().fit(frame.reset_index(names='ds'), id=None)
    other = frame.rename(columns={'y': 'z'})
    with pytest.raises(RnnkitError, match=r"those of truth are 'z'.* such as truth\['z'\]"):
        forecaster().fit(frame['y']).plot(truth=other)


def test_a_forecaster_is_not_written_under_the_name_of_another_format(tmp_path):
    fitted = forecaster().fit(RNG.standard_normal(40))
    with pytest.raises(RnnkitError) as caught:
        fitted.save(tmp_path / 'd.pt')
    assert str(caught.value) == (
        "save(): .pt is the name of another format, PyTorch's; rnnkit writes safetensors files; a "
        "suitable name is 'd.safetensors'"
    )
    assert not list(tmp_path.iterdir())


def test_a_history_is_shown_as_a_table():
    epochs = [
        {'training': 1, 'epoch': k, 'loss': 1 / k, 'seconds': 0.25, 'valid_loss': abs(k - 2)}
        for k in range(1, 15)
    ]
    lines = str(History(epochs)).splitlines()
    assert lines[:4] == [
        'History: 14 epochs; * best validation',
        'epoch     loss  valid_loss  seconds',
        '  ...      ...         ...      ...',
        '  2 *      0.5           0     0.25',
    ]
    assert lines[-1] == '   14  0.07143          12     0.25'
    assert len(lines) == 15
    assert str(History()) == repr(History()) == 'History: no epoch yet'
    assert History(epochs) == epochs


def test_metrics_list_their_public_names():
    public = {name for name in dir(metrics) if not name.startswith('_')}
    assert public == set(metrics.__all__)
    assert {'accuracy', 'f1', 'confusion', 'r2', 'add'} <= public
    assert not public & {'np', 'MOST_ROWS', 'dataclass'}
    assert all(hasattr(metrics, name) for name in public)


def test_columns_are_no_path_of_a_plot():
    history = rnnkit.training.History([{'updates': 1, 'loss': 1.0}])
    for columns in ('loss', ('loss', 'acc')):
        message = f'path of a file; for columns write keys={columns!r}'
        with pytest.raises(ConfigError, match=re.escape(message)):
            history.plot(columns)


def test_several_seasons():
    message = 'season must be the steps of the shortest season, .*is found in the data; got '
    with pytest.raises(ConfigError, match=message):
        rnnkit.Forecaster(horizon=2, season=[24, 168])


def test_a_gap_names_the_series_that_has_it():
    pd = pytest.importorskip('pandas')
    days = pd.date_range('2020-01-01', periods=40)
    series = {'a': pd.Series(1.0, days), 'b': pd.Series(1.0, days).drop(days[7])}
    with pytest.raises(DataError, match=r"y\['b'\] has a gap .* such as by y\['b'\]\.asfreq"):
        rnnkit.Forecaster(horizon=2).fit(series)


def test_checks_of_layers_need_no_import_of_their_own():
    program = "import rnnkit; assert 'rnnkit.testing' not in __import__('sys').modules; "
    program += 'rnnkit.testing.CHECKS'
    subprocess.run([sys.executable, '-c', program], check=True)
