"""
Export to ONNX, C and PyTorch
=============================

A network that was trained here can run anywhere: in any program that reads ONNX files, on a
microcontroller without Python, and as a module of PyTorch. The lines that one would copy:

.. code-block:: python

    net.to_onnx('filter.onnx')  # then: onnxruntime.InferenceSession('filter.onnx')
    net.to_c('.', 'filter')  # filter.c, filter.h and a test: plain C99, no other files
    state = net.to_torch()  # then: module.load_state_dict(state)

The network is a filter: it reads a noisy wave step by step, and returns the wave without the noise.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime

import rnnkit


def waves(n, rng):
    """Return n noisy waves of 100 steps, and the clean ones: (T, B, 1) each."""
    period, phase = rng.uniform(20, 40, n), rng.uniform(0, 2 * np.pi, n)
    clean = np.sin(2 * np.pi * np.arange(100)[:, None] / period + phase)
    noisy = clean + 0.5 * rng.standard_normal(clean.shape)
    return noisy[..., None].astype('float32'), clean[..., None].astype('float32')


rng = np.random.default_rng(0)
net = rnnkit.Regressor([1, ('lstm', 16), 1], seed=0)
net.train(
    waves(1000, rng),
    waves(200, rng),
    algo='adam',
    learning_rate=0.01,
    epochs=40,
    verbose=0,
)

noisy, clean = waves(300, rng)  # new data
expected = net.predict(noisy)
print(f'mean squared error of the noise:   {np.mean((noisy - clean) ** 2):.3f}')
print(f'mean squared error of the network: {np.mean((expected - clean) ** 2):.3f}')

# %%
# ONNX
# ----
#
# The file has a graph of standard operators, for any number of steps and waves. onnxruntime has
# interfaces for C++, C#, Java, JavaScript and others; here is the one for Python.

folder = Path(tempfile.mkdtemp())
net.to_onnx(str(folder / 'filter.onnx'))

session = onnxruntime.InferenceSession(folder / 'filter.onnx')
(by_onnx,) = session.run(None, {'in': noisy})
print(f'{(folder / "filter.onnx").stat().st_size} bytes; inputs:')
print([(i.name, i.shape) for i in session.get_inputs()])
print(f'largest difference from predict(): {np.abs(by_onnx - expected).max():.1e}')

# %%
# C
# -
#
# Three functions and a struct, which holds the hidden state of one wave. The weights are constants
# in ``filter.c``. The code depends on the C library alone, and allocates no memory.

source, header, test = net.to_c(str(folder), 'filter')
print(
    *[line for line in header.read_text().splitlines() if line.endswith(');')],
    sep='\n',
)

# %%
# A program that cleans numbers as they come, one a line:

MAIN = r"""
#include "filter.h"
#include <stdio.h>

int main(void)
{
    static filter_state state;
    float x[FILTER_INPUTS], y[FILTER_OUTPUTS];
    filter_init(&state);
    while (scanf("%f", x) == 1) {
        filter_step(&state, x, y);
        printf("%.9g\n", y[0]);
    }
}
"""
by_c = None
if compiler := shutil.which('cc') or shutil.which('gcc') or shutil.which('clang'):
    (folder / 'main.c').write_text(MAIN)
    files = [folder / 'main.c', source, '-lm', '-o', folder / 'clean']
    subprocess.run([compiler, '-O2', *files], check=True)
    lines = '\n'.join(map(str, noisy[:, 0, 0]))
    done = subprocess.run(
        [folder / 'clean'], input=lines, capture_output=True, text=True
    )
    by_c = np.array(done.stdout.split(), 'float32')
    difference = np.abs(by_c - expected[:, 0, 0]).max()
    print(f'largest difference from predict(): {difference:.1e}')

# %%
# PyTorch
# -------
#
# ``to_torch`` returns a state dict: tensors if PyTorch is installed, else arrays.

for name, value in net.to_torch().items():
    print(f'{name:22} {tuple(value.shape)}')

# %%
# A module with the same names loads it, and computes the same (tested with PyTorch 2.13):
#
# .. code-block:: python
#
#     import torch
#     from torch import nn
#
#     class Filter(nn.Module):
#         def __init__(self):
#             super().__init__()
#             self.hid1, self.out = nn.LSTM(1, 16), nn.Linear(16, 1)
#
#         def forward(self, x):
#             return self.out(self.hid1(x)[0])
#
#     module = Filter()
#     module.load_state_dict(net.to_torch())
#     module(torch.tensor(noisy))  # what net.predict(noisy) returns
#
# One new wave, cleaned by rnnkit and by the exported files; the lines lie on each other:

figure, axes = plt.subplots(figsize=(8, 3.5), layout='constrained')
axes.plot(noisy[:, 0, 0], '.', color='0.65', label='noisy input')
axes.plot(clean[:, 0, 0], color='0.35', lw=1, label='true wave')
axes.plot(expected[:, 0, 0], color='C0', lw=4, alpha=0.5, label='net.predict')
axes.plot(by_onnx[:, 0, 0], color='C1', lw=1.5, ls='--', label='onnxruntime')
if by_c is not None:
    axes.plot(by_c, color='C3', lw=1.5, ls=':', label='C program')
axes.set(xlabel='time step', ylabel='value')
figure.legend(loc='outside right center')
plt.show()

# %%
# Next
# ----
# :doc:`/onnx` (streams, masks, opsets), :doc:`/from_onnx`, :doc:`/c` (speed and limits),
# :doc:`/pytorch`, :doc:`/keras` (``to_keras``), :doc:`/serve`.
