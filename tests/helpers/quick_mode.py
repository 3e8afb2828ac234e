"""PyTensor made quicker than FAST_COMPILE alone, for tests that run in Python."""

import gc

import pytensor.compile.mode
import pytensor.tensor
from pytensor.scan.op import Scan


def hasten():
    """Leave out what takes time and changes no result; call it once, after imports."""
    unfuse()
    if pytensor.__version__.startswith('3.0.'):
        compile_scans_quickly()
    # Graphs are full of cycles, and collections would look at everything imported each time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 10)


def unfuse():
    """Fused operations run number by number in Python. PyTensor 3.0 fuses inside scan in any mode.

    Importing `pytensor.tensor` is what registers the rewrites that are left out here.
    """
    for fusion in ('elemwise_fusion', 'add_mul_fusion'):
        pytensor.compile.mode.optdb.remove_tags(fusion, 'fast_run')


def compile_scans_quickly():
    """PyTensor 3.0 compiles what is inside scan in FAST_RUN, whatever the mode around it."""
    compiled = Scan.fn.fget

    def fn(scan):
        scan.mode = scan.mode or 'FAST_COMPILE'
        return compiled(scan)

    Scan.fn = property(fn)
