"""Times between steps, as `times=` of grud and cfc names them, are at least 0."""

import numpy as np
import pytest

import rnnkit

T, B = 5, 2


def network(form='grud', name='it', layout='time', **options):
    layer = dict(form=form, size=3, inputs='x', times='gaps', name=name, **options)
    inputs = [dict(form='input', size=2, name='x'), dict(form='input', size=1, name='gaps')]
    return rnnkit.Regressor([*inputs, layer, 1], masked=True, layout=layout, seed=0)


@pytest.fixture
def data(rng):
    x, gaps = rng.standard_normal((T, B, 2)), rng.exponential(size=(T, B, 1))
    mask = np.ones((T, B))
    mask[3:, 1] = 0
    return {
        'x': x.astype('float32'),
        'gaps': gaps.astype('float32'),
        'mask': mask.astype('float32'),
    }


WORKERS = [{}, {'form': 'cfc', 'backbone_units': 4}, {'form': 'bidirectional', 'worker': 'grud'}]


@pytest.mark.parametrize('options', WORKERS)
def test_a_negative_time_is_refused(options, data):
    net = network(**{**options, **({'merge': 'sum'} if 'worker' in options else {})})
    data['gaps'][2, 1] = -0.5
    with pytest.raises(rnnkit.DataError) as error:
        net.predict({'x': data['x'], 'gaps': data['gaps']}, mask=data['mask'])
    assert (
        "gaps contains -0.5 at index (2, 1, 0); layer 'it' reads it as the time since the step "
        'before, which is at least 0: sort the steps by time, and pass differences, '
        'np.diff(t, axis=0, prepend=start)'
    ) in str(error.value)


def test_training_refuses_it_too(data):
    data['gaps'][2, 1] = -0.5
    batch = [data['x'], data['gaps'], np.zeros((T, B, 1), 'float32'), data['mask']]
    with pytest.raises(rnnkit.DataError, match='gaps contains -0.5 at'):
        network().train(lambda: batch, epochs=1, train_batches=1)


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_time_is_finite(bad, data):
    data['gaps'][0, 0] = bad
    with pytest.raises(rnnkit.DataError, match='gaps.*numbers must be finite'):
        network().predict({'x': data['x'], 'gaps': data['gaps']}, mask=data['mask'])


def test_padding_and_zero_are_fine(data):
    net = network()
    data['gaps'][1, 0] = 0
    right = net.predict({'x': data['x'], 'gaps': data['gaps']}, mask=data['mask'])
    data['gaps'][4, 1] = -7
    again = net.predict({'x': data['x'], 'gaps': data['gaps']}, mask=data['mask'])
    np.testing.assert_array_equal(again, right)


def test_an_input_that_is_no_time_may_be_negative(data):
    net = network()
    data['x'][0, 0] = -3
    net.predict({'x': data['x'], 'gaps': data['gaps']}, mask=data['mask'])
