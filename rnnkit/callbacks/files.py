"""Files that are written as a training goes on: networks, and a table of its history."""

import csv
import io
import os
import re
from numbers import Integral
from pathlib import Path
from typing import Any

from rnnkit.callbacks.base import Callback, Record, Training
from rnnkit.callbacks.best import Best
from rnnkit.common import epoch_paths, storage
from rnnkit.common.checks import number
from rnnkit.errors import ConfigError, DataError


class Checkpoint(Callback):
    """Write the network to a file, as ``net.save`` does, with the parameters it has just then.

    Such a file is a network and nothing else: small, and made to be read by `rnnkit.load`. What the
    option ``checkpoint=`` of a training writes is the training: it can be resumed to the bit,
    and its parameters are the best ones so far.

    Parameters
    ----------
    path : str or path-like
        ``{epoch}``, or ``{}``, stands for the number of the epoch, so that each file is kept.
    every : int
        Epochs from one file to the next.
    best_only : bool
        Whether a file is only written when the monitor is better than it ever was; epochs
        that have no such column are left out.
    monitor : str
        A column of the history, for `best_only`.
    mode : {'min', 'max'}, optional
        Which of its values are good, as in `EarlyStop`.
    """

    prints = False

    def __init__(
        self,
        path: Any,
        every: int = 1,
        best_only: bool = False,
        monitor: str = 'valid_loss',
        mode: str | None = None,
    ):
        self.path = _path('Checkpoint', path)
        unknown = re.search(r'\{(?!(epoch)?\})[^{}]*\}', self.path)
        if unknown:
            raise ConfigError(
                f'Checkpoint: only {{}} and {{epoch}} are replaced in a path; got {unknown[0]}'
            )
        number('Checkpoint: every', every, Integral, 1)
        if not isinstance(best_only, bool):
            raise ConfigError(f'Checkpoint: best_only is True or False; got {best_only!r}')
        self.every, self.best_only = int(every), best_only
        self._best = Best('Checkpoint', monitor, mode)
        self._goes_on = False  # whether it has been given a state to go on from

    @property
    def best(self) -> float | None:
        """The best value of the monitor so far."""
        return self._best.value

    def on_train_begin(self, training: Training) -> None:
        """Begin anew; find out now whether nothing could be written."""
        if not self._goes_on:
            self._best.value = None
        self._goes_on = False
        if training.net is None:
            raise ConfigError('Checkpoint: minimize() has no network that could be saved')
        training.net.to_spec()  # fails now if the network cannot be written
        _check_folder('Checkpoint', self.path)

    def on_validation_end(self, training: Training) -> None:
        """Find a wrong name before the first epoch."""
        if training.epoch == 0 and self.best_only:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Write a file, if it is time to."""
        if training.epoch % self.every == 0 and (not self.best_only or self._improved(training)):
            training.net.save(epoch_paths.numbered(self.path, training.epoch))

    def _improved(self, training: Training) -> bool:
        value, before = self._best.read(training), self._best.value
        improved = value is not None and self._best.better(value)
        if training.unplanned and self._best.of_validation:
            self._best.value = before  # a longer training would not see it
        return improved

    def get_state(self) -> dict[str, Any] | None:
        """Return what is remembered."""
        return self._best.get_state() if self.best_only else None

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` has returned."""
        self._best.set_state(state)
        self._goes_on = True


