"""The inputs of a network."""

from rnnkit.common.checks import choice
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('input')
class Input(Layer):
    """Input data: an array of shape (T, B, size), or (B, size) without time.

    The first layer of a network is an input. There may be more: their arrays are then given in
    the order of the layers, before the target.

    If an embedding reads the input, the array holds whole numbers from 0 to size - 1, and has
    shape (T, B), or (B,) without time.

    Parameters
    ----------
    ndim : {2, 3}, optional
        2 for (B, size), one vector per example; 3 for (T, B, size). By default it follows from
        the layers that read the input: if none needs a time axis, there is none.
    """

    options = {'ndim': None}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        if self.inputs:
            raise ConfigError(f"layer 'input': it reads data, not {', '.join(self.inputs)}")
        choice("layer 'input': ndim", self.ndim, (None, 2, 3))

    def transform(self, x):
        return {'out': x}
