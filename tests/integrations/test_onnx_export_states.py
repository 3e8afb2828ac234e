"""ONNX files with states as inputs and outputs: parts of a sequence give what the whole gives."""

import numpy as np
import pytest
from long_forms import long, long_unless
from onnx_files import TOLERANCE, filled, predicted, written

import rnnkit
from rnnkit.errors import ConfigError

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

T, B = 20, 3
LSTM = ('lstm', 4)
START = dict(form='lstm', size=4, h_0='learn', zoneout=0.1)
CLOCK = dict(form='clockwork', size=4, periods=[1, 3])
LAYERS = {
    'lstm': [2, LSTM, 3],
    'learned start': [2, START, 3],
    'two': [2, LSTM, 'layernorm', ('gru', 4), 3],
    'scrn': [2, ('scrn', 4), 3],
    'clockwork': [2, CLOCK, 3],
    'last': [2, LSTM, 'last', 3],
    'last of dense': [2, (3, 'tanh'), 'last', 3],
    'mean': [2, LSTM, 'mean', 3],
    'max': [2, LSTM, 'max', 3],
}


def started(file, n, values=None):
    """Return the states where a sequence starts, by what the file says about them."""
    shapes = {i.name: i.shape for i in file.session.get_inputs()}
    states = {}
    for name, start in file.about['states'].items():
        start = values[start] if isinstance(start, str) else np.array(start, 'float32')
        states[name] = np.ascontiguousarray(np.broadcast_to(start, (n, shapes[name][1])))
    return states


def streamed(file, parts, states, more=None):
    """Return the outputs for each of several parts of a sequence."""
    found = []
    for part in parts:
        outputs = file(**part, **states, **(more or {}))
        states = {name: outputs.pop(f'new:{name}') for name in states}
        found += outputs.values()
    return found


@pytest.mark.parametrize('length', [1, long(6)])
@pytest.mark.parametrize(
    'name', long_unless(lambda name: name in ('learned start', 'clockwork', 'mean'), LAYERS)
)
def test_parts_of_a_sequence(name, length, rng):
    net = filled(rnnkit.Regressor(LAYERS[name]))
    file = written(net, state=True)
    x = rng.standard_normal((T, B, 2)).astype('float32')
    parts = [{'in': x[t : t + length]} for t in range(0, T, length)]
    found = streamed(file, parts, started(file, B))
    expected = predicted(net, x)
    found = np.concatenate(found) if expected.ndim == 3 else found[-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize('name', long_unless(lambda name: name == 'max', LAYERS))
def test_parts_with_padding(name, rng):
    """A part may have no real step for some examples."""
    net = filled(rnnkit.Regressor(LAYERS[name], masked=True))
    file = written(net, state=True)
    x = rng.standard_normal((T, B, 2)).astype('float32')
    lengths = np.array([T, 9, 0])
    of_parts = [np.clip(lengths - t, 0, 5).astype('int32') for t in range(0, T, 5)]
    parts = [{'in': x[5 * k : 5 * k + 5], 'lengths': n} for k, n in enumerate(of_parts)]
    found = streamed(file, parts, started(file, B))
    expected = predicted(net, x, mask=np.arange(T)[:, None] < lengths)
    found = np.concatenate(found) if expected.ndim == 3 else found[-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.long
def test_batches_first_and_an_inner_output(rng):
    net = filled(rnnkit.Regressor([2, LSTM, ('gru', 4), 3], layout='batch'))
    file = written(net, state=True, outputs='hid1')
    x = rng.standard_normal((B, T, 2)).astype('float32')
    found = streamed(file, [{'in': x[:, :7]}, {'in': x[:, 7:]}], started(file, B))
    expected = net.feed_forward(x)['hid1:out']
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize('reads', ['start', long('vector')])
def test_what_an_encoder_has_read_stays_the_same(reads, rng):
    decoder = dict(form='gru', size=4, **({'h_0': 'encoder'} if reads == 'start' else {}))
    both = [dict(form='concatenate', inputs=('hid4', 'hid2'))] if reads == 'vector' else []
    layers = [
        dict(form='input', size=2, name='source'),
        dict(form='gru', size=4, name='encoder'),
        dict(form='last', name='hid2'),
        dict(form='input', size=2, name='target'),
        dict(decoder, name='hid4'),
        *both,
        3,
    ]
    net = filled(rnnkit.Regressor(layers))
    source, target = rng.standard_normal((2, T, B, 2)).astype('float32')
    (last,) = written(net, outputs='encoder:last')(source=source[:7]).values()
    file = written(net, state=True)
    more = {'hid2:out': last} if reads == 'vector' else {}
    states = started(file, B, {'encoder:last': last})
    found = streamed(file, [{'target': x[None]} for x in target], states, more)
    expected = net.predict([source[:7], target])
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        (
            [2, dict(form='bidirectional', worker='rnn', size=4), 3],
            r"state=True: layer 'hid1' \(bidirectional\) needs the whole sequence at once",
        ),
        ([2, 4, 3], 'state=True: this network has no recurrent layer, so it has no state'),
    ],
)
def test_networks_that_cannot_go_on(layers, message):
    with pytest.raises(ConfigError, match=rf'^to_onnx\(\): {message}'):
        rnnkit.Regressor(layers).to_onnx('never.onnx', state=True)
