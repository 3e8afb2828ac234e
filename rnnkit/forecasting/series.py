"""Time series with their time stamps and covariates, as a model reads them."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from rnnkit.forecasting.forms import Form
from rnnkit.forecasting.frequency import Frequency
from rnnkit.forecasting.times import Times


class Columns(NamedTuple):
    """The names of the columns of a frame, and of the covariates.

    Attributes
    ----------
    id, time, target : str or None
        None for a frame of one series, or without time stamps.
    past : tuple
        Inputs known up to now.
    future : tuple
        Inputs known for the future, too.
    static : tuple
        Properties of a series that do not change: numbers, or names of categories.
    """

    id: object = 'unique_id'
    time: object = 'ds'
    target: object = 'y'
    past: tuple[object, ...] = ()
    future: tuple[object, ...] = ()
    static: tuple[object, ...] = ()


@dataclass(frozen=True)
class Series:
    """One time series, from its first value that is not missing.

    Attributes
    ----------
    id : object
        The key of a dict, the number in a list, the id of a frame; of a single series None.
    name : str
        Its name in messages.
    values : array of float64, (n,)
        NaN where a value is missing.
    past : array of float64, (n, P)
        Inputs known up to now; NaN where one is missing.
    future : array of float64, (n, F)
        Inputs known for the future, too: their values in the history, all finite.
    static : array of float64, (S,)
        Properties of the series, all finite.
    times : Times, optional
    skipped : int
        The number of rows before the first value, which are left out.
    """

    id: object
    name: str
    values: np.ndarray
    past: np.ndarray
    future: np.ndarray
    static: np.ndarray
    times: Times | None = None
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, repr=False)
class Panel:
    """Time series that one model forecasts.

    Attributes
    ----------
    series : list of Series
    form : Form
        The form in which they were passed.
    columns : Columns
    categories : dict
        The names that each static covariate may have, if it has names: one feature for each.
    """

    series: list[Series]
    form: Form
    columns: Columns
    categories: dict[object, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.series)

    def __repr__(self) -> str:
        steps = sum(map(len, self.series))
        return f'<Panel: {len(self):,} series, {steps:,} steps>'

    @property
    def past(self) -> tuple[object, ...]:
        """The names of the inputs known up to now."""
        return self.columns.past

    @property
    def future(self) -> tuple[object, ...]:
        """The names of the inputs known for the future."""
        return self.columns.future

    @property
    def static(self) -> tuple[object, ...]:
        """The names of the properties of a series; a feature for each category."""
        return static_names(self.columns.static, self.categories)

    @property
    def frequency(self) -> Frequency | None:
        """The step from one time stamp to the next, if there are any."""
        times = self.series[0].times
        return None if times is None else times.frequency


def static_names(
    names: tuple[object, ...], categories: dict[object, tuple[str, ...]]
) -> tuple[object, ...]:
    """Return the names of the features of static covariates."""
    return tuple(
        one
        for name in names
        for one in ([f'{name}={c}' for c in categories[name]] if name in categories else [name])
    )
