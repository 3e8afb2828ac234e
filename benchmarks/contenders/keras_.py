"""Keras, on the JAX backend: train_on_batch and predict_on_batch."""

import os

os.environ['KERAS_BACKEND'] = 'jax'

import keras
import numpy as np
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    kind = {'lstm': keras.layers.LSTM, 'gru': keras.layers.GRU, 'rnn': keras.layers.SimpleRNN}
    options = dict(return_sequences=True, stateful=workload.stream)
    layers = [kind[workload.cell](workload.H, **options) for _ in range(workload.depth)]
    if workload.both_ways:
        layers = [keras.layers.Bidirectional(layer) for layer in layers]
    shape = (workload.B, workload.T, workload.I) if workload.stream else (None, None, workload.I)
    first, last = keras.Input(batch_shape=shape), keras.layers.Dense(workload.O)
    net = keras.Sequential([first, *layers, last])
    optimizer = keras.optimizers.RMSprop(LEARNING_RATE, global_clipnorm=MAX_GRADIENT_NORM)
    net.compile(optimizer, 'mse')
    x, y = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in workload.batch())

    def predict():
        return np.asarray(net.predict_on_batch(x))

    if workload.stream:
        return {'step': predict}
    return {'train': lambda: float(net.train_on_batch(x, y)), 'predict': predict}
