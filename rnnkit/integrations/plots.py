"""Pictures, by matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

from rnnkit.errors import ConfigError


def figure(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Return a new matplotlib figure and its axes, that no window shows."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'rnnkit[plot]'") from error
    picture = Figure(layout='constrained', **kwargs)
    FigureCanvasAgg(picture)
    return picture, picture.subplots(*args)


def history(records: Sequence[dict], path: str | None, keys: Sequence[str]) -> Any:
    """Draw columns of a training's history; see `rnnkit.training.history.History.plot`."""
    if not records:
        raise ConfigError('history.plot(): there is no record yet; train the network first')
    known = {key for record in records for key in record}
    missing = [key for key in keys if key not in known]
    if missing:
        raise ConfigError(
            f'history.plot(): no column {missing[0]!r}; there are: {", ".join(sorted(known))}'
        )
    picture, axes = figure(figsize=(7, 4))
    updates = _running_count([record['updates'] for record in records])
    for key in keys:
        for name, style in ((key, '-'), (f'valid_{key}', 'o-')):
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


def gradient_flow(flow: Mapping[str, Any], path: str | None = None, axes: Any = None) -> Any:
    """Draw the norm of a gradient over time, one line for each recurrent layer.

    Parameters
    ----------
    flow : dict of str to array of shape (T,)
        What `gradient_flow` of a network returned.
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
            f'plots.gradient_flow(): wants what net.gradient_flow(x, y) returns; got {flow!r}'
        )
    if axes is None:
        axes = figure(figsize=(7, 4))[1]
    for name, norms in flow.items():
        # A logarithm has no place for 0: the line is broken where nothing arrives.
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


def _running_count(counts: Sequence[int]) -> list[int]:
    """Let a count that starts afresh with each training go on from where the last one ended."""
    found, done, last = [], 0, 0
    for count in counts:
        done += last if count <= last else 0
        last = count
        found.append(done + count)
    return found
