"""How far the gradient of a loss flows back in time, and whether it vanishes or explodes.

Each recurrent layer's output h_t gets a term e_t inside the recurrence, which is 0. The gradient
by e_t is then the total derivative of the loss by h_t: what comes from step t itself, and all
that comes back from later steps.
"""

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.cells import Cell
from rnnkit.common.compiled import Compiled, quickly
from rnnkit.common.progress import LOGGER
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.layers import Layer, Recurrent
from rnnkit.optimizers import Objective

VANISHING = 1e-4  # ratio of the norm at the first steps to that at the last
EXPLODING = 1e4
SHARE = 10  # the first and the last steps are each one tenth of all


class GradientFlow(dict):
    """The norm of the gradient at each time step, by the name of the recurrent layer.

    Attributes
    ----------
    verdicts : dict of str to str
        What is wrong, for layers where something is: see `verdict`.
    """

    def __init__(self, norms: dict[str, np.ndarray], verdicts: dict[str, str]):
        super().__init__(norms)
        self.verdicts = verdicts


class Flow:
    """The compiled gradient by the states of all recurrent layers.

    Parameters
    ----------
    graph : Graph
    build : callable
        Makes the objective of a dict of outputs.

    Attributes
    ----------
    terms : dict of str to tensor of shape (T, B, H)
        e for each recurrent layer, by its name; over time in the order in which steps are done.
    """

    def __init__(self, graph: Graph, build: Callable[[Outputs], Objective]):
        self.graph = graph
        self.terms: dict[str, TensorVariable] = {}
        self._layers: dict[str, Recurrent] = {}
        self._clocks: dict[str, str | None] = {}
        twin = copy(graph)
        twin.layers = [self._twin(layer, layer.name) for layer in graph.layers]
        # e_t comes with the input, of which kernels know nothing.
        with kernels.allowed(False), quickly():
            objective = build(twin.again())
            terms = list(self.terms.values())
            slopes = pytensor.grad(objective.loss, terms, disconnected_inputs='ignore')
        norms = [pt.sqrt(pt.sqr(slope).sum(axis=(1, 2))) for slope in slopes]
        self._norms = Compiled('the flow of the gradient', objective.inputs, norms)

    def _twin(self, layer: Layer, owner: str) -> Layer:
        """Return a layer with the same parameters, and with e where it is recurrent."""
        twin = copy(layer)
        if isinstance(layer, Recurrent):

            def unroll(cell, x, start, mask):  # the cell may have been wrapped, as by zoneout
                return layer._unroll(self._with_term(layer, cell), x, start, mask)

            twin._unroll = unroll
            self._layers[layer.name] = layer
            self._clocks[layer.name] = self.graph.plan.clock_of(f'{owner}:out', self.graph.by_name)
        elif layer.children:
            twins = {id(child): self._twin(child, owner) for child in layer.children}
            for name, value in vars(layer).items():
                if id(value) in twins:
                    setattr(twin, name, twins[id(value)])
        return twin

    def _with_term(self, layer: Recurrent, cell: Cell) -> Cell:
        """Return a layer's cell with an input that brings along e; a step adds it to the output."""
        twin, width = copy(cell), cell.widths(layer.size)[0]

        def project(x, p):
            z = cell.project(x, p)
            e = pt.zeros((z.shape[0], z.shape[1], width), dtype=z.dtype)
            self.terms[layer.name] = e
            return pt.concatenate([z, e], axis=-1)

        def step(z, s, p):
            new = cell.step(z[:, :-width], s, p)
            return new._replace(**{new._fields[0]: new[0] + z[:, -width:]})

        twin.project, twin.step = project, step
        return twin

    def __call__(self, batch: Sequence[np.ndarray]) -> GradientFlow:
        """Return the flow for a batch that has been checked."""
        norms, verdicts = {}, {}
        clocks = list(self.graph.masks)
        masks = dict(zip(clocks, batch[len(batch) - len(clocks) :], strict=True))
        with quickly():  # the first call compiles
            steps = self._norms(*batch)
        for name, found in zip(self.terms, steps, strict=True):
            order = slice(None, None, 1 if self._layers[name].causal else -1)
            mask = masks.get(self._clocks[name])
            wrong = verdict(found if mask is None else found[mask.any(axis=1)[order]])
            if wrong:
                verdicts[name] = wrong
            norms[name] = found[order].copy()
        return GradientFlow(norms, verdicts)


def verdict(norms: np.ndarray) -> str:
    """Say what is wrong with the norms of a gradient, in the order in which steps are done.

    Parameters
    ----------
    norms : array of shape (T,)

    Returns
    -------
    what : {'', 'vanishing', 'exploding', 'not finite'}
        It vanishes if the mean over the first tenth of the steps is less than ``VANISHING`` times
        that over the last tenth, and explodes if it is more than ``EXPLODING`` times that. Steps
        at the end, from which nothing reaches the loss, are left out.
    """
    if not np.isfinite(norms).all():
        return 'not finite'
    reached = np.flatnonzero(norms)
    if not reached.size:
        return 'vanishing'
    norms = norms[: reached[-1] + 1].astype('float64')
    n = -(-len(norms) // SHARE)
    first, last = norms[:n].mean(), norms[-n:].mean()
    if first < VANISHING * last:
        return 'vanishing'
    return 'exploding' if first > EXPLODING * last else ''


ADVICE = {
    'vanishing': 'the gradient vanishes: it is less than 1e-4 as large at the first steps as at '
    'the last, so that these are not learned from. An lstm or gru, or orthogonal weights, keep it',
    'exploding': 'the gradient explodes: it is more than 1e4 times as large at the first steps as '
    'at the last. A smaller max_gradient_norm or smaller recurrent weights keep it in bounds',
    'not finite': 'the gradient is not finite',
}


def sentence(layer: str, what: str) -> str:
    """Return a warning about a layer."""
    return f'layer {layer!r}: {ADVICE[what]}'


class Alarm:
    """Warns, once in a training, of layers whose gradient is not healthy.

    Parameters
    ----------
    flow : Flow
    """

    def __init__(self, flow: Flow):
        self.flow, self.rung = flow, False

    def __call__(self, batch: Sequence[np.ndarray]) -> None:
        """Look at the gradient for a batch, if there has been no warning yet."""
        if self.rung:
            return
        for name, what in self.flow(batch).verdicts.items():
            self.rung = True
            LOGGER.warning('%s. See net.gradient_flow()', sentence(name, what))
