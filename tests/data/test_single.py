"""One series without the axis that counts series: the same results, without the same axes."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.errors import DataError, ShapeError

T, rng = 6, np.random.default_rng(0)
LAYOUTS = ('time', 'batch')


@dataclass
class Case:
    """A network, its arrays without the axis of series, and the axes of time of these arrays."""

    layers: tuple
    x: Any
    y: Any
    model: Any = rnnkit.Regressor
    y_has_time: bool = True
    options: Any = None
    out: tuple = ()  # the shape of a prediction


NUMBERS, LABELS = rng.standard_normal((T, 3)), rng.integers(0, 4, T)
CASES = {
    'several features': Case((3, ('rnn', 4), 2), NUMBERS, NUMBERS[:, :2], out=(T, 2)),
    'one target': Case((3, ('rnn', 4), 1), NUMBERS, NUMBERS[:, 0], out=(T, 1)),
    'one feature': Case((1, ('rnn', 4), 1), NUMBERS[:, 0], NUMBERS[:, 1], out=(T,)),
    'one feature, several targets': Case(
        (1, ('rnn', 4), 3), NUMBERS[:, 0], NUMBERS, out=(T, 3)
    ),
    'labels': Case((3, ('rnn', 4), 4), NUMBERS, LABELS, rnnkit.Classifier, out=(T,)),
    'tokens': Case(
        (4, ('embedding', 3), ('rnn', 4), 4), LABELS, LABELS, rnnkit.Classifier, out=(T,)
    ),
    'a target for the sequence': Case(
        (3, ('rnn', 4), 'last', 2), NUMBERS, np.array([1.0, 2]), y_has_time=False, out=(2,)
    ),
    'a number for the sequence': Case(
        (3, ('rnn', 4), 'last', 1), NUMBERS, 1.5, y_has_time=False, out=(1,)
    ),
    'a label for the sequence': Case(
        (1, ('rnn', 4), 'last', 4), NUMBERS[:, 0], 2, rnnkit.Classifier, y_has_time=False
    ),
    'with a mask': Case(
        (3, ('rnn', 4), 2), NUMBERS, NUMBERS[:, :2], options={'masked': True}, out=(T, 2)
    ),
    'an autoencoder': Case((3, ('rnn', 2), 3), NUMBERS, None, rnnkit.Autoencoder, out=(T, 3)),
}  # fmt: skip


def of(case, layout):
    """Return the network, and its arrays with all axes."""
    options = {'layout': layout, 'seed': 0, 'dtype': 'float64', **(case.options or {})}
    net = case.model(list(case.layers), **options)
    axis = int(layout == 'time')
    x = np.asarray(case.x)
    if net._border.inputs[0].has_features and x.ndim == 1:
        x = x[:, None]
    full = [np.expand_dims(x, axis)]
    if case.y is not None:
        y = np.asarray(case.y)
        while y.ndim < net._border.target.ndim - 1:
            y = y[..., None]
        full.append(np.expand_dims(y, axis if case.y_has_time else 0))
    if net.masked:
        full.append(np.ones((T, 1) if layout == 'time' else (1, T)))
    return net, full


def given(case):
    return [case.x] if case.y is None else [case.x, case.y]


@pytest.mark.parametrize(
    ('name', 'layout'),
    long_unless(
        lambda name, layout: layout == 'time' or name in ('several features', 'one feature'),
        [(name, layout) for name in CASES for layout in LAYOUTS],
    ),
)
def test_one_series_is_read_as_the_array_with_all_axes(name, layout):
    case = CASES[name]
    net, full = of(case, layout)
    axis = int(layout == 'time')
    found, expected = net.predict(case.x), net.predict(full[0])
    assert np.shape(found) == case.out
    expected = expected.take(0, axis if case.y_has_time else 0)
    np.testing.assert_array_equal(found, expected.reshape(case.out))
    mask = {'mask': full[-1]} if net.masked else {}
    every = full[: len(full) - len(mask)]
    assert net.score(*given(case)) == net.score(*every, **mask)
    assert net.evaluate(*given(case)) == net.evaluate(*every, **mask)
    mine, theirs = net.gradient_flow(*given(case)), net.gradient_flow(*every, **mask)
    assert mine.keys() == theirs.keys()
    for layer, norms in theirs.items():
        np.testing.assert_array_equal(mine[layer], norms)
    outputs = net.feed_forward(case.x)
    for output, array in net.feed_forward(full[0]).items():
        has_time = array.ndim == 3 or output == 'in:out'
        np.testing.assert_array_equal(outputs[output], array.take(0, axis if has_time else 0))
    start, after = [p.get_value() for p in net.params], []
    results = []
    for data in (given(case), full):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        results.append(net.train(data, epochs=2))
        after.append([p.get_value() for p in net.params])
    assert results[0] == results[1]
    for mine, theirs, before in zip(*after, start, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert (mine != before).any()


def test_probabilities_keep_the_axis_of_classes():
    case = CASES['labels']
    net, (x, _) = of(case, 'time')
    np.testing.assert_array_equal(net.predict_proba(case.x), net.predict_proba(x)[:, 0])
    np.testing.assert_array_equal(net.predict_logit(case.x), net.predict_logit(x)[:, 0])


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('shape', [(T,), (T, 1), (T, 2), (1,)])
def test_weights_of_one_series(shape, layout):
    case = CASES['several features']
    case = Case(case.layers, case.x, case.y, options={'weighted': True})
    net, (x, y) = of(case, layout)
    weights = rng.random(shape)
    axis = int(layout == 'time')
    full = np.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, (T, 2))
    full = np.expand_dims(full, axis)
    assert net.score(case.x, case.y, weights) == pytest.approx(net.score(x, y, full), rel=1e-12)
    found = net.evaluate(case.x, case.y, weights)
    assert found['loss'] == pytest.approx(net.evaluate(x, y, full)['loss'], rel=1e-12)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_mask_of_one_series(layout):
    case = CASES['with a mask']
    net, (x, y, _) = of(case, layout)
    mask = np.array([1, 1, 1, 0, 0, 0])
    full = np.expand_dims(mask, int(layout == 'time'))
    hidden = np.where(mask[:, None], case.x, np.nan)
    assert net.score(hidden, case.y, mask=mask) == net.score(x, y, mask=full)
    found = net.predict(hidden, mask=mask)
    np.testing.assert_array_equal(found[:3], net.predict(case.x)[:3])
    assert not found[3:].any()


@pytest.mark.parametrize('name', ['several features', 'one feature', 'tokens'])
def test_steps_of_one_series(name):
    case = CASES[name]
    net, (x, _) = of(case, 'time')
    predict = net.predict_proba if case.model is rnnkit.Classifier else net.predict
    expected, state, stepper = predict(case.x), None, net.stepper()
    for t, x_t in enumerate(case.x):
        y_t, state = net.step(x_t, state)
        np.testing.assert_allclose(y_t, expected[t], rtol=0, atol=1e-12)
        streamed = stepper(x_t)
        assert np.shape(streamed) == np.shape(y_t) == expected[t].shape
        np.testing.assert_allclose(streamed, expected[t], rtol=0, atol=1e-12)
    again, _ = net.step(x[-1], state)
    assert again.shape == (1, net.layers[-1].size)
    assert min(state.values())[0].shape == (1, 4)


def test_a_state_goes_on_with_one_series():
    case = CASES['several features']
    net, _ = of(case, 'time')
    first, state = net.predict(case.x[:2], return_state=True)
    second = net.predict(case.x[2:], state=state)
    np.testing.assert_allclose(
        np.concatenate([first, second]), net.predict(case.x), rtol=0, atol=1e-12
    )


def test_one_series_in_a_list_of_the_arrays_of_a_batch():
    numbers, short = NUMBERS[:, 0], NUMBERS[:3, 0]
    net = rnnkit.Autoencoder([1, ('rnn', 2), 1], masked=True, seed=0)
    expected = net.evaluate([numbers[:, None], short[:, None]])
    border = net._border
    for data in ([[numbers, short]], {'x': [numbers, short]}):  # not two arrays, x and mask
        x, mask = border.read_batch(data, 'train')
        assert x.shape == (T, 2, 1)
        assert mask.sum(axis=0).tolist() == [T, 3]
    x, mask = border.read_batch([NUMBERS[:, :1], np.array([1, 1, 1, 1, 0, 0])], 'train')
    assert (x.shape, mask[:, 0].tolist()) == ((T, 1, 1), [1, 1, 1, 1, 0, 0])
    assert net.evaluate([numbers, short]) == expected
    net = rnnkit.Regressor([3, ('rnn', 3), 3], seed=0)
    with pytest.raises(DataError, match=r'^train: a list of 2 arrays of one shape, \(6, 3\), may'):
        net.train([NUMBERS, NUMBERS], algo='pretrain', epochs=1)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_one_series_is_continued(layout):
    for layers, seed, shape in (((2, ('rnn', 3), 2), NUMBERS[:, :2], (3, 2)),
                                ((1, ('rnn', 3), 1), NUMBERS[:, 0], (3,))):  # fmt: skip
        net = rnnkit.Regressor(list(layers), seed=0, layout=layout)
        full = seed.reshape(T, -1)
        full = full[:, None] if layout == 'time' else full[None]
        found = net.generate(seed, 3)
        assert found.shape == shape
        np.testing.assert_array_equal(found, net.generate(full, 3).reshape(shape))
        with pytest.raises(DataError, match=r'^generate\(\): seed contains nan at index \(0,'):
            net.generate(seed * np.nan, 3)
        with pytest.raises(DataError, match=r'^generate\(\): seed is a list of sequences; all mus'):
            net.generate([seed, seed], 3)


def test_lists_of_series_of_one_feature():
    sequences = [rng.standard_normal(n) for n in (5, 3, 4)]
    full = [one[:, None] for one in sequences]
    for forms in (sequences, [one.tolist() for one in sequences]):
        net = rnnkit.Regressor([1, ('rnn', 3), 1], masked=True, seed=0)
        found = net.predict(forms)
        assert [one.shape for one in found] == [(5,), (3,), (4,)]
        for one, other in zip(found, net.predict(full), strict=True):
            np.testing.assert_array_equal(one, other[:, 0])
        assert net.score(forms, forms) == net.score(full, full)
    net = rnnkit.Classifier([1, ('rnn', 3), 'last', 2], masked=True, seed=0)
    assert net.predict(sequences).tolist() == net.predict(full).tolist()
    assert net.score(sequences, [0, 1, 1]) == net.score(full, [0, 1, 1])
    net = rnnkit.Regressor([1, ('rnn', 3), 2], seed=0)  # of one length
    equal = [one[:3] for one in sequences]
    assert [one.shape for one in net.predict(equal)] == [(3, 2)] * 3
    with pytest.raises(DataError, match=r'^predict\(\): x\[1\] contains nan at index \(2,\); numb'):
        net.predict([equal[0], np.array([0, 1, np.nan])])
    with pytest.raises(ShapeError, match=r'^predict\(\): x is ragged, sequences of 3 to 5 steps; '):
        net.predict(sequences)


REFUSED_TARGETS = {
    'one-hot labels': (
        rnnkit.Classifier, (3, ('rnn', 3), 4), np.eye(4)[LABELS],
        'score(): y has length 4 on axis 1 (batch), but x has 1; the shape is (6, 4). For one-hot '
        'labels write y.argmax(-1)',
    ),
    'a target for each step': (
        rnnkit.Regressor, (3, ('rnn', 3), 'last', 1), NUMBERS[:, 0],
        'score(): y has 6 features (its last axis, shape (6,)); the last layer has 1',
    ),
    'a label for each step': (
        rnnkit.Classifier, (3, ('rnn', 3), 'last', 4), LABELS,
        'score(): y has length 6 on axis 0 (batch), but x has 1; the shape is (6,). x, without an '
        'axis for several series, is one series of 6 steps',
    ),
    'another length': (
        rnnkit.Regressor, (3, ('rnn', 3), 1), NUMBERS[1:, 0],
        'score(): y has length 5 on axis 0 (time), but x has 6; the shape is (5,)',
    ),
    'other targets': (
        rnnkit.Regressor, (3, ('rnn', 3), 2), NUMBERS,
        'score(): y has 3 features (its last axis, shape (6, 3)); the last layer has 2',
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', REFUSED_TARGETS)
def test_wrong_targets_of_one_series(what):
    model, layers, y, message = REFUSED_TARGETS[what]
    with pytest.raises(ShapeError, match=f'^{re.escape(message)}$'):
        model(list(layers), seed=0).score(NUMBERS, y)


REFUSED = {
    'a step': ((2, ('rnn', 3), 1), np.ones(2), 'a single time step of a single sequence is'),
    'other features': (
        (2, ('rnn', 3), 1), np.ones((5, 3)), 'one series is (time, features), of 2 features'
    ),
    'several series': (
        (1, ('rnn', 3), 1), np.ones((5, 3)),
        '3 series of one feature are array[:, :, None]; one series of 3 features is '
        'array[:, None, :], in a network with 3 inputs',
    ),
    'tokens of two axes too many': (
        (4, ('embedding', 3), ('rnn', 3), 1), np.ones((5, 2, 4), int),
        'an embedding reads tokens, not one-hot vectors: try x.argmax(-1)',
    ),
}  # fmt: skip


@pytest.mark.parametrize('what', REFUSED)
def test_what_may_mean_something_else_is_refused(what):
    layers, x, message = REFUSED[what]
    with pytest.raises(ShapeError, match=re.escape(message)):
        rnnkit.Regressor(list(layers), seed=0).predict(x)


def test_arrays_with_all_axes_are_read_as_before():
    net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
    assert net.predict(np.ones((T, 1, 1))).shape == (T, 1, 1)
    assert net.predict([np.ones((T, 1))])[0].shape == (T, 1)
    tokens = rnnkit.Classifier([4, ('embedding', 3), ('rnn', 3), 4], seed=0)
    assert tokens.predict(np.ones((T, 2), int)).shape == (T, 2)
    static = rnnkit.Regressor([2, (3, 'tanh'), 1], seed=0)
    assert static.predict(np.ones((T, 2))).shape == (T, 1)
    with pytest.raises(ShapeError, match=re.escape('a single example is array[None]')):
        static.predict(np.ones(2))
