"""The picture of a history: curves of training and validation over the number of updates."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rnnkit.common.checks import flag
from rnnkit.errors import ConfigError, NotFoundError
from rnnkit.integrations import figures
from rnnkit.training import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WHERE = 'history.plot()'
RATE = 'learning_rate'
DECADES = 100  # ratio of the largest to the smallest value above which an axis is logarithmic
MARKED = 30  # of fewer points, each is marked
NAMED = 6  # of more trainings, none is named
LABELS = {RATE: 'learning\nrate', 'seconds': 'seconds per epoch', 'gradient_norm': 'gradient norm'}
# How the name of a column begins, and its curve: the label and the colour.
CURVES = {
    '': ('training', 'C0'),
    'valid_': ('validation', 'C1'),
    'training_': ('training, after the epoch', 'C2'),
}
BEST = dict(marker='*', ms=13, mec='0.15', mew=0.7, ls='none', zorder=5)

Points = list[tuple[float, float]]


class Part(NamedTuple):
    """One training, or one stage of it.

    Attributes
    ----------
    records : History
    x : list of float
        The number of updates after each epoch, over all trainings.
    """

    records: History
    x: list[float]

    def points(self, column: str) -> Points:
        """Return the points of a column; epochs without a value have none."""
        pairs = zip(self.x, self.records, strict=True)
        found = [(x, record[column]) for x, record in pairs if record.get(column) is not None]
        return [(x, value if math.isfinite(value) else math.nan) for x, value in found]


class Panel(NamedTuple):
    """The curves of one pair of axes.

    Attributes
    ----------
    key : str
        The column of the training.
    columns : dict of str to (label, colour)
        All columns that are drawn.
    is_log : bool
    """

    key: str
    columns: dict[str, tuple[str, str]]
    is_log: bool


def draw(
    history: History,
    path: str | None,
    keys: Sequence[str],
    *,
    log: object,
    learning_rate: object,
    axes: object,
) -> 'Figure':
    """Draw some columns of a history; see `rnnkit.training.History.plot`."""
    figures.check_path(WHERE, path)
    names = [*keys, *([RATE] if _has_rate(history, keys, learning_rate, axes) else [])]
    is_log = None if log is None else flag(f'{WHERE}: log', log)
    parts = _parts(history)
    panels = [_panel(history, parts, name, is_log if name in keys else None) for name in names]
    if axes is None:
        heights = [1.0 if name not in keys else 3.0 for name in names]
        figure = figures.new((7, 1.2 + 0.95 * sum(heights)), path)
        ratios = {'height_ratios': heights}
        several = figure.subplots(
            len(names), sharex=True, squeeze=False, gridspec_kw=ratios
        ).ravel()
    else:
        several = figures.several_axes(WHERE, axes, len(names), 'column')
        figure = figures.root(several[0])
    for one, panel in zip(several, panels, strict=True):
        _draw_panel(one, panel, parts)
        _mark_best(one, panel, parts, history)
    _name_parts(several[0], parts)
    _finish(figure, several, own=axes is None, counted=_is_counted(history))
    return figures.finished(figure, path)


def _has_rate(history: History, keys: Sequence[str], wanted: object, axes: object) -> bool:
    """Return whether there is a panel of the learning rate below the others."""
    if wanted is None:
        values = {record[RATE] for record in history if record.get(RATE) is not None}
        return len(values) > 1 and RATE not in keys and axes is None
    wanted = flag(f'{WHERE}: learning_rate', wanted)
    if wanted and axes is not None:
        raise ConfigError(
            f'{WHERE}: learning_rate=True makes axes of its own; to draw it in given axes, write '
            f"keys=('loss', 'learning_rate') and axes=(first, second)"
        )
    if wanted and RATE not in history.columns:
        raise NotFoundError(f'{WHERE}: there is no learning rate; this update rule has none')
    return wanted and RATE not in keys


def _is_counted(history: History) -> bool:
    return all('updates' in record for record in history)


def _parts(history: History) -> list[Part]:
    """Return the trainings, with updates counted over all of them."""
    parts, done = [], 0.0
    for records in history.trainings():
        counts = records['updates'] if _is_counted(history) else range(1, len(records) + 1)
        parts.append(Part(records, [done + count for count in counts]))
        done = parts[-1].x[-1]
    return parts


def _panel(history: History, parts: Sequence[Part], key: str, is_log: bool | None) -> Panel:
    """Return a panel, once its values are checked."""
    there = history.columns
    prefix = next((p for p in ('valid_', 'training_') if key.startswith(p) and key in there), '')
    columns = {key: CURVES[prefix]}
    if not prefix:
        columns |= {f'{p}{key}': curve for p, curve in CURVES.items() if f'{p}{key}' in there}
    for column in columns:
        for record in history:
            if isinstance(record.get(column), str):
                raise ConfigError(f'{WHERE}: column {column!r} has text, which cannot be drawn')
    values = [y for part in parts for name in columns for _, y in part.points(name)]
    values = [y for y in values if not math.isnan(y)]
    least = min(values, default=0.0)
    if is_log and values and least <= 0:
        raise ConfigError(
            f'{WHERE}: log=True needs values above 0, but {key!r} has {least:g}; leave log out'
        )
    if is_log is None:
        is_log = least > 0 and max(values) > DECADES * least
    return Panel(key, columns, is_log)


def _draw_panel(axes: 'Axes', panel: Panel, parts: Sequence[Part]) -> None:
    """Draw the curves, each training apart."""
    lone = len(panel.columns) == 1 and panel.columns[panel.key] == CURVES['']
    seen = []
    for column, (label, color) in panel.columns.items():
        curves = [part.points(column) for part in parts]
        values = [y for points in curves for _, y in points]
        # Between gaps a line alone would hide a value.
        style = 'o-' if len(values) <= MARKED or any(map(math.isnan, values)) else '-'
        name: str | None = None if lone and panel.key != 'loss' else label
        for points in filter(None, curves):
            x, y = zip(*points, strict=True)
            axes.plot(x, y, style, color=color, ms=3, lw=1.3, label=name)
            name = None
        seen += [y for y in values if not math.isnan(y)]
    for part in parts[:-1]:
        axes.axvline(part.x[-1], color='0.4', lw=0.8, ls=':')
    axes.set_yscale('log' if panel.is_log else 'linear')
    axes.set_ylabel(LABELS.get(panel.key, panel.key))
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    if not seen:
        axes.text(0.5, 0.5, 'no finite value', ha='center', transform=axes.transAxes, color='0.4')
        axes.set_yticks([])


def _mark_best(axes: 'Axes', panel: Panel, parts: Sequence[Part], history: History) -> None:
    """Mark the best validation of each training by a star."""
    best = history.best()
    label: str | None = 'best of each training'
    if len(best) == 1 and 'epoch' in best[0]:
        label = f'best: epoch {best[0]["epoch"]}'
    where = {id(r): x for part in parts for r, x in zip(part.records, part.x, strict=True)}
    for record in best:
        for column, (_, color) in panel.columns.items():
            value = record.get(column)
            if color != CURVES[''][1] and value is not None and math.isfinite(value):
                axes.plot(where[id(record)], value, color=color, label=label, **BEST)
                label = None


def _name_parts(axes: 'Axes', parts: Sequence[Part]) -> None:
    """Write the names of trainings, or of stages of one, above the axes."""
    if not 1 < len(parts) <= NAMED:
        return
    begin = 0.0
    for part in parts:
        first = part.records[0]
        name = first.get('stage') or f'training {first.get("training", "")}'.strip()
        place = axes.get_xaxis_transform()
        middle = (begin + part.x[-1]) / 2
        axes.text(middle, 1.01, name, ha='center', transform=place, fontsize='small', color='0.3')
        begin = part.x[-1]


def _finish(figure: 'Figure', several: 'Sequence[Axes]', own: bool, counted: bool) -> None:
    """Draw the legend and name the horizontal axis."""
    for axes in several if not own else several[-1:]:
        axes.set_xlabel('updates' if counted else 'epochs')
    if not own:
        for axes in several:
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize='small')
        return
    entries = {}
    for axes in several:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        place = dict(loc='outside upper center', ncols=4, fontsize='small')
        figure.legend(entries.values(), entries.keys(), **place)
