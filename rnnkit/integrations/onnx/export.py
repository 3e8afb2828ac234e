"""A network as an ONNX file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from rnnkit.common import file_kinds, open_files
from rnnkit.common.checks import flag, whole
from rnnkit.common.output_names import full, join
from rnnkit.common.progress import LOGGER
from rnnkit.common.registry import hint
from rnnkit.common.replace_file import replace
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.graph.course import Course, course
from rnnkit.graph.graph import Graph
from rnnkit.integrations.onnx import layers
from rnnkit.integrations.onnx.draft import NEW, Draft
from rnnkit.integrations.onnx.properties import properties
from rnnkit.integrations.onnx.reader import params
from rnnkit.integrations.onnx.units import in_units
from rnnkit.integrations.onnx.writer import Writer
from rnnkit.training.protocols import PathOrFile
from rnnkit.version import __version__

WHERE = 'to_onnx()'
OLDEST = 18  # the version of the operators since which reductions have axes as inputs


def write(net: Any, path: PathOrFile, state: bool, opset: int, outputs: object) -> Path | None:
    """Write a network to a file, and return its path; see `rnnkit.Network.to_onnx`."""
    target = open_files.target(f'{WHERE}: path', path)
    if not open_files.is_open_file(target):
        file_kinds.check_onnx(WHERE, target.name)
    content = model_of(net, state, opset, outputs).SerializeToString()
    if net.dtype != 'float32':
        LOGGER.warning('%s: the network is %s; its ONNX file is float32', WHERE, net.dtype)
    if open_files.is_open_file(target):
        open_files.write(target, content)
        return None
    replace(target, content)
    return target


def model_of(net: Any, state: bool, opset: int, outputs: object) -> onnx.ModelProto:
    """Return the ONNX model of a network.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    model, draft = graph_of(net, state, opset, outputs)
    entries = properties(net, draft)
    if text := params.missing(model, net.params):
        entries[params.PARAMS] = text
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version = 'rnnkit', __version__
    return model


def graph_of(net: Any, state: bool, opset: int, outputs: object) -> tuple[onnx.ModelProto, Draft]:
    """Return the model of a network without metadata, and what its states are.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    graph: Graph = net._graph
    newest = onnx.defs.onnx_opset_version()
    whole(f'{WHERE}: opset', opset, OLDEST, newest)
    wanted = _outputs(graph, outputs)
    found = _course(graph, list(wanted.values())) if flag(f'{WHERE}: state', state) else None
    writer = Writer(WHERE, opset)
    writer.reserve(wanted)
    draft = Draft(writer, graph, net.layout == 'batch', list(wanted.values()), found)
    for layer in graph.layers:
        if layer.name in draft.needed and join(layer.name) not in draft.values:
            written = layers.write(draft, layer)
            draft.values |= {join(layer.name, name): value for name, value in written.items()}
    in_units(draft)
    infos = [draft.output(name, output) for name, output in wanted.items()]
    for name, output in draft.last_states.items():
        infos.append(draft.named(f'{NEW}{name}', draft.values[output], draft.axes_of(output)))
    return writer.model(draft.inputs, infos), draft


def _outputs(graph: Graph, outputs: object) -> dict[str, str]:
    """Return the outputs of the file: their names in it, and in the network."""
    if outputs is None:
        last = graph.layers[-1].name
        return {last: join(last)}
    names = [outputs] if isinstance(outputs, str) else outputs
    if not isinstance(names, Sequence) or not names or not all(isinstance(n, str) for n in names):
        raise ConfigError(
            f"{WHERE}: outputs must be the name of a layer or output, such as 'hid1' or 'hid1:c', "
            f'or a list of them; got {brief(outputs)}'
        )
    inputs = {variable.name for variable in graph.inputs}
    for name in names:
        if full(name) not in graph.outputs:
            raise ConfigError(
                f'{WHERE}: outputs: no layer or output named {brief(name)}; '
                f'{hint(name, [*graph.by_name, *graph.outputs])}'
            )
        if name in inputs or full(name) in graph.plan.words:
            raise ConfigError(f'{WHERE}: outputs: {name!r} is an input of the network')
        if list(map(full, names)).count(full(name)) > 1:
            raise ConfigError(f'{WHERE}: outputs: {name!r} is given twice')
    return {name: full(name) for name in names}


def _course(graph: Graph, outputs: list[str]) -> Course:
    """Return what a network computes step by step."""
    try:
        return course(graph, outputs)
    except ConfigError as error:
        raise ConfigError(f'{WHERE}: state=True: {error}') from None
