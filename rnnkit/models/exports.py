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
        """Write the network to an ONNX file, for onnxruntime and other runtimes."""
        from rnnkit.integrations.onnx.installed import check_installed

        check_installed('to_onnx()')
        from rnnkit.integrations.onnx import export

        export.write(self, path, state, opset, outputs)
