"""Switch on the kernels, which other tests do without."""

import pytest


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Let kernels be used, whatever the environment says."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
