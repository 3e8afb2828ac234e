"""Models of Keras that are chains: each layer reads the one before it."""

from collections.abc import Mapping
from typing import Any

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

WHERE = 'from_keras()'


def chain(model: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the class and the configuration of each layer of a model that is a chain."""
    kind, config = model.get('class_name'), model.get('config')
    layers = config.get('layers') if isinstance(config, dict) else None
    if kind not in ('Sequential', 'Functional') or not isinstance(layers, list):
        raise ConfigError(
            f'{WHERE}: expects a Sequential model, or a functional one that is a chain; got '
            f'{brief(kind)}; pass model.get_weights() and layers='
        )
    found, before, masks = [], None, set()
    for layer in layers:
        own, one = layer.get('config'), str(layer.get('class_name'))
        if not isinstance(own, dict):
            raise ConfigError(f'{WHERE}: the model has a layer without a configuration')
        if kind == 'Functional':
            name = str(layer.get('name', own.get('name')))
            if one == 'NotEqual':  # how Keras writes the mask that an embedding makes
                masks.add(name)
                continue
            _check_follows(name, one, layer.get('inbound_nodes'), before, masks)
            before = name
        found.append((one, own))
    return found


def _check_follows(
    name: str, kind: str, nodes: object, before: str | None, masks: set[str]
) -> None:
    """Raise a ConfigError if a layer reads anything but the layer before it, and its mask."""
    read = [one for one in _tensors(nodes) if one not in masks]
    fine = kind == 'InputLayer' if before is None else read == [before]
    if not fine:
        raise ConfigError(
            f'{WHERE}: layer {name!r} ({kind}) reads {", ".join(map(repr, read)) or "nothing"}; '
            f'models must be chains, in which each layer reads the one before, here {before!r}; '
            f'pass model.get_weights() and layers='
        )


def _tensors(nodes: object) -> list[str]:
    """Return the names of the layers whose outputs a layer is called with."""
    if isinstance(nodes, dict):
        if nodes.get('class_name') == '__keras_tensor__':
            return [str(nodes['config']['keras_history'][0])]
        nodes = list(nodes.values())
    if isinstance(nodes, list):
        return [name for node in nodes for name in _tensors(node)]
    return []
