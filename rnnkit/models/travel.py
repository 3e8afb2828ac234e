"""Networks that travel: pickles and copies, by the bytes that a file holds."""

import copy
from typing import Any, Protocol

from rnnkit.common import file_format
from rnnkit.models.files import models, network
from rnnkit.training.history import History


class Traveller(Protocol):
    """A network, as this module uses it."""

    history: History
    _trainings: int
    _kernel: bool | None
    _own_names: frozenset[str]

    def _as_file(self) -> file_format.File:
        """Return what `save` writes."""


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
    history = History(map(dict, net.history))
    state = {**others, 'history': history, '_trainings': net._trainings}
    return revive, (file_format.pack(file, 'the pickle'), cls, net._kernel), state


def _is_model(cls: type) -> bool:
    return cls.__name__ in models and models[cls.__name__] is cls


def revive(content: bytes, cls: type, kernel: bool | None = None) -> Any:
    """Return the network of a pickle."""
    return network('the pickle', file_format.unpack(content, 'the pickle'), cls, kernel)


def twin(net: Any, memo: dict[int, object]) -> Any:
    """Return a deep copy of a network; unlike a pickle, it may have parts that no file can hold."""
    new = memo[id(net)] = object.__new__(type(net))
    vars(new).update(copy.deepcopy(vars(net), memo))
    return new
