"""A network as one safetensors file: arrays, and the spec as JSON in the header."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from rnnkit.errors import FormatError

FORMAT = 'rnnkit'
VERSION = 1


def write(path: Any, spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Write a spec and arrays; an old file is replaced only by a complete new one.

    Parameters
    ----------
    path : str or path-like
    spec : dict
        Must be fit for JSON.
    arrays : dict of str to array
    """
    header = {'format': FORMAT, 'version': str(VERSION), 'spec': json.dumps(spec)}
    content = safetensors.save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, header)
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix='.part')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes files that only the owner reads
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a spec and arrays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is not one that `write` of this version, or an older one, has written.
    """
    content = Path(path).read_bytes()
    try:
        arrays = safetensors.load(content)
        length = int.from_bytes(content[:8], 'little')
        header = json.loads(content[8 : 8 + length]).get('__metadata__') or {}
    except (SafetensorError, ValueError) as error:
        raise FormatError(f'{path}: not a complete safetensors file ({error})') from None
    if header.get('format') != FORMAT:
        raise FormatError(f'{path}: a safetensors file, but not one that rnnkit has written')
    if not header.get('version', '').isdecimal() or int(header['version']) > VERSION:
        raise FormatError(
            f'{path}: has format version {header.get("version")!r}, this rnnkit reads up to '
            f'{VERSION}; a newer rnnkit is needed'
        )
    try:
        spec = json.loads(header['spec'])
    except (KeyError, ValueError) as error:
        raise FormatError(f'{path}: its description of the network is damaged ({error})') from None
    return spec, arrays
