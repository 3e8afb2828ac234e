"""A network, or a whole training, as one safetensors file: arrays, and JSON in the header."""

import hashlib
import json
import os
import re
import secrets
from errno import EISDIR
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from rnnkit.errors import FormatError

FORMAT = 'rnnkit'
VERSION = 2  # 1: without a digest, and never of a training
LONGEST_HEADER = 100_000_000  # what safetensors itself allows
MARK = ':tensor'  # in JSON, stands for an array that is stored beside it


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
    """

    spec: dict[str, Any]
    arrays: dict[str, np.ndarray]
    training: dict[str, Any] | None = None


def write(path: str | os.PathLike[str], file: File) -> None:
    """Write a file; an old one is replaced only by a complete new one.

    Parameters
    ----------
    path : str or path-like
    file : File
        Its spec must be JSON, and its training, too, except for arrays.

    Raises
    ------
    OSError
        If it cannot be written. The old file is then unchanged.
    """
    header = {'format': FORMAT, 'version': str(VERSION), 'spec': json.dumps(file.spec)}
    arrays = {name: np.asarray(array, order='C') for name, array in file.arrays.items()}
    if file.training is not None:
        inner: dict[str, np.ndarray] = {}
        header['training'] = json.dumps(_taken_out(file.training, '', inner))
        arrays |= {name: np.asarray(array, order='C') for name, array in inner.items()}
    header['digest'] = digest(header, arrays)
    content = safetensors.save(arrays, header)
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
        replace(target, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f'the file was not written: {reason}', str(target)) from error


def replace(target: Path, content: bytes) -> None:
    """Write a file; an old one is replaced only by a complete new one."""
    temporary = target.with_name(f'{target.name}.{secrets.token_hex(4)}.part')
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, 'O_BINARY', 0)
    handle = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Make a new file name survive a loss of power, where the system can do that."""
    if not hasattr(os, 'O_DIRECTORY'):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError:  # some file systems cannot; the content of the file is safe anyway
        pass
    finally:
        os.close(handle)


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


def read(path: str | os.PathLike[str]) -> File:
    """Read a file. It runs no code, and takes no more memory than the file is long.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file was not written by `write` of this version or an older one.
    """
    path = Path(path)
    try:
        header = _read_header(path)
        _check(path, header)
        arrays = safetensors.load(path.read_bytes())
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f'{path}: not a complete safetensors file ({error}){_pickled(path)}'
        ) from None
    kept = header.get('digest')
    if kept != digest(header, arrays) and (kept is not None or header['version'] != '1'):
        raise FormatError(f'{path}: its content was changed after it had been written')
    spec = _parsed(path, header, 'spec', 'its description of the network')
    training = None
    if 'training' in header:
        training = _parsed(path, header, 'training', 'its description of the training')
        training = _put_back(training, arrays)
        if not isinstance(training, dict):
            raise FormatError(f'{path}: its description of the training is damaged')
    own = {name: array for name, array in arrays.items() if not _of_training(name)}
    return File(spec, own, training)


def _of_training(name: str) -> bool:
    """Return whether an array belongs to a training: ``'last:hid1.w'``, not ``'hid1.w_in:out'``."""
    first, colon, _ = name.partition(':')
    return bool(colon) and '.' not in first


def _pickled(path: Path) -> str:
    """Return a hint if a file looks like one that theanets wrote."""
    with path.open('rb') as file:
        start = file.read(2)
    looks = (b'\x1f\x8b', *(bytes((0x80, protocol)) for protocol in range(2, 6)))
    if start not in looks and not re.search(r'\.(pkl|pickle)(\.gz)?$', path.name):
        return ''
    return (
        '. It looks like a pickle, as theanets writes them. rnnkit reads none, because that runs '
        'code from the file, which here would need Theano; save the parameters as arrays with '
        'theanets, and set them with net.find(layer, param).set_value(array)'
    )


def _read_header(path: Path) -> dict[str, str]:
    """Return the text entries of the header, before anything else is read."""
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
        size = os.fstat(file.fileno()).st_size
        if length > min(size - 8, LONGEST_HEADER):
            raise ValueError(f'a header of {length} bytes does not fit into {size} bytes')
        header = json.loads(file.read(length))
    entries = header.get('__metadata__') if isinstance(header, dict) else None
    if not isinstance(entries, dict):
        return {}
    return {name: text for name, text in entries.items() if isinstance(text, str)}


def _check(path: Path, header: dict[str, str]) -> None:
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


def _parsed(path: Path, header: dict[str, str], name: str, what: str) -> Any:
    try:
        return json.loads(header[name])
    except (KeyError, ValueError, RecursionError) as error:
        raise FormatError(f'{path}: {what} is damaged ({error})') from None


def _taken_out(value: object, name: str, arrays: dict[str, np.ndarray]) -> object:
    """Return nested dicts and lists without the arrays in them, which go to `arrays` by name."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {MARK: name}
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
        if set(value) == {MARK}:
            return arrays.get(str(value[MARK]), value)
        return {k: _put_back(v, arrays) for k, v in value.items()}
    if isinstance(value, list):
        return [_put_back(v, arrays) for v in value]
    return value
