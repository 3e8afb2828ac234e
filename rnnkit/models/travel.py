"""Networks in pickles: by the bytes that a file holds, with parts that users have registered."""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from rnnkit.activations import activations, split
from rnnkit.common import file_format
from rnnkit.common.registry import Registry
from rnnkit.initializers import initializers
from rnnkit.layers import registry as layers
from rnnkit.losses import losses
from rnnkit.models.files import models, network
from rnnkit.training.history import History

REGISTRIES: tuple[Registry, ...] = (layers, activations, initializers, losses)


class Traveller(Protocol):
    """A network, as this module uses it."""

    history: History
    _trainings: int
    _kernel: bool | None
    _own_names: frozenset[str]

    def _as_file(self) -> file_format.File:
        """Return what `save` writes."""


class Part(NamedTuple):
    """A layer, cell, activation, initializer or loss of the user's that a network has.

    Its pickle is its name, so that another process imports the module which registers it.
    cloudpickle pickles the class itself if that is in a notebook; then it is registered.
    """

    kind: str
    names: tuple[str, ...]
    member: object

    def register(self) -> None:
        """Register the part, if importing its module has not done so."""
        registry = next(one for one in REGISTRIES if one.kind == self.kind)
        if not any(name in registry for name in self.names):
            registry.add(*self.names)(self.member)


def reduced(net: Traveller) -> tuple[Any, ...]:
    """Return what a pickle of a network holds: see ``object.__reduce__``.

    A class of the user's is found again by its name, and its ``__init__`` is not called; the
    attributes that the user has set are pickled as they are.

    Raises
    ------
    ConfigError
        If the network has a part that cannot be written to a file.
    """
    cls = type(net)
    file = net._as_file()
    file.spec['model'] = next(one.__name__ for one in cls.__mro__ if _is_model(one))
    others = {name: value for name, value in vars(net).items() if name not in net._own_names}
    state = {**others, 'history': net.history.copy(), '_trainings': net._trainings}
    parts = tuple(_own_parts(set(_words(file.spec))))
    return revive, (file_format.pack(file, 'the pickle'), cls, net._kernel, *parts), state


def revive(content: bytes, cls: type, kernel: bool | None, *parts: Part) -> Any:
    """Return the network of a pickle, without its state."""
    for part in parts:
        part.register()
    return network('the pickle', file_format.unpack(content, 'the pickle'), cls, kernel)


def _is_model(cls: type) -> bool:
    return cls.__name__ in models and models[cls.__name__] is cls


def _words(spec: object) -> Iterator[str]:
    """Yield the names in a spec: of ``'mine+relu'`` and ``'mine:3'``, also their parts."""
    if isinstance(spec, dict | list):
        for item in spec.values() if isinstance(spec, dict) else spec:
            yield from _words(item)
    elif isinstance(spec, str):
        for word in split(spec.lower()):
            yield from (word, word.partition(':')[0])


def _own_parts(words: set[str]) -> Iterator[Part]:
    """Yield the parts of these names which are not rnnkit's, and which pickles can name."""
    for registry in REGISTRIES:
        members = [registry[word] for word in sorted(words & set(registry))]
        for member in {id(member): member for member in members}.values():
            own = getattr(member, 'cell_class', member)
            if _is_importable(own):
                form = str(getattr(member, 'form', ''))  # the first name, as it was written
                names = [name for name in registry if registry[name] is member]
                names = [form if name == form.lower() else name for name in names]
                yield Part(registry.kind, tuple(names), own)


def _is_importable(member: object) -> bool:
    """Return whether a member is not rnnkit's, and is found by its name in its module."""
    module = getattr(member, '__module__', None) or ''
    if module.partition('.')[0] == 'rnnkit':
        return False
    found: object = sys.modules.get(module)
    for name in getattr(member, '__qualname__', '').split('.'):
        found = getattr(found, name, None)
    return found is member
