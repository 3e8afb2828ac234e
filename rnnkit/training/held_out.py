"""Classes that one part of a training's data lacks, after a share of them was held out."""

from collections.abc import Sequence

import numpy as np

from rnnkit.common import caller
from rnnkit.data.border import Border
from rnnkit.data.classes import Classes, several
from rnnkit.data.hold_out import read_share
from rnnkit.training.class_weights import counting

STRATIFIED = (
    'the split is not stratified: hold out a part of each class, such as by train_test_split of '
    'scikit-learn with stratify=labels, and pass it as valid='
)


def check_classes(
    where: str,
    valid: object,
    classes: Classes | None,
    border: Border,
    train: Sequence[np.ndarray] | None,
    held: Sequence[np.ndarray] | None,
) -> None:
    """Warn if a share was held out of labeled examples and a class is in one of the parts alone.

    Labels of time steps are not looked at: a rare one, such as a word of a text, is usual there.

    Parameters
    ----------
    where : str
        The call, for messages.
    valid : object
        ``valid=`` as the user passed it.
    classes : Classes or None
        Those of the network, if it is a classifier.
    border : Border
    train, held : batch, or None
        The two parts as the border has read them, if they are in memory.
    """
    share = read_share(where, valid)
    if share is None or classes is None or border.target.has_time or train is None or held is None:
        return
    in_train, in_held = (_present(border, part, classes.n) for part in (train, held))
    for there, lacking, part in (
        (in_train, in_held, 'the part held out by'),
        (in_held, in_train, 'what is left for training by'),
    ):
        missing = np.flatnonzero(there & ~lacking)
        if len(missing):
            names = missing if classes.names is None else classes.names[missing]
            number = 'class' if len(missing) == 1 else 'the classes'
            caller.warn(
                f'{where}: {part} {share} has no example of {number} {several(list(names))}; '
                f'{STRATIFIED}',
                UserWarning,
            )


def _present(border: Border, arrays: Sequence[np.ndarray], n: int) -> np.ndarray:
    """Return which of n classes have a label that counts."""
    labels, weights = counting(border, arrays)
    return np.bincount(labels.ravel(), (weights > 0).ravel(), n) > 0
