"""Progress lines: tqdm's bar, or without tqdm plain numbers."""

from collections.abc import Callable
from typing import Any


def find() -> Callable[..., str]:
    """Return `bar` if tqdm is installed, else `plain`."""
    try:
        import tqdm  # noqa: F401 - only whether it is there
    except ImportError:
        return plain
    return bar


def plain(
    name: str,
    done: int,
    total: int | None,
    seconds: float,
    note: str,
    columns: int | None = None,
    ascii: bool = False,
) -> str:
    """Return a line of numbers.

    Parameters
    ----------
    name : str
        The name of the epoch, or the like.
    done : int
    total : int, optional
        The number of batches, if it is known.
    seconds : float
        The time that it has taken so far.
    note : str
        Further text.
    columns : int, optional
        The width of the terminal.
    ascii : bool
        Whether it can show nothing but ASCII.

    Examples
    --------
    >>> plain('epoch 3', 40, 100, 2.0, 'loss 0.12')
    'epoch 3: 40/100 batches, loss 0.12'
    """
    count = f'{done}/{total}' if total else f'{done}'
    return f'{name}: {count} batches, {note}'


def bar(
    name: str,
    done: int,
    total: int | None,
    seconds: float,
    note: str,
    columns: int | None = None,
    ascii: bool = False,
) -> str:
    """Return the same as a bar, with the time that is left."""
    from tqdm.std import tqdm

    # Only the text: a bar that draws itself would not know about the log's lines.
    return tqdm.format_meter(
        done, total, seconds, ncols=columns, prefix=name, ascii=ascii, unit='batch', postfix=note
    )


def widget(total: int | None) -> 'Widget | None':
    """Return a bar for a notebook, if tqdm and the ipywidgets that its bar needs are installed."""
    try:
        import ipywidgets  # noqa: F401 - only whether they are there
        import tqdm  # noqa: F401
    except ImportError:
        return None
    return Widget(total)


class Widget:
    """The bar of tqdm for notebooks; when it is closed, a line of text takes its place.

    A notebook that was saved and is shown elsewhere has no widgets, but it has the text.

    Parameters
    ----------
    total : int, optional
        The number of epochs, if it is known.
    """

    def __init__(self, total: int | None):
        from IPython.display import display
        from tqdm.auto import tqdm

        self._bar: Any = tqdm(total=total, unit='epoch', display=False)
        self._place: Any = display(self._bar.container, display_id=True)

    def show(self, done: int, text: str) -> None:
        """Show how many epochs are done, and a text."""
        self._bar.n = done
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.refresh()

    def close(self, text: str) -> None:
        """Put a text in the place of the bar."""
        self._bar.close()
        self._place.update({'text/plain': text}, raw=True)
