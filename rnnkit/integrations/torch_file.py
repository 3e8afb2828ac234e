"""Files of PyTorch, read without it: ``torch.save`` of tensors in dicts, and nothing else.

Such a file is a ZIP archive: a pickle, ``data.pkl``, that names a storage for each tensor, and
the storages as members ``data/0``, ``data/1``, ... A pickle is a program. It is not handed to
Python's unpickler, which calls whatever it names; the few operations that tensors, dicts, lists
and numbers need are interpreted here, and a file that names anything else is refused before the
first one.
"""

import io
import math
import os
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np

from rnnkit.common import file_kinds
from rnnkit.common.spelling import brief
from rnnkit.errors import FormatError
from rnnkit.integrations.weight_files import of_bfloat16

LONGEST_PICKLE = 2**26  # bytes, without the storages
MOST_MEMBERS = 200_000
MOST_AXES = 16
LEGACY = b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'  # how files of PyTorch before 1.6 begin
ADVICE = 'save the weights alone: torch.save(module.state_dict(), path)'

# The dtype of each storage; bfloat16 is read as its bits.
STORAGES = {
    'torch.DoubleStorage': 'f8',
    'torch.FloatStorage': 'f4',
    'torch.HalfStorage': 'f2',
    'torch.BFloat16Storage': 'bfloat16',
    'torch.LongStorage': 'i8',
    'torch.IntStorage': 'i4',
    'torch.ShortStorage': 'i2',
    'torch.CharStorage': 'i1',
    'torch.ByteStorage': 'u1',
    'torch.BoolStorage': '?',
}
TENSOR, PARAMETER = 'torch._utils._rebuild_tensor_v2', 'torch._utils._rebuild_parameter'
EMPTY = 'collections.OrderedDict'
NAMES = {*STORAGES, TENSOR, PARAMETER, EMPTY, 'torch.Size'}


class Name(NamedTuple):
    """A class or function that a pickle names: known, and never the thing itself."""

    name: str


class Storage(NamedTuple):
    """The elements of a tensor, as they lie in the file."""

    values: np.ndarray  # of one axis; uint16 for bfloat16
    dtype: str


