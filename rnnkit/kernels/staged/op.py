"""PyTensor's view of the staged loops: one Op for a sequence, one for its gradients.

In: the projected input of an unrolled cell, its `StagedForm`, and a function that builds the scan.
Out: the symbolic states.

Second derivatives are those of the scan.
"""

from collections.abc import Sequence
from typing import TypeVar

from pytensor.graph.basic import Apply

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.language.writer import Writer
from rnnkit.kernels.recurrent.loop_op import GradientOp, LoopOp, Scan, ScanOp, register_lean
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.arrays_of import inputs_of
from rnnkit.kernels.staged.backward import StagedBackward
from rnnkit.kernels.staged.elementwise_backward import ElementwiseBackward
from rnnkit.kernels.staged.elementwise_forward import ElementwiseForward
from rnnkit.kernels.staged.form import StagedForm
from rnnkit.kernels.staged.forward import StagedForward

T = TypeVar('T')


class StagedOp(LoopOp):
    """Base of the forward and of the gradient Op, which start with the same inputs."""

    form: StagedForm

    @property
    def names(self) -> list[str]:
        """Return the names of the inputs of the forward."""
        return [array.name for array in inputs_of(self.form, self.walk)]


class StagedScan(StagedOp, ScanOp):
    """All steps of a cell: z, what steps are given, parameters, initial states, mask -> states."""

    __props__ = ('key', 'walk', 'keep', 'whole')

    def widths(self, shapes: Sequence[Sequence[T]]) -> list[T]:
        """Return the number of units of each state, given the shapes of the inputs."""
        _, _, first, *_ = self.unpack(shapes)
        return [shape[1] for shape in first]

    def private(self, shapes: Sequence[Sequence[T]]) -> T:
        """Return the number of columns of what is kept for the gradient."""
        form = self.form
        widths = form.widths(dict(zip(self.names, shapes, strict=True)))
        return sum(widths[form.lengths[node]] for node in form.residuals)

    def gradient(self, given: tuple[bool, ...]) -> 'StagedGradient':
        """Return the Op of the gradients."""
        return StagedGradient(self.form, self.scan, self.walk, given)

    def writer(self, node: Apply, target: Target) -> Writer:
        """Return the writer of the kernel."""
        kind = StagedForward if self.form.cuts else ElementwiseForward
        return kind(self.form, target, self.walk, self.keep, self.whole)


class StagedGradient(StagedOp, GradientOp):
    """Gradients of all steps: inputs and outputs of the forward, and gradients by its states.

    Parameters
    ----------
    form, scan, walk
        As for `ScanOp`.
    given : tuple of bool
        For which states the gradient is an input.
    """

    __props__ = ('key', 'walk', 'given')

    def __init__(self, form: StagedForm, scan: Scan, walk: Walk, given: tuple[bool, ...]):
        self.form, self.scan, self.key, self.walk = form, scan, form.digest, walk
        self.given = given

    def writer(self, node: Apply, target: Target) -> Writer:
        """Return the writer of the kernel."""
        kind = StagedBackward if self.form.cuts else ElementwiseBackward
        return kind(self.form, target, self.walk, self.given)


register_lean(StagedScan)
