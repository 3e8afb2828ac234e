"""Frozen parameters: which of a network's parameters training leaves as they are."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError
from rnnkit.layers import Layer
from rnnkit.training.loss_term import LossTerm


class Trained(Protocol):
    """A network, as this module uses it."""

    layers: list[Layer]
    params: list[SharedVariable]
    losses: tuple[LossTerm, ...]
    _frozen: set[str]  # names of parameters

    def _minimise(self, terms: list[LossTerm]) -> None:
        """Make later trainings minimise these losses, by the parameters that are not frozen."""


def measured(layers: Sequence[Layer]) -> set[str]:
    """Return the names of the parameters that are measured in data, and so never trained."""
    return {str(layer.params[name].name) for layer in layers for name in layer.measured}


def of_layers(layers: Sequence[Layer]) -> set[str]:
    """Return the names of the parameters that a new network does not train.

    They are measured, or belong to layers that have ``trainable=False``.

    Raises
    ------
    ConfigError
        If such a layer has no parameters.
    """
    frozen = measured(layers)
    for layer in layers:
        if layer.trainable:
            continue
        if not layer.params:
            raise ConfigError(
                f'layer {layer.name!r} ({layer.form}): trainable=False has no effect, since it has '
                f'no parameters; leave it out'
            )
        frozen |= {p.name for p in layer.params.values()}
    return frozen


def matching(where: str, layers: Sequence[Layer], patterns: Iterable[object]) -> set[str]:
    """Return the names of the parameters that some patterns stand for.

    Parameters
    ----------
    where : str
        The call, for messages.
    layers : sequence of Layer
    patterns : iterable of str
        Names of layers or parameters, in which ``*``, ``?`` and ``[ab]`` are wildcards.

    Raises
    ------
    ConfigError
        If there are no patterns, or one matches nothing.
    """
    params = {p.name: [p.name] for layer in layers for p in layer.params.values()}
    owners = [owner for layer in layers for owner in (layer, *layer.children)]
    known = params | {
        owner.name: [p.name for p in owner.params.values()] for owner in owners if owner.params
    }
    found: set[str] = set()
    patterns = list(patterns)
    if not patterns:
        raise ConfigError(f"{where}: name layers or parameters, such as 'hid1'; '*' stands for all")
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise ConfigError(
                f"{where} expects names of layers or parameters, such as 'hid1' or 'hid*.b'; got "
                f'{pattern!r}'
            )
        names = [name for name in known if fnmatchcase(name, pattern)]
        if not names:
            raise ConfigError(
                f'{where}: no layer with parameters, and no parameter, is named {pattern!r}; '
                f'{hint(pattern, known)}'
            )
        found.update(param for name in names for param in known[name])
    return found


def thawed(where: str, layers: Sequence[Layer], patterns: Sequence[object]) -> set[str]:
    """Return the names of the parameters that some patterns stand for, and that can be trained.

    Raises
    ------
    ConfigError
        As `matching`; or if a name stands only for measured parameters.
    """
    fixed = measured(layers)
    for pattern in patterns:
        names = matching(where, layers, [pattern])
        if names <= fixed and pattern in {*names, *(layer.name for layer in layers)}:
            raise ConfigError(
                f'{where}: {pattern!r} is never trained: {", ".join(sorted(names))} are measured '
                f'in the training data'
            )
    return matching(where, layers, patterns) - fixed


def mark(layers: Sequence[Layer], frozen: set[str]) -> list[str]:
    """Mark layers as trainable or not; return the frozen parameters of trainable ones."""
    others = []
    for layer in layers:
        names = [p.name for n, p in layer.params.items() if n not in layer.measured]
        if names:
            layer._trainable = not set(names) <= frozen
        if layer.trainable:
            others += [name for name in names if name in frozen]
    return others


def change(net: Trained, names: set[str]) -> None:
    """Change which parameters of a network are frozen.

    Raises
    ------
    ConfigError
        If a training of the network is running.
    """
    if names == net._frozen:
        return
    before, net._frozen = net._frozen, names
    try:
        net._minimise(list(net.losses))
    except BaseException:
        net._frozen = before
        raise
    mark(net.layers, names)


def check(where: str, net: Trained) -> None:
    """Raise a ConfigError if a network has no parameters to train."""
    if len(measured(net.layers)) == len(net.params):
        raise ConfigError(
            f'{where}: no layer of this network has weights, so there is nothing to train; the '
            f"number of its outputs alone, as in [3, 'standardize', 1], is a layer that has"
        )
    if len(net._frozen) == len(net.params):
        raise ConfigError(
            f'{where}: all parameters are frozen, so there is nothing to train; '
            f"net.unfreeze('{net.layers[-1].name}') lets training change those of a layer"
        )
