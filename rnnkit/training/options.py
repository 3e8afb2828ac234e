"""The keywords of `train`, read once: an update rule, its hyperparameters, options and terms."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

from rnnkit import callbacks as callback_objects
from rnnkit import schedules
from rnnkit.common import epoch_paths, file_kinds, progress
from rnnkit.common.checks import flag, is_real, optional_whole, real, whole
from rnnkit.common.registry import hint, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.data.passes import maker, makes_batches
from rnnkit.errors import ConfigError
from rnnkit.graph.perturbations import term_names
from rnnkit.optimizers import LIMITS, Optimizer, algo_name, optimizers
from rnnkit.training import judge
from rnnkit.training.protocols import BestSpec, CallbackSpec, ClassWeight, MonitorSpec, Path
from rnnkit.training.ways import ways

Hyperparameters = dict[str, Any]  # numbers, and for the learning rate a Schedule


@dataclass
class Options:
    """The options of a training that do not belong to an update rule.

    Parameters
    ----------
    batch_size : int, optional
        Examples in a mini-batch, where the training data are arrays: 32, or with ``carry_state``
        all.
    bucket : bool
        Whether sequences of similar length share a batch, which is cut to the longest of its own:
        for arrays, or lists of sequences, in a network with ``masked=True``.
    carry_state : bool
        Whether each batch starts from the hidden state that the last one left behind, instead of
        afresh. Arrays (T, B, I) are then long series: they are cut along time, in order, into
        windows of ``bptt_steps``, and are never shuffled. Batches of a callable continue each
        other until one is a `rnnkit.data.Window` that is fresh.
    bptt_steps : int, optional
        The length of these windows, through which gradients flow back: 100 by default.
    train_batches, valid_batches : int, optional
        Batches in an epoch and in a validation. By default all batches of arrays, and 100
        of a callable.
    epochs : int, optional
        The maximum number of epochs; by default early stopping alone ends the training.
    patience : int
        Early stopping: training ends when more than this many validations in a row have brought
        no improvement.
    validate_every : int
        Epochs from one validation to the next. There is one before the first epoch, and
        always one after the last.
    min_improvement : float
        The fraction by which the validation loss must fall to count as an improvement.
    restore_best : bool, str or (str, {'min', 'max'})
        Whether the parameters of the best validation are restored at the end, however
        training ends. A column of the history, such as ``'valid_f1'``, says by which result a
        validation is the best, for early stopping, too; by default the loss. With a metric of
        your own also say whether small or large values are better: ``('valid_mine', 'max')``.
    max_gradient_norm : float, optional
        Gradient clipping: the gradient as a whole is scaled down to this norm; 0 for no limit. By
        default 1 for networks with a recurrent layer, else 0.
    max_gradient_elem : float
        Each element of the gradient is clipped to plus or minus this, before the norm is
        limited; 0 for no limit.
    momentum : float, optional
        The fraction of the last velocity that is kept, from 0 to below 1.
    nesterov : bool, optional
        Whether momentum is Nesterov's.
    class_weight : 'balanced' or dict, optional
        How much the targets of each class count, in a classifier: weights by the names of classes,
        ``{'yes': 3}``, 1 for those that are not named; or ``'balanced'``, inversely proportional
        to the frequencies in the training data. They multiply sample weights, if there are any,
        in training and in validation.
    seed : int, optional
        Drives the shuffling of examples, dropout and noise.
    monitors : str, callable, dict or sequence of these, optional
        What else is reported: names of metrics, functions of target, output and weights,
        ``'gradients'``, and dicts of patterns of outputs and parameters, as
        `rnnkit.training.monitors.read` takes them.
    monitor_gradients : bool
        theanets' keyword for ``monitors='gradients'``.
    checkpoint : str or path-like, optional
        A file that the training is written to as it proceeds; ``{}`` or ``{epoch}`` in its name
        stands for the number of the epoch.
    save_every : int or float, optional
        How often: an int is a number of epochs, a float of minutes. By default after each
        validation. The last epoch is always written.
    resume : str or path-like, optional
        A checkpoint to resume from, up to ``epochs`` in total. ``'auto'``: the file of
        ``checkpoint``, if there is one.
    callbacks : callback, function or sequence of these, optional
        See `rnnkit.callbacks.Callback`.
    progress : bool, optional
        Whether lines are logged, such as one for each epoch, and a bar shown on a terminal or in
        a notebook. With False there are warnings alone.
    verbose : {0, 1, 2}, optional
        The same as a number, as in Keras: 0 is ``progress=False``; 1, the default, is a bar or a
        line that changes, and in a log file some of the epochs; 2 is a line for each epoch,
        wherever it is written.
    comm : 'mpi' or mpi4py.MPI.Comm, optional
        The processes that train together, all of which run the same program: each computes the
        gradient of its share of every batch. ``'mpi'`` stands for all processes that ``mpiexec``
        has started. The first one calls the callbacks, writes the lines and the checkpoint.
    shard : bool
        Whether each of these processes was given a part of the data of its own. By default all
        have the same arrays, and each takes its share of every batch. Batches of a callable or an
        iterable always are parts.
    """

    batch_size: int | None = None
    bucket: bool = False
    carry_state: bool = False
    bptt_steps: int | None = None
    train_batches: int | None = None
    valid_batches: int | None = None
    epochs: int | None = None
    patience: int = 5
    validate_every: int = 10
    min_improvement: float = 0.0
    restore_best: BestSpec = True
    max_gradient_norm: float | None = None
    max_gradient_elem: float = 0.0
    momentum: float | None = None
    nesterov: bool | None = None
    class_weight: ClassWeight = None
    seed: int | None = None
    monitors: MonitorSpec = None
    monitor_gradients: bool = False
    checkpoint: Path | None = None
    save_every: float | None = None
    resume: Path | None = None
    callbacks: CallbackSpec = None
    progress: bool | None = None
    verbose: int | None = None
    comm: object = None
    shard: bool = False

    def check(self, where: str) -> None:
        """Raise a ConfigError for the first value that makes no sense."""
        whole(f'{where}: validate_every', self.validate_every, 1)
        whole(f'{where}: patience', self.patience)
        for name in ('batch_size', 'bptt_steps', 'train_batches', 'valid_batches', 'epochs'):
            optional_whole(f'{where}: {name}', getattr(self, name), 1)
        optional_whole(f'{where}: seed', self.seed)
        real(f'{where}: min_improvement', self.min_improvement, least=0, below=1)
        for name in LIMITS:
            if getattr(self, name) is not None:
                real(f'{where}: {name}', getattr(self, name), least=0)
        if self.momentum is not None:
            real(f'{where}: momentum', self.momentum, least=0, below=1)
        judge.read(where, self.restore_best)
        for name in ('bucket', 'carry_state', 'monitor_gradients', 'shard'):
            flag(f'{where}: {name}', getattr(self, name))
        for name in ('nesterov', 'progress'):
            if getattr(self, name) is not None:
                flag(f'{where}: {name}', getattr(self, name))
        if self.bucket and self.carry_state:
            raise ConfigError(
                f'{where}: bucket=True sorts examples, carry_state=True keeps their order; '
                f'leave one of them out'
            )
        if self.shard and self.comm is None:
            raise ConfigError(
                f'{where}: shard=True says that each of several processes has a part of the data; '
                f"it goes with comm='mpi'"
            )
        if self.bptt_steps is not None and not self.carry_state:
            raise ConfigError(f'{where}: bptt_steps is for carry_state=True')
        self.progress = progress.choice(where, self.progress, self.verbose)
        try:
            callback_objects.check(self.callbacks, self.progress)
        except ConfigError as error:
            raise ConfigError(f'{where}: {error}') from None
        self._check_files(where)

    @property
    def shows_bar(self) -> bool:
        """Whether there may be a progress bar, and lines that the next one overwrites."""
        return self.progress is not False and self.verbose != 2

    def _check_files(self, where: str) -> None:
        """Raise a ConfigError if the options about checkpoints make no sense."""
        for name in ('checkpoint', 'resume'):
            value = getattr(self, name)
            if value is not None:
                setattr(self, name, str(epoch_paths.file_path(f'{where}: {name}', value)))
        if self.checkpoint is not None:
            file_kinds.check_name(f'{where}: checkpoint', self.checkpoint)
            epoch_paths.check_places(f'{where}: checkpoint', self.checkpoint)
        every = self.save_every
        if self.checkpoint is None and (every is not None or self.resume == 'auto'):
            name = 'save_every' if every is not None else "resume='auto'"
            raise ConfigError(f'{where}: {name} is for a training with checkpoint=path')
        if isinstance(every, Integral):
            whole(f'{where}: save_every', every, 1)
        elif every is not None:
            real(f'{where}: save_every', every, least=0)


# Options that do not change what is learned.
NO_SETTINGS = {'checkpoint', 'save_every', 'resume', 'callbacks', 'progress', 'verbose', 'comm'}

DEFAULTS: dict[str, object] = {field.name: field.default for field in fields(Options)}


def given_options(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the options among the arguments of a call that differ from their defaults."""
    return {
        name: arguments[name]
        for name, default in DEFAULTS.items()
        if not (arguments[name] is default or _same(arguments[name], default))
    }


