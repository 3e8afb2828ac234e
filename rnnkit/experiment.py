"""theanets' class around a network, and its function for messages."""

import os
from collections.abc import Iterator
from typing import Any

from rnnkit import progress
from rnnkit.errors import ConfigError
from rnnkit.files import load
from rnnkit.network import Network
from rnnkit.spellings import warn
from rnnkit.trainer import Monitors


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
            warn(f'Experiment({name}, ...) is an old form; write net = rnnkit.{name}(...), and '
                 f'net.train(...)')  # fmt: skip
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
