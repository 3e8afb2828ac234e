"""Kernels: the loop over a sequence, generated from a cell's equations, and the rest of a step.

In: the symbolic inputs of a cell that is to be unrolled, of a dense layer, a loss or an update
rule. Out: its symbolic results, computed by one compiled function, forward and backward, where
their form allows it; or None, and the caller builds a plain graph.

The folders, from the bottom up::

    language     SIMD vectors, elementary functions, matrix products, sums and threads, as LLVM IR
    program      elementwise mathematics, read from a PyTensor graph as a program of scalars
    runtime      machine code on disk; kernels as functions of NumPy arrays and as PyTensor Ops
    dense, loss  a dense layer; means of errors, softmax and cross-entropy
    pooling      mean and maximum over time
    attention    weights over the steps of a memory, and weighted means
    update       gradient clipping and the update of all parameters, of tables by rows
    recurrent    a cell's step, traced and differentiated; the loop over a sequence, both ways
    staged       the same for steps of any number of products and of sums over the units
    switch       whether kernels are allowed, and whether they can be built here
    jax_rewrites rewrites of graphs for JAX
"""

import logging
from collections.abc import Mapping, Sequence

from pytensor.graph.basic import Variable

from rnnkit.cells import Cell
from rnnkit.common import compiled
from rnnkit.common.pooled import Kept
from rnnkit.kernels import jax_rewrites
from rnnkit.kernels.attention import op as attention_op
from rnnkit.kernels.dense import hyperbolic, scaling
from rnnkit.kernels.dense import op as dense_op
from rnnkit.kernels.language.threads import set_threads
from rnnkit.kernels.loss import op as loss_op
from rnnkit.kernels.pooling import op as pooling_op
from rnnkit.kernels.program.elementwise import Errors
from rnnkit.kernels.recurrent import padding
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.loop_op import Scan, ScanOp
from rnnkit.kernels.recurrent.op import RecurrentScan
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import fork, linker
from rnnkit.kernels.staged import entry
from rnnkit.kernels.staged.op import StagedScan
from rnnkit.kernels.staged.trace import form_of
from rnnkit.kernels.switch import allowed, enabled, usable
from rnnkit.kernels.update import op as update_op
from rnnkit.kernels.update.op import Arguments

__all__ = [
    'Arguments',
    'Walk',
    'affine',
    'allowed',
    'attend',
    'cross_entropy',
    'enabled',
    'fused',
    'hide_padding',
    'mean_error',
    'pool',
    'scaled',
    'set_threads',
    'softmax_of',
    'tanh_of',
    'update_params',
    'usable',
    'weights_of_classes',
]

jax_rewrites.register()
fork.register()
compiled.modes.append(linker.mode)
log = logging.getLogger('rnnkit')


def affine(x: Variable, w: Variable, b: Variable) -> Variable | None:
    """Return ``x @ w + b`` by a kernel, or None."""
    return dense_op.affine(x, w, b) if enabled() and usable() else None


def scaled(
    x: Variable, mean: Variable, deviation: Variable, inverse: bool = False
) -> Variable | None:
    """Return ``(x - mean) / deviation``, or ``x * deviation + mean``, by a kernel; or None."""
    if not (enabled() and usable()):
        return None
    return scaling.scaled(x, mean, deviation, inverse)


def mean_error(
    errors: Errors,
    plain: loss_op.Plain,
    output: Variable,
    target: Variable,
    weights: Variable | None,
    n_parts: int = 1,
) -> list[Variable] | None:
    """Return the mean of elementwise errors and their number or total weight, or None.

    Parameters
    ----------
    errors : callable
        (output or its parts, target) -> errors.
    plain : callable
        (output, target, weights or None) -> the same by PyTensor's own Ops.
    output, target : tensors of one shape
        With `n_parts`, the last axis of the output is that many times as long.
    weights : tensor of the shape of the target, or None
    n_parts : int
        The number of parts of the output that `errors` takes as a tuple, if there are several.
    """
    if not (enabled() and usable()):
        return None
    return loss_op.mean_error(errors, plain, output, target, weights, n_parts)


def cross_entropy(
    plain: loss_op.Plain,
    output: Variable,
    target: Variable,
    weights: Variable | None,
    smoothing: float = 0.0,
) -> list[Variable] | None:
    """Return mean cross-entropy, its number or total weight, and the share of hits; or None."""
    if not (enabled() and usable()):
        return None
    return loss_op.cross_entropy(plain, output, target, weights, smoothing)


