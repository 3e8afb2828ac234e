"""A network that reconstructs its input."""

from typing import Any

import numpy as np

from rnnkit import metrics
from rnnkit.common import output_names
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag, generator, is_whole
from rnnkit.common.registry import hint
from rnnkit.data.unpack import describe
from rnnkit.errors import ConfigError, DataError
from rnnkit.inference.states import State
from rnnkit.models.files import models
from rnnkit.models.network import Network
from rnnkit.training.protocols import Arrays, Inputs


@models.add('Autoencoder')
@checked_methods
class Autoencoder(Network):
    """A network that reconstructs its input from the code of a hidden layer.

    Its parameters and attributes are those of `rnnkit.Network`; the default loss is 'mse', and
    the last layer is linear. It has one input, and as many outputs as the input has features. A
    batch is x alone, as an array or as ``[x]``; ``[x, weights]`` with ``weighted=True``,
    ``[x, mask]`` or a list of sequences with ``masked=True``. With ``input_noise`` or
    ``input_dropout`` in `train` it is a denoising autoencoder: the target stays clean.

    Where the code has no time axis, the number of time steps is fixed:
    ``[3, ('lstm', 8), 'last', ('repeat', 10), ('lstm', 8), 3]``. Shorter sequences of a list are
    padded to it, in a network with ``masked=True``.

    Raises
    ------
    ConfigError
        If there are several inputs or an embedding, or if the output differs from the input in
        size or in time steps.

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

    _default_loss = 'mse'
    _output_activation = 'linear'
    _reconstructs = True

    def predict(
        self,
        x: Inputs,
        *,
        mask: Arrays | None = None,
        state: State | None = None,
        return_state: bool = False,
        **noise: object,
    ) -> Any:
        """Return the reconstruction of `x`.

        Parameters
        ----------
        x : array of shape (T, B, I)
        mask, state, return_state, **noise
            As in `Regressor.predict`.

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
        return self._inference.predict('predict()', x, mask, state, return_state, noise)

    def encode(
        self,
        x: Inputs,
        layer: str | int | None = None,
        sample: bool = False,
        rng: int | np.random.Generator | None = None,
        mask: Arrays | None = None,
    ) -> Any:
        """Return the code of `x`: the output of a hidden layer.

        Parameters
        ----------
        x : array of shape (T, B, I)
            As in `predict`.
        layer : str or int, optional
            The name or the number of a layer, ``'hid1'`` or 1; or the name of one of its outputs,
            ``'hid1:c'``. By default the layer in the middle, number ``len(layers) // 2``.
        sample : bool
            Whether to sample 0 or 1, with the output as the probability of 1.
        rng : int or numpy.random.Generator, optional
            A seed or a generator for `sample`; without one, each call samples other numbers.
        mask : array of shape (T, B), optional
            As in `predict`.

        Returns
        -------
        z : array of shape (T, B, size), or (B, size) if the output has no time axis
            0 over padding; a list of arrays (T_i, size) for a list of sequences. The dtype is
            uint8 with `sample`.

        Raises
        ------
        ConfigError
            If there is no such layer or output.
        ShapeError, DataError
            If `x` is not usable, or if the outputs to sample from are not probabilities.
        """
        sample = flag('encode(): sample', sample)
        if not sample and rng is not None:
            raise ConfigError('encode(): rng is for sample=True')
        name = self._output_name('encode()', layer)
        z = self._inference.output('encode()', name, x, mask)
        if not sample:
            return z
        rng = generator(rng)
        if isinstance(z, list):
            return [_sample(name, sequence, rng) for sequence in z]
        return _sample(name, z, rng)

    def decode(self, z: Inputs, layer: str | int | None = None, mask: Arrays | None = None) -> Any:
        """Return the reconstruction from a code.

        Parameters
        ----------
        z : array of shape (T, B, size), or (B, size)
            The result of `encode`, or any other values.
        layer : str or int, optional
            The layer or output whose values they are, as in `encode`. Earlier layers are not
            computed.
        mask : array of shape (T, B), optional
            True where a time step of z is real, for a network with ``masked=True``.

        Returns
        -------
        y : array of shape (T, B, I), or (B, I) in a network without time
            A list of arrays for a list of sequences.

        Raises
        ------
        ConfigError
            If there is no such output, or a later layer reads another one from before it.
        ShapeError, DataError
            If `z` is not such an array.
        """
        name = self._output_name('decode()', layer)
        try:
            return self._inference.decode('decode()', name, z, mask)
        except ConfigError as error:
            if str(error).startswith('decode()'):
                raise
            raise ConfigError(f'decode(): {error}; choose another layer or output') from None

    def score(self, x: Inputs, weights: Inputs | None = None, mask: Arrays | None = None) -> float:
        """Return R², the coefficient of determination of the reconstruction; at best 1.

        Parameters
        ----------
        x : array of shape (T, B, I)
        weights : array of the shape of `x`, or (T, B), optional
            Sample weights.
        mask : array of shape (T, B), optional
            As in `predict`.
        """
        return self._inference.score(self.loss.of_central(metrics.r2), x, None, weights, mask)

    def _output_name(self, where: str, layer: str | int | None) -> str:
        """Return the full name of an output."""
        n = len(self.layers)
        if layer is None:
            layer = n // 2
        if is_whole(layer):
            if not -n <= layer < n:
                raise ConfigError(f'{where}: there is no layer number {layer}; there are {n}')
            layer = self.layers[layer].name
        if not isinstance(layer, str) or output_names.full(layer) not in self.outputs:
            names = [*self._graph.by_name, *self.outputs]
            shown = repr(layer) if isinstance(layer, str) else describe(layer)
            raise ConfigError(
                f'{where}: no layer or output named {shown}; {hint(str(layer), names)}'
            )
        return output_names.full(layer)


def _sample(name: str, p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return 1 with the probabilities p, else 0."""
    if not (p.min() >= 0 and p.max() <= 1):  # or one is not a number
        raise DataError(
            f'encode(): sample=True expects probabilities, as of a layer with activation '
            f"'sigmoid'; {name!r} has values from {p.min():.3g} to {p.max():.3g}"
        )
    return (rng.random(p.shape) < p).astype('uint8')
