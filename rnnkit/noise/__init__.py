"""Random numbers inside a training step: drawn anew each time it runs, from one seed."""

from collections.abc import Sequence

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.tensor import TensorVariable

from rnnkit.errors import ConfigError
from rnnkit.noise.ops import Advance, Codes, Draw, Drop
from rnnkit.noise.philox import STATE

__all__ = ['Noise']


class Noise:
    """The source of random numbers of one graph.

    Each number is a function of the seed, the number of the update, that of the draw within it,
    and its own place in the array. So there is nothing to keep but a seed and a count.

    Parameters
    ----------
    shared : bool
        Whether the graph is for batches that several processes `share`: each draws what one process
        draws for all of a batch. Otherwise its code is simpler, and compiled faster.

    Attributes
    ----------
    state : shared variable
        Four numbers of 32 bits: two of the seed, and two that count the updates.
    examples : shared variable, or None
        Two numbers: of the first example that is here, and of all in the batch; 0 if all are here.
    """

    def __init__(self, shared: bool = False) -> None:
        self.state = pytensor.shared(np.zeros(STATE, 'uint32'), 'noise', shape=(STATE,))
        none = np.zeros(2, 'int32')
        self.examples = pytensor.shared(none, 'examples', shape=(2,)) if shared else None
        self._draws = 0

    @property
    def updates(self) -> list[tuple[SharedVariable, TensorVariable]]:
        """The (variable, value) that a step must store, to draw other numbers the next time."""
        return [(self.state, Advance()(self.state))]

    def advance(self) -> None:
        """Go on as a step does that stores `updates`."""
        self.state.set_value(Advance().compute(self.state.get_value()))

    def uniform(
        self,
        like: TensorVariable,
        axes: tuple[int, ...] | None = None,
        width: int | None = None,
        examples: bool = True,
    ) -> TensorVariable:
        """Return numbers from [0, 1), of the dtype of `like`.

        Parameters
        ----------
        like : tensor
        axes : tuple of int, optional
            The axes of `like` whose lengths are those of the result; by default all.
        width : int, optional
            The length of one more axis.
        examples : bool
            Whether the last axis but one of `like` has the examples of a batch, as those of inputs
            and outputs of layers do. That of a parameter does not.
        """
        return self._draw('uniform', like, axes, width, examples)

    def normal(
        self,
        like: TensorVariable,
        axes: tuple[int, ...] | None = None,
        width: int | None = None,
        examples: bool = True,
    ) -> TensorVariable:
        """Return numbers of mean 0 and deviation 1; parameters as in `uniform`."""
        return self._draw('normal', like, axes, width, examples)

    def keep(
        self,
        rate: float | TensorVariable,
        like: TensorVariable,
        axes: tuple[int, ...] | None = None,
        width: int | None = None,
        examples: bool = True,
    ) -> TensorVariable:
        """Return 0 with probability `rate`, else 1 / (1 - rate): what dropout multiplies with."""
        kept = pt.ge(self.uniform(like, axes, width, examples), rate)
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
        return Codes(numbers, width)(self.state, like, rate, *self._inputs(True))

    def drop(
        self, x: TensorVariable, rate: float | TensorVariable, examples: bool = True
    ) -> TensorVariable:
        """Return `x` times `keep`, in one pass."""
        rate = pt.as_tensor_variable(rate).astype(x.dtype)
        more = self._inputs(examples and x.ndim > 1)
        return Drop(self._number())(self.state, x, rate, *more)[0]

    def _draw(
        self,
        law: str,
        like: TensorVariable,
        axes: tuple[int, ...] | None,
        width: int | None,
        examples: bool,
    ) -> TensorVariable:
        axes = tuple(range(like.ndim)) if axes is None else axes
        more = self._inputs(examples and like.ndim - 2 in axes)
        return Draw(law, self._number(), like.dtype, axes, width)(self.state, like, *more)

    def _inputs(self, examples: bool) -> list[SharedVariable]:
        return [self.examples] if examples and self.examples is not None else []

    def _number(self) -> int:
        self._draws += 1
        return self._draws

    def seed(self, seed: int | Sequence[int] | None) -> None:
        """Start from `seed`: a number, a sequence of numbers, or None for any."""
        key = np.random.SeedSequence(seed).generate_state(2)
        self.set_state([*key.tolist(), 0, 0])

    def share(self, first: int, total: int) -> None:
        """Draw for a part of each batch, the numbers that its examples get in the whole batch.

        The arrays of a part must have as many time steps as those of the whole batch. The part may
        be empty. JAX cannot draw for parts.

        Parameters
        ----------
        first : int
            The number of the part's first example in the batch.
        total : int
            How many examples the batch has; 0 if all of them are here.

        Raises
        ------
        ConfigError
            If this is not a `shared` source.
        """
        if self.examples is None:
            raise ConfigError(
                'Noise.share() is for the noise of a graph that has Noise(shared=True)'
            )
        self.examples.set_value(np.array([first, total], 'int32'))

    def get_state(self) -> list[int]:
        """Return the present state, as a list of whole numbers."""
        return self.state.get_value(borrow=True).tolist()

    def set_state(self, state: list[int]) -> None:
        """Continue from a state that `get_state` returned."""
        self.state.set_value(np.array(state, 'uint32'))
