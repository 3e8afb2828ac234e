"""Checkpoints: a training is saved as it proceeds, and resumed from the file."""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable

from rnnkit.common import epoch_paths, file_format, meta, progress
from rnnkit.common.checks import is_whole
from rnnkit.errors import ConfigError, FormatError
from rnnkit.parallel import ALONE, Team
from rnnkit.schedules import Schedule
from rnnkit.training import judge, protocols, saved_state
from rnnkit.training.history import History
from rnnkit.training.options import DEFAULTS, Options, TrainingConfig
from rnnkit.training.protocols import Batches, State
from rnnkit.training.trainer import Seed, Trainer

# Options that a resumed training may change: how long it is, and where it is saved.
FREE = (
    'epochs',
    'patience',
    'restore_best',
    'checkpoint',
    'save_every',
    'resume',
    'callbacks',
    'progress',
    'verbose',
    'comm',
    'shard',
)


class Resumable(Protocol):
    """A network, as checkpoints use it."""

    seed: int
    trainings: int  # how many there have been
    history: History
    meta: dict[str, Any]
    params: list[SharedVariable]
    frozen: list[str]  # the names of those that are not trained

    def to_spec(self) -> dict[str, Any]:
        """Return a description of the network, as JSON."""


class Checkpoints:
    """The files that one training reads and writes, if any.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
    options : Options
    team : Team
        The processes that train together; the first one reads and writes the files.

    Attributes
    ----------
    seed : int or list of int
        The seed of the training.
    state : dict, or None
        The state that the trainer resumes from.

    Raises
    ------
    FileNotFoundError
        If there is no file to resume from.
    FormatError
        If it is not a checkpoint, or is damaged.
    ConfigError
        If it belongs to another network, or there is no folder to write to.
    """

    def __init__(self, where: str, net: Resumable, options: Options, team: Team = ALONE):
        self.where, self.net, self.options, self.team = where, net, options, team
        self.source = team.lead('the file to resume from', self._source)
        self.seed: Seed = options.seed
        if options.seed is None:
            self.seed = team.lead('the seed', lambda: [net.seed, net._trainings])
        if options.checkpoint is not None:
            target = Path(options.checkpoint)
            team.lead('the folder of the checkpoint', lambda: self._check_target(target))
            net.to_spec()  # raises now, not after an epoch, if the network cannot be saved
            meta.packed(net.meta)
        self.header: dict[str, Any] | None = None
        self.state: State | None = None
        if self.source is not None:
            self.header = team.lead('the checkpoint', partial(self._read, self.source))
            self.seed, self.state = self.header['seed'], self.header['state']

    def _source(self) -> Path | None:
        """Return the file to resume from."""
        resume, checkpoint = self.options.resume, self.options.checkpoint
        if resume is None:
            return None
        if resume != 'auto':
            path = Path(resume)
            if not path.exists():
                hint = ''
                if checkpoint is not None and Path(checkpoint) == path:
                    hint = "; resume='auto' starts a new training if there is none"
                raise FileNotFoundError(
                    2, f'{self.where}: there is no checkpoint to resume from{hint}', str(path)
                )
            return path
        return epoch_paths.newest(checkpoint)

    def _check_target(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise ConfigError(f'{self.where}: checkpoint: there is no folder {str(path.parent)!r}')
        if path.is_dir():
            raise ConfigError(
                f'{self.where}: checkpoint must be the path of a file; {str(path)!r} is a folder'
            )

    def _read(self, path: Path) -> dict[str, Any]:
        """Return the description of a training in a file, after checking that it is of `net`."""
        file = file_format.read(path)
        header = file.training
        if header is None:
            raise FormatError(f'{path}: holds a network, but not the checkpoint of a training')
        entries = {'settings': dict, 'state': dict}
        if (
            set(header) != {*entries, 'seed', 'trainings'}
            or not all(isinstance(header[name], kind) for name, kind in entries.items())
            or not is_whole(header['trainings'], 0)
            or not saved_state.is_seed(header['seed'])
        ):
            raise FormatError(f'{path}: its description of the training is damaged')
        here, there = plain(self.net.to_spec()), file.spec
        if not isinstance(there, dict):
            raise FormatError(f'{path}: its description of the network is damaged')
        for name in dict.fromkeys([*here, *there]):
            # A seed that was drawn is never the same, and is not used any more. The columns are
            # those of the data, which are not read yet.
            if name not in ('seed', 'columns') and there.get(name) != here.get(name):
                raise ConfigError(
                    f'{self.where}: the checkpoint {path} belongs to another network: '
                    f'{_difference(name, there.get(name), here.get(name))}'
                )
        if header['state'].get('best_params') is None:
            trained = set(file.arrays) - set(self.net.frozen)
            header['state']['best_params'] = {name: file.arrays[name] for name in trained}
        header['frozen'] = {n: file.arrays[n] for n in self.net.frozen if n in file.arrays}
        header['net_seed'] = there.get('seed')
        header['meta'] = file.meta or {}
        return header

    def keeper(self, config: TrainingConfig, batches: Batches) -> 'Keeper | None':
        """Return the writer of checkpoints, if there are to be any.

        Raises
        ------
        ConfigError
            If the file to resume from belongs to a training with other options or data.
        """
        if self.source is None and self.options.checkpoint is None:
            return None
        own = settings(config, batches, self.team)
        trainings = self.net._trainings + 1
        if self.header is not None:
            self._compare(plain(self.header['settings']), own)
            trainings = self.header['trainings']
        if self.options.checkpoint is None:
            return None
        header = {'settings': own, 'seed': self.seed, 'trainings': trainings}
        return Keeper(self.options, self.net, plain(header), self._frozen, self.team)

    def _frozen(self) -> dict[str, np.ndarray]:
        """Return the values of the parameters that are not trained."""
        return {p.name: p.get_value() for p in self.net.params if p.name in self.net.frozen}

    def check(self, trainer: Trainer) -> None:
        """Raise a FormatError unless the state to resume from fits a trainer."""
        if self.header is not None:
            expected = trainer.get_state()
            expected['best_params'] = expected['last']  # before the first validation: none
            saved_state.check_state(self.source, expected, self.header['state'])
            if not saved_state.fits(self._frozen(), self.header['frozen'], False):
                raise FormatError(f'{self.source}: its frozen parameters do not fit')

    def begin(self) -> None:
        """Count the training; restore the attributes of a network whose training is resumed."""
        if self.header is None:
            self.net._trainings += 1
            return
        for p in self.net.params:
            if p.name in self.header['frozen']:
                p.set_value(self.header['frozen'][p.name])
        if isinstance(self.header['net_seed'], int):
            self.net.seed = self.header['net_seed']
        self.net.meta.update(self.header['meta'])
        self.net._trainings = self.header['trainings']
        epoch = self.header['state']['epoch']
        progress.say('resuming after epoch %d of %s', epoch, self.source)

    def _compare(self, there: Mapping[str, object], here: Mapping[str, object]) -> None:
        """Raise a ConfigError if the settings of a training were other ones."""
        for name in [*here, *there]:
            was, now = (settings.get(name, DEFAULTS.get(name)) for settings in (there, here))
            if was != now:
                raise ConfigError(
                    f'{self.where}: the checkpoint {self.source} belongs to another training: '
                    f'{_difference(name, was, now)}'
                )


def settings(config: TrainingConfig, batches: Batches, team: Team = ALONE) -> dict[str, Any]:
    """Return all settings that a training depends on, as JSON."""
    # Without defaults, so that files stay readable when there are new options.
    own = {n: v for n, v in vars(config.options).items() if n not in FREE}
    own = {n: v for n, v in own.items() if plain(v) != DEFAULTS[n]}
    own |= judge.settings(config.where, config.options.restore_best)
    shapes = batches.describe()
    if config.options.shard:  # of parts, which are other ones with another number of processes
        shapes = sum(team.gather('the number of examples', getattr(batches, 'n_examples', 0)))
    data = {'algo': config.algo, **config.terms, 'the shapes of the data': shapes}
    # The first difference is reported: the rule says more than the hyperparameters it implies.
    return plain({'algo': None, **own, **config.rule.switched, **config.hyperparameters, **data})


class Keeper:
    """Writes a training to its checkpoint whenever that is due.

    Parameters
    ----------
    options : Options
    net : Network
    header : dict
        The description of the training, without its state.
    frozen : callable
        Returns the parameters that are not trained.
    team : Team
        The first process decides, and writes.
    """

    def __init__(
        self,
        options: Options,
        net: Resumable,
        header: State,
        frozen: Callable[[], dict[str, np.ndarray]],
        team: Team = ALONE,
    ):
        # Absolute: a callback may change the working directory.
        self.path, self.every = os.path.abspath(options.checkpoint), options.save_every
        self.net, self.header, self.frozen, self.team = net, header, frozen, team
        self._written = time.monotonic()

    def __call__(self, trainer: Trainer, validated: bool, ended: bool, state: State | None) -> None:
        """Write a file, if it is due.

        Parameters
        ----------
        trainer : Trainer
        validated : bool
            Whether there was a validation just now.
        ended : bool
            Whether this was the last epoch.
        state : dict, or None
            The state to resume from, if not the present state of the trainer.
        """
        due = partial(self._due, trainer.epoch, validated)
        if not (ended or trainer.epoch == 0 or self.team.lead('when to save', due)):
            return
        state = trainer.get_state() if state is None else dict(state)
        self.team.lead('a checkpoint', partial(self._write, trainer, state))
        self._written = time.monotonic()

    def _write(self, trainer: Trainer, state: State) -> None:
        best = dict(zip(trainer.param_names, trainer.best_params, strict=True))
        if callbacks := trainer.hooks.get_state():
            state['callbacks'] = callbacks
        if all(state['best_params'][name] is value for name, value in best.items()):
            state['best_params'] = None  # the parameters of the network in the file are the same
        path = epoch_paths.numbered(self.path, trainer.epoch)
        training = {**self.header, 'state': state}
        values = best | self.frozen()
        file_format.write(
            path, file_format.File(self.net.to_spec(), values, training, self.net.meta)
        )

    def _due(self, epoch: int, validated: bool) -> bool:
        if self.every is None:
            return validated
        if is_whole(self.every):
            return epoch % self.every == 0
        return time.monotonic() - self._written >= 60 * self.every


def recall(path: protocols.Path, net: Resumable, training: State) -> None:
    """Give a network that was loaded from a checkpoint the history of its training."""
    state = training.get('state')
    history = state.get('history') if isinstance(state, dict) else None
    count = training.get('trainings')
    if not is_whole(count, 0) or not saved_state.is_history(history):
        raise FormatError(f'{path}: its description of the training is damaged')
    net.history[:] = history
    net._trainings = count


def plain(value: object) -> Any:
    """Return `value` after a round trip through JSON; of what JSON cannot hold, a name."""
    return json.loads(json.dumps(_named(value)))


def _named(value: object) -> Any:
    """Return `value` with only types that JSON has, and names in place of other objects."""
    if isinstance(value, Schedule):
        return _named({'form': type(value).__name__, **vars(value)})
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _named(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Real):
        return float(value)
    return getattr(value, '__qualname__', type(value).__qualname__)


def _difference(name: str, there: object, here: object) -> str:
    """Describe a difference briefly."""
    lists = isinstance(there, list) and isinstance(here, list)
    if name == 'layers' and lists and len(there) == len(here):
        k = next(k for k, pair in enumerate(zip(there, here, strict=True)) if pair[0] != pair[1])
        name, there, here = f'layers[{k}]', there[k], here[k]
    there, here = (f'{str(v)[:100]}...' if len(str(v)) > 103 else str(v) for v in (there, here))
    return f'{name} was {there}, and is now {here}'
