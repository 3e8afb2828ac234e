"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common.calls import Abstract, checked_methods
from rnnkit.common.checks import flag
from rnnkit.training.protocols import PathOrFile


class LoadedWeights(NamedTuple):
    """What `Network.load_weights` has done, as names of parameters.

    Attributes
    ----------
    loaded : tuple of str
        Those of the network that have new values.
    unused : tuple of str
        Those of the source that have no place in the network.
    missing : tuple of str
        Those of the network that the source does not have.
    """

    loaded: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]

    def __repr__(self) -> str:
        return '; '.join(f'{k}: {", ".join(v) or "none"}' for k, v in self._asdict().items())


@checked_methods
class Exports(Abstract):
    """Exports to other libraries, and loading of weights: a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """

    def to_onnx(
        self,
        path: PathOrFile,
        state: bool = False,
        opset: int = 22,
        outputs: str | Sequence[str] | None = None,
    ) -> Path | None:
        """Write the network to an ONNX file, which onnxruntime and other programs run.

        The file computes what `predict` returns, and `predict_proba` of a classifier, for any
        number T of time steps and any number B of examples. All numbers in it are float32, also
        where the network is float64; a warning of the logger ``rnnkit`` then says so. Recurrent
        layers become ONNX's operators RNN, LSTM and GRU, and cells without an operator, such as
        those of your own, a loop of their equations, Scan.

        The inputs are named after the input layers, and have the axes of the network's layout:
        ``'in'``. A network with ``masked=True`` has the input ``'lengths'`` as well, int32 (B,),
        with the number of real steps of each sequence, which padding follows; ``'lengths_in2'``
        is that of a further time axis. The output is named after the last layer, ``'out'``.

        Parameters
        ----------
        path : str, path-like or file object
            An existing file is replaced only when the new one is complete. A file object is a
            binary file that is open for writing, such as an ``io.BytesIO``; it stays open.
        state : bool
            Whether states are inputs and outputs, so that a sequence can be read in parts of any
            length, as by `step`: the input ``'hid1:h'`` (B, H) is the state before the first
            step, and the output ``'new:hid1:h'`` that after the last one. Outputs of layers that
            stay the same, such as an encoder's, are inputs.
        opset : int
            The version of ONNX's operators, at least 18. Older runtimes read older versions only:
            onnxruntime 1.14 reads 18.
        outputs : str or sequence of str, optional
            The outputs of the file: layers, ``'hid1'``, or their outputs, ``'hid1:c'``. They get
            these names. By default the last layer.

        Returns
        -------
        path : Path, or None for a file object

        Raises
        ------
        ConfigError
            If a layer cannot be written, or cannot go on from a state, which the message names;
            the name of the file promises another format; or an argument is wrong.
        ImportError
            If onnx is not installed: ``pip install 'rnnkit[onnx]'``.
        OSError
            If the file cannot be written.

        Notes
        -----
        The entry ``'rnnkit'`` of the file's ``metadata_props`` is JSON: the kind of network, its
        layout and spec, the names of its classes, and for each state where a sequence starts: 0,
        learned values, or another output. ``'rnnkit.meta'`` is `meta`.

        Examples
        --------
        >>> import io, rnnkit
        >>> net = rnnkit.Regressor([1, ('lstm', 3), 2], seed=0)
        >>> file = io.BytesIO()
        >>> net.to_onnx(file)
        >>> import onnx
        >>> [node.op_type for node in onnx.load_from_string(file.getvalue()).graph.node]
        ['LSTM', 'Squeeze', 'MatMul', 'Add', 'Identity']
        """
        from rnnkit.integrations.onnx.installed import check_installed

        check_installed('to_onnx()')
        from rnnkit.integrations.onnx import export

        return export.write(self, path, state, opset, outputs)

    def to_torch(
        self, names: Mapping[str, str | None] | None = None, *, arrays: bool = False
    ) -> dict[str, Any]:
        """Return the parameters as a state dict for modules of PyTorch.

        ``module.load_state_dict(net.to_torch())`` puts them into a module whose parts are called
        like the layers here. Only parameters go out; what happens between the layers, such as
        ``'last'`` or an activation, is in the module's ``forward``.

        Parameters
        ----------
        names : dict of str to (str or None), optional
            Other names than those of the layers: ``{'hid1': 'lstm', 'out': 'head.linear'}``. Names
            that end in a number, ``'lstm_l0'`` and ``'lstm_l1'``, are for layers of one module;
            ``''`` is for a module by itself, and None leaves a layer out. By default the layers'
            own, with a dot for each slash. Without a layer 'standardize', scale the inputs of the
            module: subtract its ``mean`` and divide by its ``deviation``.
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
        from rnnkit.integrations import torch_state

        return torch_state.state_dict(self, names, flag('to_torch(): arrays', arrays))

    def to_keras(self) -> list[np.ndarray]:
        """Return the parameters as a list of arrays for a model of Keras 3.

        ``model.set_weights(net.to_keras())`` puts them into a model with the same layers in the
        same order: ``Dense`` for a fully connected layer, ``Normalization`` for 'standardize', and
        so on; a GRU with ``reset='before'`` is one with ``reset_after=False``.

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
        from rnnkit.integrations import keras_weights

        return keras_weights.weights_of(self)

    def to_c(
        self, folder: str | os.PathLike[str], name: str = 'net', *, dtype: str = 'float32'
    ) -> list[Path]:
        """Write the network as C99: a source file, a header, and a program that tests both.

        The code computes what `stepper` does, one time step after the other, and whole sequences.
        It needs the C library alone, allocates nothing, and has the weights as constants; the
        state is a struct of the caller's. The header says how to call it. Each layer is one
        function, written from the same equations as the kernels, so that cells and activations of
        your own work, too.

        Parameters
        ----------
        folder : str or path-like
            Where the files are written; it is created if there is none.
        name : str
            An identifier of C. The files are ``net.c``, ``net.h`` and ``net_test.c``, and the
            functions ``net_init``, ``net_step`` and ``net_run``. Files of the same names that
            `to_c` has written are replaced.
        dtype : {'float32', 'float64'}
            Whether the code computes with float or double.

        Returns
        -------
        paths : list of Path
            The source, the header and the test.

        Raises
        ------
        ConfigError
            If a layer cannot be computed step by step, such as a bidirectional one; a parameter is
            not finite; the name is no identifier of C; or a file exists that `to_c` has not
            written.
        OSError
            If a file cannot be written. Each file is replaced only by a complete new one.

        Notes
        -----
        Outputs are those of `predict` (for a classifier, of `predict_proba`), up to rounding. Masks
        are not needed: steps of padding are simply not computed. Layers that are not computed
        step by step are those that `step` refuses; and, so far, those that start from what another
        sequence ends with, as in an encoder-decoder. The same network gives the same bytes.

        Examples
        --------
        >>> import tempfile, rnnkit
        >>> net = rnnkit.Regressor([1, ('lstm', 8), 1], seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in net.to_c(folder, 'forecast')]
        ['forecast.c', 'forecast.h', 'forecast_test.c']
        """
        from rnnkit.integrations.c import export

        return export.write(self, folder, name, dtype)

    def load_weights(
        self,
        source: Any,
        *,
        only: str | Sequence[str] = '*',
        names: Mapping[str, str] | None = None,
        strict: bool = True,
    ) -> LoadedWeights:
        """Take over parameters of another network, by their names.

        They are copied, in the dtype of this network. If anything is wrong, no parameter has
        changed. The history and what is frozen stay as they are.

        Parameters
        ----------
        source : path, file object, dict or Network
            A file that `save` or a training has written, of which a checkpoint has its best
            parameters; a file of safetensors with these names; arrays by name, ``'hid1.xh'``; or
            another network.
        only : str or sequence of str
            Patterns of names in this network, ``'hid*'`` or ``['hid1.*', 'out.b']``. Others are
            left alone on both sides.
        names : dict of str to str, optional
            Layers of the source and what they are called here: ``{'encoder': 'hid1'}``.
        strict : bool
            Whether all parameters must be in the source, and all of the source be parameters. If
            not, the result says which are not; shapes must agree all the same.

        Returns
        -------
        report : LoadedWeights
            The names that were `loaded`; those of the source that are `unused`; and those here
            that are `missing` in the source.

        Raises
        ------
        NotFoundError
            If names are unused or missing with ``strict=True``, or nothing is left to be loaded.
        ConfigError
            If the source is something else, or `only` matches nothing.
        ShapeError, DataError
            If an array has another shape than its parameter, or no finite numbers.
        FormatError, FileNotFoundError
            If a file cannot be read.

        Examples
        --------
        >>> import rnnkit
        >>> old = rnnkit.Regressor([3, ('gru', 8), 1], seed=0)
        >>> new = rnnkit.Regressor([3, ('gru', 8), 5], seed=1)
        >>> new.load_weights(old, only='hid1.*')
        loaded: hid1.xh, hid1.hh, hid1.b, hid1.bn; unused: none; missing: none
        """
        from rnnkit.integrations import load_weights

        return load_weights.load(self, source, only, names, strict)

    def load_draw(
        self,
        idata: Mapping[str, Any],
        chain: int | None = None,
        draw: int | None = None,
        prefix: str = '',
    ) -> list[str]:
        """Set the parameters to one draw of a posterior, or to a point, such as PyMC's MAP.

        Parameters
        ----------
        idata : DataTree, InferenceData, Dataset or dict
            What ``pm.sample()`` returned, or its group ``posterior``; arrays (chain, draw, ...) by
            the names of parameters; or a point, which has arrays of the shapes of parameters: what
            ``pm.find_MAP()`` returned. Parameters that it lacks stay as they are.
        chain, draw : int, optional
            Their numbers, from 0, or from -1 backwards; by default the first ones.
        prefix : str
            What the names of parameters begin with in the model; see
            `rnnkit.integrations.pymc.outputs`.

        Returns
        -------
        names : list of str
            The parameters that were set.

        Raises
        ------
        NotFoundError
            If there is no such chain or draw, or no parameter of this network.
        ConfigError, ShapeError, DataError
            If idata is something else, or an array is not of a parameter's shape, or not finite.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([1, 1], seed=0)
        >>> draws = {'out.b': np.arange(6.0).reshape(2, 3, 1)}  # 2 chains, 3 draws
        >>> net.load_draw(draws, chain=1, draw=-1)
        ['out.b']
        >>> net.find('out', 'b').get_value()
        array([5.], dtype=float32)
        """
        from rnnkit.integrations import draws

        return draws.load_draw(self, idata, chain, draw, prefix)
