"""Ways to train that are not one update rule, such as layer by layer, by the names of ``algo``."""

from collections.abc import Mapping

from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError
from rnnkit.training.protocols import Way

ways = Registry('algorithm')


def find_way(where: str, algo: str, keywords: Mapping[str, object]) -> Way | None:
    """Return the way to train of this name, or None if `algo` is to be an update rule.

    Raises
    ------
    ConfigError
        If ``subalgo`` is given together with an update rule.
    """
    if algo in ways:
        return ways[algo]
    if 'subalgo' in keywords:
        raise ConfigError(
            f"{where}: subalgo is the update rule of algo 'layerwise' and 'pretrain'; "
            f'algo {algo!r} is an update rule itself'
        )
    return None
