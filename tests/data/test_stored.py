"""Arrays on disk are read piece by piece: every kind of source trains as arrays in memory do."""

import functools
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from disk import Lazy, Slices, mapped
from long_forms import long_unless

from rnnkit import Autoencoder, Classifier, Regressor
from rnnkit.data.stored import Stored
from rnnkit.errors import ConfigError

N, T = 40, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, T, 2))
Y = RNG.standard_normal((N, T, 1)).astype('float32')
QUICK = {'algo': 'sgd', 'batch_size': 8, 'epochs': 2, 'seed': 3, 'verbose': 0}


class Table:
    """Behaves as a `datasets.Dataset` in the format 'numpy'."""

    features = None

    def __init__(self, **arrays):
        self.arrays = arrays

    @property
    def column_names(self):
        return list(self.arrays)

    def __len__(self):
        return len(next(iter(self.arrays.values())))

    def __iter__(self):
        raise AssertionError('rows are not read one by one')

    def select_columns(self, names):
        return Table(**{name: self.arrays[name] for name in names})

    def __getitem__(self, chosen):
        return {name: array[chosen] for name, array in self.arrays.items()}


def trained(net, data, **options):
    """Return the parameters after a training, and what it returned."""
    result = net.train(data, **{**QUICK, **options})
    return [p.get_value() for p in net.params], result


def assert_same(one, two):
    assert one[1] == two[1]
    for a, b in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(a, b)


def regressor(**options):
    return Regressor([2, ('rnn', 3), 1], layout='batch', seed=0, **options)


def h5py_arrays(folder):
    h5py = pytest.importorskip('h5py')
    file = h5py.File(folder / 'data.h5', 'w')
    x = file.create_dataset('x', data=X, chunks=(7, T, 2))
    return [x, file.create_dataset('y', data=Y)]


def zarr_arrays(folder):
    zarr = pytest.importorskip('zarr')
    arrays = []
    for name, array in (('x', X), ('y', Y)):
        made = zarr.create_array(
            store=str(folder / name), shape=array.shape, chunks=(9, T, 1), dtype=array.dtype
        )
        made[...] = array
        arrays.append(made)
    return arrays


@functools.cache
def expected_training(valid):
    """Return a training on arrays in memory."""
    return trained(regressor(), [X, Y], valid=valid)


SOURCES = {
    'memmap': lambda folder: [mapped(folder, X), mapped(folder, Y)],
    'views': lambda folder: [np.asarray(mapped(folder, X))[:], mapped(folder, Y)],
    'mixture': lambda folder: [mapped(folder, X), Y.tolist()],
    'other': lambda folder: [X, mapped(folder, Y)],
    'dict': lambda folder: {'y': Slices(Y), 'x': mapped(folder, X)},
    'table': lambda folder: Table(y=Y, x=X),
    'columns': lambda folder: [Lazy(X), Lazy(list(Y))],
    'list': lambda folder: [[mapped(folder, one) for one in X], Y],
    'h5py': h5py_arrays,
    'zarr': zarr_arrays,
}


@pytest.mark.parametrize(
    'kind', long_unless(lambda kind: kind in ('mixture', 'table', 'zarr'), SOURCES)
)
@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_every_kind_of_source_trains_as_arrays_do(tmp_path, kind):
    source = SOURCES[kind](tmp_path)
    assert_same(trained(regressor(), source, valid=0.2), expected_training(0.2))


@pytest.mark.parametrize(
    ('layout', 'valid'),
    long_unless(
        lambda layout, valid: (layout, valid) == ('time', 0.2),
        itertools.product(['batch', 'time'], [None, 0.2, ('tail', 0.25), 'data']),
    ),
)
def test_validation_data_are_a_part_or_others(tmp_path, layout, valid):
    turn = (lambda a: a) if layout == 'batch' else (lambda a: a.swapaxes(0, 1))
    make = lambda: Regressor([2, ('rnn', 3), 1], layout=layout, seed=0)  # noqa: E731
    on_disk = [mapped(tmp_path, turn(a)) for a in (X, Y)]
    arrays = [turn(X), turn(Y)]
    options = {'valid': valid if valid != 'data' else [a[:9] for a in arrays]}
    expected = trained(make(), arrays, **options)
    if valid == 'data':
        options = {'valid': [a[:9] for a in on_disk]}
    assert_same(trained(make(), on_disk, **options), expected)


