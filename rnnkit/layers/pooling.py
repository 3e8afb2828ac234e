"""Layers that pool over time: one vector for each sequence, to which every step contributes."""

from typing import ClassVar, NamedTuple

from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.common.pooled import PLAIN
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


class MeanState(NamedTuple):
    """State of a mean over time."""

    sum: TensorVariable  # (B, size)
    count: TensorVariable  # (B, 1), the number of steps so far


class MaxState(NamedTuple):
    """State of a maximum over time."""

    max: TensorVariable  # (B, size)
    count: TensorVariable  # (B, 1), the number of steps so far


class Pooling(Layer):
    """Base of the layers that pool over time."""

    kind: ClassVar[str] = ''
    sized = False
    recurrent = True
    causal = False
    keeps_time = False
    needs = ('mask', 'state')

    def output_size(self, name):
        return 1 if name == 'count' else self.size

    def transform(self, x, mask=None, state=None):  # x: (T, B, I)
        kept = None if state is None or state[0] is None else tuple(state)
        out, *kept_now = kernels.pool(self.kind, x, kept, mask) or PLAIN[self.kind](x, kept, mask)
        if kept is None:
            return {'out': out}
        return {'out': out, **dict(zip(self.state._fields, kept_now, strict=True))}


@layers.add('mean')
class Mean(Pooling):
    r"""The mean over time: (T, B, I) becomes (B, I).

    .. math:: y = \frac{1}{T} \sum_t x_t

    With a mask, the sum goes over the real steps of each sequence, and T is their number. The
    mean of a sequence without a real step is 0.

    In a state, as of `rnnkit.Network.step`, it has the ``sum`` of the steps so far and their
    ``count``, of shape (B, 1).

    Notes
    -----
    The kernel adds up one step after the other in the network's dtype. A sequence that is read in
    parts so has the same bits as the whole. The rounding error is below T eps times the mean
    of abs(x), and typically near the square root of T times eps: 1e-5 for 10,000 steps of float32.
    """

    kind = 'mean'
    state = MeanState


@layers.add('max')
class Max(Pooling):
    r"""The maximum over time, of each feature: (T, B, I) becomes (B, I).

    .. math:: y = \max_t x_t

    With a mask, only real steps count. The maximum of a sequence without a real step is 0. Where
    several steps have the same largest value, the first of them gets the whole gradient.

    In a state, as of `rnnkit.Network.step`, it has the ``max`` of the steps so far and their
    ``count``, of shape (B, 1).
    """

    kind = 'max'
    state = MaxState
