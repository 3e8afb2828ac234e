"""Recurrent cells: one recurrence per file, without a time axis."""

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.gru import GRUCell, GRUState
from rnnkit.cells.lstm import LSTMCell, LSTMState
from rnnkit.cells.rnn import RNNCell, RNNState

__all__ = [
    'Cell', 'GRUCell', 'GRUState', 'LSTMCell', 'LSTMState', 'RNNCell', 'RNNState', 'cells',
]  # fmt: skip
