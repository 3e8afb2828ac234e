"""Arrays of weights by name: from files of several formats, from tensors, from other networks."""

import io
import os
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import safetensors

from rnnkit.common import file_format, file_kinds, open_files
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError, FormatError

ZIP, HDF5 = b'PK\x03\x04', b'\x89HDF\r\n\x1a\n'  # how files begin
DTYPES = {'F64': 'f8', 'F32': 'f4', 'F16': 'f2', 'I64': 'i8', 'I32': 'i4', 'I16': 'i2'}
DTYPES |= {'I8': 'i1', 'U8': 'u1', 'BOOL': '?', 'BF16': 'u2'}


def opened(where: str, path: object) -> tuple[BinaryIO, str, int]:
    """Return a file that a user passes, what messages call it, and its length in bytes.

    Parameters
    ----------
    where : str
        The call and the argument, for messages.
    path : str, path-like or file object

    Raises
    ------
    ConfigError
        If it is neither, or reading it returns no bytes.
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is a device or a pipe, or claims far more bytes than it occupies.
    """
    source = open_files.source(where, path)
    if open_files.is_open_file(source):
        content: object = source.read()
        if not isinstance(content, bytes | bytearray | memoryview):
            raise ConfigError(f'{where}: read() must return bytes; got {brief(content)}')
        return io.BytesIO(content), open_files.name_of(source), len(content)
    file = file_format.opened(source)
    found = os.fstat(file.fileno())
    occupied = 512 * getattr(found, 'st_blocks', 0)
    if found.st_size > 2**26 and 0 < occupied < found.st_size // 64:
        file.close()
        raise FormatError(f'{source}: it claims {found.st_size} bytes, and occupies {occupied}')
    return file, str(source), found.st_size


def first_bytes(file: BinaryIO) -> bytes:
    """Return how a file begins, and go back to there."""
    start = file.read(64)
    file.seek(0)
    return start


def of_safetensors(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file, whoever has written it; bfloat16 as float32.

    Raises
    ------
    FormatError
        If it is damaged, or an array has another dtype than numbers of NumPy and bfloat16.
    """
    try:
        found = safetensors.deserialize(content)
    except (safetensors.SafetensorError, ValueError) as why:
        kind = file_kinds.kind_of(name, content)
        raise FormatError(f'{name}: not a complete safetensors file: {kind or why}') from None
    arrays = {}
    for key, one in found:
        if one['dtype'] not in DTYPES:
            raise FormatError(f'{name}: {brief(key)} has the dtype {one["dtype"]}, not read here')
        bits = np.frombuffer(one['data'], np.dtype(DTYPES[one['dtype']]).newbyteorder('<'))
        if one['dtype'] == 'BF16':
            bits = of_bfloat16(bits)
        arrays[key] = bits.reshape(one['shape'])
    return arrays


def of_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Return numbers in float32, given the bits of bfloat16, which are the first half of theirs."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def array_of(where: str, name: object, value: Any) -> np.ndarray:
    """Return an array or a tensor of PyTorch's as an array of numbers.

    float16 and bfloat16 become float32, which holds all their values.

    Raises
    ------
    DataError
        If it is something else.
    """
    if hasattr(value, 'detach') and hasattr(value, 'cpu'):
        value = value.detach().cpu()
        value = value.float() if 'bfloat16' in str(value.dtype) else value
        value = value.numpy()
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unlike lengths
        array = np.zeros((), object)
    if array.dtype.kind not in 'biuf' or np.ma.isMaskedArray(value):
        raise DataError(f'{where}: {brief(name)} must be an array of numbers; got {brief(value)}')
    return array.astype(np.float32) if array.dtype == np.float16 else array


def dtype_for(arrays: Iterable[np.ndarray]) -> str:
    """Return the dtype of a network that loses nothing of the weights: float64 if one has it."""
    return 'float64' if any(array.dtype == np.float64 for array in arrays) else 'float32'
