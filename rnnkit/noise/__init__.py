"""Random numbers inside a training step: drawn anew each time it runs, from one seed."""

from collections.abc import Sequence

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit.noise.ops import Advance, Codes, Draw, Drop
from rnnkit.noise.philox import STATE

__all__ = ['Noise']


class Noise:
    """The source of random numbers of one graph.

    Each number is a function of the seed, the number of the update, that of the draw within it,
    and its own place in the array. So there is nothing to keep but a seed and a count.

    Attributes
    ----------
    state : shared variable
        Four numbers of 32 bits: two of the seed, and two that count the updates.
    """

    def __init__(self) -> None:
        self.state = pytensor.shared(np.zeros(STATE, 'uint32'), 'noise', shape=(STATE,))
        self._draws = 0

    @property
    def updates(self) -> list[tuple[SharedVariable, TensorVariable]]:
        """The (variable, value) that a step must store, to draw other numbers the next time."""
        return [(self.state, Advance()(self.state))]

    def uniform(
        self, like: TensorVariable, axes: tuple[int, ...] | None = None, width: int | None = None
    ) -> TensorVariable:
        """Return numbers from [0, 1), of the dtype of `like`.

        Parameters
        ----------
        like : tensor
        axes : tuple of int, optional
            The axes of `like` whose lengths are those of the result; by default all.
        width : int, optional
            The length of one more axis.
        """
        return self._draw('uniform', like, axes, width)

    def normal(
        self, like: TensorVariable, axes: tuple[int, ...] | None = None, width: int | None = None
    ) -> TensorVariable:
        """Return numbers of mean 0 and deviation 1; parameters as in `uniform`."""
        return self._draw('normal', like, axes, width)

    def keep(
        self,
        rate: float | TensorVariable,
        like: TensorVariable,
        axes: tuple[int, ...] | None = None,
        width: int | None = None,
    ) -> TensorVariable:
        """Return 0 with probability `rate`, else 1 / (1 - rate): what dropout multiplies with."""
        kept = pt.ge(self.uniform(like, axes, width), rate)
        return pt.switch(kept, 1 / (1 - rate), 0).astype(like.dtype)

    def codes(
        self, rate: float | TensorVariable, like: TensorVariable, width: int, n: int
    ) -> TensorVariable:
        """Return whole numbers of `n` bits, of the dtype of `like`; a bit is 1 with `rate`.

        Parameters
        ----------
        rate : float or scalar tensor
        like : tensor of shape (T, B, I)
        width : int
            The result is of shape (T, B, width).
        n : int
            Bit k is one comparison of `uniform` with the rate, by a draw of its own.
        """
        rate = pt.as_tensor_variable(rate).astype(like.dtype)
        numbers = tuple(self._number() for _ in range(n))
        return Codes(numbers, width)(self.state, like, rate)

    def drop(self, x: TensorVariable, rate: float | TensorVariable) -> TensorVariable:
        """Return `x` times `keep`, in one pass."""
        rate = pt.as_tensor_variable(rate).astype(x.dtype)
        return Drop(self._number())(self.state, x, rate)[0]

    def _draw(
        self, law: str, like: TensorVariable, axes: tuple[int, ...] | None, width: int | None
    ) -> TensorVariable:
        axes = tuple(range(like.ndim)) if axes is None else axes
        return Draw(law, self._number(), like.dtype, axes, width)(self.state, like)

    def _number(self) -> int:
        self._draws += 1
        return self._draws

    def seed(self, seed: int | Sequence[int] | None) -> None:
        """Start from `seed`: a number, a sequence of numbers, or None for any."""
        key = np.random.SeedSequence(seed).generate_state(2)
        self.set_state([*key.tolist(), 0, 0])

    def get_state(self) -> list[int]:
        """Return the present state, as a list of whole numbers."""
        return self.state.get_value(borrow=True).tolist()

    def set_state(self, state: list[int]) -> None:
        """Continue from a state that `get_state` returned."""
        self.state.set_value(np.array(state, 'uint32'))
