"""What the word ``algo`` may name: an update rule, or a way to train in stages."""

from collections.abc import Callable, Mapping
from typing import Any

from rnnkit.common.registry import Registry, hint
from rnnkit.errors import ConfigError
from rnnkit.optimizers import optimizers

# Functions of (where, network, train, valid, keywords). Each returns what `train` and `itertrain`
# of can be called as those of a `Trainer`, and the two arguments for them.
ways = Registry('algorithm')


def find(where: str, algo: Any, given: Mapping[str, Any]) -> Callable[..., Any] | None:
    """Return the way to train of this name, or None if it names an update rule.

    Parameters
    ----------
    where : str
        The call, for messages.
    algo : str
    given : dict
        The keywords of the training.

    Raises
    ------
    ConfigError
        If there is neither, or ``subalgo`` is given with an update rule.
    """
    if algo in ways:
        return ways[algo]
    if isinstance(algo, str) and algo not in optimizers:
        raise ConfigError(f'no algorithm named {algo!r}; {hint(algo, [*optimizers, *ways])}')
    if 'subalgo' in given:
        raise ConfigError(
            f"{where}: subalgo is the update rule that algo 'layerwise' and 'pretrain' train by; "
            f'algo {algo!r} is one itself'
        )
    return None
