"""Recurrent cells: one recurrence per file, without a time axis."""

from rnnkit.cells.base import Cell, cells
from rnnkit.cells.bcrnn import BCRNNCell, BCRNNState
from rnnkit.cells.cfc import CfCCell, CfCState
from rnnkit.cells.clockwork import ClockworkCell, ClockworkState
from rnnkit.cells.cornn import CoRNNCell, CoRNNState
from rnnkit.cells.gru import GRUCell, GRUState
from rnnkit.cells.grud import GRUDCell, GRUDState
from rnnkit.cells.lem import LEMCell, LEMState
from rnnkit.cells.lstm import LSTMCell, LSTMState
from rnnkit.cells.mrnn import MRNNCell, MRNNState
from rnnkit.cells.mut1 import MUT1Cell, MUT1State
from rnnkit.cells.rhn import RHNCell, RHNState
from rnnkit.cells.rnn import RNNCell, RNNState
from rnnkit.cells.rrnn import RRNNCell, RRNNState
from rnnkit.cells.scrn import SCRNCell, SCRNState

__all__ = [
    'BCRNNCell',
    'BCRNNState',
    'Cell',
    'CfCCell',
    'CfCState',
    'ClockworkCell',
    'ClockworkState',
    'CoRNNCell',
    'CoRNNState',
    'GRUCell',
    'GRUDCell',
    'GRUDState',
    'GRUState',
    'LEMCell',
    'LEMState',
    'LSTMCell',
    'LSTMState',
    'MRNNCell',
    'MRNNState',
    'MUT1Cell',
    'MUT1State',
    'RHNCell',
    'RHNState',
    'RNNCell',
    'RNNState',
    'RRNNCell',
    'RRNNState',
    'SCRNCell',
    'SCRNState',
    'cells',
]
