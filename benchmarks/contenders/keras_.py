"""Keras, on the JAX backend: train_on_batch and a jitted prediction."""

import os

os.environ['KERAS_BACKEND'] = 'jax'

import keras
import numpy as np
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    kind = {'lstm': keras.layers.LSTM, 'gru': keras.layers.GRU, 'rnn': keras.layers.SimpleRNN}
    layers = [kind[workload.cell](workload.H, return_sequences=True) for _ in range(workload.depth)]
    net = keras.Sequential(
        [keras.Input((None, workload.I)), *layers, keras.layers.Dense(workload.O)]
    )
    optimizer = keras.optimizers.RMSprop(LEARNING_RATE, global_clipnorm=MAX_GRADIENT_NORM)
    net.compile(optimizer, 'mse')
    x, y = (np.ascontiguousarray(a.swapaxes(0, 1)) for a in workload.batch())
    return lambda: float(net.train_on_batch(x, y)), lambda: np.asarray(net.predict_on_batch(x))
