"""Convolution over time."""

from numbers import Integral

import pytensor.tensor as pt

from rnnkit import activations
from rnnkit.common.checks import one_of
from rnnkit.common.tensors import affine, masked
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers

MODES = ('valid', 'same', 'causal')


@layers.add('conv1')
class Conv1(Layer):
    r"""Convolution over time, :math:`y_t = g(\sum_k x_{ts+k} W_k + b)`.

    Parameters
    ----------
    filter_size : int
        The number of time steps, K, that an output sees.
    stride : int
        The number of steps, s, from one output to the next.
    border_mode : {'valid', 'same', 'causal'}
        'valid': outputs that see real steps only, (T - K) // s + 1 of them. 'same': as many as
        there are steps (if s is 1), with zeros around the sequence. 'causal': likewise, with all
        zeros before it, so that an output sees no later step.
    activation : str or callable
        The function g; by default relu, and what the network needs in the last layer.

    Notes
    -----
    The weights ``w`` are of shape (K, I, size). Outputs are ``'out'`` and ``'pre'``.
    """

    recurrent = True  # it needs a time axis
    needs = ('mask',)
    options = {'filter_size': None, 'stride': 1, 'border_mode': 'valid', 'activation': None}
    initial = {'w': 'glorot', 'b': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        for option in ('filter_size', 'stride'):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ConfigError(
                    f"layer 'conv1': {option} is a whole number of at least 1; got {value!r}"
                )
        if not one_of(self.border_mode, MODES):
            raise ConfigError(
                f"layer 'conv1': border_mode is {', '.join(map(repr, MODES))}; got "
                f'{self.border_mode!r}'
            )
        chosen = 'linear' if self.activation is None else self.activation
        activations.build(chosen)  # a wrong name fails here
        self.causal = False  # a single step is not enough for it
        self.starts_time = self.stride > 1 or (self.border_mode == 'valid' and self.filter_size > 1)

    def steps_after(self, steps):
        if self.border_mode == 'valid':
            steps -= self.filter_size - 1
        return -(-steps // self.stride)

    def shapes(self):
        return {'w': (self.filter_size, self.input_size, self.size), 'b': (self.size,)}

    def start_of(self, name):
        start = super().start_of(name)
        if name == 'w' and start == 'glorot':
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
        seen = pt.concatenate([x[k : steps + k : self.stride] for k in range(n)], axis=-1)
        weights = self.params['w'].reshape((n * self.input_size, self.size))
        pre = affine(seen, weights, self.params['b'])
        return {'out': activations.build(self.activation or 'relu')(pre), 'pre': pre}
