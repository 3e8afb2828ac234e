"""The nodes and constants of an ONNX graph."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rnnkit.errors import ConfigError

LARGEST = 2**31 - 2**20  # bytes of a file: a message of protobuf has less than 2 GiB
CELLS = ('RNN', 'LSTM', 'GRU')  # outputs of these may be left out


class Writer:
    """The nodes and constants of a graph, or of the body of a loop.

    Arrays are float32. Every name is unique in the whole file.

    Parameters
    ----------
    where : str
        The call, for messages.
    opset : int
        The version of the operators.
    """

    def __init__(self, where: str, opset: int):
        self.where, self.opset = where, opset
        self.nodes: list[onnx.NodeProto] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._names: set[str] = set()
        self._same: dict[tuple[object, ...], str] = {}

    def body(self) -> Self:
        """Return the writer of a loop's body, which reads constants of the whole graph."""
        other = type(self)(self.where, self.opset)
        other.arrays, other._names, other._same = self.arrays, self._names, self._same
        return other

    def name(self, wanted: str) -> str:
        """Return a name that nothing else has."""
        name, k = wanted, 1
        while name in self._names:
            k += 1
            name = f'{wanted}_{k}'
        self._names.add(name)
        return name

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names for the inputs and outputs of the file, which get no others."""
        self._names |= set(names)

    def output(self, name: str, value: str) -> None:
        """Give a value the reserved name of an output."""
        self.nodes.append(helper.make_node('Identity', [value], [name], name=name))

    def constant(self, wanted: str, value: np.ndarray) -> str:
        """Add an array of weights, as float32; return its name. Equal ones are kept once."""
        with np.errstate(over='ignore'):
            array = np.ascontiguousarray(value, 'float32')
        if not np.isfinite(array).all() and np.isfinite(value).all():
            raise ConfigError(
                f'{self.where}: {wanted!r} does not fit float32, in which ONNX files are written'
            )
        return self._add(wanted, array.reshape(np.shape(value)))

    def number(self, value: float) -> str:
        """Add a number; return its name."""
        return self._add('/number', np.array(value, 'float32'))

    def whole(self, *values: int) -> str:
        """Add a vector of whole numbers, such as a shape or axes; return its name."""
        return self._add('/whole', np.array(values, 'int64'))

    def scalar(self, value: int, dtype: str = 'int64') -> str:
        """Add a whole number without axes; return its name."""
        return self._add('/whole', np.array(value, dtype))

    def _add(self, wanted: str, array: np.ndarray) -> str:
        key = (wanted, array.dtype.name, array.shape, array.tobytes())
        if key not in self._same:
            self._same[key] = name = self.name(wanted)
            self.arrays[name] = array
        return self._same[key]

    def node(self, kind: str, inputs: Sequence[str], wanted: str, **options: Any) -> str:
        """Add a node with one output; return the name of that."""
        return self.nodes_of(kind, inputs, [wanted], **options)[0]

    def nodes_of(
        self, kind: str, inputs: Sequence[str], wanted: Sequence[str], **options: Any
    ) -> list[str]:
        """Add a node with several outputs; return their names. Empty options are left out."""
        outputs = [self.name(name) for name in wanted]
        options = {key: value for key, value in options.items() if value != []}
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **options))
        return outputs

    def reduce(self, kind: str, x: str, axis: int, wanted: str, keepdims: bool) -> str:
        """Add the reduction of an axis, such as ReduceMax."""
        return self.node(kind, [x, self.whole(axis)], wanted, keepdims=int(keepdims))

    def model(
        self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Return the graph of what the outputs need, checked.

        Raises
        ------
        ConfigError
            If it is too large for a file.
        """
        nodes, read = self._needed([info.name for info in outputs])
        arrays = {name: array for name, array in self.arrays.items() if name in read}
        size = sum(array.nbytes for array in arrays.values())
        if size > LARGEST:
            raise ConfigError(
                f'{self.where}: the weights have {size:,} bytes; an ONNX file has less than 2 GiB'
            )
        constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
        graph = helper.make_graph(nodes, 'rnnkit', inputs, outputs, constants)
        imports = [helper.make_opsetid('', self.opset)]
        # The oldest format that has these operators: runtimes refuse newer ones than they know.
        oldest = helper.find_min_ir_version_for(imports)
        model = helper.make_model(graph, opset_imports=imports, ir_version=oldest)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _needed(self, wanted: Iterable[str]) -> tuple[list[onnx.NodeProto], set[str]]:
        """Return the nodes that some values depend on, in order, and all names that these read."""
        read, nodes = set(wanted), []
        for node in reversed(self.nodes):
            if not read & set(node.output):
                continue
            read |= set(inputs_of(node))
            if node.op_type in CELLS:  # it need not compute the states of all steps
                outputs = [name if name in read else '' for name in node.output]
                while not outputs[-1]:
                    outputs.pop()
                del node.output[:]
                node.output.extend(outputs)
            nodes.append(node)
        return nodes[::-1], read


def inputs_of(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, those in the body of a loop, too."""
    inner = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return [*node.input, *(name for graph in inner for n in graph.node for name in inputs_of(n))]


def info(name: str, shape: Sequence[int | str | None], kind: str = 'FLOAT') -> onnx.ValueInfoProto:
    """Return the description of an input or output; a length is a number or a name."""
    return helper.make_tensor_value_info(name, getattr(TensorProto, kind), shape)
