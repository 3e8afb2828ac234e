"""The record of a training."""

import math
from collections.abc import Iterator
from typing import Any, Self, SupportsIndex

from rnnkit.callbacks.best import KINDS
from rnnkit.common.calls import checked_methods
from rnnkit.common.missing import attribute_error
from rnnkit.common.spelling import brief, nearest
from rnnkit.errors import ConfigError, NotFoundError

# Columns of which a validation has none.
OWN = {'training', 'epoch', 'updates', 'stage', 'gradient_norm', 'learning_rate', 'seconds'}


@checked_methods
class History(list):
    """One dict for each epoch, with a view by column and a plot.

    Each record has ``epoch``, ``updates`` (so far), ``loss`` and the other monitors of the
    training data (with ``monitors='gradients'`` also norms by parameter, ``'grad(hid1.xh)'``, and
    ``clipped``), ``gradient_norm`` (mean before clipping), ``learning_rate``, ``seconds``;
    and, for epochs after which the network was validated, ``valid_loss`` and so on. Without
    validation data it was evaluated on the training data instead, which gives ``training_loss``
    and so on. A training layer by layer adds ``stage``, the layers that it trained.

    Examples
    --------
    >>> history = History([{'epoch': 1, 'loss': 2.0}, {'epoch': 2, 'loss': 1.0}])
    >>> history['loss']
    [2.0, 1.0]
    >>> history[-1]['epoch']
    2
    >>> history
    History: 2 epochs
    epoch  loss
        1     2
        2     1
    """

    def __getitem__(self, key: Any) -> Any:
        """Return one record by number, or one column by name (None where it is missing).

        A slice is a `History` of its own.

        Raises
        ------
        NotFoundError
            If no record has such a column.
        """
        if isinstance(key, str):
            if self:
                self._check_column('history', key)
            return [record.get(key) for record in self]
        if isinstance(key, slice):
            return self._with(super().__getitem__(key))
        if isinstance(key, bool) or not isinstance(key, SupportsIndex):
            raise ConfigError(
                f"history[...] expects the name of a column, such as 'loss', or the number of a "
                f'record; got {key!r}'
            )
        return super().__getitem__(key)

    def __getattr__(self, name: str) -> Any:
        """Say how a column is written, for ``history.loss`` and ``history.history['loss']``."""
        message = f'History has no attribute {name!r}'
        if name in self.columns:
            message += f'; write history[{name!r}]'
        elif name == 'history':
            message += "; it is the record itself: history['loss'] is a column, history[-1] a row"
        raise attribute_error(message, name)

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in order."""
        return list(dict.fromkeys(name for record in self for name in record))

    def _check_column(self, where: str, name: object) -> None:
        """Raise a NotFoundError unless there is such a column."""
        columns = self.columns
        what, word = f'{where}: no column {brief(name)}', str(name)
        if word in columns:
            return
        kind, _, rest = word.partition('_')
        kind = 'valid' if kind in ('val', 'validation') else kind
        other = f'{kind}_{rest}'
        if kind in KINDS and rest in set(columns) - OWN:
            there = [k for k in KINDS if any(f'{k}_{c}' in columns for c in columns)]
            if not there and kind == word.partition('_')[0]:
                return  # no epoch was validated yet
            if there == ['training'] and kind == 'valid':
                raise NotFoundError(
                    f"{what}: there were no validation data; 'training_{rest}' is of the training "
                    f'data after each epoch, or hold out a share of them: train(data, valid=0.2)'
                )
            if there == ['valid'] and kind == 'training':
                raise NotFoundError(f"{what}; did you mean 'valid_{rest}', or {rest!r}?")
        if other in columns:
            raise NotFoundError(f'{what}; did you mean {other!r}?')
        near = nearest(other if kind in KINDS else word, columns)
        end = f'did you mean {near!r}?' if near else f'there are {", ".join(columns)}'
        raise NotFoundError(f'{what}; {end}')

    def rename(self, training: int, old: str, new: str) -> None:
        """Rename the columns of one training that begin with `old`."""
        for k, record in enumerate(self):
            if record.get('training') == training:
                self[k] = {
                    f'{new}{name[len(old) :]}' if name.startswith(old) else name: value
                    for name, value in record.items()
                }

    def copy(self) -> Self:
        """Return a history of its own, with copies of the records."""
        return self._with(map(dict, self))

    def _with(self, records: Any) -> Self:
        """Return a history with other records, which knows the best validations of this one."""
        other = type(self)(records)
        other._best_epochs.update(self._best_epochs)
        return other

    # --- trainings, and the best validation of each ---

    @property
    def _best_epochs(self) -> dict[tuple[int | None, str | None], int]:
        """The epoch of the best validation, by number of the training and stage; 0: before all."""
        return self.__dict__.setdefault('_best', {})

    def note_best(self, training: int, stage: str | None, epoch: int) -> None:
        """Note that the validation after an epoch is the best one of its training so far."""
        self._best_epochs[training, stage] = epoch

    def find_best(self, training: int, stage: str | None, results: dict[str, float]) -> None:
        """Note in which epoch of a training the best validation had these results."""
        for record in reversed(self):
            if (record.get('training'), record.get('stage')) == (training, stage) and all(
                record.get(name) == value for name, value in results.items()
            ):
                return self.note_best(training, stage, record['epoch'])
        return self.note_best(training, stage, 0)

    def trainings(self) -> Iterator[Self]:
        """Yield the part of each training, or of each stage of one; numbers of epochs rise."""
        part: list[dict[str, Any]] = []
        for record in self:
            if part and not _follows(record, part[-1]):
                yield self._with(part)
                part = []
            part.append(record)
        if part:
            yield self._with(part)

    def best(self) -> list[dict[str, Any]]:
        """Return the records of the best validations, one for each training, or stage of one.

        These are the epochs whose parameters the training has restored, unless
        ``restore_best=False``. A training that has not improved on its first validation, before
        the first epoch, has none. In a history from a file they are the records of the smallest
        ``'valid_loss'``, or ``'training_loss'``.

        Examples
        --------
        >>> history = History([{'epoch': 1, 'valid_loss': 2.0}, {'epoch': 2, 'valid_loss': 3.0}])
        >>> history.best()
        [{'epoch': 1, 'valid_loss': 2.0}]
        """
        records = [part._best_of_one() for part in self.trainings()]
        return [record for record in records if record is not None]

    def _best_of_one(self) -> dict[str, Any] | None:
        epoch = self._best_epochs.get((self[0].get('training'), self[0].get('stage')))
        if epoch is not None:
            return next((record for record in self if record.get('epoch') == epoch), None)
        for column in ('valid_loss', 'training_loss'):
            known = [r for r in self if not math.isnan(_number(r.get(column)))]
            if known:
                return min(known, key=lambda record: record[column])
        return None

    # --- other forms ---

    def to_frame(self) -> Any:
        """Return the history as a DataFrame of pandas, with one row for each epoch.

        Returns
        -------
        frame : pandas.DataFrame
            Its index is the epoch, which counts anew in each training: the columns ``training``,
            and ``stage`` of a training layer by layer, tell them apart. Epochs without a value,
            such as ``valid_loss``, have NaN.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> history = History([{'training': 1, 'epoch': 1, 'loss': 2.0}])
        >>> list(history.to_frame().columns)
        ['training', 'loss']
        """
        from rnnkit.integrations import tables

        return tables.of_records('history.to_frame()', self, self.columns, index='epoch')

    def __repr__(self) -> str:
        """Return a table of the last epochs, and the best ones before them."""
        from rnnkit.training import history_table

        return history_table.text(self)

    def _repr_html_(self) -> str:
        from rnnkit.training import history_table

        return history_table.of(self)

    def plot(
        self,
        path: str | None = None,
        keys: str | tuple[str, ...] = ('loss',),
        *,
        log: bool | None = None,
        learning_rate: bool | None = None,
        axes: object = None,
    ) -> Any:
        """Plot columns of training and validation data over the number of updates.

        Each column has a panel. A star marks the best validation of each training, whose
        parameters were restored (see `best`). Dotted lines stand between several trainings, or
        the stages of one.

        Parameters
        ----------
        path : str, optional
            A file that the picture is written to.
        keys : str or tuple of str
            The columns; ``'loss'`` also draws ``'valid_loss'``, or ``'training_loss'``.
        log : bool, optional
            Whether the vertical axes are logarithmic. By default those of which all values are
            positive, and the largest is more than 100 times the smallest.
        learning_rate : bool, optional
            Whether the learning rate has a panel below. By default if it has changed, and `axes`
            are not given.
        axes : matplotlib.axes.Axes, or a sequence of them, optional
            Where to draw, one for each column; by default a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            One that pyplot knows: a notebook shows it, and ``plt.show()`` opens it. With `path`
            pyplot does not know it, so that no window opens.

        Raises
        ------
        NotFoundError
            If there is no such column.
        ConfigError
            If there is no record yet, a column has no numbers, or ``log=True`` and a value is not
            positive.
        ImportError
            If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
        """
        from rnnkit.integrations import history_plot

        if not self:
            raise ConfigError('history.plot(): there is no record yet; train the network first')
        is_column = isinstance(path, str) and path in self.columns
        if is_column or isinstance(path, list | tuple):
            raise ConfigError(
                f'history.plot(): the first argument is the path of a file; for columns write '
                f'keys={path!r}'
            )
        keys = (keys,) if isinstance(keys, str) else keys
        if not isinstance(keys, list | tuple) or not keys:
            raise ConfigError(f"history.plot(): keys must be names such as ('loss',); got {keys!r}")
        for key in keys:
            self._check_column('history.plot()', key)
        return history_plot.draw(
            self, path, list(keys), log=log, learning_rate=learning_rate, axes=axes
        )


def next_number(history: History) -> int:
    """Return the number of the next training in a history, counted from 1."""
    return 1 + (history[-1].get('training', 0) if history else 0)


def _follows(record: dict[str, Any], last: dict[str, Any]) -> bool:
    """Return whether a record is of the same training, and stage of it, as the last one."""
    same = all(record.get(name) == last.get(name) for name in ('training', 'stage'))
    count = next((name for name in ('epoch', 'updates') if name in record and name in last), None)
    return same and (count is None or record[count] > last[count])


def _number(value: object) -> float:
    """Return a value as a number; NaN if it is none."""
    return float(value) if isinstance(value, int | float) else math.nan
