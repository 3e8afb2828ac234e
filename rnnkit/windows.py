"""Windows of time series, for networks that predict the steps that follow.

>>> import numpy as np, rnnkit
>>> windows = rnnkit.windows.of(np.sin(np.arange(200)), past=24, future=6)
>>> net = rnnkit.Regressor([1, ('lstm', 8), 'last', 6], seed=0)
>>> results = net.train(windows.arrays('direct'), epochs=1)
"""

from typing import TYPE_CHECKING

from rnnkit.common import foreign_names
from rnnkit.data.supervised import SeriesWindows, WindowIndex, last, of

__all__ = ['SeriesWindows', 'WindowIndex', 'last', 'of']

if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
