"""What `train` takes as keywords: checked, and sorted into a rule, its numbers and the rest."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from rnnkit import callbacks, schedules
from rnnkit.common.checks import number
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError
from rnnkit.optimizers import LIMITS, Optimizer, optimizers


@dataclass
class Options:
    """The options of a training that do not belong to an update rule.

    Parameters
    ----------
    batch_size : int, optional
        Examples in a batch, where data are arrays: 32, or with ``carry_state`` all.
    bucket : bool
        Whether sequences of similar length share a batch, which is cut to the longest of its own:
        for arrays, or lists of sequences, in a network with ``masked=True``.
    carry_state : bool
        Whether each batch goes on from the state that the last one left behind, instead of
        starting afresh. Arrays (T, B, I) are then long series: they are cut along time, in order,
        into windows of ``bptt_steps``, and are never shuffled. Batches of a callable go on until
        one is a `rnnkit.data.Window` that is fresh.
    bptt_steps : int, optional
        The length of these windows, through which gradients go back: 100 by default.
    train_batches, valid_batches : int, optional
        Batches in an epoch and in a validation. By default all batches of arrays, and 100
        of a callable.
    epochs : int, optional
        Train no longer than this; by default until patience ends it.
    patience : int
        Training ends when more than this many validations in a row have not improved.
    validate_every : int
        Epochs from one validation to the next. There is one before the first epoch, and
        always one after the last.
    min_improvement : float
        The fraction by which the validation loss must fall to count as an improvement.
    restore_best : bool
        Whether the parameters of the best validation are put back at the end, however
        training ends.
    max_gradient_norm : float, optional
        The gradient as a whole is scaled down to this length; 0 for no limit. By default 1
        for networks with a recurrent layer, else 0.
    max_gradient_elem : float
        Each element of the gradient is clipped to plus or minus this, before the norm is
        limited; 0 for no limit.
    momentum : float, optional
        How much of the last velocity is kept, from 0 to below 1.
    nesterov : bool, optional
        Whether momentum is Nesterov's.
    seed : int, optional
        Drives the shuffling of examples.
    monitors : str, dict or sequence of these, optional
        What else is reported: names of metrics, ``'gradients'``, and dicts of patterns of outputs
        and parameters, as `rnnkit.training.monitors.read` takes them.
    monitor_gradients : bool
        theanets' word for ``monitors='gradients'``.
    checkpoint : str or path-like, optional
        A file that the training is written to as it goes on; ``{}`` in it stands for the number
        of the epoch.
    save_every : int or float, optional
        How often: an int is a number of epochs, a float of minutes. By default after each
        validation. The last epoch is always written.
    resume : str or path-like, optional
        A checkpoint to go on from, to ``epochs`` in all. ``'auto'``: the file of ``checkpoint``, if
        there is one.
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
    restore_best: bool = True
    max_gradient_norm: float | None = None
    max_gradient_elem: float = 0.0
    momentum: float | None = None
    nesterov: bool | None = None
    seed: int | None = None
    monitors: Any = None
    monitor_gradients: bool = False
    checkpoint: Any = None
    save_every: float | None = None
    resume: Any = None
    callbacks: Any = None
    progress: bool | None = None

    def check(self) -> None:
        """Raise a ConfigError for the first value that makes no sense."""
        number('validate_every', self.validate_every, Integral, 1)
        for name in ('batch_size', 'bptt_steps', 'train_batches', 'valid_batches', 'epochs'):
            if getattr(self, name) is not None:
                number(name, getattr(self, name), Integral, 1)
        number('patience', self.patience, Integral, 0)
        number('min_improvement', self.min_improvement, Real, 0, 1)
        for name in LIMITS:
            if getattr(self, name) is not None:
                number(name, getattr(self, name), Real, 0)
        if self.momentum is not None:
            number('momentum', self.momentum, Real, 0, 1)
        for name in ('restore_best', 'nesterov', 'bucket', 'carry_state', 'monitor_gradients'):
            if not isinstance(getattr(self, name), bool | np.bool_ | None):
                raise ConfigError(f'{name} is True or False; got {getattr(self, name)!r}')
        if self.seed is not None:
            number('seed', self.seed, Integral, 0)
        if self.bucket and self.carry_state:
            raise ConfigError('bucket=True sorts examples, carry_state=True keeps their order')
        if self.bptt_steps is not None and not self.carry_state:
            raise ConfigError('bptt_steps is for carry_state=True')
        if not isinstance(self.progress, bool | np.bool_ | None):
            raise ConfigError(f'progress is True or False; got {self.progress!r}')
        callbacks.check(self.callbacks, self.progress)
        self._check_files()

    def _check_files(self) -> None:
        """Raise a ConfigError if what concerns checkpoints makes no sense."""
        for name in ('checkpoint', 'resume'):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str | os.PathLike) and str(value)):
                raise ConfigError(f'{name} is the path of a file; got {value!r}')
        every = self.save_every
        if self.checkpoint is None and (every is not None or self.resume == 'auto'):
            name = 'save_every' if every is not None else "resume='auto'"
            raise ConfigError(f'{name} is for a training with checkpoint=path')
        if isinstance(every, Integral):
            number('save_every', every, Integral, 1)
        elif every is not None:
            number('save_every', every, Real, 0)


