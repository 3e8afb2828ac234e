"""The networks of `rnnkit.Forecaster` in PyTorch, and the LSTM of neuralforecast."""

import time

import numpy as np

from rnnkit.forecasting import fitted, fitting, panel, windows
from rnnkit.forecasting.building import build
from rnnkit.forecasting.forecaster import Forecaster
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import HEADS
from rnnkit.schedules import Cosine

UPDATES = 300
# Its own network, and one with as many units as rnnkit's. Both read 96 steps, 32 series at a time.
NEURALFORECAST = {
    'own size': {},
    'same size': {'encoder_hidden_size': 32, 'encoder_n_layers': 1},
}


def compare(series, with_torch, with_neuralforecast, horizon=48, season=24):
    """Print the time of some updates in rnnkit, and in the other libraries."""
    options = Forecaster(horizon=horizon, season=season, seed=0).options
    read = panel.read('compare()', series, None, panel.Columns())
    design = fitted._design(read, options)
    histories = build(read.series, design, fitted.room_for(design))
    steps = fitting.length(design, histories, histories.end)
    draw = windows.draw(design, histories, histories.end, steps, 32)
    network = fitting.network(design, histories, HEADS['point'](), options, 0)
    print(f'{network.num_params} parameters, windows of {steps} steps, {UPDATES} updates')
    ours = _rnnkit(network, draw, options)
    if with_torch:
        theirs = min(_torch(network, draw, options, threads) for threads in (1, 2))
        print(f'PyTorch / rnnkit: {theirs / ours:.2f}')
    if with_neuralforecast:
        for name, sizes in NEURALFORECAST.items():
            theirs = _neuralforecast(series, horizon, season, name, sizes)
            print(f'neuralforecast, {name} / rnnkit: {theirs / ours:.2f}')


def _timed(name, train):
    train(5)
    start = time.perf_counter()
    train(UPDATES)
    seconds = time.perf_counter() - start
    print(f'{name}: {seconds:.2f} s, {1000 * seconds / UPDATES:.2f} ms each', flush=True)
    return seconds


def _rnnkit(network, draw, options: Options):
    def train(updates):
        network.train(
            draw,
            algo='adam',
            learning_rate=Cosine(options.learning_rate, updates),
            max_gradient_norm=1.0,
            train_batches=updates,
            epochs=1,
            valid_batches=1,
            restore_best=False,
            progress=False,
            seed=0,
        )

    return _timed('rnnkit', train)


def _torch(network, draw, options: Options, threads):
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    inputs, hidden, outputs = (layer.size for layer in network.layers)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.LSTM(inputs, hidden)
            self.out = nn.Linear(hidden + inputs, outputs)

        def forward(self, x):
            return self.out(torch.cat([self.recurrent(x)[0], x], dim=-1))

    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=options.learning_rate)

    def train(updates):
        rng = np.random.default_rng(0)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
        for _ in range(updates):
            x, y, weights = map(torch.from_numpy, draw(rng))
            optimizer.zero_grad()
            loss = (weights * (net(x) - y).abs()).sum() / weights.sum()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()

    return _timed(f'PyTorch, {threads} threads', train)


def _neuralforecast(series, horizon, season, name, sizes):
    import logging

    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    logging.getLogger('pytorch_lightning').setLevel(logging.ERROR)
    frame = pd.DataFrame(
        {
            'unique_id': np.repeat(np.arange(len(series)), [len(y) for y in series]),
            'ds': np.concatenate([np.arange(len(y)) for y in series]),
            'y': np.concatenate(series),
        }
    )

    def train(updates):
        model = LSTM(
            h=horizon,
            input_size=4 * season,
            **sizes,
            max_steps=updates,
            batch_size=32,
            scaler_type='robust',
            enable_progress_bar=False,
            logger=False,
            accelerator='cpu',
        )
        NeuralForecast(models=[model], freq=1).fit(frame)

    return _timed(f'neuralforecast, {name}', train)
