"""Memory of arrays: taken, given back, kept, and never used twice at a time."""

import ctypes
import threading

import numpy as np
import pytest

from rnnkit.errors import ConfigError
from rnnkit.kernels.runtime import memory_pool

MIB = 1 << 20


@pytest.fixture(autouse=True)
def empty_pool():
    limit = memory_pool._table[memory_pool._LIMIT // 8]
    memory_pool.clear()
    yield
    memory_pool.set_limit(limit)
    memory_pool.clear()


def function(name):
    integer = ctypes.c_int64
    return ctypes.CFUNCTYPE(integer, integer)(memory_pool.compiled().address(name))


def test_a_block_is_aligned_and_all_of_it_can_be_written():
    take, give = function('take'), function('give')
    for size in (0, 1, 63, 64, 65, 1000, MIB, 5 * MIB + 3):
        block = take(size)
        assert block
        assert block % 64 == 0
        ctypes.memset(block, 255, size)
        give(block)


def test_a_block_given_back_is_used_again():
    take, give = function('take'), function('give')
    block = take(MIB)
    assert memory_pool.held() == 0
    give(block)
    assert MIB <= memory_pool.held() < MIB + 4096
    assert take(MIB - 1000) == block
    assert memory_pool.held() == 0
    other = take(MIB)
    assert other != block
    give(block)
    give(other)


def test_a_block_much_too_large_is_not_used():
    take, give = function('take'), function('give')
    block = take(4 * MIB)
    give(block)
    small = take(MIB)
    assert small != block
    assert memory_pool.held() > 4 * MIB
    give(small)


def test_the_limit_holds_and_the_oldest_go_first():
    take, give = function('take'), function('give')
    memory_pool.set_limit(5 * MIB)
    blocks = [take(MIB + k * MIB // 2) for k in range(4)]  # 1, 1.5, 2, 2.5 MiB
    for block in blocks:
        give(block)
        assert memory_pool.held() <= 5 * MIB
    assert take(MIB + 3 * MIB // 2) == blocks[3]
    assert memory_pool.held() < 2.1 * MIB
    memory_pool.set_limit(0)
    give(blocks[3])
    assert memory_pool.held() < 2.1 * MIB


def test_many_sizes_do_not_fill_the_table_for_good():
    take, give = function('take'), function('give')
    for k in range(3 * memory_pool.SLOTS):
        give(take(100_000 + 40_000 * k))
    last = take(20 * MIB)
    give(last)
    assert take(20 * MIB) == last
    give(last)


def test_what_nobody_takes_is_freed_after_a_while():
    take, give = function('take'), function('give')
    give(take(64 * MIB))
    for _ in range(memory_pool.PATIENCE + 10):
        give(take(MIB))
    assert memory_pool.held() < 2 * MIB


def test_clear():
    take, give = function('take'), function('give')
    blocks = [take(MIB) for _ in range(10)]
    for block in blocks:
        give(block)
    assert memory_pool.held() >= 10 * MIB
    memory_pool.clear()
    assert memory_pool.held() == 0


def test_threads_never_share_a_block():
    take, give = function('take'), function('give')
    wrong = []

    def work(i):
        rng = np.random.default_rng(i)
        for k in range(1500):
            n = int(rng.integers(1, 4)) * 70_000
            blocks = [take(n) for _ in range(2)]
            for j, block in enumerate(blocks):
                ctypes.memset(block, (i * 16 + k + j) % 256, 512)
            for j, block in enumerate(blocks):
                if ctypes.string_at(block, 512) != bytes([(i * 16 + k + j) % 256]) * 512:
                    wrong.append((i, k))
                give(block)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    memory_pool.clear()
    assert memory_pool.held() == 0


@pytest.mark.parametrize('wrong', [-1, 1.5, True, '1G'])
def test_a_limit_that_is_no_size_is_refused(wrong):
    with pytest.raises(ConfigError, match='number of bytes'):
        memory_pool.set_limit(wrong)
