"""Regularizers: penalties on weights or activations that are added to the loss."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytensor.tensor as pt
from pytensor.gradient import disconnected_grad, grad
from pytensor.tensor import TensorVariable

from rnnkit.common import foreign_names
from rnnkit.common.calls import checked
from rnnkit.common.checks import is_real
from rnnkit.common.output_names import full, join
from rnnkit.common.registry import Registry, glob, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

Tensors = Mapping[str, TensorVariable]


@dataclass(frozen=True)
class Parts:
    """The parts of a network that regularizers can penalize, by name.

    Attributes
    ----------
    params : dict of str to tensor
        All parameters, such as ``'hid1.xh'``.
    outputs : dict of str to tensor
        All outputs of all layers, such as ``'hid1:out'``, of shape (T, B, size), or (B, size) in
        a network without time.
    hidden, recurrent : sequence of str
        The names of the main outputs of the hidden and of the recurrent layers.
    inputs : dict of str to tensor
        The inputs of the network, by the names of their layers.
    masks : dict of str to tensor of shape (T, B)
        The masks of outputs with padding: 1 where a time step is real, else 0.
    zero_padding : sequence of str
        The names of the outputs that are 0 over padding.
    """

    params: Tensors = field(default_factory=dict)
    outputs: Tensors = field(default_factory=dict)
    hidden: Sequence[str] = ()
    recurrent: Sequence[str] = ()
    inputs: Tensors = field(default_factory=dict)
    masks: Tensors = field(default_factory=dict)
    zero_padding: Sequence[str] = ()


regularizers = Registry('regularizer')
add = regularizers.add


class Term(NamedTuple):
    """A regularizer with its options and weight.

    Attributes
    ----------
    weight : float
    penalty : callable
        A function of `Parts`.
    key : tuple
        Equal for two terms that differ only in their weights.
    """

    weight: float
    penalty: Callable[[Parts], TensorVariable]
    key: tuple


@checked
def build(name: str, value: object) -> Term:
    """Return the regularizer for a keyword and its value.

    Parameters
    ----------
    name : str
        The name of a regularizer.
    value : float or dict
        The weight; or a dict with ``weight`` and the options of the regularizer, such as
        ``dict(weight=0.1, pattern='hid*.w')``.

    Raises
    ------
    ConfigError
        If there is no such regularizer or option, or the weight is not a number of at least 0.
    """
    function = regularizers[name]
    options = dict(value) if isinstance(value, Mapping) else {'weight': value}
    own = list(inspect.signature(function).parameters)[1:]
    reject_unknown(f'regularizer {name!r}', map(str, options), ['weight', *own])
    weight = options.pop('weight', None)
    if not is_real(weight) or weight < 0:
        raise ConfigError(
            f'{name} must be a number of at least 0, or a dict with such a weight; got '
            f'{brief(value)}'
        )
    key = (function, *sorted((option, brief(choice)) for option, choice in options.items()))
    return Term(float(weight), partial(_named, name, function, options), key)


def _named(
    name: str, function: Callable[..., TensorVariable], options: dict[str, object], parts: Parts
) -> TensorVariable:
    """Return a penalty; its errors name the regularizer."""
    try:
        return function(parts, **options)
    except ConfigError as error:
        raise ConfigError(f'{name}: {error}') from None


# --- selection by pattern, and means


def _mean_over(terms: Iterable[TensorVariable]) -> TensorVariable:
    terms = list(terms)
    if not terms:
        raise ConfigError('this network has nothing that it applies to')
    penalty = sum(terms[1:], terms[0]) / len(terms)
    penalty.tag.terms = terms
    return penalty


def means(penalty: TensorVariable) -> list[tuple[TensorVariable, TensorVariable | None]]:
    """Return the means that a penalty is the sum of, each with the number of its values.

    That of a user's own regularizer is not known: None.
    """
    terms = getattr(penalty.tag, 'terms', [])
    counts = [getattr(term.tag, 'count', None) for term in terms]
    if counts == [None] * len(terms):
        return [(penalty, None)]
    return [(term / len(terms), count) for term, count in zip(terms, counts, strict=True)]


def matrices(parts: Parts, pattern: str = '*') -> list[TensorVariable]:
    """Return the parameters of two or more axes whose names match `pattern`."""
    weights = {name: p for name, p in parts.params.items() if p.ndim > 1}
    return [weights[name] for name in glob('pattern', pattern, weights)]


def outputs(parts: Parts, pattern: str | None, default: Sequence[str]) -> list[str]:
    """Return the names of outputs that match `pattern`, or the `default` ones.

    ``'hid1'`` stands for ``'hid1:out'``.
    """
    if pattern is None:
        return list(default)
    return glob('pattern', full(pattern) if isinstance(pattern, str) else pattern, parts.outputs)


def _over_time(parts: Parts, pattern: str | None) -> list[str]:
    """Return the names of the outputs selected by a pattern, all of which must have a time axis."""
    names = outputs(parts, pattern, parts.recurrent)
    timeless = [name for name in names if parts.outputs[name].ndim != 3]
    if timeless:
        raise ConfigError(f'output {timeless[0]!r} has no time axis')
    return names


def _real(parts: Parts, name: str) -> TensorVariable:
    """Return an output with 0 over padding, where it may hold anything.

    Before a penalty is computed, since its slope there may be infinite, and 0 times that is NaN.
    """
    values, mask = parts.outputs[name], parts.masks.get(name)
    if mask is None or name in parts.zero_padding:
        return values
    return pt.switch((mask if values.ndim == 2 else mask[:, :, None]) > 0, values, 0)


def _mean(
    values: TensorVariable, mask: TensorVariable | None, zero: bool = False
) -> TensorVariable:
    """Return the mean of `values`, (T, B) or (T, B, size), over the real time steps.

    `zero` says that the values are 0 over padding already.
    """
    if mask is not None and not zero:
        values = _zero_over_padding(values, mask)
    return _divided(values.sum(), values, mask)


def _mean_square(values: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return the mean square of `values`, (T, B) or (T, B, size), over the real time steps."""
    if mask is not None:
        values = _zero_over_padding(values, mask)
    # Of a vector, for a sum over three axes takes seconds to compile.
    return _divided(pt.sqr(values.ravel()).sum(), values, mask)


