"""Put this folder's helpers on the path, and switch on the kernels, which others do without."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Let kernels be used, whatever the environment says."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
