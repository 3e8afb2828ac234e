"""Networks for other libraries and programs: ONNX, PyTorch, Keras, C."""

from rnnkit.common.calls import Abstract, checked_methods


@checked_methods
class Exports(Abstract):
    """Ways out to other libraries, and weights that come in, as a base class of `rnnkit.Network`.

    Each partner has its own module in `rnnkit.integrations`, which is imported when it is needed.
    """
