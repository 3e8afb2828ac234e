"""The equations of one row as ONNX nodes, which compute those of all rows at once."""

from collections.abc import Callable, Mapping, Sequence

from onnx import TensorProto
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.errors import ConfigError
from rnnkit.integrations.equations import Equations, Step, read_rows
from rnnkit.integrations.onnx.writer import Writer
from rnnkit.kernels.program.program import FLAGS
from rnnkit.layers import Layer

OPERATORS = {
    'add': 'Add',
    'sub': 'Sub',
    'mul': 'Mul',
    'div': 'Div',
    'max': 'Max',
    'min': 'Min',
    'select': 'Where',
    'lt': 'Less',
    'le': 'LessOrEqual',
    'gt': 'Greater',
    'ge': 'GreaterOrEqual',
    'eq': 'Equal',
    'and': 'And',
    'or': 'Or',
    'xor': 'Xor',
    'not': 'Not',
    'exp': 'Exp',
    'tanh': 'Tanh',
    'sigmoid': 'Sigmoid',
    'log': 'Log',
    'softplus': 'Softplus',
    'sqrt': 'Sqrt',
    'abs': 'Abs',
    'sign': 'Sign',
    'erf': 'Erf',
}
REDUCTIONS = {'sum': 'ReduceSum', 'max': 'ReduceMax', 'min': 'ReduceMin', 'prod': 'ReduceProd'}

Graphs = tuple[Sequence[TensorVariable], Mapping[str, TensorVariable]]  # outputs, inputs

POSSIBLE = (
    'write it with elementwise functions, products with weights, slices, and sums or maxima over '
    'the features'
)


def write_graph(
    writer: Writer,
    layer: Layer,
    build: Callable[[], Graphs],
    values: Mapping[str, str],
    like: str,
) -> list[str]:
    """Write a symbolic graph of rows; return the names of its outputs.

    Parameters
    ----------
    writer : Writer
    layer : Layer
        To which it belongs, for names and messages.
    build : callable
        Returns the outputs (B, n), and the inputs by name, of the same axes.
    values : dict of str to str
        The names of the arrays (..., n) that are the inputs.
    like : str
        An array with the leading axes of the outputs.

    Raises
    ------
    ConfigError
        If a row depends on others, or an operation has no equation.
    """
    with kernels.allowed(False):
        outputs, inputs = build()
    try:
        equations = read_rows(f'{writer.where}: {label(layer)}', outputs, inputs)
    except ConfigError as error:
        raise ConfigError(f'{error}; {POSSIBLE}') from error
    written, names = _Written(writer, layer.name, equations, values), []
    for k, output in zip(equations.outputs, outputs, strict=True):
        own = equations.widths[k]
        name, width = written.number(k), output.type.shape[-1] or own
        if k not in written.of_rows or own != width:  # the same in all rows, or in all columns
            axes = writer.node('Shape', [like], f'{layer.name}/axes', end=-1)
            shape = writer.node(
                'Concat', [axes, writer.whole(width)], f'{layer.name}/shape', axis=0
            )
            name = writer.node('Expand', [name, shape], f'{layer.name}/rows')
        names.append(name)
    return names


def label(layer: Layer) -> str:
    """Return what messages call a layer."""
    return f'layer {layer.name!r} ({layer.form})'


class _Written:
    """The nodes of equations, written one after the other.

    Attributes
    ----------
    of_rows : set of int
        The values that depend on the inputs; others have no leading axes.
    """

    def __init__(self, writer: Writer, place: str, equations: Equations, inputs: Mapping[str, str]):
        self.writer, self.place, self.equations = writer, place, equations
        self.names: dict[int, str] = {k: inputs[name] for name, k in equations.inputs.items()}
        self.of_rows = set(equations.inputs.values())
        for k in equations.needed:
            if self.of_rows & set(equations.operands(k)):
                self.of_rows.add(k)
            if k not in self.names:
                self.names[k] = self._value(k)

    def number(self, k: int) -> str:
        """Return the name of a value as a number: 1 for true."""
        if self.equations.program.nodes[k][0] not in FLAGS or k in self.equations.steps:
            return self.names[k]
        return self.writer.node(
            'Cast', [self.names[k]], f'{self.place}/number', to=TensorProto.FLOAT
        )

    def _value(self, k: int) -> str:
        if k in self.equations.steps:
            return self._step(self.equations.steps[k])
        operation, *operands = self.equations.program.nodes[k]
        if operation == 'constant':
            return self.writer.number(operands[0])
        names = [self.names[i] for i in operands]
        if operation in COMPOSED:
            return COMPOSED[operation](self, *names)
        return self.node(OPERATORS[operation], *names)

    def node(self, kind: str, *inputs: str | float) -> str:
        """Add a node; numbers among its inputs become constants."""
        names = [x if isinstance(x, str) else self.writer.number(x) for x in inputs]
        return self.writer.node(kind, names, f'{self.place}/{kind}')

    def _step(self, step: Step) -> str:
        writer, name = self.writer, f'{self.place}/{step.kind}'
        inputs = [self.number(k) for k in step.operands]
        if step.array:
            array = self.equations.arrays[step.array]
            wanted = step.array if '.' in step.array else f'{self.place}/{step.array}'
            inputs.append(writer.constant(wanted, array))
        if step.kind == 'array':
            return inputs[0]
        if step.kind == 'product':
            return writer.node('MatMul', inputs, name)
        if step.kind == 'columns':
            ends = [writer.whole(step.start), writer.whole(step.stop), writer.whole(-1)]
            return writer.node('Slice', [*inputs, *ends], name)
        if step.kind == 'join':
            return writer.node('Concat', inputs, name, axis=-1)
        if step.kind == 'softmax':
            return writer.node('Softmax', inputs, name, axis=-1)
        return writer.reduce(REDUCTIONS[step.kind], inputs[0], -1, name, keepdims=True)


def _expm1(to: _Written, x: str) -> str:
    # exp(x) - 1 would lose all digits near 0.
    half = to.node('Tanh', to.node('Mul', x, 0.5))
    return to.node('Mul', half, to.node('Add', to.node('Exp', x), 1))


def _log1p(to: _Written, x: str) -> str:
    # The error of rounding 1 + x to w is undone by the quotient (Kahan).
    w = to.node('Add', x, 1)
    d = to.node('Sub', w, 1)
    exact = to.node('Equal', d, 0)
    quotient = to.node('Div', x, to.node('Where', exact, 1, d))
    return to.node('Where', exact, x, to.node('Mul', to.node('Log', w), quotient))


# Functions that ONNX lacks.
COMPOSED: dict[str, Callable[..., str]] = {
    'ne': lambda to, a, b: to.node('Not', to.node('Equal', a, b)),
    'expm1': _expm1,
    'log1p': _log1p,
    'erfc': lambda to, x: to.node('Sub', 1, to.node('Erf', x)),
}
