"""Networks that learn to say again what they have read."""

from numbers import Integral
from typing import Any

import numpy as np

from rnnkit import metrics
from rnnkit.common.checks import generator
from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError, DataError
from rnnkit.inference.streaming import State
from rnnkit.models.files import models
from rnnkit.models.network import Network


@models.add('Autoencoder')
class Autoencoder(Network):
    """A network whose target is its input, by way of layers that keep only what matters.

    Its parameters and attributes are those of `rnnkit.Network`; the loss is 'mse' unless another
    one is named, and the last layer linear. It has one input, and as many outputs as this has
    features. A batch is x alone, as an array or as ``[x]``; ``[x, weights]`` with
    ``weighted=True``, ``[x, mask]`` or a list of sequences with ``masked=True``. Noise and
    dropout act on what the network reads; the target stays as it is.

    Where the middle has no time axis, the number of time steps is fixed:
    ``[3, ('lstm', 8), 'last', ('repeat', 10), ('lstm', 8), 3]``. Shorter sequences of a list are
    padded to it, in a network with ``masked=True``.

    Raises
    ------
    ConfigError
        If there are several inputs or an embedding, or the output has another size, or other time
        steps, than the input.

    Examples
    --------
    >>> import numpy as np
    >>> net = Autoencoder([4, 2, ('tied', 4)], seed=0)
    >>> x = np.ones((5, 4))
    >>> net.encode(x).shape
    (5, 2)
    >>> np.allclose(net.decode(net.encode(x)), net.predict(x))
    True
    """

    default_loss = 'mse'
    output_activation = 'linear'
    reconstructs = True

    def predict(
        self,
        x: Any,
        *,
        mask: Any = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: Any,
    ) -> Any:
        """Return the reconstruction of `x`.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `Regressor.predict`.
        mask, state, return_state, **noise
            Likewise.

        Returns
        -------
        y : array of the shape of `x`
            0 over padding; a list of arrays for a list of sequences.
        state : dict
            Only with `return_state`.

        Raises
        ------
        ShapeError, DataError
            If `x` is not such an array.
        """
        return self.inference.predict('predict()', x, mask, state, return_state, noise)

    def encode(
        self,
        x: Any,
        layer: str | int | None = None,
        sample: bool = False,
        rng: Any = None,
        mask: Any = None,
    ) -> Any:
        """Return what a hidden layer makes of `x`.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `predict`.
        layer : str or int, optional
            The name or the number of a layer, ``'hid1'`` or 1; or the name of one of its outputs,
            ``'hid1:c'``. By default the layer in the middle, number ``len(layers) // 2``.
        sample : bool
            Draw 0 or 1 instead, with the output as the probability of 1.
        rng : int or numpy.random.Generator, optional
            A seed or a generator for it; without one, each call draws other numbers.
        mask : array of shape (T, B), optional
            Where steps are real, for a network with ``masked=True``.

        Returns
        -------
        z : array of shape (T, B, size), or (B, size) if the output has no time axis
            0 over padding; a list of arrays (T_i, size) for a list of sequences. Whole numbers
            (uint8) with `sample`.

        Raises
        ------
        ConfigError
            If there is no such layer or output.
        ShapeError, DataError
            If `x` is not usable, or outputs to sample from are no probabilities.
        """
        if not sample and rng is not None:
            raise ConfigError('encode(): rng is for sample=True')
        name = self._output_name('encode()', layer)
        z = self.inference.output('encode()', name, x, mask)
        if not sample:
            return z
        rng = generator(rng)
        if isinstance(z, list):
            return [_drawn(name, one, rng) for one in z]
        return _drawn(name, z, rng)

    def decode(self, z: Any, layer: str | int | None = None, mask: Any = None) -> Any:
        """Return the reconstruction from what a hidden layer has made of something.

        Parameters
        ----------
        z : array of shape (T, B, size), or (B, size)
            As `encode` returned it, or any other values.
        layer : str or int, optional
            Which output it is, as in `encode`. Layers before are not computed.
        mask : array of shape (T, B), optional
            Where steps of z are real, for a network with ``masked=True``; by default everywhere.

        Returns
        -------
        y : array of shape (T, B, I), or (B, I) in a network without time
            A list of arrays for a list of sequences.

        Raises
        ------
        ConfigError
            If there is no such output, or a later layer reads something else from before.
        ShapeError, DataError
            If `z` is not such an array.
        """
        name = self._output_name('decode()', layer)
        try:
            return self.inference.rest('decode()', name, z, mask)
        except ConfigError as error:
            if str(error).startswith('decode()'):
                raise
            raise ConfigError(f'decode(): {error}; choose another layer or output') from None

    def score(self, x: Any, weights: Any = None, mask: Any = None) -> float:
        """Return R², the share of the variance of `x` that is reconstructed; at best 1.

        Parameters
        ----------
        x : array of shape (T, B, I)
        weights : array of the shape of `x`, or (T, B), optional
        mask : array of shape (T, B), optional
            Where steps are real.
        """
        return self.inference.score(metrics.r2, x, None, weights, mask)

    def _output_name(self, where: str, layer: str | int | None) -> str:
        """Return the full name of an output."""
        n = len(self.layers)
        if layer is None:
            layer = n // 2
        if isinstance(layer, Integral) and not isinstance(layer, bool):
            if not -n <= layer < n:
                raise ConfigError(f'{where}: there is no layer number {layer}; there are {n}')
            layer = self.layers[layer].name
        name = f'{layer}:out' if isinstance(layer, str) and ':' not in layer else layer
        if not isinstance(layer, str) or name not in self.outputs:
            known = [*self.graph.by_name, *self.outputs]
            raise ConfigError(
                f'{where}: no layer or output named {layer!r}; {hint(str(layer), known)}'
            )
        return name


def _drawn(name: str, p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return 1 with the probabilities p, else 0."""
    if p.min() < 0 or p.max() > 1:
        raise DataError(
            f'encode(): sample=True wants probabilities; {name!r} has values from {p.min():.3g} '
            f"to {p.max():.3g}. A layer with activation 'sigmoid' has some"
        )
    return (rng.random(p.shape) < p).astype('uint8')
