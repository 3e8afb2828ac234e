"""Records of trainings in MLflow; ``pip install 'rnnkit[mlflow]'`` installs its client.

`rnnkit` itself never imports MLflow.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any

try:
    import mlflow
except ImportError as error:
    raise ImportError(
        'rnnkit.integrations.mlflow needs mlflow, which is not installed: '
        "pip install 'rnnkit[mlflow]'"
    ) from error

from rnnkit.callbacks import Callback, Training
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

__all__ = ['MLflow']

COUNTS = ('training', 'epoch', 'updates')  # the steps say them
LONGEST = 6000  # characters of a parameter
STATUS = {'error': 'FAILED', 'interrupted': 'KILLED'}


@checked_methods
class MLflow(Callback):
    """Record a training in MLflow: its settings, the numbers of each epoch and, if asked, the file.

    They go to the active run, which stays active; if there is none, to a run of the training's own,
    which ends with it as finished, failed or killed (by Ctrl-C). Further trainings of the network
    with the same callback, and the stages of one, continue this run, and so does a training that is
    resumed from a checkpoint.

    The settings are parameters. MLflow never changes a parameter: what a later training changes
    is recorded as ``from epoch 21/learning_rate``. The numbers of the history are metrics; a step
    is an epoch, over all trainings of the network. MLflow's names have no ``<>()``, so
    ``'hid1:out<0.1'`` becomes ``hid1_out_0.1``. A summary of the network is the artifact
    ``network.txt``.

    Entries that other callbacks add to the record are included if these callbacks precede this one
    in the list. Where several processes train together, the first one records.

    Parameters
    ----------
    run_name : str, optional
        The name of a run that the callback starts.
    model : bool
        Whether the trained network becomes the artifact ``net.rnn``, which `rnnkit.load` reads.

    Attributes
    ----------
    run_id : str, or None
        The latest run.

    Raises
    ------
    ConfigError
        If an argument is wrong; if the run of a checkpoint is not where MLflow records now.

    Examples
    --------
    >>> from rnnkit.integrations.mlflow import MLflow  # doctest: +SKIP
    >>> net.train([x, y], valid=0.2, callbacks=MLflow('first try'))  # doctest: +SKIP
    """

    prints = False

    def __init__(self, run_name: str | None = None, model: bool = False):
        if not (run_name is None or isinstance(run_name, str)) or run_name == '':
            raise ConfigError(f'MLflow: run_name must be text; got {brief(run_name)}')
        self.run_name, self.model = run_name, flag('MLflow: model', model)
        self.run_id: str | None = None
        self._history: object = None  # that of the network which the run is about
        self._is_own = self._restored = False
        self._written: dict[str, Any] = {}

    def on_train_begin(self, training: Training) -> None:
        """Find or start a run, and record what is trained, and how."""
        if self.model and training.net is None:
            raise ConfigError('MLflow: minimize() has no network that could be saved')
        run = mlflow.active_run()
        self._is_own = run is None
        if run is None:
            run = self._start(self._restored or self._history is training.history)
        self.run_id, self._history, self._restored = run.info.run_id, training.history, False
        self._written = dict(training.record)
        if training.net is not None:
            mlflow.log_text(training.net.summary(), 'network.txt')
        stage = {} if training.stage is None else {'stage': training.stage}
        texts = {_name(n): str(v)[:LONGEST] for n, v in {**training.settings, **stage}.items()}
        known = mlflow.get_run(self.run_id).data.params
        start = f'from epoch {len(training.history) + 1}/'
        mlflow.log_params(
            {n if n not in known else start + n: v for n, v in texts.items() if known.get(n) != v}
        )

    def on_epoch_end(self, training: Training) -> None:
        """Record the numbers of the epoch."""
        self._written = {}
        self._log(training)

    def on_train_end(self, training: Training) -> None:
        """Record what came later, such as a last validation, and end the run."""
        status = 'FAILED'
        try:
            self._log(training)
            if self.model:
                with tempfile.TemporaryDirectory() as folder:
                    path = os.path.join(folder, 'net.rnn')
                    training.net.save(path)
                    mlflow.log_artifact(path)
            status = STATUS.get(training.ended or '', 'FINISHED')
        finally:
            if self._is_own:
                self._is_own = False
                mlflow.end_run(status)

    def _start(self, is_continued: bool) -> Any:
        if not is_continued or self.run_id is None:
            return mlflow.start_run(run_name=self.run_name)
        try:
            return mlflow.start_run(run_id=self.run_id)
        except mlflow.exceptions.MlflowException as error:
            raise ConfigError(
                f'MLflow: the run {self.run_id}, which this training continues, is not in '
                f'{mlflow.get_tracking_uri()}. Call mlflow.set_tracking_uri() with the place where '
                f'it is, or mlflow.start_run() for a new run'
            ) from error

    def _log(self, training: Training) -> None:
        new = {
            _name(name): float(value)
            for name, value in training.record.items()
            if isinstance(value, int | float) and self._written.get(name) is not value
        }
        numbers = {name: value for name, value in new.items() if name not in COUNTS}
        if numbers:
            mlflow.log_metrics(numbers, step=len(training.history))
        self._written = dict(training.record)

    def get_state(self) -> dict[str, Any] | None:
        """Return the state for a checkpoint."""
        return {'run_id': self.run_id}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the state from `get_state`."""
        if not isinstance(state['run_id'], str):
            raise ValueError(f'run_id must be text; got {brief(state["run_id"])}')
        self.run_id, self._restored = state['run_id'], True


def _name(column: str) -> str:
    """Return the name of a column without the signs that MLflow refuses."""
    return re.sub(r'[^\w.\- ]+', '_', column).strip('_')
