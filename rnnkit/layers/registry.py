"""The registry of layers."""

from collections.abc import Callable
from typing import TypeVar

from rnnkit.cells import Cell, cells
from rnnkit.common.old_words import NOT_FORMS
from rnnkit.common.registry import Registry, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.layers.base import COMMON, Layer
from rnnkit.layers.recurrent import recurrent_layer

T = TypeVar('T')


class LayerRegistry(Registry):
    """Layers by name; registering a cell makes it a recurrent layer."""

    def add(self, *names: str, **unknown: object) -> Callable[[T], T]:
        """Return a decorator that registers a `Layer`, or a `Cell` as a recurrent layer.

        Raises
        ------
        ConfigError
            If no name is given, a name is taken, or the class is of another kind.
        """
        register = super().add(*names, **unknown)

        def adapt(member: T) -> T:
            if not (isinstance(member, type) and issubclass(member, Layer | Cell)):
                raise ConfigError(
                    f'the layer {names[0]!r} must be a class derived from rnnkit.Layer or '
                    f'rnnkit.Cell; got {brief(member)}'
                )
            if issubclass(member, Cell):
                register(recurrent_layer(names[0], member))
            else:
                register(member)
                member.form = names[0]
            return member

        return adapt

    def __getitem__(self, name: str) -> type[Layer]:
        if isinstance(name, str) and name not in self and name.lower() in NOT_FORMS:
            raise ConfigError(f'no layer named {name!r}: {NOT_FORMS[name.lower()]}')
        return super().__getitem__(name)

    def build(self, form: str, /, **keywords: object) -> Layer:
        """Create a layer of this form."""
        if 'self' in keywords:  # Python would take it for the layer
            reject_unknown(f'layer {form!r}', ['self'], [*COMMON, *self[form].options])
        return self[form](**keywords)


layers = LayerRegistry('layer')

# rnnkit's own cells are registered before there are layers; users' cells go through `add`.
for _name in cells:
    layers.add(_name)(cells[_name])