def _zero_over_padding(values: TensorVariable, mask: TensorVariable) -> TensorVariable:
    # Not a product: padding may hold anything, and 0 times infinity is NaN.
    return pt.switch((mask[:, :, None] if values.ndim == 3 else mask) > 0, values, 0)


def _divided(
    total: TensorVariable, values: TensorVariable, mask: TensorVariable | None
) -> TensorVariable:
    """Return the mean of `values`, whose sum over the real time steps is `total`."""
    if mask is None:
        count = pt.cast(values.size, values.dtype)
    else:
        count = mask.sum()
        if values.ndim == 3:
            count = count * pt.cast(values.shape[-1], values.dtype)
    # Sequences of one step have no pairs of steps, so there may be no values.
    mean = total / pt.maximum(count, 1)
    mean.tag.count = count  # for the mean over several batches
    return mean


def _mean_of_pairs(values: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return the mean of values for pairs of adjacent time steps."""
    return _mean(values, None if mask is None else mask[1:] * mask[:-1])


# --- the regularizers


@regularizers.add('weight_l1', 'weight_sparsity')
@checked
def weight_l1(parts: Parts, pattern: str = '*') -> TensorVariable:
    """L1 penalty: mean over the weight matrices of the mean absolute weight."""
    return _mean_over(abs(w).mean() for w in matrices(parts, pattern))


@regularizers.add('weight_l2', 'weight_decay', 'weightl2')
@checked
def weight_l2(parts: Parts, pattern: str = '*') -> TensorVariable:
    """L2 penalty (weight decay): mean over the weight matrices of the mean squared weight."""
    return _mean_over(pt.sqr(w).mean() for w in matrices(parts, pattern))


@regularizers.add('hidden_l1', 'hidden_sparsity')
@checked
def hidden_l1(parts: Parts, pattern: str | None = None) -> TensorVariable:
    """Activity sparsity: mean over the hidden layers of the mean absolute output."""
    return _mean_over(
        _mean(abs(_real(parts, name)), parts.masks.get(name), name in parts.zero_padding)
        for name in outputs(parts, pattern, parts.hidden)
    )


@regularizers.add('recurrent_state')
@checked
def recurrent_state(parts: Parts, pattern: str | None = None) -> TensorVariable:
    r"""Smoothness: mean of :math:`(h_t - h_{t-1})^2` over the outputs of the recurrent layers."""
    terms = []
    for name in _over_time(parts, pattern):
        h = _real(parts, name)
        terms.append(_mean_of_pairs(pt.sqr(h[1:] - h[:-1]), parts.masks.get(name)))
    return _mean_over(terms)


@regularizers.add('recurrent_norm')
@checked
def recurrent_norm(parts: Parts, pattern: str | None = None) -> TensorVariable:
    r"""Mean of :math:`(\|h_t\|^2 - \|h_{t-1}\|^2)^2` over the outputs of the recurrent layers.

    This is the formula documented by theanets. Krueger & Memisevic 2015, arXiv:1511.08400,
    compare the norms themselves, whose gradient is not defined at 0.
    """
    terms = []
    for name in _over_time(parts, pattern):
        s = pt.sqr(_real(parts, name)).sum(axis=-1)  # (T, B)
        terms.append(_mean_of_pairs(pt.sqr(s[1:] - s[:-1]), parts.masks.get(name)))
    return _mean_over(terms)


@regularizers.add('contractive')
@checked
def contractive(parts: Parts, pattern: str | None = None, wrt: str = '*') -> TensorVariable:
    r"""Contractive penalty: the mean squared gradient of the mean hidden unit by the inputs.

    For each example and hidden layer, the gradient is
    :math:`g_{ti} = \partial (\sum_{t'} \overline{h_{t'}}) / \partial x_{ti}`, where
    :math:`\overline{h}` is the mean over units; the penalty is the mean of :math:`g_{ti}^2`.
    theanets takes the mean over time and examples before the gradient, so that its penalty
    shrinks with the square of the batch size. Rifai et al. 2011, ICML, sum the squared gradients
    of all units.
    """
    names = glob('wrt', wrt, parts.inputs)
    terms = []
    for name in outputs(parts, pattern, parts.hidden):
        h = parts.outputs[name]
        # The gradient by h of the sum of means is 1 / size. PyTensor's own Op for an array of one
        # number takes seconds to compile.
        fixed = disconnected_grad(h)
        weight = pt.switch(pt.isnan(fixed), fixed, 1 / pt.cast(h.shape[-1], h.dtype))
        if name in parts.masks:
            weight = _zero_over_padding(weight, parts.masks[name])
        # A layer need not depend on all inputs; its gradient by the others is 0.
        wrt = [parts.inputs[x] for x in names]
        slopes = grad(None, wrt, known_grads={h: weight}, disconnected_inputs='ignore')
        terms += [
            _mean_square(slope, parts.masks.get(join(x)))
            for x, slope in zip(names, slopes, strict=True)
        ]
    return _mean_over(terms)


if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
