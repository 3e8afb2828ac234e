"""Models of Keras 3 with random weights come in, compute the same, and take them back."""

import io
import os

import numpy as np
import pytest
from keras_files import hdf5

import rnnkit

pytest.importorskip('torch')
os.environ.setdefault('KERAS_BACKEND', 'torch')
keras = pytest.importorskip('keras')
h5py = pytest.importorskip('h5py')
pytestmark = [
    pytest.mark.peers,
    # Tensors of PyTorch that are converted by keras itself.
    pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning'),
]

L = keras.layers
T, B, I = 6, 4, 3  # noqa: E741
# Both compute in float32.
TOLERANCE = 1e-6


def sequential(*layers, steps=None):
    return keras.Sequential([keras.Input((steps, I)), *layers])


def functional():
    x = keras.Input((T, I))
    h = L.GRU(4, return_sequences=True, name='encoder')(x)
    h = L.TimeDistributed(L.Dense(3, activation='gelu'))(h)
    return keras.Model(x, L.Dense(1, activation='sigmoid')(L.GlobalAveragePooling1D()(h)))


MODELS = {
    'simple': lambda: sequential(L.SimpleRNN(4, return_sequences=True), L.Dense(2)),
    'two layers': lambda: sequential(L.LSTM(4, return_sequences=True), L.LSTM(3)),
    'both ways': lambda: sequential(L.Bidirectional(L.GRU(4, return_sequences=True)), L.Dense(1)),
    'average': lambda: sequential(L.Bidirectional(L.LSTM(4), merge_mode='ave')),
    'before': lambda: sequential(
        L.GRU(4, reset_after=False, recurrent_activation='hard_sigmoid'), L.Dense(2, 'softmax')
    ),
    'norms': lambda: sequential(
        L.Normalization(), L.LSTM(4, use_bias=False), L.LayerNormalization(), L.Dense(2)
    ),
    'sequence': lambda: sequential(
        L.LSTM(4, go_backwards=True), L.RepeatVector(3), L.GRU(3, return_sequences=True),
        L.TimeDistributed(L.Dense(2, activation='swish')), L.Flatten(), L.Dense(2),
        L.Activation('elu'),
    ),
    'functional': functional,
}  # fmt: skip


def randomize(model, rng):
    """Give a model random weights."""
    values = []
    for variable, old in zip(model.weights, model.get_weights(), strict=True):
        new = 0.5 * rng.standard_normal(old.shape).astype(old.dtype)
        path = variable.path
        values.append(old if 'count' in path else 1 + new**2 if 'variance' in path else new)
    model.set_weights(values)


@pytest.mark.parametrize('name', MODELS)
def test_models_come_in_and_go_out(name, rng, tmp_path):
    model = MODELS[name]()
    randomize(model, rng)
    path = tmp_path / 'model.keras'
    model.save(path)
    net = rnnkit.from_keras(path)
    x = rng.standard_normal((B, T, I)).astype('f4')
    right = model.predict(x, verbose=0)
    predict = net.predict_proba if name == 'before' else net.predict
    np.testing.assert_allclose(predict(x), right, atol=TOLERANCE)
    other = MODELS[name]()
    weights = net.to_keras()
    if name == 'norms':
        weights.pop(5)  # the bias of 0 that the LSTM there does not have
    other.set_weights(weights)
    np.testing.assert_allclose(other.predict(x, verbose=0), right, atol=TOLERANCE)
    specs, kind = [layer.to_spec() for layer in net.layers], type(net)
    lists = [rnnkit.from_keras(one.get_weights(), specs, model=kind) for one in (model, other)]
    for p, *others in zip(net.params, *(one.params for one in lists), strict=True):
        for q in others:
            # A variance has been a deviation, and is rounded twice.
            np.testing.assert_array_max_ulp(
                p.get_value(), q.get_value(), 1 if 'dev' in p.name else 0
            )


def test_weights_alone(rng, tmp_path):
    model = MODELS['both ways']()
    randomize(model, rng)
    path = tmp_path / 'model.weights.h5'
    model.save_weights(path)
    layers = [I, dict(form='bidirectional', worker='gru', size=8), 1]
    for source in (path, model.get_weights()):
        net = rnnkit.from_keras(source, layers)
        for a, b in zip(net.to_keras(), model.get_weights(), strict=True):
            assert a.shape == b.shape
        x = rng.standard_normal((B, T, I)).astype('f4')
        np.testing.assert_allclose(net.predict(x), model.predict(x, verbose=0), atol=TOLERANCE)


def test_masks_of_embeddings(rng, tmp_path):
    ids = keras.Input((None,), dtype='int32')
    h = L.LSTM(4, return_sequences=True)(L.Embedding(7, 5, mask_zero=True)(ids))
    for chain in (
        keras.Model(ids, L.Dense(1)(L.GlobalAveragePooling1D()(h))),
        keras.Sequential([ids, L.Embedding(7, 5, mask_zero=True), L.LSTM(4), L.Dense(1)]),
    ):
        randomize(chain, rng)
        chain.save(tmp_path / 'model.keras')
        net = rnnkit.from_keras(tmp_path / 'model.keras')
        rows = [rng.integers(1, 7, n) for n in (3, 6, 5)]
        padded = keras.utils.pad_sequences(rows, padding='post')
        right = chain.predict(padded, verbose=0)
        np.testing.assert_allclose(net.predict(rows), right, atol=TOLERANCE)
        np.testing.assert_allclose(net.predict(padded, mask=padded != 0), right, atol=TOLERANCE)


def test_files_by_hand_are_those_of_keras(rng, tmp_path):
    """What the tests without Keras read is what Keras itself reads."""
    model = sequential(L.LSTM(4), L.Dense(1))
    arrays = [rng.standard_normal(w.shape).astype('f4') for w in model.get_weights()]
    path = tmp_path / 'a.weights.h5'
    path.write_bytes(hdf5({'lstm/cell': arrays[:3], 'dense': arrays[3:]}))
    model.load_weights(path)
    for a, b in zip(model.get_weights(), arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    found = rnnkit.from_keras(io.BytesIO(path.read_bytes()), [I, ('lstm', 4), 'last', 1])
    np.testing.assert_array_equal(found.find(1, 'xh').get_value(), arrays[0])
