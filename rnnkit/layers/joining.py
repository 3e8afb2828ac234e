"""Layers that combine the outputs of several layers."""

import pytensor.tensor as pt

from rnnkit.common.tensors import at_each_step
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('concatenate', 'concat')
class Concatenate(Layer):
    """Concatenate the features of several outputs; vectors (B, I) are repeated over time."""

    sized = False
    many_inputs = True

    def transform(self, *inputs):
        return {'out': pt.concatenate(at_each_step(inputs), axis=-1)}


class Elementwise(Layer):
    """Several outputs of the same size, combined element by element."""

    sized = False
    many_inputs = True

    def own_size(self):
        sizes = set(self.input_sizes.values())
        if len(sizes) > 1:
            listed = ', '.join(f'{name} has {n}' for name, n in self.input_sizes.items())
            raise ConfigError(
                f'layer {self.name!r} ({self.form}) needs inputs of the same size; {listed}'
            )
        return sizes.pop()


@layers.add('product', 'prod')
class Product(Elementwise):
    """Elementwise product of several outputs."""

    def transform(self, *inputs):
        out = inputs[0]
        for x in inputs[1:]:
            out = out * x
        return {'out': out}


@layers.add('sum', 'add')
class Sum(Elementwise):
    """Elementwise sum of several outputs, as in a residual connection.

    ``dict(form='sum', inputs=('hid1', 'hid2'))``
    """

    def transform(self, *inputs):
        return {'out': sum(inputs[1:], inputs[0])}
