"""Trainings whose result must not depend on the number of processes; `ranks.run` calls them.

Each is a function of the option ``comm`` and of a folder, and returns what must be the same.
"""

from pathlib import Path
from typing import Any

import numpy as np

import rnnkit

T, B = 7, 21  # a last batch of one example
MODEL = [2, ('lstm', 4), 1]


def generator() -> np.random.Generator:
    return np.random.default_rng(12)


def series(n: int = B, t: int = T, dtype: str = 'float64') -> list[np.ndarray]:
    """Return inputs (t, n, 2) and targets (t, n, 1)."""
    x = generator().normal(size=(t, n, 2))
    y = np.cumsum(x.sum(axis=2, keepdims=True), 0) / 3 + np.sin(np.arange(n))[:, None]
    return [x.astype(dtype), y.astype(dtype)]


def ragged(n: int = B) -> np.ndarray:
    """Return a mask (T, n)."""
    return (np.arange(T)[:, None] < 1 + np.arange(n) * 5 % T).astype('float64')


def regressor(layers: Any = MODEL, **settings: Any) -> rnnkit.Regressor:
    settings = dict(dtype='float64', seed=4) | settings
    return rnnkit.Regressor(layers, **settings)


def classifier(layers: Any = (2, ('lstm', 4), 3), **settings: Any) -> rnnkit.Classifier:
    settings = dict(dtype='float64', seed=4) | settings
    return rnnkit.Classifier(list(layers), **settings)


def labels(n: int = B) -> list[np.ndarray]:
    """Return inputs (T, n, 2) and labels (T, n) of three classes, of which one is rare."""
    x, y = series(n)
    return [x, np.digitize(y[..., 0], [0.0, 1.5])]


def state(net: Any) -> dict[str, Any]:
    """Return what a training has left."""
    history = [
        {name: value for name, value in record.items() if name != 'seconds'}
        for record in net.history
    ]
    return {'params': {p.name: p.get_value() for p in net.params}, 'history': history}


def train(comm: Any, net: Any, data: Any, epochs: int = 10, **options: Any) -> dict[str, Any]:
    """Make 50 updates, as long as there is nothing else in the options."""
    options = dict(batch_size=5, algo='adam', learning_rate=0.02, progress=False) | options
    found = net.train(data, epochs=epochs, comm=comm, **options)
    return {'results': found, **state(net)}


# --- data


def masked_lstm(comm, folder):
    data = [*series(), ragged()]
    return train(comm, regressor(masked=True), data, valid=0.2, max_gradient_norm=0.1)


def lists(comm, folder):
    x, y = series()
    n = ragged().sum(axis=0).astype(int)
    data = [[x[: n[k], k] for k in range(B)], [y[: n[k], k] for k in range(B)]]
    return train(comm, regressor(masked=True), data, valid=('tail', 0.2))


def bucketed(comm, folder):
    data = [*series(), ragged()]
    return train(comm, regressor(masked=True), data, bucket=True, valid=0.2)


def sample_weights(comm, folder):
    x, y = series()
    weights = generator().integers(0, 3, (T, B)).astype('float64')
    weights[:, ::4] = 0
    return train(comm, regressor(weighted=True), [x, y, weights], weight_l2=0.1)


def batches_that_weigh_nothing(comm, folder):
    x, y = series()
    weights = np.ones((T, B))
    weights[:, 5:] = 0
    options = dict(weight_l2=0.5, batch_size=2)
    return train(comm, regressor(weighted=True), [x, y, weights], epochs=3, **options)


def weights_and_mask(comm, folder):
    x, y = series()
    weights = generator().integers(0, 3, (T, B)).astype('float64')
    net = regressor(weighted=True, masked=True)
    options = dict(hidden_l1=0.1, weight_l2=0.1, valid=0.3, max_gradient_elem=0.05)
    return train(comm, net, [x, y, weights, ragged()], **options)


def tiny_batches(comm, folder):
    data = [*series(7), ragged(7)]
    return train(comm, regressor(masked=True), data, batch_size=2, valid=0.2, epochs=5)


def whole_batch(comm, folder):
    return train(comm, regressor(), series(), batch_size=100, epochs=5)


def one_example(comm, folder):
    return train(comm, regressor(), series(1), batch_size=100, epochs=5, hidden_l1=0.1)


def validation_data(comm, folder):
    valid = series(2)
    return train(comm, regressor(), series(), valid=valid, epochs=4, validate_every=2)


