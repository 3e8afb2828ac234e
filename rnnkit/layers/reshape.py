"""A layer that turns a vector into a sequence."""

from rnnkit.common.checks import is_whole
from rnnkit.common.checks import size as size_of
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.registry import layers


@layers.add('reshape')
class Reshape(Layer):
    """Split the features of a vector into time steps: (B, T * I) becomes (T, B, I).

    It is the inverse of 'flatten'.

    Parameters
    ----------
    shape : tuple of int
        ``(T, I)``: the number of time steps, and of features at each; their product must be the
        number of input features. ``(I,)`` changes nothing.
    """

    sized = False
    options = {'shape': None}
    causal = False
    wants_time = False
    starts_time = True

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        super().__init__(size, name=name, inputs=inputs, **options)
        shape = (self.shape,) if is_whole(self.shape) else self.shape
        if (
            not isinstance(shape, list | tuple)
            or len(shape) not in (1, 2)
            or not all(is_whole(n, 1) for n in shape)
        ):
            raise ConfigError(
                f"layer 'reshape': shape must be (steps, features) or (features,), of whole "
                f'numbers of at least 1, without the batch axis; got {brief(self.shape)}'
            )
        self.shape = tuple(size_of("layer 'reshape': shape", n) for n in shape)
        if len(self.shape) == 1:  # the identity, which sequences may pass, too
            self.causal, self.wants_time, self.starts_time = True, None, False

    @property
    def fixed_steps(self):
        return self.shape[0] if self.starts_time else None

    def own_size(self):
        *steps, size = self.shape
        total = size * (steps[0] if steps else 1)
        if self.input_size != total:
            raise ConfigError(
                f'layer {self.name!r} (reshape): shape {self.shape} has {total} elements; the '
                f'input has {self.input_size} features'
            )
        return size

    def transform(self, x):
        if not self.starts_time:
            return {'out': x}
        steps, size = self.shape
        return {'out': x.reshape((x.shape[0], steps, size)).swapaxes(0, 1)}  # (T, B, I)
