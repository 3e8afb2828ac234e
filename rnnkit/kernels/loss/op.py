"""PyTensor's view of losses: one Op for a mean of errors and its gradient.

In: symbolic output, target and weights, and a function that builds the plain graph. Out: the
symbolic mean, and the number or total weight of what it is a mean over. The softmax of a
classifier is here, too.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import node_rewriter
from pytensor.tensor.exceptions import NotScalarConstantError
from pytensor.tensor.rewriting.basic import register_specialize

from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.loss import class_weights, mean, softmax
from rnnkit.kernels.program.elementwise import Errors, read_errors
from rnnkit.kernels.program.program import Program, reason
from rnnkit.kernels.runtime.fused_op import FusedOp

log = logging.getLogger('rnnkit')

# (output, target, weights or None) -> the reports of the loss, by PyTensor's own Ops
Plain = Callable[[Variable, Variable, Variable | None], Sequence[Variable]]


class LossOp(FusedOp):
    """Reports of a loss, the mean error first; with `keep`, also its slope by the output.

    Parameters
    ----------
    plain : callable
        Builds the graph that this means.
    key : str
        Equal for losses that compute the same.
    weighted, keep : bool
    """

    __props__ = ('key', 'weighted', 'keep')
    n_reports = 2

    def __init__(self, plain: Plain, key: str, weighted: bool, keep: bool):
        self.plain, self.key, self.weighted, self.keep = plain, key, weighted, keep

    def leaner(self) -> 'LossOp':
        """Return the Op that does not keep the slope."""
        raise NotImplementedError

    def make_node(self, output: Variable, *others: Variable) -> Apply:
        """Return the node."""
        dtype = output.type.dtype
        reports = [pt.tensor(dtype=dtype, shape=()) for _ in range(self.n_reports)]
        return Apply(self, [output, *others], [*reports, *[output.type()] * self.keep])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the plain graph, and its gradient."""
        reports = list(self.plain(*inputs, *[None] * (not self.weighted)))
        return [*reports, *([grad(reports[0], inputs[0])] if self.keep else [])]

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return [()] * self.n_reports + [args[-1][0]] * self.keep

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs."""
        counts, slope = [False] * (self.n_reports - 1), [True] * self.keep
        numbers = node.inputs[1].type.dtype.startswith('float')
        target = [numbers, *counts, *(numbers and one for one in slope)]
        weights = [[True] * self.n_reports + slope] * self.weighted
        return [[True, *counts, *slope], target, *weights]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients: by the output from the slope, by others from the plain graph."""
        if not self.keep or not isinstance(gradients[-1].type, DisconnectedType):
            return super().pullback(inputs, outputs, gradients)  # the latter: second derivatives
        plain = super().pullback(
            inputs, outputs, [*gradients[: self.n_reports], disconnected_type()]
        )
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type(), *plain[1:]]
        # The forward kernel has computed this gradient in its one pass over the errors.
        slope = outputs[-1]
        return [slope if _is_one(gradients[0]) else slope * gradients[0], *plain[1:]]


def _is_one(gradient: Variable) -> bool:
    """Return whether a gradient is the constant 1, as it is where differentiation starts."""
    try:
        return pt.get_underlying_scalar_constant_value(gradient) == 1
    except NotScalarConstantError:
        return False


class MeanError(LossOp):
    """The mean of elementwise errors, and the number or total weight of them.

    Parameters
    ----------
    plain, weighted, keep
        As of any loss.
    program, nodes
        The error and its derivative by each part of the output.
    """

    kind = 'loss'

    def __init__(
        self, plain: Plain, program: Program, nodes: list[int], weighted: bool, keep: bool
    ):
        self.program, self.nodes = program, nodes
        text = repr((program.nodes, nodes))
        super().__init__(plain, hashlib.sha256(text.encode()).hexdigest()[:16], weighted, keep)

    def leaner(self) -> 'MeanError':
        """Return the Op that does not keep the slope."""
        return MeanError(self.plain, self.program, self.nodes, self.weighted, keep=False)

    def writer(self, node: Apply, target: Target) -> mean.Mean:
        """Return the writer of the kernel."""
        ndim = node.inputs[1].ndim
        return mean.Mean(self.program, self.nodes, target, ndim, self.weighted, self.keep)


class CrossEntropy(LossOp):
    """Mean cross-entropy of labels, their number or total weight, and the share of hits."""

    kind = 'cross_entropy'
    n_reports = 3

    def __init__(self, plain: Plain, weighted: bool, keep: bool, smoothing: float = 0.0):
        self.smoothing = smoothing
        super().__init__(plain, f'cross-entropy {smoothing!r}', weighted, keep)

    def leaner(self) -> 'CrossEntropy':
        """Return the Op that does not keep the slope."""
        return CrossEntropy(self.plain, self.weighted, False, self.smoothing)

    def writer(self, node: Apply, target: Target) -> softmax.CrossEntropy:
        """Return the writer of the kernel."""
        axes = node.inputs[0].ndim
        return softmax.CrossEntropy(target, axes, self.weighted, self.keep, self.smoothing)


