"""By which result of a validation it is the best, for early stopping and the best parameters."""

from typing import Protocol

from rnnkit.callbacks.best import KINDS, MODES, Best
from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.training.protocols import Monitors

VALID, TRAINING = KINDS


def column(name: str, held_out: bool) -> str:
    """Return the column of the history that has a result of the validations.

    Parameters
    ----------
    name : str
    held_out : bool
        Whether there are validation data. If not, results are those on the training data.

    Examples
    --------
    >>> column('loss', True), column('loss', False)
    ('valid_loss', 'training_loss')
    """
    return f'{VALID if held_out else TRAINING}_{name}'


def read(where: str, restore_best: object) -> tuple[str | None, str | None]:
    """Return the column and the mode that the option ``restore_best`` names, if any.

    Raises
    ------
    ConfigError
        If it is neither True, False, a column of validations, nor such a column with a mode.
    """
    if isinstance(restore_best, bool) or type(restore_best).__name__ == 'bool':
        return None, None
    name, mode = restore_best, None
    if isinstance(restore_best, list | tuple) and len(restore_best) == 2:
        name, mode = restore_best
    where = f'{where}: restore_best'
    if not isinstance(name, str):
        raise ConfigError(
            f"{where} must be True, False, or a column such as 'valid_f1'; got "
            f'{brief(restore_best)}'
        )
    if mode not in (None, *MODES):
        raise ConfigError(
            f"{where}: the mode must be 'min' or 'max'; got {brief(mode)}{suggestion(mode, MODES)}"
        )
    kind, _, rest = name.partition('_')
    if kind not in (VALID, TRAINING) or not rest:
        other = rest if kind in ('val', 'validation', 'test', 'dev') else name
        raise ConfigError(
            f'{where} must be a result of the validations; got {name!r}, did you mean '
            f"'{VALID}_{other}'?"
        )
    return name, mode


def settings(where: str, restore_best: object) -> dict[str, object]:
    """Return the setting of a training that decides what is best; nothing if it is the loss.

    Whether the parameters are restored at the end decides nothing before, so that a training that
    is resumed may change it.
    """
    name, mode = read(where, restore_best)
    if name is None or (name.partition('_')[2] == 'loss' and mode != 'max'):
        return {}
    return {'restore_best': name if mode is None else [name, mode]}


class Judged(Protocol):
    """The options that are about the best validation."""

    restore_best: object
    min_improvement: float


class Judge:
    """Tells which validation is the best.

    Parameters
    ----------
    where : str
        The call, for messages.
    options : Options
    held_out : bool
        Whether there are validation data.

    Attributes
    ----------
    name : str
        The result that is compared: ``'loss'``.
    column : str
        The column of the history that has it: ``'valid_loss'``.
    best : Best

    Raises
    ------
    ConfigError
        If the option names a column that this training does not have.
    """

    def __init__(self, where: str, options: Judged, held_out: bool):
        given, mode = read(where, options.restore_best)
        self.where, self.held_out = f'{where}: restore_best', held_out
        self.column = given or column('loss', held_out)
        self.name = self.column.partition('_')[2]
        if self.column != column(self.name, held_out):
            raise ConfigError(
                f'{self.where}={self.column!r}: there are {"" if held_out else "no "}validation '
                f'data; write {column(self.name, held_out)!r}'
                + ('' if held_out else ', or hold out a share of the data, valid=0.2')
            )
        self.best = Best(self.where, self.column, mode, options.min_improvement)

    def check(self, results: Monitors) -> None:
        """Raise a ConfigError unless there is such a result, of which it is known what is good."""
        self.best.check_among([column(name, self.held_out) for name in results])

    def prefers(self, results: Monitors, best: Monitors) -> bool:
        """Return whether a validation is better than the best one so far."""
        return self.best.improves(results[self.name], best.get(self.name))
