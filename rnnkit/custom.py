"""theanets' base class of regularizers, which are registered by the names of their classes."""

from types import SimpleNamespace
from typing import Any

from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.regularizers import Parts, regularizers
from rnnkit.spellings import warn


class Regularizer:
    """A penalty as theanets has it; a class derived from it is registered in lower case.

    It warns, for in rnnkit a penalty is a function with ``@rnnkit.regularizers.add('name')``.

    Attributes
    ----------
    pattern : str or None
        What ``train(name=dict(weight=0.1, pattern='hid*'))`` says.

    Raises
    ------
    ConfigError
        If there is a regularizer of this name, or the class changes the graph.
    """

    pattern: str | None = None

    def __init_subclass__(cls, **keywords: Any):
        super().__init_subclass__(**keywords)
        name = cls.__name__.lower()
        if hasattr(cls, 'modify_graph'):
            raise ConfigError(
                f'class {cls.__name__}: modify_graph() is not here; noise is a word of train, such '
                f'as hidden_noise=0.1, or part of a layer of your own'
            )

        @regularizers.add(name)
        def penalty(parts: Parts, pattern: str | None = None) -> TensorVariable:
            regularizer = cls()
            regularizer.pattern = pattern
            return regularizer.loss(layers_of(parts), dict(parts.outputs))

        warn(
            f'class {cls.__name__}(Regularizer) is an old form; write a function of parts with '
            f'@rnnkit.regularizers.add({name!r})'
        )

    def loss(self, layers: list[Any], outputs: dict[str, TensorVariable]) -> TensorVariable:
        """Return the penalty.

        Parameters
        ----------
        layers : list
            Of objects with a ``name`` and ``params``, a list of shared variables: one for each
            layer that has any.
        outputs : dict of str to tensor
            Every output of every layer, named ``'hid1:out'``.
        """
        raise NotImplementedError(f'{type(self).__name__} must define loss(layers, outputs)')


def layers_of(parts: Parts) -> list[SimpleNamespace]:
    """Return the layers with their parameters in lists, as theanets hands them over."""
    found: dict[str, SimpleNamespace] = {}
    for full, param in parts.params.items():
        name = full.partition('.')[0]
        found.setdefault(name, SimpleNamespace(name=name, params=[])).params.append(param)
    return list(found.values())
