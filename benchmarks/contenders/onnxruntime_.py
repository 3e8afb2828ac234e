"""onnxruntime, which runs an ONNX file with the weights of rnnkit's network.

A process of its own writes the file, so that this one's memory is that of onnxruntime. Nothing is
measured unless the outputs equal those of rnnkit.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnxruntime
from workloads import Workload

UPDATES = 1
TOLERANCE = 1e-5
TRIAL = 0.05  # seconds for each way of calling it


def build(workload: Workload, threads: int):
    """Return functions that predict or make one step."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(__file__).parent.parent / 'onnx_file.py'
        spec = json.dumps(asdict(workload))
        subprocess.run([sys.executable, str(program), spec, folder], check=True)
        expected = np.load(Path(folder, 'expected.npy'))
        session = load(Path(folder, 'model.onnx'), threads)
    ways = (Plain(session, workload), Bound(session, workload))
    for way in ways:
        compare(way, expected, workload)
    best = min(ways, key=trial)
    return {'step' if workload.stream else 'predict': best}


def load(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Return a session with a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def compare(way, expected: np.ndarray, workload: Workload) -> None:
    """Raise an error unless the outputs are those of rnnkit."""
    # The outputs of a stream are those of several steps from the initial state.
    found = np.stack([way().copy() for _ in expected]) if workload.stream else way()
    error = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not error <= TOLERANCE:
        raise RuntimeError(
            f'onnxruntime: outputs {found.shape} differ by {error:.2g} from those of rnnkit '
            f'{expected.shape}; at most {TOLERANCE} is accepted'
        )


def trial(way) -> float:
    """Return the seconds of a call."""
    times, end = [], time.perf_counter() + TRIAL
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        way()
        times.append(time.perf_counter() - start)
    return min(times)


class Plain:
    """``session.run``, as in the documentation; it returns new arrays."""

    def __init__(self, session: onnxruntime.InferenceSession, workload: Workload):
        self.session, self.x = session, workload.batch()[0]
        names = [i.name for i in session.get_inputs()[1:]]
        self.states = {n: np.zeros((1, workload.B, workload.H), 'float32') for n in names}

    def __call__(self) -> np.ndarray:
        """Return the output, and keep the states for the next call."""
        y, *new = self.session.run(None, {'x': self.x, **self.states})
        self.states = dict(zip(self.states, new, strict=True))
        return y


class Bound:
    """``session.run_with_iobinding`` on arrays that stay the same."""

    def __init__(self, session: onnxruntime.InferenceSession, workload: Workload):
        self.session, self.data = session, workload.batch()[0]
        self.x = np.empty_like(self.data)
        self.y = np.empty(session.get_outputs()[0].shape, 'float32')
        names = [i.name for i in session.get_inputs()[1:]]
        shape = (1, workload.B, workload.H)
        # The states are read from one of two sets of arrays, and written to the other.
        self.states = [{n: np.zeros(shape, 'float32') for n in names} for _ in range(2)]
        self.bindings = [self.bind(*self.states), self.bind(*self.states[::-1])]

    def bind(self, old: dict[str, np.ndarray], new: dict[str, np.ndarray]):
        """Return a binding to arrays."""
        binding = self.session.io_binding()
        for name, array in {'x': self.x, **old}.items():
            binding.bind_input(name, 'cpu', 0, np.float32, array.shape, array.ctypes.data)
        outputs = {'y': self.y, **{f'new_{name}': array for name, array in new.items()}}
        for name, array in outputs.items():
            binding.bind_output(name, 'cpu', 0, np.float32, array.shape, array.ctypes.data)
        return binding

    def __call__(self) -> np.ndarray:
        """Return the output; the next call overwrites it."""
        self.x[...] = self.data  # a caller has new data at each call
        self.session.run_with_iobinding(self.bindings[0])
        self.bindings.reverse()
        return self.y
