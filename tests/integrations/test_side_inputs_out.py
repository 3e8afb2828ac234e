"""ONNX and C files of cells with further inputs of each step, and states as wide as the input."""

import numpy as np
import pytensor.tensor as pt
import pytest
from c_code import Library, needs_compiler

import rnnkit

T, B = 6, 3


class Aging(rnnkit.Cell):
    """A cell that reads the time since the last step, and compares x with its mean."""

    state, axes = 'h mean', {'mean': 'I'}
    side = {'gap': '1', 'seen': 'I'}
    side_defaults = {'seen': 0.5}
    params = {**rnnkit.Cell.params, 'mh': ('I', 'H')}
    initial = {'mh': 'glorot'}

    def project(self, x, p):
        return (x * p.seen) @ p.xh + p.b

    def step(self, z, s, p):
        mean = s.mean + (p.seen - s.mean) * pt.exp(-p.gap)
        return pt.tanh(z + s.h @ p.hh + mean @ p.mh), mean


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    rnnkit.layers.add('aging')(Aging)


def network(ndim=3, **options):
    return rnnkit.Regressor(
        [
            dict(form='input', size=2, name='x'),
            dict(form='input', size=1, name='gaps', ndim=ndim),
            {'form': 'aging', 'size': 4, 'gap': 'gaps', **options},
            1,
        ],
        seed=0,
    )


def data(rng):
    x, gaps = rng.standard_normal((T, B, 2)), rng.exponential(size=(T, B, 1))
    return x.astype('float32'), gaps.astype('float32')


@pytest.mark.parametrize(
    'options',
    [
        {'seen': 'x', 'zoneout': 0.2},
        {'direction': 'backward'},
        {'form': 'bidirectional', 'worker': 'aging', 'seen': 'x'},
        {'ndim': 2},
    ],
    ids=['two', 'backward', 'bidirectional', 'without time'],
)
def test_onnx(options, rng, tmp_path):
    onnxruntime = pytest.importorskip('onnxruntime')
    net, (x, gaps) = network(**options), data(rng)
    gaps = gaps[0] if options.get('ndim') == 2 else gaps
    net.to_onnx(tmp_path / 'net.onnx')
    session = onnxruntime.InferenceSession(
        str(tmp_path / 'net.onnx'), providers=['CPUExecutionProvider']
    )
    (found,) = session.run(None, {'x': x, 'gaps': gaps})
    # Sums of a few float32 products, in another order.
    np.testing.assert_allclose(found, net.predict([x, gaps]), rtol=0, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize('options', [{'seen': 'x', 'zoneout': 0.2}, {}], ids=['two', 'default'])
def test_c(options, rng, tmp_path):
    net, (x, gaps) = network(**options), data(rng)
    code, wanted = Library(net, tmp_path), net.predict([x, gaps])[:, 0]
    steps = [code.step(x[t, 0], gaps[t, 0], width=1) for t in range(T)]
    np.testing.assert_allclose(steps, wanted, rtol=0, atol=1e-5)
