"""Layers between sequences and single vectors."""

from numbers import Integral

import pytensor.tensor as pt

from rnnkit.common.tensors import masked
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('last')
class Last(Layer):
    """The last time step: (T, B, I) becomes (B, I).

    After a recurrent layer that is its final state; after a bidirectional layer, that of each
    direction. Under a mask it is the last step of each example that is real.
    """

    sized = False
    recurrent = True
    causal = False
    keeps_time = False
    needs = ('mask',)

    def transform(self, x, mask=None):
        if x.ndim == 2:  # a recurrent layer has found it already
            return {'out': x}
        if mask is None:
            return {'out': x[-1]}
        after = pt.argmax(mask[::-1], axis=0)  # steps of padding that follow the last real one
        return {'out': x[x.shape[0] - 1 - after, pt.arange(x.shape[1])]}


class Stepped(Layer):
    """A layer with a number of time steps of its own."""

    sized = False
    amount = 'steps'
    options = {'steps': None}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        steps = self.steps
        if isinstance(steps, bool) or not isinstance(steps, Integral) or steps < 1:
            raise ConfigError(
                f'layer {self.form!r}: steps is a whole number of at least 1; got {steps!r}'
            )
        self.steps = int(steps)

    @property
    def fixed_steps(self):
        return self.steps


@layers.add('repeat')
class Repeat(Stepped):
    """The same vector at each of a number of time steps: (B, I) becomes (steps, B, I).

    Parameters
    ----------
    steps : int
        ``('repeat', 10)`` for short.
    """

    causal = False
    keeps_time = True
    starts_time = True
    wants_time = False

    def transform(self, x):
        return {'out': pt.repeat(x[None], self.steps, axis=0)}


@layers.add('flatten', 'flat')
class Flatten(Stepped):
    """All steps side by side: (T, B, I) becomes (B, T * I), for sequences of one length.

    Over padding, a mask's zeros, there is 0.

    Parameters
    ----------
    steps : int
        The number of steps, T, of every sequence: ``('flatten', 10)`` for short.
    """

    recurrent = True
    causal = False
    keeps_time = False
    needs = ('mask',)

    def own_size(self):
        return self.steps * self.input_size

    def transform(self, x, mask=None):
        x = masked(x, mask)
        flat = x.swapaxes(0, 1).reshape((x.shape[1], self.size))
        return {'out': flat}
