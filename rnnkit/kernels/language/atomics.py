"""Integers in memory that several threads read and write.

In: the address of an integer of 64 bits. Out: the instructions of the processor that read or change
it as a whole. What a thread wrote before it changed one can be read by the thread that sees the
change.
"""

from llvmlite import ir

from rnnkit.kernels.language.vector import I64, Code, Flag, Int


def load(code: Code, address: Int) -> Int:
    """Return the integer."""
    return Int(code, code.builder.load_atomic(_pointer(code, address), 'acquire', 8, typ=I64))


def release(code: Code, address: Int, value: Int | int) -> None:
    """Store an integer."""
    code.builder.store_atomic(code.int(value).value, _pointer(code, address), 'release', 8)


def exchange(code: Code, address: Int, old: Int | int, new: Int | int) -> Flag:
    """Store `new` if the integer still is `old`; return whether it was."""
    old, new = code.int(old), code.int(new)
    pointer = _pointer(code, address)
    result = code.builder.cmpxchg(pointer, old.value, new.value, 'acq_rel', 'acquire')
    return Flag(code, code.builder.extract_value(result, 1))


def swap(code: Code, address: Int, new: Int | int) -> Int:
    """Store an integer; return the one before."""
    return _change(code, 'xchg', address, new, 'acq_rel')


def add(code: Code, address: Int, change: Int | int) -> Int:
    """Add to an integer that orders nothing else; return the one after."""
    return _change(code, 'add', address, change, 'monotonic') + change


def _change(code: Code, kind: str, address: Int, value: Int | int, ordering: str) -> Int:
    pointer = _pointer(code, address)
    return Int(code, code.builder.atomic_rmw(kind, pointer, code.int(value).value, ordering))


def _pointer(code: Code, address: Int) -> ir.Value:
    # llvmlite stores atomically only where a pointer says what it points to.
    return code.builder.inttoptr(address.value, I64.as_pointer())
