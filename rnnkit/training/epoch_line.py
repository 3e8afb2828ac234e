"""The line that is printed for each epoch."""

from rnnkit.training.protocols import Monitors


def epoch_line(
    epoch: int, training: Monitors, validation: Monitors, is_best: bool, seconds: float
) -> str:
    """Return the line of an epoch.

    Parameters
    ----------
    epoch : int
    training : dict of str to float
        The monitors of the training data.
    validation : dict of str to float
        Those of the validation after this epoch; empty if there was none.
    is_best : bool
        Whether this validation is the best one so far, which gets a star.
    seconds : float

    Examples
    --------
    >>> epoch_line(3, {'loss': 0.51234}, {'loss': 0.6}, True, 1.23)
    'epoch 3: loss 0.5123 | valid loss 0.6 * (1.2 s)'
    """
    parts = [f'epoch {epoch}:', _shown(training)]
    if validation:
        parts += ['| valid', _shown(validation), *['*'] * is_best]
    return ' '.join([*parts, f'({seconds:.2g} s)'])


def _shown(monitors: Monitors) -> str:
    return ' '.join(f'{name} {value:.4g}' for name, value in monitors.items())