def read(source: str | os.PathLike[str] | BinaryIO, name: str) -> object:
    """Return what ``torch.save`` has written, with arrays in the place of tensors.

    Arrays are views of the file's content, and read-only; those of bfloat16 are copies in
    float32. No more memory is used than a few times the length of the file.

    Parameters
    ----------
    source : path or file object
        A binary file that can be read from any position.
    name : str
        What messages call it.

    Raises
    ------
    FormatError
        If it is not such a file, is damaged, or holds anything but tensors, dicts, lists, tuples,
        text and numbers; nothing of it is run.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            return _Reader(archive, name).read()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as why:
        if isinstance(why, FileNotFoundError | PermissionError | IsADirectoryError):
            raise
        raise FormatError(f'{name}: not a complete file of PyTorch: {why}') from None


class _Reader:
    """One archive that is read.

    Parameters
    ----------
    archive : ZipFile
    name : str
        What messages call the file.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str):
        self.archive, self.name = archive, name
        self.members = {info.filename: info for info in archive.infolist()}
        self.storages: dict[str, Storage] = {}
        self.left = 0  # bytes that all members together may have
        self.elements = 0  # of all tensors so far

    def read(self) -> object:
        """Return what the pickle describes."""
        pickles = [one for one in self.members if one.partition('/')[2] == 'data.pkl']
        if len(pickles) != 1 or len(self.members) > MOST_MEMBERS:
            kind = file_kinds.zip_kind('\n'.join(self.members).encode())
            raise self.wrong(f'it has no data.pkl, which torch.save writes; it is {kind}')
        self.archive.fp.seek(0, os.SEEK_END)  # type: ignore[union-attr]  # it is open
        self.left = self.length = self.archive.fp.tell()  # type: ignore[union-attr]
        self.root = pickles[0].removesuffix('data.pkl')
        order = f'{self.root}byteorder'
        big = order in self.members and self.content(order, 16).strip() == b'big'
        self.order = '>' if big else '<'
        return _interpreted(self.content(pickles[0], LONGEST_PICKLE), self)

    def wrong(self, what: str) -> FormatError:
        """Return an error about this file."""
        return FormatError(f'{self.name}: {what}')

    def content(self, member: str, longest: float = math.inf) -> bytes:
        """Return a member, which must lie in the archive as it is."""
        info = self.members[member]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise self.wrong(
                f'{brief(member)} is compressed, which torch.save never does; such files are not '
                f'read, since a short one may claim any length'
            )
        self.left -= info.file_size
        if info.file_size > longest or self.left < 0:
            raise self.wrong(f'{brief(member)} claims {info.file_size:,} bytes, which are too many')
        return self.archive.read(info)

    def storage(self, key: object) -> Storage:
        """Return the storage that a tensor names: ('storage', class, key, device, elements)."""
        match key:
            case ('storage', Name(kind), str() as number, str(), int() as count) if (
                kind in STORAGES and count >= 0
            ):
                pass
            case _:
                raise self.wrong(f'its pickle names the storage {brief(key)}, which cannot be read')
        if number not in self.storages:
            member = f'{self.root}data/{number}'
            if member not in self.members:
                raise self.wrong(f'the storage {brief(number)} is missing')
            bits = 'u2' if STORAGES[kind] == 'bfloat16' else STORAGES[kind]
            dtype = np.dtype(bits).newbyteorder(self.order)
            content = self.content(member)
            length = len(content) // dtype.itemsize
            whole = np.frombuffer(content, dtype, length) if length else np.zeros(0, dtype)
            self.storages[number] = Storage(whole, kind)
        found = self.storages[number]
        if found.dtype != kind or count > len(found.values):
            raise self.wrong(
                f'the storage {brief(number)} is said to have {count:,} elements of {kind}; there '
                f'are {len(found.values):,} of {found.dtype}'
            )
        return Storage(found.values[:count], kind)

    def tensor(self, arguments: object) -> np.ndarray:
        """Return the array of (storage, offset, shape, strides, ...), which lies within it."""
        match arguments:
            case (Storage() as storage, int() as offset, tuple() as shape, tuple() as strides, *_):
                pass
            case _:
                raise self.wrong(f'its pickle describes the tensor {brief(arguments)}')
        numbers = (offset, *shape, *strides)
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
            raise self.wrong(f'a tensor has the offset, shape and strides {brief(numbers)}')
        size, there = math.prod(shape), len(storage.values)
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=False))
        fits = len(shape) == len(strides) <= MOST_AXES and size <= there
        if not fits or (last >= there if size else max(numbers) > 2**62):
            raise self.wrong(
                f'a tensor of shape {brief(shape)}, strides {brief(strides)} and offset '
                f'{brief(offset)} does not lie in its storage of {there:,} elements'
            )
        self.elements += size
        if self.elements > self.length:
            raise self.wrong('its tensors share so many elements that it is longer than it can be')
        if not size:
            return np.zeros(shape, storage.values.dtype)
        values = storage.values[offset:]
        steps = tuple(stride * values.itemsize for stride in strides)
        array = np.lib.stride_tricks.as_strided(values, shape, steps, writeable=False)
        if STORAGES[storage.dtype] == 'bfloat16':
            return of_bfloat16(array)
        return array.astype(array.dtype.newbyteorder('='), copy=False)


def _interpreted(content: bytes, reader: _Reader) -> object:
    """Return what a pickle describes, once all that it names is known to be harmless."""
    try:
        program = [
            (code.name, argument) for code, argument, _ in pickletools.genops(io.BytesIO(content))
        ]
    except (ValueError, IndexError, UnicodeDecodeError, KeyError) as why:
        raise reader.wrong(f'its pickle is damaged: {brief(why)}') from None
    for name, argument in program:
        if name in ('GLOBAL', 'INST'):
            _check_name(str(argument).replace(' ', '.', 1), reader)
        elif name not in OPERATIONS:
            raise reader.wrong(
                f'its pickle has the operation {name}, which weights do not need; nothing of it '
                f'was run; {ADVICE}'
            )
    machine = _Machine(reader)
    try:
        for name, argument in program:
            OPERATIONS[name](machine, argument)
        (result,) = machine.stack
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as why:
        if isinstance(why, FormatError):
            raise
        raise reader.wrong(f'its pickle is damaged: {brief(why)}') from None
    return result


def _check_name(name: str, reader: _Reader) -> None:
    if name not in NAMES:
        raise reader.wrong(
            f'it names {brief(name)}, and only tensors in dicts are read; nothing of it was run; '
            f'{ADVICE}'
        )


