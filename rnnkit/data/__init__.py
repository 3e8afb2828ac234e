"""Arrays and sequences, from what users pass to batches. NumPy only: knows no graph."""

from rnnkit.data.ragged import pad, unpad
from rnnkit.data.text import Text
from rnnkit.data.windows import Window, Windows, batches, fold

__all__ = ['Text', 'Window', 'Windows', 'batches', 'fold', 'pad', 'unpad']
