"""A network for regression."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rnnkit import metrics
from rnnkit.common.calls import checked_methods
from rnnkit.inference.states import State
from rnnkit.models.files import models
from rnnkit.models.network import Network
from rnnkit.training.protocols import Arrays, Inputs


@models.add('Regressor')
@checked_methods
class Regressor(Network):
    """A network for regression: its targets are arrays of numbers.

    Its parameters and attributes are those of `rnnkit.Network`; the default loss is 'mse', and
    the last layer is linear.

    Examples
    --------
    >>> import numpy as np
    >>> net = Regressor([1, ('rnn', 3), 1], seed=0)
    >>> net.predict(np.zeros((20, 2, 1))).shape         # (T, B, I) -> (T, B, O)
    (20, 2, 1)
    """

    _default_loss = 'mse'
    _output_activation = 'linear'

    def predict(
        self,
        x: Inputs,
        *,
        mask: Arrays | None = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: object,
    ) -> Any:
        """Return the output of the last layer.

        Parameters
        ----------
        x : array of shape (T, B, I)
            (B, T, I) with ``layout='batch'``; (examples, I) in a network without a recurrent
            layer; a list of arrays for a network with several inputs. Any T, any B. It may be a
            list of sequences (T_i, I), whose lengths may differ with ``masked=True``; or one
            series, (T, I) with I > 1, (T,) with I = 1, or a frame.
        mask : array of shape (T, B), optional
            True where a time step is real and False over padding, for a network with
            ``masked=True``; by default all steps are real. Where it is False, `x` may be anything.
        state : dict, optional
            The state that an earlier call returned, as for `step`, to continue from; `x` then
            has only the inputs that have the time axis of the output. By default each call starts
            a new sequence.
        return_state : bool
            Whether to return the state after the last time step, too.
        **noise
            Noise and dropout as in `train`, such as ``hidden_dropout=0.5``, for Monte Carlo
            dropout: each call returns another random sample, or the same one with the same
            ``seed=3``. See Gal & Ghahramani 2016, arXiv:1506.02142, for the mean over many.

        Returns
        -------
        y : array of shape (T, B, O)
            0 over padding; (B, O) if the output has no time axis; for a list of sequences, a
            list of arrays (T_i, O). For one series (T, O), or (T,) if `x` is (T,) and O = 1. A
            loss with several numbers for each target, such as 'gaussian', makes O a multiple of
            the number of targets: see `rnnkit.losses.Loss`.
        state : dict
            Only with `return_state`: a named tuple of arrays (B, size) for each layer with
            a state, by its name; and the outputs of other layers that stay the same.

        Raises
        ------
        ShapeError, DataError
            If `x` is not such an array, or the result is not a number.
        """
        return self._inference.predict('predict()', x, mask, state, return_state, noise)

    def score(
        self, x: Inputs, y: Inputs, weights: Inputs | None = None, mask: Arrays | None = None
    ) -> float:
        """Return R², the coefficient of determination of the predictions; at best 1.

        A loss with several numbers for each target says which of them is compared, such as the
        mean or the median.

        Parameters
        ----------
        x : array of shape (T, B, I)
        y : array of shape (T, B, O)
            The target.
        weights : array of the shape of `y`, or (T, B), or (B,), optional
            Sample weights; where one is 0, the target may be anything.
        mask : array of shape (T, B), optional
            As in `predict`.
        """
        return self._inference.score(self.loss.of_central(metrics.r2), x, y, weights, mask)

    def generate(
        self,
        seed: Inputs,
        steps: int,
        *,
        temperature: float | None = None,
        streams: int = 1,
        start: ArrayLike | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> np.ndarray:
        """Continue a sequence: each step that is generated is the next input.

        With a loss that stands for a distribution, each step is drawn from it: 0 or 1 with 'bce',
        counts with 'poisson', numbers with 'gll', 'gaussian', 'student' and with 'quantile' of
        several q. With other losses, such as 'mse', it is the output itself. See
        `rnnkit.losses.Loss.draw` for losses of your own.

        Parameters
        ----------
        seed : array of shape (T, B, I); or one series, as in `predict`
            The start of the sequence; the network has as many targets as inputs. For a network
            with an encoder, the input of the encoder.
        steps : int
            The number of time steps to generate.
        temperature : float, optional
            By default 1: draws have the density p that the loss stands for. Otherwise it is
            proportional to p to the power of 1 / temperature: 'bce' divides logits by it, 'gll'
            and 'gaussian' multiply variances by it; 'poisson', 'quantile' and 'student' draw at 1
            only. At 0 nothing is drawn, and what `score` compares is the next input as it is: a
            probability, a mean, a location, or the quantile that is nearest to 0.5.
        streams : int
            The number of sequences that are drawn from a single seed, independently.
        start : array of shape (B, I), or anything that is broadcast to it, optional
            For a network with an encoder: the first input of the decoder.
        rng : int or numpy.random.Generator, optional
            A seed or a generator; without one, each call draws other numbers.

        Returns
        -------
        y : array of shape (steps, B, I)
            The time steps that follow the seed; (B, steps, I) with ``layout='batch'``. For one
            series (steps, I), or (steps,). With several streams, B is their number; then the
            result for one series has this axis, too: (steps, streams, I), or (steps, streams).

        Raises
        ------
        ConfigError
            If the output cannot be the next input, a layer needs to see the whole sequence, or
            draws are asked for with a loss that does not draw.
        ShapeError, DataError
            If the seed is not such an array.

        Examples
        --------
        >>> import numpy as np
        >>> net = Regressor([3, ('rnn', 4), 3], loss='bce', seed=0)
        >>> keys = net.generate(np.zeros((1, 3)), 4, streams=5, rng=0)
        >>> keys.shape, sorted(set(keys.ravel().tolist()))
        ((4, 5, 3), [0.0, 1.0])
        """
        return self._inference.generate(seed, steps, temperature, streams, start, rng)
