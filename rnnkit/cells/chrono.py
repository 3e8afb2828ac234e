"""Initial biases of forget gates for memories of a known span."""

import numpy as np

from rnnkit.common.checks import optional_whole
from rnnkit.initializers import Initializer


def longest_span(where: str, t_max: object) -> int | None:
    """Return the checked option ``t_max``: None, or a number of steps of at least 3."""
    return optional_whole(where, t_max, 3)


def chrono(t_max: int, sign: int = 1) -> Initializer:
    r"""Return an initializer for the bias of a forget gate: :math:`\log(U(1, t_{max} - 1))`.

    A unit whose forget gate is :math:`\sigma(\log(s - 1))` forgets within s steps. In place of
    random draws from the distribution it has the quantiles, in ascending order, so that the bias of
    an input gate can be their negative.

    Parameters
    ----------
    t_max : int
        The longest span of dependencies, in steps.
    sign : {1, -1}

    References
    ----------
    Tallec & Ollivier 2018, arXiv:1804.11188.
    """

    def start(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        quantiles = (np.arange(shape[-1]) + 0.5) / shape[-1]
        return sign * np.log(1 + quantiles * (t_max - 2))

    return start
