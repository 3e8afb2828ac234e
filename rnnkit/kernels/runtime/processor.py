"""The processor that kernels are built for: this one, or one that can do less.

``RNNKIT_CPU`` names a level of x86-64, as compilers do. It serves to measure and test the code for
processors with AVX2 on one that has AVX-512. The variable is read when the first kernel is built.
"""

import os
from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm

from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError

NATIVE = 'native'
# What each level of the x86-64 psABI adds to the one before.
ADDED = {
    'x86-64-v2': ('cx16', 'popcnt', 'sahf', 'sse3', 'ssse3', 'sse4.1', 'sse4.2'),
    'x86-64-v3': ('avx', 'avx2', 'bmi', 'bmi2', 'f16c', 'fma', 'lzcnt', 'movbe', 'xsave'),
    'x86-64-v4': ('avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'),
}


class Processor(NamedTuple):
    """A processor in LLVM's terms.

    Attributes
    ----------
    name : str
    features : str
        What it has besides what the name implies, for LLVM.
    known : frozenset of str
        All that it has.
    """

    name: str
    features: str
    known: frozenset[str]

    def has(self, feature: str) -> bool:
        """Return whether it has a feature, such as 'avx2'."""
        return feature in self.known


@cache
def chosen() -> Processor:
    """Return the processor that ``RNNKIT_CPU`` names; without it, this one.

    Raises
    ------
    ConfigError
        If there is no such level, or this processor lacks a part of it.
    """
    level = os.environ.get('RNNKIT_CPU') or NATIVE
    features = llvm.get_host_cpu_features()
    here = frozenset(name for name, has in features.items() if has)
    if level == NATIVE:
        return Processor(llvm.get_host_cpu_name(), features.flatten(), here)
    levels = ['x86-64', *ADDED]
    if level not in levels:
        raise ConfigError(f'RNNKIT_CPU: no processor {level!r}; {hint(level, [*levels, NATIVE])}')
    parts = [f for name in levels[1 : levels.index(level) + 1] for f in ADDED[name]]
    is_x86 = llvm.get_process_triple().startswith('x86_64')
    lacking = [f for f in parts if f not in here] if is_x86 else ['x86-64']
    if lacking:
        raise ConfigError(
            f'RNNKIT_CPU: code for {level!r} cannot run here: this processor, '
            f'{llvm.get_host_cpu_name()}, has no {", ".join(lacking)}. Choose a level that it has, '
            f'or unset RNNKIT_CPU'
        )
    return Processor(level, '', frozenset(parts))
