"""Single time steps one after the other: the state stays in an object, and nothing is allocated."""

import numpy as np

from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag
from rnnkit.data.border import Border
from rnnkit.data.single import Form
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.inference.blame import not_finite
from rnnkit.inference.in_place import StepCode, StepInPlace
from rnnkit.inference.states import State
from rnnkit.kernels.runtime.slots import DONE, FAILED, WRONG_INPUT
from rnnkit.training.protocols import Inputs

WHERE = 'stepper()'


@checked_methods
class Stepper:
    """A network that reads sequences step by step and keeps the hidden state, for real time.

    `Network.stepper` makes it. A call copies the input to where compiled code reads it, and runs
    that code, which changes the state in place. It reads the parameters' current values, so that
    training, `load` and ``set_value`` take effect with the next step.

    A stepper belongs to one thread at a time. Those of one network do not affect each other.

    Parameters
    ----------
    code : StepCode
    border : Border
        That of the whole network.
    batch : int
        The number of sequences that are read side by side.

    Attributes
    ----------
    batch : int

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> net = rnnkit.Regressor([1, ('lstm', 3), 1], seed=0)
    >>> stepper = net.stepper()
    >>> for x_t in np.ones((20, 1, 1), 'float32'):
    ...     y_t = stepper(x_t)
    >>> y_t.shape, stepper.state['hid1'].c.shape
    ((1, 1), (1, 3))
    """

    def __init__(self, code: StepCode, border: Border, batch: int):
        self._stream, self._border, self.batch = code.stream, border, batch
        self._moves = code.moves
        self._step = StepInPlace(code, batch)
        self._run = self._step.run
        self._begun = False
        # What an input looks like that needs no conversion: only if there is one input.
        self._dtype, self._x = self._step.x[0].dtype, self._step.x[0][0]
        self._shape: tuple[int, ...] | None = None
        if not self._stream.course.fixed:  # else what an encoder returns is needed
            self._step.start(self._stream.begin([], batch))

    def __call__(self, x_t: Inputs, copy: bool = False) -> np.ndarray:
        """Return the output for the next time step, and advance the state.

        Parameters
        ----------
        x_t : array of shape (B, I), or (I,) for one series
            As in `Network.step`. An array (B, I) of the network's dtype is the quickest.
        copy : bool
            By default the same array is returned each time, and the next step overwrites it.
            True returns a new one.

        Returns
        -------
        y_t : array of shape (B, O), or (O,)
            For a classifier, the probabilities of the classes.

        Raises
        ------
        ShapeError
            If `x_t` has another number of examples, or other axes.
        DataError
            If `x_t` contains NaN, infinity or a token that does not exist, or the output or the
            new state is not a number. The state is then what it was before.
        """
        if (
            type(x_t) is np.ndarray
            and x_t.shape == self._shape  # None before the first step
            and x_t.dtype == self._dtype
        ):
            self._x[...] = x_t
            status = self._run()
            if status != DONE:
                self._explain(x_t, status)
        else:
            form = self._slow_step(x_t)
            if form.single:
                y = form.without_axes(self._step.y, 0, self._border.target.kind == 'labels')
                return y.copy() if flag(f'{WHERE}: copy', copy) else y
        if copy is False or not flag(f'{WHERE}: copy', copy):
            return self._step.y
        return self._step.y.copy()

    def _slow_step(self, x_t: Inputs) -> Form:
        """Make a step that begins a sequence, or whose input needs conversion."""
        clock, step = self._stream.course.clock, self._step
        border = self._moves if self._begun else self._border
        arrays, form = border.read_step(x_t, clock, WHERE)
        moves = [field.clock == clock for field in (*border.inputs, *border.masks)]
        now = [a for a, on in zip(arrays, moves, strict=True) if on][: len(step.x)]
        n = now[0].shape[1]
        if n != self.batch:
            raise ShapeError(
                f'{WHERE}: {self._moves.inputs[0].name} has {n} examples; this stepper is for '
                f'{self.batch}, as in net.stepper(batch={self.batch})'
            )
        if not self._begun:
            stays = [a for a, on in zip(arrays, moves, strict=True) if not on]
            step.start(self._stream.begin(stays, n))
        for place, array in zip(step.x, now, strict=True):
            place[...] = array
        status = step.run()
        if status != DONE:
            self._explain(x_t, status)
        self._begin()
        return form

    def _begin(self) -> None:
        self._begun = True
        if len(self._step.x) == 1:
            self._shape = self._x.shape

    def _explain(self, x_t: Inputs, status: int) -> None:
        """Raise the error that has stopped a step."""
        if status == FAILED and self._step.run_plainly() == DONE:  # else that raises the error
            return
        if status == WRONG_INPUT and self._begun:
            self._moves.read_step(x_t, self._stream.course.clock, WHERE)
        raise not_finite(WHERE, self._stream.graph)

    @property
    def state(self) -> State | None:
        """The hidden state, as a copy; None where the next step begins a sequence.

        It is what `Network.step` and ``predict(..., return_state=True)`` return, and can be set
        to whatever these take.
        """
        return self._stream.named(self._step.flat()) if self._begun else None

    @state.setter
    def state(self, state: State | None) -> None:
        if state is None:
            self.reset()
            return
        self._step.start(self._stream.read('stepper.state', state, self.batch))
        self._begin()

    def reset(self) -> None:
        """Begin a new sequence with the next step, from the initial state."""
        self._begun, self._shape = False, None

    def __reduce__(self) -> str:
        raise ConfigError(
            'a stepper cannot be copied or saved; make another one by net.stepper(), and set its '
            'state to the state of this one'
        )

    def __repr__(self) -> str:
        where = 'in a sequence' if self._begun else 'before a sequence'
        return f'<Stepper: batch of {self.batch}, {where}>'
