"""Attention: weights over the steps of a memory, as a graph of PyTensor's own Ops.

The memory has S time steps, which are others than the T steps that look at it.
"""

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad
from pytensor.tensor import TensorVariable


def attend(
    queries: TensorVariable,
    keys: TensorVariable,
    values: TensorVariable,
    v: TensorVariable | None = None,
    mask: TensorVariable | None = None,
) -> list[TensorVariable]:
    """Return the weight of each step of the memory at each step, and the weighted means.

    Parameters
    ----------
    queries : tensor of shape (T, B, A)
    keys : tensor of shape (S, B, A)
        What queries are compared with.
    values : tensor of shape (S, B, M)
        What the means are taken of.
    v : tensor of shape (A,), optional
        The score of a query q and a key k is ``tanh(q + k) @ v``; without it, ``q @ k``.
    mask : tensor of shape (S, B), optional
        1 where a step of the memory is real, 0 over padding, where values must be finite.

    Returns
    -------
    weights : tensor of shape (T, B, S)
        Not negative. They sum to 1 over S; 0 over padding, and if all steps are padding.
    means : tensor of shape (T, B, M)
    """
    weights = weigh(queries, keys, v, mask)
    return [weights, mix(weights, values)]


def weigh(
    queries: TensorVariable,
    keys: TensorVariable,
    v: TensorVariable | None = None,
    mask: TensorVariable | None = None,
) -> TensorVariable:
    """Return the weights alone."""
    if v is None:
        scores = pt.matmul(queries.swapaxes(0, 1), keys.dimshuffle(1, 2, 0))  # (B, T, S)
    else:
        scores = (pt.tanh(pairs(queries, keys)) * v).sum(axis=-1)
    weights = _softmax(scores, None if mask is None else mask.T[:, None, :] > 0.5)
    return weights.swapaxes(0, 1)


def pairs(queries: TensorVariable, keys: TensorVariable) -> TensorVariable:
    """Return the sum of each query and each key, (B, T, S, A)."""
    return queries.dimshuffle(1, 0, 'x', 2) + keys.dimshuffle(1, 'x', 0, 2)


def mix(weights: TensorVariable, values: TensorVariable) -> TensorVariable:
    """Return the weighted means of the values."""
    return pt.matmul(weights.swapaxes(0, 1), values.swapaxes(0, 1)).swapaxes(0, 1)


def _softmax(scores: TensorVariable, real: TensorVariable | None) -> TensorVariable:
    """Return the softmax over the last axis, among those that are real; 0 if none is."""
    if real is not None:
        scores = pt.switch(real, scores, np.array(-np.inf, scores.dtype))
    # Any number may be subtracted, so there is no gradient by it.
    largest = disconnected_grad(scores.max(axis=-1, keepdims=True))
    if real is not None:  # -inf less -inf would be NaN
        largest = pt.switch(pt.eq(largest, -np.inf), np.array(0, scores.dtype), largest)
    powers = pt.exp(scores - largest)
    total = powers.sum(axis=-1, keepdims=True)
    if real is not None:
        total = pt.switch(total > 0, total, np.array(1, scores.dtype))
    return powers / total
