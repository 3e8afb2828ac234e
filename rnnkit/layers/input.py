"""Where data enter."""

from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('input')
class Input(Layer):
    """An array that the user provides, of shape (T, B, size), or (B, size) without time.

    The first layer of a network is one. A network may have more of them: their arrays then
    come in the order of the layers, before the target.
    """

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        if self.inputs:
            raise ConfigError(f"layer 'input': it reads data, not {', '.join(self.inputs)}")

    def transform(self, x):
        return {'out': x}
