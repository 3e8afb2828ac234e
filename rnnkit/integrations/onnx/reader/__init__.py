"""`rnnkit.from_onnx`: the network in an ONNX file."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from onnx import ModelProto

    from rnnkit.integrations.onnx.reader.own import Own

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
    """Return the network in an ONNX file.

    A file written by `Network.to_onnx` gives the same network again, with its layers and their
    names, bit-identical parameters, its losses, the names of its classes and its `meta`. This holds
    as long as the graph is the one that `to_onnx` writes for that network; a graph that was changed
    later is read like any other.

    Files of other programs are read node by node. RNN, LSTM and GRU, in any direction and with all
    their attributes, become recurrent layers, and MatMul, Gemm, activations, Gather (embeddings),
    LayerNormalization, means, maxima and last steps the layers around them. A node without a
    corresponding layer is an error that names it. The page *From ONNX* lists all that can be read.

    It is safe to read an untrusted file: no code in it is run, no other file is opened, and the
    memory used is proportional to its size.

    Parameters
    ----------
    path : str, path-like or file object
        A file object is a binary file that is open for reading, such as an ``io.BytesIO``.
    layout : {'time', 'batch'}, optional
        Whether data are (T, B, I) or (B, T, I). It is needed only for graphs without a recurrent
        operator, which would tell.
    dtype : {'float32', 'float64'}, optional
        That of the network; by default 'float64' if weights are, else 'float32'. Weights of half
        precision become float32.
    weights : dict of str to array, optional
        The values of inputs of the graph that are weights, by name.
    seed : int, optional
        That of the network, for later training; by default that in the file, or else a random one.

    Returns
    -------
    net : Classifier, Regressor, or what `Network.to_onnx` has written
        A `Classifier` if the output is a softmax, or its logarithm, of at least two units; else a
        `Regressor`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, keeps arrays in other files, or has an operator, an attribute or an
        arrangement of axes that no layer has.
    ConfigError
        If an argument is wrong.
    ImportError
        If onnx is not installed: ``pip install 'rnnkit[onnx]'``.

    Examples
    --------
    >>> import io, rnnkit
    >>> net = rnnkit.Classifier([3, ('gru', 4), 'last', 2], classes=['no', 'yes'], seed=0)
    >>> net.to_onnx(file := io.BytesIO())
    >>> other = rnnkit.from_onnx(io.BytesIO(file.getvalue()))
    >>> other.to_spec() == net.to_spec()
    True
    """
    _check_arguments(layout, dtype, weights, seed)
    name, model = file.read(path)
    from rnnkit.integrations.onnx.reader.own import Own  # it needs onnx

    own = Own(name, model)
    options = {key: v for key, v in (('dtype', dtype), ('seed', seed)) if v is not None}
    net = own.network(options)
    if net is not None:
        _check_own(name, net, layout, weights)
        return net
    return _read(walk.walk(name, model, weights or {}, layout), model, own, options)


def _check_arguments(layout: object, dtype: object, weights: object, seed: object) -> None:
    for name, value, known in (('layout', layout, tuple(walk.ORDERS)), ('dtype', dtype, DTYPES)):
        if value is not None:
            choice(f'from_onnx(): {name}', value, known)
    optional_whole('from_onnx(): seed', seed)
    if weights is not None and not isinstance(weights, Mapping):
        raise ConfigError(
            f'from_onnx(): weights must be a dict from names of inputs to arrays; got '
            f'{brief(weights)}'
        )


def _read(graph: Graph, model: 'ModelProto', own: 'Own', options: Mapping[str, object]) -> Network:
    """Return the network of a graph that has been read."""
    main, layers = walk.main_output(graph, [one.name for one in model.graph.output])
    plans = build.ordered(graph, layers, main)
    order = build.layout_of(graph)
    classifies = _classifies(graph, plans)
    built = build.Spec(graph, plans, classifies)
    spec = {
        'model': 'Classifier' if classifies else 'Regressor',
        'layers': built.layers,
        'loss': 'xe' if classifies else 'mse',
        'weighted': False,
        'masked': graph.lengths is not None,
        'layout': order,
        'dtype': _dtype(built.arrays),
        'seed': None,
    } | options
    if classifies and own.classes is not None:
        spec['classes'] = own.classes
    net = build.network(graph, spec, built.arrays)
    net._meta = own.meta
    return net


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
