"""Layers that join the outputs of others."""

import pytensor.tensor as pt

from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


def at_each_step(inputs):
    """Return the inputs with one number of axes: vectors (B, I) stand at each time step."""
    most = max(x.ndim for x in inputs)
    time = next((x.shape[0] for x in inputs if x.ndim == 3), None)
    return [x if x.ndim == most else pt.repeat(x[None], time, axis=0) for x in inputs]


@layers.add('concatenate', 'concat')
class Concatenate(Layer):
    """The features of several outputs side by side; a vector (B, I) stands at each time step."""

    sized = False
    many_inputs = True

    def transform(self, *inputs):
        return {'out': pt.concatenate(at_each_step(inputs), axis=-1)}


class Elementwise(Layer):
    """Several outputs of one size, joined element by element."""

    sized = False
    many_inputs = True

    def own_size(self):
        sizes = set(self.input_sizes.values())
        if len(sizes) > 1:
            given = ', '.join(f'{name} has {n}' for name, n in self.input_sizes.items())
            raise ConfigError(
                f'layer {self.name!r} ({self.form}) joins outputs of one size; {given}'
            )
        return sizes.pop()


@layers.add('product', 'prod')
class Product(Elementwise):
    """The product of several outputs, element by element."""

    def transform(self, *inputs):
        out = inputs[0]
        for x in inputs[1:]:
            out = out * x
        return {'out': out}


@layers.add('sum', 'add')
class Sum(Elementwise):
    """The sum of several outputs, element by element: what residual connections are made of.

    ``dict(form='sum', inputs=('hid1', 'hid2'))``
    """

    def transform(self, *inputs):
        return {'out': sum(inputs[1:], inputs[0])}
