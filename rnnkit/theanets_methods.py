"""Methods that networks have because theanets' have them."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np

from rnnkit.errors import ConfigError
from rnnkit.spellings import warn


def predict_logit(net: Any, x: Any, *, mask: Any = None) -> np.ndarray:
    """Return what the softmax of a classifier is taken of.

    Parameters
    ----------
    x : array of shape (T, B, I)
    mask : array of shape (T, B), optional
        Where steps are real.

    Returns
    -------
    logits : array of shape (T, B, O)
    """
    return net.inference.logits(x, mask)


def classify(net: Any, x: Any) -> Any:
    """Return what `predict` does, under an old name."""
    warn('classify() is an old word; write predict()')
    return net.predict(x)


class Loader:
    """`rnnkit.load` as a method of a class of networks, for files of this class.

    Asked for through a network it warns, for that network stays as it is.

    Parameters
    ----------
    load : callable
        Reads a network of any class.
    """

    def __init__(self, load: Callable[[Any], Any]):
        self.load = load

    def __get__(self, net: Any, cls: type) -> Callable[[Any], Any]:
        if net is not None:
            warn(
                f'load() leaves this network as it is, and returns another; write '
                f'net = rnnkit.{cls.__name__}.load(path)'
            )
        return MethodType(self._load, cls)

    def _load(self, cls: type, path: Any) -> Any:
        """Read a network of this class.

        Raises
        ------
        ConfigError
            If the file is one of another class.
        """
        net = self.load(path)
        if not isinstance(net, cls):
            name = type(net).__name__
            raise ConfigError(
                f'{cls.__name__}.load(): {path} is a {name}; write rnnkit.{name}.load(path), or '
                f'rnnkit.load(path) for any'
            )
        return net
