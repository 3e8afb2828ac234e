"""Layers that convert between sequences and single vectors."""

from typing import NamedTuple

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import size as size_of
from rnnkit.common.tensors import masked
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


class LastState(NamedTuple):
    """State of the last step of a sequence."""

    value: TensorVariable  # (B, size)


@layers.add('last')
class Last(Layer):
    """The last time step: (T, B, I) becomes (B, I).

    After a recurrent layer this is its final state; after a bidirectional layer, the final state
    of each direction. With a mask it is the last real step of each example; 0 if there is none.
    `Mean` and `Max` (``'mean'``, ``'max'``) summarize all steps instead.
    """

    sized = False
    recurrent = True
    causal = False
    keeps_time = False
    needs = ('mask', 'state')
    state = LastState

    def transform(self, x, mask=None, state=None):
        if x.ndim == 2:  # the graph has passed a recurrent layer's output 'last'
            return {'out': x}
        kept = None if state is None else state.value
        out = x[-1]
        if mask is not None:
            after = pt.argmax(mask[::-1], axis=0)  # (B,), steps of padding after the last real one
            out = x[x.shape[0] - 1 - after, pt.arange(x.shape[1])]
            out = pt.switch((mask > 0).any(axis=0)[:, None], out, 0 if kept is None else kept)
        return {'out': out} if kept is None else {'out': out, 'value': out}


class Stepped(Layer):
    """A layer with a fixed number of time steps."""

    sized = False
    amount = 'steps'
    options = {'steps': None}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        self.steps = size_of(f'layer {self.form!r}: steps', self.steps)

    @property
    def fixed_steps(self):
        return self.steps


@layers.add('repeat')
class Repeat(Stepped):
    """Repeat a vector at each time step: (B, I) becomes (steps, B, I).

    Parameters
    ----------
    steps : int
        The number of time steps; for short, ``('repeat', 10)``.
    """

    causal = False
    keeps_time = True
    starts_time = True
    wants_time = False

    def transform(self, x):
        return {'out': pt.repeat(x[None], self.steps, axis=0)}


@layers.add('flatten', 'flat')
class Flatten(Stepped):
    """Concatenate all time steps: (T, B, I) becomes (B, T * I), for sequences of equal length.

    Padding becomes 0.

    Parameters
    ----------
    steps : int
        The number of time steps T of each sequence; for short, ``('flatten', 10)``.
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
