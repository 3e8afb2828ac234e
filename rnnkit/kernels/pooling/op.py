"""PyTensor's view of pooling over time: one Op for the result, and one for its gradient.

In: symbolic steps, what was kept of earlier ones, and a mask. Out: the symbolic result, what is
to be kept, and the number of steps; or None, if there is no kernel for it.
"""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type, grad
from pytensor.graph.basic import Apply, Variable

from rnnkit.common.pooled import PLAIN, Kept
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.pooling import writers
from rnnkit.kernels.runtime.fused_op import FusedOp


class Pool(FusedOp):
    """Steps (T, B, H), and what `carried` and `masked` add -> result, what is kept, count.

    Parameters
    ----------
    what : {'mean', 'max'}
    masked : bool
        Whether a mask (T, B) is the last input.
    carried : bool
        Whether what was kept of earlier steps, (B, H), and their number, (B, 1), follow the steps.
    """

    __props__ = ('what', 'masked', 'carried')
    kind = 'pooling'

    def __init__(self, what: str, masked: bool, carried: bool):
        self.what, self.masked, self.carried = what, masked, carried

    def make_node(self, x: Variable, *others: Variable) -> Apply:
        """Return the node."""
        kind, (_, b, h) = x.type.dtype, x.type.shape
        outputs = [pt.tensor(dtype=kind, shape=shape) for shape in [(b, h), (b, h), (b, 1)]]
        return Apply(self, [x, *others], outputs)

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        x, *others = inputs
        kept: Kept | None = (others[0], others[1]) if self.carried else None
        return PLAIN[self.what](x, kept, others[-1] if self.masked else None)

    def writer(self, node: Apply, target: Target) -> writers.Pool:
        """Return the writer of the kernel."""
        return writers.Pool(target, self.what, self.masked, self.carried)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        _, b, h = args[-1][0]
        return [(b, h), (b, h), (b, 1)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs have a derivative by which inputs: counts have none."""
        values, numbers = [True, True, False], [False] * 3
        return [values, *[values, numbers] * self.carried, *[numbers] * self.masked]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradient by the steps, by a kernel where only the result has one."""
        result, kept, _ = gradients
        alone = isinstance(kept.type, DisconnectedType) and not self.carried
        if not alone or isinstance(result.type, DisconnectedType):
            found = super().pullback(inputs, outputs, [result, kept, disconnected_type()])
            pattern = self.connection_pattern(outputs[0].owner)
            return [
                one if any(row) else disconnected_type()
                for one, row in zip(found, pattern, strict=True)
            ]
        x, *mask = inputs
        slope = PoolGradient(self.what, self.masked)(result, x, outputs[0], outputs[2], *mask)
        return [slope, *[disconnected_type() for _ in mask]]


class PoolGradient(FusedOp):
    """The gradient of the result by the steps, given that by the result.

    The inputs are the latter, the steps, the result, the number of steps, and the mask.
    """

    __props__ = ('what', 'masked')
    kind = 'pooling_gradient'

    def __init__(self, what: str, masked: bool):
        self.what, self.masked = what, masked

    def make_node(self, slope: Variable, x: Variable, *others: Variable) -> Apply:
        """Return the node."""
        return Apply(self, [slope, x, *others], [x.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the gradient of PyTensor's own Ops."""
        slope, x, _, _, *mask = inputs
        result = PLAIN[self.what](x, None, mask[0] if mask else None)[0]
        return grad(None, [x], known_grads={result: slope}, disconnected_inputs='ignore')

    def writer(self, node: Apply, target: Target) -> writers.PoolGradient:
        """Return the writer of the kernel."""
        return writers.PoolGradient(target, self.what, self.masked)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        return [args[-1][1]]


def pool(
    what: str, x: Variable, kept: Kept | None = None, mask: Variable | None = None
) -> list[Variable] | None:
    """Return the result, what is to be kept and the number of steps; None without a kernel."""
    inputs = [v for v in (x, *(kept or ()), mask) if v is not None]
    dtypes = {v.type.dtype for v in inputs}
    if len(dtypes) > 1 or not dtypes <= {'float32', 'float64'}:
        return None
    return Pool(what, mask is not None, kept is not None)(*inputs, return_list=True)
