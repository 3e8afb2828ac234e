"""Searches in other processes: the scores are the same, and little is compiled or multiplied."""

import json
import os
import subprocess
import sys

import pytest
from repository import HELPERS, ROOT

THREE = ['the validation', 'the train step', 'the prediction']


def run(tmp_path, backend, dropout):
    """Search twice, with empty caches and then with full ones."""
    (tmp_path / 'kernels').mkdir(mode=0o700)
    environment = {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([str(HELPERS), str(ROOT)]),
        'PYTENSOR_FLAGS': f'base_compiledir={tmp_path / "pytensor"}',
        'RNNKIT_CACHE_DIR': str(tmp_path / 'kernels'),
        'RNNKIT_KERNELS': 'on',
    }
    for name in ('cold', 'warm'):
        (tmp_path / name).mkdir()
        done = subprocess.run(
            [sys.executable, HELPERS / 'counted_search.py', backend, str(dropout), tmp_path / name],
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        yield json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize(('backend', 'dropout'), [('loky', 0), ('loky', 0.1), ('dask', 0)])
def test_a_search_over_eight_settings_compiles_once_in_each_worker(backend, dropout, tmp_path):
    pytest.importorskip('distributed' if backend == 'dask' else 'joblib')
    cold, warm = run(tmp_path, backend, dropout)
    for found in (cold, warm):
        assert len(found['alone']['params']) == 8
        assert found['workers'] == found['alone'] == cold['alone']
        assert len(found['notes']) == 2
        for notes in found['notes']:
            assert notes['functions'] == THREE
            assert len(notes['llvm']) == len(set(notes['llvm']))  # kernels, by their names
            assert notes['threads'] == max(1, len(os.sched_getaffinity(0)) // 2)
            assert notes['team'] == notes['threads'] - 1
    assert cold['notes'][0]['llvm']
    for notes in warm['notes']:
        assert notes['llvm'] == notes['numba'] == []
