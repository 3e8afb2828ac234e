"""Recurrent cells: one recurrence per file, without a time axis."""

from rnnkit.cells.antisymmetric import AntisymmetricCell, AntisymmetricState
from rnnkit.cells.base import Cell, cells
from rnnkit.cells.bcrnn import BCRNNCell, BCRNNState
from rnnkit.cells.cfc import CfCCell, CfCState
from rnnkit.cells.cfn import CFNCell, CFNState
from rnnkit.cells.clockwork import ClockworkCell, ClockworkState
from rnnkit.cells.cornn import CoRNNCell, CoRNNState
from rnnkit.cells.gru import GRUCell, GRUState
from rnnkit.cells.grud import GRUDCell, GRUDState
from rnnkit.cells.indrnn import IndRNNCell, IndRNNState
from rnnkit.cells.janet import JANETCell, JANETState
from rnnkit.cells.lem import LEMCell, LEMState
from rnnkit.cells.ligru import LiGRUCell, LiGRUState
from rnnkit.cells.lru import LRUCell, LRUState
from rnnkit.cells.lstm import LSTMCell, LSTMState
from rnnkit.cells.mgu import MGUCell, MGUState
from rnnkit.cells.mingru import MinGRUCell, MinGRUState
from rnnkit.cells.minimalrnn import MinimalRNNCell, MinimalRNNState
from rnnkit.cells.minlstm import MinLSTMCell, MinLSTMState
from rnnkit.cells.mrnn import MRNNCell, MRNNState
from rnnkit.cells.mut1 import MUT1Cell, MUT1State
from rnnkit.cells.ran import RANCell, RANState
from rnnkit.cells.rhn import RHNCell, RHNState
from rnnkit.cells.rnn import RNNCell, RNNState
from rnnkit.cells.rrnn import RRNNCell, RRNNState
from rnnkit.cells.scrn import SCRNCell, SCRNState
from rnnkit.cells.slstm import SLSTMCell, SLSTMState
from rnnkit.cells.sru import SRUCell, SRUState
from rnnkit.cells.star import STARCell, STARState
from rnnkit.cells.ugrnn import UGRNNCell, UGRNNState

__all__ = [
    'AntisymmetricCell',
    'AntisymmetricState',
    'BCRNNCell',
    'BCRNNState',
    'CFNCell',
    'CFNState',
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
    'IndRNNCell',
    'IndRNNState',
    'JANETCell',
    'JANETState',
    'LEMCell',
    'LEMState',
    'LRUCell',
    'LRUState',
    'LSTMCell',
    'LSTMState',
    'LiGRUCell',
    'LiGRUState',
    'MGUCell',
    'MGUState',
    'MRNNCell',
    'MRNNState',
    'MUT1Cell',
    'MUT1State',
    'MinGRUCell',
    'MinGRUState',
    'MinLSTMCell',
    'MinLSTMState',
    'MinimalRNNCell',
    'MinimalRNNState',
    'RANCell',
    'RANState',
    'RHNCell',
    'RHNState',
    'RNNCell',
    'RNNState',
    'RRNNCell',
    'RRNNState',
    'SCRNCell',
    'SCRNState',
    'SLSTMCell',
    'SLSTMState',
    'SRUCell',
    'SRUState',
    'STARCell',
    'STARState',
    'UGRNNCell',
    'UGRNNState',
    'cells',
]
