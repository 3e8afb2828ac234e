"""The cell CfC of the package ncps, by the authors of the paper, on copied weights."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from rnnkit.layers import registry as layers

torch = pytest.importorskip('torch')
ncps = pytest.importorskip('ncps.torch')
pytestmark = pytest.mark.peers

T, B, I, H, U = 6, 3, 2, 4, 5  # noqa: E741
# Another implementation of the same sums in float64: rounding, times a few hundred terms.
TOLERANCE = 1e-9
HEADS = {'default': ('ff1', 'ff2', 'time_a', 'time_b'), 'pure': ('ff1',)}


def theirs(mode, n_layers, p, x, times, slopes):
    """Return the output and the gradients of all parameters and of x, under our names."""
    cell = ncps.CfCCell(I, H, mode, 'lecun_tanh', U, n_layers).double()
    heads = [getattr(cell, name) for name in HEADS.get(mode, HEADS['default'])]
    linear = [m for m in cell.backbone if isinstance(m, torch.nn.Linear)] if n_layers else []
    names = [('u' + str(k), 'b' + str(k)) for k in range(2, n_layers + 1)]
    first = linear[:1] or heads
    last = ('uh', 'bh') if n_layers else None
    with torch.no_grad():
        both = np.concatenate([p['xh'], p['hh']])
        _copy(first, both, p['b'])
        for module, (weight, bias) in zip(linear[1:], names, strict=True):
            _copy([module], p[weight], p[bias])
        if last:
            _copy(heads, p['uh'], p['bh'])
        if mode == 'pure':
            cell.A.copy_(torch.tensor(p['A'][None]))
            cell.w_tau.copy_(torch.tensor(p['tau'][None]))
    x = torch.tensor(x, requires_grad=True)
    h, out = torch.zeros(B, H, dtype=torch.float64), []
    for x_t, t in zip(x, torch.tensor(times), strict=True):
        h, _ = cell(x_t, h, t)
        out.append(h)
    out = torch.stack(out)
    (out * torch.tensor(slopes)).sum().backward()
    weight, bias = _gradients(first)
    found = {'x': x.grad.numpy(), 'xh': weight[:I], 'hh': weight[I:], 'b': bias}
    for module, (w, b) in zip(linear[1:], names, strict=True):
        found[w], found[b] = _gradients([module])
    if last:
        found['uh'], found['bh'] = _gradients(heads)
    if mode == 'pure':
        found |= {'A': cell.A.grad.numpy()[0], 'tau': cell.w_tau.grad.numpy()[0]}
    return out.detach().numpy(), found


def _copy(modules, weight, bias):
    """Give linear modules the column blocks of a weight and of a bias."""
    for module, w, b in zip(
        modules, np.split(weight, len(modules), 1), np.split(bias, len(modules)), strict=True
    ):
        module.weight.copy_(torch.tensor(w.T.copy()))
        module.bias.copy_(torch.tensor(b))


def _gradients(modules):
    weights = [m.weight.grad.numpy().T for m in modules]
    return np.concatenate(weights, 1), np.concatenate([m.bias.grad.numpy() for m in modules])


@pytest.mark.parametrize('n_layers', [0, 1, 2])
@pytest.mark.parametrize('mode', ['default', 'no_gate', 'pure'])
def test_outputs_and_gradients_are_equal(mode, n_layers, rng):
    options = dict(mode=mode, backbone_layers=n_layers, times='gaps')
    options |= {'backbone_units': U} if n_layers else {}
    layer = layers.build('cfc', name='a', size=H, **options)
    layer.bind({'in:out': I, 'gaps:out': 1}, 'float64', rng)
    values = {name: rng.standard_normal(p.get_value().shape) for name, p in layer.params.items()}
    for name, p in layer.params.items():
        p.set_value(values[name])
    data = rng.standard_normal((T, B, I)), rng.random((T, B, 1)) * 2
    slopes = rng.standard_normal((T, B, H))
    x, times = (pt.tensor(dtype='float64', shape=(None, None, n)) for n in (I, 1))
    out = layer.transform(x, sides={'times': times})['out']
    wrt = {'x': x, **layer.params}
    gradients = pytensor.grad((out * slopes).sum(), list(wrt.values()))
    found = pytensor.function([x, times], [out, *gradients])(*data)
    wanted, of_peer = theirs(mode, n_layers, values, *data, slopes)
    np.testing.assert_allclose(found[0], wanted, rtol=TOLERANCE, atol=TOLERANCE)
    assert set(of_peer) == set(wrt)
    for name, gradient in zip(wrt, found[1:], strict=True):
        np.testing.assert_allclose(
            gradient, of_peer[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name
        )
