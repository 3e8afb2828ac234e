"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnkit.common.calls import Abstract, checked_methods


@checked_methods
class Exports(Abstract):
    """Ways out to other libraries, and weights that come in, as a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """

    def to_torch(
        self, names: Mapping[str, str | None] | None = None, *, arrays: bool = False
    ) -> dict[str, Any]:
        """Return the parameters as a state dict for modules of PyTorch.

        ``module.load_state_dict(net.to_torch())`` puts them into a module whose parts are called
        like the layers here. Only parameters go out; what happens between the layers, such as
        ``'last'`` or an activation, is the `forward` of the module.

        Parameters
        ----------
        names : dict of str to (str or None), optional
            Other names than those of the layers: ``{'hid1': 'lstm', 'out': 'head.linear'}``. Names
            that end in a number, ``'lstm_l0'`` and ``'lstm_l1'``, are for layers of one module;
            ``''`` is for a module by itself, and None leaves a layer out. By default the layers'
            own, with a dot for each slash.
        arrays : bool
            Whether values are NumPy arrays, as they are where PyTorch is not installed. By default
            tensors.

        Returns
        -------
        state : dict of str to tensor or array
            ``'hid1.weight_ih_l0'``, ``'out.weight'``, ... with copies of the values. Biases are
            all in ``bias_ih``, except for the one that a GRU's reset gate multiplies.

        Raises
        ------
        ConfigError
            If a layer has no counterpart, such as an LSTM with peepholes, or a name does not exist.

        Examples
        --------
        >>> import rnnkit
        >>> net = rnnkit.Regressor([3, ('gru', 8), 1], seed=0)
        >>> state = net.to_torch({'hid1': 'gru'}, arrays=True)
        >>> {name: array.shape for name, array in state.items()}  # doctest: +NORMALIZE_WHITESPACE
        {'gru.weight_ih_l0': (24, 3), 'gru.weight_hh_l0': (24, 8), 'gru.bias_ih_l0': (24,),
         'gru.bias_hh_l0': (24,), 'out.weight': (1, 8), 'out.bias': (1,)}
        """
        state = importlib.import_module('rnnkit.integrations.torch_state')
        found: dict[str, Any] = state.state_dict(self, names, arrays)
        return found

    def to_keras(self) -> list[np.ndarray]:
        """Return the parameters as a list of arrays for a model of Keras 3.

        ``model.set_weights(net.to_keras())`` puts them into a model with the same layers in the
        same order: `Dense` for a fully connected layer, `Normalization` for 'standardize', and so
        on; a GRU with ``reset='before'`` is one with ``reset_after=False``.

        Returns
        -------
        weights : list of array
            In the order of ``model.get_weights()``, with copies of the values.

        Raises
        ------
        ConfigError
            If a layer has no counterpart, such as an LSTM with peepholes.

        Examples
        --------
        >>> import rnnkit
        >>> net = rnnkit.Regressor([3, ('gru', 8), 1], seed=0)
        >>> [array.shape for array in net.to_keras()]
        [(3, 24), (8, 24), (2, 24), (8, 1), (1,)]
        """
        keras = importlib.import_module('rnnkit.integrations.keras_weights')
        found: list[np.ndarray] = keras.weights_of(self)
        return found
