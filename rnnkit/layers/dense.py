"""Fully connected layers."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError
from rnnkit.layers.base import COMMON, Layer
from rnnkit.layers.registry import layers


@layers.add('feedforward', 'ff', 'dense')
class Dense(Layer):
    r"""Fully connected layer, :math:`g(x W + b)`, applied at each time step.

    With several inputs, each has its own matrix, ``w_hid1:out`` and so on, and the products are
    summed. A learned activation adds its parameters, such as the ``leak`` of 'prelu'.

    Parameters
    ----------
    activation : str or callable, optional
        The function g; by default relu, and in the last layer the network's output activation.

    Notes
    -----
    The outputs are ``'out'`` and the pre-activation ``'pre'``, the argument of g.
    """

    options = {'activation': None}
    initial = {'w': 'glorot', 'b': 0.0}
    many_inputs = True

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        # Matrices are named after the inputs, which are known only when the layer is bound.
        matrices = [key for key in options if key.startswith('w_')]
        # Reject a wrong name now, not when the graph is built.
        activation = options.get('activation')
        self._learned = activations.Chain('linear' if activation is None else activation)
        own = {**type(self).initial, **dict.fromkeys(matrices, 'glorot')}
        self.initial = {**own, **self._learned.initial}
        clashes = set(self._learned.initial) & (set(own) | {*self.options, *COMMON})
        if clashes:
            raise ConfigError(
                f'layer {self.form!r}: the parameter {min(clashes)!r} of activation '
                f'{activation!r} needs another name, which the layer does not use itself'
            )
        super().__init__(size, name=name, inputs=inputs, **options)

    def _matrix(self, source: str) -> str:
        return 'w' if len(self.input_sizes) == 1 else f'w_{source}'

    def starts(self):
        matrices = {self._matrix(source): 'glorot' for source in getattr(self, 'input_sizes', ())}
        return {**self.initial, **matrices}

    def shapes(self):
        matrices = {self._matrix(source): (n, self.size) for source, n in self.input_sizes.items()}
        unused = [key for key in self.given if key.startswith('w') and key not in matrices]
        if unused:
            raise ConfigError(
                f'layer {self.name!r} has no parameter {unused[0]!r}; its matrices are '
                f'{", ".join(matrices)}'
            )
        return {**matrices, 'b': (self.size,), **self._learned.shapes(self.size)}

    def transform(self, *inputs):
        parts = []
        b = self.params['b']
        for x, source in zip(inputs, self.input_sizes, strict=True):
            parts.append(_affine(x, self.params[self._matrix(source)], b))
            b = pt.zeros_like(b)  # added only once; the kernel always takes a bias
        pre = sum(parts[1:], parts[0])
        out = kernels.softmax_of(pre) if self.activation == 'softmax' else None
        if out is None:
            out = activations.Chain(self.activation or 'relu')(pre, self.params)
        return {'out': out, 'pre': pre}


def _affine(x: TensorVariable, w: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``x @ w + b``, computed by a kernel if available."""
    fused = kernels.affine(x, w, b)
    return affine(x, w, b) if fused is None else fused


@layers.add('classifier', 'softmax')
class Softmax(Dense):
    r"""Fully connected layer with a softmax, whose outputs are class probabilities.

    .. math:: p_k = e^{z_k} / \sum_j e^{z_j}, \qquad z = x W + b

    Parameters
    ----------
    activation : {'softmax'}, optional
        Nothing but 'softmax', which it is by default.

    Notes
    -----
    The outputs are ``'out'``, p, and the logits ``'pre'``, z, from which losses are computed.
    """

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        activation = options.setdefault('activation', 'softmax')
        if not isinstance(activation, str) or activation != 'softmax':
            raise ConfigError(
                f"layer 'softmax': activation must be 'softmax'; got {brief(activation)}"
            )
        super().__init__(size, name=name, inputs=inputs, **options)
