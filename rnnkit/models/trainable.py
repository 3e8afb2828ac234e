"""Training of networks: the calls of users, and a training made ready."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from rnnkit import kernels
from rnnkit.common import old_words
from rnnkit.common import progress as lines
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import optional_whole
from rnnkit.data.border import Border
from rnnkit.data.classes import Classes
from rnnkit.data.columns import Columns
from rnnkit.data.hold_out import split
from rnnkit.data.passes import makes_new_batches
from rnnkit.errors import ConfigError
from rnnkit.models import frozen
from rnnkit.models.parameters import Parameters
from rnnkit.parallel import ALONE, Team, choose
from rnnkit.training import class_weights
from rnnkit.training.batching import Batching
from rnnkit.training.carried_state import Carry
from rnnkit.training.checkpoints import Checkpoints
from rnnkit.training.held_out import check_classes
from rnnkit.training.history import History, next_number
from rnnkit.training.options import Options, TrainingConfig, given_options, read_training
from rnnkit.training.protocols import (
    Batch,
    Batches,
    BestSpec,
    CallbackSpec,
    ClassWeight,
    Data,
    Monitors,
    MonitorSpec,
    Path,
    Valid,
)
from rnnkit.training.scales import Scales
from rnnkit.training.sessions import Sessions
from rnnkit.training.train_steps import TrainSteps
from rnnkit.training.trainer import Place, Seed, Trainer
from rnnkit.training.undo import Undo
from rnnkit.training.validation import Validation
from rnnkit.training.ways import find_way


@checked_methods
class Trainable(Parameters):
    """Training, as a base class of `rnnkit.Network`."""

    history: History
    seed: int
    _border: Border
    _columns: Columns
    _classes: Classes | None
    _kernel: bool | None
    _recurrent: bool
    _scales: Scales
    _sessions: Sessions
    _train_steps: TrainSteps
    _trainings: int

    @old_words.of_training
    def train(
        self,
        train: Data,
        valid: Valid = None,
        algo: str = 'rmsprop',
        *,
        batch_size: int | None = None,
        bucket: bool = Options.bucket,
        carry_state: bool = Options.carry_state,
        bptt_steps: int | None = None,
        train_batches: int | None = None,
        valid_batches: int | None = None,
        epochs: int | None = None,
        patience: int = Options.patience,
        validate_every: int = Options.validate_every,
        min_improvement: float = Options.min_improvement,
        restore_best: BestSpec = Options.restore_best,
        learning_rate: float | Callable[[int], float] | None = None,
        max_gradient_norm: float | None = None,
        max_gradient_elem: float = Options.max_gradient_elem,
        momentum: float | None = None,
        nesterov: bool | None = None,
        class_weight: ClassWeight = None,
        seed: int | None = None,
        monitors: MonitorSpec = None,
        monitor_gradients: bool = Options.monitor_gradients,
        checkpoint: Path | None = None,
        save_every: float | None = None,
        resume: Path | None = None,
        callbacks: CallbackSpec = None,
        progress: bool | None = None,
        verbose: int | None = None,
        comm: object = None,
        shard: bool = Options.shard,
        **options: Any,
    ) -> tuple[Monitors, Monitors]:
        """Train until early stopping or the number of epochs ends it; Ctrl-C ends it, too.

        Parameters
        ----------
        train : list of arrays, callable or iterable
            The training data: ``[x, y]`` with x of shape (T, B, I) and y of shape (T, B, O), or
            integers (T, B) for a classifier; ``[x, y, weights]`` for a weighted network,
            ``[x, y, mask]`` for a masked one; x alone for an autoencoder; a dict of the same; a
            callable that returns one such batch each time it is called; or an iterable of
            batches, such as a data loader, which is read anew in each epoch.
        valid : list of arrays, callable, iterable, float or ('tail', float), optional
            The validation data, which decide about early stopping and the best parameters; the
            training data if not given. The batches of a callable are drawn once and kept. A
            share such as 0.2 holds out as many of the training sequences, at random by the seed;
            ``('tail', 0.2)`` the last ones, or the end of a single long series.
        algo : str
            The name of an update rule: 'rmsprop', 'adam', 'sgd', ..., or 'lbfgs'; or of a way to
            prepare a network for one: 'sample'; or, by the rule `subalgo`, 'layerwise', 'pretrain'.
        batch_size, bucket, carry_state, bptt_steps, train_batches, valid_batches
            How the data become mini-batches: see `rnnkit.training.Options`, also for the others.
        epochs, patience, validate_every, min_improvement, restore_best
            When training ends, and with which parameters.
        learning_rate : float or schedule, optional
            Defaults to the rule's own. A ``rnnkit.schedules`` object or any function of the
            number of updates changes it during training.
        max_gradient_norm, max_gradient_elem, momentum, nesterov
            Gradient clipping and momentum.
        class_weight : 'balanced' or dict, optional
            For a classifier: how much the targets of each class count.
        seed, monitors, monitor_gradients, checkpoint, save_every, resume, callbacks, progress
            Randomness, reports and files.
        verbose : {0, 1, 2}, optional
            0 prints nothing but warnings; 1, the default, a bar or a line that changes, and in a
            log file some of the epochs; 2 a line for each epoch.
        comm : 'mpi' or mpi4py.MPI.Comm, optional
            Train on several processes, started by ``mpiexec -n 4 python train.py``. Each computes
            the gradient of its share of every batch; the result equals that of one process.
        shard : bool
            Whether each process was given a part of the data of its own.
        **options
            Further hyperparameters of the rule; regularizers with their weights, such as
            ``weight_l2=1e-4``; noise, such as ``hidden_dropout=0.2``.

        Returns
        -------
        train, valid : dict of str to float
            The monitors of the last epoch, and those of the validation of the parameters
            that the network now has; without validation data it is one on the training data.

        Raises
        ------
        ConfigError, ShapeError, DataError, FormatError
            If an option, an array or a file is not usable.
        TrainingError
            If the loss or a gradient is not finite. The best parameters are restored.
        RankError
            With `comm`: if another process has failed.
        """
        make, team = self._called('train()', locals(), options)
        with team.guard(), lines.shown(_shown('train()', progress, verbose, team)):
            return self._sessions.train('train()', make)

    @old_words.of_training
    def itertrain(
        self,
        train: Data,
        valid: Valid = None,
        algo: str = 'rmsprop',
        *,
        batch_size: int | None = None,
        bucket: bool = Options.bucket,
        carry_state: bool = Options.carry_state,
        bptt_steps: int | None = None,
        train_batches: int | None = None,
        valid_batches: int | None = None,
        epochs: int | None = None,
        patience: int = Options.patience,
        validate_every: int = Options.validate_every,
        min_improvement: float = Options.min_improvement,
        restore_best: BestSpec = Options.restore_best,
        learning_rate: float | Callable[[int], float] | None = None,
        max_gradient_norm: float | None = None,
        max_gradient_elem: float = Options.max_gradient_elem,
        momentum: float | None = None,
        nesterov: bool | None = None,
        class_weight: ClassWeight = None,
        seed: int | None = None,
        monitors: MonitorSpec = None,
        monitor_gradients: bool = Options.monitor_gradients,
        checkpoint: Path | None = None,
        save_every: float | None = None,
        resume: Path | None = None,
        callbacks: CallbackSpec = None,
        progress: bool | None = None,
        verbose: int | None = None,
        comm: object = None,
        shard: bool = Options.shard,
        **options: Any,
    ) -> Iterator[tuple[Monitors, Monitors]]:
        """Train as `train` does, with the same keywords, and yield its two dicts once an epoch.

        The second dict reports the latest validation. When the caller leaves the loop,
        training ends and the best parameters are restored.
        """
        make, team = self._called('itertrain()', locals(), options)
        with team.guard():
            show = _shown('itertrain()', progress, verbose, team)
            return lines.each(show, self._sessions.itertrain, 'itertrain()', make)

    def _called(
        self, where: str, arguments: Mapping[str, Any], others: Mapping[str, object]
    ) -> tuple[Callable[[], Any], Team]:
        """Return a function that makes a training ready, and the processes that take part."""
        data = (arguments[name] for name in ('train', 'valid', 'algo'))
        team = choose(where, arguments['comm'])
        return partial(self._start, where, *data, _keywords(arguments, others), team=team), team

    def _start(
        self,
        where: str,
        train: Data,
        valid: Valid,
        algo: str,
        keywords: Mapping[str, object],
        place: Place | None = None,
        team: Team | None = None,
    ) -> Any:
        """Return a training that is ready to start, a `Run`.

        If it fails before its first update, the network forgets what it has learned from the data.

        Parameters
        ----------
        place : Place, optional
            Where it is recorded, if it is a stage of another training.
        team : Team, optional
            The processes that train together; by default those of the keyword `comm`.
        """
        from rnnkit.data.on_disk import columns  # the first training loads it

        names = [field.name for field in self._border.fields]
        train, valid = columns(train, names), columns(valid, names)
        undo = Undo(
            partial(setattr, self, '_trainings', self._trainings),
            partial(setattr, self._columns, 'known', dict(self._columns.known)),
            partial(setattr, self._columns, 'listed', self._columns.listed),
        )
        team = choose(where, keywords.get('comm')) if team is None else team
        with team.guard(), undo.on_error():
            parts = team if keywords.get('shard') is True else ALONE
            self._learn_classes(train, valid, algo, undo, parts)
            with self._columns.learning():
                return self._ready(where, train, valid, algo, keywords, place, undo, team)

    def _learn_classes(
        self, train: Data, valid: Valid, algo: str, undo: Undo, team: Team = ALONE
    ) -> None:
        """Learn the names of the classes from the data of all processes, if there are classes."""

    def _ready(
        self,
        where: str,
        train: Data,
        valid: Valid,
        algo: str,
        keywords: Mapping[str, object],
        place: Place | None,
        undo: Undo,
        team: Team,
    ) -> Any:
        frozen.check(where, self)
        class_weights.check(where, keywords.get('class_weight'), self._classes, train)
        if way := find_way(where, algo, keywords):
            if keywords.get('comm') is not None:
                raise ConfigError(f'{where}: comm cannot be used with algo {algo!r}; leave it out')
            return way(where, self, *self._parts(where, train, valid, keywords), keywords)
        limit = 1.0 if self._recurrent else 0.0  # 0: gradients are not clipped
        config = read_training(where, algo, keywords, max_gradient_norm=limit)
        config.check_data(train)
        if config.options.comm is not None:
            from rnnkit.training import together  # only programs of several processes load it

            together.check(self, config)
            together.agree(self, config, team)
        return self._trainer(config, train, valid, place, undo, team)

    def _trainer(
        self,
        config: TrainingConfig,
        train: Data,
        valid: Valid,
        place: Place | None,
        undo: Undo,
        team: Team,
    ) -> Trainer:
        """Return the trainer by one update rule."""
        with kernels.allowed(self._kernel):
            step, evaluate, carries = self._train_steps.train_step(config, team.size > 1)
        files = Checkpoints(config.where, self, config.options, team)
        batches, validation, held_out = self._data(config, carries, files.seed, train, valid, team)
        alarm = None if team.rank else self._train_steps.alarm(config.options)
        trainer = Trainer(
            config,
            step,
            batches,
            Validation(evaluate, validation, held_out, alarm, team),
            place=place or Place(self.history, next_number(self.history)),
            seed=files.seed,
            net=self,
            resumed=files.state,
            keeper=files.keeper(config, batches),
            begin=files.begin if place is None else None,
            undo=undo,
            measure=self._scales.measure,
            team=team,
        )
        if team.size > 1:
            from rnnkit.training import together

            together.join(self, self._border, trainer, config)
        files.check(trainer)
        return trainer

    def _data(
        self,
        config: TrainingConfig,
        carries: tuple[Carry, Carry] | None,
        seed: Seed,
        train: Data,
        valid: Valid,
        team: Team,
    ) -> tuple[Batches, Iterable[Batch], bool]:
        """Return the batches of training and of validation, and whether these are other data."""
        from rnnkit.data.on_disk import wrapped

        where, carry_state, share = config.where, config.options.carry_state, valid
        names = [field.name for field in self._border.fields]
        train, valid = wrapped(train, 'train', names), wrapped(valid, 'valid', names)
        train, valid = split(where, self._border, train, valid, seed, along_time=carry_state)
        batching = Batching(self._border, config.options, carries, where, team)
        batches, validation = batching(train, valid, seed)
        self._weigh_classes(config, batching.train_pieces, team)
        if not (team.rank or config.options.shard):
            parts = (batching.whole.get(part) for part in ('train', 'valid'))
            check_classes(where, share, self._classes, self._border, *parts)
        return batches, validation, valid is not None or makes_new_batches(train)

    def _parts(
        self, where: str, train: Data, valid: Valid, keywords: Mapping[str, object]
    ) -> tuple[Data, Data | None]:
        """Return training and validation data for a training of several stages."""
        seed = optional_whole(f'{where}: seed', keywords.get('seed'))
        seed = self.seed if seed is None else seed
        return split(where, self._border, train, valid, seed, inputs_only=True)

    def _weigh_classes(self, config: TrainingConfig, pieces: Iterable[Batch], team: Team) -> None:
        """Set the class weights of a training that has any."""
        if config.options.class_weight is not None and self._classes is not None:
            counted = team if config.options.shard else ALONE
            self._train_steps.set_class_weights(
                class_weights.read(config, self._classes, self._border, pieces, counted)
            )


def _shown(where: str, progress: object, verbose: object, team: Team) -> bool | None:
    """Return whether lines are shown: of several processes, the first one shows them."""
    shown = lines.choice(where, progress, verbose)
    return False if team.rank else shown


def _keywords(arguments: Mapping[str, object], others: Mapping[str, object]) -> dict[str, object]:
    """Return the keywords of a training that were given."""
    rate = arguments['learning_rate']
    rates = {} if rate is None else {'learning_rate': rate}
    return {**given_options(arguments), **rates, **others}
