"""The compiled update of the parameters by one batch."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytensor
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.common.compiled import Compiled
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer, StepGraph
from rnnkit.parallel import Team
from rnnkit.training.protocols import Batch, Monitors, State

if TYPE_CHECKING:
    from rnnkit.training.split_update import SplitUpdate


class TrainStep:
    """The compiled update for one objective and one update rule.

    Parameters
    ----------
    objective : Objective
    rule : Optimizer
    momentum, nesterov : bool
    noise : Noise, optional
        The source of the random numbers in the objective.
    watched : bool
        Whether updates report the gradients.
    split : bool
        Whether gradients are added to those of other processes before they are applied.

    Attributes
    ----------
    health : list of str
        The names of what updates report of the gradients, after all else.
    """

    finished = False  # only L-BFGS knows when it is done; others need early stopping

    def __init__(
        self,
        objective: Objective,
        rule: Optimizer,
        momentum: bool,
        nesterov: bool,
        noise: Noise | None = None,
        watched: bool = False,
        split: bool = False,
    ):
        self.objective, self.noise = objective, noise
        self.split: SplitUpdate | None = None
        self.update: Callable[..., list[np.ndarray]]

        def make_graph(objective: Objective) -> StepGraph:
            return StepGraph(objective, rule, momentum, nesterov, watched, split)

        if split:
            from rnnkit.training import split_update  # only programs of several processes load it

            self.update = self.split = split_update.SplitUpdate(objective, make_graph, noise)
            self.graph = self.split.graph
        else:
            self.graph = graph = make_graph(objective)
            updates = [*graph.updates, *objective.updates]
            self.update = Compiled('the train step', objective.inputs, graph.outputs, updates)
        self.health = self.graph.health

    def start(self, seed: object = 0, **hyperparameters: float) -> None:
        """Set the hyperparameters, and forget the last training.

        Parameters
        ----------
        seed : int, sequence of int, or None
            Drives what is random in an update.
        **hyperparameters : float
        """
        self.graph.reset()
        self.seed = seed
        self.changed: Monitors = {}
        if self.noise:
            self.noise.seed(seed)
        self.graph.set(**hyperparameters)

    def prepare(self, number: int, **hyperparameters: float) -> None:
        """Set what changes between updates; `number` of them have been made."""
        self.graph.draw(self.seed, number)
        if hyperparameters != self.changed:
            self.graph.set(**hyperparameters)
            self.changed = hyperparameters

    def join(self, team: Team, count: Callable[[Batch], int]) -> None:
        """Make updates together with other processes; `count` returns the examples of a batch."""
        if self.split is not None:
            self.split.join(team, count)

    def each(self, batches: Iterable[Batch], watched: bool) -> Iterable[Batch]:
        """Return the batches of an epoch, one after the other."""
        return batches if self.split is None else self.split.each(batches, watched)

    @property
    def variables(self) -> list[SharedVariable]:
        """The state of the rule."""
        return list(self.graph.slots.values())

    def end(self) -> None:
        """Do nothing: nothing is held that only a training needs."""

    def get_state(self) -> State:
        """Return what the next updates depend on, besides parameters and hyperparameters."""
        slots = {name: slot.get_value() for name, slot in self.graph.slots.items()}
        return {'rule': slots, 'noise': self.noise.get_state() if self.noise else None}

    def set_state(self, state: State) -> None:
        """Continue from what `get_state` returned."""
        if self.noise:
            self.noise.set_state(state['noise'])
        for name, slot in self.graph.slots.items():
            slot.set_value(state['rule'][name])

    def blame(self, batch: Batch) -> str:
        """Say which gradient is the first that is not finite on this batch."""
        if not all(array.size for array in batch):
            return ''  # there are fewer examples than processes
        params = self.objective.params
        gradients = pytensor.grad(self.objective.loss, params, disconnected_inputs='ignore')
        # The update itself does not return the gradients, so they are compiled for this message.
        function = Compiled('the gradients, for an error message', self.objective.inputs, gradients)
        for p, gradient in zip(params, function(*batch), strict=True):
            if not np.isfinite(gradient).all():
                return f'the gradient of {p.name!r} is not finite'
        if self.graph.probe is not None:
            return 'all parameters and gradients are finite, but maybe not a second derivative'
        return 'all parameters and their gradients are finite'
