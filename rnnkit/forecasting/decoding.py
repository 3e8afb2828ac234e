"""Encoder and decoder: one network reads the past, another what is known of each step ahead.

The encoder reads the features of the last steps, up to an origin. The decoder begins with its final
states, reads what is known of the steps ahead, one after another, and predicts how they differ from
the base. The encoder reads as many steps of short series, which begin with copies of their first
features.
"""

from dataclasses import replace

import numpy as np

from rnnkit.cells import cells
from rnnkit.forecasting import features, windows
from rnnkit.forecasting.design import Design
from rnnkit.forecasting.histories import Histories
from rnnkit.forecasting.options import Options
from rnnkit.forecasting.outputs import Head
from rnnkit.models.regressor import Regressor

MOST_NUMBERS = 8_000_000  # of features and outputs at a time


def layers(design: Design, histories: Histories, head: Head, options: Options) -> list[object]:
    """Return the layers of a network: the encoder, the decoder, and the head.

    The head reads what is known of each step, too.
    """
    at, one = histories.end[:1] - 1, np.zeros(1, int)
    known = ahead(design, histories, at, one).shape[-1]
    found: list[object] = [past(design, histories, at, one, 1).shape[-1]]
    found += [(options.form, size) for size in options.sizes]
    found.append({'form': 'input', 'size': known, 'name': 'ahead'})
    below = 'ahead'
    for k, size in enumerate(options.sizes, 1):
        layer = {'form': options.form, 'size': size, 'name': f'ahead{k}', 'inputs': below}
        starts = {f'{part}_0': f'hid{k}' for part in cells[options.form].state._fields}
        found.append({**layer, **starts})
        below = f'ahead{k}'
    return [*found, *head.layers(1, [below, 'ahead'])]


def past(
    design: Design, histories: Histories, at: np.ndarray, series: np.ndarray, steps: int
) -> np.ndarray:
    """Return the inputs of the encoder up to some steps `at` (B,), (steps, B, F)."""
    back = at - np.arange(steps)[::-1, None]  # (T, B)
    back = np.maximum(back, np.minimum(histories.first[series], at))
    return features.read(replace(design, horizon=1), histories, back, series)


def ahead(design: Design, histories: Histories, at: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Return the inputs of the decoder for the steps after some steps `at` (B,), (h, B, D)."""
    unit = features.inverse(histories.unit[at])[:, None]
    bases = histories.bases(at, series, design.horizon)
    gaps = np.stack([gap * unit for gap in features.gaps(design, histories, at, *bases)], axis=-1)
    k = np.arange(1, design.horizon + 1)
    place = np.broadcast_to(k[:, None] / design.horizon, (len(at), design.horizon, 1))
    parts = [np.clip(gaps, -features.LIMIT, features.LIMIT), place]
    if histories.known.shape[1]:
        parts.append(features.known(design, histories, at, series))
    if histories.calendar.shape[1]:
        parts.append(histories.calendar[at[:, None] + k])
    return np.concatenate(parts, axis=-1).swapaxes(0, 1).astype('float32')  # (h, B, D)


def examples(
    design: Design, histories: Histories, at: np.ndarray, series: np.ndarray, stop: np.ndarray
) -> list[np.ndarray]:
    """Return the inputs of the network, its targets (h, B, 1) and weights.

    Parameters
    ----------
    design, histories
    at, series, stop : arrays of int of shape (B,)
        The origins, their series, and the steps where the values of these end.
    """
    pair = features.targets(histories, at, series, stop, design.horizon)  # (B, h)
    y, weights = (part.T[..., None] for part in pair)
    read = past(design, histories, at, series, design.reach)
    return [read, ahead(design, histories, at, series), y, weights]


def draw(
    design: Design, histories: Histories, stop: np.ndarray, steps: int, size: int
) -> windows.Draw | None:
    """Return a callable that draws batches, as `rnnkit.forecasting.windows.draw` does.

    There is one forecast of each window, from its last step.
    """

    def make(at: np.ndarray, series: np.ndarray) -> list[np.ndarray]:
        return examples(design, histories, at, series, stop[series])

    return windows.random_steps(histories, stop, design.horizon, size, make)


def ends(
    design: Design, histories: Histories, tail: np.ndarray, steps: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return examples whose values are those of the tails, for validation.

    Parameters
    ----------
    design, histories, tail, steps, rng
        As in `rnnkit.forecasting.windows.ends`.
    """
    pairs = list(windows.judged(tail, design.horizon))
    series = np.concatenate([one for one, _ in pairs])
    left = np.concatenate([left for _, left in pairs])
    most = max(1, MOST_NUMBERS // _numbers(design, histories))
    if len(series) > most:
        chosen = np.sort(rng.choice(len(series), most, replace=False))
        series, left = series[chosen], left[chosen]
    stop = histories.end[series]
    return examples(design, histories, stop - 1 - left, series, stop)


def run(
    net: Regressor, design: Design, histories: Histories, series: np.ndarray, stop: np.ndarray
) -> np.ndarray:
    """Return the outputs of the network after some steps of some series, (n, P * h).

    P is the number of outputs for each step ahead.
    """
    most = max(1, MOST_NUMBERS // _numbers(design, histories))
    found = []
    for k in range(0, len(series), most):
        at, one = stop[k : k + most] - 1, series[k : k + most]
        read = past(design, histories, at, one, design.reach)
        out = net.predict([read, ahead(design, histories, at, one)])  # (h, B, P)
        found.append(out.transpose(1, 2, 0).reshape(len(one), -1))
    return np.concatenate(found)


def _numbers(design: Design, histories: Histories) -> int:
    """Return the number of inputs that the network reads for one forecast."""
    one = histories.end[:1] - 1, np.zeros(1, int)
    seen = past(design, histories, *one, 1).shape[-1]
    return design.reach * seen + design.horizon * ahead(design, histories, *one).shape[-1]
