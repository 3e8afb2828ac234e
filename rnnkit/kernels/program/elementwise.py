"""Elementwise graphs on arrays, read as programs of one element.

In: a function of symbolic arrays, such as a loss's `errors` or an update rule's `step`. Out: a
function of symbolic scalars that computes one element; or `Unsupported`, if elements mix.

The function is run on arrays, not on scalars: on scalars, a sum over elements or a transposition
would go unnoticed, and the kernel would compute something else.
"""

from collections.abc import Callable, Sequence

import pytensor.tensor as pt
from pytensor.gradient import grad
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor import TensorVariable
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from rnnkit.common.compiled import double_precision
from rnnkit.kernels.program.program import Program, Unsupported

# (output or its parts, target) -> errors of the same shape
Errors = Callable[[TensorVariable | tuple[TensorVariable, ...], TensorVariable], TensorVariable]


def scalars(outputs: Sequence[TensorVariable], known: dict[Variable, Variable]) -> list[Variable]:
    """Return the scalar graphs of one element of `outputs`.

    Parameters
    ----------
    outputs : sequence of tensors
    known : dict of tensor to scalar tensor
        The scalar that stands for one element of each leaf.
    """
    elements = dict(known)

    def visit(variable: Variable) -> Variable:
        if variable not in elements:
            elements[variable] = _element(variable, visit)
        return elements[variable]

    return [visit(pt.as_tensor_variable(output)) for output in outputs]


def _element(variable: Variable, visit: Callable[[Variable], Variable]) -> Variable:
    if isinstance(variable, Constant):
        if variable.data.size != 1:
            raise Unsupported('an array constant')
        return pt.constant(variable.data.reshape(()))
    if variable.owner is None:
        raise Unsupported(f'the free variable {variable}')
    op, inputs = variable.owner.op, variable.owner.inputs
    if isinstance(op, Elemwise) and len(variable.owner.outputs) == 1:
        return Elemwise(op.scalar_op)(*map(visit, inputs))
    if isinstance(op, DimShuffle) and all(length == 1 for length in inputs[0].type.shape):
        return visit(inputs[0])
    raise Unsupported(f'the operation {op}')


def names_of_parts(n_parts: int) -> list[str]:
    """Return the inputs of a program of errors that are parts of the output."""
    return ['output'] if n_parts == 1 else [f'output{k}' for k in range(n_parts)]


def read_errors(errors: Errors, ndim: int, n_parts: int = 1) -> tuple[Program, list[int]]:
    """Return a program of one error, and the nodes of it and of its derivative by each part.

    Parameters
    ----------
    errors : callable
        Takes output and target, arrays of `ndim` axes, and returns an array of errors. Of several
        parts, the output is a tuple.
    ndim : int
    n_parts : int

    Raises
    ------
    Unsupported
        If an error depends on anything but the output and the target in its own place.
    """
    # The program is exact; it is rounded to the network's dtype when it is written.
    with double_precision():
        arrays = [
            pt.tensor(name, dtype='float64', shape=(None,) * ndim)
            for name in (*names_of_parts(n_parts), 'target')
        ]
        places = [pt.scalar(array.name, dtype='float64') for array in arrays]
        result = errors(arrays[0] if n_parts == 1 else tuple(arrays[:-1]), arrays[-1])
        if result.ndim != ndim:
            raise Unsupported('errors with other axes than the output')
        (error,) = scalars([result], dict(zip(arrays, places, strict=True)))
        slopes = grad(error, places[:-1], disconnected_inputs='ignore')
    program = Program()
    nodes = {place: program.input(place.name) for place in places}
    return program, [program.number(i) for i in program.absorb([error, *slopes], nodes)]


def axis_of(node: Apply, place: int) -> tuple[int, list[Variable]]:
    """Return the axis of a split or join, and the other inputs.

    Before PyTensor 3.3 the axis is input number `place`, later a property of the Op.
    """
    inputs = list(node.inputs)
    axis = getattr(node.op, 'axis', None)
    if axis is None:
        axis = inputs.pop(place)
        if not isinstance(axis, Constant):
            raise Unsupported('an axis that is not constant')
        axis = axis.data
    return int(axis), inputs
