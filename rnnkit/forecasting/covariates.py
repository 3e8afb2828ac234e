"""Covariates: which rows of a table belong to which steps of the series."""

from dataclasses import dataclass

import numpy as np

from rnnkit.common.spelling import brief
from rnnkit.errors import DataError, ShapeError
from rnnkit.forecasting.tables import LongTable, PlainTable
from rnnkit.forecasting.zones import text_of

KINDS = {'past': 'an input known up to now', 'future': 'an input known for the future'}


@dataclass(frozen=True)
class Wanted:
    """The steps of which covariates are needed: N in B series.

    Attributes
    ----------
    names : list of str
        The names of the series, for messages.
    counts : array of int, (B,)
        The number of steps of each.
    others : array of int, (B,)
        The number of further rows that a table without time stamps may have.
    ahead : bool
        Whether these are before the steps that are needed, or after them.
    stamps : array, (N,), or None
    zone : str or None
    """

    names: list[str]
    counts: np.ndarray
    others: np.ndarray
    ahead: bool
    stamps: np.ndarray | None
    zone: str | None

    @property
    def codes(self) -> np.ndarray:
        """The number of the series of each step, (N,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def text(self, k: int) -> str:
        """Return the series and the time of a step, for messages."""
        series = int(self.codes[k])
        name = self.names[series]
        if self.stamps is not None:
            return f'{name} at {text_of(self.stamps[k], self.zone)}'
        step = k - int(self.counts[:series].sum())
        return f'{name} {step + 1} steps ahead' if self.ahead else f'{name} at step {step}'


def values_of(
    where: str, table: LongTable | PlainTable, columns: tuple[object, ...], wanted: Wanted
) -> np.ndarray:
    """Return some columns of a table at the steps that are needed, (N, K).

    Raises
    ------
    DataError, ShapeError
        If a column or a row is missing.
    """
    found = np.empty((int(wanted.counts.sum()), len(columns)))
    rows = None
    for k, name in enumerate(columns):
        values, lengths = table.numbers(name)
        if table.stamps is None or wanted.stamps is None:
            rows = _by_position(where, table, name, lengths, wanted)
        elif rows is None:
            rows = _by_time(where, table, wanted, columns)
        found[:, k] = values[rows]
    return found


def _by_position(
    where: str, table: LongTable | PlainTable, name: object, lengths: np.ndarray, wanted: Wanted
) -> np.ndarray:
    right = (lengths == wanted.counts) | (lengths == wanted.counts + wanted.others)
    if not right.all():
        k = int(np.argmin(right))
        need = f'{wanted.counts[k]} are needed'
        if wanted.ahead:
            need = f'the forecast needs those of {wanted.counts[k]} steps ahead'
        raise ShapeError(
            f'{where}: column {brief(name)} of {table.name_of(k)} has {lengths[k]} values; {need}'
        )
    starts = np.cumsum(lengths) - lengths
    if wanted.ahead:
        starts = starts + lengths - wanted.counts
    inside = np.arange(int(wanted.counts.sum())) - np.repeat(
        np.cumsum(wanted.counts) - wanted.counts, wanted.counts
    )
    return np.repeat(starts, wanted.counts) + inside


def _by_time(
    where: str, table: LongTable | PlainTable, wanted: Wanted, columns: tuple[object, ...]
) -> np.ndarray:
    """Return the rows of a table whose series and time stamps are wanted."""
    assert table.stamps is not None
    assert wanted.stamps is not None
    if {table.stamps.dtype.kind, wanted.stamps.dtype.kind} == {'M', 'i'}:
        kinds = [
            'time stamps' if s.dtype.kind == 'M' else 'whole numbers'
            for s in (table.stamps, wanted.stamps)
        ]
        raise DataError(f'{where}: X has {kinds[0]} as times, y has {kinds[1]}')
    if (table.zone is None) != (wanted.zone is None):
        zones = [
            f'in {zone}' if zone else 'without a time zone' for zone in (table.zone, wanted.zone)
        ]
        raise DataError(f'{where}: X has time stamps {zones[0]}, y {zones[1]}')
    n = len(table.stamps)
    unique, ranks = np.unique(np.concatenate([table.stamps, wanted.stamps]), return_inverse=True)
    there = table.codes * len(unique) + ranks[:n]
    needed = wanted.codes * len(unique) + ranks[n:]
    order = np.argsort(there, kind='stable')
    ordered = there[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        row = order[twice[0]]
        name, stamp = wanted.names[table.codes[row]], text_of(table.stamps[row], wanted.zone)
        raise DataError(f'{where}: X has two rows for {name} at {stamp}; there must be one')
    place = np.minimum(np.searchsorted(ordered, needed), max(n - 1, 0))
    missing = ordered[place] != needed if n else np.ones(len(needed), bool)
    if missing.any():
        k = int(np.argmax(missing))
        what = ', '.join(map(brief, columns))
        raise DataError(
            f'{where}: X has no row for {wanted.text(k)}, where {what} must be known (missing: '
            f'{int(missing.sum())} of {len(needed)} rows)'
        )
    return order[place]


def check(
    where: str, kind: str, columns: tuple[object, ...], values: np.ndarray, wanted: Wanted
) -> None:
    """Raise a DataError if a value of a covariate is not finite.

    Parameters
    ----------
    where : str
    kind : {'past', 'future'}
    columns : tuple
    values : array (N, K)
    wanted : Wanted
        The steps of the rows.
    """
    wrong = ~np.isfinite(values)
    if wrong.any():
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f'{where}: column {brief(columns[column])}, {KINDS[kind]}, is '
            f'{values[row, column]} in {wanted.text(row)}; fill such gaps first'
        )
