"""The equations of a second derivative, for one unit at one step.

In: a `Form`, and the names of the inputs that change. Out: `Changes`, a program like that of the
form, with the change of the new states, of gradients and of old states' gradients.

Its inputs are those of the form's program, and for each one that changes another one, whose name
begins with ``d_``.
"""

from collections.abc import Sequence

from rnnkit.kernels.program.dual import Dual, push
from rnnkit.kernels.recurrent.form import Form


class Changes:
    """A program of the changes of states and gradients.

    Parameters
    ----------
    form : Form
    moved : sequence of str
        The names of the vectors that change.

    Attributes
    ----------
    program : Program
    moved_vectors : list of (str, int)
        Those blocks of the vectors that change.
    own : list of ((str, int), int)
        The vector blocks whose gradient is not that of a tile, and the node of it.
    new : list of int
        Nodes of the changes of the new states.
    d_tiles, d_states : list of int
        Nodes of the gradients, which the first derivative did not keep.
    c_tiles, c_states, c_own : list of int
        Nodes of the changes of the gradients.
    """

    def __init__(self, form: Form, moved: Sequence[str]):
        program = self.program = form.program.copy()
        n, n_states = form.n_tiles, form.n_states
        self.moved_vectors = [(name, k) for name, k in form.vector_blocks() if name in moved]
        shared = form.shared_gradients()
        pairs = zip(form.vector_blocks(), form.d_vectors, strict=True)
        self.own = [(block, node) for block, node in pairs if block not in shared]
        names = [f'{name}:{k}' for name, k in self.moved_vectors]
        names += [f'tile{k}' for k in range(n)]
        names += [f'{kind}{k}' for kind in ('state', 'grad') for k in range(n_states)]
        known = {
            program.input(name): Dual(program.input(name), program.input(f'd_{name}'))
            for name in names
        }
        self.new = self._changes(push(program, form.new, known))
        nodes = [*form.d_tiles, *form.d_states, *(node for _, node in self.own)]
        gradients = push(program, nodes, known)
        values = [program.number(g.value) for g in gradients]
        changes = self._changes(gradients)
        end = n + n_states
        self.d_tiles, self.d_states = values[:n], values[n:end]
        self.c_tiles, self.c_states, self.c_own = changes[:n], changes[n:end], changes[end:]

    def _changes(self, duals: Sequence[Dual]) -> list[int]:
        program = self.program
        zero = program.constant(0)
        return [zero if d.change is None else program.number(d.change) for d in duals]

    @property
    def key(self) -> str:
        """Return text that is equal for equal programs."""
        outputs = (self.new, self.d_tiles, self.d_states, self.c_tiles, self.c_states, self.c_own)
        return repr((self.program.nodes, self.moved_vectors, self.own, outputs))
