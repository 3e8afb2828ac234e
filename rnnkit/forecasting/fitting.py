"""Training of the networks of a forecaster."""

import copy

import numpy as np

from rnnkit.data import datasets
from rnnkit.forecasting import decoding, features, windows
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import Head
from rnnkit.models.regressor import Regressor
from rnnkit.models.sharing import workers
from rnnkit.schedules import Cosine

VALIDATIONS = 20  # in a training
MANY = 100_000  # values, of which on there are the most updates and windows


def tails(histories: Histories, horizon: int) -> np.ndarray:
    """Return the number of values at the end of each series that are held out, (N,).

    Two horizons, and of few series still more, so that there are enough forecasts to judge; but at
    most the horizon and a fifth of a series. Of a short series, a third.
    """
    n, tail, enough = _full_tails(histories, horizon)
    return np.where(enough, tail, n // 3)


def long_enough(histories: Histories, horizon: int) -> np.ndarray:
    """Return of which series a horizon can be held out, (N,): half of one is left to learn from.

    Two horizons and two lags of the base always are enough, see `least_length`.
    """
    return _full_tails(histories, horizon)[2]


def least_length(horizon: int, lag: int) -> int:
    """Return a number of values that is enough for `long_enough`."""
    return 2 * max(horizon, 2) + 2 * lag


def _full_tails(histories: Histories, horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the values of each series, those to hold out, and whether there are enough for it."""
    n = histories.end - histories.first
    more = max(horizon, windows.origins_of_each(len(n)) - 1)
    tail = horizon + np.minimum(more, n // 5)
    return n, tail, n - tail >= max(horizon // 2, 2)


def network(design: Design, histories: Histories, head: Head, options: Options, seed: int):
    """Return a new network: recurrent layers, and the head, which reads the features, too."""
    if design.decodes:
        layers = decoding.layers(design, histories, head, options)
        return Regressor(layers, loss=head.loss(), weighted=True, seed=seed)
    sizes = options.sizes
    layers = [features.count(design, histories), *((options.form, size) for size in sizes)]
    layers += head.layers(design.horizon, [f'hid{len(sizes)}', 'in'])
    return Regressor(layers, loss=head.loss(), weighted=True, seed=seed)


def amounts(options: Options, histories: Histories) -> tuple[int, int]:
    """Return the number of updates of a training, and of windows in a batch."""
    values = int((histories.end - histories.first).sum())
    updates = int(np.clip(2000 * np.sqrt(values / MANY), 500, 2000))
    windows = int(np.clip(32 * np.sqrt(values / MANY), 8, 32))
    return options.updates or updates, options.batch_size or windows


def length(design: Design, histories: Histories, stop: np.ndarray) -> int:
    """Return the number of steps of a training window."""
    longest = int((stop - histories.first).max())
    return design.reach if design.decodes else max(2, min(design.reach, longest - 1))


def train(
    net: Regressor | None,
    design: Design,
    histories: Histories,
    head: Head,
    options: Options,
    tail: np.ndarray,
    updates: int | None,
    seed: int,
) -> tuple[Regressor, int]:
    """Train a network; return it, and the number of updates after which it was best.

    Parameters
    ----------
    net : Regressor, optional
        The network to begin with, which stays as it is; by default a new one.
    design, histories, head, options
    tail : array of int of shape (N,)
        The number of values at the end of each series that are held out, to judge the network. If
        there are none, all updates are made.
    updates : int, optional
        By default all. The learning rate at each is the same for any number.
    seed : int
    """
    net = network(design, histories, head, options, seed) if net is None else copy.copy(net)
    stop = histories.end - tail
    total, size = amounts(options, histories)
    updates = total if updates is None else updates
    steps, source = length(design, histories, stop), decoding if design.decodes else windows
    batches = source.draw(design, histories, stop, steps, size)
    if batches is None:
        return net, updates
    every = max(1, total // VALIDATIONS)
    epochs = max(1, updates // every)
    rate = Cosine(options.learning_rate, total)
    common = dict(algo='adam', learning_rate=rate, max_gradient_norm=1.0, train_batches=every)
    common |= dict(epochs=epochs, seed=seed, verbose=options.verbose)
    rng = np.random.default_rng(seed)
    valid = source.ends(design, histories, tail, steps, rng) if tail.any() else None
    judged = valid is not None and valid[-1].any()
    how = dict(validate_every=1, patience=options.patience)
    if not judged:  # `train` validates at the end at least
        valid = datasets.copied(batches(rng))  # training fills the same arrays again
        how = dict(validate_every=epochs, restore_best=False)
    if not valid[-1].any():
        return net, updates
    with workers.working_for(net) as worker:
        worker.train(batches, valid, **how, **common)
    if not judged:
        return net, updates
    losses = np.array(net.history['valid_loss'], float)
    return net, every * int(np.array(net.history['epoch'])[np.nanargmin(losses)])
