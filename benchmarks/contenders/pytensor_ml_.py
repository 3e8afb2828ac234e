"""pytensor-ml, from version 0.3, which has recurrent layers."""

import numpy as np
import pytensor

pytensor.config.floatX = 'float32'

from pytensor_ml.layers import GRU, LSTM, RNN, Bidirectional, Input, Linear, Sequential  # noqa: E402
from pytensor_ml.loss import SquaredError  # noqa: E402
from pytensor_ml.model import Model  # noqa: E402
from pytensor_ml.optim import chain, clip_by_global_norm, rmsprop  # noqa: E402
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload  # noqa: E402

UPDATES = 1
KINDS = {'lstm': LSTM, 'gru': GRU, 'rnn': RNN}


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    w = workload

    def layer(name, n_inputs):
        return KINDS[w.cell](name, n_in=n_inputs, n_hidden=w.H)

    sizes = [w.I] + [w.H] * w.depth
    layers = [layer(f'hid{k}', n) for k, n in enumerate(sizes[:-1])]
    if w.both_ways:
        layers = [Bidirectional(*layers, layer('back', w.I))]
    out = Sequential(*layers, Linear('out', n_in=w.width, n_out=w.O))
    model = Model(out(Input('x', shape=(None, None, w.I)))).initialize(seed=0)
    rule = chain(clip_by_global_norm(MAX_GRADIENT_NORM), rmsprop(LEARNING_RATE))
    train = model.compile_train(rule, SquaredError())
    x, y = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in w.batch())
    return {'train': lambda: float(train(x, y)), 'predict': lambda: model.predict(x)}
