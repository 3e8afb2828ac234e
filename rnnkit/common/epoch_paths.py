"""Paths with the number of an epoch in them, so that each file is kept."""

import os
import re
from pathlib import Path
from typing import Any

PLACES = re.compile(r'\{(?:epoch)?\}')  # where the number goes


def numbered(path: Any, epoch: int) -> str:
    """Return a path with a number in the place of ``{}`` or ``{epoch}``.

    Examples
    --------
    >>> numbered('net-{epoch}.rnn', 12)
    'net-12.rnn'
    """
    return PLACES.sub(str(epoch), os.fspath(path))


def newest(path: Any) -> Path | None:
    """Return the file of that name, or the one of the latest epoch; None if there is none."""
    path = Path(path)
    parts = PLACES.split(path.name)
    if len(parts) == 1:
        return path if path.exists() else None
    # All places have the same number.
    pattern = re.compile(re.escape(parts[0]) + '([0-9]+)' + r'\1'.join(map(re.escape, parts[1:])))
    found = [
        (int(match[1]), one)
        for one in path.parent.glob('*')
        if (match := pattern.fullmatch(one.name))
    ]
    return max(found)[1] if found else None
