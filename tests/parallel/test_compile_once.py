"""The first process compiles, and the others read its caches."""

import json

import pytest
from jobs import HELPERS, job

PROGRAM = """
import sys, json
sys.path.insert(0, {helpers!r})
import numpy as np
from mpi4py import MPI
from compilations import Compilations
from numba.core import event
from rnnkit.kernels.runtime import cache
import rnnkit

names, compile_ir = [], cache.compile_ir
def noted(text):
    names.append(text.partition('"')[2].partition('"')[0])
    return compile_ir(text)
cache.compile_ir = noted
x = np.random.default_rng(0).standard_normal((6, 16, 3))
with event.install_listener('numba:compile', Compilations()) as listener:
    net = rnnkit.Regressor([3, ('lstm', 4), 1], seed=0, dtype='float64')
    net.train([x, x[..., :1]], epochs=2, batch_size=8, comm='mpi', progress=False, **{options!r})
    found = MPI.COMM_WORLD.gather((len(names), len(listener.names)))
if not MPI.COMM_WORLD.Get_rank():
    print(json.dumps(found))
"""


@pytest.mark.long
@pytest.mark.parametrize('options', [{}, {'hidden_dropout': 0.1}])
def test_one_process_compiles(options, tmp_path):
    program = tmp_path / 'program.py'
    program.write_text(PROGRAM.format(helpers=str(HELPERS), options=options))
    flags = f'base_compiledir={tmp_path / "pytensor"}'
    ended = job(
        2,
        program,
        limit=100,
        PYTENSOR_FLAGS=flags,
        RNNKIT_CACHE_DIR=str(tmp_path / 'kernels'),
    )
    assert ended.code == 0, ended.output
    first, *others = json.loads(ended.output.splitlines()[-1])
    assert first[0] > 0
    # At most the kernel that tells each process, before it trains, whether kernels can be built.
    assert others in ([[0, 0]], [[1, 0]]), (first, others)
