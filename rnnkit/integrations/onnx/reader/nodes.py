"""The nodes of an ONNX graph: one at a time, with the values that it reads."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.errors import FormatError
from rnnkit.integrations.onnx.reader import file
from rnnkit.integrations.onnx.reader.axes import Axis, Length, shown
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Value, kind

if TYPE_CHECKING:
    from onnx import NodeProto

Reader = Callable[['Node'], Value | list[Value]]
READERS: dict[str, Reader] = {}  # by the name of the operator
DOMAINS = ('', 'ai.onnx')


def reads(*operators: str) -> Callable[[Reader], Reader]:
    """Register the function that reads nodes of these operators: it returns their outputs."""

    def register(function: Reader) -> Reader:
        READERS.update(dict.fromkeys(operators, function))
        return function

    return register


class Graph:
    """What is known of a graph whose nodes are read one after the other.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    version : int
        Of the operators.
    values : dict of str to Value
    uses : Counter
        How many nodes and outputs read each value.
    plans : list of Plan
        The layers so far.
    inputs : dict of str to Plan
        The input layers, by the names of the graph's inputs.
    lengths : str or None
        The input with the lengths of sequences.
    has_lengths : dict of str to bool
        Whether each recurrent node reads lengths; the keys are what messages call the nodes.
    states : dict of str to str
        What each input that holds an initial state is the start of.
    streamed : set of Plan
        Layers whose initial states are such inputs.
    room : int or None
        How many constants may still be computed; None before the first one.
    unmasked : list of str
        Nodes that count padding, for messages.
    log_softmax : set of Plan
        Layers whose activation is the logarithm of a softmax.
    shared : set of Plan
        Layers whose output has several names, as the file computes it more than once.
    last_steps : dict of Plan to Plan
        The layers 'last' that pass on the final states of others.
    """

    def __init__(self, name: str, version: int, uses: Counter[str]):
        self.name, self.version, self.uses = name, version, uses
        self.values: dict[str, Value] = {}
        self.plans: list[Plan] = []
        self.inputs: dict[str, Plan] = {}
        self.lengths: str | None = None
        self.has_lengths: dict[str, bool] = {}
        self.states: dict[str, str] = {}
        self.streamed: set[Plan] = set()
        self.unmasked: list[str] = []
        self.room: int | None = None
        self.log_softmax: set[Plan] = set()
        self.shared: set[Plan] = set()
        self.last_steps: dict[Plan, Plan] = {}

    def add(self, plan: Plan) -> Plan:
        """Add a layer."""
        self.plans.append(plan)
        return plan


class Node:
    """One node, with the values that it reads.

    Attributes
    ----------
    graph : Graph
    op : str
    outputs : list of str
        The names of its outputs, '' for one that is not wanted.
    where : str
        What messages call it.
    """

    def __init__(self, graph: Graph, proto: 'NodeProto'):
        self.graph, self.op = graph, proto.op_type
        self.hint = proto.name
        name = f'the node {proto.name!r}' if proto.name else f'the node of {brief(proto.output[0])}'
        self.where = f'{graph.name}: {name} ({proto.op_type})'
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self._attributes = {one.name: one for one in proto.attribute}
        self._used: set[str] = set()
        if proto.domain not in DOMAINS or proto.op_type not in READERS:
            domain = f'{proto.domain}.' if proto.domain not in DOMAINS else ''
            raise FormatError(
                f'{self.where}: there is no layer for the operator {domain}{proto.op_type}; those '
                f'that can be read are {", ".join(sorted(READERS))}'
            )

    def fail(self, message: str) -> FormatError:
        """Return the error that this node cannot be read."""
        return FormatError(f'{self.where}: {message}')

    def read(self) -> None:
        """Read the node, and keep its outputs."""
        found = READERS[self.op](self)
        unread = sorted(set(self._attributes) - self._used)
        if unread:
            raise self.fail(f'the attribute {unread[0]!r} is not known')
        outputs = found if isinstance(found, list) else [found]
        for name, value in zip(self.outputs, outputs, strict=False):
            self.graph.values[name] = _known(value)
            self._note_uses(name, value)
        missing = [name for name in self.outputs[len(outputs) :] if name and self.graph.uses[name]]
        if missing:
            raise self.fail(f'its output {missing[0]!r} cannot be read')

    def _note_uses(self, name: str, value: Value) -> None:
        """Count those who read the same output of a layer by the name of an input."""
        uses = self.graph.uses
        for one in filter(None, self.inputs):
            read = self.graph.values.get(one)
            if isinstance(value, Flow) and isinstance(read, Flow) and value.is_that_of(read):
                uses[name] = max(uses[name], uses[one])

    # --- attributes

    def attribute(self, name: str, default: object = None) -> object:
        """Return the value of an attribute."""
        import onnx

        self._used.add(name)
        if name not in self._attributes:
            return default
        proto = self._attributes[name]
        if proto.type == onnx.AttributeProto.TENSOR:
            return file.array(f'{self.where}: attribute {name!r}', proto.t)
        value = onnx.helper.get_attribute_value(proto)
        if isinstance(value, list):
            return [
                one.decode(errors='replace') if isinstance(one, bytes) else one for one in value
            ]
        return value.decode(errors='replace') if isinstance(value, bytes) else value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """Return an attribute that is a whole number."""
        value = self.attribute(name, default)
        if value is not None and not isinstance(value, int):
            raise self.fail(f'the attribute {name!r} must be a whole number; got {brief(value)}')
        return value

    def number(self, name: str, default: float | None = None) -> float | None:
        """Return an attribute that is a number; one of float32 in its shortest form, as 0.1."""
        value = self.attribute(name, default)
        if value is None or value is default:
            return default
        if not isinstance(value, float) or not np.isfinite(value):
            raise self.fail(f'the attribute {name!r} must be a number; got {brief(value)}')
        return short(value)

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        value = self.attribute(name, default)
        if not isinstance(value, str):
            raise self.fail(f'the attribute {name!r} must be a text; got {brief(value)}')
        return value

    def items(self, name: str) -> list[object] | None:
        """Return an attribute that is a list."""
        value = self.attribute(name)
        if value is not None and not isinstance(value, list):
            raise self.fail(f'the attribute {name!r} must be a list; got {brief(value)}')
        return value

    # --- inputs

    def has(self, k: int) -> bool:
        """Return whether input `k` is given."""
        return k < len(self.inputs) and self.inputs[k] != ''

    def value(self, k: int) -> Value:
        """Return the value of input `k`."""
        if not self.has(k):
            raise self.fail(f'its input {k} is missing')
        if self.inputs[k] not in self.graph.values:
            raise self.fail(f'its input {self.inputs[k]!r} is computed by no node before it')
        return self.graph.values[self.inputs[k]]

    def constant(self, k: int, what: str) -> np.ndarray:
        """Return input `k`, which must be constant."""
        value = self.value(k)
        if not isinstance(value, np.ndarray) or value.dtype == object:
            advice = ''
            if isinstance(value, Outside):
                advice = f'; pass its values: from_onnx(..., weights={{{value.name!r}: array}})'
            raise self.fail(f'{what} must be constant; it is {kind(value)}{advice}')
        return value

    def weights(self, k: int, what: str) -> np.ndarray:
        """Return input `k`, which must be constant real numbers."""
        value = self.constant(k, what)
        if value.dtype.kind != 'f':
            raise self.fail(f'{what} must be real numbers; got {kind(value)}')
        return value

    def whole_numbers(self, k: int, what: str) -> list[int]:
        """Return input `k`, which must be constant whole numbers, as a list."""
        value = self.constant(k, what)
        if value.dtype.kind != 'i' or value.ndim > 1:
            raise self.fail(f'{what} must be whole numbers; got {kind(value)}')
        return [int(n) for n in value.reshape(-1)]

    def lengths(self, k: int, what: str) -> list[int | Length]:
        """Return input `k`, lengths of axes, as a list."""
        value = self.value(k)
        if isinstance(value, np.ndarray) and value.dtype == object and value.ndim <= 1:
            return list(value.reshape(-1))
        return list(self.whole_numbers(k, what))

    def axes(self, k: int, name: str = 'axes') -> list[int] | None:
        """Return axes that are an attribute in older files, and input `k` in newer ones."""
        listed = self.items(name)
        if listed is not None:
            return [int(one) for one in listed if isinstance(one, int)]
        return self.whole_numbers(k, name) if self.has(k) else None

    def flow(self, k: int) -> Flow:
        """Return input `k`, which must be the output of a layer, or data."""
        value = self.value(k)
        if isinstance(value, Outside):
            value = self._data(value)
        if not isinstance(value, Flow):
            raise self.fail(
                f'its input {self.inputs[k]!r} must be data or the output of a layer; it is '
                f'{kind(value)}'
            )
        return value

    def _data(self, value: Outside) -> Flow:
        """Make an input of the graph an input of the network."""
        graph = self.graph
        if value.cut:
            raise self.fail(
                f'it reads a part of the input {value.name!r}; data are read as a whole'
            )
        if value.name in graph.states:
            raise self.fail(
                f'the input {value.name!r} is read as data, and as {graph.states[value.name]} too'
            )
        if value.name == graph.lengths:
            raise self.fail(f'the input {value.name!r} is read as data, and as lengths too')
        plan = graph.inputs.get(value.name)
        if plan is None:
            plan = graph.inputs[value.name] = graph.add(Plan('input', hint=value.name))
        return Flow(plan, 'out', value.axes, ())

    def place(self, axis: int, axes: tuple[Axis, ...], new: int = 0) -> int:
        """Return a number of an axis, counted from 0."""
        n = len(axes) + new
        if not -n <= axis < n:
            raise self.fail(f'there is no axis {axis}; {shown(axes)} has {len(axes)}')
        return axis % n


def _known(value: Value) -> Value:
    """Return lengths of axes as whole numbers, if all of them are known."""
    is_lengths = isinstance(value, np.ndarray) and value.dtype == object
    if is_lengths and all(isinstance(n, int) for n in value.reshape(-1)):
        return value.astype(np.int64)
    return value


def short(value: float) -> float:
    """Return the shortest decimal number that is the same in float32: 0.1 for 0.10000000149."""
    return float(str(np.float32(value)))
