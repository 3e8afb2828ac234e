"""One update, compiled, and what is to be set before it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor

from rnnkit.common.compiled import Compiled
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer, StepGraph


class TrainStep:
    """The compiled functions for one objective and one kind of update.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
    noise : Noise, optional
        Where the random numbers of the objective come from.
    watched : bool
        Whether updates report about the gradients.

    Attributes
    ----------
    health : list of str
        What they report about the gradients, after all else.
    """

    finished = False  # whether there is nothing more to gain; patience finds out

    def __init__(
        self,
        objective: Objective,
        rule: Optimizer,
        momentum: bool,
        nesterov: bool,
        noise: Noise | None = None,
        watched: bool = False,
    ):
        self.objective, self.noise = objective, noise
        self.graph = StepGraph(objective, rule, momentum, nesterov, watched)
        self.health = list(self.graph.health)
        self.update = Compiled(
            'the train step',
            objective.inputs,
            self.graph.outputs,
            [*self.graph.updates, *objective.updates],
        )

    def start(self, seed: Any = 0, **hyper: float) -> None:
        """Set the hyper-parameters, and forget what the last training left behind.

        Parameters
        ----------
        seed : int, sequence of int, or None
            Drives what is random in an update.
        **hyper : float
        """
        self.graph.reset()
        self.seed, self.changed = seed, {}
        if self.noise:
            self.noise.seed(seed)
        self.graph.set(**hyper)

    def prepare(self, number: int, **hyper: float) -> None:
        """Set what changes from one update to the next; `number` of them have been made."""
        self.graph.draw(self.seed, number)
        if hyper != self.changed:
            self.graph.set(**hyper)
            self.changed = hyper

    def end(self) -> None:
        """Do nothing: there is nothing that only a training needs."""

    def get_state(self) -> dict[str, Any]:
        """Return what the next updates depend on, besides parameters and hyper-parameters."""
        state: dict[str, Any] = {n: slot.get_value() for n, slot in self.graph.slots.items()}
        return {'rule': state, 'noise': self.noise.get_state() if self.noise else None}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        if self.noise:
            self.noise.set_state(state['noise'])
        for name, slot in self.graph.slots.items():
            slot.set_value(state['rule'][name])

    def blame(self, batch: Sequence[np.ndarray]) -> str:
        """Say which parameter or gradient is the first that is not finite on this batch."""
        params = self.objective.params
        for p in params:
            if not np.isfinite(p.get_value(borrow=True)).all():
                return f'parameter {p.name!r} is not finite'
        gradients = pytensor.grad(self.objective.loss, params, disconnected_inputs='ignore')
        found = Compiled('the gradients, to find what went wrong', self.objective.inputs, gradients)
        for p, gradient in zip(params, found(*batch), strict=True):
            if not np.isfinite(gradient).all():
                return f'the gradient of {p.name!r} is not finite'
        if self.graph.probe is not None:
            return 'all parameters and gradients are finite, but maybe not a second derivative'
        return 'all parameters and their gradients are finite'
