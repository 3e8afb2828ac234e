"""The ONNX file of the benchmarks, run by onnxruntime, gives the outputs of rnnkit's network."""

import re
import sys

import numpy as np
import pytest
from repository import ROOT

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')
pytestmark = pytest.mark.peers

NETWORKS = {
    'lstm': dict(cell='lstm'),
    'gru': dict(cell='gru'),
    'rnn': dict(cell='rnn'),
    'deep': dict(cell='lstm', depth=3),
    'deep gru': dict(cell='gru', depth=2),
    'bidirectional': dict(cell='lstm', both_ways=True),
    'bidirectional gru': dict(cell='gru', both_ways=True),
    'batch of 1': dict(cell='lstm', B=1),
    'stream of lstm': dict(cell='lstm', T=1, B=1, stream=True),
    'stream of gru': dict(cell='gru', T=1, B=2, stream=True),
    'stream of rnn': dict(cell='rnn', T=1, B=1, stream=True),
}


@pytest.fixture
def programs(monkeypatch):
    """Return the modules of benchmarks/ that are needed."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    before = set(sys.modules)
    import onnx_file
    import workloads
    from contenders import onnxruntime_

    yield onnx_file, workloads, onnxruntime_
    for name in set(sys.modules) - before:
        if str(ROOT / 'benchmarks') in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


def prepared(programs, tmp_path, options):
    """Return a workload of odd sizes, its session, and the outputs of rnnkit."""
    onnx_file, workloads, onnxruntime_ = programs
    workload = workloads.Workload(**{**dict(T=5, B=3, H=7, I=2, O=3), **options})
    onnx_file.write(workload, tmp_path)
    session = onnxruntime_.load(tmp_path / 'model.onnx', threads=1)
    return workload, session, np.load(tmp_path / 'expected.npy')


@pytest.mark.parametrize('name', NETWORKS)
def test_outputs_are_those_of_rnnkit(name, programs, tmp_path):
    workload, session, expected = prepared(programs, tmp_path, NETWORKS[name])
    assert np.abs(expected).min() > 0
    for kind in (programs[2].Plain, programs[2].Bound):
        way = kind(session, workload)
        found = np.stack([way().copy() for _ in expected]) if workload.stream else way()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('name', ['gru', 'stream of lstm'])
def test_other_outputs_are_not_measured(name, programs, tmp_path):
    workload, session, expected = prepared(programs, tmp_path, NETWORKS[name])
    expected[-1] += 2e-5
    way = programs[2].Bound(session, workload)
    shape = re.escape(str(expected.shape))
    message = rf'^onnxruntime: outputs {shape} differ by 2e-05 from those of rnnkit {shape}; '
    with pytest.raises(RuntimeError, match=message + r'at most 1e-05 is accepted$'):
        programs[2].compare(way, expected, workload)
