"""Layers as ONNX nodes, by what they compute.

A layer is known by its method `transform`: a class that inherits it is written like its parent,
and one that overrides it by its own equations.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from rnnkit import activations
from rnnkit.common.tensors import variable
from rnnkit.integrations.onnx.draft import Draft
from rnnkit.integrations.onnx.recurrent import bidirectional, recurrent
from rnnkit.integrations.onnx.rows import Graphs, write_graph
from rnnkit.layers import (
    Bidirectional,
    Concatenate,
    Conv1,
    Embedding,
    Last,
    Layer,
    Max,
    Mean,
    Recurrent,
)
from rnnkit.layers.reshape import Reshape
from rnnkit.layers.time import Flatten, Repeat

Written = dict[str, str]


def write(draft: Draft, layer: Layer) -> Written:
    """Write a layer; return the names of its outputs, by theirs in the layer.

    Raises
    ------
    ConfigError
        If it cannot be written; the message names the layer.
    """
    read = [draft.values[name] for name in draft.graph.plan.sources[layer.name]]
    if draft.graph.plan.sides[layer.name]:
        read = at_each_step(draft, layer, read)
    write_layer: Callable[..., Written] = WRITERS.get(type(layer).transform, of_rows)
    return write_layer(draft, layer, read)


def of_rows(draft: Draft, layer: Layer, read: Sequence[str]) -> Written:
    """Write a layer that computes each time step of each example alike."""
    if layer.memory_source:
        raise draft.refuse(
            layer,
            'it looks at all steps of another sequence, which ONNX files of rnnkit cannot do yet',
        )
    own = [need for need in layer.needs if need != 'noise']
    if layer.recurrent or own or layer.starts_time or not layer.keeps_time:
        raise draft.refuse(
            layer,
            'it is a layer of your own that does more than compute each time step by itself; '
            'ONNX files have those of rnnkit, and cells of your own',
        )

    def build() -> Graphs:
        widths = layer.input_sizes.items()
        rows = {name: variable(name, draft.graph.dtype, (None, n)) for name, n in widths}
        outputs = layer.transform(*rows.values())
        wanted.extend(name for name in outputs if name in draft.needed[layer.name])
        return [outputs[name] for name in wanted], rows

    wanted: list[str] = []
    sources = draft.graph.plan.sources[layer.name]
    # What has a time axis comes last, so that outputs have its axes.
    like = max(zip(sources, read, strict=True), key=lambda one: draft.graph.has_time(one[0]))[1]
    values = dict(zip(sources, read, strict=True))
    names = write_graph(draft.writer, layer, build, values, like)
    return dict(zip(wanted, names, strict=True))


def at_each_step(draft: Draft, layer: Layer, read: Sequence[str]) -> list[str]:
    """Return inputs with the same axes: a vector (B, I) is repeated over time."""
    writer, sources = draft.writer, draft.graph.plan.sources[layer.name]
    timed = [draft.graph.has_time(name) for name in sources]
    if not any(timed):
        return list(read)
    shape = writer.node('Shape', [read[timed.index(True)]], f'{layer.name}/axes', end=2)
    ones = writer.node('Concat', [shape, writer.whole(1)], f'{layer.name}/axes', axis=0)
    return [
        x if has_time else writer.node('Expand', [x, ones], f'{layer.name}/repeated')
        for x, has_time in zip(read, timed, strict=True)
    ]


def concatenate(draft: Draft, layer: Layer, read: Sequence[str]) -> Written:
    """Write the concatenation of features."""
    parts = at_each_step(draft, layer, read)
    return {'out': draft.writer.node('Concat', parts, f'{layer.name}/out', axis=-1)}


def embedding(draft: Draft, layer: Layer, read: Sequence[str]) -> Written:
    """Write the lookup of tokens."""
    table = draft.writer.constant(f'{layer.name}.w', layer.params['w'].get_value())
    return {'out': draft.writer.node('Gather', [table, read[0]], f'{layer.name}/out')}


def conv1(draft: Draft, layer: Conv1, read: Sequence[str]) -> Written:
    """Write a convolution over time."""
    writer, n, name = draft.writer, layer.filter_size, layer.name
    x = draft.masked(draft.clock_of(layer), read[0])  # (T, B, I)
    x = writer.node('Transpose', [x], f'{name}/turned', perm=[1, 2, 0])  # (B, I, T)
    before = {'valid': 0, 'same': (n - 1) // 2, 'causal': n - 1}[layer.border_mode]
    weights = layer.params['w'].get_value().transpose(2, 1, 0)  # (size, I, K)
    pre = writer.node(
        'Conv',
        [
            x,
            writer.constant(f'{name}.w', weights),
            writer.constant(f'{name}.b', layer.params['b'].get_value()),
        ],
        f'{name}/conv',
        kernel_shape=[n],
        strides=[layer.stride],
        pads=[before, 0 if layer.border_mode == 'valid' else n - 1 - before],
    )
    pre = writer.node('Transpose', [pre], f'{name}/pre', perm=[2, 0, 1])  # (T', B, size)

    def build() -> Graphs:
        rows = variable('pre', draft.graph.dtype, (None, layer.size))
        return [activations.Chain(layer.activation or 'relu')(rows)], {'pre': rows}

    return {'out': write_graph(writer, layer, build, {'pre': pre}, pre)[0], 'pre': pre}


def pooling(draft: Draft, layer: Mean | Max, read: Sequence[str]) -> Written:
    """Write a mean or a maximum over time, and what it keeps for later steps."""
    writer, name, clock = draft.writer, layer.name, draft.clock_of(layer)
    largest = layer.kind == 'max'
    x = draft.masked(clock, read[0], -np.inf if largest else 0.0)  # (T, B, I)
    best = writer.reduce('ReduceMax' if largest else 'ReduceSum', x, 0, f'{name}/all', False)
    lengths = draft.lengths(clock)
    if not lengths:
        steps = writer.node('Shape', [x], f'{name}/steps', end=1)
        batch = writer.node('Shape', [x], f'{name}/batch', start=1, end=2)
        lengths = writer.node('Expand', [steps, batch], f'{name}/steps')
    count = writer.node('Cast', [lengths], f'{name}/count', to=TensorProto.FLOAT)
    count = writer.node('Unsqueeze', [count, writer.whole(1)], f'{name}/count')  # (B, 1)
    first, second = layer.state._fields
    kept, number = draft.start(layer, first), draft.start(layer, second)
    if kept:
        count = writer.node('Add', [number, count], f'{name}/count')
        if largest:
            none = writer.node('Less', [number, writer.number(1)], f'{name}/none')
            low = writer.number(-np.inf)
            kept = writer.node('Where', [none, low, kept], f'{name}/kept')
        best = writer.node('Max' if largest else 'Add', [kept, best], f'{name}/all')
    if largest:
        some = writer.node('Greater', [count, writer.number(0)], f'{name}/some')
        best = out = writer.node('Where', [some, best, writer.number(0)], f'{name}/out')
    else:
        divisor = writer.node('Max', [count, writer.number(1)], f'{name}/divisor')
        out = writer.node('Div', [best, divisor], f'{name}/out')
    return {'out': out, first: best, second: count}


def last(draft: Draft, layer: Last, read: Sequence[str]) -> Written:
    """Write the last real step of a sequence."""
    writer, name, clock, x = draft.writer, layer.name, draft.clock_of(layer), read[0]
    if clock is None:  # it reads the final state of a recurrent layer
        return {'out': x}
    lengths, kept = draft.lengths(clock), draft.start(layer, 'value')
    if not lengths:
        end = [writer.scalar(-1)]
        out = writer.node('Gather', [x, *end], f'{name}/out', axis=0)
        return {'out': out, 'value': out}
    only = writer.node('Where', [draft.ends(clock, x), x, writer.number(0)], f'{name}/only')
    out = writer.reduce('ReduceSum', only, 0, f'{name}/out', keepdims=False)
    if kept:
        some = writer.node('Greater', [lengths, writer.scalar(0, 'int32')], f'{name}/some')
        some = writer.node('Unsqueeze', [some, writer.whole(1)], f'{name}/some')
        out = writer.node('Where', [some, out, kept], f'{name}/out')
    return {'out': out, 'value': out}


def flatten(draft: Draft, layer: Flatten, read: Sequence[str]) -> Written:
    """Write the concatenation of all steps."""
    writer = draft.writer
    x = draft.masked(draft.clock_of(layer), read[0])
    x = writer.node('Transpose', [x], f'{layer.name}/turned', perm=[1, 0, 2])  # (B, T, I)
    return {'out': writer.node('Reshape', [x, writer.whole(0, layer.size)], f'{layer.name}/out')}


def repeat(draft: Draft, layer: Repeat, read: Sequence[str]) -> Written:
    """Write the same vector at each step."""
    shape = draft.writer.whole(layer.steps, 1, 1)
    return {'out': draft.writer.node('Expand', [read[0], shape], f'{layer.name}/out')}


def reshape(draft: Draft, layer: Any, read: Sequence[str]) -> Written:
    """Write the division of a vector into steps."""
    if not layer.starts_time:
        return {'out': read[0]}
    writer = draft.writer
    x = writer.node('Reshape', [read[0], writer.whole(0, *layer.shape)], f'{layer.name}/steps')
    return {'out': writer.node('Transpose', [x], f'{layer.name}/out', perm=[1, 0, 2])}


WRITERS: dict[Callable[..., object], Callable[..., Written]] = {
    Recurrent.transform: recurrent,
    Bidirectional.transform: bidirectional,
    Concatenate.transform: concatenate,
    Embedding.transform: embedding,
    Conv1.transform: conv1,
    Mean.transform: pooling,  # and Max
    Last.transform: last,
    Flatten.transform: flatten,
    Repeat.transform: repeat,
    Reshape.transform: reshape,
}
