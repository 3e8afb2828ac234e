"""The mathematics of a second derivative, of one vector of units at one place.

In: `Changes`, and where a kernel's arrays are. Out: the code of one row at one step, in the loop
forward and in the loop backward, see `rnnkit.kernels.recurrent.curvature_kernel`.
"""

from rnnkit.kernels.language.elements import each_width
from rnnkit.kernels.language.frame import Frame
from rnnkit.kernels.language.vector import Code, Flag, Int
from rnnkit.kernels.recurrent import mask
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.second_order import Changes
from rnnkit.kernels.recurrent.unit import Hoisted, Load, Point
from rnnkit.kernels.recurrent.walk import Walk


class CurvaturePoint(Point):
    """One vector of units of one row at one step, in either loop."""

    def __init__(
        self,
        form: Form,
        frame: Frame,
        walk: Walk,
        code: Code,
        block: Int,
        changes: Changes,
        areas: dict[str, Int],
    ):
        super().__init__(form, frame, walk, code, block, (Hoisted(form, [], set()), code.int(0)))
        self.changes, self.areas, self.n_states = changes, areas, form.n_states
        self.program = changes.program  # the form's, to which the changes were added

    def go(self, number: Int, steps: Int) -> None:
        """Go to a step by its number."""
        self.at_step(number, steps)
        row = self.h * self.size
        # The changes of old states are by the number of the step: those of step 0 come first.
        self.d_old = self.areas['d_old'] + number * self.b * row * self.n_states
        self.d_new = self.d_old + self.b * row * self.n_states

    def block_of(self, start: Int, r: Int, j: Int, blocks: int, k: int) -> Int:
        """Return the place of unit j of row r, block k in an array (B, blocks * H)."""
        return start + ((r * blocks + k) * self.h + j) * self.size

    def _change(self, r: Int, j: Int, lanes: Flag | None) -> dict[int, Load]:
        """Return how to load all that both loops read."""
        program, n = self.program, self.form.n_tiles
        places = {}
        for k in range(n):
            for name in ('tile', 'd_tile'):
                places[f'{name}{k}'] = self.areas[name] + self.element(r, j, n, k)
        for k in range(self.n_states):
            places[f'd_state{k}'] = self.block_of(self.d_old, r, j, self.n_states, k)
        for name, k in self.changes.moved_vectors:
            (start,) = self.address(f'd_{name}')
            places[f'd_{name}:{k}'] = start + (self.h * k + j) * self.size
        known = self.known(r, j, lanes)
        return known | {program.input(name): self.load(at, lanes) for name, at in places.items()}

    def ahead(self, r: Int, j: Int) -> None:
        """Compute the changes of the new states of row r, units from j on."""

        def compute(lanes: Flag | None) -> None:
            known = self._change(r, j, lanes)
            values = self.evaluate(self.changes.new, known)
            if self.walk.masked:
                inputs = [self.program.input(f'd_state{k}') for k in range(self.n_states)]
                values = mask.hold(self.real(r), values, [known[i]() for i in inputs])
            for k, value in enumerate(values):
                to = self.block_of(self.d_new, r, j, self.n_states, k)
                self.code.store(value, to, lanes)
                if f'd_new{k}' in self.frame.place:  # where it is an output
                    (start,) = self.address(f'd_new{k}')
                    self.code.store(value, start + self.element(r, j, 1), lanes)

        each_width(self.code, self.h - j, compute)

    def back(self, r: Int, j: Int) -> None:
        """Compute gradients and their changes for row r, units from j on."""
        changes, n, n_states = self.changes, self.form.n_tiles, self.n_states
        carries = [
            self.block_of(self.areas['carried'], r, j, 2 * n_states, k) for k in range(2 * n_states)
        ]

        def compute(lanes: Flag | None) -> None:
            code = self.code
            known = self._change(r, j, lanes)
            upstream = [code.load(at, lanes) for at in carries]
            for k in range(n_states):
                if f'given{k}' in self.frame.place:
                    (start,) = self.address(f'given{k}')
                    upstream[k] = upstream[k] + code.load(start + self.element(r, j, 1), lanes)
            for k, value in enumerate(upstream):
                name = f'grad{k}' if k < n_states else f'd_grad{k - n_states}'
                known[self.program.input(name)] = lambda value=value: value
            first = [*changes.d_tiles, *changes.d_states]
            second = [*changes.c_tiles, *changes.c_states, *changes.c_own]
            values = self.evaluate([*first, *second], known)
            values, moved = values[: len(first)], values[len(first) :]
            if self.walk.masked:
                real = self.real(r)
                values = mask.pass_on(real, values, upstream[:n_states], n)
                moved = mask.pass_on(real, moved, upstream[n_states:], n)
            for k in range(n):
                at = self.element(r, j, n, k)
                code.store(values[k], self.areas['tile'] + at, lanes)
                code.store(moved[k], self.areas['d_tile'] + at, lanes)
            own = moved[n + n_states :]
            for to, value in zip(carries, values[n:] + moved[n : n + n_states], strict=True):
                code.store(value, to, lanes)
            for k, value in enumerate(own):
                at = self.element(r, j, len(own), k)
                code.store(value, self.areas['own'] + at, lanes)

        each_width(self.code, self.h - j, compute)
