"""Files that `to_onnx` has written: the same network as before."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.common import meta
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.initializers import known_values
from rnnkit.integrations.onnx import properties
from rnnkit.integrations.onnx.draft import NEW
from rnnkit.integrations.onnx.reader import file, params
from rnnkit.models import files
from rnnkit.models.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto

# Arrays that layers compute from parameters differ in the last bits between machines.
CLOSE = {'rtol': 1e-4, 'atol': 1e-6}


class Own:
    """What a file says about the network that it was written from.

    Parameters
    ----------
    name : str
        What messages call the file.
    model : ModelProto

    Attributes
    ----------
    spec : dict or None
        None if the file was written by something else, or the network has a part without a name.
    meta : dict

    Raises
    ------
    FormatError
        If an entry of the metadata is damaged.
    """

    def __init__(self, name: str, model: 'ModelProto'):
        self.name, self.model = name, model
        self._entries = {one.key: one.value for one in model.metadata_props}
        about = self._read(properties.ABOUT, json.loads) or {}
        if not isinstance(about, dict):
            raise self._damaged(properties.ABOUT, f'it is {brief(about)}')
        self.spec = about.get('spec')
        if not isinstance(self.spec, dict | None):
            raise self._damaged(properties.ABOUT, f'its spec is {brief(self.spec)}')
        self.states = about.get('states')
        self.classes = about.get('classes')
        self.meta: dict[str, Any] = self._read(properties.META, _meta) or {}

    def _read(self, key: str, reader: Any) -> Any:
        if key not in self._entries:
            return None
        try:
            return reader(self._entries[key])
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
            ConfigError,
        ) as why:
            raise self._damaged(key, str(why)) from why

    def _damaged(self, key: str, why: str) -> FormatError:
        return FormatError(f'{self.name}: its entry {key!r} is damaged: {why}')

    def network(self, options: Mapping[str, object]) -> Network | None:
        """Return the network, or None if its graph is not what `to_onnx` writes for it.

        Parameters
        ----------
        options : dict
            What replaces entries of the spec: its dtype and seed.

        Raises
        ------
        FormatError
            If it cannot be built.
        """
        if self.spec is None:
            return None
        arrays = params.in_graph(self.name, self.model)
        if text := self._entries.get(params.PARAMS):
            arrays |= params.outside(self.name, text)
        spec = self.spec | options
        if spec.get('dtype') == 'float64':
            arrays = {key: value.astype(np.float64) for key, value in arrays.items()}
        try:
            with known_values(arrays):
                net = files.build(spec)
        except (RnnkitError, RecursionError) as error:
            raise FormatError(
                f'{self.name}: the network that it names cannot be built: {error}'
                f'{files.import_hint(error)}'
            ) from error
        odd = [p.name for p in net.params if not np.isfinite(p.get_value(borrow=True)).all()]
        if odd:
            raise FormatError(f'{self.name}: the parameter {odd[0]} has values that are not finite')
        net._meta = self.meta
        return net if self._is_of(net) else None

    def _is_of(self, net: Network) -> bool:
        """Return whether `to_onnx` writes the graph of the file for a network."""
        from rnnkit.integrations.onnx import export

        graph = self.model.graph
        states = self.states is not None
        wanted = [one.name for one in graph.output if not one.name.startswith(NEW) or not states]
        versions = {one.domain: one.version for one in self.model.opset_import}
        try:
            other, _ = export.graph_of(net, states, versions.get('', 0), wanted)
        except RnnkitError:
            return False
        return _same(graph, other.graph)


def _meta(text: str) -> dict[str, Any]:
    return meta.checked(properties.meta_of(text))


def _same(one: Any, other: Any) -> bool:
    """Return whether two graphs are the same but for rounding errors of their arrays."""
    both = []
    for graph in (one, other):
        copy = type(graph)()
        copy.CopyFrom(graph)
        arrays = {t.name: file.array('', t) for t in copy.initializer}
        del copy.initializer[:]
        both.append((copy, arrays))
    (left, arrays), (right, others) = both
    return (
        left == right
        and arrays.keys() == others.keys()
        and all(
            array.shape == others[key].shape
            and array.dtype == others[key].dtype
            and np.allclose(array, others[key], **CLOSE)
            for key, array in arrays.items()
        )
    )
