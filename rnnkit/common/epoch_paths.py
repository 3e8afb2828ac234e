"""Paths of files; some have the number of an epoch in them, so that each file is kept."""

import os
import re
from pathlib import Path

from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

FilePath = str | os.PathLike[str]

PLACES = re.compile(r'\{(?:epoch)?\}')  # where the number goes
OTHER = re.compile(r'\{(?!(?:epoch)?\})[^{}]*\}')


def file_path(where: str, path: object, kind: str = 'file') -> Path:
    """Return the path of a file, or of a folder, that a user passes.

    Parameters
    ----------
    where : str
        The call and the argument, for messages: ``'load(): path'``.
    path : str, bytes or path-like
    kind : {'file', 'folder'}

    Raises
    ------
    ConfigError
        If it is no path, or one that no file can have.
    """
    try:
        text = os.fsdecode(path)  # type: ignore[arg-type]
        os.fsencode(text)
    except (TypeError, ValueError):  # no path at all, or letters that no file name can have
        text = ''
    if not text or '\0' in text:
        raise ConfigError(f'{where} must be the path of a {kind}; got {brief(path)}')
    return Path(text)


def numbered(path: FilePath, epoch: int) -> str:
    """Return a path with a number in the place of ``{}`` or ``{epoch}`` in the name of the file.

    Examples
    --------
    >>> numbered('net-{epoch}.rnn', 12)
    'net-12.rnn'
    """
    folder, name = os.path.split(os.fspath(path))
    return os.path.join(folder, PLACES.sub(str(epoch), name))


def check_places(where: str, path: FilePath) -> None:
    """Raise a ConfigError if a file name has other places for numbers, such as ``{epoch:03d}``."""
    unknown = OTHER.search(os.path.basename(os.fspath(path)))
    if unknown:
        raise ConfigError(
            f'{where}: only {{}} and {{epoch}} are replaced in a file name; got {unknown[0]}'
        )


def newest(path: FilePath) -> Path | None:
    """Return the file of this name, or that of the latest epoch; None if there is none."""
    path = Path(path)
    parts = PLACES.split(path.name)
    if len(parts) == 1:
        return path if path.exists() else None
    # Every place has the same number: the first is matched, the others must repeat it.
    pattern = re.compile(re.escape(parts[0]) + '([0-9]+)' + r'\1'.join(map(re.escape, parts[1:])))
    epochs = [
        (int(match[1]), file)
        for file in path.parent.glob('*')
        if (match := pattern.fullmatch(file.name))
    ]
    return max(epochs)[1] if epochs else None
