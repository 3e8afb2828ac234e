"""Generate kernels for AVX2, also where there is AVX-512: ``pytest -p avx2 tests/kernels``.

Most laptops have no AVX-512, so that their code would otherwise be tested only by luck. This runs
before rnnkit asks LLVM what the processor is.
"""

import llvmlite.binding as llvm

_features = llvm.get_host_cpu_features


def features():
    """Return the features of this processor, without those that came after AVX2."""
    found = _features()
    for name in found:
        if name.startswith(('avx512', 'avx10', 'amx')) or name in ('evex512', 'vpclmulqdq', 'gfni'):
            found[name] = False
    return found


llvm.get_host_cpu_features = features
llvm.get_host_cpu_name = lambda: 'haswell'
