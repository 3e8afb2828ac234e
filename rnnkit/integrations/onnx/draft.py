"""The ONNX graph of a network while its layers are written, one after the other."""

from collections.abc import Sequence

import onnx

from rnnkit.common.output_names import join, layer_of, parts
from rnnkit.errors import ConfigError
from rnnkit.graph.course import Course, last_outputs, state_sizes
from rnnkit.graph.graph import Graph
from rnnkit.graph.units import SCALED
from rnnkit.integrations.onnx.rows import label
from rnnkit.integrations.onnx.writer import Writer, info
from rnnkit.layers import Input, Layer

NEW = 'new:'  # before the name of a state, that after the last step


class Draft:
    """What has been written of a network, and what further layers read.

    Inside of the graph, sequences are (T, B, features).

    Parameters
    ----------
    writer : Writer
    graph : Graph
    batch_first : bool
        Whether sequences that the file reads or returns are (B, T, features).
    wanted : sequence of str
        The outputs of layers that the file returns: ``'hid1:out'``.
    course : Course, optional
        With it, states are inputs and outputs.

    Attributes
    ----------
    values : dict of str to str
        The name in the file of each output of a layer that is known.
    states : dict of str to str
        Likewise for the states before the first step, ``'hid1:h'``.
    last_states : dict of str to str
        The outputs of layers that are the states after the last step, ``'hid1:last'``.
    needed : dict of str to set of str
        The outputs of each layer that others read, or the file returns.
    inputs : list of ValueInfoProto
    """

    def __init__(
        self,
        writer: Writer,
        graph: Graph,
        batch_first: bool,
        wanted: Sequence[str],
        course: Course | None = None,
    ):
        self.writer, self.graph, self.batch_first = writer, graph, batch_first
        self.values: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self._masks: dict[tuple[str, str | None], str] = {}
        self._lengths: dict[str, str] = {}
        fixed, stateful = (course.fixed, course.stateful) if course else ([], [])
        carried = [join(layer.name, part) for layer in stateful for part in layer.state._fields]
        self.last_states = dict(zip(carried, last_outputs(stateful), strict=True))
        self.needed, given = self._needed([*wanted, *self.last_states.values()], fixed, stateful)
        for layer in graph.layers:
            if isinstance(layer, Input) and layer.name in self.needed:
                self._add_data(layer)
        for name in given:
            self.values[name] = self._add(name, self.axes_of(name))
        for layer in stateful:
            for part, size in state_sizes(layer).items():
                name = join(layer.name, part)
                self.states[name] = self._add(name, ['B', size])

    def _needed(
        self, wanted: Sequence[str], fixed: Sequence[str], stateful: Sequence[Layer]
    ) -> tuple[dict[str, set[str]], list[str]]:
        """Return the outputs that are needed, by their layers, and those that are given."""
        plan, carried = self.graph.plan, {layer.name for layer in stateful}
        needed: dict[str, set[str]] = {}
        waiting, given = list(wanted), set()
        while waiting:
            name = waiting.pop()
            owner = layer_of(name)
            if self.graph.units and parts(name)[1] == SCALED:  # it is the main one, before scaling
                name = join(owner)
            if name in fixed:
                given.add(name)
                continue
            if owner not in needed:
                waiting += plan.sources[owner]
                waiting += [] if owner in carried else plan.starts[owner].values()
            needed.setdefault(owner, set()).add(parts(name)[1])
        return needed, [name for name in fixed if name in given]

    # --- inputs and outputs of the file

    def axes_of(self, output: str) -> list[int | str]:
        """Return the axes of an output: a number, or the name, of each."""
        owner, what = parts(output)
        clock = self.graph.plan.clock_of(output, self.graph.by_name)
        return [*self._leading(clock), self.graph.by_name[owner].output_size(what)]

    def _leading(self, clock: str | None) -> list[int | str]:
        """Return the axes before the features."""
        if clock is None:
            return ['B']
        fixed = self.graph.plan.lengths.get(clock)
        return [self.suffixed('T', clock) if fixed is None else int(fixed.fixed_steps or 0), 'B']

    def suffixed(self, name: str, clock: str) -> str:
        """Return a name that is unique for each time axis: of the first, the name alone."""
        clocks = filter(None, self.graph.plan.clocks.values())
        return name if clock == next(clocks) else f'{name}_{clock}'

    def _add_data(self, layer: Input) -> None:
        """Add an input layer's data."""
        axes = self._leading(self.graph.plan.clocks[layer.name])
        words = layer.name in self.graph.plan.words
        axes += [] if words else [layer.size]
        self.values[join(layer.name)] = self._add(layer.name, axes, 'INT64' if words else 'FLOAT')

    def _add(self, name: str, axes: list[int | str], kind: str = 'FLOAT') -> str:
        """Add an input of the file; return the name of its value in the graph."""
        self.writer.reserve([name])
        turn = self.batch_first and 'B' in axes[1:]
        shape = [axes[1], axes[0], *axes[2:]] if turn else axes
        self.inputs.append(info(name, shape, kind))
        return self.turned(name, len(axes)) if turn else name

    def turned(self, name: str, ndim: int) -> str:
        """Swap the axes of time and examples."""
        order = [1, 0, *range(2, ndim)]
        return self.writer.node('Transpose', [name], f'{name}/turned', perm=order)

    def output(self, name: str, output: str) -> onnx.ValueInfoProto:
        """Return an output of a layer, 0 over padding, as an output of the file.

        Parameters
        ----------
        name : str
            That it gets in the file.
        output : str
            ``'hid1:out'``
        """
        axes, value = self.axes_of(output), self.values[output]
        if len(axes) == 3:
            value = self.hidden(output, value)
            if self.batch_first:
                value, axes = self.turned(value, 3), [axes[1], axes[0], axes[2]]
        return self.named(name, value, axes)

    def named(self, name: str, value: str, axes: Sequence[int | str]) -> onnx.ValueInfoProto:
        """Return a value as an output of the file."""
        self.writer.output(name, value)
        return info(name, axes)

    # --- masks

    def clock_of(self, layer: Layer) -> str | None:
        """Return the time axis of what a layer reads."""
        plan = self.graph.plan
        clocks = [plan.clock_of(n, self.graph.by_name) for n in plan.sources[layer.name]]
        return next(filter(None, clocks), None)

    def lengths(self, clock: str | None) -> str:
        """Return the number of real steps of each example, int32 (B,), or '' without a mask."""
        if clock not in self.graph.masks:
            return ''
        if clock not in self._lengths:
            self._lengths[clock] = self.writer.name(self.suffixed('lengths', clock))
            self.inputs.append(info(self._lengths[clock], ['B'], 'INT32'))
        return self._lengths[clock]

    def real(self, clock: str | None, x: str) -> str:
        """Return where steps are real, (T, B, 1), or '' without a mask; x is (T, B, I)."""
        return self._compared('Less', clock, x) if self.lengths(clock) else ''

    def ends(self, clock: str, x: str) -> str:
        """Return where a step is the last real one, (T, B, 1), of a sequence with a mask."""
        return self._compared('Equal', clock, x)

    def _compared(self, kind: str, clock: str | None, x: str) -> str:
        """Compare the number of each step, or of the one after it, with the lengths."""
        if (kind, clock) in self._masks:
            return self._masks[kind, clock]
        writer, first = self.writer, int(kind == 'Equal')
        steps = writer.node('Shape', [x], '/steps', end=1)
        steps = writer.node('Squeeze', [steps], '/steps')
        steps = writer.node('Add', [steps, writer.scalar(first)], '/steps')
        ends = [writer.scalar(first), steps, writer.scalar(1)]
        number = writer.node('Range', ends, '/number')  # (T,)
        column = writer.node('Unsqueeze', [number, writer.whole(1, 2)], '/number')
        row = writer.node('Cast', [self.lengths(clock)], '/lengths', to=onnx.TensorProto.INT64)
        row = writer.node('Unsqueeze', [row, writer.whole(0, 2)], '/lengths')
        self._masks[kind, clock] = writer.node(kind, [column, row], f'/{kind}')
        return self._masks[kind, clock]

    def masked(self, clock: str | None, x: str, otherwise: float = 0.0) -> str:
        """Return a sequence with a number over padding."""
        real = self.real(clock, x)
        if not real:
            return x
        return self.writer.node('Where', [real, x, self.writer.number(otherwise)], f'{x}/masked')

    def hidden(self, output: str, value: str) -> str:
        """Return an output of a layer with 0 over padding."""
        if self.graph.by_name[layer_of(output)].zero_padding:
            return value
        return self.masked(self.graph.plan.clock_of(output, self.graph.by_name), value)

    # --- states

    def start(self, layer: Layer, part: str, prefix: str = '') -> str:
        """Return the initial value of a part of a state, (B, n) or (1, n); '' stands for 0."""
        name = join(layer.name, part)
        if name in self.states:
            return self.states[name]
        source = self.graph.plan.starts[layer.name].get(f'{prefix}{part}')
        return self.values[source] if source else ''

    def refuse(self, layer: Layer, why: str) -> ConfigError:
        """Return the error for a layer that cannot be written."""
        return ConfigError(f'{self.writer.where}: {label(layer)} cannot be written: {why}')
