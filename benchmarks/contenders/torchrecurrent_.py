"""torchrecurrent: recurrent layers of the literature for PyTorch, loops over time in Python."""

import torch
import torchrecurrent
from torch import nn
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1
LAYERS = {  # rnnkit's names
    'antisymmetric': 'AntisymmetricRNN',
    'cfn': 'CFN',
    'cornn': 'coRNN',
    'indrnn': 'IndRNN',
    'janet': 'JANET',
    'lem': 'LEM',
    'ligru': 'LiGRU',
    'mgu': 'MGU',
    'minimalrnn': 'MinimalRNN',
    'mut1': 'MUT1',
    'ran': 'RAN',
    'scrn': 'SCRN',
    'star': 'STAR',
    'ugrnn': 'UGRNN',
}


class Net(nn.Module):
    """A recurrent layer and a linear one."""

    def __init__(self, w: Workload):
        super().__init__()
        self.recurrent = getattr(torchrecurrent, LAYERS[w.cell])(w.I, w.H)
        self.out = nn.Linear(w.H, w.O)

    def forward(self, x):
        """Return the output for every time step."""
        return self.out(self.recurrent(x)[0])


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = Net(workload)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=LEARNING_RATE)
    x, y = (torch.from_numpy(array) for array in workload.batch())

    def train():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        return loss.item()

    def predict():
        with torch.inference_mode():
            return net(x).numpy()

    return {'train': train, 'predict': predict}
