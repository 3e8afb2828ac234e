"""Windows of long series: at random, or in order with a state that is carried.

NumPy only.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked, checked_methods
from rnnkit.common.checks import choice, generator, whole
from rnnkit.common.spelling import brief
from rnnkit.data.arrays import LAYOUTS, MOST, as_plain
from rnnkit.data.mapped import is_mapped, release
from rnnkit.data.share import WHOLE, Share
from rnnkit.errors import ShapeError


@checked_methods
class Window(list):
    """The arrays of one batch, and whether it goes on where the batch before it ended.

    Parameters
    ----------
    arrays : sequence of arrays
    fresh : bool
        Whether a new series begins here, so that a carried state must be reset.
    """

    def __init__(self, arrays: Sequence[np.ndarray], fresh: bool):
        super().__init__(arrays)
        self.fresh = fresh


def is_fresh(batch: object) -> bool:
    """Return whether a new series begins with `batch`, as in every batch that is no `Window`."""
    return getattr(batch, 'fresh', True)


@checked_methods
class Windows:
    """Long series cut along time: all windows of one group of series, in order, then the next.

    Reading it gives a `Window` at a time, and nothing is shuffled. The last window of a series
    may be shorter. A part of a pass (`n_batches`) goes on where the last part ended, so that the
    first window of an epoch is fresh only where a series begins with it.

    Parameters
    ----------
    arrays : sequence of arrays
    axes : sequence of int
        The axis of each array that counts series.
    time_axes : sequence of (int or None)
        The axis of each array that counts time; None for an array without one, which is the same
        in all windows.
    steps : int
        The length of a window.
    batch_size : int, optional
        How many series are side by side in a batch; by default all.
    n_batches : int, optional
        How many windows make an epoch; by default all.
    share : Share
        Which part of the series of each batch is taken.
    """

    def __init__(
        self,
        arrays: Sequence[np.ndarray],
        axes: Sequence[int],
        time_axes: Sequence[int | None],
        steps: int,
        batch_size: int | None = None,
        n_batches: int | None = None,
        share: Share = WHOLE,
    ):
        whole('steps', steps, 1)
        self.arrays, self.axes, self.time_axes = list(arrays), list(axes), list(time_axes)
        self.n_examples = self.arrays[0].shape[self.axes[0]]
        lengths = {a.shape[t] for a, t in zip(arrays, time_axes, strict=True) if t is not None}
        if len(lengths) != 1:
            raise ShapeError(
                f'windows are cut from arrays of one length in time; got {sorted(lengths)}'
            )
        (self.length,) = lengths
        self.steps = min(steps, self.length)
        self.batch_size = min(batch_size or self.n_examples, self.n_examples)
        groups = -(-self.n_examples // self.batch_size)
        self.batches_of_a_pass = groups * -(-self.length // self.steps)
        self.n_batches = n_batches or self.batches_of_a_pass
        self.share = share
        self._drawn = 0  # windows so far

    def __iter__(self) -> Iterator[Window]:
        of_a_series = -(-self.length // self.steps)
        for _ in range(self.n_batches):
            group, k = divmod(self._drawn % self.batches_of_a_pass, of_a_series)
            self._drawn += 1
            first = group * self.batch_size
            ours = self.share.of(min(self.batch_size, self.n_examples - first))
            series = slice(first + ours.start, first + ours.stop)
            time = slice(k * self.steps, (k + 1) * self.steps)
            yield Window(
                [self._cut(n, series, time) for n in range(len(self.arrays))], fresh=k == 0
            )

    def __repr__(self) -> str:
        return (
            f'<Windows: {self.n_batches} of {self.steps} of {self.length} steps, batches of '
            f'{self.batch_size}>'
        )

    @property
    def one_pass(self) -> bool:
        """Whether each reading gives the same windows."""
        return self.n_batches == self.batches_of_a_pass

    def in_order(self, n_batches: int | None = None) -> 'Windows':
        """Return the same windows from their beginning, without copying them."""
        return Windows(
            self.arrays,
            self.axes,
            self.time_axes,
            self.steps,
            self.batch_size,
            n_batches,
            self.share,
        )

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream."""
        return {'drawn': self._drawn}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `get_state` was."""
        self._drawn = int(state['drawn'])

    def describe(self) -> list[list[int]]:
        """Return the shapes of the arrays."""
        return [list(array.shape) for array in self.arrays]

    def _cut(self, k: int, series: slice, time: slice) -> np.ndarray:
        index = [slice(None)] * self.arrays[k].ndim
        index[self.axes[k]] = series
        if self.time_axes[k] is not None:
            index[self.time_axes[k]] = time
        return np.ascontiguousarray(self.arrays[k][tuple(index)])


@checked
def fold(series: ArrayLike, streams: int, layout: str = 'time') -> np.ndarray:
    """Cut one long series into streams that lie side by side, as language models do.

    Stream k has the steps from ``k * T`` to ``(k + 1) * T``. Windows of the result, in their
    order, go on where the last ones ended, so that a state can be carried from each to the next.

    Parameters
    ----------
    series : (T_total, ...)
    streams : int
        How many streams: the B of the batches.
    layout : {'time', 'batch'}

    Returns
    -------
    array : (T, B, ...)
        T is ``T_total // streams``; the steps that are left over are dropped. Of a memory map it
        is a view.

    Raises
    ------
    ConfigError
        If `streams` or `layout` makes no sense.
    ShapeError
        If the series has fewer steps than there are streams.

    Examples
    --------
    >>> fold(range(7), 2).T.tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    choice('fold(): layout', layout, LAYOUTS)
    whole('fold(): streams', streams, 1)
    series = as_plain('fold(): series', series)
    if series.ndim == 0:
        raise ShapeError(
            f'fold(): series must be an array whose first axis is time; got {_shown(series)}'
        )
    total = len(series)
    if total < streams:
        raise ShapeError(f'fold(): a series of {total} steps cannot be cut into {streams} streams')
    T = total // streams
    array = series[: T * streams].reshape(streams, T, *series.shape[1:])
    if layout == 'batch':
        return array
    turned = array.swapaxes(0, 1)
    return turned if is_mapped(series) else np.ascontiguousarray(turned)


