"""PyTorch's recurrent layers on copied weights; left out where PyTorch is not installed."""

import numpy as np
import pytest

import rnnkit

torch = pytest.importorskip('torch')
pytestmark = pytest.mark.peers

# Another implementation of the same sums in float64: rounding, times a few hundred terms.
TOLERANCE = 1e-9
MODULES = {'rnn': torch.nn.RNN, 'lstm': torch.nn.LSTM, 'gru': torch.nn.GRU}


def copy_weights(net, form, size):
    """Return PyTorch's layers with the weights of `net`: gates stand in the same order."""
    module = MODULES[form](2, size).double()
    head = torch.nn.Linear(size, 1).double()
    p = {q.name: torch.tensor(q.get_value()) for q in net.params}
    recurrent_bias = torch.zeros_like(p['hid1.b'])
    if form == 'gru':
        recurrent_bias[2 * size :] = p['hid1.bn']
    with torch.no_grad():
        module.weight_ih_l0.copy_(p['hid1.xh'].T)
        module.weight_hh_l0.copy_(p['hid1.hh'].T)
        module.bias_ih_l0.copy_(p['hid1.b'])
        module.bias_hh_l0.copy_(recurrent_bias)
        head.weight.copy_(p['out.w'].T)
        head.bias.copy_(p['out.b'])
    return module, head


def torch_gradients(form, module, head):
    """Return PyTorch's gradients under our names."""
    found = {
        'hid1.xh': module.weight_ih_l0.grad.T,
        'hid1.hh': module.weight_hh_l0.grad.T,
        'hid1.b': module.bias_ih_l0.grad,
        'out.w': head.weight.grad.T,
        'out.b': head.bias.grad,
    }
    if form == 'gru':
        found['hid1.bn'] = module.bias_hh_l0.grad[-len(module.bias_hh_l0) // 3 :]
    return {name: g.numpy() for name, g in found.items()}


@pytest.mark.parametrize('form', MODULES)
def test_predictions_and_gradients_equal_those_of_pytorch(form, rng):
    net = rnnkit.Regressor([2, (form, 5), 1], seed=0, dtype='float64')
    for p in net.params:
        p.set_value(0.5 * rng.standard_normal(p.get_value().shape))
    x, y = rng.standard_normal((9, 4, 2)), rng.standard_normal((9, 4, 1))
    module, head = copy_weights(net, form, 5)
    output = head(module(torch.tensor(x))[0])
    loss = torch.nn.functional.mse_loss(output, torch.tensor(y))
    loss.backward()
    np.testing.assert_allclose(net.predict(x), output.detach().numpy(), atol=TOLERANCE)
    before = {p.name: p.get_value() for p in net.params}
    found, _ = net.train(
        [x, y], algo='sgd', learning_rate=1.0, epochs=1, restore_best=False, max_gradient_norm=0
    )
    assert found['loss'] == pytest.approx(loss.item(), rel=TOLERANCE)
    for name, gradient in torch_gradients(form, module, head).items():
        ours = before[name] - net.find(*name.split('.')).get_value()  # one step at rate 1
        np.testing.assert_allclose(ours, gradient, atol=TOLERANCE, err_msg=name)


def test_cross_entropy_equals_that_of_pytorch(rng):
    net = rnnkit.Classifier([2, 3], seed=0, dtype='float64')
    x, y = 20 * rng.standard_normal((50, 2)), rng.integers(0, 3, 50)
    found, _ = net.train([x, y], epochs=1, batch_size=50)
    logits = torch.tensor(
        rnnkit.Classifier([2, 3], seed=0, dtype='float64').feed_forward(x)['out:pre']
    )
    right = torch.nn.functional.cross_entropy(logits, torch.tensor(y)).item()
    assert found['loss'] == pytest.approx(right, rel=TOLERANCE)
