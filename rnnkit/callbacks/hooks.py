"""The callbacks of one training: checks, calls and states."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnnkit.callbacks.bar import Progress
from rnnkit.callbacks.base import Callback, Training
from rnnkit.common import progress
from rnnkit.common.calls import check_takes_one, without_stop_iteration
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError

States = list[dict[str, Any]]
Hook = Callable[[Training], object]


class AtEpochEnd(Callback):
    """Calls a function after each epoch."""

    def __init__(self, function: Hook):
        self.on_epoch_end = function


def listed(callbacks: object) -> list[Callback]:
    """Return the option ``callbacks`` as a list, with functions turned into callbacks.

    Raises
    ------
    ConfigError
        If an item is something else, or occurs twice.
    """
    if not isinstance(callbacks, list | tuple):
        callbacks = [] if callbacks is None else [callbacks]
    members = [_callback(item) for item in callbacks]
    for k, member in enumerate(members):
        if any(member is other for other in members[:k]):
            raise ConfigError(f'callbacks: the same {_name(member)} is there twice')
    return members


def _callback(item: object) -> Callback:
    expected = 'expects instances of rnnkit.callbacks.Callback, and functions'
    if isinstance(item, type):
        raise ConfigError(
            f'callbacks: {expected}; got the class {item.__name__} itself, write {item.__name__}()'
        )
    if isinstance(item, Callback):
        if _overrides(item, 'get_state') != _overrides(item, 'set_state'):
            raise ConfigError(f'callbacks: {_name(item)} needs both get_state and set_state')
        hooks = _hooks(Callback)
        for name in _hooks(type(item)):
            if name not in hooks:
                raise ConfigError(
                    f'callbacks: {_name(item)} has {name!r}, which is never called; '
                    f'{hint(name, hooks)}'
                )
            if _overrides(item, name):
                where = f'callbacks: {name} of {_name(item)}'
                check_takes_one(where, getattr(item, name), 'a Training')
        return item
    if callable(item):
        check_takes_one('callbacks: a function', item, 'a Training')
        return AtEpochEnd(item)
    raise ConfigError(f'callbacks: {expected} of a Training; got {brief(item)}')


def _hooks(kind: type) -> list[str]:
    return [name for name in dir(kind) if name.startswith('on_')]


def check(callbacks: object, show: bool | None) -> None:
    """Raise a ConfigError if the options callbacks and progress are invalid."""
    bars = [member for member in listed(callbacks) if isinstance(member, Progress)]
    if bars and show is not None and not show:
        raise ConfigError('callbacks has a Progress, and progress=False turns it off')


class Hooks:
    """Calls the callbacks of a training.

    Parameters
    ----------
    callbacks : Callback, callable, or sequence of these, optional
    training : Training
        The argument of all hooks.
    show : bool
        Whether a progress bar may be shown.

    Attributes
    ----------
    watches : bool
        Whether any callback is called after batches.
    prints : bool
        Whether any callback may write to the terminal after an epoch.
    """

    def __init__(self, callbacks: object, training: Training, show: bool = True):
        self.members, self.training, self.show = listed(callbacks), training, show
        self.watches = self._begun = False
        self.prints = any(x.prints and _overrides(x, 'on_epoch_end') for x in self.members)
        self._batch_end: list[Hook] = []  # looked up once, since it is called for every batch

    def begin(self) -> None:
        """Call ``on_train_begin``."""
        # A bar and text printed within an epoch would be mixed on the same line.
        in_epoch = [
            member
            for member in self.members
            if isinstance(member, Progress)
            or (member.prints and _overrides(member, 'on_batch_end'))
        ]
        if self.show and not in_epoch and progress.terminal() is not None:
            self.members.append(Progress())
        self._batch_end = self._overriding('on_batch_end')
        self.watches, self._begun = bool(self._batch_end), True
        self._call('on_train_begin')

    def batch_end(self) -> None:
        """Call ``on_batch_end``."""
        for hook in self._batch_end:
            hook(self.training)

    def validation_end(self) -> None:
        """Call ``on_validation_end``."""
        self._call('on_validation_end')

    def epoch_end(self) -> None:
        """Call ``on_epoch_end``."""
        self._call('on_epoch_end')
        self._settle_record()

    def end(self, failed: bool) -> None:
        """Call ``on_train_end`` of all callbacks, even if some of them raise.

        The first exception is raised, unless the training has ended by one (`failed`), which is
        more important; all others are logged.
        """
        if not self._begun:
            return
        self._begun = False
        first = None
        for member in self._with('on_train_end'):
            try:
                member.on_train_end(self.training)
                self._settle_record()
            except BaseException as error:
                if failed or first is not None:
                    name = _name(member)
                    progress.LOGGER.error('on_train_end of %s failed', name, exc_info=error)
                else:
                    first = error
        if first is not None:
            raise without_stop_iteration(first)

    def _settle_record(self) -> None:
        """Convert entries that callbacks have added to the record to plain numbers and text."""
        record = self.training.record or {}
        for name, value in list(record.items()):
            single = isinstance(value, np.generic | np.ndarray) and value.ndim == 0
            record[name] = plain = value.item() if single else value
            if not isinstance(name, str) or not isinstance(plain, bool | int | float | str | None):
                del record[name]  # a file with it could not be read
                raise ConfigError(
                    f'callbacks: an entry of the history must have a name, and be a number or '
                    f'text; got {value!r} for {name!r}'
                )

    def _call(self, name: str) -> None:
        for hook in self._overriding(name):
            hook(self.training)

    def _overriding(self, name: str) -> list[Hook]:
        return [getattr(member, name) for member in self._with(name)]

    def _with(self, name: str) -> list[Callback]:
        return [member for member in self.members if _overrides(member, name)]

    # --- states ---

    def get_state(self) -> States:
        """Return the states of all callbacks that have one, in order."""
        states = []
        for member in self._with('get_state'):
            state = member.get_state()
            if state is None:
                continue
            if not isinstance(state, dict) or not _storable(state):
                raise ConfigError(
                    f'callbacks: get_state() of {_name(member)} must return a dict of numbers, '
                    f'text, arrays, and lists and dicts of these; got {state!r}'
                )
            states.append({'name': _name(member), 'state': state})
        return states

    def set_state(self, states: States) -> None:
        """Give each callback the next state of its class; log those without one.

        Raises
        ------
        FormatError
            If a callback rejects its state.
        """
        left = list(states)
        for member in self._with('get_state'):
            name = _name(member)
            at = next((k for k, entry in enumerate(left) if entry['name'] == name), None)
            if at is None:
                progress.say('%s begins anew: the checkpoint has no state of it', name)
                continue
            try:
                member.set_state(left.pop(at)['state'])
            except (ValueError, KeyError, TypeError) as error:
                what = f'no {error}' if isinstance(error, KeyError) else error
                raise FormatError(
                    f'callbacks: the state of {name} in the checkpoint does not fit: {what}'
                ) from error
        for entry in left:
            progress.LOGGER.warning(
                'the checkpoint has the state of %s, which is not among the callbacks',
                entry['name'],
            )


def are_states(value: object) -> bool:
    """Return whether a value has the form of the result of `Hooks.get_state`."""
    return isinstance(value, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get('name'), str)
        and isinstance(entry.get('state'), dict)
        for entry in value
    )


def _name(callback: Callback) -> str:
    return type(callback).__name__


def _overrides(callback: Callback, name: str) -> bool:
    """Return whether a callback overrides a hook, in its class or as an attribute."""
    # A bound method has its function as __func__; a function set as an attribute has none.
    return getattr(getattr(callback, name), '__func__', None) is not getattr(Callback, name)


def _storable(value: object) -> bool:
    """Return whether a checkpoint can store a value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _storable(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_storable, value))
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in 'biuf'
    return value is None or isinstance(value, bool | int | float | str)
