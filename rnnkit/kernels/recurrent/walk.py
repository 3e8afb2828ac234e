"""The walk of a loop over a sequence: its first states, its direction, and what it skips.

Steps are numbered as they are walked: step number 0 is the first one of a loop that goes
forward, and the last one of a loop that is `reverse`.
"""

from typing import NamedTuple


class Walk(NamedTuple):
    """The options of an unrolled cell apart from its equations.

    Attributes
    ----------
    rows : tuple of bool
        For each state, whether its first value is one row (1, H) for all examples.
    masked : bool
        Whether there is a mask (T, B); where it is 0 the states are held.
    reverse : bool
        Whether the loop starts at the last step.
    bptt_limit : int, optional
        Gradients stop before each step whose number is a multiple of it, the first one apart.
        It changes no state.
    """

    rows: tuple[bool, ...]
    masked: bool = False
    reverse: bool = False
    bptt_limit: int | None = None
