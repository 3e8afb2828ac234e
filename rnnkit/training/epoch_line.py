"""The line that is printed for each epoch."""

import math

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

    Notes
    -----
    Without regularizers, the ``err`` of the first loss is the loss, and is left out.

    Examples
    --------
    >>> epoch_line(3, {'loss': 0.51234}, {'loss': 0.6}, True, 1.23)
    'epoch 3: loss 0.5123 | valid loss 0.6 * (1.2 s)'
    >>> epoch_line(3, {'loss': 0.51234}, {'loss': 0.4}, True, 1.23, held_out=False)
    'epoch 3: loss 0.5123 | training loss 0.4 (1.2 s)'
    >>> epoch_line(3, {'loss': 0.5, 'err': 0.5, 'acc': 0.75}, {}, False, 1.23)
    'epoch 3: loss 0.5 acc 0.75 (1.2 s)'
    """
    if all(map(_repeats, (training, validation or training))):
        training, validation = ({**one} for one in (training, validation))
        for one in (training, validation):
            one.pop('err', None)
    parts = [f'epoch {epoch}:', _shown(training)]
    if validation:
        parts += ['|', of_validation(validation, held_out), *['*'] * (is_best and held_out)]
    return ' '.join([*parts, f'({seconds:.2g} s)'])


def of_validation(validation: Monitors, held_out: bool) -> str:
    """Return the part of the line that is about a validation."""
    return f'{"valid" if held_out else "training"} {_shown(validation)}'


def _repeats(monitors: Monitors) -> bool:
    """Return whether the first error is the loss, as it is without regularizers."""
    return 'err' in monitors and math.isclose(monitors['loss'], monitors['err'], rel_tol=1e-6)


def _shown(monitors: Monitors) -> str:
    return ' '.join(f'{name} {value:.4g}' for name, value in monitors.items())
