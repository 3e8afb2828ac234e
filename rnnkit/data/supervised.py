"""Windows of time series for supervised learning: past steps, and the steps to predict."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnkit.common import progress
from rnnkit.common.calls import checked, checked_methods
from rnnkit.common.checks import choice, flag, generator, real, whole
from rnnkit.data import series as all_series
from rnnkit.data.arrays import LAYOUTS, MOST
from rnnkit.data.mapped import release
from rnnkit.data.regular import Regular, places
from rnnkit.data.series import Collection
from rnnkit.errors import ConfigError, DataError, ShapeError

CHECKED = 2**16  # rows that are checked at a time
FORMS = ('sequence', 'direct', 'next')


class WindowIndex(NamedTuple):
    """The origin of each window.

    Attributes
    ----------
    series : array of shape (N,)
        The number of its series, or its key if the series came in a dict.
    start : array of int of shape (N,)
        The number of its first step in the series.
    time : array of shape (N,)
        The label of its first step: the index of a frame; without one, as `start`.
    """

    series: np.ndarray
    start: np.ndarray
    time: np.ndarray


class Parts(NamedTuple):
    """The series that windows are cut from, and the settings."""

    series: Collection
    known: Collection | None
    target: list[int]
    past: int
    future: int
    layout: str
    has_y: bool


@checked_methods
class SeriesWindows:
    """Windows of time series: `of` and `last` make them.

    Nothing is copied before it is read: `x`, `known` and `y` are views where the windows of one
    series are equally far apart, and `batches` copies what a batch needs.

    Parameters
    ----------
    parts : Parts
    number, start : arrays of int of shape (N,)
        The series of each window, and its first step there.

    Attributes
    ----------
    past, future : int
        The steps of `x`, and of `y`.

    Examples
    --------
    >>> windows = of(np.arange(7), past=3, future=2)
    >>> len(windows), windows.x.shape, windows.y.shape
    (3, (3, 3, 1), (2, 3, 1))
    >>> windows.x[:, 1, 0].tolist(), windows.y[:, 1, 0].tolist()
    ([1, 2, 3], [4, 5])
    """

    def __init__(self, parts: Parts, number: np.ndarray, start: np.ndarray | Regular):
        self._parts, self._number, self._start = parts, number, start
        self.past, self.future = parts.past, parts.future

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, chosen: object) -> 'SeriesWindows':
        """Return some of the windows: by a slice, an array of numbers, or one of True and False."""
        try:
            if isinstance(chosen, slice):
                return SeriesWindows(self._parts, self._number[chosen], self._start[chosen])
            numbers = np.atleast_1d(places(len(self), chosen))
        except (IndexError, TypeError, ValueError) as error:
            raise ConfigError(f'there are {len(self)} windows: {error}') from None
        return SeriesWindows(self._parts, self._number[numbers], self._start[numbers])

    # --- arrays ---

    @property
    def x(self) -> np.ndarray:
        """The past steps, (past, N, F); (N, past, F) with ``layout='batch'``."""
        return self._view(self._parts.series, 0, self.past)

    @property
    def y(self) -> np.ndarray:
        """The target columns of the future steps, (future, N, O)."""
        return self._view(self._parts.series, *self._ahead('y'))[..., self._columns]

    @property
    def known(self) -> np.ndarray | None:
        """The values of the future steps that are known in advance, (future, N, K), or None."""
        known = self._parts.known
        return None if known is None else self._view(known, self.past, self.future)

    @property
    def index(self) -> WindowIndex:
        """The origin of each window: its series, and its first step there."""
        series = self._parts.series
        start = np.array(self._start)
        labels = series.labels()[series.begins[self._number] + start]
        return WindowIndex(series.ids[self._number], start, labels)

    @property
    def times(self) -> np.ndarray:
        """The labels of the steps of `y`, (future, N); without labels the numbers of the steps."""
        series = self._parts.series
        offset, steps = self._ahead('times')
        return series.labels()[self._at(series, offset, steps)]

    def arrays(self, form: str = 'sequence') -> list[np.ndarray]:
        """Return all windows, as `train` takes them: ``[x, y]``, or ``[x, known, y]``.

        Parameters
        ----------
        form : {'sequence', 'direct', 'next'}
            ``'sequence'``: y is (future, N, O), for a decoder. ``'direct'``: (N, future * O), for a
            network that ends in ``'last'`` and predicts all steps at once; the O numbers of the
            first step come first. ``'next'``: (past, N, O), each target one step after its
            input, for a network that predicts step by step. `known` has the steps of the
            targets; for ``'direct'``, those of ``'sequence'``.
        """
        return self._cut(np.arange(len(self)), choice('arrays(): form', form, FORMS))

    def batches(
        self, size: int = 32, seed: int | np.random.Generator | None = None, form: str = 'sequence'
    ) -> Callable[..., list[np.ndarray]]:
        """Return a callable that draws random windows, as `train` takes it.

        Parameters
        ----------
        size : int
            Windows in a batch; all differ.
        seed : int or numpy.random.Generator, optional
            By default the callable has a parameter, for a generator. `train` then passes one that
            depends on the seed of the training, so that a training that is resumed draws the same.
        form : {'sequence', 'direct', 'next'}
            As in `arrays`.
        """
        choice('batches(): form', form, FORMS)
        whole('batches(): size', size, 1, len(self))

        def draw(rng: np.random.Generator) -> list[np.ndarray]:
            return self._cut(rng.choice(len(self), size, replace=False), form)

        if seed is None:
            return draw
        rng = generator(seed)
        return lambda: draw(rng)

    def split(self, valid: float = 0.2) -> tuple['SeriesWindows', 'SeriesWindows']:
        """Return windows for training and for validation, whose targets do not overlap.

        Parameters
        ----------
        valid : float
            The share of the steps of each series, at its end, whose targets are for validation.
            Windows whose targets are partly before this end are left out.
        """
        real('split(): valid', valid, above=0, below=1)
        lengths = self._parts.series.lengths
        cuts = lengths - np.round(valid * lengths).astype(int)
        if isinstance(self._start, Regular) and len(self) and self._start.step > 0:
            cut = cuts[self._number[0]]
            before = self[: self._start.up_to(cut - self.past - self.future)]
            after = self[self._start.up_to(cut - self.past - 1) :]
        else:
            start, cut = self._start[...], cuts[self._number]
            before = self[start + self.past + self.future <= cut]
            after = self[start + self.past >= cut]
        if not (len(before) and len(after)):
            part = 'training' if len(after) else 'validation'
            raise ShapeError(
                f'split(): with valid={valid} no window is left for {part}; the longest series has '
                f'{lengths.max()} steps, and a window {self.past + self.future}'
            )
        return before, after

    def __repr__(self) -> str:
        parts = self._parts
        n, features = len(parts.series.ids), parts.series.array.shape[1]
        return (
            f'<SeriesWindows: {len(self)} of {self.past} + {self.future} steps, {features} '
            f'feature{"s" * (features > 1)}, from {n} series>'
        )

    # --- cutting ---

    @property
    def _columns(self) -> slice | list[int]:
        target = self._parts.target
        along = target == list(range(target[0], target[0] + len(target)))
        return slice(target[0], target[0] + len(target)) if along else target

    def _ahead(self, what: str) -> tuple[int, int]:
        """Return where the future steps are in a window, and how many there are."""
        if not (self._parts.has_y and self.future):
            raise ConfigError(f'these windows have no {what}: no steps of the series follow them')
        return self.past, self.future

    def _at(self, cut: Collection, offset: int, steps: int, chosen: object = ...) -> np.ndarray:
        """Return the rows of the series that some steps of windows are, (steps, N)."""
        first = cut.begins[self._number[chosen]] + self._start[chosen] + offset
        steps = np.arange(steps)
        return first[:, None] + steps if self._parts.layout == 'batch' else steps[:, None] + first

    def _view(self, cut: Collection, offset: int, steps: int) -> np.ndarray:
        """Return some steps of all windows, without a copy where that is possible."""
        begin, gap = self._distance(cut)
        if gap < 1:
            return cut.array.take(self._at(cut, offset, steps), axis=0)
        # (rows, F, steps): one for each row at which a window may start
        every = np.lib.stride_tricks.sliding_window_view(cut.array, steps, axis=0)
        first = begin + offset
        some = every[first : first + gap * (len(self) - 1) + 1 : gap]
        return some.transpose((0, 2, 1) if self._parts.layout == 'batch' else (2, 0, 1))

    def _distance(self, cut: Collection) -> tuple[int, int]:
        """Return the row of the first window, and the distance of the next; 0 if they differ."""
        if isinstance(self._start, Regular) and len(self):
            return int(cut.begins[self._number[0]]) + self._start.first, self._start.step
        first = cut.begins[self._number] + self._start[...]
        gaps = set(np.diff(first).tolist()) or {1}
        return int(first[0]), min(gaps) if len(gaps) == 1 else 0

    def _cut(self, chosen: np.ndarray, form: str) -> list[np.ndarray]:
        """Return the arrays of some windows."""
        parts = self._parts
        offset, steps = self._ahead('targets')
        if form == 'next':
            offset, steps = 1, self.past
        x = _rows(parts.series, self._at(parts.series, 0, self.past, chosen))
        y = _rows(parts.series, self._at(parts.series, offset, steps, chosen))
        y = y[..., self._columns]
        if form == 'direct':
            by_window = y if parts.layout == 'batch' else y.swapaxes(0, 1)
            y = by_window.reshape(len(chosen), -1)  # (N, future * O)
        if parts.known is None:
            return [x, y]
        at = self._at(parts.known, offset, steps, chosen)
        return [x, _rows(parts.known, at), y]


def _rows(cut: Collection, at: np.ndarray) -> np.ndarray:
    """Return some rows of all series."""
    rows = cut.array.take(at, axis=0)
    release(cut.array, cut.array)
    return rows


@checked
def of(
    series: object,
    past: int,
    future: int = 1,
    stride: int = 1,
    *,
    known: object = None,
    target: object = None,
    layout: str = 'time',
    skip: bool = False,
    missing: bool = False,
) -> SeriesWindows:
    """Cut time series into windows: the past that a network reads, and the future it predicts.

    A window has `past` steps and the `future` steps after them. All windows of each series are
    cut, `stride` steps apart. None reaches from one series into the next.

    Parameters
    ----------
    series : array of shape (T,) or (T, F); frame; Series; list or dict of these
        One series or many, of any lengths, with the same features. An array of three axes has
        several series of one length, in the `layout`. Of a memory map, windows are read when they
        are needed; several of them are joined in memory.
    past, future : int
        Steps of x and of y. With ``future=0`` there is no y.
    stride : int
        Steps from one window to the next.
    known : columns or array, optional
        Values of the future steps that are known in advance, such as the day of the week or a
        price: names or positions of columns of the series; or further arrays with as many steps,
        in the form of `series`.
    target : columns, optional
        The columns to predict, by name or position; by default all.
    layout : {'time', 'batch'}
    skip : bool
        Whether to leave out windows that contain NaN or infinity; by default they are an error.
    missing : bool
        Whether NaN in x is a value that is missing, for a network that treats it, such as by a
        layer 'grud'. In y and `known` it remains an error, or a reason to leave a window out.

    Returns
    -------
    windows : SeriesWindows
        ``windows.x`` (past, N, F), ``windows.y`` (future, N, O), ``windows.known`` (future, N, K),
        ``windows.index``, ``len(windows)``, ``windows.arrays()``, ``windows.batches(32)``.

    Raises
    ------
    ConfigError
        If a setting makes no sense, or there is no such column.
    ShapeError
        If no series is long enough, or an array has other axes than a series. A warning says how
        many series are too short if others are not.
    DataError
        If a series is not numbers, or a window contains NaN or infinity.

    Examples
    --------
    >>> windows = of(np.arange(100), past=24, future=12, stride=4)
    >>> windows
    <SeriesWindows: 17 of 24 + 12 steps, 1 feature, from 1 series>
    >>> [array.shape for array in windows.arrays('direct')]
    [(24, 17, 1), (17, 12)]
    """
    where = 'windows.of()'
    whole(f'{where}: future', future, 0, MOST)
    whole(f'{where}: stride', stride, 1, MOST)
    flag(f'{where}: skip', skip)
    flag(f'{where}: missing', missing)
    parts = _parts(where, series, past, future, known, target, layout)
    lengths, steps = parts.series.lengths, past + future
    _check_lengths(where, lengths, steps, f'past={past}, future={future}')
    if len(lengths) == 1:
        n = int(lengths[0] - steps) // stride + 1
        number = np.broadcast_to(np.zeros((), int), (n,))
        return _usable(where, SeriesWindows(parts, number, Regular(0, stride, n)), skip, missing)
    starts = [np.arange(0, n - steps + 1, stride) for n in lengths]
    number = np.repeat(np.arange(len(lengths)), [len(one) for one in starts])
    return _usable(where, SeriesWindows(parts, number, np.concatenate(starts)), skip, missing)


@checked
def last(
    series: object,
    past: int,
    future: int = 1,
    *,
    known: object = None,
    target: object = None,
    layout: str = 'time',
    missing: bool = False,
) -> SeriesWindows:
    """Return the last `past` steps of each series, from which to predict what follows it.

    Parameters
    ----------
    series, past, future, target, layout, missing
        As in `of`.
    known : array, optional
        Values that are known in advance: in the form of `series`, with `future` further steps.

    Returns
    -------
    windows : SeriesWindows
        One for each series, in their order; they have no y.

    Raises
    ------
    ConfigError, ShapeError, DataError
        As `of`; or if a series is shorter than `past`.

    Examples
    --------
    >>> last(np.arange(100), past=3).x[:, 0, 0].tolist()
    [97, 98, 99]
    """
    where = 'windows.last()'
    flag(f'{where}: missing', missing)
    whole(f'{where}: future', future, 0, MOST)
    if known is not None and all_series.are_columns(known):
        raise ConfigError(
            f'{where}: the columns of the series end with it; pass known as an array that has '
            f'{future} more steps'
        )
    parts = _parts(where, series, past, future, known, target, layout, beyond=future)
    lengths = parts.series.lengths
    short = np.flatnonzero(lengths < past)
    if len(short):
        name, n = parts.series.names[short[0]], lengths[short[0]]
        raise ShapeError(f'{name} has {n} steps; past={past} are needed')
    windows = SeriesWindows(parts, np.arange(len(lengths)), lengths - past)
    return _usable(where, windows, False, missing)


def _parts(
    where: str,
    series: object,
    past: int,
    future: int,
    known: object,
    target: object,
    layout: str,
    beyond: int | None = None,
) -> Parts:
    """Read the arguments that `of` and `last` have in common."""
    choice(f'{where}: layout', layout, LAYOUTS)
    whole(f'{where}: past', past, 1, MOST)
    read = all_series.read(f'{where}: series', series, layout)
    columns = list(range(read.array.shape[1]))
    if target is not None:
        columns = read.find(f'{where}: target', target)
    ahead = None
    if known is not None and all_series.are_columns(known):
        chosen = read.find(f'{where}: known', known)
        each = [one.of_columns(chosen) for one in read.each]
        ahead = Collection(read.array[:, chosen], read.begins, read.ids, each, read.names)
    elif known is not None:
        ahead = all_series.read(f'{where}: known', known, layout)
        _check_alike(read, ahead, beyond or 0)
    return Parts(read, ahead, columns, past, future, layout, beyond is None)


def _check_alike(series: Collection, known: Collection, beyond: int) -> None:
    """Raise a ShapeError unless the known values have the steps of the series, and some beyond."""
    if len(known.ids) != len(series.ids):
        raise ShapeError(
            f'{known.names[0].partition("[")[0]} has {len(known.ids)} series; there are '
            f'{len(series.ids)}'
        )
    for k, (n, m) in enumerate(zip(series.lengths, known.lengths, strict=True)):
        if m != n + beyond:
            more = f', and {beyond} more are needed for the future' if beyond else ''
            raise ShapeError(f'{known.names[k]} has {m} steps; the series has {n}{more}')


def _check_lengths(where: str, lengths: np.ndarray, steps: int, shown: str) -> None:
    """Raise a ShapeError if no series is long enough, and warn if some are not."""
    short = int((lengths < steps).sum())
    if short == len(lengths):
        what = 'the series has' if short == 1 else f'the longest of {short} series has'
        raise ShapeError(
            f'{where}: a window has {steps} steps ({shown}), but {what} {lengths.max()}'
        )
    if short:
        progress.LOGGER.warning(
            '%s: %d of %d series are shorter than a window of %d steps (%s), and are left out',
            *(where, short, len(lengths), steps, shown),
        )


def _usable(where: str, windows: SeriesWindows, skip: bool, missing: bool) -> SeriesWindows:
    """Return the windows without NaN and infinity, or raise a DataError; x may be `missing`."""
    parts = windows._parts
    read = [(parts.series, slice(None), 0, windows.past, missing)]
    if parts.has_y:
        read.append((parts.series, parts.target, windows.past, windows.future, False))
    if parts.known is not None:
        read.append((parts.known, slice(None), windows.past, windows.future, False))
    good: np.ndarray | None = None
    for cut, columns, offset, steps, may in read:
        bad = _not_finite(cut.array, columns, may)
        if not len(bad):
            continue
        first = cut.begins[windows._number] + windows._start[...] + offset
        wrong = np.searchsorted(bad, first + steps) > np.searchsorted(bad, first)
        if wrong.any() and not skip:
            row = bad[np.searchsorted(bad, first[wrong.argmax()])]
            finite = _is_good(cut.array[row], may)
            column = next(c for c in np.arange(len(finite))[columns] if not finite[c])
            otherwise = ', or leave out such windows by skip=True' if parts.has_y else ''
            if offset == 0 and np.isnan(cut.array[row, column]):
                otherwise += ', or pass missing=True for a network that reads NaN as missing'
            raise DataError(f'{cut.place(row, int(column))}; fill it{otherwise}')
        good = ~wrong if good is None else good & ~wrong
    if good is None or good.all():
        return windows
    if not good.any():
        raise DataError(f'{where}: every window contains NaN or infinity')
    return windows[good]


def _is_good(array: np.ndarray, missing: bool) -> np.ndarray:
    """Return which values can be read; NaN can where values may be `missing`."""
    return ~np.isinf(array) if missing else np.isfinite(array)


def _not_finite(array: np.ndarray, columns: object, missing: bool) -> np.ndarray:
    """Return the numbers of the rows that contain NaN or infinity in some columns."""
    found = []
    for start in range(0, len(array), CHECKED):
        piece = array[start : start + CHECKED]
        found.append(start + np.flatnonzero(~_is_good(piece[:, columns], missing).all(axis=1)))
        release(array, piece)
    return np.concatenate(found) if found else np.zeros(0, int)
