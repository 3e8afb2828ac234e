"""PyTorch's packed, bidirectional and initial-state runs on copied weights: outputs, gradients."""

import numpy as np
import pytest

import rnnkit

torch = pytest.importorskip('torch')
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

pytestmark = pytest.mark.peers
TOLERANCE = 1e-9  # another implementation of the same sums in float64
MODULES = {'rnn': torch.nn.RNN, 'lstm': torch.nn.LSTM, 'gru': torch.nn.GRU}
T, B, N_IN, H = 7, 4, 3, 5
LENGTHS = [7, 2, 5, 1]


def copied(layers, module, size):
    """Copy the weights of recurrent layers, one for each direction, to one of PyTorch's."""
    with torch.no_grad():
        for layer, end in zip(layers, ('', '_reverse'), strict=False):
            p = {name: torch.tensor(q.get_value()) for name, q in layer.params.items()}
            hidden = torch.zeros_like(p['b'])
            if 'bn' in p:
                hidden[2 * size :] = p['bn']
            for name, value in (
                ('weight_ih', p['xh'].T),
                ('weight_hh', p['hh'].T),
                ('bias_ih', p['b']),
                ('bias_hh', hidden),
            ):
                getattr(module, f'{name}_l0{end}').copy_(value)
    return module


def torch_gradients(layers, module, size):
    found = {}
    for layer, end in zip(layers, ('', '_reverse'), strict=False):
        grad = {
            n: getattr(module, f'{n}_l0{end}').grad
            for n in ('weight_ih', 'weight_hh', 'bias_ih', 'bias_hh')
        }
        found |= {
            f'{layer.name}.xh': grad['weight_ih'].T,
            f'{layer.name}.hh': grad['weight_hh'].T,
            f'{layer.name}.b': grad['bias_ih'],
        }
        if 'bn' in layer.params:
            found[f'{layer.name}.bn'] = grad['bias_hh'][2 * size :]
    return {name: g.numpy() for name, g in found.items()}


def our_gradients(net, batch):
    """Return loss and gradients by one step of descent at rate 1."""
    before = {p.name: p.get_value() for p in net.params}
    found, _ = net.train(
        batch,
        algo='sgd',
        learning_rate=1.0,
        epochs=1,
        restore_best=False,
        max_gradient_norm=0,
        batch_size=B,
    )
    return found['loss'], {p.name: before[p.name] - p.get_value() for p in net.params}


def check(net, layers, module, batch, loss):
    """Compare loss and all gradients."""
    loss.backward()
    ours, gradients = our_gradients(net, batch)
    assert ours == pytest.approx(loss.item(), rel=TOLERANCE)
    for name, right in torch_gradients(layers, module, H).items():
        np.testing.assert_allclose(gradients[name], right, atol=TOLERANCE, err_msg=name)
    return gradients


def randomized(net, rng):
    for p in net.params:
        p.set_value(0.5 * rng.standard_normal(p.get_value().shape))
    return net


@pytest.mark.parametrize('form', MODULES)
@pytest.mark.parametrize('both', [False, True], ids=['forward', 'both ways'])
def test_packed_sequences(form, both, rng):
    spec = dict(form='bidirectional', worker=form, size=2 * H) if both else (form, H)
    net = randomized(rnnkit.Regressor([N_IN, spec, 1], masked=True, dtype='float64', seed=0), rng)
    it = net.layers[1]
    layers = list(it.children) or [it]
    module = copied(layers, MODULES[form](N_IN, H, bidirectional=both).double(), H)
    x = [rng.standard_normal((n, N_IN)) for n in LENGTHS]
    y = [rng.standard_normal((n, 1)) for n in LENGTHS]
    padded, _ = rnnkit.recurrent.pad(x, 'float64')
    target, mask = rnnkit.recurrent.pad(y, 'float64')
    packed = pack_padded_sequence(torch.tensor(padded), LENGTHS, enforce_sorted=False)
    outputs, last = module(packed)
    outputs, _ = pad_packed_sequence(outputs)
    found = net.feed_forward(x)
    np.testing.assert_allclose(found['hid1:out'], outputs.detach().numpy(), atol=TOLERANCE)
    finals = last if form == 'lstm' else (last,)
    for name, final in zip(('last', 'last_c'), finals, strict=False):
        right = np.concatenate(list(final.detach().numpy()), axis=1)
        np.testing.assert_allclose(found[f'hid1:{name}'], right, atol=TOLERANCE)
    w, b = (torch.tensor(net.find('out', name).get_value()) for name in 'wb')
    errors = (outputs @ w + b - torch.tensor(target)) ** 2
    loss = (errors * torch.tensor(mask)[..., None]).sum() / mask.sum()
    check(net, layers, module, [x, y], loss)


@pytest.mark.parametrize('form', MODULES)
def test_initial_states_from_another_layer(form, rng):
    names = ['h_0', 'c_0'] if form == 'lstm' else ['h_0']
    inputs = [dict(form='input', size=H, name=name) for name in names]
    spec = dict(form=form, size=H, inputs='in', name='it', **{name: name for name in names})
    net = rnnkit.Regressor([N_IN, *inputs, spec, 1], dtype='float64', seed=0)
    randomized(net, rng)
    it = net.layers[-2]
    module = copied([it], MODULES[form](N_IN, H).double(), H)
    x, y = rng.standard_normal((T, B, N_IN)), rng.standard_normal((T, B, 1))
    starts = [rng.standard_normal((B, H)) for _ in names]
    first = [torch.tensor(s[None]) for s in starts]
    outputs, _ = module(torch.tensor(x), tuple(first) if form == 'lstm' else first[0])
    found = net.feed_forward([x, *starts])
    np.testing.assert_allclose(found['it:out'], outputs.detach().numpy(), atol=TOLERANCE)
    w, b = (torch.tensor(net.find('out', name).get_value()) for name in 'wb')
    loss = ((outputs @ w + b - torch.tensor(y)) ** 2).mean()
    check(net, [it], module, [x, *starts, y], loss)


@pytest.mark.parametrize('form', MODULES)
def test_learned_initial_states(form, rng):
    names = ['h_0', 'c_0'] if form == 'lstm' else ['h_0']
    spec = dict(form=form, size=H, **dict.fromkeys(names, 'learn'))
    net = randomized(rnnkit.Regressor([N_IN, spec, 1], dtype='float64', seed=0), rng)
    module = copied([net.layers[1]], MODULES[form](N_IN, H).double(), H)
    x, y = rng.standard_normal((T, B, N_IN)), rng.standard_normal((T, B, 1))
    first = [torch.tensor(net.find('hid1', name).get_value(), requires_grad=True) for name in names]
    rows = [f.expand(1, B, H).contiguous() for f in first]
    outputs, _ = module(torch.tensor(x), tuple(rows) if form == 'lstm' else rows[0])
    np.testing.assert_allclose(
        net.feed_forward(x)['hid1:out'], outputs.detach().numpy(), atol=TOLERANCE
    )
    w, b = (torch.tensor(net.find('out', name).get_value()) for name in 'wb')
    loss = ((outputs @ w + b - torch.tensor(y)) ** 2).mean()
    gradients = check(net, [net.layers[1]], module, [x, y], loss)
    for name, f in zip(names, first, strict=True):
        np.testing.assert_allclose(gradients[f'hid1.{name}'], f.grad.numpy(), atol=TOLERANCE)
