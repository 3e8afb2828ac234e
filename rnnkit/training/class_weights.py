"""Class weights of a training: how much the targets of each class count."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rnnkit.common.checks import is_real
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.data.border import Border
from rnnkit.data.classes import Classes
from rnnkit.data.passes import maker, makes_batches
from rnnkit.errors import ConfigError
from rnnkit.parallel import ALONE, Team
from rnnkit.training.options import TrainingConfig

BALANCED = 'balanced'
EXPECTED = f"class_weight must be '{BALANCED}', or a dict of weights by class, such as {{'yes': 3}}"


def check(where: str, value: object, classes: Classes | None, train: object) -> None:
    """Raise a ConfigError unless a training can have its class weights, if any.

    Parameters
    ----------
    where : str
        The call, for messages.
    value : object
        The option ``class_weight`` as the user passed it.
    classes : Classes or None
        Those of the network, if it is a classifier.
    train
        The training data as the user passed them.
    """
    if value is None:
        return
    if classes is None:
        raise ConfigError(
            f'{where}: class_weight is for a Classifier; for other networks pass sample weights, '
            f'[x, y, weights], to a network with weighted=True'
        )
    if isinstance(value, str) and value == BALANCED:
        if makes_batches(train):
            raise ConfigError(
                f"{where}: class_weight='{BALANCED}' counts the labels of arrays; {maker(train)} "
                f'makes its own batches: pass the weights, class_weight={{...}}'
            )
        return
    if isinstance(value, str):
        near = hint(value, [BALANCED])
        raise ConfigError(f'{where}: {EXPECTED}; got {brief(value)}; {near}')
    if not isinstance(value, Mapping):
        listed = '; of a list make dict(zip(net.classes_, weights))'
        as_list = isinstance(value, list | tuple) or hasattr(value, '__array__')
        raise ConfigError(f'{where}: {EXPECTED}; got {brief(value)}{listed if as_list else ""}')


def read(
    config: TrainingConfig,
    classes: Classes,
    border: Border,
    pieces: Iterable[Sequence[np.ndarray]],
    team: Team = ALONE,
) -> np.ndarray:
    """Return the weight of each class.

    Classes that are not named weigh 1.

    Parameters
    ----------
    config : TrainingConfig
    classes : Classes
    border : Border
    pieces : iterable of batches
        All training data, as the border has read them; for ``'balanced'`` only.
    team : Team
        The processes whose data count together.

    Raises
    ------
    ConfigError
        If a key is not a class, or a value not a weight.
    """
    where, value = config.where, config.options.class_weight
    if not isinstance(value, Mapping):
        return _balanced((counting(border, arrays) for arrays in pieces), classes.n, team)
    weights = np.ones(classes.n)
    for name, weight in value.items():
        number = classes.number_of(name)
        if number < 0:
            raise ConfigError(
                f'{where}: class_weight: {brief(name)} is not one of the {classes.n} classes '
                f'{classes.listed()}'
            )
        if not (is_real(weight) and weight >= 0):
            raise ConfigError(
                f'{where}: class_weight: the weight of {brief(name)} must be a number of at least '
                f'0; got {brief(weight)}'
            )
        weights[number] = weight
    if not weights.any():
        raise ConfigError(f'{where}: class_weight: all weights are 0')
    return weights


def balanced(labels: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    r"""Return :math:`\sum w / (K \sum_{y = k} w)` for each class k of the K that there are.

    So all classes weigh the same together. Those without a target weigh 1.

    Parameters
    ----------
    labels : array of int
    weights : array of the same shape
        0 for what does not count.
    n : int
        The number of classes.

    Examples
    --------
    >>> balanced(np.array([0, 0, 0, 2]), np.ones(4), 3).tolist()
    [0.6666666666666666, 1.0, 2.0]
    """
    return _balanced([(labels, weights)], n)


def _balanced(
    pieces: Iterable[tuple[np.ndarray, np.ndarray]], n: int, team: Team = ALONE
) -> np.ndarray:
    """Return what `balanced` does, of labels and weights that come in pieces to some processes."""
    ours, total = np.zeros(n), 0.0
    for labels, weights in pieces:
        ours += np.bincount(labels.ravel(), weights.astype('float64').ravel(), n)
        total += weights.sum(dtype='float64')
    total = sum(team.gather('the weight of all labels', total))
    counts = np.sum(team.gather('the weights of classes', ours), axis=0)
    there = counts > 0
    counts[~there] = 1
    return np.where(there, total / (max(there.sum(), 1) * counts), 1)


def counting(border: Border, arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels, and how much each of them counts."""
    field = border.target
    by_name = dict(zip([other.name for other in border.fields], arrays, strict=True))
    labels = by_name[field.name]
    real = border.mask_of(field.clock, list(arrays))
    weights = np.ones(labels.shape) if real is None else real
    for other in border.weights:
        if other.of == field.name:
            weights = weights * by_name[other.name]
    return labels, weights
