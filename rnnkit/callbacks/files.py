"""Files that are written during a training: networks, and a table of the history."""

import contextlib
import csv
import io
import os
from pathlib import Path
from typing import Any

from rnnkit.callbacks.base import Callback, Record, Training
from rnnkit.callbacks.best import Best
from rnnkit.common import epoch_paths, file_kinds, meta, replace_file, reprs
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag, whole
from rnnkit.errors import ConfigError, DataError

StrPath = str | os.PathLike[str]


@checked_methods
class Checkpoint(Callback):
    """Save the network during the training, with its current parameters, as ``net.save`` does.

    The file contains only the network: it is small, and `rnnkit.load` reads it. The option
    ``checkpoint=`` of a training instead saves the whole training, which can be resumed
    bit for bit, with the best parameters so far.

    Parameters
    ----------
    path : str or path-like
        ``{epoch}`` or ``{}`` in the name of the file is replaced by the number of the epoch, to
        keep all files.
    every : int
        The number of epochs from one file to the next.
    best_only : bool
        Whether to save only when the monitor has improved; epochs without the column are
        skipped.
    monitor : str, optional
        A column of the history, for `best_only`; by default as in `EarlyStop`.
    mode : {'min', 'max'}, optional
        Whether small or large values are better, as in `EarlyStop`.
    """

    prints = False

    def __init__(
        self,
        path: StrPath,
        every: int = 1,
        best_only: bool = False,
        monitor: str | None = None,
        mode: str | None = None,
    ):
        self.path = self._target = _path('Checkpoint', path)
        file_kinds.check_name('Checkpoint', self.path)
        epoch_paths.check_places('Checkpoint', self.path)
        self.every = whole('Checkpoint: every', every, 1)
        self.best_only = flag('Checkpoint: best_only', best_only)
        self._best = Best('Checkpoint', monitor, mode)
        self._restored = False  # whether the state is from a checkpoint

    def __repr__(self) -> str:
        return reprs.call(self, **self._best.arguments)

    @property
    def best(self) -> float | None:
        """The best value of the monitor so far."""
        return self._best.value

    def on_train_begin(self, training: Training) -> None:
        """Reset the state, and check now whether files can be written."""
        self._best.begin(training)
        if not self._restored:
            self._best.value = None
        self._restored = False
        if training.net is None:
            raise ConfigError('Checkpoint: minimize() has no network that could be saved')
        training.net.to_spec()  # raises now if the network cannot be saved
        meta.packed(training.net.meta)
        _check_folder('Checkpoint', self.path)
        self._target = os.path.abspath(self.path)  # the working directory may change

    def on_validation_end(self, training: Training) -> None:
        """Reject an unknown monitor before the first epoch."""
        if training.epoch == 0 and self.best_only:
            self._best.check(training)

    def on_epoch_end(self, training: Training) -> None:
        """Save the network, if it is due."""
        if training.epoch % self.every == 0 and (not self.best_only or self._improved(training)):
            training.net.save(epoch_paths.numbered(self._target, training.epoch))

    def _improved(self, training: Training) -> bool:
        value, before = self._best.read(training), self._best.value
        improved = value is not None and self._best.better(value)
        if training.unplanned and self._best.of_validation(training):
            self._best.value = before  # a longer training would not see it
        return improved

    def get_state(self) -> dict[str, Any] | None:
        """Return the state for a checkpoint."""
        return self._best.get_state() if self.best_only else None

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state from `get_state`."""
        self._best.set_state(state)
        self._restored = True


@checked_methods
class CSV(Callback):
    """Write the history to a CSV file, one line per epoch.

    Each line is written as soon as its epoch has ended. The columns are those of the history. A
    new column, such as ``valid_loss`` after the first validation, is added on the right, and the
    file is rewritten; it is empty in earlier lines. Entries that other callbacks add to the record
    are included if these callbacks precede this one in the list.

    Parameters
    ----------
    path : str or path-like
    append : bool
        Whether to append to an existing file. Otherwise the file is overwritten, except by the
        later stages of layerwise training, which append their lines. In both cases, a resumed
        training replaces the lines that it has written before by its history.
    """

    prints = False

    def __init__(self, path: StrPath, append: bool = False):
        self.path = _path('CSV', path)
        self.append = flag('CSV: append', append)
        self._target = self.path
        self._lines: list[Record] = []
        self._columns: list[str] = []
        self._written: Record | None = None  # the latest record that is in the file
        self._staged: tuple[object, int] | None = None  # history and number of layerwise training

    def on_train_begin(self, training: Training) -> None:
        """Create the file, or read the existing one."""
        _check_folder('CSV', self.path)
        self._target = os.path.abspath(self.path)  # the working directory may change
        if self._is_next_stage(training):
            self._written = dict(training.history[-1])
            return
        self._lines, self._columns = [], []
        if self.append and os.path.exists(self.path):
            self._read()
        if training.resumed:
            self._drop(str(training.number))
            self._lines += [
                _texts(record)
                for record in training.history
                if record.get('training') == training.number
            ]
        for line in self._lines:
            self._add_columns(line)
        self._write_all()
        self._written = dict(training.record)

    def on_epoch_end(self, training: Training) -> None:
        """Write the line of the epoch."""
        self._written = dict(training.record)
        line = _texts(self._written)
        self._lines.append(line)
        if self._add_columns(line):
            self._write_all()
            return
        self._write_line(line)

    def _write_line(self, line: Record) -> None:
        """Append a line to the file; if that fails, no part of it is left."""
        length = None
        try:
            with open(self._target, 'ab') as file:
                length = file.tell()
                file.write(_encoded(self._as_text([line])))
        except OSError as error:
            with contextlib.suppress(OSError):
                if length is not None:
                    os.truncate(self._target, length)
            raise replace_file.not_written(self._target, error) from error

    def on_train_end(self, training: Training) -> None:
        """Write the last line again, if the record has changed or is new."""
        written, record = self._written, training.record
        self._written = None
        if written is None or not record or record == written:
            return
        if record['epoch'] == written.get('epoch'):
            self._lines.pop()
        line = _texts(record)
        self._lines.append(line)
        self._add_columns(line)
        self._write_all()

    def _is_next_stage(self, training: Training) -> bool:
        """Return whether this is a later stage of the training that the file is about."""
        previous, self._staged = self._staged, None
        if training.stage is not None:
            self._staged = training.history, training.number
        return (
            previous is not None
            and previous[0] is training.history
            and previous[1] == training.number
            and bool(self._lines)
        )

    def _drop(self, number: str) -> None:
        """Remove the last lines in the file that belong to the training of this number."""
        last = float('inf')
        while self._lines and self._lines[-1].get('training') == number:
            epoch = self._lines[-1].get('epoch') or ''
            if not (epoch.isdecimal() and int(epoch) < last):
                break  # written by another program, whose training had the same number
            last = int(epoch)
            self._lines.pop()

    def _read(self) -> None:
        with open(self.path, encoding='utf-8-sig', newline='') as file:  # Excel marks the start
            reader = csv.DictReader(file, strict=True)
            try:
                self._columns = list(reader.fieldnames or [])
                self._lines = list(reader)
            except (csv.Error, UnicodeDecodeError) as error:
                raise DataError(f'CSV: {self.path} cannot be read ({error})') from None
        twice = [name for k, name in enumerate(self._columns) if name in self._columns[:k]]
        if twice:
            raise DataError(
                f'CSV: {self.path} has several columns {twice[0]!r}; rename them, or choose '
                f'another file'
            )
        if any(None in line for line in self._lines):
            raise DataError(f'CSV: {self.path} has lines that are longer than its header')

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
        replace_file.replace(self._target, _encoded(self._as_text(self._lines, header=True)))


def _encoded(text: str) -> bytes:
    return text.encode(errors='backslashreplace')  # halves of letters, which no file can hold


def _texts(record: Record) -> Record:
    """Return the fields of a line as text; reading a float gives the same number."""
    return {
        name: ''
        if value is None
        else repr(float(value))
        if isinstance(value, float)
        else str(value)
        for name, value in record.items()
    }


def _path(where: str, path: object) -> str:
    return str(epoch_paths.file_path(f'{where}: path', path))


def _check_folder(where: str, path: str) -> None:
    if not Path(path).parent.is_dir():
        raise ConfigError(f'{where}: there is no folder {str(Path(path).parent)!r}')
    if Path(path).is_dir():
        raise ConfigError(f'{where}: path must be a file; {path!r} is a folder')
