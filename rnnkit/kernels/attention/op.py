"""PyTensor's view of attention: one Op for weights, one for weighted means, and their gradients.

In: symbolic queries, keys, values and a mask. Out: the symbolic weights and means, as
`rnnkit.common.attended` describes them; or None, if there is no kernel for them.
"""

from collections.abc import Sequence

import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable

from rnnkit.common import attended
from rnnkit.kernels.attention import writers
from rnnkit.kernels.language.vector import Target
from rnnkit.kernels.runtime.fused_op import FusedOp


class Weights(FusedOp):
    """Queries (T, B, A), keys (S, B, A), v (A,) if `additive`, and a mask -> weights (T, B, S)."""

    __props__ = ('additive', 'masked')
    kind = 'attention'

    def __init__(self, additive: bool, masked: bool):
        self.additive, self.masked = additive, masked

    def make_node(self, queries: Variable, keys: Variable, *others: Variable) -> Apply:
        """Return the node."""
        shape = (*queries.type.shape[:2], keys.type.shape[0])
        weights = pt.tensor(dtype=queries.type.dtype, shape=shape)
        return Apply(self, [queries, keys, *others], [weights])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        queries, keys, *others = inputs
        v, mask = others[0] if self.additive else None, others[-1] if self.masked else None
        return [attended.weigh(queries, keys, v, mask)]

    def writer(self, node: Apply, target: Target) -> writers.Weights:
        """Return the writer of the kernel."""
        return writers.Weights(target, self.additive, self.masked)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        (t, b, _), (s, *_), *_ = args[-1]
        return [(t, b, s)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the mask has no derivative."""
        return [*[[True]] * (2 + self.additive), *[[False]] * self.masked]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by queries, keys and v: one node for all."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        own, masks = inputs[: 2 + self.additive], inputs[2 + self.additive :]
        found = WeightsGradient(self.additive)(gradients[0], outputs[0], *own, return_list=True)
        return [*found, *[disconnected_type() for _ in masks]]


class WeightsGradient(FusedOp):
    """The gradients by queries, keys and v, from that by the weights, the weights, and these."""

    __props__ = ('additive',)
    kind = 'attention_gradient'

    def __init__(self, additive: bool):
        self.additive = additive

    def make_node(self, slope: Variable, weights: Variable, *others: Variable) -> Apply:
        """Return the node; a gradient is like its input."""
        return Apply(self, [slope, weights, *others], [v.type() for v in others])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return products and sums."""
        slope, weights, queries, keys, *v = inputs
        mean = (slope * weights).sum(axis=-1, keepdims=True)
        by_scores = (weights * (slope - mean)).swapaxes(0, 1)  # (B, T, S)
        if not self.additive:
            by_queries = pt.matmul(by_scores, keys.swapaxes(0, 1))
            by_keys = pt.matmul(by_scores.swapaxes(1, 2), queries.swapaxes(0, 1))
            return [by_queries.swapaxes(0, 1), by_keys.swapaxes(0, 1)]
        u = pt.tanh(attended.pairs(queries, keys))  # (B, T, S, A)
        by_sums = by_scores[..., None] * v[0] * (1 - u * u)
        return [
            by_sums.sum(axis=2).swapaxes(0, 1),
            by_sums.sum(axis=1).swapaxes(0, 1),
            (by_scores[..., None] * u).sum(axis=(0, 1, 2)),
        ]

    def writer(self, node: Apply, target: Target) -> writers.WeightsGradient:
        """Return the writer of the kernel."""
        return writers.WeightsGradient(target, self.additive)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return list(args[-1][2:])


class Means(FusedOp):
    """Weights (T, B, S) and values (S, B, M) -> weighted means (T, B, M)."""

    __props__ = ()
    kind = 'attention_means'

    def make_node(self, weights: Variable, values: Variable) -> Apply:
        """Return the node."""
        shape = (*weights.type.shape[:2], values.type.shape[2])
        return Apply(self, [weights, values], [pt.tensor(dtype=weights.type.dtype, shape=shape)])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return the same by PyTensor's own Ops."""
        return [attended.mix(*inputs)]

    def writer(self, node: Apply, target: Target) -> writers.Means:
        """Return the writer of the kernel."""
        return writers.Means(target)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the output's shape; PyTensor before 3.3 passes the graph as well."""
        (t, b, _), (*_, m) = args[-1]
        return [(t, b, m)]

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], gradients: Sequence[Variable]
    ) -> list[Variable]:
        """Return the gradients by weights and values: one node for both."""
        if isinstance(gradients[0].type, DisconnectedType):
            return [disconnected_type() for _ in inputs]
        return MeansGradient()(gradients[0], *inputs, return_list=True)


class MeansGradient(FusedOp):
    """The gradients by weights and values, from that by the means, and these."""

    __props__ = ()
    kind = 'attention_means_gradient'

    def make_node(self, slope: Variable, weights: Variable, values: Variable) -> Apply:
        """Return the node; a gradient is like its input."""
        return Apply(self, [slope, weights, values], [weights.type(), values.type()])

    def meaning(self, inputs: Sequence[Variable]) -> list[Variable]:
        """Return two products."""
        slope, weights, values = (v.swapaxes(0, 1) for v in inputs)  # B first
        by_weights = pt.matmul(slope, values.swapaxes(1, 2))
        by_values = pt.matmul(weights.swapaxes(1, 2), slope)
        return [by_weights.swapaxes(0, 1), by_values.swapaxes(0, 1)]

    def writer(self, node: Apply, target: Target) -> writers.MeansGradient:
        """Return the writer of the kernel."""
        return writers.MeansGradient(target)

    def infer_shape(self, *args: object) -> list[tuple[Variable, ...]]:
        """Return the outputs' shapes; PyTensor before 3.3 passes the graph as well."""
        return list(args[-1][1:])


def attend(
    queries: Variable, keys: Variable, values: Variable, v: Variable | None, mask: Variable | None
) -> list[Variable] | None:
    """Return weights and weighted means by kernels, or None if there are none for such inputs."""
    others = [one for one in (v, mask) if one is not None]
    dtypes = {one.type.dtype for one in (queries, keys, values, *others)}
    if len(dtypes) > 1 or not dtypes <= {'float32', 'float64'}:
        return None
    weights = Weights(v is not None, mask is not None)(queries, keys, *others)
    return [weights, Means()(weights, values)]
