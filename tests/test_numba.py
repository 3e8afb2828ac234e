"""The default mode, Numba, gives what pure Python gives: one training step of a small network.

It runs in a process of its own, because the mode is chosen when PyTensor is imported.
"""

import json
import os
import subprocess
import sys

import numpy as np

STEP = """
import json, sys
import numpy as np
import rnnkit

t = np.arange(24.0).reshape(4, 3, 2)
net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0, dtype='float64')
train, valid = net.train([np.sin(t), np.cos(t[..., :1])], algo='sgd', epochs=1,
                         restore_best=False)
import pytensor
mode = type(pytensor.compile.mode.get_default_mode().linker).__name__
found = [mode, train, valid, [p.get_value().tolist() for p in net.params]]
json.dump(found, open(sys.argv[1], 'w'))
"""


def run(path, flags):
    environment = {**os.environ, 'PYTENSOR_FLAGS': flags, 'PYTHONPATH': os.pathsep.join(sys.path),
                   'RNNKIT_KERNELS': 'on'}  # fmt: skip
    command = [sys.executable, '-c', STEP, str(path)]
    subprocess.run(command, env=environment, check=True, timeout=500)
    return json.loads(path.read_text())


def test_a_training_step_in_the_default_mode_equals_python(tmp_path):
    ours = f'base_compiledir={tmp_path}'
    mode, *numba = run(tmp_path / 'numba.json', ours)
    assert mode == 'NumbaLinker'  # else this tests nothing
    _, *python = run(tmp_path / 'python.json', f'{ours},cxx=,mode=FAST_COMPILE')
    for a, b in zip(numba[:2], python[:2], strict=True):
        # Sums in another order, and other implementations of exp and tanh: rounding.
        assert a.keys() == b.keys()
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-12)
    for a, b in zip(numba[2], python[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
