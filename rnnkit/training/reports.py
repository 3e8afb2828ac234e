"""Reports of the batches of an epoch, and their means."""

from collections.abc import Sequence

import numpy as np

from rnnkit.optimizers import Objective
from rnnkit.training.protocols import Monitors

NORM = 'gradient_norm'


class Reports:
    """The reports of the batches of one epoch.

    Parameters
    ----------
    objective : Objective
    health : list of str
        The names of what updates report of the gradients.

    Attributes
    ----------
    rows : list of tuple of float
        For each batch: gradient norm, loss, weight and all else but the health.
    """

    def __init__(self, objective: Objective, health: Sequence[str]):
        self.objective, self.names = objective, health
        self.rows, self._health = list[tuple[float, ...]](), list[tuple[float, ...]]()

    def add(self, values: Sequence[np.ndarray]) -> None:
        """Append what an update has returned."""
        if self.names:
            *values, health = values
            self._health.append(tuple(health.tolist()))
        self.rows.append(tuple(map(float, values)))

    def means(self, latest: int = 0) -> Monitors:
        """Return the means over all batches, or over some of the latest."""
        rows, health = self.rows[-latest:], self._health[-latest:]
        means = self.objective.average([row[1:] for row in rows])
        norms, _, weights = np.array(rows, 'float64').T[:3]
        means[NORM] = float(np.average(norms, weights=weights)) if weights.any() else 0.0
        for name, values in zip(self.names, np.array(health, 'float64').T, strict=True):
            means[name] = float(values.mean())
        return means


def without_norm(means: Monitors) -> Monitors:
    """Return the reports of an epoch without the gradient norm."""
    return {name: value for name, value in means.items() if name != NORM}
