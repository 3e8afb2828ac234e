"""Graphs that are compiled quickly run each operation by NumPy, not number by number."""

import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import get_mode

from rnnkit.common import compiled


def factors(mode):
    """Return how many arrays are multiplied at once in x * (y * z), compiled in a mode."""
    arrays = x, y, z = pt.fmatrices('xyz')
    # The tests run without this group of rewrites otherwise.
    function = pytensor.function(arrays, x * (y * z), mode=mode.including('canonicalize'))
    return max(len(node.inputs) for node in function.maker.fgraph.apply_nodes)


def test_products_have_two_factors():
    with compiled.quickly():
        mode = compiled._mode.get()
    assert factors(get_mode('FAST_COMPILE')) == 3  # else there is nothing to prevent
    assert factors(mode) == 2
