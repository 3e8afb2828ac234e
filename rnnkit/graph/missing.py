"""Where a network takes NaN for a missing value."""

from rnnkit.common.output_names import join, layer_of
from rnnkit.graph.graph import Graph
from rnnkit.layers import Layer


def takes_missing(graph: Graph, layer: Layer) -> bool:
    """Return whether NaN in the output of a layer means that a value is missing.

    That is so if all layers that read it, directly or through layers that pass NaN on, say that
    they treat it (`rnnkit.Layer.reads_missing`), and nothing starts from it.
    """
    readers = [
        reader
        for reader in graph.layers
        if layer.name in map(layer_of, graph.plan.sources[reader.name])
    ]
    starts = {layer_of(name) for one in graph.plan.starts.values() for name in one.values()}
    return (
        bool(readers)
        and layer.name not in starts
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
