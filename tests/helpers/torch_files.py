"""Files of PyTorch written by hand: the ZIP archives of ``torch.save``, good ones and others.

The pickle is put together operation by operation, as PyTorch's is, so that no test of the reader
needs PyTorch, and any pickle can be written.
"""

import io
import struct
import zipfile
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

STORAGES = {
    'f8': 'DoubleStorage',
    'f4': 'FloatStorage',
    'f2': 'HalfStorage',
    'i8': 'LongStorage',
    'u1': 'ByteStorage',
    '?': 'BoolStorage',
}


class Global(NamedTuple):
    """A class or function by its name."""

    module: str
    name: str


class Call(NamedTuple):
    """A call of one."""

    function: Global
    arguments: tuple


class Persistent(NamedTuple):
    """What the reader is to look up in the archive."""

    key: tuple


class Raw(NamedTuple):
    """Operations as they are."""

    content: bytes


REBUILD = Global('torch._utils', '_rebuild_tensor_v2')
HOOKS = Call(Global('collections', 'OrderedDict'), ())


def pickled(value):
    """Return the operations that push a value."""
    match value:
        case Raw():
            return value.content
        case Global():
            return f'c{value.module}\n{value.name}\n'.encode()
        case Call():
            return pickled(value.function) + pickled(value.arguments) + b'R'
        case Persistent():
            return pickled(value.key) + b'Q'
        case None:
            return b'N'
        case bool():
            return b'\x88' if value else b'\x89'
        case int() if -(2**31) <= value < 2**31:
            return b'J' + struct.pack('<i', value)
        case int():
            content = value.to_bytes(16, 'little', signed=True)
            return b'\x8a' + bytes([len(content)]) + content
        case float():
            return b'G' + struct.pack('>d', value)
        case str():
            return b'X' + struct.pack('<I', len(value.encode())) + value.encode()
        case tuple():
            return b'(' + b''.join(map(pickled, value)) + b't'
        case list():
            return b'](' + b''.join(map(pickled, value)) + b'e'
        case dict():
            start = pickled(HOOKS) if isinstance(value, OrderedDict) else b'}'
            pairs = [pickled(k) + pickled(v) for k, v in value.items()]
            return start + b'(' + b''.join(pairs) + b'u'
    raise TypeError(type(value))


class Archive:
    """An archive that is being written.

    Parameters
    ----------
    big : bool
        Whether numbers are big-endian.
    """

    def __init__(self, big=False):
        self.order = '>' if big else '<'
        self.members = {'version': b'3\n', 'byteorder': b'big' if big else b'little'}
        self.count = 0

    def storage(self, values, kind=None, count=None):
        """Return a new storage of values, of one axis."""
        values = np.asarray(values)
        key, self.count = str(self.count), self.count + 1
        self.members[f'data/{key}'] = values.astype(values.dtype.newbyteorder(self.order)).tobytes()
        kind = kind or STORAGES[values.dtype.str[1:] if values.dtype != bool else '?']
        count = values.size if count is None else count
        return Persistent(('storage', Global('torch', kind), key, 'cpu', count))

    def tensor(self, array, *, storage=None, offset=0, shape=None, strides=None, kind=None):
        """Return a tensor, by default of an array with a storage of its own."""
        array = np.asarray(array)
        storage = storage or self.storage(array.ravel(), kind)
        shape = array.shape if shape is None else shape
        if strides is None:
            strides = tuple(int(np.prod(shape[k + 1 :])) for k in range(len(shape)))
        return Call(REBUILD, (storage, offset, tuple(shape), tuple(strides), False, HOOKS))

    def content(self, value, compress=False, end=b'.'):
        """Return the file with a value as its content."""
        file = io.BytesIO()
        how = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with zipfile.ZipFile(file, 'w', how) as out:
            out.writestr('archive/data.pkl', b'\x80\x02' + pickled(value) + end)
            for name, member in self.members.items():
                out.writestr(f'archive/{name}', member)
        return file.getvalue()


def saved(value, **options):
    """Return what ``torch.save`` would write for dicts and lists of arrays."""
    archive = Archive(**options)

    def with_tensors(one):
        if isinstance(one, np.ndarray):
            return archive.tensor(one)
        if isinstance(one, dict):
            return type(one)((k, with_tensors(v)) for k, v in one.items())
        return [with_tensors(v) for v in one] if isinstance(one, list) else one

    return archive.content(with_tensors(value))
