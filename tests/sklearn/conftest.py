"""Estimators in the mode that users have, where networks of kernels compile nothing."""

import pytest
from compilations import numba_mode

pytest.importorskip('sklearn')


@pytest.fixture(autouse=True)
def kernels_on(monkeypatch):
    """Use kernels, and the mode of users."""
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    with numba_mode():
        yield
