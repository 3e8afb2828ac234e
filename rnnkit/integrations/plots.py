"""Plots, drawn by matplotlib."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnkit.common.calls import checked
from rnnkit.errors import ConfigError
from rnnkit.forecasting.pictures import Line, Picture
from rnnkit.integrations import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, BLUE = '0.25', 'C0'  # of what came, and of forecasts
MARKED = 60  # of fewer values that came, each is marked


@checked
def gradient_flow(
    flow: Mapping[str, np.ndarray], path: str | None = None, axes: 'Axes | None' = None
) -> 'Figure':
    """Draw the norm of a gradient over time, one line for each recurrent layer.

    Parameters
    ----------
    flow : dict of str to array of shape (T,)
        The result of `gradient_flow` of a network.
    path : str, optional
        A file that the picture is written to.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default a new picture.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        If there is no layer in `flow`.
    ImportError
        If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
    """
    if not isinstance(flow, Mapping) or not flow:
        raise ConfigError(
            f'plots.gradient_flow(): flow must be a result of net.gradient_flow(x, y); got {flow!r}'
        )
    if not all(isinstance(norms, np.ndarray) and norms.ndim == 1 for norms in flow.values()):
        raise ConfigError('plots.gradient_flow(): flow must be a dict of arrays of shape (T,)')
    figures.check_path('plots.gradient_flow()', path)
    if axes is None:
        axes = figures.new((7, 4), path).subplots()
    axes = figures.checked_axes('plots.gradient_flow()', axes)
    for name, norms in flow.items():
        # The logarithm of 0 cannot be drawn: the line has a gap where no gradient arrives.
        points = [norm if 0 < norm < float('inf') else float('nan') for norm in norms]
        axes.plot(points, '-' if len(points) > 1 else 'o', label=name.replace('$', r'\$'))
    axes.set_yscale('log')
    axes.set_xlabel('time step t')
    axes.set_ylabel('‖∂L / ∂h_t‖')
    axes.legend()
    axes.grid(alpha=0.3)
    return figures.finished(figures.root(axes), path)


def forecasts(
    pictures: Sequence[Picture], path: str | None = None, axes: object = None
) -> 'Figure':
    """Draw series with forecasts, one below the other.

    Parameters
    ----------
    pictures : list of rnnkit.forecasting.pictures.Picture
    path : str, optional
        A file that the picture is written to; see `figures.check_path`.
    axes : Axes, or sequence of Axes, optional
        Where to draw, one for each picture; by default a new figure.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    n = len(pictures)
    if axes is None:
        whole = figures.new((8, 3.5 if n == 1 else 0.5 + 2.1 * n), path)
        several = whole.subplots(n, squeeze=False)[:, 0].tolist()
    else:
        several = figures.several_axes('plot()', axes, n, 'series')
        whole = figures.root(several[0])
    for one, picture in zip(several, pictures, strict=True):
        _draw_forecasts(one, picture)
    handles, labels = several[0].get_legend_handles_labels()
    if axes is None:
        whole.legend(handles, labels, loc='outside upper center', ncols=5, fontsize='small')
    else:  # whose figure may have no room above
        several[0].legend(fontsize='small')
    return figures.finished(whole, path)


def _draw_forecasts(axes: 'Axes', picture: Picture) -> None:
    """Draw what came as one line, and above it the bands and lines of forecasts."""
    x, y, truth = picture.x, picture.y, picture.truth
    axes.plot(x, y, _style(y), color=INK, lw=1.1, ms=3, label='history')
    if truth is not None:
        # The line begins at the last value before it, so that there is no gap.
        joined = np.concatenate([x[-1:], truth.x]), np.concatenate([y[-1:], truth.y])
        style = '.-' if len(truth.y) < MARKED else _style(truth.y)
        axes.plot(*joined, style, color=INK, lw=0.8, ms=4, alpha=0.8, label='actual')
    for k, line in enumerate(picture.forecasts):
        _draw_bands(axes, line, is_first=k == 0)
        shown = dict(color=BLUE, lw=1.5, ms=4, label=None if k else 'forecast')
        axes.plot(line.x, line.y, _style(line.y), **shown)
        axes.axvline(line.x[0], color=INK, lw=0.6, ls=':')
    axes.set_title(picture.title, loc='left', fontsize='medium')
    axes.set_ylabel('value')
    axes.grid(alpha=0.3)
    axes.margins(x=0.01)
    _short_dates(axes, picture.x)


def _draw_bands(axes: 'Axes', line: Line, is_first: bool) -> None:
    """Draw the intervals of a forecast, the widest first; one step has bars."""
    for depth, level in enumerate(sorted(line.bands, reverse=True)):
        label = f'{level:g} % interval' if is_first else None
        shade = dict(color=BLUE, alpha=0.15 + 0.12 * depth, label=label)
        if len(line.x) > 1:
            axes.fill_between(line.x, *line.bands[level], lw=0, **shade)
        else:
            axes.vlines(line.x, *line.bands[level], lw=8, **shade)


def _style(y: np.ndarray) -> str:
    """Return a style with dots if lines alone would hide a value: one, or one between gaps."""
    return '-' if len(y) > 1 and not np.isnan(y).any() else '.-'


def _short_dates(axes: 'Axes', x: np.ndarray) -> None:
    if x.dtype.kind == 'M':
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    else:
        axes.set_xlabel('step')
