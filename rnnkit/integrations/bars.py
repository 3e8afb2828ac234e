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


def has_widgets() -> bool:
    """Return whether tqdm and the ipywidgets that its bar needs are installed."""
    try:
        import ipywidgets  # noqa: F401 - only whether they are there
        import tqdm  # noqa: F401
    except ImportError:
        return False
    return True


def place() -> 'Place | None':
    """Return a place in the output of the cell that runs now, if IPython runs it."""
    from IPython import get_ipython

    return None if get_ipython() is None else Place()


class Place:
    """A place in the output of a notebook's cell: a line of text, or tqdm's bar of widgets.

    A notebook that was saved and is shown elsewhere has no widgets, but the text that is there in
    the end. Without widgets, texts follow each other in the same place; carriage returns would be
    lines of their own in what nbconvert makes of a notebook.
    """

    def __init__(self) -> None:
        from IPython.display import display

        self._bar: Any = None
        self._has_bar = has_widgets()
        self._cell = _cell()
        self._shown: Any = display({'text/plain': ''}, raw=True, display_id=True)

    @property
    def is_here(self) -> bool:
        """Whether the cell that runs now is still the same."""
        return self._cell == _cell()

    def say(self, text: str) -> None:
        """Show a text, instead of what was there."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._shown.update({'text/plain': text}, raw=True)

    def show(self, done: int, of: int | None, text: str) -> None:
        """Show a text, and in a bar how many epochs are done, of how many if it is known."""
        if not self._has_bar:
            self.say(text)
            return
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=of, unit='epoch', display=False)
            self._shown.update(self._bar.container)
        self._bar.n = done
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.refresh()


def _cell() -> int:
    """Return the number of the cell that runs now."""
    from IPython import get_ipython

    return get_ipython().execution_count
