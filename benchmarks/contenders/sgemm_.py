"""The machine's peak: NumPy's product of two matrices."""

import numpy as np
from workloads import Workload

UPDATES = 1
SIZE = 1024
FLOPS = 2 * SIZE**3  # of one product


def build(workload: Workload, threads: int):
    """Return a function that multiplies; the environment sets its number of threads."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, SIZE, SIZE)).astype('float32')
    out = np.empty_like(a)
    return {'sgemm': lambda: np.matmul(a, b, out=out)}


def about() -> str:
    """Return the library that multiplies, its version, and the processor that it has code for."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return f'NumPy {np.__version__} (its BLAS is unknown without threadpoolctl)'
    for found in threadpool_info():
        if found['user_api'] == 'blas':
            code = found.get('architecture', 'a processor that it does not name')
            return f'NumPy with {found["internal_api"]} {found["version"]}, code for {code}'
    return f'NumPy {np.__version__} (its BLAS is unknown to threadpoolctl)'
