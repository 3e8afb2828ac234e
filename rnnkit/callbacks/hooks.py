"""The callbacks of one training: checked, called, and their states kept."""

from typing import Any

import numpy as np

from rnnkit.callbacks.bar import Progress
from rnnkit.callbacks.base import Callback, Training
from rnnkit.common import progress
from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError, FormatError

States = list[dict[str, Any]]


class AtEpochEnd(Callback):
    """Calls a function after each epoch."""

    def __init__(self, function: Any):
        self.on_epoch_end = function


def listed(given: Any) -> list[Callback]:
    """Return callbacks as a list, functions made into callbacks.

    Raises
    ------
    ConfigError
        If one of them is something else, or is there twice.
    """
    several = isinstance(given, list | tuple)
    found = [_callback(one) for one in (given if several else [] if given is None else [given])]
    for k, one in enumerate(found):
        if any(one is other for other in found[:k]):
            raise ConfigError(f'callbacks: the same {_name(one)} is there twice')
    return found


def _callback(given: Any) -> Callback:
    wanted = 'wants objects of classes derived from rnnkit.callbacks.Callback, and functions'
    if isinstance(given, type):
        raise ConfigError(
            f'callbacks: {wanted}; got the class {given.__name__} itself, write {given.__name__}()'
        )
    if isinstance(given, Callback):
        if _overrides(given, 'get_state') != _overrides(given, 'set_state'):
            raise ConfigError(f'callbacks: {_name(given)} needs both get_state and set_state')
        hooks = _hooks(Callback)
        for name in _hooks(type(given)):
            if name not in hooks:
                raise ConfigError(
                    f'callbacks: {_name(given)} has {name!r}, which nothing calls; '
                    f'{hint(name, hooks)}'
                )
        return given
    if callable(given):
        return AtEpochEnd(given)
    raise ConfigError(f'callbacks: {wanted} of a Training; got {given!r}')


def _hooks(kind: type) -> list[str]:
    return [name for name in dir(kind) if name.startswith('on_')]


def check(given: Any, show: bool | None) -> None:
    """Raise a ConfigError if the options callbacks and progress make no sense."""
    bars = [one for one in listed(given) if isinstance(one, Progress)]
    if bars and show is not None and not show:
        raise ConfigError('callbacks has a Progress, and progress=False turns it off')


class Hooks:
    """Calls the callbacks of a training.

    Parameters
    ----------
    given : Callback, callable, or sequence of these, optional
    training : Training
        What they get.
    show : bool
        Whether a bar may be shown.

    Attributes
    ----------
    watches : bool
        Whether there is anything to be called after a batch.
    prints : bool
        Whether something may write to the terminal after an epoch.
    """

    def __init__(self, given: Any, training: Training, show: bool = True):
        self.members, self.training, self.show = listed(given), training, show
        self.watches = self._begun = False
        self.prints = any(one.prints and _overrides(one, 'on_epoch_end') for one in self.members)
        self._batch_end: list[Any] = []

    def begin(self) -> None:
        """Tell that the training begins."""
        # A bar and what is printed within an epoch would write into each other's lines.
        taken = [
            one
            for one in self.members
            if isinstance(one, Progress) or (one.prints and _overrides(one, 'on_batch_end'))
        ]
        if self.show and not taken and progress.terminal() is not None:
            self.members.append(Progress())
        self._batch_end = self._overriding('on_batch_end')
        self.watches, self._begun = bool(self._batch_end), True
        self._call('on_train_begin')

    def batch_end(self) -> None:
        """Tell that a batch has been learned from."""
        for hook in self._batch_end:
            hook(self.training)

    def validation_end(self) -> None:
        """Tell that there was a validation."""
        self._call('on_validation_end')

    def epoch_end(self) -> None:
        """Tell that an epoch has ended."""
        self._call('on_epoch_end')
        self._settle_record()

    def end(self, failed: bool) -> None:
        """Tell everyone that the training has ended, whatever the others do.

        The first exception is raised, unless there is one on its way that has ended the training
        (`failed`): it is more important, and the others are logged.
        """
        if not self._begun:
            return
        self._begun = False
        first = None
        for one in self._with('on_train_end'):
            try:
                one.on_train_end(self.training)
                self._settle_record()
            except BaseException as error:
                if failed or first is not None:
                    progress.LOGGER.error('on_train_end of %s failed', _name(one), exc_info=error)
                else:
                    first = error
        if first is not None:
            raise first

    def _settle_record(self) -> None:
        """Make what callbacks have put into the record plain numbers and text, for files."""
        record = self.training.record or {}
        for name, value in list(record.items()):
            single = isinstance(value, np.generic | np.ndarray) and value.ndim == 0
            record[name] = plain = value.item() if single else value
            if not isinstance(name, str) or not isinstance(plain, bool | int | float | str | None):
                del record[name]  # a file with it could not be read
                raise ConfigError(
                    f'callbacks: a column of the history has a name, and a number or text in each '
                    f'record; got {value!r} for {name!r}'
                )

    def _call(self, name: str) -> None:
        for hook in self._overriding(name):
            hook(self.training)

    def _overriding(self, name: str) -> list[Any]:
        return [getattr(one, name) for one in self._with(name)]

    def _with(self, name: str) -> list[Callback]:
        return [one for one in self.members if _overrides(one, name)]

    # --- states ---

    def get_state(self) -> States:
        """Return the states of those that have one, in their order."""
        found = []
        for one in self._with('get_state'):
            state = one.get_state()
            if state is None:
                continue
            if not isinstance(state, dict) or not _storable(state):
                raise ConfigError(
                    f'callbacks: get_state() of {_name(one)} returns a dict of numbers, text, '
                    f'arrays, and lists and dicts of these; got {state!r}'
                )
            found.append({'name': _name(one), 'state': state})
        return found

    def set_state(self, states: States) -> None:
        """Give each callback the next state of its class; say so where there is none.

        Raises
        ------
        FormatError
            If a callback does not take it.
        """
        left = list(states)
        for one in self._with('get_state'):
            at = next((k for k, entry in enumerate(left) if entry['name'] == _name(one)), None)
            if at is None:
                progress.say('%s begins anew: the checkpoint has no state of it', _name(one))
                continue
            try:
                one.set_state(left.pop(at)['state'])
            except (ValueError, KeyError, TypeError) as error:
                what = f'no {error}' if isinstance(error, KeyError) else error
                raise FormatError(
                    f'callbacks: the state of {_name(one)} in the checkpoint does not fit: {what}'
                ) from error
        for entry in left:
            progress.LOGGER.warning(
                'the checkpoint has the state of %s, which is not among the callbacks',
                entry['name'],
            )


def are_states(value: Any) -> bool:
    """Return whether something has the form of what `Hooks.get_state` returns."""
    return isinstance(value, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get('name'), str)
        and isinstance(entry.get('state'), dict)
        for entry in value
    )


def _name(one: Callback) -> str:
    return type(one).__name__


def _overrides(one: Callback, name: str) -> bool:
    """Return whether a callback has a hook of its own."""
    return getattr(getattr(one, name), '__func__', None) is not getattr(Callback, name)


def _storable(value: Any) -> bool:
    """Return whether a checkpoint can hold something and give it back."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_storable, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in 'biuf'
    return value is None or isinstance(value, bool | int | float | str)
