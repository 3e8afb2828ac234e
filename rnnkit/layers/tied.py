"""A layer with tied weights: those of another layer, transposed."""

from rnnkit import activations, kernels
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.dense import Dense
from rnnkit.layers.embedding import Embedding
from rnnkit.layers.registry import layers


@layers.add('tied')
class Tied(Layer):
    r"""Fully connected layer with tied weights, :math:`g(x W^T + b)`.

    W is the matrix of another layer, the partner, and b is the only parameter. The gradient of W is
    the sum of those by both uses. Two kinds of networks have such layers:

    - Decoders of autoencoders. The partner is a fully connected layer, and the size is the number
      of its inputs.
    - Language models. The partner is the embedding of the words, and the size is that of the
      vocabulary: each word has one vector, as an input and as an output. The layer before must be
      of the size of the embedding. The gradient of the table is then dense.

    Parameters
    ----------
    partner : str, optional
        The name of a fully connected layer before this one, with a single input, or of an
        embedding. By default the nearest fully connected layer that is not a partner yet:
        ``[4, 3, 2, 'tied', 'tied']`` pairs the layers from the middle outwards. If there is none,
        the nearest embedding that is not.
    activation : str or callable, optional
        The function g; by default relu, and in the last layer the network's output activation.

    References
    ----------
    Press & Wolf 2017, arXiv:1608.05859, and Inan et al. 2017, arXiv:1611.01462, for embeddings.
    """

    sized = False
    options = {'partner': None, 'activation': None}
    initial = {'b': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        # Reject a wrong name now, not when the graph is built.
        activations.build('linear' if self.activation is None else self.activation)

    def meet(self, before: list[Layer]) -> None:
        able = {layer.name: layer for layer in before if isinstance(layer, Dense | Embedding)}
        if self.partner is None:
            taken = {layer.mate.name for layer in before if isinstance(layer, Tied)}
            free = [layer for name, layer in able.items() if name not in taken]
            # Stable: fully connected layers come last, and the nearest one of them at the end.
            free.sort(key=lambda layer: isinstance(layer, Dense))
            if not free:
                raise ConfigError(f'layer {self.name!r} (tied): no layer is left to be its partner')
            self.mate = free[-1]
        elif isinstance(self.partner, str) and self.partner in able:
            self.mate = able[self.partner]
        else:
            named = self.partner if isinstance(self.partner, str) else ''
            raise ConfigError(
                f'layer {self.name!r} (tied): partner must be a fully connected layer or an '
                f'embedding before it; got {brief(self.partner)}; {hint(named, able)}'
            )
        if len(self.mate.input_sizes) > 1:
            raise ConfigError(
                f'layer {self.name!r} (tied): its partner {self.mate.name!r} reads several layers'
            )

    def own_size(self):
        if self.input_size != self.mate.size:
            raise ConfigError(
                f'layer {self.name!r} (tied): its partner {self.mate.name!r} has size '
                f'{self.mate.size}, so its input must have as many features; got '
                f'{self.input_size}. A fully connected layer of size {self.mate.size} before it '
                f'helps'
            )
        return self.mate.input_size

    def shapes(self):
        return {'b': (self.size,)}

    def transform(self, x):
        pre = affine(x, self.mate.params['w'].T, self.params['b'])
        out = kernels.softmax_of(pre) if self.activation == 'softmax' else None
        return {
            'out': activations.Chain(self.activation or 'relu')(pre) if out is None else out,
            'pre': pre,
        }
