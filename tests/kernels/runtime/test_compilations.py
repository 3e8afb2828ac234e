"""Compilations: none for another layout of arrays, and none for other sizes."""

import logging

import numpy as np
import pytest
from compilations import counted, numba_mode
from long_forms import long_unless

import rnnkit


@pytest.fixture(autouse=True)
def default_mode():
    with numba_mode():
        yield


def arrays(rng, *lengths):
    """Return an array of these lengths in C's order, and the same in other layouts."""
    plain = rng.standard_normal(lengths).astype('float32')
    fixed = plain.copy()
    fixed.flags.writeable = False
    wide = np.zeros((*lengths[:-1], 2 * lengths[-1]), 'float32')
    wide[..., ::2] = plain
    back = plain[::-1].copy()[::-1]
    record = np.zeros(plain.size, [('pad', 'i1'), ('value', 'f4')])
    record['value'] = plain.ravel()
    memory = np.frombuffer(plain.tobytes(), 'float32').reshape(lengths)  # of bytes: read-only
    others = {
        'read-only': fixed,
        'of bytes': memory,
        'Fortran': np.asfortranarray(plain),
        'strided': wide[..., ::2],
        'reversed': back,
        'unaligned': record['value'].reshape(lengths),
        'float64': plain.astype('float64'),
        'big-endian': plain.astype('>f4'),
    }
    return plain, others


# All of the first is kernels. Numba compiles the second, for its activation divides by a mean.
NETWORKS = {
    'kernels': lambda: rnnkit.Regressor([2, ('rnn', 3), 2], weighted=True, seed=0),
    'numba': lambda: rnnkit.Regressor([2, ('rnn', 3), (3, 'norm:mean'), 2], weighted=True, seed=0),
}


@pytest.mark.parametrize('kind', NETWORKS)
def test_numba_compiles_what_is_not_kernels(kind, caplog):
    with caplog.at_level(logging.DEBUG, 'rnnkit'):
        NETWORKS[kind]().predict(np.ones((4, 3, 2), 'float32'))
    said = [r.getMessage() for r in caplog.records]
    assert any('compiled by Numba' in text for text in said) == (kind == 'numba')


def used(net, x, y, w, state):
    """Train and use a network; return all numbers that come out."""
    train = [reports['loss'] for reports, _ in net.itertrain([x, y, w], epochs=2, batch_size=2)]
    more = [r['loss'] for r, _ in net.itertrain(lambda: [x, y, w], epochs=1, train_batches=2)]
    out, after = net.step(x[0], {'hid1': net.layers[1].state(state)})
    loss = net.evaluate(x, y, weights=w)['loss']
    score = net.score(x, y, weights=w)
    return [*train, *more, net.predict(x), out, after['hid1'][0], loss, score]


@pytest.mark.parametrize('kind', NETWORKS)
def test_no_layout_of_an_array_is_compiled_for(kind, rng, monkeypatch):
    x, others = arrays(rng, 4, 3, 2)
    y, state = x[:, ::-1] + 1, np.abs(x[0, :, :1]).repeat(3, 1)
    wanted = used(NETWORKS[kind](), x, y.copy(), abs(y), state)
    for name, other in others.items():
        layout = others_of(name)
        with counted(monkeypatch) as compiled:
            found = used(NETWORKS[kind](), other, layout(y), layout(abs(y)), layout(state))
        assert compiled == [], name
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def others_of(name):
    """Return a function that gives an array this layout."""

    def layout(array):
        if name == 'read-only':
            array = array.copy()
            array.flags.writeable = False
            return array
        if name == 'strided':
            return array.repeat(2, axis=-1)[..., ::2]
        return np.asfortranarray(array) if name == 'Fortran' else array

    return layout


@pytest.mark.parametrize('kind', NETWORKS)
@pytest.mark.parametrize('layout', ['read-only', 'Fortran', 'strided'])
def test_no_layout_of_a_parameter_is_compiled_for(kind, layout, rng, monkeypatch):
    x = rng.standard_normal((4, 3, 2)).astype('float32')
    state = np.zeros((3, 3), 'float32')
    wanted = used(NETWORKS[kind](), x, x, abs(x), state)
    net, change = NETWORKS[kind](), others_of(layout)
    start = [p.get_value() for p in net.params]
    with counted(monkeypatch) as compiled:
        for p, value in zip(net.params, start, strict=True):
            p.set_value(change(value), borrow=True)
        predicted = net.predict(x)  # before a training gives the parameters values of their own
        found = used(net, x, x, abs(x), state)
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        same = net.predict(x)
        net.set('hid1', 'hh', change(start[1]))
        again = net.predict(x)
    assert compiled == []
    np.testing.assert_array_equal(predicted, same)
    np.testing.assert_array_equal(again, same)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_memory_of_a_read_only_array_is_not_copied(rng):
    from rnnkit.kernels.runtime.linker import usual

    array = rng.standard_normal((3, 2))
    array.flags.writeable = False
    same = usual(array)
    assert same.flags.carray
    assert np.shares_memory(same, array)
    assert not array.flags.writeable
    turned = usual(array.T)
    assert turned.flags.carray
    assert not np.shares_memory(turned, array)
    np.testing.assert_array_equal(turned, array.T)


def regressor(*layers, **options):
    return lambda I, H, O: rnnkit.Regressor([I, *(one(H) for one in layers), O], **options)  # noqa: E741


def lstm(size):
    return ('lstm', size)


def both_ways(size):
    return {'form': 'bidirectional', 'worker': 'rnn', 'size': 2 * size}


SIZED = {
    'lstm': (regressor(lstm), {}),
    'classifier': (lambda I, H, O: rnnkit.Classifier([I, ('gru', H), O]), {}),  # noqa: E741
    'last': (lambda I, H, O: rnnkit.Classifier([I, ('rnn', H), 'last', O]), {}),  # noqa: E741
    'masked': (regressor(lstm, masked=True), {}),
    'dropout': (regressor(lstm), {'input_dropout': 0.1, 'hidden_dropout': 0.2}),
    'two ways twice': (regressor(both_ways, both_ways), {}),
    'embedding': (lambda I, H, O: rnnkit.Classifier([I, ('embedding', H), ('rnn', H), O]), {}),  # noqa: E741
}


QUICK = ('lstm', 'classifier', 'last', 'dropout')


@pytest.mark.parametrize('kind', long_unless(lambda kind: kind in QUICK, SIZED))
def test_other_sizes_compile_nothing(kind, rng, monkeypatch):
    build, options = SIZED[kind]

    def fit(T, B, I, H, O):  # noqa: E741
        net = build(I, H, O)
        x = rng.standard_normal((T, B, I))
        y = rng.standard_normal((T, B, O))
        if kind == 'embedding':
            x, y = rng.integers(0, I, (T, B)), rng.integers(0, O, (T, B))
        elif isinstance(net, rnnkit.Classifier):
            y = rng.integers(0, O, (B,) if kind == 'last' else (T, B))
        mask = [np.ones((T, B))] if kind == 'masked' else []
        net.train([x, y, *mask], epochs=1, **options)
        net.predict(x)

    fit(4, 3, 2, 3, 2)
    with counted(monkeypatch) as compiled:
        fit(5, 4, 3, 5, 4)
    assert compiled == []
