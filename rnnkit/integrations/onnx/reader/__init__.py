"""`rnnkit.from_onnx`: the network in an ONNX file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked
from rnnkit.common.checks import choice, optional_whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError
from rnnkit.integrations.onnx.reader import build, file, walk
from rnnkit.integrations.onnx.reader.nodes import Graph
from rnnkit.integrations.onnx.reader.values import Plan
from rnnkit.models.network import Network
from rnnkit.training.protocols import PathOrFile

DTYPES = ('float32', 'float64')


@checked
def from_onnx(
    path: PathOrFile,
    *,
    layout: str | None = None,
    dtype: str | None = None,
    weights: Mapping[str, ArrayLike] | None = None,
    seed: int | None = None,
) -> Any:
    """TODO."""
    for name, value, known in (('layout', layout, tuple(walk.ORDERS)), ('dtype', dtype, DTYPES)):
        if value is not None:
            choice(f'from_onnx(): {name}', value, known)
    optional_whole('from_onnx(): seed', seed)
    if weights is not None and not isinstance(weights, Mapping):
        raise ConfigError(
            f'from_onnx(): weights must be a dict from names of inputs to arrays; got '
            f'{brief(weights)}'
        )
    name, model = file.read(path)
    from rnnkit.integrations.onnx.reader.own import Own  # which needs onnx

    own = Own(name, model)
    options = {key: v for key, v in (('dtype', dtype), ('seed', seed)) if v is not None}
    net = own.network(options)
    if net is not None:
        _check_own(name, net, layout, weights)
        return net
    graph = walk.walk(name, model, weights or {}, layout)
    outputs = [one.name for one in model.graph.output]
    main, layers = walk.main_output(graph, outputs)
    plans = build.ordered(graph, layers, main)
    order = build.layout_of(graph)
    classifies = _classifies(graph, plans)
    spec = build.Spec(graph, plans, classifies)
    return build.network(
        graph,
        {
            'model': 'Classifier' if classifies else 'Regressor',
            'layers': spec.layers,
            'loss': 'xe' if classifies else 'mse',
            'weighted': False,
            'masked': graph.lengths is not None,
            'layout': order,
            'dtype': dtype or _dtype(spec.arrays),
            'seed': seed,
        },
        spec.arrays,
    )


def _check_own(
    name: str, net: Network, layout: str | None, weights: Mapping[str, ArrayLike] | None
) -> None:
    if layout not in (None, net.layout):
        raise ConfigError(
            f'from_onnx(): {name} has layout={net.layout!r}; got {layout!r}. Leave it out'
        )
    if weights:
        raise ConfigError(
            f'from_onnx(): weights: {name} has all of them; got {brief(next(iter(weights)))}'
        )


def _classifies(graph: Graph, plans: list[Plan]) -> bool:
    """Return whether the last layer is a softmax of several classes."""
    last = plans[-1]
    found = last.options.get('activation') == 'softmax' and (last.size or 0) > 1
    if graph.log_softmax - ({last} if found else set()):
        raise FormatError(
            f'{graph.name}: it has a LogSoftmax that is not the output; there is no such activation'
        )
    return found


def _dtype(arrays: Mapping[str, np.ndarray]) -> str:
    wide = any(array.dtype == np.float64 for array in arrays.values())
    return 'float64' if wide else 'float32'
