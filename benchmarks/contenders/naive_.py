"""PyTensor alone: scan, grad and updates as its documentation shows."""

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


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    w, rng = workload, np.random.default_rng(1)
    gates, states = {'lstm': (4, 2), 'gru': (3, 1), 'rnn': (1, 1)}[w.cell]
    step = {'lstm': lstm, 'gru': gru, 'rnn': rnn}[w.cell]
    params = []

    def draw(*shape):
        params.append(pytensor.shared(rng.uniform(-0.1, 0.1, shape).astype('float32')))
        return params[-1]

    x, y = pt.tensor3(dtype='float32'), pt.tensor3(dtype='float32')
    h = x
    for layer in range(w.depth):
        xh, b = draw(w.H if layer else w.I, gates * w.H), draw(gates * w.H)
        zero = pt.zeros((x.shape[1], w.H), dtype='float32')
        found = pytensor.scan(
            step,
            sequences=[h @ xh + b],
            outputs_info=[zero] * states,
            non_sequences=[draw(w.H, gates * w.H), draw(w.H)],
            strict=True,
            return_updates=False,
        )
        h = found[0] if states > 1 else found
    out = h @ draw(w.H, w.O) + draw(w.O)
    loss = pt.sqr(out - y).mean()
    grads = pytensor.grad(loss, params, disconnected_inputs='ignore')
    norm = pt.sqrt(sum(pt.sqr(g).sum() for g in grads))
    scale = pt.minimum(np.float32(1), np.float32(MAX_GRADIENT_NORM) / norm)
    updates = []
    for p, g in zip(params, grads, strict=True):
        square = pytensor.shared(np.zeros_like(p.get_value()))
        new = np.float32(0.99) * square + np.float32(0.01) * pt.sqr(g * scale)
        change = np.float32(LEARNING_RATE) * g * scale / pt.sqrt(new + np.float32(1e-8))
        updates += [(square, new), (p, p - change)]
    train = pytensor.function([x, y], loss, updates=updates)
    predict = pytensor.function([x], out)
    batch = workload.batch()
    return lambda: float(train(*batch)), lambda: predict(batch[0])
