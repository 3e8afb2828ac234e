"""Machine code on disk: found again, never stale, never damaged."""

import ctypes
import os
import time

import llvmlite.binding as llvm
import pytest

from rnnkit.kernels.dense.backward import Backward
from rnnkit.kernels.language.vector import Target, Unit
from rnnkit.kernels.runtime import cache
from rnnkit.kernels.runtime.kernel import host_target


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """An empty cache, as a fresh process would see it."""
    monkeypatch.setenv('RNNKIT_CACHE_DIR', str(tmp_path / 'made' / 'here'))
    monkeypatch.setattr(cache, '_libraries', {})
    return tmp_path / 'made' / 'here'


class Writer:
    """Writes a module with a function that returns a number; counts how often it was asked."""

    def __init__(self, number):
        self.number, self.calls = number, 0

    def __call__(self, name):
        self.calls += 1
        unit = Unit(name, Target(64, 16, 16))
        with unit.function('answer', '', export=True) as (code,):
            code.ret(self.number)
        return unit.text()


def answer(library):
    return ctypes.CFUNCTYPE(ctypes.c_int64)(library.address('answer'))()


def test_compiled_once_per_description(directory):
    first, second = Writer(41), Writer(42)
    assert answer(cache.library('test', 'a', first)) == 41
    assert answer(cache.library('test', 'b', second)) == 42
    assert cache.library('test', 'a', first) is cache.library('test', 'a', first)
    assert first.calls == second.calls == 1
    assert len(list(directory.iterdir())) == 2


def test_another_process_finds_it_on_disk(directory, monkeypatch):
    cache.library('test', 'disk', Writer(7))
    monkeypatch.setattr(cache, '_libraries', {})
    never = Writer(8)
    assert answer(cache.library('test', 'disk', never)) == 7
    assert never.calls == 0


def test_changed_source_makes_a_new_name(directory, monkeypatch):
    cache.library('test', 'source', Writer(1))
    monkeypatch.setattr(cache, '_libraries', {})
    monkeypatch.setattr(cache, 'source_hash', lambda: 'edited')
    assert answer(cache.library('test', 'source', Writer(2))) == 2


def test_source_hash_reads_the_generators(tmp_path, monkeypatch):
    before = cache.source_hash()
    (tmp_path / 'cache.py').write_text('edited')
    monkeypatch.setattr(cache, '__file__', str(tmp_path / 'cache.py'))
    assert cache.source_hash.__wrapped__() != before


def test_another_processor_makes_a_new_name(monkeypatch):
    before = cache.key('x')
    monkeypatch.setattr(cache, '_platform', lambda: ('0', 'triple', 'other cpu', ''))
    assert cache.key('x') != before


@pytest.mark.parametrize('damage', ['cut', 'flip', 'empty'])
def test_a_damaged_file_is_not_run(directory, monkeypatch, damage):
    cache.library('test', 'damaged', Writer(5))
    (path,) = directory.iterdir()
    data = bytearray(path.read_bytes())
    if damage == 'flip':
        data[len(data) // 2] ^= 1
    path.write_bytes({'cut': data[:-10], 'flip': data, 'empty': b''}[damage])
    monkeypatch.setattr(cache, '_libraries', {})
    writer = Writer(6)
    assert answer(cache.library('test', 'damaged', writer)) == 6
    assert writer.calls == 1


def test_a_directory_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    blocked = tmp_path / 'file'
    blocked.write_text('not a directory')
    monkeypatch.setenv('RNNKIT_CACHE_DIR', str(blocked / 'below'))
    monkeypatch.setattr(cache, '_libraries', {})
    with pytest.warns(RuntimeWarning, match=r'cannot use the folder RNNKIT_CACHE_DIR=.*below'):
        assert answer(cache.library('test', 'nowhere', Writer(3))) == 3


def test_no_half_written_file_is_left(directory, monkeypatch):
    def fail(*_, **__):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'replace', fail)
    assert answer(cache.library('test', 'full', Writer(4))) == 4
    assert not list(directory.iterdir())


def test_most_of_a_compilation_makes_machine_code(monkeypatch):
    # LLVM's usual passes would take twice as long as that, and kernels would be no faster.
    emit, seconds = llvm.TargetMachine.emit_object, []

    def timed(machine, module):
        start = time.thread_time()
        code = emit(machine, module)
        seconds.append(time.thread_time() - start)
        return code

    monkeypatch.setattr(llvm.TargetMachine, 'emit_object', timed)
    text = Backward(host_target('float32'), 2, want_x=True).write('kernel')
    start = time.thread_time()
    cache.compile_ir(text)
    assert sum(seconds) > 0.5 * (time.thread_time() - start)