class _Machine:
    """The stack and the memory of a pickle."""

    def __init__(self, reader: _Reader):
        self.reader = reader
        self.stack: list[object] = []
        self.below: list[list[object]] = []  # stacks under marks
        self.memory: dict[int, object] = {}

    def since_mark(self) -> list[object]:
        """Return what was pushed since the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def name(self, argument: object) -> None:
        self.stack.append(Name(str(argument).replace(' ', '.', 1)))

    def name_of_stack(self, _: object) -> None:
        *_, module, name = self.stack
        del self.stack[-2:]
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError('a name that is no text')
        _check_name(f'{module}.{name}', self.reader)
        self.stack.append(Name(f'{module}.{name}'))

    def take_storage(self, _: object) -> None:
        self.stack.append(self.reader.storage(self.stack.pop()))

    def call(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        made: object
        match function, arguments:
            case Name(name), tuple() if name == TENSOR:
                made = self.reader.tensor(arguments)
            case Name(name), (np.ndarray() as made, *_) if name == PARAMETER:
                pass
            case Name(name), () if name == EMPTY:
                made = OrderedDict()
            case Name('torch.Size'), (tuple() as made,):
                pass
            case _:
                raise TypeError(f'a call of {brief(function)} with {brief(arguments)}')
        self.stack.append(made)

    def build(self, _: object) -> None:
        """Forget attributes: the versions of modules, which state dicts have as `_metadata`."""
        self.stack.pop()
        if not isinstance(self.stack[-1], OrderedDict):
            raise TypeError('attributes of something else than a state dict')

    def put(self, argument: object) -> None:
        at = argument if isinstance(argument, int) else len(self.memory)
        self.memory[at] = self.stack[-1]

    def get(self, argument: object) -> None:
        self.stack.append(self.memory[argument])  # type: ignore[index]  # a number

    def tuple_since_mark(self, _: object) -> None:
        items = tuple(self.since_mark())
        self.stack.append(items)

    def tuple_of(self, n: int) -> None:
        items = self.stack[len(self.stack) - n :]
        if len(items) != n:
            raise IndexError('too few items')
        del self.stack[len(self.stack) - n :]
        self.stack.append(tuple(items))

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float | None):
                raise TypeError(f'a dict with the key {brief(key)}')
            target[key] = value  # type: ignore[index]  # a TypeError if it is no dict

    def append(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError('items of something else than a list')
        target.extend(items)


def _constant(value: object) -> Callable[[_Machine, object], None]:
    return lambda machine, _: machine.stack.append(value)


def _literal(machine: _Machine, argument: object) -> None:
    machine.stack.append(argument)


def _nothing(machine: _Machine, argument: object) -> None:
    pass


OPERATIONS: dict[str, Callable[[_Machine, object], None]] = {
    **dict.fromkeys(('PROTO', 'FRAME', 'STOP'), _nothing),
    **dict.fromkeys(
        ('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8', 'BINBYTES', 'SHORT_BINBYTES'), _literal
    ),
    **dict.fromkeys(('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'), _literal),
    'NONE': _constant(None),
    'NEWTRUE': _constant(True),
    'NEWFALSE': _constant(False),
    'EMPTY_TUPLE': _constant(()),
    'EMPTY_DICT': lambda machine, _: machine.stack.append({}),
    'EMPTY_LIST': lambda machine, _: machine.stack.append([]),
    'MARK': _Machine.mark,
    'TUPLE': _Machine.tuple_since_mark,
    'TUPLE1': lambda machine, _: machine.tuple_of(1),
    'TUPLE2': lambda machine, _: machine.tuple_of(2),
    'TUPLE3': lambda machine, _: machine.tuple_of(3),
    'SETITEM': lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    'SETITEMS': lambda machine, _: machine.set_items(machine.since_mark()),
    'APPEND': lambda machine, _: machine.append([machine.stack.pop()]),
    'APPENDS': lambda machine, _: machine.append(machine.since_mark()),
    'GLOBAL': _Machine.name,
    'STACK_GLOBAL': _Machine.name_of_stack,
    'REDUCE': _Machine.call,
    'BUILD': _Machine.build,
    'BINPERSID': _Machine.take_storage,
    **dict.fromkeys(('BINPUT', 'LONG_BINPUT', 'MEMOIZE'), _Machine.put),
    **dict.fromkeys(('BINGET', 'LONG_BINGET'), _Machine.get),
}
