"""Layers of torchrecurrent on copied weights: outputs and gradients are equal.

What has the same name and other equations is not here:

- ``SCRN``: its output, squashed by a tanh, is the hidden state of the next step. In the paper, and
  here, the hidden state stays inside, and the output is linear.
- ``LEM`` reads the old cell state where the paper, and the cell here, read the new one.
- ``RHN`` cannot be made: it calls a method that it does not have.
- ``MultiplicativeLSTM`` is an LSTM; the cell ``mrnn`` is not.
"""

from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from rnnkit.layers import registry as layers

torch = pytest.importorskip('torch')
torchrecurrent = pytest.importorskip('torchrecurrent')
pytestmark = pytest.mark.peers

T, B, I, H = 7, 3, 2, 5  # noqa: E741
# Another implementation of the same sums in float64: rounding, times a few hundred terms.
TOLERANCE = 1e-9


class Peer(NamedTuple):
    """A layer there; where each of our parameters is: a name, its first and last block of rows."""

    layer: str
    places: dict[str, tuple[str, int, int]]
    options: dict = {}  # of the layer there
    same: dict = {}  # of the layer here


def gated(n, recurrent=None):
    """Return the places of xh, hh and b with n gates, in the same order."""
    return {
        'xh': ('weight_ih', 0, n),
        'hh': ('weight_hh', 0, recurrent or n),
        'b': ('bias_ih', 0, n),
    }


PEERS = {
    'mgu': Peer('MGU', gated(2)),
    'janet': Peer('JANET', gated(2)),
    'ugrnn': Peer('UGRNN', gated(2)),
    'ligru': Peer('LiGRU', gated(2)),
    'ran': Peer('RAN', {**gated(2), 'xc': ('weight_ih', 0, 1), 'xh': ('weight_ih', 1, 3)}),
    # Its content has a bias, the third block, which is 0 here.
    'cfn': Peer('CFN', {**gated(2), 'xc': ('weight_ih', 2, 3)}),
    'star': Peer('STAR', gated(2, 1)),
    'minimalrnn': Peer(
        'MinimalRNN', {**gated(1), 'zh': ('weight_mm', 0, 1), 'bu': ('bias_hh', 0, 1)}
    ),
    'indrnn': Peer(
        'IndRNN',
        {'xh': ('weight_ih', 0, 1), 'u': ('vector_u', 0, 1), 'b': ('bias_ih', 0, 1)},
        {'nonlinearity': 'relu'},
    ),
    'antisymmetric': Peer(
        'AntisymmetricRNN', gated(1), {'epsilon': 0.3, 'gamma': 0.1}, {'epsilon': 0.3, 'gamma': 0.1}
    ),
    # Its recurrent bias, 0 here, is added to one of both arguments only.
    'antisymmetric, gated': Peer(
        'GatedAntisymmetricRNN',
        gated(2, 1),
        {'epsilon': 0.3, 'gamma': 0.1},
        {'epsilon': 0.3, 'gamma': 0.1, 'gated': True},
    ),
    'cornn': Peer('coRNN', {**gated(1), 'ch': ('weight_ch', 0, 1)}),
    'lstm, peepholes': Peer(
        'PeepholeLSTM',
        {**gated(4), **{f'c{k}': ('weight_ph', n, n + 1) for n, k in enumerate('ifo')}},
        same={'peepholes': True},
    ),
    'mut1': Peer(
        'MUT1',
        {
            **{name: ('weight_ih', n, n + 1) for n, name in enumerate(('xz', 'xr', 'xh'))},
            **{name: ('weight_hh', n, n + 1) for n, name in enumerate(('hr', 'hh'))},
            **{name: ('bias_ih', n, n + 1) for n, name in enumerate(('bz', 'br'))},
            'bh': ('bias_hh', 1, 2),
        },
    ),
}


def theirs(peer, values, start, x, slopes):
    """Return outputs and gradients of the other layer, under our names."""
    module = getattr(torchrecurrent, peer.layer)(I, H, **peer.options).double()
    cell = module.cells[0]
    with torch.no_grad():
        for name, p in cell.named_parameters():
            if name != 'beta':  # JANET's, a constant here
                p.zero_()
        for name, (place, first, stop) in peer.places.items():
            value = torch.tensor(values[name].T)
            getattr(cell, place)[first * H : stop * H].copy_(value)
    x = torch.tensor(x, requires_grad=True)
    first = [torch.tensor(s, requires_grad=True) for s in start]
    state = [s[None] for s in first]
    double = cell.uses_double_state()
    if double and len(state) == 1:  # JANET's cell state is its hidden state
        state = state * 2
    out = module(x, tuple(state) if double else state[0])[0]
    (out * torch.tensor(slopes)).sum().backward()
    gradients = {'x': x.grad, **{f'start{k}': s.grad for k, s in enumerate(first)}}
    gradients = {name: g.numpy() for name, g in gradients.items()}
    for name, (place, low, high) in peer.places.items():
        gradients[name] = getattr(cell, place).grad[low * H : high * H].numpy().T
    return out.detach().numpy(), gradients


def ours(form, options, values, start, x, slopes):
    layer = layers.build(form, name='a', size=H, **options)
    layer.bind({'in:out': I}, 'float64', np.random.default_rng(0))
    assert set(layer.params) == set(values)
    for name, p in layer.params.items():
        p.set_value(values[name])
    inputs = {'x': pt.tensor('x', dtype='float64', shape=(None, None, I))}
    inputs |= {f'start{k}': pt.tensor(dtype='float64', shape=(None, H)) for k in range(len(start))}
    out = layer.transform(inputs['x'], None, layer.state(*list(inputs.values())[1:]))['out']
    wrt = {**inputs, **layer.params}
    gradients = pytensor.grad((out * slopes).sum(), list(wrt.values()))
    found = pytensor.function(list(inputs.values()), [out, *gradients])(x, *start)
    return found[0], dict(zip(wrt, found[1:], strict=True))


@pytest.mark.parametrize('name', PEERS)
def test_outputs_and_gradients_are_equal(name, rng):
    form, peer = name.partition(',')[0], PEERS[name]
    layer = layers.build(form, size=H, **peer.same)
    values = {k: 0.5 * rng.standard_normal(s) for k, s in layer.cell.shapes(I, H).items()}
    start = [rng.standard_normal((B, H)) for _ in layer.state._fields]
    x, slopes = rng.standard_normal((T, B, I)), rng.standard_normal((T, B, H))
    out, gradients = ours(form, peer.same, values, start, x, slopes)
    right, wanted = theirs(peer, values, start, x, slopes)
    np.testing.assert_allclose(out, right, rtol=TOLERANCE, atol=TOLERANCE)
    assert set(gradients) == set(wanted)
    for key, gradient in wanted.items():
        np.testing.assert_allclose(
            gradients[key], gradient, rtol=TOLERANCE, atol=TOLERANCE, err_msg=key
        )
