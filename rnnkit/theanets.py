"""What theanets has and rnnkit needs for nothing else: old forms, each with a warning."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from pytensor.tensor import TensorVariable

from rnnkit.common import progress
from rnnkit.common.old_words import warn
from rnnkit.errors import ConfigError
from rnnkit.models.files import load
from rnnkit.models.network import Network
from rnnkit.regularizers import Parts, regularizers
from rnnkit.training.trainer import Monitors


class Experiment:
    """A network with the methods that train and save it; networks have these themselves.

    It warns, and says what to write instead.

    Parameters
    ----------
    network : type, Network, str or path-like
        A class such as `rnnkit.Classifier`, a network, or the path of a file.
    *args, **options
        What the class is called with.

    Attributes
    ----------
    network : Network

    Raises
    ------
    ConfigError
        If the first one is none of these, or there is nothing to use the other arguments for.

    Examples
    --------
    >>> import rnnkit, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter('ignore')
    ...     exp = Experiment(rnnkit.Regressor, layers=(2, 3, 1))
    >>> exp.network.num_params
    13
    """

    def __init__(self, network: Any, *args: Any, **options: Any):
        if isinstance(network, type) and issubclass(network, Network):
            name = network.__name__
            warn(
                f'Experiment({name}, ...) is an old form; write net = rnnkit.{name}(...), and '
                f'net.train(...)'
            )
            self.network = network(*args, **options)
            return
        if args or options:
            raise ConfigError(
                'Experiment(): further arguments are for a class, such as rnnkit.Classifier; got '
                f'{network!r}'
            )
        if isinstance(network, Network):
            warn('Experiment(net) is an old form; write net.train(...)')
            self.network = network
        elif isinstance(network, str | os.PathLike):
            warn('Experiment(path) is an old form; write net = rnnkit.load(path)')
            self.network = load(network)
        else:
            raise ConfigError(
                f'Experiment(): wants a class such as rnnkit.Classifier, a network or the path of '
                f'a file; got {network!r}'
            )

    def train(self, *args: Any, **options: Any) -> tuple[Monitors, Monitors]:
        """Train the network: `rnnkit.Network.train`."""
        return self.network.train(*args, **options)

    def itertrain(self, *args: Any, **options: Any) -> Iterator[tuple[Monitors, Monitors]]:
        """Train the network, an epoch at a time: `rnnkit.Network.itertrain`."""
        return self.network.itertrain(*args, **options)

    def save(self, path: Any) -> None:
        """Write the network to a file: `rnnkit.Network.save`."""
        self.network.save(path)

    def load(self, path: Any) -> Network:
        """Take the network of a file in the place of the one that is here, and return it."""
        self.network = load(path)
        return self.network


def log(message: str, *args: Any, **named: Any) -> None:
    """Write a line to the logger ``rnnkit``, at the level INFO.

    Parameters
    ----------
    message : str
        With ``{}`` for each of the arguments, as `str.format` takes it.
    """
    progress.prepare_logging()
    progress.say('%s', message.format(*args, **named) if args or named else message)


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