def _same(value: object, default: object) -> bool:
    """Return whether a plain value equals a default; True is not 1, and an array is no default."""
    return type(value) is type(default) and isinstance(value, int | float) and value == default


def option_names(rule: type[Optimizer] | None = None) -> list[str]:
    """Return the names of all options that a training takes."""
    return [*DEFAULTS, *((*rule.options, *rule.switches) if rule else ())]


@dataclass
class TrainingConfig:
    """The keywords of one training, checked and sorted.

    Attributes
    ----------
    where : str
        The call, for messages.
    algo : str
        The name of the update rule.
    rule : Optimizer
    options : Options
    hyperparameters : dict
        Numbers by name: those of the rule, momentum and the limits of gradient clipping; the
        ``learning_rate``, of rules that have one, is a `rnnkit.schedules.Schedule`.
    terms : dict
        Regularizers, noise and dropout by name, as the user gave them.
    """

    where: str
    algo: str
    rule: Optimizer
    options: Options
    hyperparameters: Hyperparameters
    terms: dict[str, object]

    @property
    def settings(self) -> dict[str, object]:
        """What training was started with, by name; see `rnnkit.callbacks.Training`."""
        options = {
            name: value
            for name, value in vars(self.options).items()
            if name not in NO_SETTINGS and value is not None and value != sys.maxsize
        }
        rates = self.hyperparameters.items()
        numbers = {n: v.rate if isinstance(v, schedules.Constant) else v for n, v in rates}
        return {'algo': self.algo, **options, **numbers, **self.terms}

    def check_data(self, data: object) -> None:
        """Raise a ConfigError if the rule needs all data at once, and `data` makes batches."""
        if self.rule.full_batch and makes_batches(data):
            raise ConfigError(
                f'{self.where}: algo {self.algo!r} needs all training data in one batch: pass '
                f'arrays; got {maker(data)}'
            )


