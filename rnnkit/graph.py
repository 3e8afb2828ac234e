"""Layers connected to one symbolic graph."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.layers import Input, Layer
from rnnkit.registry import hint


def connect(
    layers: list[Layer], dtype: str, rng: np.random.Generator
) -> tuple[list[TensorVariable], dict[str, TensorVariable]]:
    """Make the parameters of all layers, and connect the layers.

    Parameters
    ----------
    layers : list of Layer
        With names; each reads layers before it.
    dtype : str
    rng : numpy.random.Generator
        Draws the initial values, layer by layer.

    Returns
    -------
    inputs : list of tensors
        One variable for each input layer: (T, B, I) if any layer is recurrent, else (B, I).
    outputs : dict of str to tensor
        Every output of every layer, named ``'hid1:out'``.

    Raises
    ------
    ConfigError
        If a layer reads something that does not exist, or returns something unusable.
    """
    ndim = 3 if any(layer.recurrent for layer in layers) else 2
    inputs: list[TensorVariable] = []
    outputs: dict[str, TensorVariable] = {}
    sizes: dict[str, int] = {}
    before = ''
    for layer in layers:
        if isinstance(layer, Input):
            shape = (None,) * (ndim - 1) + (layer.size,)
            sources = {}
            arguments = [pt.tensor(layer.name, dtype=dtype, shape=shape)]
            inputs += arguments
        else:
            names = _sources(layer, before, outputs)
            sources = {name: sizes[name] for name in names}
            arguments = [outputs[name] for name in names]
        layer.bind(sources, dtype, rng)
        for name, output in _transform(layer, arguments, dtype).items():
            outputs[f'{layer.name}:{name}'] = output
            sizes[f'{layer.name}:{name}'] = layer.size
        before = layer.name
    return inputs, outputs


def _sources(layer: Layer, before: str, outputs: dict[str, Any]) -> list[str]:
    """Return the full names of the outputs that a layer reads."""
    sources = [name if ':' in name else f'{name}:out' for name in layer.inputs or (before,)]
    for name in sources:
        if name not in outputs:
            raise ConfigError(
                f'layer {layer.name!r}: no output {name!r} before it; {hint(name, outputs)}'
            )
        if sources.count(name) > 1:
            raise ConfigError(f'layer {layer.name!r} reads {name!r} more than once')
    return sources


def _transform(layer: Layer, arguments: list[TensorVariable], dtype: str) -> dict[str, Any]:
    """Return a layer's outputs, checked."""
    outputs = layer.transform(*arguments)
    if not isinstance(outputs, dict) or 'out' not in outputs:
        raise ConfigError(
            f"layer {layer.name!r}: transform() must return a dict with 'out'; got {outputs!r}"
        )
    for name, output in outputs.items():
        if getattr(output, 'dtype', None) != dtype:
            raise ConfigError(
                f'layer {layer.name!r}: output {name!r} must be a {dtype} tensor; got {output!r} '
                f'of {getattr(output, "dtype", type(output).__name__)}. Cast constants, for '
                f'example np.float32(0.1)'
            )
        width = output.type.shape[-1] if output.ndim else 0
        if width not in (None, layer.size):
            raise ConfigError(
                f'layer {layer.name!r}: output {name!r} has {width} features; its size is '
                f'{layer.size}'
            )
    return outputs
