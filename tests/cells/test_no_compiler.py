"""A network of any cell is a graph of kernels, which no compiler of PyTensor's sees."""

import logging

import numpy as np
import pytest
from long_forms import long_unless

import rnnkit
from rnnkit.cells import cells

OPTIONS = {'bcrnn': {'num_modules': 2}, 'clockwork': {'periods': (1, 2, 4, 8)}}


# Tests leave out fusion. Without it, truth values of grud are arrays, which plans do not have.
NAMES = sorted({*cells} - {'grud'})


@pytest.mark.parametrize('name', long_unless(lambda name: name in ('lru', 'mut1', 'cfc'), NAMES))
@pytest.mark.usefixtures('machine_code')
def test_no_cell_is_compiled_by_numba(name, rng, caplog):
    x, y = (rng.standard_normal((6, 5, n)).astype('float32') for n in (3, 2))
    with caplog.at_level(logging.DEBUG, 'rnnkit'):
        net = rnnkit.Regressor([3, dict(form=name, size=8, **OPTIONS.get(name, {})), 2])
        net.train((x, y), algo='adam', epochs=1, batch_size=6)
        net.predict(x)
    said = [r.getMessage() for r in caplog.records]
    assert not [text for text in said if 'compiled by Numba' in text]
    assert np.isfinite(net.predict(x)).all()
