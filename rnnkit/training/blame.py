"""Explain a loss that is not finite by the first parameter or array of a batch that causes it."""

from collections.abc import Sequence

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.optimizers import Objective
from rnnkit.parallel import Team
from rnnkit.training.protocols import Batch, Step

SMALLER_STEPS = 'Try a smaller learning_rate or max_gradient_norm'


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
        largest = float(abs(array).max())
        # Errors are squared, and multiplied by weights.
        if largest > np.sqrt(np.finfo(array.dtype).max) / 100:
            what = f'array {variable.name!r} of the batch has values up to {largest:.3g}, too large'
            return f'{what} for sums and squares in {array.dtype}', 'Scale the data'
    return None


def find_cause(
    team: Team,
    objective: Objective,
    params: Sequence[SharedVariable],
    batch: Batch | None,
    updates: int,
) -> tuple[str, str] | None:
    """Return what `not_finite` finds in the first process in which it finds anything."""

    def find() -> tuple[str, str] | None:
        return None if batch is None else not_finite(objective, params, batch, updates)

    for rank, pair in enumerate(team.ask('the cause', find)):
        if pair is not None:
            what, advice = pair
            return (what if team.size == 1 else f'rank {rank}: {what}'), advice
    return None


def odd_gradient(team: Team, step: Step, batch: Batch) -> str:
    """Say which gradient is the first that is not finite, in any process."""
    found = team.ask('the gradient', lambda: step.blame(batch))
    return next((text for text in found if 'not finite' in text), found[0])
