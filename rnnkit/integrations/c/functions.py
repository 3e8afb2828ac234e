"""The functions of layers, their weights, and the places of what they read and write."""

from typing import NamedTuple

import numpy as np

from rnnkit.common.output_names import join, parts
from rnnkit.graph.graph import Graph
from rnnkit.integrations.c import literals
from rnnkit.integrations.c.body import Body
from rnnkit.integrations.c.layers import Steps, Table
from rnnkit.integrations.c.names import Names
from rnnkit.integrations.c.parts import Part, width_of
from rnnkit.integrations.c.schedule import Schedule, Target
from rnnkit.integrations.c.simplify import simplified

# In functions: variables, and what they call.
INSIDE = ('j', 's', 'real', 'add_product', 'memcpy', 'memset', 'NAN', 'INFINITY', 'I')


class Field(NamedTuple):
    """A member of the struct of the state."""

    name: str
    width: int
    start: str  # the array from which it starts; empty for 0
    comment: str


class Functions:
    """The text of all layers.

    Parameters
    ----------
    graph : Graph
    steps : Steps
    name : str
        That of the network.
    dtype : {'float32', 'float64'}

    Attributes
    ----------
    arguments : dict of str to str
        The name of the argument for each input, by its layer.
    fields : list of Field
        The state.
    weights : list of str
        Lines that define arrays.
    functions : list of str
        Lines that define a function for each layer.
    calls : list of str
        The lines of one step.
    used : set of str
        The operations that are used.
    scratch : int
        The most numbers that arrays in functions have at a time.
    begins : bool
        Whether the first step of a sequence differs: states start from outputs of layers.
    """

    def __init__(self, graph: Graph, steps: Steps, name: str, dtype: str):
        self.graph, self.steps, self.dtype = graph, steps, dtype
        own = [f'{name}_{end}' for end in ('init', 'step', 'run', 'state', 'real', 'class_names')]
        self.names = Names('real', 'add_product', *own)
        self.members, self.local = Names(), Names('s', 'y', *INSIDE)
        single = len(steps.sources) == 1
        self.arguments = {
            x.name: self.local.new('x') if single else self.local.new('x', x.name)
            for x in steps.sources
        }
        self.fields: list[Field] = []
        self.weights: list[str] = []
        self.functions: list[str] = []
        self.calls: list[str] = []
        self.used: set[str] = set()
        self.scratch, self._kept = 0, 0
        self.begins = False
        self.members.new('begun')
        self._arrays: dict[str, tuple[str, np.ndarray]] = {}
        self._places = {join(layer): argument for layer, argument in self.arguments.items()}
        for part in steps.parts:
            if isinstance(part, Table):
                self._table(part)
            else:
                self._part(part)
        self._result()
        if self.begins:
            self.calls.append('s->begun = 1;')
        self.scratch += self._kept

    def _result(self) -> None:
        place = self._place(self.steps.result)
        if place != 'y':
            self.calls.append(f'memcpy(y, {place}, {self.steps.width} * sizeof(real));')

    def _place(self, output: str) -> str:
        """Return the address of an output in the function of a step."""
        while output in self.steps.same:
            output = self.steps.same[output]
        return self._places[output]

    # --- weights

    def _array(self, layer: str, name: str, values: np.ndarray) -> str:
        """Define an array of weights; return its name."""
        key = name if '.' in name else f'{layer}.{name}'  # of a parameter, which layers may share
        c_name, known = self._arrays.get(key, ('', values))
        if not c_name or not np.array_equal(known, values):
            c_name = self.names.new(*key.split('.', 1))
            self._arrays[key] = c_name, values
            size = ' * '.join(map(str, values.shape))
            self.weights += [
                f'static const real {c_name}[{size}] = {{',
                *literals.array(values, self.dtype),
                '};',
                '',
            ]
        return c_name

    def _table(self, table: Table) -> None:
        layer = table.layer
        array = self._array(layer.name, f'{layer.name}.w', layer.params['w'].get_value())
        name = self.local.new(layer.name, 'out')
        x = self.arguments[table.source]
        self.calls.append(f'const real *const {name} = {array} + (size_t){x} * {layer.size};')
        self._places[join(layer.name)] = name

    # --- layers

    def _part(self, part: Part) -> None:
        """Write the function of a layer, and its call."""
        inner, layer = Names(*INSIDE), part.layer.name
        states = {name: inner.new(name) for name in part.states}
        inputs = {
            name: inner.new('x' if len(part.inputs) == 1 else f'x_{parts(source)[0]}')
            for name, source in part.inputs.items()
        }
        outs = {name: inner.new(parts(name)[1]) for name in part.results if name not in states}
        targets = [
            Target(states[name], name, part.states[name].width)
            if name in states
            else Target(outs[name], '', width_of(self.graph, name))
            for name in part.results
        ]
        schedule = Schedule(simplified(part.equations), targets)
        weights = part.equations.arrays
        arrays = {name: self._array(layer, name, weights[name]) for name in schedule.arrays}
        body = Body(schedule, {**states, **inputs}, arrays, self.dtype, inner)
        lines = body.write()
        if any('for (j' in line for line in lines):
            lines.insert(0, 'int j;')
        self.used |= body.functions
        self.scratch = max(self.scratch, body.scratch)
        function = self.names.new(layer, 'step')
        text = '\n'.join(lines)
        kept = {key: name for key, name in states.items() if _occurs(name, text)}
        arguments = [f'real *restrict {name}' for name in (*kept.values(), *outs.values())]
        read = {key: name for key, name in inputs.items() if _occurs(name, text)}
        arguments += [f'const real *restrict {name}' for name in read.values()]
        self.functions += [
            f'/* {literals.comment(self._comment(part))} */',
            *_wrapped(f'static void {function}(', arguments, ')'),
            '{',
            *(f'    {line}' for line in lines),
            '}',
            '',
        ]
        self._call(part, function, list(outs), [*kept, *read])

    def _comment(self, part: Part) -> str:
        layer = part.layer
        read = ', '.join(part.inputs.values())
        return f'{layer.name}: {layer.form}, {layer.size} units; reads {read}'

    def _call(self, part: Part, function: str, outs: list[str], used: list[str]) -> None:
        """Write the call of a layer's function, and the arrays that it needs."""
        layer, given = part.layer.name, []
        for name, state in part.states.items():
            member = self.members.new(layer, name)
            start = ''
            if state.start is not None:
                start = self._array(layer, f'{layer}.{name}_0', state.start)
            comment = f'{part.layer.form} {layer!r}: {name}'
            self.fields.append(Field(member, state.width, start, comment))
            given += [f's->{member}'] * (name in used)
            if state.source:
                self.begins = True
                size = f'{state.width} * sizeof(real)'
                place = self._place(state.source)
                self.calls += ['if (!s->begun)', f'    memcpy(s->{member}, {place}, {size});']
            for output, which in part.outputs.items():
                if which == name:
                    self._places[output] = f's->{member}'
        for name in outs:
            if name == self.steps.result:
                place = 'y'
            else:
                place, width = self.local.new(*parts(name)), width_of(self.graph, name)
                self.calls.append(f'real {place}[{width}];')
                self._kept += width
            self._places[name] = place
            given.append(place)
        given += [self._place(source) for key, source in part.inputs.items() if key in used]
        self.calls += _wrapped(f'{function}(', given, ');')


def _occurs(name: str, text: str) -> bool:
    """Return whether a variable occurs in some lines."""
    words = ''.join(c if c.isalnum() or c == '_' else ' ' for c in text).split()
    return name in words


def _wrapped(start: str, arguments: list[str], end: str) -> list[str]:
    """Return a list of arguments in lines of at most 96 columns."""
    lines, line = [], start
    for k, argument in enumerate(arguments):
        text = argument + (',' if k + 1 < len(arguments) else end)
        if len(line) + len(text) + 1 > literals.WIDTH:
            lines.append(line.rstrip())
            line = ' ' * len(start)
        line += text + ' '
    return [*lines, line.rstrip()]
