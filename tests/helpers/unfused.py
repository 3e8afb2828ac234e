"""Graphs whose elementwise operations are not fused, for tests that run in Python."""

import pytensor.compile.mode
import pytensor.tensor


def unfuse():
    """Fused operations run number by number in Python. PyTensor 3.0 fuses inside scan in any mode.

    Importing `pytensor.tensor` is what registers the rewrites that are left out here.
    """
    for fusion in ('elemwise_fusion', 'add_mul_fusion'):
        pytensor.compile.mode.optdb.remove_tags(fusion, 'fast_run')
