"""Switch on the kernels, which other tests do without."""

import pytest

from rnnkit import kernels
from rnnkit.kernels.language import threads


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Use kernels, whatever the environment says."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')


@pytest.fixture
def asked_again():
    """Try kernels anew in this test, and after it."""
    kernels.usable.cache_clear()
    yield
    kernels.usable.cache_clear()


@pytest.fixture(autouse=True)
def same_threads():
    """Set the number of threads back to what it was."""
    before = threads.get_threads()
    yield
    threads.set_threads(before)
