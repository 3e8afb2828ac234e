"""Files of events, which TensorBoard reads.

A file is a sequence of records; each is a length and a message, both with a checksum (CRC-32C, RFC
3720, appendix B.4; masked as in TFRecord of TensorFlow). The messages are `Event` of TensorFlow
(``event.proto``, ``summary.proto``) in the encoding of protocol buffers, whose few fields that are
needed are written here.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence

import numpy as np

from rnnkit.common import replace_file

VERSION = b'brain.Event:2'
STRING = 7  # DT_STRING of types.proto
START = 1  # of SessionLog: from its step on, earlier files of the folder do not count
BINS = 30

Field = tuple[int, bytes | str | int | float | np.float32 | Sequence[float]]


class EventFile:
    """A file of events, with methods named as those of ``tensorboardX.SummaryWriter``.

    What is added is written by `flush`; an error of the disk is raised there.

    Parameters
    ----------
    folder : str
        The folder of the run.
    purge_step : int
        The first step: what earlier files of the folder have of it, and after it, is not shown.

    Raises
    ------
    OSError
        If the file cannot be created.
    """

    def __init__(self, folder: str, purge_step: int):
        now = time.time_ns()
        # TensorBoard reads the files of a folder in the order of their names.
        stamp = f'{now // 10**9:010d}.{now % 10**9:09d}'
        name = f'events.out.tfevents.{stamp}.{socket.gethostname()}.{os.getpid()}'
        self.path = os.path.join(folder, name)
        self._content = b''
        self._add((3, VERSION))
        self._add((2, purge_step), (7, message((1, START))))
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise replace_file.not_written(folder, error) from error
        self.flush()

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Add a number, which is stored with single precision."""
        with np.errstate(over='ignore'):
            self._add_value(step, (1, tag), (2, np.float32(value)))

    def add_histogram(self, tag: str, values: np.ndarray, step: int) -> None:
        """Add the distribution of finite numbers."""
        x = np.asarray(values, 'float64').ravel()
        counts, ends = np.histogram(x, BINS)
        with np.errstate(over='ignore'):
            moments = [x.min(), x.max(), x.size, x.sum(), x @ x]
        fields: list[Field] = [(k, float(value)) for k, value in enumerate(moments, 1)]
        shape = message(*fields, (6, ends[1:].tolist()), (7, counts.tolist()))
        self._add_value(step, (1, tag), (5, shape))

    def add_text(self, tag: str, text: str, step: int) -> None:
        """Add a text in Markdown."""
        dim = message((2, message((1, 1))))
        tensor = message((1, STRING), (2, dim), (8, text.encode(errors='replace')))
        plugin = message((1, message((1, 'text'))))
        self._add_value(step, (1, f'{tag}/text_summary'), (8, tensor), (9, plugin))

    def flush(self) -> None:
        """Append what was added to the file."""
        try:
            with open(self.path, 'ab') as file:
                file.write(self._content)
        except OSError as error:
            raise replace_file.not_written(self.path, error) from error
        self._content = b''

    def _add_value(self, step: int, *fields: Field) -> None:
        self._add((2, step), (5, message((1, message(*fields)))))

    def _add(self, *fields: Field) -> None:
        self._content += record(message((1, time.time()), *fields))


def message(*fields: Field) -> bytes:
    r"""Return a message of protocol buffers.

    Parameters
    ----------
    fields : (int, value)
        Numbers of fields and their values: text, bytes or a message; a whole number of at least 0;
        a number of double or, as float32, of single precision; a list of double precision.

    Examples
    --------
    >>> message((2, 300), (1, 'a'))
    b'\x10\xac\x02\n\x01a'
    """
    parts = []
    for number, value in fields:
        if isinstance(value, np.float32):
            kind, content = 5, struct.pack('<f', value)
        elif isinstance(value, float):
            kind, content = 1, struct.pack('<d', value)
        elif isinstance(value, int):
            kind, content = 0, bytes(_digits(value))
        else:
            if isinstance(value, str):
                value = value.encode(errors='replace')
            elif not isinstance(value, bytes):
                value = struct.pack(f'<{len(value)}d', *value)
            kind, content = 2, bytes(_digits(len(value))) + value
        parts.append(bytes(_digits(8 * number + kind)) + content)
    return b''.join(parts)


def _digits(n: int) -> Iterator[int]:
    """Yield the digits of a whole number to the base 128, the lowest first."""
    while n >= 128:
        yield n % 128 + 128
        n //= 128
    yield n


def record(content: bytes) -> bytes:
    """Return a record with its checksums."""
    length = struct.pack('<Q', len(content))
    return b''.join([length, _masked(length), content, _masked(content)])


def _masked(content: bytes) -> bytes:
    crc = crc32c(content)
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
        table.append(value)
    return table


TABLE = _table()


def crc32c(content: bytes) -> int:
    """Return the checksum CRC-32C.

    Examples
    --------
    >>> hex(crc32c(bytes(32)))
    '0x8a9136aa'
    """
    crc = 2**32 - 1
    for byte in content:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 2**32 - 1
