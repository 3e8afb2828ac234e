"""Where data enter."""

from rnnkit.common.checks import one_of
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('input')
class Input(Layer):
    """An array that the user provides, of shape (T, B, size), or (B, size) without time.

    The first layer of a network is one. A network may have more of them: their arrays then
    come in the order of the layers, before the target.

    Where an embedding reads it, the array is of whole numbers from 0 to size - 1, of shape
    (T, B), or (B,) without time.

    Parameters
    ----------
    ndim : {2, 3}, optional
        2 for (B, size), one value for each example; 3 for (T, B, size). By default what the
        layers that read it want; without a layer that is about time, the network has none.
    """

    options = {'ndim': None}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        if self.inputs:
            raise ConfigError(f"layer 'input': it reads data, not {', '.join(self.inputs)}")
        if not one_of(self.ndim, (None, 2, 3)):
            raise ConfigError(f"layer 'input': ndim is 2 or 3; got {self.ndim!r}")

    def transform(self, x):
        return {'out': x}
