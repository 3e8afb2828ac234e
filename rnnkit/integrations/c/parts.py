"""The equations of single layers, for one row at one time step."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.cells.wrappers import Mixed, wrapped
from rnnkit.common.output_names import MAIN, join, parts
from rnnkit.common.tensors import variable
from rnnkit.errors import ConfigError, RnnkitError
from rnnkit.graph.graph import Graph
from rnnkit.integrations.equations import Equations, read_rows
from rnnkit.layers import Layer, Max, Mean, Recurrent

Rows = dict[str, TensorVariable]


class State(NamedTuple):
    """A part of a layer's state.

    Attributes
    ----------
    width : int
    start : array, optional
        From what it starts; by default from 0.
    source : str
        The output from which it starts, as ``'hid1:out'``, if there is one.
    """

    width: int
    start: np.ndarray | None = None
    source: str = ''


class Part(NamedTuple):
    """What a layer computes at each step.

    Attributes
    ----------
    layer : Layer
    inputs : dict of str to str
        The output that each input of the equations reads.
    states : dict of str to State
        The inputs of the equations that are the old state.
    equations : Equations
    results : list of str
        What each output of the equations is: the name of a state, or, as ``'hid1:out'``, that
        of an output.
    outputs : dict of str to str
        The outputs of the layer that are its new state, and which part of it.
    """

    layer: Layer
    inputs: dict[str, str]
    states: dict[str, State]
    equations: Equations
    results: list[str]
    outputs: dict[str, str]


def described(layer: Layer) -> str:
    """Return how messages call a layer."""
    return f'layer {layer.name!r} ({layer.form})'


def width_of(graph: Graph, output: str) -> int:
    """Return the number of features of an output."""
    layer, name = parts(output)
    return graph.by_name[layer].output_size(name)


def part_of(where: str, graph: Graph, layer: Layer, needed: Sequence[str]) -> Part:
    """Return what a layer computes.

    Parameters
    ----------
    where : str
    graph : Graph
    layer : Layer
        Not an input, nor an embedding, nor the last step.
    needed : sequence of str
        Its outputs that others read, as ``'hid1:out'``.

    Raises
    ------
    ConfigError
        If its equations work on more than one row or time step.
    """
    sources = graph.plan.sources[layer.name]
    reader = stateless
    if isinstance(layer, Recurrent):
        apart = graph.plan.sides[layer.name].items()
        reader = partial(recurrent, sides={k: f'input {sources.index(n)}' for k, n in apart})
    if isinstance(layer, Mean | Max):
        reader = pooled
    widths = [width_of(graph, name) for name in sources]
    rows = {  # not by identifiers, since states have such names
        f'input {k}': variable(f'input {k}', graph.dtype, (None, width))
        for k, width in enumerate(widths)
    }
    inputs = dict(zip(rows, sources, strict=True))
    try:
        with kernels.allowed(False):
            states, outputs, same = reader(layer, rows, needed)
            main = join(layer.name)
            if graph.units is not None and main in outputs:
                outputs |= graph.units.outputs({main: outputs[main]}, {})
                outputs = {name: out for name, out in outputs.items() if name in needed}
        found = {**rows, **{name: row for name, (row, _) in states.items()}}
        equations = read_rows(f'{where}: {described(layer)}', list(outputs.values()), found)
    except RnnkitError:
        raise
    except Exception as why:  # of a user's layer or cell, which may not take single rows
        raise ConfigError(
            f'{where}: {described(layer)} cannot be computed for a single time step (B, I): '
            f'{type(why).__name__}: {why}'
        ) from why
    starts = graph.plan.starts[layer.name]
    kept = {name: s._replace(source=starts.get(name, '')) for name, (_, s) in states.items()}
    return Part(layer, inputs, kept, equations, list(outputs), same)


Read = tuple[dict[str, tuple[TensorVariable, State]], Rows, dict[str, str]]
"""States with their variables; the results by name; outputs that are states."""


def recurrent(
    layer: Recurrent, rows: Rows, needed: Sequence[str], sides: Mapping[str, str]
) -> Read:
    """Return the step of a cell, whose further inputs are the rows of these names."""
    x, *_ = rows.values()
    given = {side: rows[name] for side, name in sides.items()}
    cell = layer.cell if not layer.zoneout else wrapped(Mixed, layer.cell, layer.zoneout)
    params = {name: layer.params[name] for name in layer.cell.params}
    p = SimpleNamespace(
        **cell.prepare(params, layer.size), **layer.cell.with_defaults(given, x, layer.size)
    )
    states = {}
    for name, width in zip(cell.state._fields, layer.widths, strict=True):
        start = layer.params[f'{name}_0'].get_value() if name in layer.learned else None
        states[name] = (variable(name, x.dtype, (None, width)), State(width, start))
    old = cell.state(*(row for row, _ in states.values()))
    new = cell.step(cell.project(x, p), old, p)
    outputs = dict(zip(cell.state._fields, new, strict=True))
    same = {}
    for k, name in enumerate(outputs):
        first = k == 0 and not layer.cell.has_own_output
        same[join(layer.name, MAIN if first else name)] = name
        same[join(layer.name, layer.last_name('' if first else name))] = name
    if layer.cell.has_own_output:
        y = layer.cell.output(new, p)
        names = [join(layer.name), join(layer.name, layer.last_name())]
        outputs |= {name: y for name in names if name in needed}
    return states, outputs, same


def pooled(layer: Layer, rows: Rows, needed: Sequence[str]) -> Read:
    """Return the mean or the maximum of the steps so far."""
    (x,) = rows.values()
    one = np.ones((), x.dtype)
    first, count = layer.state._fields
    states = {
        name: (variable(name, x.dtype, (None, width)), State(width))
        for name, width in ((first, layer.size), (count, 1))
    }
    kept, steps = (row for row, _ in states.values())
    if isinstance(layer, Mean):
        new = kept + x
        outputs = {first: new, count: steps + one, join(layer.name): new / (steps + one)}
        return states, outputs, {}
    greater = (x > kept) | pt.neq(x, x) | (steps < one)
    outputs = {first: pt.switch(greater, x, kept), count: steps + one}
    return states, outputs, {join(layer.name): first}


def stateless(layer: Layer, rows: Rows, needed: Sequence[str]) -> Read:
    """Return the outputs of a layer that computes each time step alike."""
    outputs = layer.transform(*rows.values(), **dict.fromkeys(layer.needs))
    named = {join(layer.name, name): out for name, out in outputs.items()}
    return {}, {name: out for name, out in named.items() if name in needed}, {}
