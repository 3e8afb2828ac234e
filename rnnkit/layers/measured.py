"""Parameters that are measured in the training data: mean and deviation of each feature."""

from collections.abc import Sequence

import numpy as np
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit.common.param_values import fitting
from rnnkit.errors import ConfigError, DataError
from rnnkit.layers.base import Layer

NAMES = ('mean', 'deviation', 'known')


class Measured:
    """The measured parameters of one layer.

    Parameters
    ----------
    layer : Layer
        It has them already.
    prefix : str
        Of their names.
    """

    def __init__(self, layer: Layer, prefix: str = ''):
        self.layer = layer
        self.mean, self.deviation, self.flag = (layer.params[f'{prefix}{n}'] for n in NAMES)

    @property
    def known(self) -> bool:
        """Whether they were measured or set."""
        return bool(self.flag.get_value(borrow=True) != 0)

    @known.setter
    def known(self, value: bool) -> None:
        self.flag.set_value(np.asarray(value, self.flag.dtype))

    def check(self) -> None:
        """Raise a ConfigError if a deviation is not above 0, as in a file that was changed."""
        value = self.deviation.get_value()
        if not (value > 0).all():
            raise ConfigError(
                f'{self.deviation.name} must be above 0; got {value[~(value > 0)][0]}'
            )

    @property
    def params(self) -> tuple[TensorSharedVariable, ...]:
        """All three."""
        return self.mean, self.deviation, self.flag


def prefixes(layer: Layer) -> list[str]:
    """Return the prefixes of the names of a layer's measured parameters."""
    found = [name.removesuffix('mean') for name in layer.measured if name.endswith('mean')]
    return [prefix for prefix in found if {f'{prefix}{name}' for name in NAMES} <= {*layer.params}]


def check_value(
    where: str, layers: Sequence[Layer], parameter: TensorSharedVariable, value: object
) -> None:
    """Raise a DataError for a value that a measured parameter cannot have."""
    array = fitting(where, parameter, value)
    for measured in _all(layers):
        if parameter is measured.flag and array not in (0, 1):
            raise DataError(
                f'{where}: {measured.flag.name} must be 1, if {measured.mean.name} and '
                f'{measured.deviation.name} are to be kept, or 0, if the next training is to '
                f'measure them; got {value!r}'
            )
        if parameter is measured.deviation and not (array > 0).all():
            raise DataError(f'{where}: {measured.deviation.name} must be above 0; got {value!r}')


def note_value(layers: Sequence[Layer], parameter: object) -> None:
    """Note that a parameter has got a value: if it is measured, training shall keep it."""
    for measured in _all(layers):
        if parameter is measured.mean or parameter is measured.deviation:
            measured.known = True


def _all(layers: Sequence[Layer]) -> list[Measured]:
    return [Measured(layer, prefix) for layer in layers for prefix in prefixes(layer)]