def drawn_validation(comm, folder):
    options = dict(train_batches=3, valid_batches=2, epochs=6)
    return train(comm, regressor(), series(), **options)


def batch_layout(comm, folder):
    x, y = series()
    net = regressor(layout='batch', masked=True)
    data = [x.swapaxes(0, 1), y.swapaxes(0, 1), ragged().T]
    return train(comm, net, data, valid=0.2)


def float32(comm, folder):
    data = [a.astype('float32') for a in (*series(), ragged())]
    options = dict(max_gradient_norm=1.0, learning_rate=0.005)
    return train(comm, regressor(masked=True, dtype='float32'), data, **options)


def no_time(comm, folder):
    x, y = series()
    return train(comm, regressor([2, 5, 1]), [x[0], y[0]], valid=0.2, momentum=0.9)


def several_inputs(comm, folder):
    layers = [
        dict(form='input', size=2, name='a'),
        dict(form='input', size=1, name='b'),
        dict(form='concatenate', inputs=('a', 'b'), name='both'),
        dict(form='lstm', size=4, name='h'),
        dict(form='dense', size=1, name='out', activation='linear'),
    ]
    x, y = series()
    net = regressor(layers, masked=True)
    return train(comm, net, [x, np.roll(y, 1, axis=0), y, ragged()], valid=0.2)


def carried_state(comm, folder):
    data = series(5, 31)
    options = dict(carry_state=True, bptt_steps=7, batch_size=2, valid=0.3)
    return train(comm, regressor(), data, epochs=4, **options)


def carried_with_mask(comm, folder):
    x, y = series(5, 31)
    mask = (np.arange(31)[:, None] < [31, 20, 9, 31, 15]).astype('float64')
    options = dict(carry_state=True, bptt_steps=7, hidden_l1=0.1, monitor_gradients=True)
    return train(comm, regressor(masked=True), [x, y, mask], epochs=4, **options)


def no_seed(comm, folder):
    """Networks without a seed differ, and are still trained as one."""
    net = regressor(seed=None)
    train(comm, net, [*series()], valid=0.2, epochs=2)
    return {} if comm is None else state(net)


# --- rules


def _rule(algo: str, **options: Any) -> Any:
    def scenario(comm, folder):
        data = [*series(), ragged()]
        return train(comm, regressor(masked=True), data, algo=algo, valid=0.2, **options)

    return scenario


sgd = _rule('sgd', momentum=0.9, nesterov=True)
rmsprop = _rule('rmsprop', max_gradient_elem=0.02)
adagrad = _rule('adagrad')
rprop = _rule('rprop', learning_rate=1e-3)
lion = _rule('lion', learning_rate=1e-3)
adamw = _rule('adamw')
nadam = _rule('nadam')
amsgrad = _rule('amsgrad')
adadelta = _rule('adadelta')


def _schedule(rate: Any) -> Any:
    def scenario(comm, folder):
        options = dict(learning_rate=rate, valid=0.2)
        return train(comm, regressor(), series(), **options)

    return scenario


plateau = _schedule(rnnkit.schedules.Plateau(0.05, patience=1, factor=0.5))
cosine = _schedule(rnnkit.schedules.Cosine(0.05, 40))


# --- losses, regularizers, monitors


def regularized(comm, folder):
    options = dict(weight_l2=0.1, hidden_l1=0.1, recurrent_state=0.2, recurrent_norm=0.1)
    return train(comm, regressor(), series(), valid=0.2, **options)


def regularized_masked(comm, folder):
    options = dict(weight_l2=0.1, hidden_l1=0.1, recurrent_state=0.2)
    data = [*series(), ragged()]
    return train(comm, regressor(masked=True), data, valid=0.2, **options)


def contractive(comm, folder):
    net = regressor([2, ('rnn', 3), 1])
    return train(comm, net, series(), contractive=0.5, epochs=3)


def contractive_masked(comm, folder):
    net = regressor([2, ('rnn', 3), 1], masked=True)
    return train(comm, net, [*series(), ragged()], contractive=0.5, epochs=3)


def several_losses(comm, folder):
    net = regressor(weighted=True, masked=True)
    net.add_loss('mae', weight=0.3)
    net.add_loss('mse', weight=0.2, target='other', weighted=True)
    x, y = series()
    weights = generator().integers(0, 3, (T, B)).astype('float64')
    others = np.where(np.arange(B) % 3 == 0, 1.0, 0.0) * np.ones((T, 1))
    return train(comm, net, [x, y, -y, weights, others, ragged()], valid=0.2, weight_l2=0.1)


