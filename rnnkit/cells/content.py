"""Cells whose new content depends on the input alone, and their gates on the state, too."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable


def with_content(
    params: dict[str, TensorVariable], size: int, content: str = 'xc'
) -> dict[str, TensorVariable]:
    """Return the parameters with the matrix `content` side by side with ``xh``.

    So one product computes both. The content has no bias: that of its columns is 0.

    Parameters
    ----------
    params : dict of str to tensor
        With ``xh`` (I, kH), ``b`` (kH) and the content's matrix (I, H).
    size : int
    """
    rest = {name: value for name, value in params.items() if name != content}
    zeros = pt.zeros((size,), dtype=params['b'].dtype)
    return {
        **rest,
        'xh': pt.concatenate([params['xh'], params[content]], axis=1),
        'b': pt.concatenate([params['b'], zeros]),
    }
