"""The record of a training."""

from typing import Any, SupportsIndex

from rnnkit.callbacks.best import KINDS
from rnnkit.common.calls import checked_methods
from rnnkit.common.spelling import brief, nearest
from rnnkit.errors import ConfigError, NotFoundError

# Columns of which a validation has none.
OWN = {'training', 'epoch', 'updates', 'stage', 'gradient_norm', 'learning_rate', 'seconds'}


@checked_methods
class History(list):
    """One dict for each epoch, with a view by column and a plot.

    Each record has ``epoch``, ``updates`` (so far), ``loss`` and the other monitors of the
    training data (with ``monitors='gradients'`` also norms by parameter, ``'grad(hid1.xh)'``, and
    ``clipped``), ``gradient_norm`` (mean before clipping), ``learning_rate``, ``seconds``;
    and, for epochs after which the network was validated, ``valid_loss`` and so on. Without
    validation data it was evaluated on the training data instead, which gives ``training_loss``
    and so on. A training layer by layer adds ``stage``, the layers that it trained.

    Examples
    --------
    >>> history = History([{'epoch': 1, 'loss': 2.0}, {'epoch': 2, 'loss': 1.0}])
    >>> history['loss']
    [2.0, 1.0]
    >>> history[-1]['epoch']
    2
    """

    def __getitem__(self, key: Any) -> Any:
        """Return one record by number, or one column by name (None where it is missing).

        A slice is a `History` of its own.

        Raises
        ------
        NotFoundError
            If no record has such a column.
        """
        if isinstance(key, str):
            if self:
                self._check_column('history', key)
            return [record.get(key) for record in self]
        if isinstance(key, slice):
            return History(super().__getitem__(key))
        if isinstance(key, bool) or not isinstance(key, SupportsIndex):
            raise ConfigError(
                f"history[...] expects the name of a column, such as 'loss', or the number of a "
                f'record; got {key!r}'
            )
        return super().__getitem__(key)

    def __getattr__(self, name: str) -> Any:
        """Say how a column is written, for ``history.loss`` and ``history.history['loss']``."""
        message = f'History has no attribute {name!r}'
        if name in self.columns:
            message += f'; write history[{name!r}]'
        elif name == 'history':
            message += "; it is the record itself: history['loss'] is a column, history[-1] a row"
        raise AttributeError(message)

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in order."""
        return list(dict.fromkeys(name for record in self for name in record))

    def _check_column(self, where: str, name: object) -> None:
        """Raise a NotFoundError unless there is such a column."""
        columns = self.columns
        what, word = f'{where}: no column {brief(name)}', str(name)
        if word in columns:
            return
        kind, _, rest = word.partition('_')
        kind = 'valid' if kind in ('val', 'validation') else kind
        other = f'{kind}_{rest}'
        if kind in KINDS and rest in set(columns) - OWN:
            there = [k for k in KINDS if any(f'{k}_{c}' in columns for c in columns)]
            if not there and kind == word.partition('_')[0]:
                return  # no epoch was validated yet
            if there == ['training'] and kind == 'valid':
                raise NotFoundError(
                    f"{what}: there were no validation data; 'training_{rest}' is of the training "
                    f'data after each epoch, or hold out a share of them: train(data, valid=0.2)'
                )
            if there == ['valid'] and kind == 'training':
                raise NotFoundError(f"{what}; did you mean 'valid_{rest}', or {rest!r}?")
        if other in columns:
            raise NotFoundError(f'{what}; did you mean {other!r}?')
        near = nearest(other if kind in KINDS else word, columns)
        end = f'did you mean {near!r}?' if near else f'there are {", ".join(columns)}'
        raise NotFoundError(f'{what}; {end}')

    def rename(self, training: int, old: str, new: str) -> None:
        """Rename the columns of one training that begin with `old`."""
        for k, record in enumerate(self):
            if record.get('training') == training:
                self[k] = {
                    f'{new}{name[len(old) :]}' if name.startswith(old) else name: value
                    for name, value in record.items()
                }

    def plot(
        self,
        path: str | None = None,
        keys: str | tuple[str, ...] = ('loss',),
        *,
        axes: object = None,
    ) -> Any:
        """Plot columns of training and validation data over the number of updates.

        Parameters
        ----------
        path : str, optional
            A file that the picture is written to.
        keys : str or tuple of str
            The columns; ``'loss'`` also draws ``'valid_loss'``, or ``'training_loss'``.
        axes : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        figure : matplotlib.figure.Figure
            One that pyplot knows: a notebook shows it, and ``plt.show()`` opens it. With `path`
            pyplot does not know it, so that no window opens.

        Raises
        ------
        NotFoundError
            If there is no such column.
        ImportError
            If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
        """
        from rnnkit.integrations import plots

        if not self:
            raise ConfigError('history.plot(): there is no record yet; train the network first')
        keys = (keys,) if isinstance(keys, str) else keys
        if not isinstance(keys, list | tuple) or not keys:
            raise ConfigError(f"history.plot(): keys must be names such as ('loss',); got {keys!r}")
        for key in keys:
            self._check_column('history.plot()', key)
        return plots.history(self, path, keys, axes)


def next_number(history: History) -> int:
    """Return the number of the next training in a history, counted from 1."""
    return 1 + (history[-1].get('training', 0) if history else 0)
