"""Mean and deviation of each feature of rows that come in parts. NumPy only."""

import numpy as np

PART = 2**14  # rows that are turned to float64 at a time
EPSILON = float(np.finfo('float64').eps)


class Moments:
    """Weighted mean and deviation of each feature, in float64.

    Each part of the rows is read twice, first for its mean and then for the squared differences
    from it, and parts are merged by the formula of Chan, Golub & LeVeque 1983, The American
    Statistician 37(3). So nothing is lost where the mean is large beside the deviation.

    Parameters
    ----------
    size : int
        The number of features.

    Attributes
    ----------
    weight : array of shape (size,)
        The total weight of each feature, or number of rows.
    mean : array of shape (size,)

    Examples
    --------
    >>> moments = Moments(1)
    >>> moments.add(np.array([[1.0], [2.0]]))
    >>> moments.add(np.array([[3.0]]))
    >>> moments.mean, moments.deviation()
    (array([2.]), array([0.81649658]))
    """

    def __init__(self, size: int):
        self.weight, self.mean = np.zeros(size), np.zeros(size)
        self._squares = np.zeros(size)  # the weighted sum of squared differences from the mean
        self._rows = 0

    def add(self, rows: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add rows.

        Parameters
        ----------
        rows : array of shape (n, size)
            Where a weight is 0, the value may be anything.
        weights : array of shape (n,) or (n, size), optional
        """
        for start in range(0, len(rows), PART):
            values, w = rows[start : start + PART], np.ones((1, 1))
            if weights is not None:
                w = weights[start : start + PART].astype('float64')
                if w.ndim == 1:
                    values, w = values[w > 0], w[w > 0, None]
                values = np.where(w > 0, values, 0)
            if len(values):
                self._merge(values.astype('float64'), np.broadcast_to(w, values.shape))
                self._rows += len(values)

    def _merge(self, values: np.ndarray, w: np.ndarray) -> None:
        weight = w.sum(axis=0)
        divisor = np.where(weight > 0, weight, 1)
        with np.errstate(over='ignore', invalid='ignore'):  # see `deviation`
            mean = (w * values).sum(axis=0) / divisor
            centred = values - mean
            rest = (w * centred).sum(axis=0) / divisor  # what rounding has left in the mean
            squares = (w * np.square(centred)).sum(axis=0) - weight * np.square(rest)
        self._take(weight, mean + rest, squares)

    def _take(self, weight: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        """Merge with other rows, of which these are known."""
        with np.errstate(over='ignore', invalid='ignore'):
            gap, total = mean - self.mean, self.weight + weight
            share = weight / np.where(total > 0, total, 1)
            self._squares = self._squares + squares + np.square(gap) * self.weight * share
            self.mean = self.mean + gap * share
        self.weight = total

    def join(self, other: 'Moments') -> None:
        """Add the rows that another one has seen."""
        self._take(other.weight, other.mean, other._squares)
        self._rows += other._rows

    def deviation(self) -> np.ndarray:
        """Return the population's deviation of each feature; 1 for one that is constant.

        As in scikit-learn's StandardScaler, a feature is constant if its variance is not more than
        what rounding makes of one. Where numbers are so large that their squares overflow, the
        deviation is not finite.
        """
        with np.errstate(over='ignore', invalid='ignore'):
            variance = self._squares / np.where(self.weight > 0, self.weight, 1)
            bound = self._rows * EPSILON * variance + np.square(self._rows * self.mean * EPSILON)
            constant = (variance <= bound) & np.isfinite(variance)
            return np.where(constant, 1.0, np.sqrt(variance))
