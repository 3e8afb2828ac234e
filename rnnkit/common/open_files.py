"""Open files in the place of paths: bytes are written to them, and read from them."""

import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from rnnkit.common.epoch_paths import file_path
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError

CHUNK = 2**20  # bytes: so that a length that a file claims takes no memory
SEEN = 4096  # bytes that tell what a file is


def is_open_file(value: object) -> TypeGuard[BinaryIO]:
    """Return whether this is a file object, and no path."""
    is_path = isinstance(value, str | bytes | os.PathLike)
    return not is_path and (hasattr(value, 'read') or hasattr(value, 'write'))


def source(where: str, value: object) -> Path | BinaryIO:
    """Return the path or the open file that a user passes, to be read.

    Parameters
    ----------
    where : str
        The call and the argument, for messages: ``'load(): path'``.
    value : str, path-like or file object

    Raises
    ------
    ConfigError
        If it is neither a path nor a binary file that is open for reading.
    """
    if isinstance(value, bytes | bytearray | memoryview) and b'\0' in bytes(value[:SEEN]):
        raise ConfigError(
            f'{where} must be a path or an open file; got the content of a file: write '
            f'io.BytesIO(...) around it'
        )
    return _checked(where, value, 'read', 'rb')


def target(where: str, value: object) -> Path | BinaryIO:
    """Return the path or the open file that a user passes, to be written; see `source`."""
    return _checked(where, value, 'write', 'wb')


def _checked(where: str, value: object, method: str, mode: str) -> Path | BinaryIO:
    if not is_open_file(value):
        return file_path(where, value)
    able = getattr(value, 'readable' if method == 'read' else 'writable', None)
    if getattr(value, 'closed', False):
        wrong = 'a file that is closed'
    elif isinstance(value, io.TextIOBase):
        wrong = 'a file in text mode'
    elif not hasattr(value, method) or (able is not None and not able()):
        wrong = f'a file that is not open for {"reading" if method == "read" else "writing"}'
    else:
        return value
    raise ConfigError(
        f'{where} must be a path or a binary file, such as open(..., {mode!r}) or io.BytesIO(); '
        f'got {wrong}'
    )


def name_of(file: object) -> str:
    """Return what messages call a file: its path, or the kind of object."""
    name = getattr(file, 'name', None)
    return name if isinstance(name, str) and name else f'<{type(file).__name__}>'


def write(file: BinaryIO, content: bytes) -> None:
    """Write all of `content` to a file that is open.

    Raises
    ------
    OSError
        If it takes only a part.
    """
    rest = memoryview(content)
    while len(rest):
        count: Any = file.write(rest)
        if not isinstance(file, io.RawIOBase):
            return  # others write everything, and some return nothing
        if not count:
            raise OSError(f'{name_of(file)}: {len(rest):,} bytes were not written')
        rest = rest[count:]


def read(file: BinaryIO) -> bytes:
    """Read one safetensors file from a file that is open, and nothing that follows it.

    What is no such file is not read to its end. No more memory is taken than the file is long,
    whatever it claims.

    Returns
    -------
    content : bytes
        What can be read; less than the header claims if the file ends before.

    Raises
    ------
    FormatError
        If there is nothing to read.
    """
    content = _some(file, 8)
    if not content:
        raise FormatError(f'{name_of(file)}: there is nothing to read{_at_the_end(file)}')
    length = int.from_bytes(content, 'little')
    if len(content) < 8 or length > 100 * CHUNK:
        return content + _some(file, SEEN)
    header = _some(file, length)
    try:
        entries = json.loads(header)
        ends = [one['data_offsets'][1] for key, one in entries.items() if key != '__metadata__']
        size = max([0, *map(int, ends)])
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        return content + header + _some(file, SEEN)
    return content + header + _some(file, size)


def _some(file: BinaryIO, size: int) -> bytes:
    """Return the next bytes of a file, fewer only where it ends."""
    chunks = []
    while size > 0:
        chunk: object = file.read(min(size, CHUNK))
        if not isinstance(chunk, bytes | bytearray | memoryview):
            raise ConfigError(
                f'load(): {name_of(file)}: read() must return bytes; got {brief(chunk)}'
            )
        if not chunk:
            break
        chunks.append(bytes(chunk))
        size -= len(chunk)
    return b''.join(chunks)


def _at_the_end(file: BinaryIO) -> str:
    try:
        at_the_end = file.tell() > 0
    except (OSError, AttributeError):  # a pipe
        return ''
    return '; it is at its end, file.seek(0) goes back to the beginning' if at_the_end else ''
