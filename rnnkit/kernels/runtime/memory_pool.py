"""Memory of arrays, kept for the next array of about that size.

In: a number of bytes. Out: the address of a block, aligned to cache lines; or a block given
back.

``malloc`` gets large blocks from the system and returns them to it as soon as they are freed. Each
training step would then have a page fault for every 4 KiB of its arrays, a third of its time. So
blocks are kept in a table, up to a limit. The settings of ``malloc`` could do the same, but they
are those of the whole process, and of glibc alone.

Every block is used by one array at a time: a block comes back when the last view of its array
is gone (see `rnnkit.kernels.runtime.numba_call`). The table has no lock that a fork or a thread
that dies could leave closed: a slot is taken by an atomic exchange of its state.
"""

import ctypes
import os
from functools import cache

import llvmlite.binding as llvm
from llvmlite import ir

from rnnkit.common.checks import whole
from rnnkit.kernels.language.atomics import add, exchange, release
from rnnkit.kernels.language.vector import I64, Code, Flag, Int, Target, Unit
from rnnkit.kernels.runtime.cache import Library, library

SLOTS, SLOT = 64, 64  # a slot is a cache line
SMALL = 1 << 16  # smaller blocks are malloc's: it does not return those to the system
PATIENCE = 1024  # after so many blocks were given back, one that nobody took is stale
HEADER = 64  # bytes before a block; a whole line, so that the block is aligned
_BYTES, _START = range(2)  # in the header: the size of the block, and what to free
EMPTY, HELD, BUSY = 0, 1, 2
_HELD_BYTES, _LIMIT, _CLOCK, _FIRST = 0, 64, 128, 192  # places in the table
_STATE, _BLOCK, _SIZE, _STAMP = range(4)  # places in a slot
_SYMBOL = 'rnnkit_pool_table'
_table = (ctypes.c_int64 * ((_FIRST + SLOTS * SLOT) // 8))()


def _default_limit() -> int:
    """Return an eighth of the machine's memory, but not more than 1 GiB."""
    try:
        memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
    except (AttributeError, OSError, ValueError):
        return 1 << 28
    return min(memory // 8, 1 << 30)


_table[_LIMIT // 8] = _default_limit()
llvm.add_symbol(_SYMBOL, ctypes.addressof(_table))


def set_limit(size: int) -> None:
    """Keep at most `size` bytes that no array uses; 0 keeps none.

    Blocks that are kept already go when the next one comes back.
    """
    _table[_LIMIT // 8] = whole('pool.set_limit(): the number of bytes', size)


def held() -> int:
    """Return how many bytes are kept that no array uses."""
    return _table[_HELD_BYTES // 8]


def clear() -> None:
    """Return all memory that no array uses to the system."""
    ctypes.CFUNCTYPE(ctypes.c_int64)(compiled().address('clear'))()


@cache
def compiled() -> Library:
    """Return the functions ``take(bytes)``, ``give(address)`` and ``clear()``."""
    pool = library('pool', 'pool', _write)
    for function in ('take', 'give', 'clear'):
        pool.address(function)  # so that LLVM knows its symbol
    return pool


def _write(name: str) -> str:
    unit = Unit(name, Target(64, 16, 16))
    ir.GlobalVariable(unit.module, ir.ArrayType(I64, len(_table)), _SYMBOL)
    _write_evict(unit)
    _write_find(unit)
    with unit.function('take', 'bytes', export=True) as (code, size):
        size = size.ceil_div(64) * 64 + HEADER
        block = code.var(code.int(0))
        with code.when(size >= SMALL):
            block.set(code.call('find', size))
        with code.when(block.get().equals(0)):
            block.set(_fresh(code, size))
        code.ret(block.get().equals(0).pick(0, block.get() + HEADER))
    _write_give(unit)
    with unit.function('clear', '', export=True) as (code,), code.loop(0, SLOTS):
        code.call('evict', 2**62)
    return unit.text()


def _fresh(code: Code, size: Int) -> Int:
    """Return a new block; if there is no memory left, after all that is kept was freed."""
    block = code.var(_allocate(code, size))
    with code.when(block.get().equals(0)):
        with code.loop(0, SLOTS):
            code.call('evict', 2**62)
        block.set(_allocate(code, size))
    with code.when(block.get().differs(0)):
        code.put(size, block.get(), _BYTES)
    return block.get()


def _allocate(code: Code, size: Int) -> Int:
    # `aligned_alloc` takes several times as long for small blocks.
    start = Int(code, code.external('malloc', I64, [(size + 63).value]))
    block = start.ceil_div(64) * 64
    with code.when(start.differs(0)):
        code.put(start, block, _START)
    return block


def _free(code: Code, block: Int) -> None:
    code.external('free', ir.VoidType(), [code.get(block, _START).value])


def _table_at(code: Code, place: int) -> Int:
    cell = code.unit.module.globals[_SYMBOL]
    return Int(code, code.builder.ptrtoint(cell, I64)) + place


def _slot(code: Code, k: Int) -> Int:
    return _table_at(code, _FIRST) + k * SLOT


def _write_find(unit: Unit) -> None:
    """Write ``find(bytes)``: a block that is kept and not much larger, or 0."""
    # Not much larger: a step takes its blocks in the same order each time, and a large one that is
    # used for a small array would be missing when its turn comes.
    with unit.function('find', 'bytes') as (code, size), code.loop(0, SLOTS) as k:
        slot = _slot(code, k)

        def fits() -> Flag:
            kept = code.get(slot, _SIZE)
            return (kept >= size) & (kept <= size + size // 4)

        with code.when(code.get(slot, _STATE).equals(HELD) & fits()):
            with code.when(exchange(code, slot, HELD, BUSY)):
                # It may have been another block when its size was read.
                with code.when(fits()):
                    block = code.get(slot, _BLOCK)
                    add(code, _table_at(code, _HELD_BYTES), 0 - code.get(slot, _SIZE))
                    release(code, slot, EMPTY)
                    code.ret(block)
                release(code, slot, HELD)


def _write_evict(unit: Unit) -> None:
    """Write ``evict(before)``: free the block kept longest, if from before that time."""
    with unit.function('evict', 'before') as (code, before):
        oldest, chosen = code.var(before), code.var(code.int(-1))
        with code.loop(0, SLOTS) as k:
            slot = _slot(code, k)
            stamp = code.get(slot, _STAMP)
            with code.when(code.get(slot, _STATE).equals(HELD) & (stamp < oldest.get())):
                oldest.set(stamp)
                chosen.set(k)
        with code.when(chosen.get() < 0):
            code.ret(0)
        slot = _slot(code, chosen.get())
        with code.when(exchange(code, slot, HELD, BUSY)):
            block = code.get(slot, _BLOCK)
            add(code, _table_at(code, _HELD_BYTES), 0 - code.get(slot, _SIZE))
            release(code, slot, EMPTY)
            _free(code, block)
        code.ret(1)


def _write_give(unit: Unit) -> None:
    """Write ``give(address)``: keep the block, making room for it if need be, or free it."""
    with unit.function('give', 'address', export=True) as (code, address):
        block = address - HEADER
        size = code.get(block, _BYTES)
        limit = code.get(_table_at(code, _LIMIT))
        with code.when((size < SMALL) | (size > limit)):
            _free(code, block)
            code.ret(0)
        now = add(code, _table_at(code, _CLOCK), 1)
        add(code, _table_at(code, _HELD_BYTES), size)
        code.call('evict', now - PATIENCE)
        with code.loop(0, SLOTS):
            with code.when(code.get(_table_at(code, _HELD_BYTES)) > limit):
                code.call('evict', now)
        # The second round finds a slot even if the table was full.
        with code.loop(0, 2):
            with code.loop(0, SLOTS) as k:
                slot = _slot(code, k)
                with code.when(code.get(slot, _STATE).equals(EMPTY)):
                    with code.when(exchange(code, slot, EMPTY, BUSY)):
                        for place, value in ((_BLOCK, block), (_SIZE, size), (_STAMP, now)):
                            code.put(value, slot, place)
                        release(code, slot, HELD)
                        code.ret(0)
            code.call('evict', now)
        add(code, _table_at(code, _HELD_BYTES), 0 - size)
        _free(code, block)