def monitors(comm, folder):
    net = regressor(masked=True)
    options = dict(monitors=['r2', 'mae', 'gradients'], monitor_gradients=True)
    return train(comm, net, [*series(), ragged()], valid=0.2, **options)


def own_monitors(comm, folder):
    def spread(target, output, weights):
        return float(np.average(abs(target - output).ravel(), weights=weights.ravel()))

    net = regressor(masked=True)
    options = dict(monitors=['r2', {'spread': spread, 'hid1:out': (-0.1, 0.1)}])
    return train(comm, net, [*series(), ragged()], valid=0.2, restore_best='valid_loss', **options)


def class_names(comm, folder):
    x, y = labels()
    named = np.array(['no', 'some', 'very'])[y]
    net = classifier()
    options = dict(valid=0.3, class_weight='balanced', monitors=['f1', 'accuracy'])
    found = train(comm, net, [x, named], restore_best='valid_f1', patience=3, **options)
    return {**found, 'classes': list(net.classes_)}


def class_weights(comm, folder):
    options = dict(valid=0.3, class_weight={0: 2.0, 2: 0.5})
    data = [*labels(), ragged()]
    return train(comm, classifier(masked=True), data, hidden_l1=0.1, **options)


def sequence_classes(comm, folder):
    x, y = labels()
    layers = [2, ('gru', 4), dict(form='last'), 3]
    return train(comm, classifier(layers, masked=True), [x, y[-1], ragged()], valid=0.2)


def autoencoder(comm, folder):
    x, _ = series()
    net = rnnkit.Autoencoder([2, ('gru', 3), 2], masked=True, dtype='float64', seed=1)
    return train(comm, net, [x, ragged()], valid=0.2)


def scaled(comm, folder):
    x, y = series()
    net = regressor([2, 'standardize', ('lstm', 4), 1], masked=True, scale_targets=True)
    return train(comm, net, [3 + 5 * x, 100 * y, ragged()], valid=0.2)


# --- tables


def _words(n: int = B) -> np.ndarray:
    """Return words (T, n) of 30, many of which are in one sequence only."""
    rng = generator()
    words = rng.integers(0, 8, (T, n))
    words[:, 0], words[:, 1] = 25, 28
    return words


def _table(**options: Any) -> Any:
    def scenario(comm, folder):
        layers = [30, ('embedding', 3), ('lstm', 4), 1]
        data = [_words(), series()[1], ragged()]
        return train(comm, regressor(layers, masked=True), data, valid=0.2, **options)

    return scenario


table = _table(max_gradient_norm=0.05)
table_sgd = _table(algo='sgd', momentum=0.9, nesterov=True)
table_watched = _table(algo='rmsprop', monitor_gradients=True, max_gradient_elem=0.01)
table_regularized = _table(weight_l2=0.1)
table_tiny = _table(batch_size=2, hidden_l1=0.1, epochs=3)


# --- parameters


def limits(comm, folder):
    return train(comm, regressor(), series(), max_norm=0.5)


def frozen(comm, folder):
    net = regressor()
    net.freeze('hid1')
    return train(comm, net, series(), valid=0.2)


# --- random numbers


def _random(layers: Any = MODEL, **options: Any) -> Any:
    def scenario(comm, folder):
        net, data = regressor(layers, masked=True), [*series(), ragged()]
        return train(comm, net, data, valid=0.2, **options)

    return scenario


dropout_layer = _random([2, ('lstm', 4), ('dropout', 0.3), 1])
dropout_and_noise = _random(hidden_dropout=0.3, input_noise=0.2, batch_size=2, epochs=3)
recurrent_dropout = _random([2, dict(form='lstm', size=4, dropout=0.3, zoneout=0.1), 1])
weight_noise = _random(weight_noise={'*': 0.1})
random_with_regularizer = _random(hidden_dropout=0.3, hidden_l1=0.1)


def carried_dropout(comm, folder):
    options = dict(carry_state=True, bptt_steps=7, hidden_dropout=0.2, batch_size=2)
    return train(comm, regressor(), series(5, 31), epochs=4, **options)


# --- files and folders


def checkpointed(comm, folder: Path):
    options = dict(valid=0.2, checkpoint=folder / 'net.{epoch}.rnn', save_every=2)
    found = train(comm, regressor(masked=True), [*series(), ragged()], epochs=4, **options)
    loaded = rnnkit.load(folder / 'net.4.rnn')
    return {**found, 'files': sorted(p.name for p in folder.iterdir()), 'loaded': state(loaded)}
