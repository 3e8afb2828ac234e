"""Plots, drawn by matplotlib."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.common import epoch_paths
from rnnkit.common.calls import checked
from rnnkit.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure(figsize: tuple[float, float]) -> 'tuple[Figure, Axes]':
    """Return a new matplotlib figure, which no window shows, and its axes."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'rnnkit[plot]'") from error
    picture = Figure(figsize, layout='constrained')
    FigureCanvasAgg(picture)
    return picture, picture.subplots()


@checked
def history(
    records: Sequence[Mapping[str, Any]], path: str | None, keys: Sequence[str]
) -> 'Figure':
    """Plot columns of a history; see `rnnkit.training.History.plot`."""
    _check_path('history.plot()', path)
    picture, axes = figure(figsize=(7, 4))
    updates = _running_count([record['updates'] for record in records])
    for key in keys:
        for name, style in ((key, '-'), (f'valid_{key}', 'o-'), (f'training_{key}', 'o-')):
            points = [
                (at, r[name])
                for at, r in zip(updates, records, strict=True)
                if r.get(name) is not None
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=name, markersize=3)
    axes.set_xlabel('updates')
    axes.legend()
    axes.grid(alpha=0.3)
    if path is not None:
        picture.savefig(path, dpi=120)
    return picture


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
    if axes is not None and not hasattr(axes, 'set_yscale'):
        raise ConfigError(f'plots.gradient_flow(): axes must be of matplotlib; got {axes!r}')
    _check_path('plots.gradient_flow()', path)
    if axes is None:
        axes = figure(figsize=(7, 4))[1]
    for name, norms in flow.items():
        # The logarithm of 0 cannot be drawn: the line has a gap where no gradient arrives.
        points = [norm if 0 < norm < float('inf') else float('nan') for norm in norms]
        axes.plot(points, '-' if len(points) > 1 else 'o', label=name)
    axes.set_yscale('log')
    axes.set_xlabel('time step t')
    axes.set_ylabel('‖∂L / ∂h_t‖')
    axes.legend()
    axes.grid(alpha=0.3)
    if path is not None:
        axes.figure.savefig(path, dpi=120)
    return axes.figure


def _check_path(where: str, path: object) -> None:
    if path is not None:
        epoch_paths.file_path(f'{where}: path', path)


def _running_count(counts: Sequence[int]) -> list[int]:
    """Return a count over all trainings, from one that restarts with each training."""
    total, done, last = [], 0, 0
    for count in counts:
        done += last if count <= last else 0
        last = count
        total.append(done + count)
    return total