class ClassWeights(FusedOp):
    """The weights of labels, from those of the classes."""

    __props__ = ()
    kind = 'class_weights'

    def make_node(self, classes: Variable, labels: Variable, *weights: Variable) -> Apply:
        """Return the node."""
        shape = labels.type.shape
        out = pt.tensor(dtype=classes.type.dtype, shape=shape)
        return Apply(self, [classes, labels, *weights], [out])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the plain graph."""
        classes, labels, *weights = inputs
        return [classes[labels] * weights[0] if weights else classes[labels]]

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the shape of the labels; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][1]]

    def writer(self, node: Apply, target: Target) -> class_weights.ClassWeights:
        """Return the writer of the kernel."""
        return class_weights.ClassWeights(target, node.outputs[0].ndim, len(node.inputs) > 2)


class Softmax(FusedOp):
    """Probabilities of classes, over the last axis."""

    __props__ = ()
    kind = 'softmax'

    def make_node(self, z: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [z], [z.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return PyTensor's own softmax."""
        return [pt.special.softmax(inputs[0], axis=-1)]

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return args[-1]

    def writer(self, node: Apply, target: Target) -> softmax.Softmax:
        """Return the writer of the kernel."""
        return softmax.Softmax(target, node.inputs[0].ndim)


@register_specialize
@node_rewriter([LossOp])
def drop_slope(fgraph: FunctionGraph, node: Apply) -> dict[Variable, Variable] | bool:
    """Do not keep the slope, if there is no gradient that reads it."""
    op = node.op
    if not isinstance(op, LossOp) or not op.keep or fgraph.clients[node.outputs[-1]]:
        return False
    lean = op.leaner()(*node.inputs, return_list=True)
    return dict(zip(node.outputs, lean, strict=False))


def _tensors(*values: object) -> list[Variable]:
    """Return arrays and tensors as tensors, without those that are None."""
    return [pt.as_tensor_variable(value) for value in values if value is not None]


def mean_error(
    errors: Errors,
    plain: Plain,
    output: Variable,
    target: Variable,
    weights: Variable | None,
    n_parts: int = 1,
) -> list[Variable] | None:
    """Return the mean error and what it is a mean over; None if there is no kernel for it."""
    inputs = _tensors(output, target, weights)
    if len({v.type.dtype for v in inputs}) > 1 or output.type.dtype not in ('float32', 'float64'):
        return None
    # A length of 1 that is known beforehand may be meant to be repeated.
    patterns = {tuple(n == 1 for n in v.type.shape) for v in inputs[n_parts > 1 :]}
    patterns |= {(*(n == 1 for n in output.type.shape[:-1]), one[-1]) for one in patterns}
    if output.ndim not in (1, 2, 3) or len(patterns) > 1:
        return None
    try:
        program, nodes = read_errors(errors, output.ndim, n_parts)
    except Exception as why:  # the errors may be any code, and do anything on such arrays
        log.debug('a loss keeps its plain graph: %s', reason(why))
        return None
    op = MeanError(plain, program, nodes, weights is not None, keep=True)
    return op(*inputs, return_list=True)[:2]


def weights_of_classes(
    classes: Variable, labels: Variable, weights: Variable | None
) -> Variable | None:
    """Return the weights of labels by a kernel, or None if there is none."""
    inputs = _tensors(classes, labels, weights)
    fits = classes.type.dtype in ('float32', 'float64') and labels.type.dtype == 'int64'
    fits = fits and labels.ndim in (1, 2)
    if weights is not None:
        fits = fits and (weights.ndim, weights.type.dtype) == (labels.ndim, classes.type.dtype)
    return ClassWeights()(*inputs) if fits else None


def cross_entropy(
    plain: Plain,
    output: Variable,
    target: Variable,
    weights: Variable | None,
    smoothing: float = 0.0,
) -> list[Variable] | None:
    """Return mean cross-entropy, what it is a mean over, and the share of hits; or None."""
    inputs = _tensors(output, target, weights)
    kinds = [(v.type.dtype, v.ndim) for v in inputs]
    dtype, ndim = kinds[0]
    if dtype not in ('float32', 'float64') or ndim not in (2, 3):
        return None
    if kinds[1:] != [('int64', ndim - 1), (dtype, ndim - 1)][: len(kinds) - 1]:
        return None
    op = CrossEntropy(plain, weights is not None, True, smoothing)
    return op(*inputs, return_list=True)[:3]


def probabilities(z: Variable) -> Variable | None:
    """Return the softmax over the last axis by a kernel, or None if there is none."""
    fits = z.type.dtype in ('float32', 'float64') and z.ndim in (2, 3)
    return Softmax()(z) if fits else None
