"""What is recognized as data on disk."""

import types

import numpy as np
import pytest
from disk import Lazy, Slices, mapped

from rnnkit import Regressor
from rnnkit.data.on_disk import columns, wrapped
from rnnkit.data.stored import Stored, StoredList
from rnnkit.errors import DataError

X = np.random.default_rng(0).standard_normal((40, 5, 2))
Y = X.mean(axis=2, keepdims=True)


def regressor():
    return Regressor([2, ('rnn', 3), 1], layout='batch', seed=0)


def test_what_is_read_piece_by_piece(tmp_path):
    maps = mapped(tmp_path, X)
    kinds = wrapped(
        [maps, maps[3:], np.asarray(maps).reshape(-1, 2), Slices(X), Lazy([1])], 'train'
    )
    assert [type(one) for one in kinds] == [Stored] * 4 + [StoredList]
    data = [X, X.tolist(), range(3), np.ma.array(X), b'', None, np.float32(1)]
    assert wrapped(data, 'train') is data
    assert columns(data, ['x', 'y']) is data


def test_a_closed_file_is_an_error(tmp_path):
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        x = file.create_dataset('x', data=X)
    with pytest.raises(DataError, match=r'^train: x cannot be read, .*; is its file open\?$'):
        regressor().train([x, Y])


def test_a_file_of_arrays_is_passed_as_a_dict():
    message = r'got mappingproxy; pass a dict, such as dict\(data\)$'
    with pytest.raises(DataError, match=message):
        regressor().train(types.MappingProxyType({'x': X, 'y': Y}))