@pytest.mark.long
def test_masks_and_weights(tmp_path):
    lengths = RNG.integers(1, T + 1, N)
    mask = (np.arange(T) < lengths[:, None]).astype('uint8')
    weights = RNG.random((N, T, 1))
    expected = trained(regressor(masked=True, weighted=True), [X, Y, weights, mask])
    disk = [mapped(tmp_path, a) for a in (X, Y, weights, mask)]
    assert_same(trained(regressor(masked=True, weighted=True), disk), expected)


def test_ragged_columns():
    lengths = RNG.integers(1, T + 1, N)
    weights = RNG.random((N, T, 1))
    ragged = [[one[:n] for one, n in zip(a, lengths, strict=True)] for a in (X, Y, weights)]
    expected = trained(regressor(masked=True, weighted=True), ragged)
    lazy = [Lazy(one) for one in ragged]
    lazy_result = trained(regressor(masked=True, weighted=True), lazy)
    for a, b in zip(lazy_result[0], expected[0], strict=True):  # each batch has its own padding
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.long
def test_ragged_columns_in_the_layout_time_are_lists_of_sequences():
    lengths = RNG.integers(1, T + 1, N)
    ragged = [[one[:n] for one, n in zip(a, lengths, strict=True)] for a in (X, Y)]
    make = lambda: Regressor([2, ('rnn', 3), 1], masked=True, seed=0)  # noqa: E731
    objects = [np.array(one, dtype=object) for one in ragged]
    expected, got = trained(make(), ragged), trained(make(), Table(x=objects[0], y=objects[1]))
    for a, b in zip(got[0], expected[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.long
def test_an_autoencoder_reads_one_array(tmp_path):
    make = lambda: Autoencoder([2, ('rnn', 3), 2], layout='batch', seed=0)  # noqa: E731
    assert_same(trained(make(), mapped(tmp_path, X)), trained(make(), X))
    sequences = [mapped(tmp_path, one) for one in X]
    assert_same(trained(make(), sequences), trained(make(), list(X)))


@pytest.mark.parametrize('kind', long_unless(lambda kind: kind == 'names', ['names', 'numbers']))
def test_classes_and_their_weights_are_measured_piece_by_piece(tmp_path, monkeypatch, kind):
    monkeypatch.setattr('rnnkit.data.examples.SCANNED', 200)
    labels = np.array(['a', 'b', 'c', 'a'])[np.arange(N) % 4]
    if kind == 'numbers':
        labels = (np.arange(N) % 4 % 3).astype('uint8')
    make = lambda: Classifier([2, ('rnn', 3), 'last', 3], layout='batch', seed=0)  # noqa: E731
    one, two = make(), make()
    expected = trained(one, [X, labels], class_weight='balanced')
    assert_same(
        trained(two, [mapped(tmp_path, X), mapped(tmp_path, labels)], class_weight='balanced'),
        expected,
    )
    assert two.classes_.tolist() == one.classes_.tolist()


def test_inputs_are_not_read_to_learn_the_classes(tmp_path):
    read = []
    labels = np.array(['a', 'b'])[np.arange(N) % 2]
    net = Classifier([2, ('rnn', 3), 'last', 2], layout='batch', seed=0)
    net._learn_classes([Slices(X, read=read), mapped(tmp_path, labels)], None, 'sgd', _Undo())
    assert net.classes_.tolist() == ['a', 'b']
    assert read == []


class _Undo:
    def add(self, *steps):
        """Do nothing."""


def test_standardize_measures_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr('rnnkit.data.examples.SCANNED', 200)
    nets = [
        Regressor([2, 'standardize', ('rnn', 3), 1], layout='batch', seed=0, dtype='float64')
        for _ in range(2)
    ]
    data = 5 + 3 * X
    trained(nets[0], [data, Y])
    trained(nets[1], [mapped(tmp_path, data), Y])
    for name in ('mean', 'deviation'):
        one, two = (net.find('hid1', name).get_value() for net in nets)
        np.testing.assert_allclose(two, one, rtol=1e-12)
    np.testing.assert_allclose(
        nets[1].find('hid1', 'mean').get_value(), data.mean((0, 1)), rtol=1e-12
    )


@pytest.mark.long
def test_integers_are_converted_batch_by_batch(tmp_path):
    pixels = RNG.integers(0, 255, (N, T, 2)).astype('uint8')
    expected = trained(regressor(), [pixels, Y])
    assert_same(trained(regressor(), [mapped(tmp_path, pixels), Y]), expected)


def test_training_is_resumed_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setattr('rnnkit.data.blocks.BUFFER', 2000)
    monkeypatch.setattr('rnnkit.data.stored.PIECE', 500)
    data = [mapped(tmp_path, X), mapped(tmp_path, Y)]
    file = tmp_path / 'training.safetensors'
    options = {'valid': [X[:8], Y[:8]], 'train_batches': 3}
    expected = trained(regressor(), data, **{**options, 'epochs': 4})
    trained(regressor(), data, checkpoint=file, **options)
    assert_same(trained(regressor(), data, resume=file, **{**options, 'epochs': 4}), expected)


def test_parts_of_parts_are_read_from_the_right_places(tmp_path):
    array = np.arange(60).reshape(20, 3)
    for source in (mapped(tmp_path, array), Slices(array)):
        part = (
            Stored(source)
            .part(0, slice(2, 18))
            .part(0, np.array([1, 2, 5, 15]))
            .part(1, slice(1, 3))
        )
        expected = array[2:18][[1, 2, 5, 15], 1:3]
        np.testing.assert_array_equal(part.load(slice(0, 4), 0, 'train: x', 4), expected)
        np.testing.assert_array_equal(part.load(np.array([1, 3]), 0, 'train: x'), expected[[1, 3]])
        assert part.shape == (4, 2)


def test_time_on_the_first_axis_of_a_list_is_told(tmp_path):
    lazy = [Lazy(list(X)), Lazy(list(Y))]
    with pytest.raises(ConfigError, match='is a list of sequences that are read one by one'):
        regressor().train([lazy[0], lazy[1]], valid=('tail', 0.2), carry_state=True)


PROGRAM = r"""
import json, re, sys
from pathlib import Path
import numpy as np
import rnnkit

path, n, checkpoint, epochs, resume = sys.argv[1:]
x = np.memmap(path, 'float32', 'r+', shape=(int(n), 64, 64))
y = (np.arange(int(n)) % 3).astype('int64')
net = rnnkit.Classifier([64, ('rnn', 4), 'last', 3], layout='batch', seed=1)
net.train([x, y], [x[:256], y[:256]], 'sgd', batch_size=128, train_batches=1000, seed=2, verbose=0,
          epochs=int(epochs), checkpoint=checkpoint, resume=checkpoint if resume == 'yes' else None)
# Not ru_maxrss, which begins with the memory of the process that has started this one.
peak = re.search(r'VmHWM:\s*(\d+)', Path('/proc/self/status').read_text())[1]
print(json.dumps([int(peak) / 1024, [p.get_value().tolist() for p in net.params]]))
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != 'linux', reason='reads its memory in /proc')
def test_a_file_of_4_gib_trains_in_less_memory_and_is_resumed(tmp_path):
    n = 2**32 // (64 * 64 * 4)
    path = tmp_path / 'x.bin'
    file = np.memmap(path, 'float32', 'w+', shape=(n, 64, 64))  # sparse
    file[:: n // 64] = np.random.default_rng(0).standard_normal((64, 64, 64))
    del file

    environment = {**os.environ, 'PYTENSOR_FLAGS': '', 'RNNKIT_KERNELS': 'on'}

    def run(checkpoint, epochs, resume='no'):
        command = [sys.executable, '-c', PROGRAM, path, str(n), checkpoint, str(epochs), resume]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=environment
        )
        return json.loads(done.stdout)

    peak, expected = run(tmp_path / 'one', 2)
    run(tmp_path / 'two', 1)
    again, resumed = run(tmp_path / 'two', 2, 'yes')
    assert resumed == expected
    assert max(peak, again) < 600