class CSV(Callback):
    """Write the history to a file of comma-separated values, one line for each epoch.

    Each line is in the file as soon as its epoch has ended. The columns are those of the
    history. When a new one comes up, such as ``valid_loss`` after the first validation, it goes
    to the right end, and the file is written anew with it; lines before have nothing there. What
    other callbacks add to the record is in the line if they stand before this one in the list.

    Parameters
    ----------
    path : str or path-like
    append : bool
        Whether lines are added to what is in the file. Otherwise it is begun anew, but for the
        later stages of a training layer by layer, which add their lines. In both cases
        the lines that a training has left which is resumed are replaced by its history up to
        there.
    """

    prints = False

    def __init__(self, path: Any, append: bool = False):
        self.path = _path('CSV', path)
        if not isinstance(append, bool):
            raise ConfigError(f'CSV: append is True or False; got {append!r}')
        self.append = append
        self._lines: list[Record] = []
        self._columns: list[str] = []
        self._written: Record | None = None  # the latest record that is in the file
        self._staged: tuple[Any, int] | None = None  # whose stages it has lines of

    def on_train_begin(self, training: Training) -> None:
        """Begin a file, or read the one that is there."""
        _check_folder('CSV', self.path)
        if self._goes_on(training):
            self._written = dict(training.history[-1])
            return
        self._lines, self._columns = [], []
        if self.append and os.path.exists(self.path):
            self._read()
        if training.resumed:
            self._drop(str(training.number))
            self._lines += [
                _texts(one) for one in training.history if one.get('training') == training.number
            ]
        for line in self._lines:
            self._add_columns(line)
        self._write_all()
        self._written = dict(training.record or {})

    def on_epoch_end(self, training: Training) -> None:
        """Write a line."""
        self._written = dict(training.record)
        line = _texts(self._written)
        self._lines.append(line)
        if self._add_columns(line):
            self._write_all()
            return
        with open(self.path, 'a', encoding='utf-8', newline='') as file:
            file.write(self._as_text([line]))

    def on_train_end(self, training: Training) -> None:
        """Write the last line again if more has come since, or for the first time."""
        written, record = self._written, training.record
        self._written = None
        if written is None or record is None or record == written:
            return
        if record['epoch'] == written.get('epoch'):
            self._lines.pop()
        line = _texts(record)
        self._lines.append(line)
        self._add_columns(line)
        self._write_all()

    def _goes_on(self, training: Training) -> bool:
        """Return whether this is a later stage of the training that the file has lines of."""
        before, self._staged = self._staged, None
        if training.stage is not None:
            self._staged = training.history, training.number
        return (
            before is not None
            and before[0] is training.history
            and before[1] == training.number
            and bool(self._lines)
        )

    def _drop(self, number: str) -> None:
        """Leave out the last lines in the file if they are of the training of this number."""
        last = float('inf')
        while self._lines and self._lines[-1].get('training') == number:
            epoch = self._lines[-1].get('epoch') or ''
            if not (epoch.isdecimal() and int(epoch) < last):
                break  # of another program, whose training had the same number
            last = int(epoch)
            self._lines.pop()

    def _read(self) -> None:
        with open(self.path, encoding='utf-8', newline='') as file:
            reader = csv.DictReader(file, strict=True)
            try:
                self._lines = list(reader)
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(f'CSV: {self.path} cannot be read ({error})') from None
        self._columns = list(reader.fieldnames or [])
        if any(None in line for line in self._lines):
            raise DataError(f'CSV: {self.path} has lines that are longer than its first one')

    def _add_columns(self, line: Record) -> bool:
        new = [name for name in line if name not in self._columns]
        self._columns += new
        return bool(new)

    def _as_text(self, lines: list[Record], header: bool = False) -> str:
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, self._columns, restval='', lineterminator='\n')
        if header and self._columns:
            writer.writeheader()
        writer.writerows(lines)
        return text.getvalue()

    def _write_all(self) -> None:
        storage.replace(Path(self.path), self._as_text(self._lines, header=True).encode())


def _texts(record: Record) -> Record:
    """Return the fields of a line; floats so that reading them gives the same number."""
    return {
        name: ''
        if value is None
        else repr(float(value))
        if isinstance(value, float)
        else str(value)
        for name, value in record.items()
    }


def _path(where: str, path: Any) -> str:
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise ConfigError(f'{where}: path is the path of a file; got {path!r}')
    return os.fspath(path)


def _check_folder(where: str, path: str) -> None:
    if not Path(path).parent.is_dir():
        raise ConfigError(f'{where}: there is no folder {str(Path(path).parent)!r}')
    if Path(path).is_dir():
        raise ConfigError(f'{where}: path is a file; {path!r} is a folder')
