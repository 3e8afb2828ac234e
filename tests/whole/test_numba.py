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
import pytensor
import rnnkit
from rnnkit.optimizers import optimizers
from rnnkit.training.step import TrainStep

t = np.arange(24.0).reshape(4, 3, 2)
net = rnnkit.Regressor([2, ('rnn', 3), 1], seed=0, dtype='float64')
objective = net._train_steps.plain
step = TrainStep(objective, optimizers['sgd'](), False, False)  # one function, not two
step.start(learning_rate=0.1, max_gradient_norm=0, max_gradient_elem=0)
reports = [float(value) for value in step.update(np.sin(t), np.cos(t[..., :1]))]
mode = type(pytensor.compile.mode.get_default_mode().linker).__name__
json.dump([mode, reports, *[p.get_value().tolist() for p in net.params]], open(sys.argv[1], 'w'))
"""


def run(path, flags):
    environment = {
        **os.environ,
        'PYTENSOR_FLAGS': flags,
        'PYTHONPATH': os.pathsep.join(sys.path),
        'RNNKIT_KERNELS': 'on',
    }
    command = [sys.executable, '-c', STEP, str(path)]
    subprocess.run(command, env=environment, check=True, timeout=500)
    return json.loads(path.read_text())


def test_a_training_step_in_the_default_mode_equals_python(tmp_path):
    ours = f'base_compiledir={tmp_path}'
    mode, *numba = run(tmp_path / 'numba.json', ours)
    assert mode == 'NumbaLinker'  # else this tests nothing
    _, *python = run(tmp_path / 'python.json', f'{ours},cxx=,mode=FAST_COMPILE')
    for a, b in zip(numba, python, strict=True):
        # Sums in another order, and other implementations of exp and tanh: rounding.
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
