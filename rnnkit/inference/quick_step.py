"""Single time steps whose state is data: what `Network.step` does where nothing is unusual."""

import threading
from typing import Any

import numpy as np

from rnnkit.inference.in_place import StepCode, StepInPlace
from rnnkit.inference.streaming import State
from rnnkit.kernels.runtime.slots import DONE
from rnnkit.training.protocols import Inputs

MOST = 8  # sizes of batches whose arrays are kept


class QuickSteps:
    """Steps of a network that reads one array, computed in place and copied.

    Parameters
    ----------
    code : StepCode
    """

    def __init__(self, code: StepCode):
        self.code = code
        self._lock = threading.Lock()
        self._steps: dict[int, StepInPlace] = {}
        self._fits = len(code.moves.inputs) == 1 and not code.stream.course.fixed
        self._names = [(layer.name, layer.state) for layer in code.stream.layers]

    def __call__(self, x_t: Inputs, state: Any) -> tuple[np.ndarray, State] | None:
        """Return output and state of a step; None if something needs conversion or is wrong."""
        if not (self._fits and type(x_t) is np.ndarray and x_t.ndim and type(state) is dict):
            return None
        with self._lock:
            step = self._steps.get(len(x_t)) or self._new_step(len(x_t))
            if not (step and _copy(x_t, step.x[0][0]) and self._read(state, step)):
                return None
            if step.run() != DONE:
                return None
            arrays = iter(step.state)
            new = {
                name: kind(*[next(arrays).copy() for _ in kind._fields])
                for name, kind in self._names
            }
            return step.y.copy(), new

    def _read(self, state: State, step: StepInPlace) -> bool:
        """Copy a state, if it needs no conversion."""
        if len(state) != len(self._names):
            return False
        arrays = iter(step.state)
        for name, kind in self._names:
            values = state.get(name)
            if type(values) is not kind:
                return False
            for value in values:
                if not _copy(value, next(arrays)):
                    return False
        return True

    def _new_step(self, batch: int) -> StepInPlace | None:
        if not batch:
            return None
        if len(self._steps) >= MOST:
            self._steps.clear()
        step = self._steps[batch] = StepInPlace(self.code, batch)
        step.start(self.code.stream.begin([], batch))
        return step


def _copy(array: Any, to: np.ndarray) -> bool:
    """Copy an array of the same shape and dtype; return whether it is one."""
    if type(array) is np.ndarray and array.shape == to.shape and array.dtype is to.dtype:
        to[...] = array
        return True
    return False
