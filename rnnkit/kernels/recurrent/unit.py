"""The cell's mathematics of one vector of units, forward and backward, at one place.

In: a `Form`, and where a kernel's arrays are. Out: the code that computes the program for some
lanes of one row at one step: loads, the operations, stores. Nodes that depend on per-unit vectors
alone are computed once per call (`Hoisted`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rnnkit.kernels.language.elementary import OPERATIONS
from rnnkit.kernels.language.elements import each_vector, each_width
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.vector import Code, Flag, Int, Vec
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.walk import Walk

Load = Callable[[], Vec]


class Hoisted:
    """The nodes of a program that depend on per-unit vectors only, computed once per call.

    Parameters
    ----------
    form : Form
    outputs : list of int
        The nodes that the loop computes.
    stop : set of int
        Nodes that the loop loads.
    """

    def __init__(self, form: Form, outputs: Sequence[int], stop: set[int]):
        program, self.form = form.program, form
        vectors = {program.input(f'{name}:{k}') for name, k in form.vector_blocks()}
        fixed = program.invariants(outputs, vectors, stop)
        self.nodes = [i for i in fixed if program.operands(i)]  # a vector itself is loaded

    def size(self, h: Int) -> Int:
        """Return the elements of memory that the nodes take."""
        return h * len(self.nodes)

    def write(self, code: Code, to: Int, vectors: dict[str, Int], h: Int) -> None:
        """Compute the nodes."""
        if not self.nodes:
            return
        loads = vector_loads(code, self.form, vectors, h)

        def compute(j: Int, mask: Flag) -> None:
            fetch = {i: (lambda load=load: load(j, mask)) for i, load in loads.items()}
            values = self.form.program.evaluate(self.nodes, fetch, code.vec, OPERATIONS)
            for n, value in enumerate(values):
                code.store(value, to + (h * n + j) * code.target.size, mask)

        each_vector(code, h, compute)

    def loads(self, code: Code, start: Int, h: Int) -> dict[int, Callable[[Int, Flag], Vec]]:
        """Return how to load each node for a vector of units."""
        size = code.target.size
        return {
            i: lambda j, mask, n=n: code.load(start + (h * n + j) * size, mask)
            for n, i in enumerate(self.nodes)
        }


def vector_loads(
    code: Code, form: Form, vectors: dict[str, Int], h: Int
) -> dict[int, Callable[[Int, Flag], Vec]]:
    """Return how to load each block of the per-unit vectors."""
    size = code.target.size
    return {
        form.program.input(f'{name}:{k}'): lambda j, mask, name=name, k=k: code.load(
            vectors[name] + (h * k + j) * size, mask
        )
        for name, k in form.vector_blocks()
    }


class State:
    """Places of a state, before and after a step: addresses, and bytes from row to row.

    Parameters
    ----------
    first : Int
        Address of the state before all steps.
    row : bool
        Whether that is one row for all examples.
    new : Int
        Address of the state after this step.
    before : Int
        Address of the state after the step that was done before.
    begun : Flag
        Whether there is such a step.
    row_bytes : Int
    """

    def __init__(self, first: Int, row: bool, new: Int, before: Int, begun: Flag, row_bytes: Int):
        self.new = new
        self.old = begun.pick(before, first)
        self.old_row = begun.pick(row_bytes, 0 if row else row_bytes)


class Scratch(NamedTuple):
    """Addresses of the vectors of a place in scratch memory, and the bytes between two of them."""

    tile: Int
    early: Int
    step: Int | int


class Once:
    """A load that is written at its first use, and known from then on."""

    def __init__(self, load: Load):
        self.load = load
        self.value: Vec | None = None

    def __call__(self) -> Vec:
        """Return the vector."""
        if self.value is None:
            self.value = self.load()
        return self.value


def vector_addresses(frame: Frame, form: Form, code: Code, block: Int) -> dict[str, Int]:
    """Return the addresses of the per-unit vectors."""
    return dict(zip(form.vectors, frame.read(code, block, *form.vectors), strict=True))


class Point:
    """One vector of units of one row at one step, forward or backward.

    Parameters
    ----------
    form : Form
    frame : Frame
    walk : Walk
    code : Code
        The function that is being written.
    block : Int
    hoisted : tuple of (Hoisted, Int)
        The nodes that were computed before, and their address.
    """

    def __init__(
        self,
        form: Form,
        frame: Frame,
        walk: Walk,
        code: Code,
        block: Int,
        hoisted: tuple[Hoisted, Int],
    ):
        self.form, self.frame, self.walk, self.code, self.block = form, frame, walk, code, block
        self.program = form.program
        self.b, self.h = frame.read(code, block, 'B', 'H')
        self.size = code.target.size
        nodes, start = hoisted
        vectors = vector_addresses(frame, form, code, block)
        self.fixed = vector_loads(code, form, vectors, self.h) | nodes.loads(code, start, self.h)

    def at_step(self, number: Int, steps: Int) -> Int:
        """Go to a step, by its number among those that are walked; return its time."""
        row = self.h * self.size
        whole = self.b * row
        self.t, back = number, 0 - whole
        if self.walk.reverse:
            self.t, back = steps - 1 - number, whole
        self.states = []
        # One loop does all steps, the first one too: its old state is found by a select, which
        # costs less than the code for a first step of its own.
        for k, one_row in enumerate(self.walk.rows):
            first, new = self.address(f'initial{k}', f'new{k}')
            new, before = self.places(k, new + self.t * whole, back, steps - 1 - number)
            self.states.append(State(first, one_row, new, before, number > 0, row))
        return self.t

    def places(self, k: int, new: Int, back: Int, left: Int) -> tuple[Int, Int]:
        """Return where state k is after this step, and after the step before.

        `new` and `back` are that place and the way to the other, if all steps are stored; `left`
        is the number of steps to come.
        """
        return new, new + back

    def address(self, *names: str) -> list[Int]:
        """Return addresses of the frame."""
        return self.frame.read(self.code, self.block, *names)

    def load(self, address: Int, lanes: Flag | None) -> Load:
        """Return a load that is written at its first use, and known from then on."""
        return Once(lambda: self.code.load(address, lanes))

    def known(self, r: Int, j: Int, lanes: Flag | None) -> dict[int, Load]:
        """Return how to load per-unit vectors, old states and what the step is given."""
        program = self.program
        known: dict[int, Load] = {
            node: (lambda load=load: load(j, lanes)) for node, load in self.fixed.items()
        }
        for k, state in enumerate(self.states):
            at = state.old + r * state.old_row + j * self.size
            known[program.input(f'state{k}')] = self.load(at, lanes)
        for k in range(n := self.form.n_direct):
            (start,) = self.address('direct')
            at = start + self.element(r, j, n, k)
            known[program.input(f'direct{k}')] = self.load(at, lanes)
        return known

    def element(self, r: Int, j: Int, blocks: int, k: int = 0) -> Int:
        """Return the byte of unit j, row r, block k in an array (T, B, blocks * H)."""
        row = (self.t * self.b + r) * (self.h * blocks)
        return (row + self.h * k + j) * self.size

    def real(self, r: Int) -> Flag:
        """Return whether row r of this time step is real, not padding."""
        return mask.is_real(self.code, self.address('mask')[0], self.t * self.b + r)

    def evaluate(self, outputs: Sequence[int], known: dict[int, Load]) -> list[Vec]:
        """Write the operations that give `outputs`."""
        values = self.program.evaluate(outputs, known, self.code.vec, OPERATIONS)
        return [self.code.vec(value) for value in values]


class ForwardPoint(Point):
    """New states and residuals from a tile and old states.

    Parameters
    ----------
    form, frame, walk, code, block, hoisted
        Those of `Point`.
    turns : dict of int to Int
        Of states whose last step alone is stored: room for one step. Steps are put there and into
        the output by turns, so that the last one is put into the output.
    early : list of int
        The nodes that are computed for all places of a panel before the rest of any.
    """

    def __init__(
        self,
        form: Form,
        frame: Frame,
        walk: Walk,
        code: Code,
        block: Int,
        hoisted: tuple[Hoisted, Int],
        turns: dict[int, Int],
        early: Sequence[int],
    ):
        super().__init__(form, frame, walk, code, block, hoisted)
        self.turns, self.early = turns, early

    def places(self, k: int, new: Int, back: Int, left: Int) -> tuple[Int, Int]:
        """Return where state k is after this step, and after the step before."""
        if k not in self.turns:
            return super().places(k, new, back, left)
        places = self.address(f'new{k}')[0], self.turns[k]
        to_output = (left % 2).equals(0)
        return to_output.pick(*places), to_output.pick(*places[::-1])

    def begin(self, r: Int, j: Int, scratch: Scratch) -> None:
        """Compute the early nodes of row r, units from j on."""

        def compute(lanes: Flag | None) -> None:
            values = self.evaluate(self.early, self._given(r, j, scratch, lanes))
            for k, value in enumerate(values):
                self.code.store(value, scratch.early + k * scratch.step)

        each_width(self.code, self.h - j, compute)

    def _given(self, r: Int, j: Int, scratch: Scratch, lanes: Flag | None) -> dict[int, Load]:
        """Return how to load what there is before this step, and its tiles."""
        known = self.known(r, j, lanes)
        for g in range(self.form.n_tiles):
            # No mask: a tile is in scratch memory, whose rows are whole vectors.
            at = scratch.tile + g * scratch.step
            known[self.program.input(f'tile{g}')] = self.load(at, None)
        return known

    def write(
        self, r: Int, j: Int, scratch: Scratch, residuals: Sequence[int], shown: bool
    ) -> None:
        """Compute row r, units from j on."""
        form, code = self.form, self.code

        def compute(lanes: Flag | None) -> None:
            known = self._given(r, j, scratch, lanes)
            for k, node in enumerate(self.early):
                known[node] = self.load(scratch.early + k * scratch.step, None)
            values = self.evaluate([*form.new, *residuals], known)
            if self.walk.masked:
                real, n = self.real(r), form.n_states
                old = [known[self.program.input(f'state{k}')]() for k in range(n)]
                values[:n] = mask.hold(real, values[:n], old)
                if shown:
                    (start,) = self.address('shown')
                    code.store(real.pick(values[0], 0.0), start + self.element(r, j, 1), lanes)
            place = (r * self.h + j) * self.size
            for state, value in zip(self.states, values, strict=False):
                code.store(value, state.new + place, lanes)
            for k, value in enumerate(values[form.n_states :]):
                (start,) = self.address('residual')
                code.store(value, start + self.element(r, j, len(residuals), k), lanes)

        each_width(code, self.h - j, compute)


class Gradients(NamedTuple):
    """Places of gradients in the backward loop.

    Attributes
    ----------
    given : sequence of bool
        For which states the caller gives a gradient.
    carries : list of Int
        Where the gradient by each state is passed from step to step, (B, H).
    d_tiles, partial : Int
        Where the gradients of tiles go, and the sums of those of vectors.
    shown : bool
        Whether the gradient that the caller gives for the first state counts only where a step is
        real.
    """

    given: Sequence[bool]
    carries: list[Int]
    d_tiles: Int
    partial: Int
    shown: bool


class BackwardPoint(Point):
    """Gradients of tiles, old states and vectors from those by later steps.

    Parameters
    ----------
    form, frame, walk, code, block, hoisted
        Those of `Point`.
    gradients : Gradients
    """

    def __init__(
        self,
        form: Form,
        frame: Frame,
        walk: Walk,
        code: Code,
        block: Int,
        hoisted: tuple[Hoisted, Int],
        gradients: Gradients,
    ):
        super().__init__(form, frame, walk, code, block, hoisted)
        self.given, self.carries, self.d_tiles, self.partial, self.shown = gradients

    def write(self, r: Int, j: Int, outputs: Sequence[int]) -> None:
        """Compute row r, units from j on."""
        form, code = self.form, self.code
        n, place = form.n_tiles, (r * self.h + j) * self.size

        def compute(lanes: Flag | None) -> None:
            known = self.known(r, j, lanes) | self._stored(r, j, lanes)
            upstream = [self._upstream(k, r, j, lanes) for k in range(form.n_states)]
            for k, value in enumerate(upstream):
                known[self.program.input(f'grad{k}')] = lambda value=value: value
            values = self.evaluate(outputs, known)
            if self.walk.masked:
                values = mask.pass_on(self.real(r), values, upstream, n)
            for k, value in enumerate(values[:n]):
                code.store(value, self.d_tiles + self.element(r, j, n, k), lanes)
            for carry, value in zip(self.carries, values[n:], strict=False):
                code.store(value, carry + place, lanes)
            # Each thread adds to rows of its own: atomic additions would be slow, and in another
            # order each time.
            for k, value in enumerate(values[n + form.n_states :]):
                at = self.partial + (self.h * k + j) * self.size
                code.store(code.load(at, lanes) + value, at, lanes)

        each_width(code, self.h - j, compute)

    def _stored(self, r: Int, j: Int, lanes: Flag | None) -> dict[int, Load]:
        """Return how to load what the forward has stored: new states and residuals."""
        form = self.form
        place, n = (r * self.h + j) * self.size, len(form.residuals)
        stored = {
            node: self.load(state.new + place, lanes)
            for node, state in zip(form.new, self.states, strict=True)
            if self.program.operands(node)
        }
        for k, node in enumerate(form.residuals):
            (start,) = self.address('residual')
            stored[node] = self.load(start + self.element(r, j, n, k), lanes)
        return stored

    def _upstream(self, k: int, r: Int, j: Int, lanes: Flag | None) -> Vec:
        """Return the gradient by new state k: that of later steps, and that of the caller."""
        # A state that the loss does not read has no gradient among the inputs.
        value = self.code.load(self.carries[k] + (r * self.h + j) * self.size, lanes)
        if self.given[k]:
            (start,) = self.address(f'd_new{k}')
            given = self.code.load(start + self.element(r, j, 1), lanes)
            value = value + (self.real(r).pick(given, 0.0) if self.shown and k == 0 else given)
        return value
