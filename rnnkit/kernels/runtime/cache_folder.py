"""The folder of machine code on disk, and the files in it: only what nobody else can change.

In: a name and bytes. Out: the bytes kept under that name, or None.

Machine code is run without a further look, so it is read only from a file of this process's user,
in a folder of the same user, that neither the group nor others may write. What is checked is the
opened file or folder, not its path: a path may stand for something else a moment later.
"""

import contextlib
import errno
import logging
import os
import secrets
import stat
import sys
from pathlib import Path

from rnnkit.common import caller

log = logging.getLogger('rnnkit')
# Elsewhere, on Windows, folders of users are protected by access lists.
_HAS_OWNERS = hasattr(os, 'geteuid') and os.open in os.supports_dir_fd
_FORBIDDEN = stat.S_IWGRP | stat.S_IWOTH
_warned: set[str] = set()
ADVICE = (
    'Kernels are compiled again in each process. Set RNNKIT_CACHE_DIR to a folder that only you '
    'can write (mkdir -m 700)'
)


def directory() -> Path | None:
    """Return the directory of the cache; None if there is no home directory for it."""
    try:
        chosen = os.environ.get('RNNKIT_CACHE_DIR')
        if chosen:
            return Path(chosen).expanduser()
        if sys.platform == 'win32':
            base = os.environ.get('LOCALAPPDATA') or '~/AppData/Local'
        elif sys.platform == 'darwin':
            base = '~/Library/Caches'
        else:
            base = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
        return Path(base).expanduser() / 'rnnkit'
    except RuntimeError:  # nobody knows this user
        _complain_of_choice('there is no such home directory')
        return None


def read(name: str) -> bytes | None:
    """Return what is kept under `name`, or None if there is nothing, or others may change it."""
    folder = _open_folder()
    if folder is None:
        return None
    try:
        with contextlib.closing(folder):
            return folder.read(name)
    except OSError as why:
        log.debug('kernels: %s is not read: %s', name, why)
        return None


def write(name: str, content: bytes) -> None:
    """Keep `content`; another process sees all of the file or none of it."""
    folder = _open_folder(create=True)
    if folder is None:
        return
    try:
        with contextlib.closing(folder):
            folder.write(name, content)
    except OSError as why:
        log.debug('kernels: %s is not kept: %s', name, why)


class _Folder:
    """An open folder that only this user can change."""

    def __init__(self, path: Path):
        self.path, self.handle = path, None
        if _HAS_OWNERS:
            self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _check(path, os.fstat(self.handle))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)

    def _place(self, name: str) -> str | Path:
        return name if self.handle is not None else self.path / name

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        flags |= getattr(os, 'O_BINARY', 0) | getattr(os, 'O_CLOEXEC', 0)
        return os.open(self._place(name), flags, mode, dir_fd=self.handle)

    def read(self, name: str) -> bytes | None:
        # Not blocking: a pipe without a writer would wait for ever.
        flags = os.O_RDONLY | getattr(os, 'O_NOFOLLOW', 0) | getattr(os, 'O_NONBLOCK', 0)
        try:
            handle = self.open(name, flags)
        except OSError as why:
            if why.errno == errno.ELOOP:
                _complain(self.path / name, 'is a symbolic link')
                return None
            raise
        with os.fdopen(handle, 'rb') as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return None
            if _HAS_OWNERS:
                _check(self.path / name, found)
            return file.read()

    def write(self, name: str, content: bytes) -> None:
        # Renamed when it is whole: other processes may read, or write the same kernel.
        temporary = f'{name}.{secrets.token_hex(4)}'
        handle = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(handle, 'wb') as file:
                file.write(content)
            os.replace(
                self._place(temporary),
                self._place(name),
                src_dir_fd=self.handle,
                dst_dir_fd=self.handle,
            )
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._place(temporary), dir_fd=self.handle)
            raise


def _open_folder(create: bool = False) -> _Folder | None:
    path = directory()
    if path is None:
        return None
    try:
        if create:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _Folder(path)
    except (OSError, ValueError) as why:
        log.debug('kernels: %s is not used: %s', path, why)
        if create or not isinstance(why, FileNotFoundError):  # which may still be created
            other = isinstance(why, FileExistsError | NotADirectoryError) and os.path.lexists(path)
            reason = 'it is not a folder' if other else getattr(why, 'strerror', None)
            _complain_of_choice(reason or str(why))
        return None


def _check(path: Path, found: os.stat_result) -> None:
    """Warn and raise an error if somebody else than this user can change what is at `path`."""
    if found.st_uid != os.geteuid():
        reason = f'belongs to user {found.st_uid}, and this process is of user {os.geteuid()}'
    elif found.st_mode & _FORBIDDEN:
        reason = f'can be written by others (mode {stat.S_IMODE(found.st_mode):04o})'
    else:
        return
    _complain(path, reason)
    raise PermissionError(errno.EPERM, reason, str(path))


def _complain(path: Path, reason: str) -> None:
    """Warn that others could have changed what is at `path`."""
    _warn(
        f'rnnkit does not use {path}, which {reason}: machine code in it could be from somebody '
        f'else. {ADVICE}, or remove {path}'
    )


def _complain_of_choice(reason: str) -> None:
    """Warn that the folder that the user has chosen, if any, cannot be used."""
    chosen = os.environ.get('RNNKIT_CACHE_DIR')
    if chosen:
        _warn(f'rnnkit cannot use the folder RNNKIT_CACHE_DIR={chosen}: {reason}. {ADVICE}')


def _warn(message: str) -> None:
    """Warn once per folder in a process."""
    folder = os.environ.get('RNNKIT_CACHE_DIR') or str(directory())
    if folder not in _warned:
        _warned.add(folder)
        caller.warn(message)
