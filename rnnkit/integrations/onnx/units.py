"""Outputs in the units of the target, for a network with ``scale_targets=True``."""

from rnnkit.common.output_names import join, layer_of, parts
from rnnkit.common.tensors import variable
from rnnkit.graph.units import SCALED
from rnnkit.integrations.onnx.draft import Draft
from rnnkit.integrations.onnx.rows import Graphs, write_graph


def in_units(draft: Draft) -> None:
    """Replace the outputs that a loss compares by those in the units of the target."""
    units = draft.graph.units
    for name in units.kinds if units else ():
        if name not in draft.values:
            continue
        layer = draft.graph.by_name[layer_of(name)]
        scaled = draft.values[name]

        def build(name: str = name, width: int = layer.output_size(parts(name)[1])) -> Graphs:
            rows = variable('scaled', draft.graph.dtype, (None, width))
            return [draft.graph.units.outputs({name: rows}, {})[name]], {'scaled': rows}

        draft.values[join(layer.name, SCALED)] = scaled
        (draft.values[name],) = write_graph(draft.writer, layer, build, {'scaled': scaled}, scaled)