def weights_of_classes(
    classes: Variable, labels: Variable, weights: Variable | None
) -> Variable | None:
    """Return ``classes[labels] * weights`` by a kernel, or None."""
    if not (enabled() and usable()):
        return None
    return loss_op.weights_of_classes(classes, labels, weights)


def hide_padding(values: Variable, mask: Variable) -> Variable | None:
    """Return values (T, B, H) with 0 where the mask (T, B) is 0 by a kernel, or None."""
    return padding.hide_padding(values, mask) if enabled() and usable() else None


def pool(
    what: str, x: Variable, kept: Kept | None = None, mask: Variable | None = None
) -> list[Variable] | None:
    """Return what `rnnkit.common.pooled` computes, 'mean' or 'max', by a kernel; or None."""
    return pooling_op.pool(what, x, kept, mask) if enabled() and usable() else None


def attend(
    queries: Variable,
    keys: Variable,
    values: Variable,
    v: Variable | None = None,
    mask: Variable | None = None,
) -> list[Variable] | None:
    """Return what `rnnkit.common.attended.attend` computes, by kernels; or None."""
    if not (enabled() and usable()):
        return None
    return attention_op.attend(queries, keys, values, v, mask)


def tanh_of(x: Variable) -> Variable | None:
    """Return ``tanh(x)`` by a kernel, or None."""
    return hyperbolic.tanh_of(x) if enabled() and usable() else None


def softmax_of(z: Variable) -> Variable | None:
    """Return the softmax over the last axis by a kernel, or None."""
    return loss_op.probabilities(z) if enabled() and usable() else None


def update_params(
    change: update_op.Change,
    plain: update_op.Plain,
    arguments: Arguments,
    shapes: Sequence[tuple[int, ...]],
    watched: bool = False,
) -> list[Variable] | None:
    """Return norm of the gradients, new count, slots and parameters by one kernel, or None.

    If they are `watched`, a report of the gradients is last: a vector of the norm of each, and 1
    if any was clipped, else 0.
    """
    if not (enabled() and usable()):
        return None
    return update_op.update_params(change, plain, arguments, shapes, watched)


def fused(
    cell: Cell,
    scan: Scan,
    steps: entry.Steps,
    walk: Walk,
    x: Variable,
    params: dict[str, Variable],
    state: list[Variable],
    mask: Variable | None,
    direct: Variable | None = None,
    sides: Mapping[str, Variable] | None = None,
) -> list[Variable] | None:
    """Return the states of all steps by a kernel, or None if only a scan can compute them.

    Parameters
    ----------
    cell : Cell
    scan : callable
        Builds the same by scan, from x, the parameters, the initial states and the last three.
    steps : callable
        Builds the same from z, the projected input, in place of x.
    walk : Walk
        That of the scan.
    x : tensor of shape (T, B, I)
    params : dict of str to tensor
    state : list of tensors of shape (B, H) or (1, H)
    mask : tensor of shape (T, B), of the dtype of x, or None
    direct : tensor of shape (T, B, D), or None
    sides : dict of str to tensor of shape (T, B, width)
        The further inputs that the cell declares.
    """
    form = form_of(cell)
    if form is None or not usable():
        return None
    if isinstance(form, Form):
        fixed = [v for v in (direct, mask) if v is not None]
        weights = [params[name] for name in (form.recurrent, 'xh', *form.vectors)]
        inputs = [x, *weights, *state, *fixed]
        op: ScanOp = RecurrentScan(form, scan, walk, keep=True)
    else:
        z = entry.project(cell, walk, x, params, sides or {})
        inputs = entry.inputs_of(form, z, params, state, mask, direct, sides or {})
        op = StagedScan(form, entry.scan_of(form, steps), walk, keep=True)
    why = _misfit(inputs)
    if why:
        log.debug('%s keeps the scan: %s', type(cell).__name__, why)
        return None
    return op(*inputs, return_list=True)[: form.n_states]


def _misfit(inputs: Sequence[Variable]) -> str:
    """Return why there is no kernel for such inputs; empty if there is one."""
    dtypes = {v.type.dtype for v in inputs}
    if len(dtypes) > 1:
        return f'its inputs are of different dtypes, {", ".join(sorted(dtypes))}'
    if not dtypes <= {'float32', 'float64'}:
        return f'there are no kernels for {dtypes.pop()}'
    return ''
