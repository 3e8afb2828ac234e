"""Curves of a training for TensorBoard."""

import os

from rnnkit.callbacks.base import Callback, Record, Training
from rnnkit.callbacks.event_file import EventFile
from rnnkit.common import epoch_paths
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import whole

StrPath = str | os.PathLike[str]

COUNTS = ('training', 'epoch', 'updates')  # the steps say them
RUNS = {'valid_': 'validation', 'training_': 'training_after_epoch'}


@checked_methods
class TensorBoard(Callback):
    """Write the curves of a training to a folder, for TensorBoard.

    ``tensorboard --logdir runs`` shows all networks that were written to folders in ``runs``, also
    while they are trained (``pip install 'rnnkit[tensorboard]'``). Nothing else is needed: rnnkit
    writes the files itself, after each epoch.

    Each folder has a run ``training`` and a run ``validation``, so that TensorBoard draws the two
    curves of ``loss`` in one picture. All numbers of the history are there but the counts; text is
    not. Without validation data, the losses of the training data after the epoch are a run
    ``training_after_epoch``. The texts are a summary of the network, and the settings of each
    training.

    The steps are epochs, over all trainings and stages of the network. A training that is resumed
    replaces the steps after its checkpoint. Another network in the same folder replaces all that
    is shown: give each a folder of its own.

    Entries that other callbacks add to the record are included if these callbacks precede this one
    in the list. Where several processes train together, the first one writes.

    Parameters
    ----------
    folder : str or path-like
        It is created if it does not exist.
    histograms : int
        The number of epochs from one histogram of each parameter to the next; 0 for none.

    Raises
    ------
    OSError
        If a file cannot be written; before the first epoch, if the folder cannot be created.

    Examples
    --------
    >>> import os, tempfile, numpy as np, rnnkit
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> net = rnnkit.Regressor([1, 1], seed=0)
    >>> with tempfile.TemporaryDirectory() as runs:
    ...     folder = os.path.join(runs, 'first')
    ...     _ = net.train([x, 2 * x], valid=0.2, epochs=3, callbacks=TensorBoard(folder))
    ...     sorted(os.listdir(folder))
    ['training', 'validation']
    """

    prints = False

    def __init__(self, folder: StrPath, histograms: int = 0):
        self.folder = str(epoch_paths.file_path('TensorBoard: folder', folder, 'folder'))
        self.histograms = whole('TensorBoard: histograms', histograms)
        self._target = self.folder
        self._files: dict[str, EventFile] = {}
        self._first = 1  # step
        self._written: Record = {}

    def on_train_begin(self, training: Training) -> None:
        """Create the folder, and write what is trained, and how."""
        self._target = os.path.abspath(self.folder)  # the working directory may change
        done = len(training.history)
        self._files, self._first, self._written = {}, done + 1, dict(training.record)
        file = self._file('training')
        if training.net is not None:
            file.add_text('network', _indented(training.net.summary()), done)
        file.add_text('settings', _settings(training), done)
        file.flush()

    def on_epoch_end(self, training: Training) -> None:
        """Write the numbers of the epoch."""
        self._written = {}
        if self.histograms and training.epoch % self.histograms == 0:
            for p in training.params:
                name = (p.name or 'parameter').replace('.', '/', 1)  # a section for each layer
                self._file('training').add_histogram(name, p.get_value(), len(training.history))
        self._write(training)

    def on_train_end(self, training: Training) -> None:
        """Write what came later, such as a last validation."""
        self._write(training)

    def _write(self, training: Training) -> None:
        for name, value in training.record.items():
            is_new = self._written.get(name) is not value
            if is_new and isinstance(value, int | float) and name not in COUNTS:
                start = f'{name.partition("_")[0]}_' if name in training.measured else ''
                file = self._file(RUNS.get(start, 'training'))
                file.add_scalar(name.removeprefix(start), value, len(training.history))
        self._written = dict(training.record)
        for file in self._files.values():
            file.flush()

    def _file(self, run: str) -> EventFile:
        if run not in self._files:
            self._files[run] = EventFile(os.path.join(self._target, run), self._first)
        return self._files[run]


def _indented(text: str) -> str:
    """Return a text as code in Markdown."""
    return '\n'.join(f'    {line}' for line in text.splitlines())


def _settings(training: Training) -> str:
    """Return a table in Markdown."""
    values = {'training': training.number, 'stage': training.stage, **training.settings}
    rows = [
        f'| {name} | {str(value).replace("|", "/")} |'.replace('\n', ' ')
        for name, value in values.items()
        if value is not None
    ]
    return '\n'.join(['| setting | value |', '|---|---|', *rows])
