"""A layer with tied weights: those of another layer, transposed."""

from rnnkit import activations
from rnnkit.common.registry import brief, hint
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.dense import Dense
from rnnkit.layers.registry import layers


@layers.add('tied')
class Tied(Layer):
    r"""Fully connected layer with tied weights, :math:`g(x W^T + b)`.

    Decoders of autoencoders often consist of them. W is the matrix of another layer, the partner;
    the size is the number of the partner's inputs, and b is the only parameter.

    Parameters
    ----------
    partner : str, optional
        The name of a fully connected layer before this one, with a single input. By default the
        nearest that is not a partner yet: ``[4, 3, 2, 'tied', 'tied']`` pairs the layers from the
        middle outwards.
    activation : str or callable
        The function g; by default relu, and linear in the last layer.
    """

    sized = False
    options = {'partner': None, 'activation': None}
    initial = {'b': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        # Reject a wrong name now, not when the graph is built.
        activations.build('linear' if self.activation is None else self.activation)

    def meet(self, before: list[Layer]) -> None:
        dense = {layer.name: layer for layer in before if isinstance(layer, Dense)}
        if self.partner is None:
            taken = {layer.mate.name for layer in before if isinstance(layer, Tied)}
            free = [layer for name, layer in dense.items() if name not in taken]
            if not free:
                raise ConfigError(f'layer {self.name!r} (tied): no layer is left to be its partner')
            self.mate = free[-1]
        elif isinstance(self.partner, str) and self.partner in dense:
            self.mate = dense[self.partner]
        else:
            named = self.partner if isinstance(self.partner, str) else ''
            raise ConfigError(
                f'layer {self.name!r} (tied): partner must be a fully connected layer before it; '
                f'got {brief(self.partner)}; {hint(named, dense)}'
            )
        if len(self.mate.input_sizes) > 1:
            raise ConfigError(
                f'layer {self.name!r} (tied): its partner {self.mate.name!r} reads several layers'
            )

    def own_size(self):
        if self.input_size != self.mate.size:
            raise ConfigError(
                f'layer {self.name!r} (tied): its partner {self.mate.name!r} has size '
                f'{self.mate.size}, so its input must have as many features; got {self.input_size}'
            )
        return self.mate.input_size

    def shapes(self):
        return {'b': (self.size,)}

    def transform(self, x):
        pre = affine(x, self.mate.params['w'].T, self.params['b'])
        return {'out': activations.Chain(self.activation or 'relu')(pre), 'pre': pre}
