"""PyTensor alone: scan, grad and updates, used as in its documentation."""

import numpy as np
import pytensor
import pytensor.tensor as pt
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1


def lstm(z, h, c, hh, bn):
    """One step of an LSTM."""
    n = hh.shape[0]
    a = z + h @ hh
    i, f, g, o = (a[:, k * n : (k + 1) * n] for k in range(4))
    c = pt.sigmoid(f) * c + pt.sigmoid(i) * pt.tanh(g)
    return pt.sigmoid(o) * pt.tanh(c), c


def gru(z, h, hh, bn):
    """One step of a GRU that resets after the product."""
    n = hh.shape[0]
    a = h @ hh
    r = pt.sigmoid(z[:, :n] + a[:, :n])
    u = pt.sigmoid(z[:, n : 2 * n] + a[:, n : 2 * n])
    return (1 - u) * pt.tanh(z[:, 2 * n :] + r * (a[:, 2 * n :] + bn)) + u * h


def rnn(z, h, hh, bn):
    """One step of a vanilla RNN."""
    return pt.tanh(z + h @ hh)


STEPS = {'lstm': (lstm, 4, 2), 'gru': (gru, 3, 1), 'rnn': (rnn, 1, 1)}  # gates, states


class Net:
    """The parameters of a network, and its graph."""

    def __init__(self, workload: Workload):
        self.workload, self.rng, self.params = workload, np.random.default_rng(1), []
        self.step, self.gates, self.n_states = STEPS[workload.cell]

    def draw(self, *shape):
        """Return a new parameter."""
        value = self.rng.uniform(-0.1, 0.1, shape).astype('float32')
        self.params.append(pytensor.shared(value))
        return self.params[-1]

    def weights(self, n_inputs):
        """Return the parameters of a recurrent layer: for its inputs, and for its loop."""
        n, h = self.gates * self.workload.H, self.workload.H
        return (self.draw(n_inputs, n), self.draw(n)), [self.draw(h, n), self.draw(h)]

    def run(self, x, n_inputs, backwards=False):
        """Return the hidden states of a layer at every time step."""
        (xh, b), recurrent = self.weights(n_inputs)
        zero = pt.zeros((x.shape[1], self.workload.H), dtype='float32')
        states = pytensor.scan(
            self.step,
            sequences=[x @ xh + b],
            outputs_info=[zero] * self.n_states,
            non_sequences=recurrent,
            go_backwards=backwards,
            strict=True,
            return_updates=False,
        )
        h = states[0] if self.n_states > 1 else states
        return h[::-1] if backwards else h

    def output(self, x):
        """Return the output at every time step."""
        w = self.workload
        if w.both_ways:
            h = pt.concatenate([self.run(x, w.I), self.run(x, w.I, backwards=True)], axis=-1)
        else:
            h = x
            for layer in range(w.depth):
                h = self.run(h, w.H if layer else w.I)
        return h @ self.draw(w.width, w.O) + self.draw(w.O)


def updates_of(loss, params):
    """Return the updates of RMSProp, with gradients whose norm is clipped."""
    grads = pytensor.grad(loss, params, disconnected_inputs='ignore')
    norm = pt.sqrt(sum(pt.sqr(g).sum() for g in grads))
    scale = pt.minimum(np.float32(1), np.float32(MAX_GRADIENT_NORM) / norm)
    updates = []
    for p, g in zip(params, grads, strict=True):
        square = pytensor.shared(np.zeros_like(p.get_value()))
        new = np.float32(0.99) * square + np.float32(0.01) * pt.sqr(g * scale)
        change = np.float32(LEARNING_RATE) * g * scale / pt.sqrt(new + np.float32(1e-8))
        updates += [(square, new), (p, p - change)]
    return updates


def stream(net: Net):
    """Return a function that makes one step; the states are shared variables."""
    w = net.workload
    x = pt.matrix(dtype='float32')
    (xh, b), recurrent = net.weights(w.I)
    old = [pytensor.shared(np.zeros((w.B, w.H), 'float32')) for _ in range(net.n_states)]
    new = net.step(x @ xh + b, *old, *recurrent)
    new = new if net.n_states > 1 else [new]
    out = new[0] @ net.draw(w.width, w.O) + net.draw(w.O)
    step = pytensor.function([x], out, updates=list(zip(old, new, strict=True)))
    data = w.batch()[0][0]
    return lambda: step(data)


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    net = Net(workload)
    if workload.stream:
        return {'step': stream(net)}
    x, y = pt.tensor3(dtype='float32'), pt.tensor3(dtype='float32')
    out = net.output(x)
    loss = pt.sqr(out - y).mean()
    train = pytensor.function([x, y], loss, updates=updates_of(loss, net.params))
    predict = pytensor.function([x], out)
    batch = workload.batch()
    return {'train': lambda: float(train(*batch)), 'predict': lambda: predict(batch[0])}
