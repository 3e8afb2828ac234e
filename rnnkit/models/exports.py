"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

import os
from pathlib import Path

from rnnkit.common.calls import Abstract, checked_methods


@checked_methods
class Exports(Abstract):
    """Ways out to other libraries, and weights that come in, as a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """

    def to_c(
        self, folder: str | os.PathLike[str], name: str = 'net', *, dtype: str = 'float32'
    ) -> list[Path]:
        """Write the network as C99: a source file, a header, and a program that tests both.

        The code computes what `stepper` does, one time step after the other, and whole sequences.
        It needs the C library alone, allocates nothing, and has the weights as constants; the
        state is a struct of the caller's. The header says how to call it. Each layer is one
        function, written from the same equations as the kernels, so that cells and activations of
        your own go, too.

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
        step by step are those that `step` refuses; and, so far, layers that start from the state
        of another one, as in an encoder-decoder. The same network gives the same bytes.

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
