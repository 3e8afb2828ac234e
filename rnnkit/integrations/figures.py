"""Figures of matplotlib: pyplot knows them, unless they only go to a file, and shows each once."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rnnkit.common import epoch_paths
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120  # of files


def new(figsize: tuple[float, float], path: object = None) -> 'Figure':
    """Return a new figure without axes.

    Without a path pyplot knows the figure: it appears in notebooks, and ``plt.show()`` opens it.
    A figure that is written to a file is for that file alone. pyplot does not know it, so that no
    window opens, a display is not needed, and a loop that writes many of them leaves none open.

    Parameters
    ----------
    figsize : (float, float)
        Width and height in inches.
    path : str or path-like, optional
        Where the figure will be written.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    check_installed()
    if path is None:
        from matplotlib import pyplot

        return pyplot.figure(figsize=figsize, layout='constrained')
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def finished(figure: 'Figure', path: str | None) -> 'Figure':
    """Write a figure to a file, if there is a path, and return it for the user."""
    if path is not None:
        figure.savefig(path, dpi=DPI)
    figure._ipython_display_ = partial(_display, figure)  # type: ignore[attr-defined]
    return figure


def _display(figure: 'Figure') -> None:
    """Let a notebook show a figure that is the value of a cell, and not again at the cell's end.

    The inline backend shows all figures of pyplot at the end of a cell, and then forgets them. One
    that is also the cell's value would be there twice, so it is forgotten now.
    """
    import matplotlib
    from matplotlib import pyplot

    if 'inline' in matplotlib.get_backend().lower():
        if (
            not pyplot.get_fignums()
        ):  # the backend may not be loaded yet: only then it shows figures
            pyplot.close(pyplot.figure())
        pyplot.close(figure)
    raise NotImplementedError  # IPython then displays it like any other figure


def root(axes: 'Axes') -> 'Figure':
    """Return the figure that axes are in, also if they are in a part of it."""
    return axes.figure.canvas.figure


def checked_axes(where: str, axes: object) -> 'Axes':
    """Return axes that a user passes; raise a ConfigError for anything else."""
    check_installed()
    from matplotlib.axes import Axes

    if isinstance(axes, Axes):
        return axes
    raise ConfigError(
        f'{where}: axes must be Axes of matplotlib, as of figure, axes = plt.subplots(); got '
        f'{brief(axes)}'
    )


def several_axes(where: str, axes: object, n: int, of: str) -> 'list[Axes]':
    """Return as many axes as there are pictures.

    Parameters
    ----------
    where : str
        The call, for messages.
    axes : Axes, or a sequence or array of Axes
    n : int
        The number of pictures.
    of : str
        What each picture shows, for messages: ``'series'``.

    Raises
    ------
    ConfigError
        If it is something else, or another number.
    """
    flat = axes.ravel().tolist() if hasattr(axes, 'ravel') else axes
    given = list(flat) if isinstance(flat, Sequence) and not isinstance(flat, str) else [flat]
    found = [checked_axes(where, one) for one in given]
    if len(found) != n:
        raise ConfigError(
            f'{where}: axes must be {n}, one for each {of}; got {len(found)}. Make them by '
            f'figure, axes = plt.subplots({n})'
        )
    return found


def check_path(where: str, path: object) -> None:
    """Raise a ConfigError unless `path` is None or the path of a file."""
    if path is not None:
        epoch_paths.file_path(f'{where}: path', path)


def check_installed() -> None:
    """Raise an ImportError that says what to do if matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'rnnkit[plot]'") from error
