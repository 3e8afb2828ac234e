"""Penalties that keep a network small: terms that are added to its loss."""

from collections.abc import Callable, Iterable

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.registry import Registry

regularizers = Registry('regularizer')
add = regularizers.add

Penalty = Callable[[list[TensorVariable], list[TensorVariable]], TensorVariable]


def _mean_over(terms: Iterable[TensorVariable], what: str) -> TensorVariable:
    terms = list(terms)
    if not terms:
        raise ConfigError(f'{what}: this network has nothing that it could act on')
    return sum(terms[1:], terms[0]) / len(terms)


@regularizers.add('weight_l1', 'weight_sparsity')
def weight_l1(weights: list[TensorVariable], hidden: list[TensorVariable]) -> TensorVariable:
    """Mean over the weight matrices of the mean absolute weight."""
    return _mean_over((abs(w).mean() for w in weights), 'weight_l1')


@regularizers.add('weight_l2', 'weight_decay')
def weight_l2(weights: list[TensorVariable], hidden: list[TensorVariable]) -> TensorVariable:
    """Mean over the weight matrices of the mean squared weight."""
    return _mean_over((pt.sqr(w).mean() for w in weights), 'weight_l2')


@regularizers.add('hidden_l1', 'hidden_sparsity')
def hidden_l1(weights: list[TensorVariable], hidden: list[TensorVariable]) -> TensorVariable:
    """Mean over the hidden layers of the mean absolute output."""
    return _mean_over((abs(h).mean() for h in hidden), 'hidden_l1')
