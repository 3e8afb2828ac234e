"""The mask of a recurrent kernel: over padding a state is held, and its gradient passed on.

In: one row of one time step. Out: the vectors that are stored. Everything is a select, never a
product with the mask: padding may hold NaN, and 0 * NaN is NaN.
"""

from collections.abc import Sequence

from rnnkit.kernels.language.vector import Code, Flag, Int, Vec


def is_real(code: Code, mask: Int, row: Int) -> Flag:
    """Return whether a row, counted through all time steps, is real and not padding."""
    # The mask has the dtype of all arrays, so that frames need no third type of elements.
    return code.spread(mask + row * code.target.size).compare('>', 0.5)


def hold(real: Flag, new: Sequence[Vec], old: Sequence[Vec]) -> list[Vec]:
    """Return the new states where a row is real, and over padding the old ones."""
    return [real.pick(value, before) for value, before in zip(new, old, strict=True)]


def pass_on(real: Flag, values: Sequence[Vec], upstream: Sequence[Vec], n_tiles: int) -> list[Vec]:
    """Return gradients: over padding those by the states, from later steps, and 0 for the rest.

    Parameters
    ----------
    real : Flag
    values : sequence of Vec
        The gradients by tiles, old states and vectors, as they are where the row is real.
    upstream : sequence of Vec
        The gradients by the new states.
    n_tiles : int
    """
    zeros = len(values) - n_tiles - len(upstream)
    held = [0.0] * n_tiles + [*upstream] + [0.0] * zeros
    return [real.pick(value, other) for value, other in zip(values, held, strict=True)]
