"""Files are replaced by complete ones, keep their modes, and leave nothing behind."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from rnnkit.common import replace_file
from rnnkit.common.replace_file import replace

posix = pytest.mark.skipif(os.name != 'posix', reason='modes and locks of POSIX')


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
@pytest.mark.parametrize('kept', [0o600, 0o640, 0o664, 0o444])
def test_an_existing_file_keeps_its_mode(tmp_path, kept):
    path = tmp_path / 'net'
    path.write_bytes(b'old')
    path.chmod(kept)
    replace(path, b'new')
    assert (path.read_bytes(), mode(path)) == (b'new', kept)
    assert os.listdir(tmp_path) == ['net']


@posix
@pytest.mark.parametrize(('mask', 'expected'), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_follows_the_umask(tmp_path, mask, expected):
    before = os.umask(mask)
    try:
        replace(tmp_path / 'net', b'new')
    finally:
        os.umask(before)
    assert mode(tmp_path / 'net') == expected


@posix
@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='only root may')
def test_a_file_of_another_user_stays_theirs(tmp_path):
    path = tmp_path / 'net'
    path.write_bytes(b'old')
    os.chown(path, 54321, 54322)
    replace(path, b'new')
    assert (path.stat().st_uid, path.stat().st_gid) == (54321, 54322)


@posix
def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'link').symlink_to('folder/net')
    for content in (b'first', b'second'):  # the target does not exist at first
        replace(tmp_path / 'link', content)
        assert os.readlink(tmp_path / 'link') == 'folder/net'
        assert (tmp_path / 'folder' / 'net').read_bytes() == content
    assert os.listdir(tmp_path / 'folder') == ['net']


@pytest.mark.parametrize('name', ['x' * 250, 'é' * 125, '模' * 83])
def test_long_names(tmp_path, name):
    for content in (b'first', b'second'):
        replace(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert os.listdir(tmp_path) == [name]


@posix
@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_replaced(tmp_path, make):
    make(tmp_path / 'odd')
    with pytest.raises(OSError, match=r'the file was not written: .*odd'):
        replace(tmp_path / 'odd', b'new')
    assert not (tmp_path / 'odd').is_file()
    assert os.listdir(tmp_path) == ['odd']


@posix
def test_a_device_is_not_replaced():
    with pytest.raises(OSError, match='the file was not written: it is a device or a pipe'):
        replace('/dev/null', b'new')
    assert stat.S_ISCHR(os.stat('/dev/null').st_mode)


KILLED = """
import os, sys, time
from rnnkit.common import replace_file
replace_file.os.fsync = lambda handle: (print('writing', flush=True), time.sleep(60))
replace_file.replace(sys.argv[1], b'half')
"""


def writer(path):
    """Return a process that is writing a file, and does not end."""
    child = subprocess.Popen(
        [sys.executable, '-c', KILLED, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == 'writing\n'
    return child


@posix
def test_what_a_killed_process_has_left_is_removed_and_nothing_else(tmp_path):
    path = tmp_path / 'net'
    others = {
        'net.part', 'net.0123456789.part', 'net.20261129.part', 'nett.r01234567.part',
        'other.r01234567.part', 'net.r0123456.part',
    }  # fmt: skip
    for name in others:
        (tmp_path / name).write_bytes(b'not ours')
    (tmp_path / 'net.0a234567.part').write_bytes(b'of an earlier version')
    child = writer(path)
    (part,) = set(os.listdir(tmp_path)) - others - {'net.0a234567.part'}
    replace(path, b'new')
    assert set(os.listdir(tmp_path)) == {*others, 'net', part}  # it lives
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    replace(path, b'newer')
    assert set(os.listdir(tmp_path)) == {*others, 'net'}
    assert path.read_bytes() == b'newer'


@posix
@pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='only root may')
def test_parts_of_other_users_are_left(tmp_path):
    part = tmp_path / 'net.r01234567.part'
    part.write_bytes(b'theirs')
    os.chown(part, 54321, 54321)
    replace(tmp_path / 'net', b'new')
    assert part.exists()


def test_many_threads_write_one_file(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: replace(tmp_path / 'net', bytes([k]) * 1000), range(200)))
    content = (tmp_path / 'net').read_bytes()
    assert len(content) == 1000
    assert len(set(content)) == 1
    assert os.listdir(tmp_path) == ['net']


def test_without_locks_nothing_is_removed_but_everything_written(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError('no locks on this drive')

    if replace_file.fcntl is not None:
        monkeypatch.setattr(replace_file.fcntl, 'flock', refuse)
    (tmp_path / 'net.r01234567.part').write_bytes(b'')
    replace(tmp_path / 'net', b'new')
    assert (tmp_path / 'net').read_bytes() == b'new'


def after(function):
    """Return a function after which Ctrl-C comes."""

    def call(*args):
        function(*args)
        raise KeyboardInterrupt

    return call


def handles():
    return len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0


@posix
@pytest.mark.parametrize(
    ('module', 'name'),
    [('fcntl', 'flock'), ('os', 'fstat'), ('os', 'fchmod'), ('os', 'fsync'), ('os', 'replace')],
)
def test_ctrl_c_leaves_no_part_and_no_open_file(tmp_path, monkeypatch, module, name):
    path = tmp_path / 'net'
    path.write_bytes(b'old')
    before = handles()
    with monkeypatch.context() as patched:
        owner = getattr(replace_file, module)
        patched.setattr(owner, name, after(getattr(owner, name)))
        with pytest.raises(KeyboardInterrupt):
            replace(path, b'new')
    assert os.listdir(tmp_path) == ['net']
    assert path.read_bytes() == (b'new' if name == 'replace' else b'old')
    assert handles() == before


def test_ctrl_c_as_the_part_is_created(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(replace_file.os, 'open', after(os.open))
        with pytest.raises(KeyboardInterrupt):
            replace(tmp_path / 'net', b'new')
    assert os.listdir(tmp_path) == []
