"""Fused recurrent loops, generated from a cell's equations.

In: the symbolic inputs of a cell that is to be unrolled. Out: its symbolic states, computed by
one compiled loop, forward and backward, where the cell's form allows it.

The rooms, in the order in which a cell passes through them::

    trace, form, program    step -> scalar program of one unit, its gradient, what is kept
    vector, elementary      a language of SIMD vectors, and tanh, sigmoid, exp... in it
    gemm, threads, frame    matrix products; sharing out rows; what goes in and out of a kernel
    loop, backward          the loop over a sequence, forward and backward
    cache, kernel           machine code on disk; kernels as functions of NumPy arrays
    pool, glue, ops         memory of outputs; calls from Numba's code; PyTensor's Ops
    for_jax, lower_jax      the same Ops on JAX, as loops of its own
"""

import logging
import os
import warnings
from typing import Any

from pytensor.graph.basic import Variable

from rnnkit.cells import Cell
from rnnkit.kernels import for_jax
from rnnkit.kernels.ops import RecurrentScan, Scan, register_with_numba
from rnnkit.kernels.trace import form_of

for_jax.register()
log = logging.getLogger('rnnkit')
_usable: list[bool] = []


def enabled() -> bool:
    """Return whether kernels are wanted: the environment may say ``RNNKIT_KERNELS=off``."""
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


def fused(
    cell: Cell,
    scan: Scan,
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
    rows = tuple(s.type.shape[0] == 1 for s in state)
    op = RecurrentScan(form, scan, rows, mask is not None, keep=True)
    return op(*inputs, return_list=True)[: form.n_states]


def _misfit(inputs: list[Any]) -> str:
    dtypes = {v.type.dtype for v in inputs}
    if len(dtypes) > 1:
        return f'its inputs are of different dtypes, {", ".join(sorted(dtypes))}'
    if not dtypes <= {'float32', 'float64'}:
        return f'there are no kernels for {dtypes.pop()}'
    return ''
