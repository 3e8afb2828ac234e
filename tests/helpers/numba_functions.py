"""Functions compiled by the Numba backend, in which the kernels run, and by a virtual machine."""

import numpy as np
import pytensor
from pytensor.compile.mode import NUMBA, Mode

from rnnkit.kernels.runtime.fused_op import FusedOp

VM = Mode('vm', 'fast_compile')


def compiled(inputs, outputs, **options):
    """Return the function of the Numba backend, and the names of its Ops."""
    function = pytensor.function(inputs, outputs, mode=NUMBA, on_unused_input='ignore', **options)
    return function, [type(node.op).__name__ for node in function.maker.fgraph.toposort()]


def plain(inputs, outputs, **options):
    """Return the function of a virtual machine, in which Ops are, or run, what they mean."""
    function = pytensor.function(inputs, outputs, mode=VM, on_unused_input='ignore', **options)
    ops = [node.op for node in function.maker.fgraph.toposort()]
    assert not any(isinstance(op, FusedOp) and not op.is_loop for op in ops)
    return function


def tolerance(dtype):
    """Return how far results may be apart: rounding errors of sums of some hundred terms."""
    return {'rtol': 1e-12, 'atol': 1e-13} if dtype == 'float64' else {'rtol': 2e-5, 'atol': 2e-5}


def assert_same(found, wanted, dtype, what=''):
    """Compare lists of arrays."""
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert a.shape == np.shape(b), f'{what}: output {k}'
        np.testing.assert_allclose(a, b, **tolerance(dtype), err_msg=f'{what}: output {k}')
