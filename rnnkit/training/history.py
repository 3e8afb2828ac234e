"""The record of a training."""

from typing import Any


class History(list):
    """One dict for each epoch, with a view by column and a plot.

    Each record has ``epoch``, ``updates`` (so far), ``loss`` and the other monitors of the
    training data (with ``monitors='gradients'`` also norms by parameter, ``'grad(hid1.xh)'``, and
    ``clipped``), ``gradient_norm`` (mean before clipping), ``learning_rate``, ``seconds``;
    and, for epochs after which the network was validated, ``valid_loss`` and so on. A training
    layer by layer adds ``stage``, the layers that it trained.

    Examples
    --------
    >>> history = History([{'epoch': 1, 'loss': 2.0}, {'epoch': 2, 'loss': 1.0}])
    >>> history['loss']
    [2.0, 1.0]
    >>> history[-1]['epoch']
    2
    """

    def __getitem__(self, key: Any) -> Any:
        """Return one record by number, or one column by name (None where it is missing)."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        return [record.get(key) for record in self]

    def plot(self, path: str | None = None, keys: tuple[str, ...] = ('loss',)) -> Any:
        """Plot columns of training and validation data over the number of updates.

        Parameters
        ----------
        path : str, optional
            A file that the picture is written to.
        keys : tuple of str
            The columns; ``'loss'`` also draws ``'valid_loss'``.

        Returns
        -------
        figure : matplotlib.figure.Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed: ``pip install 'rnnkit[plot]'``.
        """
        from rnnkit.integrations import plots

        return plots.history(self, path, keys)


def next_number(history: History) -> int:
    """Return the number of the next training in a history, counted from 1."""
    return 1 + (history[-1].get('training', 0) if history else 0)
