"""Names of theanets that are kept for old scripts; each use warns."""

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from pytensor.tensor import TensorVariable

from rnnkit.common import progress
from rnnkit.common.calls import checked, checked_methods
from rnnkit.common.old_words import warn
from rnnkit.errors import ConfigError
from rnnkit.models.files import load
from rnnkit.models.network import Network
from rnnkit.regularizers import Parts, regularizers
from rnnkit.training.protocols import Monitors, Path


@checked_methods
class Experiment:
    """A wrapper of a network, for scripts of theanets; networks have these methods themselves.

    It warns, and the warning says what to write instead.

    Parameters
    ----------
    network : type, Network, str or path-like
        A class such as `rnnkit.Classifier`, a network, or the path of a file.
    *args, **options
        The arguments of the class.

    Attributes
    ----------
    network : Network

    Raises
    ------
    ConfigError
        If `network` is none of these, or if it is not a class and there are further arguments.

    Examples
    --------
    >>> import rnnkit, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter('ignore')
    ...     exp = Experiment(rnnkit.Regressor, layers=(2, 3, 1))
    >>> exp.network.num_params
    13
    """

    def __init__(self, network: type[Network] | Network | Path, *args: Any, **options: Any):
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
                'Experiment(): further arguments need a class, such as rnnkit.Classifier; got '
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
                f'Experiment(): expects a class such as rnnkit.Classifier, a network or the path '
                f'of a file; got {network!r}'
            )

    def __repr__(self) -> str:
        return f'<Experiment: {self.network!r}>'

    def train(self, *args: Any, **options: Any) -> tuple[Monitors, Monitors]:
        """Train the network: `rnnkit.Network.train`."""
        return self.network.train(*args, **options)

    def itertrain(self, *args: Any, **options: Any) -> Iterator[tuple[Monitors, Monitors]]:
        """Train the network epoch by epoch: `rnnkit.Network.itertrain`."""
        return self.network.itertrain(*args, **options)

    def save(self, path: Path) -> None:
        """Save the network to a file: `rnnkit.Network.save`."""
        self.network.save(path)

    def load(self, path: Path) -> Network:
        """Replace the network by the one in a file, and return it."""
        self.network = load(path)
        return self.network


@checked
def log(message: str, *args: object, **named: object) -> None:
    """Log a message to the logger ``rnnkit``, at the level INFO.

    Parameters
    ----------
    message : str
        A format string for `str.format`, with ``{}`` for each of the arguments.
    """
    if not isinstance(message, str):
        raise ConfigError(f'log(): message must be a str; got {message!r}')
    progress.prepare_logging()
    progress.say('%s', message.format(*args, **named) if args or named else message)


class Regularizer:
    """Base class of a penalty of theanets; a subclass is registered by its name in lower case.

    It warns: in rnnkit a penalty is a function with ``@rnnkit.regularizers.add('name')``.

    Attributes
    ----------
    pattern : str or None
        The option of ``train(name=dict(weight=0.1, pattern='hid*'))``.

    Raises
    ------
    ConfigError
        If there is a regularizer of this name already, or the class changes the graph.
    """

    pattern: str | None = None

    def __init_subclass__(cls, **keywords: object):
        super().__init_subclass__(**keywords)
        name = cls.__name__.lower()
        if hasattr(cls, 'modify_graph'):
            raise ConfigError(
                f'class {cls.__name__}: modify_graph() does not exist here; noise is a keyword of '
                f'train, such as hidden_noise=0.1, or part of a layer of your own'
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

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'

    def loss(
        self, layers: list[SimpleNamespace], outputs: dict[str, TensorVariable]
    ) -> TensorVariable:
        """Return the penalty.

        Parameters
        ----------
        layers : list
            An object for each layer with parameters: it has a ``name``, and ``params``, a list of
            shared variables.
        outputs : dict of str to tensor
            Every output of every layer, named ``'hid1:out'``.
        """
        raise NotImplementedError(f'{type(self).__name__} must define loss(layers, outputs)')


def layers_of(parts: Parts) -> list[SimpleNamespace]:
    """Return the layers with their parameters in lists, as `Regularizer.loss` expects them."""
    layers: dict[str, SimpleNamespace] = {}
    for full_name, param in parts.params.items():
        name = full_name.partition('.')[0]
        layers.setdefault(name, SimpleNamespace(name=name, params=[])).params.append(param)
    return list(layers.values())
