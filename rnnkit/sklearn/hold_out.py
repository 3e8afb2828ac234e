"""A part of the training data for early stopping."""

import numpy as np
from sklearn.model_selection import train_test_split

from rnnkit.sklearn.sequences import Sequences
from rnnkit.sklearn.targets import Targets

Examples = tuple[Sequences, Targets, np.ndarray]  # with the weights of the sequences


def hold_out(
    data: Examples, fraction: float, strata: np.ndarray | None, random: np.random.RandomState
) -> tuple[Examples, Examples]:
    """Return the training data without a random part of the sequences, and this part.

    Raises
    ------
    ValueError
        If there are too few sequences, or a class has only one.
    """
    rows = train_test_split(
        np.arange(len(data[0])), test_size=fraction, stratify=strata, random_state=random
    )
    train, valid = (tuple(part[np.sort(chosen)] for part in data) for chosen in rows)
    return train, valid  # type: ignore[return-value]
