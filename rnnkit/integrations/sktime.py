"""A forecaster for sktime; ``pip install 'rnnkit[sktime]'`` installs what this module needs.

`rnnkit` itself never imports sktime.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
import pandas as pd

try:
    from sktime.forecasting.base import BaseForecaster, ForecastingHorizon
except ImportError as error:
    raise ImportError(
        'rnnkit.integrations.sktime needs sktime, which is not installed: '
        "pip install 'rnnkit[sktime]'"
    ) from error

from rnnkit.forecasting import Forecaster
from rnnkit.integrations.sktime_rows import ID, TARGET, TIME, Layout, appended, ends_of, join

__all__ = ['RNNForecaster']


class RNNForecaster(BaseForecaster):
    """A recurrent network as a forecaster of sktime: `rnnkit.Forecaster` with its interface.

    A panel or a hierarchy is forecast by one network, which all of its series train. For a network
    of its own for each series wrap it: ``ForecastByLevel(RNNForecaster(), 'local')``. Each column
    of a multivariate series gets a network of its own.

    All columns of X are inputs that are known in the future, unless `past` or `static` names them.
    NaN in y is a missing value. In-sample forecasts are not possible.

    ``update(y)`` trains further, on all data so far; ``update(y, update_params=False)`` only reads
    the new values. ``pretrain`` trains on a panel, and ``fit`` then trains no more: the network
    forecasts the series that ``fit`` is given.

    Parameters
    ----------
    form : {'lstm', 'gru', 'rnn'} or other
        Form of the recurrent layer.
    size : int
        Number of its units.
    season : int, optional
        Time steps in a season, sktime's ``sp``.
    horizon : int, optional
        Number of time steps that the network forecasts at once. By default ``fit`` needs `fh`, and
        this is its last step. With a horizon, `fh` may come later, in ``predict``.
    past, static : tuple of str
        Columns of X that are not known in the future; that are the same at all times of a series.
    mode, output, lags, scale, log, base, calendar, validation, ensemble, updates, learning_rate, \
    batch_size, patience, verbose
        As for `rnnkit.Forecaster`.
    random_state : int, numpy.random.RandomState or None
        Seed; with an integer, each ``fit`` gives the same bits.

    Attributes
    ----------
    forecaster_ : rnnkit.Forecaster
        The fitted forecaster, which ``forecaster_.save`` writes into a file.
    pretrained_ : rnnkit.Forecaster
        The one that ``pretrain`` has trained.

    Examples
    --------
    >>> from sktime.datasets import load_airline
    >>> from rnnkit.integrations.sktime import RNNForecaster
    >>> y = load_airline()
    >>> forecaster = RNNForecaster(size=4, season=12, updates=20, random_state=0)
    >>> forecaster.fit(y, fh=[1, 2, 3]).predict().index.astype(str).tolist()
    ['1961-01', '1961-02', '1961-03']
    >>> forecaster.predict_interval(coverage=0.8).shape
    (3, 2)
    """

    _tags = {
        'authors': 'The rnnkit developers',
        'maintainers': 'The rnnkit developers',
        'y_inner_mtype': ['pd.Series', 'pd-multiindex', 'pd_multiindex_hier'],
        'X_inner_mtype': ['pd.DataFrame', 'pd-multiindex', 'pd_multiindex_hier'],
        'capability:multivariate': False,
        'capability:exogenous': True,
        'capability:categorical_in_X': False,
        'capability:non_contiguous_X': False,
        'capability:missing_values': True,
        'capability:insample': False,
        'capability:pred_int': True,
        'capability:pred_int:insample': False,
        'capability:update': True,
        'capability:unequal_length': True,
        'capability:pretrain': True,
        'capability:random_state': True,
        'property:randomness': 'derandomized',
        'pretrain:fitted_params': ['pretrained_'],
        'requires-fh-in-fit': True,
        'X-y-must-have-same-index': True,
    }

    # sktime need not keep the data: this class does, as rows of a long frame.
    _config = {'remember_data': False}

    def __init__(
        self,
        form: str = 'lstm',
        size: int = 32,
        season: int | None = None,
        horizon: int | None = None,
        *,
        mode: str = 'direct',
        output: str = 'point',
        lags: Any = 'auto',
        scale: str | None = 'mean_abs',
        log: str | bool = 'auto',
        base: str | None = 'auto',
        past: tuple[str, ...] = (),
        static: tuple[str, ...] = (),
        calendar: str | bool = 'auto',
        validation: str | None = 'tail',
        ensemble: int = 3,
        updates: int | None = None,
        learning_rate: float = 0.003,
        batch_size: int | None = None,
        patience: int = 20,
        verbose: int = 0,
        random_state: Any = None,
    ):
        given = locals()
        vars(self).update({name: given[name] for name in self.get_param_names()})
        super().__init__()
        self._y = self._X = None  # for those who set remember_data
        if horizon is not None:
            self.set_tags(**{'requires-fh-in-fit': False})

    def _pretrain(
        self,
        y: pd.DataFrame,
        X: pd.DataFrame | None = None,
        fh: ForecastingHorizon | None = None,
    ) -> Self:
        layout = Layout.of(y, X)
        rows = layout.rows('pretrain', y, X)
        self.pretrained_ = _train(self._new(layout, self._last_step(fh, rows)), rows)
        return self

    def _pretrain_update(
        self,
        y: pd.DataFrame,
        X: pd.DataFrame | None = None,
        fh: ForecastingHorizon | None = None,
    ) -> Self:
        self.pretrained_ = _train(self.pretrained_, Layout.of(y, X).rows('pretrain', y, X))
        return self

    def _fit(
        self, y: pd.Series | pd.DataFrame, X: pd.DataFrame | None, fh: ForecastingHorizon | None
    ) -> Self:
        self._layout = Layout.of(y, X)
        self._rows = self._layout.rows('fit', y, X)
        # Whether the forecaster has read these rows and no others, so that its state is theirs.
        self._is_carried = not hasattr(self, 'pretrained_')
        if self._is_carried:
            new = self._new(self._layout, self._last_step(fh, self._rows))
            self.forecaster_ = _train(new, self._rows)
        else:
            self.forecaster_ = self.pretrained_
        self._describe(y)
        return self

    def _describe(self, y: pd.Series | pd.DataFrame) -> None:
        """Note the names that forecasts have in common with y, and the key of each series."""
        self._names = y.name if y.ndim == 1 else y.columns
        self._levels = y.index.names
        self._keys = None if y.ndim == 1 else self._layout.keys(y.index)

    def _new(self, layout: Layout, horizon: int | None) -> Forecaster:
        """Return a forecaster that is not trained."""
        defaults = self.get_param_defaults()
        options = {
            name: value
            for name, value in self.get_params(deep=False).items()
            if value is not None or defaults[name] is not None
        }
        seed = options.pop('random_state', None)
        if hasattr(seed, 'randint'):
            seed = int(seed.randint(2**31 - 1))
        options.setdefault('horizon', horizon)
        future = self._future(layout)
        return Forecaster(**options, future=future, seed=seed, warm_start=True)

    def _future(self, layout: Layout) -> tuple[str, ...]:
        """Return the names of the columns of X that are known in the future."""
        others = {*self.past, *self.static}
        return tuple(name for name in layout.covariates.values() if name not in others)

    def _last_step(self, fh: ForecastingHorizon | None, rows: pd.DataFrame) -> int | None:
        """Return the last step ahead, counted from the end of the series that ends first."""
        if fh is None:
            return self.horizon
        end = ends_of(rows).min()
        cutoff = self._cutoff
        if cutoff is None or cutoff[0] != end:
            cutoff = pd.Index([end])
        return int(np.max(fh.to_relative(cutoff).to_numpy()))

    def _update(
        self,
        y: pd.Series | pd.DataFrame,
        X: pd.DataFrame | None = None,
        update_params: bool = True,
    ) -> Self:
        new = self._layout.rows('update', y, X)
        later = appended(self._rows, new) if self._is_carried else None
        self._rows = join(self._rows, new)
        if self._keys is not None:
            self._keys |= self._layout.keys(y.index)
        if update_params:
            if self.forecaster_ is getattr(self, 'pretrained_', None):
                self.forecaster_ = deepcopy(self.forecaster_)
            _train(self.forecaster_, self._rows)
            self._is_carried = True
        elif later is None:
            self._is_carried = False
        elif len(later):
            self.forecaster_.update(later)
        return self

    def _predict(self, fh: ForecastingHorizon, X: pd.DataFrame | None) -> pd.Series | pd.DataFrame:
        answer, horizon = self._answer(fh, X)
        values = answer['forecast'].to_numpy()
        rows, index = self._place(fh, answer, horizon)
        if isinstance(index, pd.MultiIndex):
            return pd.DataFrame(values[rows][:, None], index, self._names)
        return pd.Series(values[rows], index, name=self._names)

    def _predict_quantiles(
        self, fh: ForecastingHorizon, X: pd.DataFrame | None, alpha: list[float]
    ) -> pd.DataFrame:
        levels = [round(float(level), 12) for level in alpha]  # sktime computes 0.5 - 0.9 / 2
        ordered = sorted(set(levels))
        answer, horizon = self._answer(fh, X, ordered)
        values = answer.iloc[:, -len(ordered) :].to_numpy()
        rows, index = self._place(fh, answer, horizon)
        columns = self._get_columns(method='predict_quantiles', alpha=alpha)
        return pd.DataFrame(
            values[rows][:, [ordered.index(level) for level in levels]], index, columns
        )

    def _answer(
        self, fh: ForecastingHorizon, X: pd.DataFrame | None, levels: Sequence[float] | None = None
    ) -> tuple[pd.DataFrame, int]:
        """Return the forecaster's own frame, and how many rows each series has there."""
        horizon = self._last_step(fh, self._rows)
        ahead = self._layout.ahead(X, self._future(self._layout))
        given = None if self._is_carried else self._rows
        return self.forecaster_.forecast(horizon, ahead, y=given, quantiles=levels), horizon

    def _place(
        self, fh: ForecastingHorizon, answer: pd.DataFrame, horizon: int
    ) -> tuple[np.ndarray, pd.Index]:
        """Return the rows of the answer that `fh` asks for, and their index."""
        if self._keys is None:
            return fh.to_relative(self.cutoff).to_numpy() - 1, fh.to_absolute_index(self.cutoff)
        times = pd.Index(answer[TIME])
        starts = range(0, len(answer), horizon)
        if fh.is_relative:
            steps = fh.to_numpy() - 1
            rows = np.concatenate([start + steps for start in starts])
        else:
            wanted = fh.to_pandas()
            rows = np.concatenate([s + times[s : s + horizon].get_indexer(wanted) for s in starts])
        ids = answer[ID].to_numpy()[rows]
        keys = pd.MultiIndex.from_tuples([self._keys[i] for i in ids])
        levels = [keys.get_level_values(i) for i in range(keys.nlevels)]
        return rows, pd.MultiIndex.from_arrays([*levels, times[rows]], names=self._levels)

    @classmethod
    def get_test_params(cls, parameter_set: str = 'default') -> list[dict[str, object]]:
        """Return parameters for sktime's tests: networks that train for a moment."""
        quick = {'size': 2, 'updates': 2, 'ensemble': 1, 'random_state': 0}
        return [
            {**quick, 'ensemble': 2},
            {**quick, 'form': 'gru', 'horizon': 5},
        ]


def _train(forecaster: Forecaster, rows: pd.DataFrame) -> Forecaster:
    return forecaster.fit(rows, id=ID, time=TIME, target=TARGET)
