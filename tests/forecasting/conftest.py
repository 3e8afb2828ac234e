"""Forecasters in the mode that users have, where networks of kernels compile nothing."""

import pytest
from compilations import numba_mode


@pytest.fixture(autouse=True, scope='module')
def kernels_on():
    """Use kernels, and the mode of users."""
    with pytest.MonkeyPatch.context() as patch, numba_mode():
        patch.setenv('RNNKIT_KERNELS', 'on')
        yield
