"""torchrecurrent: recurrent layers of the literature for PyTorch, loops over time in Python."""

import torchrecurrent
from torch import nn
from workloads import OF_TORCHRECURRENT, Workload

from contenders.torch_ import UPDATES, run

__all__ = ['UPDATES', 'build']


class Net(nn.Module):
    """A recurrent layer and a linear one."""

    def __init__(self, w: Workload):
        super().__init__()
        self.recurrent = getattr(torchrecurrent, OF_TORCHRECURRENT[w.cell])(w.I, w.H)
        self.out = nn.Linear(w.H, w.O)

    def forward(self, x):
        """Return the output for every time step."""
        return self.out(self.recurrent(x)[0])


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    return run(Net, workload, threads)
