"""Whether the package onnx is installed."""

from importlib.util import find_spec


def check_installed(where: str) -> None:
    """Raise an ImportError that says what to install.

    Parameters
    ----------
    where : str
        The call, for messages.
    """
    if find_spec('onnx') is None:
        raise ImportError(f"{where} needs the package onnx: pip install 'rnnkit[onnx]'")
