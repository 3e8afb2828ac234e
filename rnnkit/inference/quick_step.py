"""Single time steps whose state is data: what `Network.step` does where nothing is unusual."""

import threading
from typing import Any, NamedTuple

import numpy as np

from rnnkit.inference.in_place import StepCode, StepInPlace
from rnnkit.inference.states import State
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
        self._steps: dict[int, _Kept] = {}
        self._fits = len(code.moves.inputs) == 1 and not code.stream.course.fixed

    def __call__(self, x_t: Inputs, state: Any) -> tuple[np.ndarray, State] | None:
        """Return output and state of a step; None if something needs conversion or is wrong."""
        if not (self._fits and type(x_t) is np.ndarray and x_t.ndim and type(state) is dict):
            return None
        with self._lock:
            kept = self._steps.get(len(x_t)) or self._new(len(x_t))
            if kept is None or len(state) != len(kept.layers):
                return None
            x = kept.x
            if x_t.shape != x.shape or x_t.dtype != x.dtype:
                return None
            x[...] = x_t
            for name, kind, arrays in kept.layers:
                values = state.get(name)
                if type(values) is not kind:
                    return None
                for array, value in zip(arrays, values, strict=True):
                    if (
                        type(value) is not np.ndarray
                        or value.shape != array.shape
                        or value.dtype != array.dtype
                    ):
                        return None
                    array[...] = value
            if kept.step.run() != DONE:
                return None
            return kept.step.y.copy(), {
                name: kind(*[array.copy() for array in arrays])
                for name, kind, arrays in kept.layers
            }

    def _new(self, batch: int) -> '_Kept | None':
        if not batch:
            return None
        if len(self._steps) >= MOST:
            self._steps.clear()
        # A function of its own, for a network with other Ops than kernels, is for steppers only.
        step = StepInPlace(self.code, batch, compiles=False)
        step.start(self.code.stream.begin([], batch))
        if not step.is_quick:
            self._fits = False
            return None
        arrays = iter(step.state)
        layers = [
            (layer.name, layer.state, [next(arrays) for _ in layer.state._fields])
            for layer in self.code.stream.layers
        ]
        kept = self._steps[batch] = _Kept(step, step.x[0][0], layers)
        return kept


class _Kept(NamedTuple):
    """A step for one size of batches: its input, and name and state of each layer."""

    step: StepInPlace
    x: np.ndarray
    layers: list[tuple[str, type, list[np.ndarray]]]
