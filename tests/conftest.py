"""Settings of the tests: PyTensor runs in pure Python here, because it compiles quickly so.

``tests/whole/test_numba.py`` runs the default mode, which takes longer to compile.
"""

import atexit
import os
import shutil
import sys
import tempfile

if 'pytensor' in sys.modules:
    raise RuntimeError('PyTensor was imported before the tests could choose its mode')

_compiledir = tempfile.mkdtemp(prefix='rnnkit-tests-')
atexit.register(shutil.rmtree, _compiledir, ignore_errors=True)
# Later flags win, so a user's own flags are kept except for these.
_flags = [
    os.environ.get('PYTENSOR_FLAGS', ''),
    'cxx=',
    'mode=FAST_COMPILE',
    'on_opt_error=raise',
    'traceback__limit=0',  # to note where each symbol was made takes a sixth of the time
    f'base_compiledir={_compiledir}',
]
# In Python a kernel's Op runs the scan, but compiles it once more.
os.environ.setdefault('RNNKIT_KERNELS', 'off')
os.environ['MPLBACKEND'] = 'agg'  # no windows
os.environ['PYTENSOR_FLAGS'] = ','.join(flag for flag in _flags if flag)

import numpy as np  # noqa: E402
import pytensor  # noqa: E402
import pytest  # noqa: E402
from long_forms import is_further  # noqa: E402
from quick_mode import hasten  # noqa: E402

hasten()


@pytest.fixture
def rng():
    """Return the generator that tests draw from; the same numbers in every run."""
    return np.random.default_rng(20)


@pytest.fixture(autouse=True)
def no_open_figures():
    """Close the figures that a test has left to pyplot, which warns of too many."""
    yield
    if pyplot := sys.modules.get('matplotlib.pyplot'):
        pyplot.close('all')


@pytest.fixture
def machine_code(monkeypatch):
    """Compute in machine code."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    with pytensor.config.change_flags(mode='NUMBA'):
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests as long before those are left out."""
    for item in items:
        if is_further(item.path.stem, item.name):
            item.add_marker(pytest.mark.long)
