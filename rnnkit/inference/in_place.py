"""One time step of a network on arrays that stay where they are."""

from itertools import count

import numpy as np

from rnnkit.data.border import Border
from rnnkit.inference.blame import is_finite, is_nan
from rnnkit.inference.streaming import Stream
from rnnkit.kernels.runtime import slots
from rnnkit.kernels.runtime.in_place import Entry, Table
from rnnkit.kernels.runtime.plan import Plan
from rnnkit.kernels.runtime.plan_in_place import PlanEntry, PlanTable
from rnnkit.kernels.runtime.slots import DONE, WRONG_INPUT, WRONG_RESULT, Slot


class StepCode:
    """A compiled step that all users of a network share.

    Parameters
    ----------
    stream : Stream
    moves : Border
        That of the inputs that have the time axis of the output.
    """

    def __init__(self, stream: Stream, moves: Border):
        self.stream, self.moves = stream, moves
        self._entry: Entry | PlanEntry | None = None

    def entry(self, compiles: bool) -> Entry | PlanEntry | None:
        """Return what runs the step in place, once the stream has run; None if nothing can.

        Only if `compiles`, a function is compiled for that where it is needed.
        """
        if self._entry is None:
            try:
                self._entry = self._make(compiles)
            except TypeError:  # another backend than Numba, or arguments that are not arrays
                return None
        return self._entry

    def _make(self, compiles: bool) -> Entry | PlanEntry:
        stream, fields = self.stream, self.moves.inputs
        function, n_states = stream.advance.function, len(stream.sizes)
        if stream.advance.order != list(range(1 + n_states)):
            raise TypeError('two results are the same array')
        code = getattr(function.vm, 'jit_fn', None)
        if code is None or not (compiles or isinstance(code, Plan)):
            raise TypeError(f'{code!r} cannot run in place')
        checks = [slots.INDEX if field.kind == 'words' else slots.FINITE for field in fields]
        checks += [slots.ANY] * (len(self.moves.masks) + len(stream.course.fixed))
        checks += [slots.FINITE] * n_states
        cells = [cell[0] for cell in function.vm.inputs]
        checks += [slots.ANY] * (len(cells) - len(checks))  # parameters, and constants
        kinds = [(v.type.dtype, v.type.ndim) for v in function.maker.fgraph.inputs]
        kinds += [(cell.dtype.name, cell.ndim) for cell in cells[len(kinds) :]]
        arguments = [Slot(*kind, check) for kind, check in zip(kinds, checks, strict=True)]
        dtype = stream.dtype
        axes = 2 if stream.course.answers else 3
        results = [Slot(dtype, axes, slots.NUMBER), *[Slot(dtype, 2, slots.FINITE)] * n_states]
        if isinstance(code, Plan):
            return PlanEntry(code, arguments, results)
        return Entry(getattr(code, 'function', code), arguments, results)

    def param_cells(self, n_given: int) -> list[list[np.ndarray]]:
        """Return the places where PyTensor keeps the parameters, after `n_given` arguments."""
        return self.stream.advance.function.vm.inputs[n_given:]


class StepInPlace:
    """The step, with arrays for its inputs, its output and the state.

    Parameters
    ----------
    code : StepCode
    batch : int
        The number of examples.
    compiles : bool
        Whether a function may be compiled for it.

    Attributes
    ----------
    x : list of arrays of shape (1, B, I)
        The inputs; (1, B) for tokens.
    state : list of arrays of shape (B, size)
    y : array of shape (B, O)
        There is none before `start`.
    """

    y: np.ndarray

    def __init__(self, code: StepCode, batch: int, compiles: bool = True):
        self._compiles = compiles
        self.code, self.stream, fields = code, code.stream, code.moves.inputs
        shapes = [(1, batch, field.size)[: field.ndim] for field in fields]
        self.x = [np.zeros(s, f.dtype) for s, f in zip(shapes, fields, strict=True)]
        self._masks = [np.ones((1, batch), field.dtype) for field in code.moves.masks]
        self._fixed: list[np.ndarray] = []
        self.state = [np.zeros((batch, size), self.stream.dtype) for size in self.stream.sizes]
        self._out: np.ndarray | None = None  # (1, B, O), or (B, O) without time
        self._table: Table | PlanTable | None = None

    def start(self, flat: list[np.ndarray]) -> None:
        """Copy a state, as `Stream.run` expects it; the first time, compile the step."""
        n = len(self.stream.course.fixed)
        self._fixed = [np.array(array, order='C') for array in flat[:n]]
        for array, value in zip(self.state, flat[n:], strict=True):
            array[...] = value
        if self._out is None:
            self._prepare()
        elif self._table is not None:
            for k, array in enumerate(self._fixed, len(self.x) + len(self._masks)):
                self._table.put(k, array)

    @property
    def is_quick(self) -> bool:
        """Whether a step is one call of compiled code, after `start`."""
        return self._table is not None

    def flat(self) -> list[np.ndarray]:
        """Return a copy of the state, as `Stream.run` returns it."""
        return [array.copy() for array in (*self._fixed, *self.state)]

    def _prepare(self) -> None:
        out, _ = self._advance()
        self._out = np.empty_like(out, order='C')
        self.y = self._out if self.stream.course.answers else self._out[0]
        entry = self.code.entry(self._compiles)
        if entry is None:
            return
        self._table, slot = entry.table(), count()
        self._call = self._table.call
        for field, array in zip(self.code.moves.inputs, self.x, strict=True):
            self._table.put(next(slot), array, field.size)
        for array in (*self._masks, *self._fixed, *self.state):
            self._table.put(next(slot), array)
        self._first_param = next(slot)
        self._cells = self.code.param_cells(self._first_param)
        self._find_params()
        for k, array in enumerate((self._out, *self.state), self._first_param + len(self._cells)):
            self._table.put(k, array)

    def _find_params(self) -> None:
        """Read where the parameters are: a new value may be another array."""
        for k, cell in enumerate(self._cells, self._first_param):
            if not cell[0].flags.c_contiguous:
                cell[0] = np.array(cell[0], order='C')
            self._table.put(k, cell[0])
        self._watched = [(cell, cell[0]) for cell in self._cells]

    def run(self) -> int:
        """Compute the step; return `DONE`, or why `y` and `state` are as they were."""
        if self._table is None:
            return self.run_plainly()
        for cell, array in self._watched:
            if cell[0] is not array:
                self._find_params()
                break
        return self._call()

    def run_plainly(self) -> int:
        """Compute the step by a usual call, for backends other than Numba."""
        for field, x in zip(self.code.moves.inputs, self.x, strict=True):
            if field.kind == 'words' and not 0 <= x.min() <= x.max() < field.size:
                return WRONG_INPUT
            if field.kind != 'words' and not is_finite(x):
                return WRONG_INPUT
        out, state = self._advance()
        if is_nan(out) or not all(map(is_finite, state)):
            return WRONG_RESULT
        self._out[...] = out
        for array, value in zip(self.state, state, strict=True):
            array[...] = value
        return DONE

    def _advance(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the output and the new state."""
        out, flat = self.stream.run([*self.x, *self._masks], [*self._fixed, *self.state])
        return out, flat[len(self._fixed) :]
