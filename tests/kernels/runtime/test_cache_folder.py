"""Machine code is kept where nobody else can change it, and only read from there."""

import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from repository import TESTS

from rnnkit.kernels.runtime import cache_folder

pytestmark = pytest.mark.skipif(not hasattr(os, 'geteuid'), reason='files have no owners')
needs_root = pytest.mark.skipif(
    not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='only root may give files away'
)
OTHER = 54321


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one file of this user."""
    monkeypatch.setenv('RNNKIT_CACHE_DIR', str(tmp_path / 'code'))
    monkeypatch.setattr(cache_folder, '_warned', set())
    cache_folder.write('one', b'mine')
    return tmp_path / 'code'


def test_what_is_written_is_read_and_nobody_else_may_write_it(folder):
    assert cache_folder.read('one') == b'mine'
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / 'one').stat().st_mode) == 0o600
    assert os.listdir(folder) == ['one']


def refused(path, reason):
    """Nothing is read, which one warning explains; nothing is written by another name."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        assert cache_folder.read('one') is None
        assert cache_folder.read('one') is None
    assert [str(w.message) for w in caught] == [
        f'rnnkit does not use {path}, which {reason}: machine code in it could be from somebody '
        f'else. Kernels are compiled again in each process. Set RNNKIT_CACHE_DIR to a folder that '
        f'only you can write (mkdir -m 700), or remove {path}'
    ]
    assert caught[0].filename == __file__


@pytest.mark.parametrize('mode', [0o777, 0o770, 0o702, 0o1777, 0o2720])
def test_a_folder_that_others_may_write_is_not_used(folder, mode):
    folder.chmod(mode)
    refused(folder, f'can be written by others (mode {mode:04o})')
    cache_folder.write('two', b'x')
    assert os.listdir(folder) == ['one']


@pytest.mark.parametrize('mode', [0o666, 0o660, 0o602])
def test_a_file_that_others_may_write_is_not_used_but_replaced(folder, mode):
    (folder / 'one').chmod(mode)
    refused(folder / 'one', f'can be written by others (mode {mode:04o})')
    cache_folder.write('one', b'new')
    assert cache_folder.read('one') == b'new'


@needs_root
def test_a_file_of_another_user_is_not_used(folder):
    os.chown(folder / 'one', OTHER, OTHER)
    refused(folder / 'one', f'belongs to user {OTHER}, and this process is of user 0')


@needs_root
def test_a_folder_of_another_user_is_not_used(folder):
    os.chown(folder, OTHER, OTHER)
    refused(folder, f'belongs to user {OTHER}, and this process is of user 0')
    cache_folder.write('two', b'x')
    assert os.listdir(folder) == ['one']


def test_a_link_in_the_place_of_a_file_is_not_followed(folder, tmp_path):
    (tmp_path / 'planted').write_bytes(b'planted')
    (folder / 'one').unlink()
    (folder / 'one').symlink_to(tmp_path / 'planted')
    refused(folder / 'one', 'is a symbolic link')
    cache_folder.write('one', b'new')
    assert (tmp_path / 'planted').read_bytes() == b'planted'
    assert cache_folder.read('one') == b'new'


def test_a_link_to_a_folder_of_this_user_is_used(folder, tmp_path, monkeypatch):
    (tmp_path / 'link').symlink_to(folder)
    monkeypatch.setenv('RNNKIT_CACHE_DIR', str(tmp_path / 'link'))
    assert cache_folder.read('one') == b'mine'


def test_the_opened_folder_is_checked_whatever_its_path_stands_for_later(folder, monkeypatch):
    """It is exchanged for one that anybody may write, after it has been opened and checked."""
    open_folder = cache_folder._open_folder

    def exchanged(*args, **kwargs):
        found = open_folder(*args, **kwargs)
        folder.rename(folder.parent / 'moved')
        folder.mkdir(mode=0o777)
        (folder / 'one').write_bytes(b'planted')
        return found

    monkeypatch.setattr(cache_folder, '_open_folder', exchanged)
    assert cache_folder.read('one') == b'mine'


def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_not_waited_for(folder):
    for make in (os.mkfifo, os.mkdir):
        path = folder / make.__name__
        make(path)
        assert cache_folder.read(path.name) is None


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({'RNNKIT_CACHE_DIR': '~/code'}, '/home/me/code'),
        ({'RNNKIT_CACHE_DIR': '/var/code'}, '/var/code'),
        ({'RNNKIT_CACHE_DIR': ''}, '/home/me/.cache/rnnkit'),
        ({'XDG_CACHE_HOME': '/var/cache'}, '/var/cache/rnnkit'),
        ({'XDG_CACHE_HOME': '~/c'}, '/home/me/c/rnnkit'),
    ],
)
def test_where_it_is(environment, expected, monkeypatch):
    for name in ('RNNKIT_CACHE_DIR', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    for name, value in {'HOME': '/home/me', **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache_folder.sys, 'platform', 'linux')
    assert cache_folder.directory() == Path(expected)


def test_without_a_home_directory_there_is_none(monkeypatch):
    pwd = pytest.importorskip('pwd')

    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, 'getpwuid', unknown)
    for name in ('HOME', 'RNNKIT_CACHE_DIR', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder.directory() is None
    assert cache_folder.read('one') is None
    cache_folder.write('one', b'x')
    monkeypatch.setattr(cache_folder, '_warned', set())
    monkeypatch.setenv('RNNKIT_CACHE_DIR', '~/code')
    with pytest.warns(RuntimeWarning, match='RNNKIT_CACHE_DIR=~/code: there is no such home'):
        assert cache_folder.directory() is None


def unusable(tmp_path):
    """Return folders that cannot be used, and why."""
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to(tmp_path / 'link')
    return {
        str(tmp_path / 'file'): 'it is not a folder',
        str(tmp_path / 'file' / 'code'): 'Not a directory',
        str(tmp_path / 'link'): 'it is not a folder',
        '/dev/null': 'it is not a folder',
        '~no-such-user/code': 'there is no such home directory',
        '/proc/code': 'No such file or directory',
    }


@pytest.mark.skipif(sys.platform != 'linux', reason='reasons of Linux')
@pytest.mark.parametrize('k', range(6))
def test_a_chosen_folder_that_cannot_be_used_is_told_once(k, tmp_path, monkeypatch):
    path, reason = list(unusable(tmp_path).items())[k]
    monkeypatch.setenv('RNNKIT_CACHE_DIR', path)
    monkeypatch.setattr(cache_folder, '_warned', set())
    through_numba = {'__name__': 'numba.core', 'write': cache_folder.write}
    exec('def compiled():\n    write("one", b"x")', through_numba)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for _ in range(2):
            through_numba['compiled']()
            assert cache_folder.read('one') is None
    assert [(str(w.message), w.filename) for w in caught] == [
        (
            f'rnnkit cannot use the folder RNNKIT_CACHE_DIR={path}: {reason}. Kernels are '
            'compiled again in each process. Set RNNKIT_CACHE_DIR to a folder that only you can '
            'write (mkdir -m 700)',
            __file__,
        )
    ]


def test_a_chosen_folder_that_does_not_exist_yet_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv('RNNKIT_CACHE_DIR', str(tmp_path / 'a' / 'b'))
    assert cache_folder.read('one') is None
    cache_folder.write('one', b'x')
    assert cache_folder.read('one') == b'x'


@needs_root
@pytest.mark.long
def test_nothing_that_another_user_has_planted_is_run():
    found = subprocess.run(
        [sys.executable, TESTS / 'long' / 'share_cache.py'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count(': not run') == 10
