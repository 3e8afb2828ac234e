"""Gradient flow: the gradient of the loss by each hidden state, which may vanish or explode.

A term e_t, which is 0, is added to the output h_t of each recurrent layer inside the recurrence.
The gradient by e_t is then the total derivative of the loss by h_t: the direct effect of step t,
and all that is propagated back from later steps. (The gradient by the output of a scan is only
the direct effect.)
"""

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import kernels
from rnnkit.cells import Cell
from rnnkit.common import html, output_names
from rnnkit.common.calls import checked
from rnnkit.common.compiled import Compiled, quickly
from rnnkit.common.progress import LOGGER
from rnnkit.graph.graph import Graph, Outputs
from rnnkit.layers import Layer, Recurrent
from rnnkit.optimizers import Objective
from rnnkit.training.protocols import Batch

VANISHING = 1e-4  # ratio of the norm at the first steps to that at the last
EXPLODING = 1e4
SHARE = 10  # the first steps are the first tenth, the last steps the last tenth


class GradientFlow(dict):
    """The norm of the gradient at each time step, by the name of the recurrent layer.

    Attributes
    ----------
    verdicts : dict of str to {'vanishing', 'exploding', 'not finite'}
        The problem of each layer that has one, by its name: see `verdict`.
    """

    def __init__(self, norms: dict[str, np.ndarray], verdicts: dict[str, str]):
        super().__init__(norms)
        self.verdicts = verdicts

    @checked
    def plot(self, path: str | None = None, *, axes: object = None) -> Any:
        """Draw the norms over time; see `rnnkit.integrations.plots.gradient_flow`."""
        from rnnkit.integrations import plots

        return plots.gradient_flow(self, path, axes)

    def _repr_html_(self) -> str:
        from rnnkit.integrations import embedded

        names = list(self)
        rows = (None if k is None else self._row(names[k]) for k in html.cut(len(names)))
        head = ('layer', 'verdict', 'steps', 'first tenth', 'last tenth')
        return html.block(
            html.line(
                'norm of the gradient of the loss by the outputs of each step', 'Gradient flow:'
            ),
            html.table(head, rows, 2, html.left_out(len(names), 'layers')),
            embedded.gradient_flow(self),
        )

    def _row(self, name: str) -> tuple[str, ...]:
        n = -(-len(self[name]) // SHARE)
        means = (float(part.mean(dtype='float64')) for part in (self[name][:n], self[name][-n:]))
        found = self.verdicts.get(name, 'in order')
        return name, found, f'{len(self[name]):,}', *(html.number(mean, '.3g') for mean in means)


class Flow:
    """The compiled gradient by the hidden states of all recurrent layers.

    Parameters
    ----------
    graph : Graph
    build : callable
        Returns the objective for a dict of outputs.

    Attributes
    ----------
    terms : dict of str to tensor of shape (T, B, H)
        e for each recurrent layer, by its name; time steps in the order of computation.
    """

    def __init__(self, graph: Graph, build: Callable[[Outputs], Objective]):
        self.graph = graph
        self.terms: dict[str, TensorVariable] = {}
        self._layers: dict[str, Recurrent] = {}
        self._clocks: dict[str, str | None] = {}
        # The graph is built again from copies of the layers: what happens inside a scan cannot be
        # replaced from outside. The copies have the same parameters.
        twin = copy(graph)
        twin.layers = [self._twin(layer, layer.name) for layer in graph.layers]
        # Kernels compute a cell as it was written, without e_t in its input.
        with kernels.allowed(False), quickly():
            objective = build(twin.again())
            terms = list(self.terms.values())
            gradients = pytensor.grad(objective.loss, terms, disconnected_inputs='ignore')
        norms = [pt.sqrt(pt.sqr(gradient).sum(axis=(1, 2))) for gradient in gradients]
        self._norms = Compiled('the gradient flow', objective.inputs, norms)

    def _twin(self, layer: Layer, owner: str) -> Layer:
        """Return a copy of a layer with the same parameters, and with e where it is recurrent."""
        twin = copy(layer)
        if isinstance(layer, Recurrent):

            def unroll(  # gets the cell after it was wrapped, as by zoneout
                cell: Cell,
                x: TensorVariable,
                start: tuple[TensorVariable, ...] | None,
                mask: TensorVariable | None,
                sides: dict[str, TensorVariable],
            ) -> tuple[TensorVariable, ...]:
                return layer._unroll(self._with_term(layer, cell), x, start, mask, sides=sides)

            twin._unroll = unroll
            self._layers[layer.name] = layer
            main = output_names.join(owner)
            self._clocks[layer.name] = self.graph.plan.clock_of(main, self.graph.by_name)
        elif layer.children:
            twins = {id(child): self._twin(child, owner) for child in layer.children}
            for name, value in vars(layer).items():
                if id(value) in twins:
                    setattr(twin, name, twins[id(value)])
        return twin

    def _with_term(self, layer: Recurrent, cell: Cell) -> Cell:
        """Return a copy of a cell that reads e beside its input, and adds it to its output."""
        twin, width = copy(cell), layer.widths[0]

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

    def __call__(self, batch: Batch) -> GradientFlow:
        """Return the flow for a batch that has been checked."""
        norms, verdicts = {}, {}
        clocks = list(self.graph.masks)
        masks = dict(zip(clocks, batch[len(batch) - len(clocks) :], strict=True))
        with quickly():  # the first call compiles
            steps = self._norms(*batch)
        for name, computed in zip(self.terms, steps, strict=True):
            order = slice(None, None, 1 if self._layers[name].causal else -1)
            mask = masks.get(self._clocks[name])
            problem = verdict(computed if mask is None else computed[mask.any(axis=1)[order]])
            if problem:
                verdicts[name] = problem
            norms[name] = computed[order].copy()
        return GradientFlow(norms, verdicts)


def verdict(norms: np.ndarray) -> str:
    """Return whether a gradient vanishes or explodes.

    Parameters
    ----------
    norms : array of shape (T,)
        Its norms, in the order in which time steps are computed.

    Returns
    -------
    problem : {'', 'vanishing', 'exploding', 'not finite'}
        The gradient vanishes if the mean norm over the first tenth of the steps is less than
        ``VANISHING`` times that over the last tenth, and explodes if it is more than
        ``EXPLODING`` times that. Steps at the end that do not affect the loss are left out.
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
    'vanishing': 'the gradient vanishes: it is less than 1e-4 as large at the first time steps as '
    'at the last, so nothing is learned from the first ones. Try an lstm with an open forget gate, '
    "t_max=200 or b={'f': 3.0}, a gru, or orthogonal weights",
    'exploding': 'the gradient explodes: it is more than 1e4 times as large at the first time '
    'steps as at the last. Try a smaller max_gradient_norm or smaller recurrent weights',
    'not finite': 'the gradient is not finite',
}


def sentence(layer: str, problem: str) -> str:
    """Return a warning about a layer, for a verdict."""
    return f'layer {layer!r}: {ADVICE[problem]}'


class Alarm:
    """Warns, once in a training, of layers whose gradient vanishes, explodes or is not finite.

    Parameters
    ----------
    flow : Flow
    """

    def __init__(self, flow: Flow):
        self.flow, self.rung = flow, False

    def __call__(self, batch: Batch) -> None:
        """Check the gradient of a batch, unless there has been a warning already."""
        if self.rung:
            return
        for name, problem in self.flow(batch).verdicts.items():
            self.rung = True
            LOGGER.warning('%s. See net.gradient_flow()', sentence(name, problem))