def option_names(rule: type[Optimizer] | None = None) -> list[str]:
    """Return the names of all options that a training takes."""
    return [*Options.__dataclass_fields__, *(rule.options if rule else ())]


def parse_options(
    where: str,
    algo: str,
    given: dict[str, Any],
    extra: Sequence[str] = (),
    max_gradient_norm: float = 0.0,
) -> tuple[Optimizer, Options, dict[str, Any]]:
    """Sort the keywords of a training into a rule, its hyper-parameters and the rest.

    Parameters
    ----------
    where : str
        The call, for messages.
    algo : str
        The name of an update rule.
    given : dict
        The keywords that the user gave.
    extra : sequence of str
        Keywords that the caller has taken care of, for hints.
    max_gradient_norm : float
        The default of the option of this name.

    Returns
    -------
    rule : Optimizer
    options : Options
    hyper : dict
        Numbers by name, for the rule, momentum and the limits of the gradient; the
        ``learning_rate``, of rules that have one, is a `rnnkit.schedules.Schedule`.

    Raises
    ------
    ConfigError
        If a keyword is not known, or a value makes no sense.
    """
    rule = optimizers[algo]()
    _refuse_unknown(where, algo, given, [*option_names(type(rule)), *extra])
    hyper = {name: given.get(name, default) for name, default in rule.options.items()}
    options = Options(**{n: v for n, v in given.items() if n not in hyper})
    try:
        _check_numbers(rule, hyper)
        options.check()
        hyper |= _general(algo, rule, options, max_gradient_norm)
    except ConfigError as error:
        raise ConfigError(f'{where}: {error}') from None
    if 'learning_rate' in hyper:
        rate = hyper['learning_rate']
        if callable(rate) and not rule.scheduled:
            raise ConfigError(
                f'{where}: learning_rate of algo {algo!r} is the size of the first step alone, a '
                f'number above 0; got {rate!r}'
            )
        hyper['learning_rate'] = schedules.build(f'{where}: learning_rate', rate)
    return rule, options, hyper


def _refuse_unknown(where: str, algo: str, given: dict[str, Any], known: list[str]) -> None:
    """Raise a ConfigError for words that are not `known`, and say whose they are."""
    for name in given:
        owners = [other for other in optimizers if name in optimizers[other].options]
        if owners and name not in known:
            *most, last = map(repr, owners)
            listed = f'{", ".join(most)} or {last}' if most else last
            raise ConfigError(f'{where}: {name} belongs to algo {listed}, not {algo!r}')
    reject_unknown(where, given, known)


def _check_numbers(rule: Optimizer, hyper: dict[str, Any]) -> None:
    """Raise a ConfigError for a hyper-parameter that makes no sense; not for the learning rate."""
    for name, value in hyper.items():
        zero = name in rule.may_be_zero
        ok = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < np.inf
        if name != 'learning_rate' and not (ok and (value or zero)):
            least = 'of at least 0' if zero else 'above 0'
            raise ConfigError(f'{name} is a number {least}; got {value!r}')
    rule.check(hyper)


def _general(algo: str, rule: Optimizer, options: Options, norm: float) -> dict[str, float]:
    """Fill in what `options` leaves to the rule; return the numbers that go into an update."""
    if rule.full_batch:
        _check_full_batch(algo, options)
        return {}
    if options.momentum is None:
        options.momentum = rule.momentum
    options.nesterov = rule.nesterov if options.nesterov is None else bool(options.nesterov)
    if options.nesterov and not options.momentum:
        raise ConfigError('nesterov=True does nothing without momentum; add momentum=0.9')
    if options.max_gradient_norm is not None:
        norm = options.max_gradient_norm
    if options.batch_size is None and not options.carry_state:
        options.batch_size = 32
    limits = {'max_gradient_norm': norm, 'max_gradient_elem': options.max_gradient_elem}
    return limits | ({'momentum': options.momentum} if options.momentum else {})


def _check_full_batch(algo: str, options: Options) -> None:
    """Refuse what makes no sense for a rule that wants all data at once; make them one batch."""
    for name in ('momentum', 'nesterov', 'bucket', 'carry_state', *LIMITS):
        if getattr(options, name):
            raise ConfigError(f'{name} does not go with algo {algo!r}; leave it out')
    if options.train_batches not in (None, 1):
        raise ConfigError(
            f'algo {algo!r} wants all data as one batch; got train_batches={options.train_batches}'
        )
    options.batch_size = sys.maxsize


def check_data(where: str, algo: str, rule: Optimizer, data: Any) -> None:
    """Raise a ConfigError if a rule wants all data at once, and `data` makes batches."""
    if rule.full_batch and callable(data):
        raise ConfigError(
            f'{where}: algo {algo!r} wants all data as one batch: arrays; got a callable'
        )
