"""L-BFGS by SciPy, one iteration at a time, in place of a `TrainStep`.

SciPy calls the function that it minimises, and returns when it is done; a training must look, and
maybe stop, after each iteration. So SciPy runs in a thread of its own, as a coroutine would: one
of the two threads always waits for the other, and all evaluations happen in the caller's thread.
"""

from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.common.compiled import Compiled
from rnnkit.errors import ConfigError
from rnnkit.noise import Noise
from rnnkit.optimizers import Objective, Optimizer, flattened, gradient_names
from rnnkit.parallel import Team
from rnnkit.training.protocols import Batch, State, Step
from rnnkit.training.step import TrainStep

# Early stopping ends a training, not SciPy.
ENDLESS = {'maxiter': 2**31 - 1, 'maxfun': 2**31 - 1, 'ftol': 0.0, 'gtol': 0.0}
Evaluate = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Stopped(Exception):  # noqa: N818 - it ends the thread, nothing is wrong
    """No further iteration is needed."""


class Iterations:
    """The iterations of SciPy's L-BFGS-B from a starting point.

    Parameters
    ----------
    start : array of float64
    memory : int
        The number of past updates that approximate the Hessian.
    """

    def __init__(self, start: np.ndarray, memory: int):
        self._requests: SimpleQueue[tuple[str, Any]] = SimpleQueue()  # from SciPy's thread
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._waiting = False  # whether SciPy waits for an answer
        self._thread = Thread(target=self._run, args=(start, memory), daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether there may be a further iteration; never in a forked process."""
        return self._thread.is_alive()

    def _run(self, start: np.ndarray, memory: int) -> None:
        # Takes half a second to import, which only users of L-BFGS should pay for.
        import scipy.optimize

        end: Any = None
        try:
            scipy.optimize.minimize(
                lambda x: self._ask('evaluate', x),
                start,
                jac=True,
                method='L-BFGS-B',
                callback=lambda x: self._ask('reached', x),
                options={**ENDLESS, 'maxcor': memory},
            )
        except Stopped:
            pass
        except BaseException as error:  # `advance` raises it again, in the caller's thread
            end = error
        self._requests.put(('end', end))

    def _ask(self, what: str, x: np.ndarray) -> Any:
        """Hand a request to the caller's thread, and wait for its answer."""
        self._requests.put((what, x.copy()))
        answer = self._answers.get()
        if answer is Stopped:
            raise Stopped
        return answer

    def advance(self, evaluate: Evaluate) -> np.ndarray | None:
        """Return the point after one more iteration; None if there is no better one.

        Parameters
        ----------
        evaluate : callable
            Returns the value and the gradient at a point.
        """
        if self._waiting:
            self._answer(None)
        while True:
            what, value = self._requests.get()
            self._waiting = what != 'end'
            if what == 'evaluate':
                self._answer(evaluate(value))
                continue
            if isinstance(value, BaseException):
                raise value
            return value

    def _answer(self, value: object) -> None:
        self._waiting = False
        self._answers.put(value)

    def close(self) -> None:
        """End the thread."""
        if self.alive:
            self._answers.put(Stopped)
            self._thread.join()


class LBFGSStep:
    """The train step of L-BFGS: each update is one iteration.

    Parameters
    ----------
    objective : Objective
    watched : bool
        Whether updates report the gradient norm of each parameter.

    Attributes
    ----------
    health : list of str
        As in `TrainStep`. Nothing is clipped here.
    slots : dict of str to shared variable
        The point where the training started, and the number of iterations since. SciPy does
        not expose its memory; a resumed training rebuilds it from these two, by repeating the
        iterations.
    finished : bool
        Whether SciPy has found no better point.
    """

    def __init__(self, objective: Objective, watched: bool = False):
        self.objective = objective
        params = objective.params
        self.health = gradient_names(params) if watched else []
        gradients = pytensor.grad(objective.loss, params, disconnected_inputs='ignore')
        outputs = [flattened(gradients), *objective.reports()]
        self._function = Compiled('the loss and its gradient', objective.inputs, outputs)
        size = sum(p.get_value(borrow=True).size for p in params)
        self.slots = {
            'start': pytensor.shared(np.zeros(size), 'start'),
            'updates': pytensor.shared(np.zeros(()), 'updates'),
        }
        self.changed: dict[str, float] = {}  # as in TrainStep; no hyperparameter changes here
        self._iterations: Iterations | None = None
        self.start()

    def start(self, seed: object = 0, *, lbfgs_memory: int = 10) -> None:
        """Forget the last training; the first update starts from the present parameters."""
        self.end()
        self._memory, self.finished = int(lbfgs_memory), False
        self._batch: Batch | None = None
        self._evaluated: list[tuple[np.ndarray, list[Any]]] = []  # since the last point
        self._point = self.slots['start'].get_value()
        self.slots['updates'].set_value(np.zeros(()))

    def prepare(self, number: int, **hyperparameters: float) -> None:
        """Do nothing: no hyperparameter changes between updates."""

    def get_state(self) -> State:
        """Return what the next iterations depend on."""
        return {
            'rule': {name: slot.get_value() for name, slot in self.slots.items()},
            'finished': self.finished,
        }

    def set_state(self, state: State) -> None:
        """Continue from what `get_state` returned."""
        self.finished = state['finished']
        for name, slot in self.slots.items():
            slot.set_value(state['rule'][name])

    def join(self, team: Team, count: Callable[[Batch], int]) -> None:
        """Do nothing: a training on several processes refuses this rule."""

    def each(self, batches: Iterable[Batch], watched: bool) -> Iterable[Batch]:
        """Return the batches."""
        return batches

    @property
    def variables(self) -> list[SharedVariable]:
        """The memory of past iterations."""
        return list(self.slots.values())

    def end(self) -> None:
        """End the thread, if there is one."""
        if self._iterations is not None:
            self._iterations.close()
            self._iterations = None

    def update(self, *batch: np.ndarray) -> list[Any]:
        """Make one iteration.

        Returns
        -------
        values : list
            The gradient norm, loss, weight, monitors and health, all before the iteration. If
            one of the first two is not finite, no iteration was made.

        Raises
        ------
        ConfigError
            If the batch is not the same as before.
        """
        before = batch if self._batch is None else self._batch
        if not all(a is b for a, b in zip(before, batch, strict=True)):
            raise ConfigError(
                "algo 'lbfgs' needs all training data in one batch; got several batches"
            )
        self._batch = batch
        try:
            if self._iterations is None or not (self.finished or self._iterations.alive):
                self._begin()
            gradient, *reports = self._reports(self._point)
            norm = np.linalg.norm(gradient)
            if np.isfinite(norm + reports[0]):
                self._advance()
                self.slots['updates'].set_value(self.slots['updates'].get_value() + 1)
        except BaseException:
            self.end()
            raise
        finally:
            self._set(self._point)
        if not self.health:
            return [norm, *reports]
        return [norm, *reports, np.array([*map(np.linalg.norm, self._parts(gradient))])]

    def _begin(self) -> None:
        """Start SciPy; repeat the iterations made so far, if its memory of them is lost."""
        n_updates = int(self.slots['updates'].get_value())
        if not n_updates:
            values = [p.get_value(borrow=True).ravel() for p in self.objective.params]
            self.slots['start'].set_value(np.concatenate(values).astype('float64'))
        self._point = self.slots['start'].get_value()
        self._iterations = Iterations(self._point, self._memory)
        for _ in range(n_updates):
            self._advance()

    def _advance(self) -> None:
        """Go to the next point; if there is none, stay and be finished."""
        if self.finished:
            return
        point = self._iterations.advance(self._evaluate)
        self.finished = point is None
        self._point = self._point if point is None else point
        self._evaluated = [
            (x, values) for x, values in self._evaluated if np.array_equal(x, self._point)
        ]

    def _evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and gradient for SciPy."""
        gradient, loss, *_ = self._reports(x)
        if np.isfinite(loss) and np.isfinite(gradient).all():
            return float(loss), gradient
        # The step was far too long. SciPy knows no NaN; a large value makes its line search
        # shorten the step.
        return 1e3 * (1 + abs(float(self._reports(self._point)[1]))), np.zeros_like(x)

    def _reports(self, x: np.ndarray) -> list[Any]:
        """Return gradient, loss, weight and monitors at a point."""
        for point, values in self._evaluated:
            if np.array_equal(point, x):
                return values
        self._set(x)
        gradient, *reports = self._function(*self._batch)
        values = [gradient.astype('float64'), *reports]
        self._evaluated.append((x, values))
        return values

    def _set(self, x: np.ndarray) -> None:
        """Give the parameters these values."""
        for p, part in zip(self.objective.params, self._parts(x), strict=True):
            p.set_value(part.astype(p.dtype))

    def _parts(self, x: np.ndarray) -> list[np.ndarray]:
        """Return a vector cut into the shapes of the parameters."""
        shapes = [p.get_value(borrow=True).shape for p in self.objective.params]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
        return [
            part.reshape(shape) for part, shape in zip(np.split(x, ends[:-1]), shapes, strict=True)
        ]

    def blame(self, batch: Batch) -> str:
        """Say which gradient is the first that is not finite."""
        gradient = self._reports(self._point)[0]
        for p, part in zip(self.objective.params, self._parts(gradient), strict=True):
            if not np.isfinite(part).all():
                return f'the gradient of {p.name!r} is not finite'
        return 'all gradients are finite'


def make_step(
    objective: Objective,
    rule: Optimizer,
    momentum: bool,
    nesterov: bool,
    noise: Noise | None = None,
    *,
    watched: bool = False,
    split: bool = False,
) -> Step:
    """Return the train step of an update rule; the arguments are those of `TrainStep`."""
    if rule.full_batch:
        return LBFGSStep(objective, watched)
    return TrainStep(objective, rule, momentum, nesterov, noise, watched=watched, split=split)
