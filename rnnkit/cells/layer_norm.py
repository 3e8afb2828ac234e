"""Layer normalization inside of a cell."""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.activations.features import EPS
from rnnkit.activations.registry import like
from rnnkit.common.tensors import split


def normalized(blocks: Sequence[TensorVariable]) -> list[TensorVariable]:
    r"""Return :math:`(a - m) / \sqrt{v + 10^{-5}}`, with m and v of all units of all blocks.

    Blocks of equal width are added up before their units are, so that a loop over time needs one
    sum over the units for m, and one for v, whatever the number of blocks.

    Parameters
    ----------
    blocks : sequence of tensors of shape (..., H)
    """
    mean = _mean(blocks)
    centred = [a - mean for a in blocks]
    deviation = pt.sqrt(_mean([pt.sqr(a) for a in centred]) + like(mean, EPS))
    return [a / deviation for a in centred]


def scaled(
    blocks: Sequence[TensorVariable], gain: TensorVariable, groups: Sequence[int]
) -> list[TensorVariable]:
    """Normalize blocks by groups, and multiply them by a gain.

    Parameters
    ----------
    blocks : sequence of tensors of shape (..., H)
    gain : tensor of shape (nH,)
        For all blocks, side by side.
    groups : sequence of int
        The number of blocks that are normalized together, one group after the other.
    """
    result: list[TensorVariable] = []
    for size in groups:
        result += normalized(blocks[len(result) : len(result) + size])
    return [a * g for a, g in zip(result, split(gain, len(result)), strict=True)]


def _mean(blocks: Sequence[TensorVariable]) -> TensorVariable:
    total = sum(blocks[1:], blocks[0])
    share = total if len(blocks) == 1 else total * like(total, 1 / len(blocks))
    return share.mean(axis=-1, keepdims=True)
