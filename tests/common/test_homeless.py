"""rnnkit works, with kernels, for a user that the system does not know, and without a home."""

import os
import subprocess
import sys

import pytest
from repository import TESTS

pytest.importorskip('pwd')

# A child that has the kernel of one layer compiled; PyTensor itself compiles nothing.
CHILD = """
import pwd, sys, warnings
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    import rnnkit, pytensor
    from rnnkit import kernels
    from rnnkit.kernels.runtime import memory_pool
    memory_pool.compiled()
    print(kernels.enabled() and kernels.usable())
    print(pytensor.config.base_compiledir)
    print([str(w.message) for w in caught if 'rnnkit' in str(w.message)])
    import os
    print(os.environ.get('HOME'), os.environ.get('PYTENSOR_FLAGS'))
"""


def child(folder, **environment):
    """Return the lines that the child prints, in an environment with nothing else."""
    found = subprocess.run(
        [sys.executable, '-c', CHILD],
        env={'PYTHONPATH': str(TESTS.parent), 'TMPDIR': str(folder), **environment},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


HINT = (
    'so compiled code is not kept for the next process. Set HOME, or RNNKIT_CACHE_DIR and '
    'PYTENSOR_FLAGS=base_compiledir=..., to folders of your own'
)


def test_no_home_and_an_unknown_user(tmp_path):
    usable, folder, messages, environment = child(tmp_path)
    assert usable == 'True'
    assert os.path.dirname(folder) == str(tmp_path)
    assert messages == repr([f'rnnkit: there is no home directory, {HINT}'])
    assert environment == 'None None'
    assert os.listdir(tmp_path) == []  # the temporary directory is gone, nothing else was written


def test_a_home_that_cannot_be_written(tmp_path):
    home = tmp_path / 'file'
    home.write_text('')
    usable, folder, messages, environment = child(tmp_path, HOME=str(home))
    assert usable == 'True'
    assert os.path.dirname(folder) == str(tmp_path)
    assert messages == repr([f'rnnkit: the home directory {home} cannot be written, {HINT}'])
    assert environment == f'{home} None'
    assert os.listdir(tmp_path) == ['file']


def test_a_home_and_chosen_folders_are_used(tmp_path):
    chosen = {'RNNKIT_CACHE_DIR': '~/own', 'PYTENSOR_FLAGS': f'base_compiledir={tmp_path}/theirs'}
    usable, folder, messages, _ = child(tmp_path, HOME=str(tmp_path), **chosen)
    assert (usable, folder, messages) == ('True', f'{tmp_path}/theirs', '[]')
    assert os.listdir(tmp_path) == ['own']  # PyTensor makes its own when it compiles
    assert os.listdir(tmp_path / 'own')
