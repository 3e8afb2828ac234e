"""Where a network takes NaN for a missing value."""

from rnnkit.common.output_names import join, layer_of
from rnnkit.graph.graph import Graph
from rnnkit.layers import Layer


def takes_missing(graph: Graph, layer: Layer) -> bool:
    """Return whether NaN in the output of a layer means that a value is missing.

    That is so if all layers that read it, directly or through layers that pass NaN on, say that
    they treat it (`rnnkit.Layer.reads_missing`), and no state starts from it, nor is it a further
    input of a step, such as a time.
    """
    readers = [
        reader
        for reader in graph.layers
        if layer.name in map(layer_of, graph.plan.sources[reader.name])
    ]
    tables = [*graph.plan.starts.values(), *graph.plan.sides.values()]
    otherwise = {layer_of(name) for table in tables for name in table.values()}
    return (
        bool(readers)
        and layer.name not in otherwise
        and all(
            reader.reads_missing or (reader.passes_missing and takes_missing(graph, reader))
            for reader in readers
        )
    )


def with_missing(graph: Graph) -> set[str]:
    """Return the outputs, ``'in:out'``, that may contain NaN."""
    return {
        join(layer.name)
        for layer in graph.layers
        if (not graph.plan.sources[layer.name] or layer.passes_missing)
        and takes_missing(graph, layer)
    }
