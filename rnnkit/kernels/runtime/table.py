"""The instructions of a graph of kernels, and the slots of its arrays.

In: kernels, views, copies and sums, in the order in which they are done. Out: the `Table` that
`rnnkit.kernels.runtime.interpreter` follows.
"""

from collections.abc import Sequence

from pytensor.graph.basic import Apply, Variable

from rnnkit.kernels.language.descriptor import AXES, DESCRIPTOR
from rnnkit.kernels.language.frame import factor
from rnnkit.kernels.runtime.interpreter import OPERATIONS
from rnnkit.kernels.runtime.kernel import Kernel
from rnnkit.kernels.runtime.views import Length, View


class UnplannedError(Exception):
    """The graph has a node that a plan cannot have."""


class Table:
    """The instructions of a graph, and the slots of its arrays.

    Attributes
    ----------
    complaints : dict of int to (type of exception, tuple of str)
        For an instruction, by its number: what to raise, and the message for each thing that may be
        wrong.
    same : dict of variable to variable
        For outputs of Ops that are arrays that were inputs: which.
    given : set of variable
        Outputs whose memory is there before they are computed: that of an array of Python, for one
        of no axes, or of what was added up so far.
    """

    def __init__(self) -> None:
        self.words: list[int] = []
        self.delivery: list[int] = []  # the instructions that put results in arrays of Python
        self.count = 0
        self.slots: dict[Variable, int] = {}
        self.complaints: dict[int, tuple[type[Exception], tuple[str, ...]]] = {}
        self.memory: dict[int, str] = {}
        self.same: dict[Variable, Variable] = {}
        self.given: set[Variable] = set()
        self.desc, self.block = 1, 1  # integers of room that kernels need
        self.kept: list[object] = []  # what the instructions have addresses of

    def slot(self, variable: Variable) -> int:
        """Return the number of the slot of a variable."""
        variable = self.same.get(variable, variable)
        return self.slots.setdefault(variable, len(self.slots))

    def add(self, operation: str, *operands: int) -> int:
        """Append an instruction; return its number."""
        self.words += [OPERATIONS.index(operation), 2 + len(operands), *operands]
        self.count += 1
        return self.count - 1

    def add_kernel(
        self, kernel: Kernel, arrays: Sequence[Variable], results: Sequence[Variable]
    ) -> None:
        """Append the call of a kernel that has a frame."""
        frame, outputs = kernel.frame, []
        for array, variable in zip(frame.outputs, results, strict=True):
            lengths = [(1, None)] * (AXES - len(array.dims)) + [factor(dim) for dim in array.dims]
            outputs += [self.slot(variable), frame.place[array.name], variable in self.given]
            for number, letter in lengths:
                outputs += [number, frame.place[letter] if letter else -1]
        functions = [kernel.addresses[name] for name in ('enter', 'size', 'run')]
        n_in, item = len(frame.inputs), kernel.dtype.itemsize
        numbers = [n_in, len(frame.outputs), frame.place['work'], item]
        at = self.add('kernel', *functions, *numbers, *map(self.slot, arrays), *outputs)
        messages = tuple(kernel.complaint(i) for i in range(n_in))
        self.complaints[at] = ValueError, messages
        self.memory[at] = frame.what
        self.desc = max(self.desc, n_in * DESCRIPTOR)
        self.block = max(self.block, len(frame.place))
        self.kept.append(kernel)

    def add_sum(self, kernel: Kernel, node: Apply) -> None:
        """Append a sum of arrays, from left to right, by a kernel that adds two."""
        total, (first, *others) = node.outputs[0], node.inputs
        for term in others:
            self.add_kernel(kernel, [first, term], [total])
            first = total
            self.given.add(total)  # and so the next terms are added in place

    def add_view(self, variable: Variable, source: Variable, view: View) -> None:
        """Append a view of an array."""
        parts = [number for part in view.parts for number in part]
        at = self.add('view', self.slot(variable), self.slot(source), *parts, *view.order)
        self.complaints[at] = IndexError, ('an index is out of bounds',) * AXES

    def add_join(self, node: Apply, axis: int, parts: Sequence[Variable]) -> None:
        """Append an array that consists of others, one after the other along an axis."""
        new, axis = node.outputs[0], axis % node.outputs[0].ndim + AXES - node.outputs[0].ndim
        slots = map(self.slot, parts)
        at = self.add('join', self.slot(new), item_of(new), axis, len(parts), *slots)
        self.complaints[at] = ValueError, ('arrays of other lengths are joined',)
        self.memory[at] = 'joined arrays'

    def add_zeros(self, node: Apply, lengths: Sequence[Length]) -> None:
        """Append an array of zeros."""
        numbers: list[int] = []
        for number, variable, axis in lengths:
            numbers += [number, -1 if variable is None else self.slot(variable), axis]
        new = node.outputs[0]
        at = self.add('zeros', self.slot(new), item_of(new), *numbers)
        self.memory[at] = 'zeros'

    def add_copy(self, node: Apply) -> None:
        """Append a copy of the first input."""
        new = node.outputs[0]
        at = self.add(
            'copy', self.slot(new), self.slot(node.inputs[0]), item_of(new), new in self.given
        )
        self.memory[at] = 'a copy'

    def add_place(self, node: Apply, view: View) -> None:
        """Append the copy of an array to a part of the output, which is there already."""
        whole, part = node.outputs[0], node.inputs[1]
        shown = whole.type()
        self.add_view(shown, whole, view)
        at = self.add('place', self.slot(shown), self.slot(part), item_of(part))
        self.complaints[at] = ValueError, ('an array does not fit where it is put',)


def item_of(variable: Variable) -> int:
    """Return the bytes of an element."""
    return variable.type.numpy_dtype.itemsize
