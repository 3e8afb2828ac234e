"""Progress lines: tqdm's bar, or without tqdm plain numbers."""

from collections.abc import Callable


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
