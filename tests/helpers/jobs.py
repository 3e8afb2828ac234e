"""Programs on several processes that may end in any way: how they end, and what they write."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytensor
from ranks import mpiexec

HELPERS = Path(__file__).parent


class Ended(NamedTuple):
    """How a job has ended."""

    code: int
    output: str
    seconds: float


def job(
    n: int,
    program: str | Path,
    *arguments: str,
    limit: float = 60,
    meddle: Callable[[subprocess.Popen], None] | None = None,
    options: Sequence[str] = (),
    **env: str,
) -> Ended:
    """Run a Python program on `n` processes, all of which are ended when the time is over.

    Parameters
    ----------
    program : str or Path
        A file of this folder, or a path.
    meddle : callable, optional
        Called with the running job, to send it signals.
    options : sequence of str
        Of the interpreter.
    """
    path = os.pathsep.join([str(HELPERS.parents[1]), str(HELPERS)])
    # The mode of users, in which kernels compile nothing.
    flags = f'base_compiledir={pytensor.config.base_compiledir}'
    own = {'RNNKIT_KERNELS': 'on', 'PYTHONPATH': path, 'PYTENSOR_FLAGS': flags, **env}
    command = [mpiexec(), '-n', str(n), sys.executable, *options, str(HELPERS / program)]
    start = time.monotonic()
    running = subprocess.Popen(
        [*command, *arguments],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        if meddle is not None:
            meddle(running)
        output, _ = running.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        output, _ = running.communicate()
        raise AssertionError(f'not ended after {limit} s:\n{output[-4000:]}') from None
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    return Ended(running.returncode, output, time.monotonic() - start)
