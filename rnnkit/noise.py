"""Random numbers inside a training step: drawn anew each time it runs, from one seed."""

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable


class Noise:
    """The sources of random numbers of one graph.

    Attributes
    ----------
    updates : list of (shared variable, new value)
        What the step must store to draw other numbers the next time.
    """

    def __init__(self) -> None:
        self.updates: list[tuple[Any, TensorVariable]] = []

    def uniform(self, like: TensorVariable, *shape: Any) -> TensorVariable:
        """Return numbers from [0, 1) of this shape, and of the dtype of `like`."""
        return self._draw(pt.random.uniform, like, shape)

    def normal(self, like: TensorVariable, *shape: Any) -> TensorVariable:
        """Return numbers of mean 0 and deviation 1."""
        return self._draw(pt.random.normal, like, shape)

    def keep(self, rate: Any, like: TensorVariable, *shape: Any) -> TensorVariable:
        """Return 0 with probability `rate`, else 1 / (1 - rate): what dropout multiplies with."""
        kept = pt.ge(self.uniform(like, *shape), rate)
        return pt.switch(kept, 1 / (1 - rate), 0).astype(like.dtype)

    def _draw(self, rule: Any, like: TensorVariable, shape: tuple[Any, ...]) -> TensorVariable:
        rng = pytensor.shared(np.random.default_rng(0), f'noise {len(self.updates)}')
        size = shape or like.shape
        after, drawn = rule(size=size, rng=rng, dtype=like.dtype, return_next_rng=True)
        self.updates.append((rng, after))
        return drawn

    def seed(self, seed: Any) -> None:
        """Start all sources from `seed`, a number or a sequence of numbers."""
        for k, (rng, _) in enumerate(self.updates):
            rng.set_value(np.random.default_rng([*np.atleast_1d(seed), k]))

    def get_state(self) -> list[dict[str, Any]]:
        """Return where all sources are, as plain dicts."""
        return [rng.get_value(borrow=True).bit_generator.state for rng, _ in self.updates]

    def set_state(self, states: list[dict[str, Any]]) -> None:
        """Continue from where `get_state` was."""
        for (rng, _), state in zip(self.updates, states, strict=True):
            fresh = np.random.default_rng(0)
            fresh.bit_generator.state = state
            rng.set_value(fresh)
