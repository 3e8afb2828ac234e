"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

from collections.abc import Sequence

from rnnkit.common.calls import Abstract, checked_methods
from rnnkit.training.protocols import PathOrFile


@checked_methods
class Exports(Abstract):
    """Ways out to other libraries, and weights that come in, as a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """

    def to_onnx(
        self,
        path: PathOrFile,
        state: bool = False,
        opset: int = 22,
        outputs: str | Sequence[str] | None = None,
    ) -> None:
        """Write the network to an ONNX file, which onnxruntime and other programs run.

        The file computes what `predict` returns, and `predict_proba` of a classifier, for any
        number T of time steps and any number B of examples. All numbers in it are float32, also
        where the network is float64; a warning of the logger ``rnnkit`` then says so. Recurrent
        layers become ONNX's operators RNN, LSTM and GRU, and cells without an operator, such as
        those of your own, a loop of their equations, Scan.

        The inputs are called like the input layers, and have the axes of the network's layout:
        ``'in'``. A network with ``masked=True`` has the input ``'lengths'`` as well, int32 (B,),
        with the number of real steps of each sequence, which padding follows; ``'lengths_in2'``
        is that of a further time axis. The output is called like the last layer, ``'out'``.

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

        export.write(self, path, state, opset, outputs)
