"""Long series on disk, of which windows are read in order."""

import itertools
import re
import threading

import numpy as np
import pytest
from disk import Lazy, Slices, mapped
from long_forms import long_unless

from rnnkit import Regressor
from rnnkit.data import stored_windows
from rnnkit.data.examples import Examples
from rnnkit.data.on_disk import wrapped
from rnnkit.data.share import Share
from rnnkit.data.stored_windows import StoredWindows
from rnnkit.data.windows import Windows
from rnnkit.errors import ConfigError, DataError

B, T = 5, 47
RNG = np.random.default_rng(0)
X = RNG.standard_normal((B, T, 2))
Y = RNG.standard_normal((B, T, 1)).astype('float32')
OPTIONS = {'algo': 'sgd', 'carry_state': True, 'bptt_steps': 6, 'seed': 1, 'verbose': 0}


def network(layout='batch', **options):
    return Regressor([2, ('rnn', 3), 1], layout=layout, seed=0, **options)


def windows(data, **options):
    border = network()._border
    return StoredWindows(Examples(border, wrapped(data, 'train'), 'train'), 6, 2, **options)


def trained(net, data, **options):
    result = net.train(data, **{**OPTIONS, 'epochs': 2, **options})
    return [p.get_value() for p in net.params], result


def assert_same(one, two):
    assert one[1] == two[1]
    for a, b in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('together', [1, 3, 100])
@pytest.mark.parametrize('n_batches', [None, 5])
def test_windows_are_those_of_arrays(tmp_path, monkeypatch, together, n_batches):
    monkeypatch.setattr(stored_windows, 'PIECE', together * 6 * 2 * 16)
    arrays = [a.swapaxes(0, 1).astype('float32') for a in (X, Y)]
    expected = Windows(arrays, [1, 1], [0, 0], 6, 2, n_batches)
    on_disk = windows([mapped(tmp_path, X), mapped(tmp_path, Y)], n_batches=n_batches)
    for _ in range(3):
        for one, two in zip(on_disk, expected, strict=True):
            assert one.fresh == two.fresh
            for a, b in zip(one, two, strict=True):
                np.testing.assert_array_equal(a, b)
    assert on_disk.get_state() == expected.get_state()
    again = windows([mapped(tmp_path, X), mapped(tmp_path, Y)], n_batches=n_batches)
    again.set_state(expected.get_state())
    for one, two in zip(again, expected, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
    assert not [t for t in threading.enumerate() if t.name == 'rnnkit reads ahead']


@pytest.mark.parametrize(
    ('layout', 'valid'),
    long_unless(
        lambda layout, valid: layout == 'batch' and valid,
        itertools.product(['batch', 'time'], [None, ('tail', 0.2)]),
    ),
)
def test_training_with_a_carried_state(tmp_path, layout, valid):
    turn = (lambda a: a) if layout == 'batch' else (lambda a: a.swapaxes(0, 1))
    data = [turn(X), turn(Y)]
    expected = trained(network(layout), data, valid=valid, batch_size=2)
    on_disk = [mapped(tmp_path, data[0]), data[1]]
    assert_same(trained(network(layout), on_disk, valid=valid, batch_size=2), expected)


@pytest.mark.long
def test_one_long_series_without_an_axis_for_series(tmp_path):
    data = [X.reshape(-1, 2), Y.reshape(-1, 1)]
    for valid in (None, ('tail', 0.2)):
        expected = trained(network('time'), data, valid=valid)
        on_disk = [mapped(tmp_path, data[0]), Slices(data[1])]
        assert_same(trained(network('time'), on_disk, valid=valid), expected)


@pytest.mark.long
def test_masks_are_read_with_their_windows(tmp_path):
    mask = np.arange(T) < RNG.integers(8, T, B)[:, None]
    expected = trained(network(masked=True), [X, Y, mask])
    on_disk = [mapped(tmp_path, a) for a in (X, Y, mask)]
    assert_same(trained(network(masked=True), on_disk), expected)


def test_a_number_is_named_by_its_step_in_the_series(tmp_path):
    x = X.copy()
    x[3, 29, 1] = np.nan
    with pytest.raises(DataError) as error:
        trained(network(), [x, Y])
    with pytest.raises(DataError) as same:
        trained(network(), [mapped(tmp_path, x), Y])
    assert str(same.value) == str(error.value)
    assert 'index (3, 29, 1)' in str(error.value)


def test_shares_are_series_of_each_window(tmp_path):
    data = [mapped(tmp_path, X[:4]), mapped(tmp_path, Y[:4])]
    parts = [windows(data, share=Share(rank, 2)) for rank in range(2)]
    for one, two, whole in zip(*parts, windows(data), strict=True):
        np.testing.assert_array_equal(np.concatenate([one[0], two[0]], 1), whole[0])


def test_sequences_that_are_read_one_by_one_are_refused():
    with pytest.raises(
        ConfigError,
        match='^'
        + re.escape(
            'train: carry_state cuts arrays along time; here sequences are read one by one'
        ),
    ):
        trained(network(), [Lazy(list(X)), Lazy(list(Y))])
