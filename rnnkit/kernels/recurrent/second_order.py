"""The loops of a second derivative: what they compute at each step.

In: a `Form` and a `Walk`. Out: two `Step`. Forward goes the change of the states in a direction
of all that the loop reads. Backward go the gradients of the states, which the first derivative
did not keep, and the change of these.

At a step where gradients stop, what is carried counts as a constant in both.
"""

from collections.abc import Sequence

from rnnkit.kernels.program.dual import Dual, push
from rnnkit.kernels.program.program import Program
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.sweep import Product, Step
from rnnkit.kernels.recurrent.walk import Walk


def _names(kind: str, n: int) -> list[str]:
    return [f'{kind}{k}' for k in range(n)]


class _Writer:
    """The nodes that both loops have."""

    def __init__(self, form: Form, walk: Walk, moved: Sequence[str]):
        self.form, self.walk = form, walk
        self.program = form.program.copy()
        blocks = form.vector_blocks()
        changing = [f'{name}:{k}' for name, k in blocks if name in moved]
        self.vectors = [*(f'{name}:{k}' for name, k in blocks), *(f'd_{n}' for n in changing)]
        self.known = {
            self.program.input(name): Dual(self.program.input(name), self.program.input(f'd_{name}'))
            for name in changing
        }
        self.marks = [*['real'] * walk.masked, *['keep'] * (walk.bptt_limit is not None)]

    def mark(self, name: str, yes: int, no: int) -> int:
        """Return a node where a mark is set, and another one where it is not."""
        if name not in self.marks:
            return yes
        program = self.program
        flag = program.node('gt', program.input(name), program.constant(0.5))
        return program.select(flag, yes, no)

    def zero(self) -> int:
        """Return the node of 0."""
        return self.program.constant(0)

    def carried(self, name: str) -> int:
        """Return what the step before has left; 0 where gradients stop."""
        return self.mark('keep', self.program.input(name), self.zero())

    def change(self, dual: Dual) -> int:
        """Return the node of a change, which may be 0."""
        return self.zero() if dual.change is None else self.program.number(dual.change)


def forward_step(form: Form, walk: Walk, moved: Sequence[str], sourced: bool) -> Step:
    """Return the step of the changes of the states.

    Parameters
    ----------
    form : Form
    walk : Walk
    moved : sequence of str
        The names of the inputs that change.
    sourced : bool
        Whether there is a sequence of changes of the tiles, apart from those by the old state.
    """
    writer = _Writer(form, walk, moved)
    program, n, n_states = writer.program, form.n_tiles, form.n_states
    old = [writer.carried(name) for name in _names('carried', n_states)]
    tiles = []
    for k in range(n):
        change = program.input(f'source{k}') if sourced else writer.zero()
        if k >= form.h_first:
            change = program.add(change, writer.carried(f'product{k - form.h_first}'))
        tiles.append(change)
    known = writer.known
    for kind, changes in (('tile', tiles), ('state', old)):
        for name, change in zip(_names(kind, len(changes)), changes, strict=True):
            known[program.input(name)] = Dual(program.input(name), change)
    new = [writer.change(dual) for dual in push(program, form.new, known)]
    new = [writer.mark('real', value, before) for value, before in zip(new, old, strict=True)]
    n_h = len(form.h_blocks)
    return Step(
        program=program,
        sequences=(
            *((name,) for name in _names('state', n_states)),
            tuple(_names('tile', n)),
            *([tuple(_names('source', n))] if sourced else []),
        ),
        marks=tuple(writer.marks),
        vectors=tuple(writer.vectors),
        carried=(*_names('carried', n_states), *_names('product', n_h)),
        emitted=(*new, *tiles, *old),
        carries=(*new, *[writer.zero()] * n_h),
        product=Product(first=0, terms=1, into=n_states, sums=n_h),
        back=walk.reverse,
    )


def backward_step(form: Form, walk: Walk, moved: Sequence[str], given: Sequence[bool]) -> Step:
    """Return the step of the gradients of the states and of their changes.

    Parameters
    ----------
    form : Form
    walk : Walk
    moved : sequence of str
        The names of the inputs that change.
    given : sequence of bool
        For which states there is a gradient from outside.
    """
    writer = _Writer(form, walk, moved)
    program, n, n_states = writer.program, form.n_tiles, form.n_states
    known, upstream = writer.known, []
    for kind, count in (('tile', n), ('state', n_states)):
        for name in _names(kind, count):
            known[program.input(name)] = Dual(program.input(name), program.input(f'd_{name}'))
    for k in range(n_states):
        value = writer.carried(f'carried{k}')
        if given[k]:
            value = program.add(value, program.input(f'given{k}'))
        upstream.append(Dual(value, writer.carried(f'd_carried{k}')))
        known[program.input(f'grad{k}')] = upstream[-1]
    own = [node for _, node in own_vectors(form)]
    gradients = push(program, [*form.d_tiles, *form.d_states, *own], known)
    values = [program.number(g.value) for g in gradients]
    changes = [writer.change(g) for g in gradients]
    # Over padding the gradients by the states are passed on, and all others are 0.
    zeros = [writer.zero()] * len(gradients)
    others, moved_others = list(zeros), list(zeros)
    others[n : n + n_states] = [u.value for u in upstream]
    moved_others[n : n + n_states] = [writer.change(u) for u in upstream]
    values = [writer.mark('real', v, o) for v, o in zip(values, others, strict=True)]
    changes = [writer.mark('real', v, o) for v, o in zip(changes, moved_others, strict=True)]
    pairs = list(zip(values, changes, strict=True))[n : n + n_states]
    return Step(
        program=program,
        sequences=(
            *((name,) for name in _names('state', n_states)),
            tuple(_names('tile', n)),
            # what the forward loop emits
            (*[''] * n_states, *_names('d_tile', n), *_names('d_state', n_states)),
            *((f'given{k}',) for k in range(n_states) if given[k]),
        ),
        marks=tuple(writer.marks),
        vectors=tuple(writer.vectors),
        carried=tuple(f'{d}carried{k}' for k in range(n_states) for d in ('', 'd_')),
        emitted=(*values[:n], *changes[:n], *changes[n + n_states :]),
        carries=tuple(node for pair in pairs for node in pair),
        # from the first tile of the recurrent weight to the last change of a tile
        product=Product(first=form.h_first, terms=2 * n - form.h_first, into=0, sums=2),
        back=not walk.reverse,
    )


def own_vectors(form: Form) -> list[tuple[tuple[str, int], int]]:
    """Return the vector blocks whose gradient is not that of a tile, and its node."""
    shared = form.shared_gradients()
    pairs = zip(form.vector_blocks(), form.d_vectors, strict=True)
    return [(block, node) for block, node in pairs if block not in shared]
