"""Kernels: the loop over a sequence, generated from a cell's equations, and the rest of a step.

In: the symbolic inputs of a cell that is to be unrolled, of a dense layer, a loss or an update
rule. Out: its symbolic results, computed by one compiled function, forward and backward, where
their form allows it; or None, and the caller builds a plain graph.

The rooms, in the order in which a cell passes through them::

    trace, form, program    step -> scalar program of one unit, its gradient, what is kept
    walk                    first states, direction, mask and limit of a loop
    vector, elementary      a language of SIMD vectors, and tanh, sigmoid, exp... in it
    gemm, threads, frame    matrix products; sharing out rows; what goes in and out of a kernel
    point, loop, backward   one vector of units; the loop over a sequence, forward and backward
    cache, kernel           machine code on disk; kernels as functions of NumPy arrays
    pool, glue, ops         memory of outputs; calls from Numba's code; PyTensor's Ops
    for_jax, lower_jax      the same Ops on JAX, as loops of its own

and for the rest of a training step::

    dense, mean, softmax    a dense layer; means of errors; classifiers
    rows, update            clipping, and the update of all parameters, of tables by rows
    pointwise, rule         losses' errors and update rules, read as programs of one element
    lanes                   sums over arrays
    meaning                 Ops that are a graph of PyTensor's own, computed by a kernel
    dense_ops, loss_ops, update_ops, update_glue
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pytensor.graph.basic import Variable

from rnnkit.cells import Cell
from rnnkit.kernels import dense_ops, for_jax, loss_ops, update_ops
from rnnkit.kernels.ops import RecurrentScan, Scan, register_with_numba
from rnnkit.kernels.trace import form_of
from rnnkit.kernels.update_ops import Arguments
from rnnkit.kernels.walk import Walk

__all__ = [
    'Arguments', 'Walk', 'affine', 'allowed', 'cross_entropy', 'enabled', 'fused', 'mean_error',
    'softmax_of', 'update_params', 'usable',
]  # fmt: skip

for_jax.register()
log = logging.getLogger('rnnkit')
_usable: list[bool] = []
_allowed: ContextVar[bool] = ContextVar('kernels are allowed', default=True)


@contextmanager
def allowed(wanted: bool | None) -> Iterator[None]:
    """Build graphs without kernels within, if `wanted` is False."""
    token = _allowed.set(_allowed.get() if wanted is None else wanted)
    try:
        yield
    finally:
        _allowed.reset(token)


def enabled() -> bool:
    """Return whether kernels are wanted: the environment may say ``RNNKIT_KERNELS=off``."""
    if not _allowed.get():
        return False
    return os.environ.get('RNNKIT_KERNELS', 'on').lower() not in ('off', '0', 'no', 'false')


def usable() -> bool:
    """Return whether kernels can be built here; warns, the first time, if not."""
    if not _usable:
        try:
            register_with_numba()
            _usable.append(True)
        except Exception as why:  # whatever keeps LLVM or Numba from working here
            warnings.warn(
                f'rnnkit: fused kernels cannot be built here, recurrent layers use scan, which '
                f'is slower: {why!r}',
                RuntimeWarning,
                stacklevel=2,
            )
            _usable.append(False)
    return _usable[0]


def affine(x: Variable, w: Variable, b: Variable) -> Variable | None:
    """Return ``x @ w + b`` by a kernel, or None."""
    return dense_ops.affine(x, w, b) if enabled() and usable() else None


def mean_error(
    errors: Any, plain: loss_ops.Plain, output: Variable, target: Variable, weights: Variable | None
) -> list[Variable] | None:
    """Return the mean of elementwise errors and their number or total weight, or None.

    Parameters
    ----------
    errors : callable
        (output, target) -> errors.
    plain : callable
        (output, target, weights or None) -> the same by PyTensor's own Ops.
    output, target : tensors of one shape
    weights : tensor of that shape, or None
    """
    if not (enabled() and usable()):
        return None
    return loss_ops.mean_error(errors, plain, output, target, weights)


def cross_entropy(
    plain: loss_ops.Plain, output: Variable, target: Variable, weights: Variable | None
) -> list[Variable] | None:
    """Return mean cross-entropy, its number or total weight, and the share of hits; or None."""
    if not (enabled() and usable()):
        return None
    return loss_ops.cross_entropy(plain, output, target, weights)


def softmax_of(z: Variable) -> Variable | None:
    """Return the softmax over the last axis by a kernel, or None."""
    return loss_ops.probabilities(z) if enabled() and usable() else None


def update_params(
    change: update_ops.Change, plain: update_ops.Plain, given: Arguments
) -> list[Variable] | None:
    """Return norm of the gradients, new count, slots and parameters by one kernel, or None."""
    return update_ops.update_params(change, plain, given) if enabled() and usable() else None


def fused(
    cell: Cell,
    scan: Scan,
    walk: Walk,
    x: Variable,
    params: dict[str, Variable],
    state: list[Variable],
    mask: Variable | None,
) -> list[Variable] | None:
    """Return the states of all steps by a kernel, or None if it has to be a scan.

    Parameters
    ----------
    cell : Cell
    scan : callable
        Builds the same by scan, from x, the parameters, the initial states and the mask.
    walk : Walk
        The same walk as that scan's.
    x : tensor of shape (T, B, I)
    params : dict of str to tensor
    state : list of tensors of shape (B, H) or (1, H)
    mask : tensor of shape (T, B), of the dtype of x, or None
    """
    form = form_of(cell)
    if form is None:
        return None
    names = [form.recurrent, 'xh', *form.vectors]
    inputs = [x, *(params[name] for name in names), *state, *([] if mask is None else [mask])]
    why = _misfit(inputs)
    if why:
        log.debug('%s keeps the scan: %s', type(cell).__name__, why)
        return None
    if not usable():
        return None
    op = RecurrentScan(form, scan, walk, keep=True)
    return op(*inputs, return_list=True)[: form.n_states]


def set_threads(n: int | None = None) -> None:
    """Set how many threads a recurrent layer may use.

    Parameters
    ----------
    n : int, optional
        From 1 to 256; the cores that this process may use, if not given.
    """
    # LLVM is loaded when the first kernel is wanted, or this is called.
    from rnnkit.kernels import threads

    threads.set_threads(n)


def _misfit(inputs: list[Any]) -> str:
    dtypes = {v.type.dtype for v in inputs}
    if len(dtypes) > 1:
        return f'its inputs are of different dtypes, {", ".join(sorted(dtypes))}'
    if not dtypes <= {'float32', 'float64'}:
        return f'there are no kernels for {dtypes.pop()}'
    return ''
