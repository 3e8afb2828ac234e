"""A network, or a whole training, as one safetensors file: arrays, and JSON in the header."""

import hashlib
import io
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from rnnkit.common import file_kinds, meta, open_files
from rnnkit.common.replace_file import replace
from rnnkit.errors import ConfigError, FormatError

FORMAT = 'rnnkit'
VERSION = 2  # 1: without a digest, and never of a training
LONGEST_HEADER = 100_000_000  # what safetensors itself allows
MOST_ARRAYS = 20_000  # each takes time, even if it is empty


class File(NamedTuple):
    """The content of a file.

    Parameters
    ----------
    spec : dict
        The network, as JSON.
    arrays : dict of str to array
        Its parameters.
    training : dict or None
        The state of a training, if the file is a checkpoint.
    meta : dict or None
        What the user keeps with the network: JSON and arrays.
    """

    spec: dict[str, Any]
    arrays: dict[str, np.ndarray]
    training: dict[str, Any] | None = None
    meta: dict[str, Any] | None = None


def write(target: str | os.PathLike[str] | BinaryIO, file: File) -> None:
    """Write a file; an old one is replaced only by a complete new one.

    Parameters
    ----------
    target : str, path-like or file object
    file : File
        Its spec must be JSON, and its training, too, except for arrays.

    Raises
    ------
    OSError
        If it cannot be written. The old file is then unchanged.
    ConfigError
        If it would be too large to be read, or its meta is not JSON and arrays.
    """
    if open_files.is_open_file(target):
        open_files.write(target, pack(file, open_files.name_of(target)))
    else:
        replace(target, pack(file, os.fspath(target)))


