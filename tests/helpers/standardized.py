"""Networks with a layer 'standardize', and what it has measured."""

import numpy as np

import rnnkit

I = 3  # noqa: E741 - the letter of the shape alphabet
ONCE = {'algo': 'sgd', 'epochs': 1}


# A dense layer at each time step compiles sooner than a recurrent one.
X, HID = dict(size=I, ndim=3), (4, 'tanh')


def make(layers=(X, 'standardize', HID, 1), **options):
    return rnnkit.Regressor(list(layers), **{'dtype': 'float64', 'seed': 0, **options})


def measured(net, layer='hid1'):
    return [net.find(layer, name).get_value() for name in ('mean', 'deviation')]


def trained(net):
    return [p.get_value() for p in net.params if p.name not in net.frozen]


def assert_measured(net, rows, layer='hid1', rtol=1e-12):
    """The layer has the moments of some rows, (n, I)."""
    mean, deviation = measured(net, layer)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(deviation, rows.std(axis=0), rtol=rtol)
    assert net.find(layer, 'known').get_value() == 1


def by_hand(net):
    """Return the same network without the layer, for inputs that were scaled before."""
    other = make([X, HID, 1])
    assert len(trained(other)) == len(trained(net))
    for p, value in zip(other.params, trained(net), strict=True):
        p.set_value(value)
    return other
