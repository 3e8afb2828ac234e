"""Static covariates as features: numbers as they are, and one feature for each category."""

from collections.abc import Mapping
from numbers import Real

import numpy as np

from rnnkit.common.registry import suggestion
from rnnkit.common.spelling import brief
from rnnkit.data.frames import listed
from rnnkit.errors import DataError

Categories = Mapping[object, tuple[str, ...]]


def encode(
    where: str,
    properties: Mapping[object, list[object]],
    names: list[str],
    known: Categories | None,
) -> tuple[np.ndarray, dict[object, tuple[str, ...]]]:
    """Return the static covariates of all series as numbers.

    Parameters
    ----------
    where : str
    properties : dict
        For each covariate by its name, a value for each of B series.
    names : list of str
        The names of the series, for messages.
    known : dict, optional
        The known categories of each covariate; by default those found in `properties`.

    Returns
    -------
    features : array of float64, (B, S)
    categories : dict
        The sorted categories of each covariate whose values are strings.

    Raises
    ------
    DataError
        If a value is missing, or of another kind than the others, or not a known category.
    """
    parts, categories = [np.empty((len(names), 0))], {}
    for column, values in properties.items():
        what = f'{where}: column {brief(column)}'
        texts = [isinstance(value, str) for value in values]
        if all(texts) and (known is None or column in known):
            found = sorted({str(value) for value in values})
            categories[column] = tuple(found) if known is None else known[column]
            parts.append(_one_hot(what, values, categories[column], names))
        elif known is not None and column in known:
            k = texts.index(False)
            raise DataError(
                f'{what} must be one of {listed(known[column])}; it is {brief(values[k])} in '
                f'{names[k]}'
            )
        else:
            parts.append(_numbers(what, values, names))
    return np.concatenate(parts, axis=1), categories


def _one_hot(
    what: str, values: list[object], categories: tuple[str, ...], names: list[str]
) -> np.ndarray:
    place = {category: k for k, category in enumerate(categories)}
    for value, name in zip(values, names, strict=True):
        if value not in place:
            near = suggestion(value, categories) or f'; known are {listed(categories)}'
            raise DataError(
                f'{what} is {brief(value)} in {name}, which was in none of the series of fit()'
                f'{near}'
            )
    return np.eye(len(categories))[[place[value] for value in values]]


def _numbers(what: str, values: list[object], names: list[str]) -> np.ndarray:
    for value, name in zip(values, names, strict=True):
        if not isinstance(value, Real | np.bool_) or not np.isfinite(float(value)):
            raise DataError(
                f'{what} must be a number in each series, or a str in each; it is {brief(value)} '
                f'in {name}'
            )
    return np.array(values, 'float64')[:, None]
