"""Kernels compile for ARM. Only the code is looked at: it runs on such a processor alone."""

import os
import subprocess
import sys

import pytest

ARM = 'aarch64-unknown-linux-gnu'
KINDS = {'forward', 'backward', 'dense', 'dense_backward', 'loss', 'update'}


@pytest.mark.long
@pytest.mark.parametrize('form', ['mingru', 'lstm', 'gru', 'rhn', 'lru'])
def test_kernels_compile_for_arm(form, tmp_path):
    environment = {
        **os.environ,
        'RNNKIT_KERNELS': 'on',
        'RNNKIT_CACHE_DIR': str(tmp_path / 'kernels'),
        'PYTENSOR_FLAGS': f'{os.environ.get("PYTENSOR_FLAGS", "")},mode=NUMBA',
        'PYTHONPATH': os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, __file__, form],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'every kernel was compiled' in done.stdout


def main(form):
    """Train a network, and compile each of its kernels for ARM as well."""
    import llvmlite.binding as llvm
    import numpy as np

    import rnnkit
    from rnnkit.kernels.language.vector import Target
    from rnnkit.kernels.runtime import cache

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(ARM).create_target_machine(
        cpu='cortex-a76', features='+neon', opt=2
    )
    here, library, found = llvm.get_process_triple, cache.library, {}

    def for_both(kind, description, write):
        llvm.get_process_triple = lambda: ARM
        try:
            text = write('rnnkit_arm')
        finally:
            llvm.get_process_triple = here
        module = llvm.parse_assembly(text)
        module.triple = ARM
        module.verify()
        found[kind] = machine.emit_assembly(module).lower()
        return library(kind, description, write)

    # As where the processor is found out: vectors of 16 bytes, in 32 registers.
    new = {'library': for_both, 'host_target': lambda d: Target(8 * np.dtype(d).itemsize, 16, 32)}
    rnnkit.Regressor([1, ('rnn', 1), 1]).predict(np.ones((1, 1, 1)))  # imports the kernels
    for module in [module for name, module in sys.modules.items() if name.startswith('rnnkit.')]:
        for name in set(new) & set(vars(module)):
            setattr(module, name, new[name])
    net = rnnkit.Regressor([3, (form, 8), 2], seed=0)
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((5, 4, n)).astype('float32') for n in (3, 2))
    net.train([x, y], epochs=1, verbose=0)
    missing = KINDS - set(found)
    # Multiplications and additions of vectors; denormals are flushed.
    odd = [k for k in ('forward', 'backward') if not {'fmla', 'fpcr'} <= set(found[k].split())]
    if missing or odd:
        sys.exit(f'{sorted(found)}; without fmla or fpcr: {odd}')
    print('every kernel was compiled')


if __name__ == '__main__':
    main(*sys.argv[1:])