def read_training(
    where: str,
    algo: str,
    keywords: Mapping[str, object],
    *,
    terms: Iterable[str] | None = None,
    known: Sequence[str] = (),
    max_gradient_norm: float = 0.0,
) -> TrainingConfig:
    """Read the keywords of a training.

    Parameters
    ----------
    where : str
        The call, for messages.
    algo : str
        The name of an update rule.
    keywords : mapping of str to object
        What the user gave.
    terms : iterable of str, optional
        The names of regularizers, noise and dropout that may be given; by default all.
    known : sequence of str
        Further keywords, which the caller has read, for hints.
    max_gradient_norm : float
        The default of the option of this name.

    Raises
    ------
    ConfigError
        If a keyword is not known, or a value makes no sense.
    """
    rule = find_rule(where, algo)
    names = list(term_names() if terms is None else terms)
    # A rule's own hyperparameter, such as weight_decay, may have the name of a regularizer.
    terms_given = {n: v for n, v in keywords.items() if n in names and n not in rule.options}
    others = {name: value for name, value in keywords.items() if name not in terms_given}
    _refuse_unknown(where, algo, others, [*option_names(type(rule)), *names, *known])
    hyperparameters: Hyperparameters = {
        name: others.pop(name, default) for name, default in rule.options.items()
    }
    switches = {
        name: flag(f'{where}: {name}', others.pop(name)) for name in rule.switches if name in others
    }
    rule = type(rule)(**switches) if switches else rule
    options = Options(**others)  # type: ignore[arg-type]
    _check_hyperparameters(where, rule, hyperparameters)
    options.check(where)
    hyperparameters |= _general(where, algo, rule, options, max_gradient_norm)
    if 'learning_rate' in hyperparameters:
        rate = hyperparameters['learning_rate']
        if not rule.scheduled and (callable(rate) or (is_real(rate) and rate == 0)):
            raise ConfigError(
                f'{where}: learning_rate of algo {algo!r} is the size of the first step alone, so '
                f'it must be a number above 0, not a schedule; got {rate!r}'
            )
        hyperparameters['learning_rate'] = schedules.build(f'{where}: learning_rate', rate)
    return TrainingConfig(where, algo, rule, options, hyperparameters, terms_given)


