"""PyTorch: nn.LSTM, nn.GRU and nn.RNN, used as in its documentation."""

import torch
from torch import nn
from workloads import LEARNING_RATE, MAX_GRADIENT_NORM, Workload

UPDATES = 1


class Net(nn.Module):
    """Recurrent layers and a linear one."""

    def __init__(self, w: Workload):
        super().__init__()
        kind = {'lstm': nn.LSTM, 'gru': nn.GRU, 'rnn': nn.RNN}[w.cell]
        self.recurrent = kind(w.I, w.H, num_layers=w.depth, bidirectional=w.both_ways)
        self.out = nn.Linear(w.width, w.O)

    def forward(self, x):
        """Return the output for every time step."""
        return self.out(self.recurrent(x)[0])


def build(workload: Workload, threads: int):
    """Return functions that train and predict."""
    return run(Net, workload, threads)


def run(kind: type[nn.Module], workload: Workload, threads: int):
    """Return functions that train a network of some kind and predict with it."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = kind(workload)
    optimizer = torch.optim.RMSprop(net.parameters(), lr=LEARNING_RATE)
    x, y = workload.batch()

    def train():
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        return loss.item()

    def predict():
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    state = None

    def step():
        nonlocal state
        with torch.inference_mode():
            h, state = net.recurrent(torch.from_numpy(x), state)
            return net.out(h).numpy()

    return {'step': step} if workload.stream else {'train': train, 'predict': predict}
