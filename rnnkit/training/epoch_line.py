"""The line that is printed for each epoch."""

from rnnkit.training.protocols import Monitors


def epoch_line(
    epoch: int,
    training: Monitors,
    validation: Monitors,
    is_best: bool,
    seconds: float,
    held_out: bool = True,
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
    held_out : bool
        Whether there are validation data. Otherwise these are results on the training data after
        the epoch, which say nothing about new data.

    Examples
    --------
    >>> epoch_line(3, {'loss': 0.51234}, {'loss': 0.6}, True, 1.23)
    'epoch 3: loss 0.5123 | valid loss 0.6 * (1.2 s)'
    >>> epoch_line(3, {'loss': 0.51234}, {'loss': 0.4}, True, 1.23, held_out=False)
    'epoch 3: loss 0.5123 | training loss 0.4 (1.2 s)'
    """
    parts = [f'epoch {epoch}:', _shown(training)]
    if validation:
        title = '| valid' if held_out else '| training'
        parts += [title, _shown(validation), *['*'] * (is_best and held_out)]
    return ' '.join([*parts, f'({seconds:.2g} s)'])


def _shown(monitors: Monitors) -> str:
    return ' '.join(f'{name} {value:.4g}' for name, value in monitors.items())