def pack(file: File, name: str) -> bytes:
    """Return the content of a file; `name` is what messages call it.

    Raises
    ------
    ConfigError
        As `write`.
    """
    header = {'format': FORMAT, 'version': str(VERSION), 'spec': json.dumps(file.spec)}
    arrays = {name: np.asarray(array, order='C') for name, array in file.arrays.items()}
    if file.training is not None:
        inner: dict[str, np.ndarray] = {}
        header['training'] = json.dumps(_taken_out(file.training, '', inner))
        arrays |= {name: np.asarray(array, order='C') for name, array in inner.items()}
    if file.meta:
        plain, kept = meta.packed(file.meta)
        header['meta'] = json.dumps(plain)
        arrays |= kept
    header['digest'] = digest(header, arrays)
    content = _in_order(safetensors.save(arrays, header))
    if int.from_bytes(content[:8], 'little') > LONGEST_HEADER or len(arrays) >= MOST_ARRAYS:
        raise ConfigError(
            f'{name} was not written, for it could not be read: {len(arrays):,} arrays '
            f'and a description of {int.from_bytes(content[:8], "little"):,} bytes are too many'
        )
    return content


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with sorted text entries, which otherwise have a random order."""
    end = 8 + int.from_bytes(content[:8], 'little')
    header = json.loads(content[8:end])
    header['__metadata__'] = dict(sorted(header['__metadata__'].items()))
    text = json.dumps(header, separators=(',', ':'), ensure_ascii=False).encode()
    text += b' ' * (-len(text) % 8)  # arrays begin at multiples of 8
    return b''.join([len(text).to_bytes(8, 'little'), text, memoryview(content)[end:]])


def digest(header: dict[str, str], arrays: dict[str, np.ndarray]) -> str:
    """Return a hash of the content of a file."""
    content = hashlib.sha256()
    for name in sorted(set(header) - {'digest'}):
        content.update(json.dumps([name, header[name]]).encode())
    for name in sorted(arrays):
        array = arrays[name]
        content.update(json.dumps([name, array.dtype.name, list(array.shape)]).encode())
        content.update(array.tobytes())
    return content.hexdigest()


def read(source: str | os.PathLike[str] | BinaryIO) -> File:
    """Read a file. It runs no code, and takes no more memory than the file is long.

    It is opened once, so that it may be replaced meanwhile. From a file object, nothing is read
    that follows.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file was not written by `write` of this version or an older one.
    """
    if open_files.is_open_file(source):
        return unpack(open_files.read(source), open_files.name_of(source))
    path = Path(source)
    with opened(path) as file:
        found = os.fstat(file.fileno())
        occupied = 512 * getattr(found, 'st_blocks', 0)
        return _read(str(path), file, found.st_size, occupied)


def unpack(content: bytes, name: str) -> File:
    """Return what the content of a file holds; `name` is what messages call it.

    Raises
    ------
    FormatError
        As `read`.
    """
    return _read(name, io.BytesIO(content), len(content), len(content))


def _read(path: str, file: BinaryIO, size: int, occupied: int) -> File:
    """Read a file that takes some bytes of the disk, perhaps fewer than it is long."""
    try:
        length = _header_length(file, size, occupied)
        header = _metadata(file.read(length))
        _check(path, header)
        file.seek(0)
        arrays = safetensors.load(file.read())
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise _refused(path, file, size, error) from None
    kept = header.get('digest')
    if kept != digest(header, arrays) and (kept is not None or header['version'] != '1'):
        raise FormatError(f'{path}: its content was changed after it had been written')
    spec = _parsed(path, header, 'spec', 'its description of the network')
    kept_by_user = None
    if 'meta' in header:
        plain = _parsed(path, header, 'meta', 'its meta')
        kept_by_user = meta.unpacked(path, plain, arrays)
    inner = {name: array for name, array in arrays.items() if not name.startswith(meta.START)}
    training = None
    if 'training' in header:
        training = _parsed(path, header, 'training', 'its description of the training')
        training = _put_back(training, inner)
        if not isinstance(training, dict):
            raise FormatError(f'{path}: its description of the training is damaged')
    own = {name: array for name, array in arrays.items() if not _is_inner(name)}
    return File(spec, own, training, kept_by_user)


def _is_inner(name: str) -> bool:
    """Return whether an array is no parameter: ``'last:hid1.w'``, not ``'hid1.w_in:out'``."""
    first, colon, _ = name.partition(':')
    return bool(colon) and '.' not in first


def opened(path: Path) -> BinaryIO:
    """Open a file to be read; a pipe or a device is refused, and a folder is the usual error."""
    flags = getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0)  # a pipe is not waited for
    file = open(path, 'rb', opener=lambda name, mode: os.open(name, mode | flags))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise FormatError(f'{path}: a device or a pipe, not a file')


def _header_length(file: BinaryIO, size: int, occupied: int) -> int:
    """Return the length of the header, after checking it against that of the file."""
    length = int.from_bytes(file.read(8), 'little')
    if length > min(size - 8, LONGEST_HEADER):
        raise ValueError(f'a header of {length} bytes does not fit into {size} bytes')
    # Nearly all of it is a hole, which takes no place on the disk, but would take memory.
    if size > 2**26 and 0 < occupied < size // 64:
        raise ValueError(f'it claims {size} bytes, and occupies {occupied}')
    return length


def _metadata(header: bytes) -> dict[str, str]:
    """Return the text entries of the header, before anything else is read."""
    parsed = json.loads(header)
    if len(parsed) > MOST_ARRAYS:
        raise ValueError(f'it holds {len(parsed):,} arrays; at most {MOST_ARRAYS:,} are read')
    entries = parsed.get('__metadata__') if isinstance(parsed, dict) else None
    if not isinstance(entries, dict):
        return {}
    return {name: text for name, text in entries.items() if isinstance(text, str)}


def _refused(path: str, file: BinaryIO, size: int, error: Exception) -> FormatError:
    """Return an error that says what the file is, if that can be told, or what is wrong."""
    file.seek(0)
    content = file.read(4096)
    file.seek(max(0, size - 4096))
    kind = file_kinds.kind_of(Path(path).name, content + file.read(4096))
    return FormatError(f'{path}: not a complete safetensors file: {kind or error}')


def _check(path: str, header: dict[str, str]) -> None:
    if header.get('format') != FORMAT:
        raise FormatError(f'{path}: a safetensors file, but not one that rnnkit has written')
    version = header.get('version', '')
    if not (version.isascii() and version.isdecimal() and len(version) < 9):
        raise FormatError(f'{path}: its format version {version[:20]!r} is not a number')
    if int(version) > VERSION:
        raise FormatError(
            f'{path}: has format version {version!r}, this rnnkit reads up to {VERSION}; a newer '
            f'rnnkit is needed'
        )


def _parsed(path: str, header: dict[str, str], name: str, what: str) -> Any:
    try:
        return json.loads(header[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise FormatError(f'{path}: {what} is damaged ({error})') from None


def _taken_out(value: object, name: str, arrays: dict[str, np.ndarray]) -> object:
    """Return nested dicts and lists without the arrays in them, which go to `arrays` by name."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {meta.MARK: name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {
            str(k): _taken_out(v, f'{name}:{k}' if name else str(k), arrays)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [_taken_out(v, f'{name}:{k}', arrays) for k, v in enumerate(value)]
    return value


def _put_back(value: object, arrays: dict[str, np.ndarray]) -> object:
    """Undo `_taken_out`; a name without an array stays as it is."""
    if isinstance(value, dict):
        if set(value) == {meta.MARK}:
            return arrays.get(str(value[meta.MARK]), value)
        return {k: _put_back(v, arrays) for k, v in value.items()}
    if isinstance(value, list):
        return [_put_back(v, arrays) for v in value]
    return value
