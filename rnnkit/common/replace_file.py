"""Files that are replaced only by complete new ones."""

import contextlib
import os
import re
import secrets
import stat
from errno import EINVAL, EISDIR
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

LONGEST = 100  # bytes of a file's name that are repeated in a temporary one: 255 are the limit
TOKEN = '(?:r|(?=[0-9]*[a-f]))[0-9a-f]{8}'  # of earlier versions: without r; never a date


def replace(target: str | os.PathLike[str], content: bytes) -> None:
    """Write a file; an old one is replaced only by a complete new one.

    The new file has the mode of the old one; a symbolic link stays, and its target is replaced.
    Temporary files that killed processes have left are removed.

    Parameters
    ----------
    target : str or path-like
    content : bytes

    Raises
    ------
    OSError
        If it cannot be written; the message names the file. The old file is then unchanged.
    """
    try:
        _replace(Path(os.path.realpath(target)), content)
    except OSError as error:
        raise not_written(target, error) from error


def not_written(target: str | os.PathLike[str], error: OSError) -> OSError:
    """Return an error that says which file was not written, and why."""
    reason = error.strerror or str(error)
    return OSError(error.errno, f'the file was not written: {reason}', os.fspath(target))


def _replace(target: Path, content: bytes) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        if stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        raise OSError(EINVAL, 'it is a device or a pipe, not a file')
    start = _start(target.name)
    _remove_stale(target.parent, start)
    part = _Part()
    try:
        part.create(target.parent, start, 0o666 if old is None else 0o600)
        part.write(content, old)
        if fcntl is None:  # an open file cannot be renamed
            part.close()
        os.replace(part.path, target)  # while it is locked
    except BaseException:
        part.remove()
        raise
    part.close()
    _flush_folder(target.parent)


def _start(name: str) -> str:
    """Return the start of the names of temporary files, from which their target can be told."""
    return os.fsencode(name)[:LONGEST].decode('utf-8', 'ignore')


class _Part:
    """A temporary file; it is locked while this process writes it.

    Its name and handle are kept as soon as there are any: Ctrl-C may come at any time.
    """

    def __init__(self) -> None:
        self.path: Path | None = None
        self.handle: int | None = None

    def create(self, folder: Path, start: str, mode: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0)
        while True:
            self.path = folder / f'{start}.r{secrets.token_hex(4)}.part'
            try:
                self.handle = os.open(self.path, flags, mode)
            except OSError:
                self.path = None  # not made by this process
                raise
            if fcntl is not None:
                with contextlib.suppress(OSError):  # some network drives have no locks
                    fcntl.flock(self.handle, fcntl.LOCK_EX)
            # Another process may have taken it for stale, and removed it, before it was locked.
            if os.fstat(self.handle).st_nlink:
                return
            self.close()

    def write(self, content: bytes, old: os.stat_result | None) -> None:
        with open(self.handle, 'wb', closefd=False) as file:
            file.write(content)
            file.flush()
            if old is not None:
                _like(self.handle, old)
            os.fsync(self.handle)

    def close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is not None:
            os.close(handle)

    def remove(self) -> None:
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _like(handle: int, old: os.stat_result) -> None:
    """Give a file the mode of the old one, and its owner if that is allowed."""
    if not hasattr(os, 'fchmod'):
        return
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError):  # only root may
            os.fchown(handle, old.st_uid, old.st_gid)
    with contextlib.suppress(OSError):  # the drive has no modes
        os.fchmod(handle, stat.S_IMODE(old.st_mode) & 0o777)


def _remove_stale(folder: Path, start: str) -> None:
    """Remove temporary files of this user that no living process writes."""
    pattern = re.compile(re.escape(start) + rf'\.{TOKEN}\.part')
    try:
        names = [name for name in os.listdir(folder) if pattern.fullmatch(name)]
    except OSError:
        return
    for name in names:
        with contextlib.suppress(OSError):
            _remove_if_stale(folder / name)


def _remove_if_stale(path: Path) -> None:
    if fcntl is None:
        path.unlink()  # fails if a process has it open
        return
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(handle)
        own = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if own:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # an error if somebody writes it
            path.unlink()
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """Make a new file name survive a loss of power, where the system can do that."""
    if not hasattr(os, 'O_DIRECTORY'):
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # a folder that can be written, but not listed
        return
    try:
        os.fsync(handle)
    except OSError:  # some file systems cannot; the content of the file is safe anyway
        pass
    finally:
        os.close(handle)
