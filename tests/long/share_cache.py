"""Two users and one cache folder of machine code: ``python tests/long/share_cache.py``, as root.

Another user plants machine code, that would end the process, in every way that folders allow. A
process of root must never run it, and must work as if the folder were not there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
OTHER = 54321

# A kernel of a name that is known in advance. The planted one returns another number.
CHILD = """
import ctypes, sys, warnings
from pathlib import Path
from rnnkit.kernels.language.vector import Target, Unit
from rnnkit.kernels.runtime import cache

def module(name, number):
    unit = Unit(name, Target(64, 16, 16))
    with unit.function('answer', '', export=True) as (code,):
        code.ret(number)
    return unit.text()

if sys.argv[1:]:
    import hashlib
    name = f"rnnkit_test_{cache.key('x')}"
    code = cache.compile_ir(module(name, 666))
    Path(sys.argv[1]).write_bytes(hashlib.sha256(code).digest() + code)
    print(name)
else:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for again in range(2):
            library = cache.library('test', 'x', lambda name: module(name, 42))
            cache._libraries.clear()
    print(ctypes.CFUNCTYPE(ctypes.c_int64)(library.address('answer'))(), len(caught))
"""


def child(*arguments, folder='/nowhere'):
    """Run the code above as this user; return what it prints."""
    environment = {**os.environ, 'RNNKIT_CACHE_DIR': str(folder), 'PYTHONPATH': str(ROOT)}
    found = subprocess.run(
        [sys.executable, '-c', CHILD, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def as_other(work):
    """Do some work as another user, in a child."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.setgid(OTHER)
            os.setuid(OTHER)
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(process, 0)[1] == 0


def attacks(planted, name):
    """Yield what an attack is called, the mode of the folder, and what the other user does."""

    def copy(folder):
        shutil.copyfile(planted, folder / name)

    def link(folder):
        (folder / name).symlink_to(planted)

    def hard_link(folder):
        own = folder / 'own'
        shutil.copyfile(planted, own)
        os.link(own, folder / name)

    def own_folder(folder):
        (folder / 'cache').mkdir(mode=0o755)
        copy(folder / 'cache')

    def folder_link(folder):
        (folder / 'real').mkdir(mode=0o755)
        copy(folder / 'real')
        (folder / 'cache').symlink_to('real')

    for mode in (0o777, 0o1777):
        for work in (copy, link, hard_link):
            yield f'{work.__name__}, {mode:o}', mode, work, '.'
        for work in (own_folder, folder_link):
            yield f'{work.__name__}, {mode:o}', mode, work, 'cache'


def main():
    """Try all attacks."""
    if os.geteuid() != 0:
        print('skipped: only root can act for two users')
        return
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        planted = Path(top) / 'planted'
        name = f'{child(planted)}.o'
        planted.chmod(0o644)
        # The attack works if the folder is root's own: what is planted would be run.
        own = Path(top) / 'own'
        own.mkdir(mode=0o700)
        shutil.copyfile(planted, own / name)
        assert child(folder=own) == '666 0'
        for number, (what, mode, work, place) in enumerate(attacks(planted, name)):
            shared = Path(top) / str(number)
            shared.mkdir()
            shared.chmod(mode)
            as_other(lambda work=work, shared=shared: work(shared))
            found = child(folder=shared / place)
            assert found == '42 1', f'{what}: {found}'
            print(f'{what}: not run')


if __name__ == '__main__':
    main()
