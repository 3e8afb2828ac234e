"""Convolution over time."""

import numpy as np
import pytensor.tensor as pt

from rnnkit import activations
from rnnkit.common.checks import choice
from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import affine, masked
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers

LONG = 64  # steps of a filter
MODES = ('valid', 'same', 'causal')


@layers.add('conv1')
class Conv1(Layer):
    r"""Convolution over time, :math:`y_t = g(\sum_k x_{ts+k} W_k + b)`.

    Parameters
    ----------
    filter_size : int
        The length K of the filters, in time steps.
    stride : int
        The number of steps s from one output to the next.
    border_mode : {'valid', 'same', 'causal'}
        The zero padding. 'valid': none, so that there are (T - K) // s + 1 outputs. 'same': on
        both sides, so that there are T outputs if s is 1. 'causal': as much, but all before the
        sequence, so that no output depends on later steps.
    activation : str or callable, optional
        The function g; by default relu, and in the last layer the network's output activation.

    Notes
    -----
    The weights ``w`` have shape (K, I, size). The outputs are ``'out'`` and the pre-activation
    ``'pre'``.
    """

    recurrent = True  # it needs a time axis
    needs = ('mask',)
    options = {'filter_size': None, 'stride': 1, 'border_mode': 'valid', 'activation': None}
    initial = {'w': 'glorot', 'b': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        for option in ('filter_size', 'stride'):
            setattr(self, option, size_of(f"layer 'conv1': {option}", getattr(self, option)))
        choice("layer 'conv1': border_mode", self.border_mode, MODES)
        # Reject a wrong name now, not when the graph is built.
        activations.build('linear' if self.activation is None else self.activation)
        self.causal = False  # streaming feeds single steps, from which no output can be computed
        self.starts_time = self.stride > 1 or (self.border_mode == 'valid' and self.filter_size > 1)

    def steps_after(self, steps):
        if self.border_mode == 'valid':
            steps -= self.filter_size - 1
        return -(-steps // self.stride)

    def shapes(self):
        return {'w': (self.filter_size, self.input_size, self.size), 'b': (self.size,)}

    def start_of(self, name):
        start = super().start_of(name)
        # The fan-in includes the time steps of a filter.
        if name == 'w' and isinstance(start, str) and start == 'glorot':
            n_in, n_out = self.filter_size * self.input_size, self.size
            limit = (6 / (n_in + n_out)) ** 0.5
            return lambda shape, rng: rng.uniform(-limit, limit, shape)
        return start

    def transform(self, x, mask=None):  # x: (T, B, I)
        x, n = masked(x, mask), self.filter_size
        if self.border_mode != 'valid':
            before = n - 1 if self.border_mode == 'causal' else (n - 1) // 2
            zeros = [
                pt.zeros((k, x.shape[1], x.shape[2]), dtype=x.dtype)
                for k in (before, n - 1 - before)
            ]
            x = pt.concatenate([zeros[0], x, zeros[1]], axis=0)
        steps = x.shape[0] - n + 1
        # (T', B, K * I): windows of K steps, so that the convolution is a single matrix product
        if n <= LONG:
            windows = pt.concatenate([x[k : steps + k : self.stride] for k in range(n)], axis=-1)
        else:
            # One operation instead of K, whose graph would take seconds.
            starts = pt.arange(0, steps, self.stride)
            at = starts[:, None] + np.arange(n)  # (T', K)
            windows = x[at].transpose(0, 2, 1, 3)  # (T', B, K, I)
            windows = windows.reshape((at.shape[0], x.shape[1], n * self.input_size))
        weights = self.params['w'].reshape((n * self.input_size, self.size))
        pre = affine(windows, weights, self.params['b'])
        return {'out': activations.Chain(self.activation or 'relu')(pre), 'pre': pre}
