"""PyTensor is imported, even without a home directory for its compiled code.

PyTensor keeps compiled code in the home directory, and cannot be imported if it cannot write there,
as in containers that run under the number of any user. It then gets a temporary directory, which
is removed when the process ends. `rnnkit` imports this module first: importing it does the work.
"""

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

NAMES = ('HOME', 'PYTENSOR_FLAGS')


def import_pytensor() -> None:
    """Import PyTensor; warn if what it compiles is not kept."""
    if 'pytensor' in sys.modules:
        return
    trouble = _trouble()
    if trouble is None:
        return
    before = {name: os.environ.get(name) for name in NAMES}
    folder = tempfile.mkdtemp(prefix='rnnkit-')
    atexit.register(_remove, folder, os.getpid())
    warnings.warn(
        f'rnnkit: {trouble}, so compiled code is not kept for the next process. Set HOME, or '
        f'RNNKIT_CACHE_DIR and PYTENSOR_FLAGS=base_compiledir=..., to folders of your own',
        RuntimeWarning,
        stacklevel=3,
    )
    try:
        if not _chosen():
            flags = before['PYTENSOR_FLAGS']
            own = f'base_compiledir={folder}'
            os.environ['PYTENSOR_FLAGS'] = f'{flags},{own}' if flags else own
        if os.path.expanduser('~') == '~':
            os.environ['HOME'] = folder
        import pytensor  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # and not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _chosen() -> bool:
    """Return whether the user has chosen a directory for PyTensor."""
    return 'compiledir=' in os.environ.get('PYTENSOR_FLAGS', '')


def _trouble() -> str | None:
    """Say why PyTensor could not be imported; None if it can."""
    if sys.platform == 'win32':
        return None
    home = os.path.expanduser('~')
    if home == '~':
        return 'there is no home directory'
    if _chosen() or 'PYTENSORRC' in os.environ or Path(home, '.pytensorrc').exists():
        return None
    folder = Path(home, '.pytensor')
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # as PyTensor would do
    except OSError:
        pass
    else:
        if os.access(folder, os.W_OK | os.X_OK):
            return None
    return f'the home directory {home} cannot be written'


import_pytensor()
