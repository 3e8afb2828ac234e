"""Fully connected layers."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError
from rnnkit.layers.base import COMMON, Layer
from rnnkit.layers.registry import layers


@layers.add('feedforward', 'ff', 'dense')
class Dense(Layer):
    r"""Fully connected layer, :math:`g(x W + b)`, applied to each time step alike.

    Several inputs are summed, each with a matrix of its own: ``w_hid1:out`` and so on. An
    activation that is learned adds its parameters, such as the ``leak`` of 'prelu'.

    Parameters
    ----------
    activation : str or callable
        The function g; by default relu in a hidden layer, and what the network needs in
        the last one.

    Notes
    -----
    Outputs are ``'out'`` and ``'pre'``, the argument of g.
    """

    options = {'activation': None}
    initial = {'w': 'glorot', 'b': 0.0}
    many_inputs = True

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        # The matrices of a layer that reads several others are named after these.
        several = {key: 0 for key in options if key.startswith('w_')}
        # A wrong name fails here, not in the graph.
        chosen = options.get('activation')
        self._learned = activations.Chain('linear' if chosen is None else chosen)
        own = {**type(self).initial, **dict.fromkeys(several, 'glorot')}
        self.initial = {**own, **self._learned.initial}
        taken = set(self._learned.initial) & (set(own) | {*self.options, *COMMON})
        if taken:
            raise ConfigError(
                f'layer {self.form!r}: the parameter {min(taken)!r} of activation '
                f'{options["activation"]!r} needs another name; the layer has one of this name'
            )
        super().__init__(size, name=name, inputs=inputs, **options)

    def _matrix(self, source):
        return 'w' if len(self.input_sizes) == 1 else f'w_{source}'

    def starts(self):
        matrices = {self._matrix(source): 'glorot' for source in getattr(self, 'input_sizes', ())}
        return {**self.initial, **matrices}

    def shapes(self):
        unused = [
            key
            for key in self.given
            if key.startswith('w') and key not in map(self._matrix, self.input_sizes)
        ]
        if unused:
            raise ConfigError(
                f'layer {self.name!r} has no parameter {unused[0]!r}; its matrices are '
                f'{", ".join(map(self._matrix, self.input_sizes))}'
            )
        matrices = {self._matrix(source): (n, self.size) for source, n in self.input_sizes.items()}
        return {**matrices, 'b': (self.size,), **self._learned.shapes(self.size)}

    def transform(self, *inputs):
        parts = []
        b = self.params['b']
        for x, source in zip(inputs, self.input_sizes, strict=True):
            parts.append(_affine(x, self.params[self._matrix(source)], b))
            b = pt.zeros_like(b)  # it is added once
        pre = sum(parts[1:], parts[0])
        out = kernels.softmax_of(pre) if self.activation == 'softmax' else None
        if out is None:
            out = activations.Chain(self.activation or 'relu')(pre, self.params)
        return {'out': out, 'pre': pre}


def _affine(x: TensorVariable, w: TensorVariable, b: TensorVariable) -> TensorVariable:
    """Return ``x @ w + b``, by a kernel where there is one."""
    fused = kernels.affine(x, w, b)
    return affine(x, w, b) if fused is None else fused


@layers.add('classifier', 'softmax')
class Softmax(Dense):
    """Fully connected layer with a softmax: probabilities of classes."""

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        if options.setdefault('activation', 'softmax') != 'softmax':
            raise ConfigError(
                f"layer 'softmax': its activation is softmax, not {options['activation']!r}"
            )
        super().__init__(size, name=name, inputs=inputs, **options)
