"""Explain a loss that is not finite by the first parameter or array of a batch that causes it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.errors import TrainingError
from rnnkit.optimizers import Objective
from rnnkit.parallel import Team
from rnnkit.training.protocols import Batch, Step
from rnnkit.training.validation import Validation

SMALLER_STEPS = 'Try a smaller learning_rate or max_gradient_norm'


class Run(Protocol):
    """A trainer, as this module uses it."""

    step: Step
    validation: Validation
    team: Team
    epoch: int
    updates: int

    @property
    def all_params(self) -> Sequence[SharedVariable]:
        """All parameters, the frozen ones among them."""


def of_update(run: Run, loss: float, number: int, batch: Batch) -> TrainingError:
    """Return the error for an update that was not made; `number` is that of the batch."""
    found = _cause(run, batch)
    if found is None:
        texts = run.team.ask('the gradient', lambda: run.step.blame(batch))
        found = next((t for t in texts if 'not finite' in t), texts[0]), SMALLER_STEPS
    return TrainingError(
        f'the loss is {loss} in epoch {run.epoch}, batch {number}; {found[0]}. '
        f'The parameters were not updated. {found[1]}'
    )


def of_validation(run: Run, loss: float, batch: Batch | None) -> TrainingError:
    """Return the error for the loss of a validation; `batch` is the first that explains it."""
    name = 'validation loss' if run.validation.held_out else 'loss on the training data'
    when = f'after epoch {run.epoch}' if run.epoch else 'before the first epoch'
    what, advice = _cause(run, batch) or ('', SMALLER_STEPS if run.updates else '')
    parts = [f'the {name} is {loss} {when}', what, 'the best parameters are kept']
    text = '; '.join(part for part in parts if part)
    return TrainingError(text + (f'. {advice}' if advice else ''))


def _cause(run: Run, batch: Batch | None) -> tuple[str, str] | None:
    """Return what explains it in the first process that knows, and what to do."""

    def find() -> tuple[str, str] | None:
        if batch is None:
            return None
        return not_finite(run.step.objective, run.all_params, batch, run.updates)

    for rank, pair in enumerate(run.team.ask('the cause', find)):
        if pair is not None:
            what, advice = pair
            return (what if run.team.size == 1 else f'rank {rank}: {what}'), advice
    return None


def not_finite(
    objective: Objective, params: Sequence[SharedVariable], batch: Batch, updates: int
) -> tuple[str, str] | None:
    """Return what explains a loss that is not finite, and what to do; None if nothing here does.

    Parameters
    ----------
    objective : Objective
    params : sequence of shared variables
        All parameters, the frozen ones among them.
    batch : sequence of arrays
    updates : int
        The number of updates so far: before the first one, the learning rate is not to blame.
    """
    for p in params:
        if not np.isfinite(p.get_value(borrow=True)).all():
            if updates:
                return f'parameter {p.name!r} is not finite', SMALLER_STEPS
            what = f'parameter {p.name!r} is not finite, and was so before the first update'
            return what, 'Set finite values'
    for variable, array in zip(objective.inputs, batch, strict=True):
        if array.dtype.kind != 'f' or not array.size:
            continue
        largest = float(np.fmax.reduce(abs(array), axis=None))  # NaN is a missing value
        # Errors are squared, and multiplied by weights.
        if largest > np.sqrt(np.finfo(array.dtype).max) / 100:
            what = f'array {variable.name!r} of the batch has values up to {largest:.3g}, too large'
            return f'{what} for sums and squares in {array.dtype}', 'Scale the data'
    return None
