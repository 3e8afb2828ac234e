"""A layer that makes a sequence of a vector."""

from numbers import Integral

from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('reshape')
class Reshape(Layer):
    """The features of a vector as time steps: (B, T * I) becomes (T, B, I).

    What 'flatten' puts side by side, this layer puts one after the other.

    Parameters
    ----------
    shape : tuple of int
        ``(T, I)``: the number of steps, and that of features of each; their product is the number
        of features that the layer reads. ``(I,)`` changes nothing.
    """

    sized = False
    options = {'shape': None}
    causal = False
    wants_time = False
    starts_time = True

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        shape = (self.shape,) if isinstance(self.shape, Integral) else self.shape
        if (
            not isinstance(shape, list | tuple)
            or len(shape) not in (1, 2)
            or not all(_is_length(n) for n in shape)
        ):
            raise ConfigError(
                f"layer 'reshape': shape is (steps, features), of whole numbers of at least 1, "
                f'without the examples; or (features,); got {self.shape!r}'
            )
        self.shape = tuple(map(int, shape))
        if len(self.shape) == 1:  # a step of a sequence is a vector, too
            self.causal, self.wants_time, self.starts_time = True, None, False

    @property
    def fixed_steps(self):
        return self.shape[0] if self.starts_time else None

    def own_size(self):
        *steps, size = self.shape
        total = size * (steps[0] if steps else 1)
        if self.input_size != total:
            raise ConfigError(
                f'layer {self.name!r} (reshape): shape {self.shape} has {total} numbers; it reads '
                f'{self.input_size} features'
            )
        return size

    def transform(self, x):
        if not self.starts_time:
            return {'out': x}
        steps, size = self.shape
        return {'out': x.reshape((x.shape[0], steps, size)).swapaxes(0, 1)}  # (T, B, I)


def _is_length(n):
    return isinstance(n, Integral) and not isinstance(n, bool) and n >= 1
