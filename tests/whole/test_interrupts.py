"""Ctrl-C and other signals while machine code runs."""

import os
import re
import signal
import subprocess
import sys

import pytest
from repository import TESTS


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, 'setitimer'), reason='this system has no setitimer')
def test_interrupts_come_out_as_they_are(tmp_path):
    """Run the short form of ``tests/long/interrupt.py``, with kernels and PyTensor's own mode."""
    environment = {
        **os.environ,
        'PYTENSOR_FLAGS': f'base_compiledir={tmp_path}',
        'PYTHONPATH': os.pathsep.join(sys.path),
        'RNNKIT_KERNELS': 'on',
    }
    command = [sys.executable, '-W', 'ignore', str(TESTS / 'long' / 'interrupt.py'), '80']
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert run.returncode == 0, run.stdout + run.stderr
    ends = [re.split(r'\s{2,}', line) for line in run.stdout.splitlines()]
    assert sum(int(count) for *_, count in ends) == 80
    assert any(error != 'finished' for _, error, _ in ends)  # else nothing was interrupted
