"""Series and panels of sktime as the rows of a long frame, and forecasts as sktime's frames."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


ID, TIME, TARGET = 'series', 'time', 'y'  # columns of the long frame


@dataclass(frozen=True)
class Layout:
    """The columns of the long frame, and where they come from.

    Attributes
    ----------
    covariates : dict
        For each column of X its name in the long frame, which has other columns, too.
    single : str
        The id of a series that is not in a panel: its own name.
    """

    covariates: dict[Hashable, str]
    single: str

    @classmethod
    def of(cls, y: 'pd.Series | pd.DataFrame', X: 'pd.DataFrame | None') -> 'Layout':
        """Return the layout for what was passed to ``fit``."""
        taken = {ID, TIME, TARGET}
        columns = [] if X is None else list(X.columns)
        covariates = {column: _free(str(column), taken) for column in columns}
        name = y.name if y.ndim == 1 else y.columns[0]
        return cls(covariates, 'y' if name is None else str(name))

    def ids(self, index: 'pd.Index') -> 'pd.Series':
        """Return the id of each row: the value of the only level above time, or a text of all."""
        import pandas as pd

        if index.nlevels == 1:
            return pd.Series([self.single] * len(index), dtype=object)
        if index.nlevels == 2:
            return pd.Series(index.get_level_values(0))
        codes, keys = index.droplevel(-1).factorize()
        return pd.Series(np.array([_text(key) for key in keys], dtype=object)[codes])

    def keys(self, index: 'pd.MultiIndex') -> dict[Hashable, tuple[Hashable, ...]]:
        """Return for each id the values of the levels above time."""
        ids = self.ids(index)
        first = ~ids.duplicated()
        return {i: key[:-1] for i, key in zip(ids[first], index[first.to_numpy()], strict=True)}

    def rows(
        self,
        where: str,
        y: 'pd.Series | pd.DataFrame',
        X: 'pd.DataFrame | None',
    ) -> 'pd.DataFrame':
        """Return y and the rows of X at the same times as a long frame."""
        if y.ndim == 2 and len(y.columns) > 1:
            return self._stacked(where, y, X)
        frame = self._keys(where, y.index)
        frame[TARGET] = y.to_numpy(dtype=float).reshape(-1)
        at = None if X is None else X.reindex(y.index)
        for column, name in self._covariates(where, at):
            frame[name] = column
        return frame

    def _stacked(self, where: str, y: 'pd.DataFrame', X: 'pd.DataFrame | None') -> 'pd.DataFrame':
        """Return the rows of several columns, each of which is a series."""
        import pandas as pd

        frames = []
        for column in y.columns:
            frame = self.rows(where, y[[column]], X)
            frame[ID] = [f'{column}, {i}' for i in frame[ID]]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def ahead(self, X: 'pd.DataFrame | None', names: Sequence[str]) -> 'pd.DataFrame | None':
        """Return the rows of X as a long frame; `names` are the columns to keep."""
        found = self._covariates('predict', X, names)
        if X is None or not found:
            return None
        frame = self._keys('predict', X.index)
        for column, name in found:
            frame[name] = column
        return frame

    def _keys(self, where: str, index: 'pd.Index') -> 'pd.DataFrame':
        import pandas as pd

        times = index.get_level_values(-1)
        ids = self.ids(index)
        if times.dtype.kind in 'iu':
            _check_consecutive(where, np.asarray(times), ids)
        return pd.DataFrame({ID: ids, TIME: pd.Series(times)})

    def _covariates(
        self, where: str, X: 'pd.DataFrame | None', names: Sequence[str] | None = None
    ) -> list[tuple[np.ndarray, str]]:
        """Return the columns of X that are needed, as numbers, with their names."""
        wanted = {
            column: name
            for column, name in self.covariates.items()
            if names is None or name in names
        }
        if X is None:
            if wanted:
                raise DataError(
                    f'{where}() expects X with the columns {list(wanted)}, which fit() had; got '
                    'none'
                )
            return []
        if not self.covariates:
            raise DataError(f'{where}() got X, but fit() had none; pass X to fit(), too')
        missing = [column for column in wanted if column not in X.columns]
        if missing:
            raise DataError(
                f'{where}(X=...) has no columns {missing}, which fit() had; it has '
                f'{list(X.columns)}'
            )
        return [(X[column].to_numpy(dtype=float), name) for column, name in wanted.items()]


def ends_of(rows: 'pd.DataFrame') -> 'pd.Series':
    """Return the last time of each series, by its id."""
    return rows.groupby(ID, sort=False)[TIME].last()


def join(old: 'pd.DataFrame', new: 'pd.DataFrame') -> 'pd.DataFrame':
    """Return the rows of both, up to the last time of each series in `new`; those of `new` win."""
    import pandas as pd

    keys = [ID, TIME]
    rows = pd.concat([old, new], ignore_index=True).drop_duplicates(keys, keep='last')
    last = rows[ID].map(ends_of(new))
    rows = rows[last.isna() | (rows[TIME] <= last)]
    codes = pd.Series(rows[ID].factorize()[0], index=rows.index)  # in the order of their first rows
    order = np.lexsort([rows[TIME].factorize(sort=True)[0], codes])
    return rows.iloc[order].reset_index(drop=True)


def appended(old: 'pd.DataFrame', new: 'pd.DataFrame') -> 'pd.DataFrame | None':
    """Return the rows of `new` that come after all of `old`; None if others differ from `old`."""
    ends = ends_of(old)
    last = new[ID].map(ends)
    if last.isna().any() or (ends_of(new) < ends.reindex(ends_of(new).index)).any():
        return None  # a new series, or one that has become shorter
    later = new[TIME] > last
    keys = [ID, TIME]
    seen = new[~later].set_index(keys).sort_index()
    known = old.set_index(keys).reindex(seen.index)
    return new[later].reset_index(drop=True) if known.equals(seen) else None


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += '_'
    taken.add(name)
    return name


def _text(key: tuple[object, ...]) -> str:
    """Return different texts for different keys."""
    return ', '.join(repr(k.item() if isinstance(k, np.generic) else k) for k in key)


def _check_consecutive(where: str, times: np.ndarray, ids: 'pd.Series') -> None:
    """Refuse integers in steps other than 1, which a relative horizon of sktime counts by 1."""
    same = ids.to_numpy()[1:] == ids.to_numpy()[:-1]
    steps = np.diff(times)[same]
    wrong = np.flatnonzero(steps != 1)
    if wrong.size:
        raise DataError(
            f'{where}() expects an index of integers to count time steps, 0, 1, 2, ...; got '
            f'{steps[wrong[0]]:+d} from one row to the next; insert rows with NaN for missing '
            'time steps'
        )
