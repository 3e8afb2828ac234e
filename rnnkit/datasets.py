"""Small data sets for first steps: nothing is downloaded.

>>> import rnnkit
>>> rnnkit.datasets.airline_passengers()[:3]
array([112., 118., 132.])
"""

from typing import TYPE_CHECKING

import numpy as np

from rnnkit.common import checks, foreign_names
from rnnkit.common.calls import checked
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

__all__ = ['airline_passengers', 'waves']

WAVES = ('sine', 'square', 'sawtooth')

# Thousands of passengers in each month, a year in each row.
PASSENGERS = """
112 118 132 129 121 135 148 148 136 119 104 118
115 126 141 135 125 149 170 170 158 133 114 140
145 150 178 163 172 178 199 199 184 162 146 166
171 180 193 181 183 218 230 242 209 191 172 194
196 196 236 235 229 243 264 272 237 211 180 201
204 188 235 227 234 264 302 293 259 229 203 229
242 233 267 269 270 315 364 347 312 274 237 278
284 277 317 313 318 374 413 405 355 306 271 306
315 301 356 348 355 422 465 467 404 347 305 336
340 318 362 348 363 435 491 505 404 359 310 337
360 342 406 396 420 472 548 559 463 407 362 405
417 391 419 461 472 535 622 606 508 461 390 432
"""


def airline_passengers() -> np.ndarray:
    """Return the monthly numbers of international airline passengers from 1949 to 1960.

    Both the numbers and their seasons grow, which makes the series a classic of forecasting.

    Returns
    -------
    series : array of shape (144,)
        Thousands of passengers, from January 1949 to December 1960.

    References
    ----------
    G. E. P. Box and G. M. Jenkins, *Time Series Analysis: Forecasting and Control*,
    Holden-Day 1970, series G.

    Examples
    --------
    >>> series = airline_passengers()
    >>> series.shape, series[-1]
    ((144,), np.float64(432.0))
    """
    return np.array(PASSENGERS.split(), float)


@checked
def waves(
    n: int, *, seed: int = 0, lengths: tuple[int, int] = (20, 60), noise: float = 0.3
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return noisy waves of different lengths, and the names of their forms.

    Each wave is a sine, a square or a sawtooth between -1 and 1, with a period of 8 to 16 steps
    and a random phase; normal noise is added.

    Parameters
    ----------
    n : int
        The number of waves.
    seed : int
        The seed of the random numbers.
    lengths : pair of int
        The least and the greatest number of steps.
    noise : float
        The standard deviation of the noise.

    Returns
    -------
    sequences : list of n arrays of shape (T, 1)
        The waves, float32; T is the length of each.
    names : array of n strings
        ``'sine'``, ``'square'`` or ``'sawtooth'`` for each.

    Raises
    ------
    ConfigError
        If `n` or a length is not a whole number of at least 1, the lengths are not in order, or
        the noise is negative.

    Examples
    --------
    >>> sequences, names = waves(100)
    >>> sequences[0].shape, str(names[0])
    ((36, 1), 'sawtooth')
    """
    n = checks.whole('waves(): n', n, 1)
    rng = np.random.default_rng(checks.whole('waves(): seed', seed))
    noise = checks.real('waves(): noise', noise, least=0)
    if not isinstance(lengths, tuple | list) or len(lengths) != 2:
        raise ConfigError(
            f'waves(): lengths must be the least and the greatest number of steps, such as '
            f'(20, 60); got {brief(lengths)}'
        )
    least = checks.whole('waves(): the least length', lengths[0], 1)
    most = checks.whole('waves(): the greatest length', lengths[1], least)
    names = np.array(WAVES)[rng.integers(len(WAVES), size=n)]
    sequences = []
    for name in names:
        steps = np.arange(rng.integers(least, most + 1))  # (T,)
        turns = steps / rng.uniform(8, 16) + rng.uniform()
        sine = np.sin(2 * np.pi * turns)
        wave = {'sine': sine, 'square': np.sign(sine), 'sawtooth': 2 * (turns % 1) - 1}[str(name)]
        noisy = wave + noise * rng.standard_normal(len(wave))
        sequences.append(noisy[:, None].astype(np.float32))  # (T, 1)
    return sequences, names


if not TYPE_CHECKING:  # or checkers would believe that every name exists
    __getattr__ = foreign_names.of_module(__name__)