def _shown(single: np.ndarray) -> str:
    """Return what a user passed instead of an array: NumPy has made it one without axes."""
    value = single.item()
    if isinstance(value, Iterator):
        return f'an iterator, {type(value).__name__}; make it a list'
    return brief(value)


@checked
def batches(
    arrays: ArrayLike | Sequence[ArrayLike],
    steps: int = 100,
    batch_size: int = 64,
    rng: int | np.random.Generator | None = None,
    layout: str = 'time',
) -> Callable[[], list[np.ndarray]]:
    """Return a callable that draws windows from long series, as `train` takes it.

    Parameters
    ----------
    arrays : array (T_total, ...) or list of such arrays
        Series that belong together, such as inputs and targets. From each the same windows
        are drawn.
    steps : int
        The length of a window.
    batch_size : int
        Windows in a batch. Each may start anywhere, and they may overlap.
    rng : int or numpy.random.Generator, optional
        A seed or a generator; by default every callable draws other windows.
    layout : {'time', 'batch'}

    Returns
    -------
    draw : callable
        Each call returns a list with an array (steps, batch_size, ...) for each series;
        (batch_size, steps, ...) with ``layout='batch'``.

    Raises
    ------
    ConfigError
        If a setting makes no sense.
    ShapeError
        If the series differ in length, or are shorter than a window.

    Examples
    --------
    >>> series = np.sin(np.arange(1000.0))[:, None]
    >>> draw = batches([series[:-1], series[1:]], steps=20, batch_size=8, rng=0)
    >>> [array.shape for array in draw()]
    [(20, 8, 1), (20, 8, 1)]
    """
    choice('batches(): layout', layout, LAYOUTS)
    whole('batches(): steps', steps, 1)
    whole('batches(): batch_size', batch_size, 1)
    whole('batches(): batch_size', batch_size, 1, MOST)
    rng = generator(rng)
    given = list(arrays) if isinstance(arrays, list | tuple) else [arrays]
    series = [as_plain(f'batches(): arrays[{k}]', one) for k, one in enumerate(given)]
    single = [array for array in series if array.ndim == 0]
    if not series or single:
        got = _shown(single[0]) if single else 'an empty list'
        raise ShapeError(f'batches(): arrays must be arrays whose first axis is time; got {got}')
    total = len(series[0])
    for k, array in enumerate(series):
        if len(array) != total:
            raise ShapeError(
                f'batches(): arrays[{k}] has {len(array)} steps, but arrays[0] has {total}'
            )
    if total < steps:
        raise ShapeError(
            f'batches(): the series has {total} steps; windows of {steps} do not fit; try '
            f'steps={max(total // 2, 1)}'
        )
    offsets = np.arange(steps)[:, None]

    def draw() -> list[np.ndarray]:
        at = offsets + rng.integers(total - steps + 1, size=batch_size)  # (T, B)
        if layout == 'batch':
            at = at.T
        drawn = [array.take(at, axis=0) for array in series]
        for array in series:
            release(array, array)
        return drawn

    return draw
