"""Mean and maximum over the time steps of a sequence, as graphs of PyTensor's own Ops.

Each function returns the result and what has to be kept to go on with later steps.
"""

from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

Kept = tuple[TensorVariable, TensorVariable]  # (B, H) and the number of steps so far, (B, 1)


def mean(
    x: TensorVariable, kept: Kept | None = None, mask: TensorVariable | None = None
) -> list[TensorVariable]:
    """Return the mean over time, the sum, and the number of steps; the mean of none is 0.

    Parameters
    ----------
    x : tensor of shape (T, B, H)
    kept : pair of tensors, optional
        The sum (B, H) of earlier steps, and their number (B, 1).
    mask : tensor of shape (T, B), optional
        1 where a step is real, 0 over padding.
    """
    total = _shown(x, mask, 0).sum(axis=0)
    count = _count(x, mask)
    if kept is not None:
        total, count = kept[0] + total, kept[1] + count
    return [total / pt.maximum(count, 1), total, count]


def maximum(
    x: TensorVariable, kept: Kept | None = None, mask: TensorVariable | None = None
) -> list[TensorVariable]:
    """Return the maximum over time, the same again, and the number of steps; that of none is 0.

    Parameters
    ----------
    x, kept, mask
        As for `mean`; the first of what is kept is the maximum of earlier steps.
    """
    shown = _shown(x, mask, -np.inf)
    # By its place, for then the first of equal steps has the whole gradient.
    place = pt.argmax(shown, axis=0)  # (B, H)
    best = shown[place, pt.arange(x.shape[1])[:, None], pt.arange(x.shape[2])]
    count = _count(x, mask)
    if kept is not None:
        greater = (best > kept[0]) | pt.isnan(best) | (kept[1] < 1)
        best, count = pt.switch(greater, best, kept[0]), kept[1] + count
    best = pt.switch(count > 0, best, 0)
    return [best, best, count]


Plain = Callable[[TensorVariable, Kept | None, TensorVariable | None], list[TensorVariable]]
PLAIN: dict[str, Plain] = {'mean': mean, 'max': maximum}


def _shown(x: TensorVariable, mask: TensorVariable | None, otherwise: float) -> TensorVariable:
    """Return the values of real steps, and another number over padding."""
    return x if mask is None else pt.switch(mask[:, :, None] > 0.5, x, np.array(otherwise, x.dtype))


def _count(x: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return the number of real steps, (B, 1)."""
    if mask is not None:
        return pt.cast(mask > 0.5, x.dtype).sum(axis=0)[:, None]
    return pt.alloc(pt.cast(x.shape[0], x.dtype), x.shape[1], 1)
