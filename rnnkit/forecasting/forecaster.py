"""Forecasts of time series: one recurrent network for any number of them."""

from typing import TYPE_CHECKING, Any, Self

from rnnkit.common import file_format, file_kinds, foreign_names, open_files
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import whole
from rnnkit.errors import ConfigError
from rnnkit.forecasting import ahead, answers, backtest, files, levels, panel, pictures
from rnnkit.forecasting.fitted import Fitted, fit
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.series import Columns, Panel
from rnnkit.forecasting.stepping import ForecastStepper
from rnnkit.models.files import load
from rnnkit.models.regressor import Regressor
from rnnkit.training.protocols import PathOrFile


@checked_methods
class Forecaster:
    """A recurrent network that forecasts time series, one or many.

    Each series is compared with a naive forecast, its *base*: the values of a season ago, or the
    last value. The network reads how the last steps differ from it, in units of a *scale*: the
    mean size of these differences. It predicts, in the same units, how the next steps will differ.
    So one network learns from series of all sizes, and ``forecast`` of c·y is c times that of y.

    The end of each series is held out first: it decides when training stops, and the errors there
    give the widths of intervals. Then the network is trained again on all values.

    Parameters
    ----------
    form : str
        The recurrent cell: 'lstm', 'gru', 'rnn', or another recurrent form of layer.
    size : int or tuple of int
        Its units; of several layers, from the first to the last.
    horizon : int
        The steps to forecast.
    season : int, optional
        The steps of a season: 24 for hourly values, 12 for monthly ones, 7 for daily ones. A
        longer season, such as the week of hourly values, is found by itself.
    mode : {'direct', 'recursive', 'encoder-decoder'}
        Whether the network predicts all steps at once; or one step, which it then reads; or one
        after another by a second network, which goes on from the state of the first one and reads
        what is known of each step.
    output : {'point', 'quantiles', 'gaussian', 'student'}
        What it predicts. All have intervals; those of ``'point'`` have the same shape at all times.
    lags : 'auto' or tuple of int
        The naive forecasts that the network reads, as numbers of steps; each series has the one as
        its base that was best on its last steps. By default 1, `season` and a multiple of it.
    scale : {'mean_abs', 'standard', 'robust'} or None
        The mean absolute difference from the base, its root mean square, 1.48 times its median;
        or 1.
    log : 'auto' or bool
        Whether logarithms are forecast. They need positive values; other series go without.
        ``'auto'`` decides for each series by whether its differences grow with its level.
    base : {'auto', 'naive', 'seasonal'} or None
        Which naive forecast is the base: the last value, or the values of a season ago. ``'auto'``
        chooses for each series among these and the means of the last four of them, by their errors
        on its last steps. With None the network predicts the values themselves.
    past, future, static : names of columns
        Covariates: known up to now, known for the future, too, and constant for each series.
    calendar : 'auto' or bool
        Whether time stamps are inputs: the place in the day, the week and the year.
    validation : 'tail' or None
        None trains once, on all values. There are then no intervals with ``output='point'``.
    ensemble : int
        The number of networks, whose forecasts are averaged.
    updates, learning_rate, batch_size, patience
        Adam with a learning rate that falls to 0 by a cosine; windows in a batch; and the
        validations, of 20, that bring no improvement before training stops. By default 500 to
        2,000 updates and 8 to 32 windows, the more values there are.
    warm_start : bool
        Whether a second `fit` goes on with the networks, rather than with new ones.
    seed : int, optional
        Drives the initial weights and the windows that are drawn.
    verbose : {0, 1, 2}
        What training shows: 0 nothing; 1 a bar or a line that changes; 2 a line for each
        validation. See `rnnkit.Network.train`.

    Attributes
    ----------
    networks : list of Regressor
    lags_ : tuple of int
    panel : Panel
        The series that it was fitted to.

    Examples
    --------
    >>> import numpy as np
    >>> y = 10 + np.sin(np.arange(120) * np.pi / 6)
    >>> forecaster = Forecaster('gru', size=8, horizon=6, season=12, updates=20, seed=0).fit(y)
    >>> forecaster.forecast().shape
    (6,)

    References
    ----------
    Salinas et al. 2020, International Journal of Forecasting 36 (scales, one model for many
    series); Smyl 2020, the same volume (the winner of the M4 competition); Wen et al. 2017,
    arXiv:1711.11053 (a forecast of all steps from each step of a window).
    """

    def __init__(
        self,
        form: str = 'lstm',
        size: int | tuple[int, ...] = 32,
        horizon: int | None = None,
        season: int | None = None,
        *,
        mode: str = 'direct',
        output: str = 'point',
        lags: str | tuple[int, ...] = 'auto',
        scale: str | None = 'mean_abs',
        log: str | bool = 'auto',
        base: str | None = 'auto',
        past: Any = (),
        future: Any = (),
        static: Any = (),
        calendar: str | bool = 'auto',
        validation: str | None = 'tail',
        ensemble: int = 3,
        updates: int | None = None,
        learning_rate: float = 0.003,
        batch_size: int | None = None,
        patience: int = 20,
        warm_start: bool = False,
        seed: int | None = None,
        verbose: int = 0,
    ):
        given = {name: value for name, value in locals().items() if name != 'self'}
        self.options = Options(**given)
        self._fitted: Fitted | None = None

    # --- fitting ---

    def fit(
        self,
        y: Any,
        X: Any = None,
        *,
        id: object = 'unique_id',
        time: object = 'ds',
        target: object = 'y',
    ) -> Self:
        """Train on one or many series.

        Parameters
        ----------
        y : array (n,), Series, list or dict of these, or frame
            A frame has a row for each value, with the columns ``id``, ``time`` and ``target``.
        X : array (n, K), frame, or list or dict of these, optional
            The covariates, for series that are not in a frame.
        id, time, target : str
            The names of columns of a frame.

        Raises
        ------
        DataError, ShapeError
            If these are not regular time series, or too short.
        """
        options = self.options
        columns = Columns(id, time, target, options.past, options.future, options.static)
        return self._fit(panel.read('fit()', y, X, columns))

    def _fit(self, series: Panel) -> Self:
        before = self._fitted if self.options.warm_start else None
        self._fitted = fit(series, self.options, before)
        return self

    # --- forecasting ---

    def forecast(
        self,
        horizon: int | None = None,
        X: Any = None,
        *,
        y: Any = None,
        level: Any = None,
        quantiles: Any = None,
        samples: int | None = None,
    ) -> Any:
        """Return forecasts of the steps after the end of each series.

        Parameters
        ----------
        horizon : int, optional
            By default that of the forecaster; a longer one needs ``mode='recursive'``.
        X : array (horizon, K), frame, or list or dict of these, optional
            The values of the covariates in `future` for these steps.
        y : as in `fit`, optional
            Other series; by default those of `fit`, with what `update` has added.
        level : float or list of float, optional
            Intervals that contain the value with this probability, in %: ``(80, 95)``.
        quantiles : float or list of float, optional
            Quantiles between 0 and 1.
        samples : int, optional
            Paths that are drawn; their steps depend on each other.

        Returns
        -------
        forecasts
            As the series were passed: an array (horizon,), a Series, a list or dict, or a frame.
            With `level`, `quantiles` or `samples`, arrays become `Forecast` objects, and a Series
            becomes a frame.
        """
        fitted, where = self._ready('forecast()'), 'forecast()'
        horizon = self._horizon(where, horizon)
        series = fitted.panel
        if y is not None:
            series = panel.read(where, y, X, series.columns, like=series, ahead=horizon)
        inputs = panel.read_ahead(where, series, X, horizon, used=y is not None)
        wanted = levels.read(where, level, quantiles, samples)
        found = ahead.forecast(fitted, series, inputs, horizon, wanted)
        return answers.give(series, found, simple=wanted.simple)

    # --- going on ---

    def update(self, y: Any, X: Any = None) -> Self:
        """Add new values at the ends of the series, without training.

        Parameters
        ----------
        y : as in `fit`
            The values that follow. Series without new values may be left out of a dict or a frame.
        X : as in `fit`, optional
            The covariates of these steps.

        Raises
        ------
        DataError
            If the time stamps do not follow, or there was no such series in `fit`.
        """
        fitted = self._ready('update()')
        new = panel.more('update()', fitted.panel, y, X)
        self._fitted = fitted.of(panel.join(fitted.panel, new))
        return self

    def stepper(self) -> ForecastStepper:
        """Return an object for a stream: ``stepper(value)`` is the forecast of what follows.

        Examples
        --------
        >>> import numpy as np
        >>> y = 10 + np.sin(np.arange(120) * np.pi / 6)
        >>> forecaster = Forecaster('gru', size=4, horizon=6, season=12, updates=9, seed=0).fit(y)
        >>> stepper = forecaster.stepper()
        >>> stepper(10.0).shape
        (6,)
        """
        return ForecastStepper(self._ready('stepper()'))

    # --- judging ---

    def backtest(
        self,
        windows: int = 3,
        step: int | None = None,
        refit: bool = False,
        level: Any = 'auto',
    ) -> backtest.Backtest:
        """Forecast the ends of the series from what came before, and compare.

        A new network with the same settings is trained on the values before the first window, so
        that it has not seen what it forecasts; this forecaster stays as it is. In each further
        window it knows the values up to there.

        Parameters
        ----------
        windows : int
            How many forecasts of each series there are. The last one ends with the series.
        step : int, optional
            How many steps later the next one begins; by default `horizon`.
        refit : bool
            Whether to train before each window, rather than once before the first.
        level : float or list of float, or 'auto'
            Intervals to judge, in %; by default 80 and 95, if the forecaster has intervals.

        Returns
        -------
        backtest : Backtest
            Records, and the scores of the network and of naive forecasts of the same values. If the
            network is not better than these, a warning says so.

        Raises
        ------
        DataError
            If no series is long enough.

        Examples
        --------
        >>> import numpy as np
        >>> y = 10 + np.sin(np.arange(120) * np.pi / 6) + np.arange(120) / 10
        >>> forecaster = Forecaster('gru', size=4, horizon=6, season=12, updates=40, seed=0).fit(y)
        >>> found = forecaster.backtest(windows=2)
        >>> round(found.scores()['seasonal_naive']['mase'], 3)
        1.0
        """
        return backtest.run(self._ready('backtest()'), windows, step, refit, level)

    def plot(
        self,
        path: str | None = None,
        *,
        truth: Any = None,
        X: Any = None,
        level: Any = 'auto',
        ids: object = None,
        past: int | None = None,
        axes: object = None,
    ) -> Any:
        """Draw the ends of the series and their forecasts.

        Parameters
        ----------
        path : str, optional
            A file that the picture is written to.
        truth : as y in `fit`, optional
            What came afterwards, to be drawn beside the forecasts.
        X : as in `forecast`, optional
            The values of the covariates in `future`.
        level : float or list of float, None, or 'auto'
            Intervals, in %; by default 80 and 95, if the forecaster has intervals.
        ids : id or list of ids, optional
            The series to draw; by default the first four.
        past : int, optional
            How many values of the past to draw; by default three horizons, or three seasons.
        axes : matplotlib.axes.Axes, or a sequence of them, optional
            Where to draw, one for each series; by default a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            One that pyplot knows: a notebook shows it, and ``plt.show()`` opens it. With `path`
            pyplot does not know it, so that no window opens.

        Raises
        ------
        NotFoundError
            If there is no such series.
        DataError
            If the values in `truth` do not follow the series.
        ImportError
            If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
        """
        from rnnkit.integrations import figures, plots

        fitted = self._ready('plot()')
        figures.check_path('plot()', path)
        drawn = pictures.of_fitted(fitted, truth, X, level, ids=ids, past=past)
        return plots.forecasts(drawn, path, axes)

    # --- files ---

    def save(self, path: PathOrFile) -> None:
        """Write the forecaster to a file, with its series; `rnnkit.load` reads it.

        Parameters
        ----------
        path : str, path-like or file object
            Such as ``'sales.rnn'``. A name that promises another format is an error.
        """
        packed, target = files.pack(self._ready('save()')), open_files.target('save(): path', path)
        if not open_files.is_open_file(target):
            file_kinds.check_name('save()', target.name)
        file_format.write(target, packed)

    @classmethod
    def load(cls, path: PathOrFile) -> Self:
        """Return the forecaster of a file."""
        found = load(path)
        if not isinstance(found, cls):
            raise ConfigError(
                f'Forecaster.load(): the file holds a {type(found).__name__}; write '
                f'rnnkit.load(path)'
            )
        return found

    @classmethod
    def _of(cls, fitted: Fitted) -> Self:
        forecaster = cls(**fitted.options.to_spec())
        forecaster._fitted = fitted
        return forecaster

    def __reduce__(self):
        if self._fitted is None:
            return _new, (self.options.to_spec(),)
        return _revived, (file_format.pack(files.pack(self._fitted), 'pickle'),)

    def __repr__(self) -> str:
        shown = [repr(self.options.form), f'size={self.options.size}']
        shown += [f'horizon={self.options.horizon}', f'season={self.options.season}']
        state = 'not fitted' if self._fitted is None else f'{len(self._fitted.panel)} series'
        return f'<Forecaster({", ".join(shown)}): {state}>'

    if not TYPE_CHECKING:  # or checkers would believe that every name exists

        def __getattr__(self, name: str) -> object:
            """Say what replaces a method of other libraries."""
            if name.startswith('_') or name in dir(type(self)):
                return object.__getattribute__(self, name)
            raise AttributeError(foreign_names.of_forecaster(name, dir(self)))

    # --- checks ---

    def _horizon(self, where: str, horizon: int | None) -> int:
        options = self.options
        if horizon is None:
            return options.horizon
        whole(f'{where}: horizon', horizon, 1)
        if horizon > options.horizon and options.mode != 'recursive':
            raise ConfigError(
                f'{where}: horizon={horizon}, but the network predicts {options.horizon} steps; '
                f"make a Forecaster with horizon={horizon}, or with mode='recursive'"
            )
        return horizon

    def _ready(self, where: str) -> Fitted:
        if self._fitted is None:
            raise ConfigError(f'{where}: first call fit()')
        return self._fitted

    @property
    def networks(self) -> list[Regressor]:
        """The trained networks."""
        return self._ready('networks').model.networks

    @property
    def lags_(self) -> tuple[int, ...]:
        """The lags whose naive forecasts the networks read."""
        return self._ready('lags_').model.design.lags

    @property
    def panel(self) -> Panel:
        """The series that were passed to `fit`, with what `update` has added."""
        return self._ready('panel').panel


def _new(spec: dict[str, Any]) -> Forecaster:
    return Forecaster(**spec)


def _revived(content: bytes) -> Forecaster:
    return from_file('pickle', file_format.unpack(content, 'pickle'))


def from_file(name: str, file: file_format.File) -> Forecaster:
    """Return the forecaster that a file holds, for `rnnkit.load`."""
    return Forecaster._of(files.unpack(name, file))
