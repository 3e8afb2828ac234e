"""Programs that run on several processes, for tests: ``mpiexec -n 2 python ranks.py ...``."""

import contextlib
import importlib
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

LIMIT = 120  # seconds; a job takes about 20 on an idle machine


def mpiexec() -> str:
    """Return the program that starts processes, or skip the test."""
    pytest.importorskip('mpi4py')
    beside = Path(sys.executable).with_name('mpiexec')
    found = str(beside) if beside.exists() else shutil.which('mpiexec')
    if found is None:
        pytest.skip('there is no mpiexec: pip install mpich')
    return found


def run(
    n: int, modules: str, names: Sequence[str], folder: Path, **env: str
) -> list[dict[str, Any]]:
    """Call functions of modules of this folder on `n` processes, and return what they return.

    Each function is called as ``function('mpi', folder)`` by all processes, and as
    ``function(None, folder)`` by one of them; the folder is its own.

    Returns
    -------
    found : list of dict
        For each rank: by the name of a function, what it has returned; and by ``name, None`` what
        it has returned alone.
    """
    program = mpiexec()
    version = subprocess.run([program, '--version'], capture_output=True, text=True, timeout=LIMIT)
    more = ['--oversubscribe', '--allow-run-as-root'] if 'Open MPI' in version.stdout else []
    command = [program, *more, '-n', str(n), sys.executable, __file__, modules, str(folder), *names]
    flags = os.environ['PYTENSOR_FLAGS']
    given = {'RNNKIT_KERNELS': 'on', 'OMP_NUM_THREADS': '1', 'PYTENSOR_FLAGS': flags, **env}
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get('PYTHONPATH', '')])
    with (folder / 'output').open('w+') as output:
        job = subprocess.Popen(
            command,
            env={**os.environ, 'PYTHONPATH': path, **given},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = job.wait(LIMIT)
        except subprocess.TimeoutExpired:
            code = f'none after {LIMIT} s'
        finally:
            _end(job)
    text = (folder / 'output').read_text()
    assert code == 0, f'{n} ranks: exit status {code}\n{text[-6000:]}'
    return [pickle.loads((folder / f'rank_{rank}').read_bytes()) for rank in range(n)]


def _end(job: subprocess.Popen) -> None:
    """End a job and all its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def main(modules: str, folder: str, *names: str) -> None:
    """Run the functions, as one of the processes."""
    from quick_mode import hasten

    functions = namespace(modules)
    from mpi4py import MPI

    hasten()
    rank, size = MPI.COMM_WORLD.Get_rank(), MPI.COMM_WORLD.Get_size()
    found: dict[Any, Any] = {}
    for k, name in enumerate(names):
        if k % size == rank:
            found[name, None] = _called(functions[name], None, folder, f'{name}-alone')
    for name in names:
        found[name] = _called(functions[name], 'mpi', folder, name)
    Path(folder, f'rank_{rank}').write_bytes(pickle.dumps(found))


def namespace(modules: str) -> dict[str, Any]:
    """Return what some modules have, which are separated by commas."""
    found: dict[str, Any] = {}
    for module in modules.split(','):
        found |= vars(importlib.import_module(module))
    return found


def _called(function: Callable, comm: str | None, folder: str, name: str) -> Any:
    own = Path(folder, name)
    own.mkdir(exist_ok=True)
    start = time.perf_counter()
    try:
        return function(comm, own)
    except Exception:  # the others' results are still of use
        return traceback.format_exc()
    finally:
        print(f'{name}: {time.perf_counter() - start:.2f} s', flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