def find_rule(where: str, algo: str, keyword: str = 'algo') -> Optimizer:
    """Return the update rule of this name.

    Raises
    ------
    ConfigError
        If there is none; the message says which name is near.
    """
    if not isinstance(algo, str):
        raise ConfigError(
            f'{where}: {keyword} must be the name of an algorithm; got {_instead(algo, keyword)}'
        )
    if algo not in optimizers:
        near = hint(algo, [*optimizers, *(ways if keyword == 'algo' else ())])
        raise ConfigError(f'{where}: {keyword}: no algorithm named {algo!r}; {near}')
    return optimizers[algo]()


def _instead(algo: object, keyword: str) -> str:
    """Return what is given in place of the name of an algorithm, and what to write."""
    if algo is None:
        return f"None; leave {keyword} out, or write {keyword}='rmsprop'"
    if isinstance(algo, type) and issubclass(algo, Optimizer):
        return f'the class {algo.__name__}; write {keyword}={algo_name(algo)!r}'
    options = 'its options as keywords, such as learning_rate=0.1'
    if isinstance(algo, Optimizer):
        kind = type(algo)
        return f'an object of {kind.__name__}; write {keyword}={algo_name(kind)!r}, and {options}'
    if isinstance(algo, Mapping) and isinstance(algo.get('form'), str):
        return f'{brief(algo)}; write {keyword}={algo["form"]!r}, and {options}'
    if isinstance(algo, list | tuple) and any(hasattr(one, 'shape') for one in algo):
        return (
            f'{brief(algo)}. The data are one list for the training and one for the validation: '
            f'train([x, y], [x_valid, y_valid])'
        )
    return brief(algo)


def _refuse_unknown(
    where: str, algo: str, given: Mapping[str, object], known: Sequence[str]
) -> None:
    """Raise a ConfigError for keywords that are not `known`, and say to which rule they belong."""
    for name in given:
        owners = [
            other
            for other in optimizers
            if name in {**optimizers[other].options, **optimizers[other].switches}
        ]
        if owners and name not in known:
            *most, last = map(repr, owners)
            listed = f'{", ".join(most)} or {last}' if most else last
            raise ConfigError(f'{where}: {name} belongs to algo {listed}, not {algo!r}')
    reject_unknown(where, given, ['train', 'valid', 'algo', *known])


def _check_hyperparameters(where: str, rule: Optimizer, values: Hyperparameters) -> None:
    """Raise a ConfigError for a number that makes no sense; not for the learning rate."""
    for name, value in values.items():
        zero = name in rule.may_be_zero
        if name != 'learning_rate' and not (
            is_real(value) and (value > 0 or (zero and value == 0))
        ):
            least = 'of at least 0' if zero else 'above 0'
            raise ConfigError(f'{where}: {name} must be a number {least}; got {value!r}')
    try:
        rule.check(values)
    except ConfigError as error:
        raise ConfigError(f'{where}: {error}') from None


def _general(
    where: str, algo: str, rule: Optimizer, options: Options, norm: float
) -> Hyperparameters:
    """Fill in what `options` leaves to the rule; return the numbers that enter an update."""
    if rule.full_batch:
        _check_full_batch(where, algo, options)
        return {}
    if options.momentum is None:
        options.momentum = rule.momentum
    options.nesterov = rule.nesterov if options.nesterov is None else bool(options.nesterov)
    if options.nesterov and not options.momentum:
        raise ConfigError(f'{where}: nesterov=True needs momentum; add momentum=0.9')
    if options.max_gradient_norm is not None:
        norm = options.max_gradient_norm
    if options.batch_size is None and not options.carry_state:
        options.batch_size = 32
    elem = options.max_gradient_elem or 0.0  # None is no limit, too
    limits = {'max_gradient_norm': norm, 'max_gradient_elem': elem}
    return limits | ({'momentum': options.momentum} if options.momentum else {})


def _check_full_batch(where: str, algo: str, options: Options) -> None:
    """Refuse what makes no sense for a rule that needs all data at once; make them one batch."""
    for name in ('momentum', 'nesterov', 'bucket', 'carry_state', *LIMITS):
        if getattr(options, name):
            raise ConfigError(f'{where}: {name} cannot be used with algo {algo!r}; leave it out')
    if options.train_batches not in (None, 1):
        raise ConfigError(
            f'{where}: algo {algo!r} needs all training data in one batch; got '
            f'train_batches={options.train_batches}'
        )
    options.batch_size = sys.maxsize
