"""The order of gates and the place of biases, here and in other libraries: one table for all.

A recurrent weight consists of blocks, one for each gate. Libraries order them differently, keep
them as rows or as columns, and divide the bias between input and state in other ways. All have
the same equations: an LSTM with gates i f g o; a GRU whose state is ``(1 - z) n + z h``, with a
reset gate r after the recurrent product, or before it.

=========  =========  =========  ==================  =============================
library    LSTM       GRU        shape of a weight   biases
=========  =========  =========  ==================  =============================
rnnkit     i f g o    r z n      (I, 4H), (H, 4H)    b; in a GRU, also bn
PyTorch    i f g o    r z n      (4H, I), (4H, H)    of the input, of the state
Keras      i f g o    z r n      (I, 4H), (H, 4H)    one; two rows in a GRU
ONNX       i o f g    z r n      (4H, I), (4H, H)    of the input, of the state
=========  =========  =========  ==================  =============================

PyTorch and ONNX add both biases. It makes a difference for the block n of a GRU alone: if the
reset gate acts after the product, it multiplies the bias of the state, which is our bn.
"""

import numpy as np

ORDERS = {
    'rnnkit': {'rnn': 'h', 'lstm': 'ifgo', 'gru': 'rzn'},
    'torch': {'rnn': 'h', 'lstm': 'ifgo', 'gru': 'rzn'},
    'keras': {'rnn': 'h', 'lstm': 'ifgo', 'gru': 'zrn'},
    'onnx': {'rnn': 'h', 'lstm': 'iofg', 'gru': 'zrn'},
}


def reordered(values: np.ndarray, source: str, target: str) -> np.ndarray:
    """Return columns with their blocks in another order.

    Parameters
    ----------
    values : array of shape (..., len(source) * H)
    source, target : str
        A letter for each block. A block that `source` lacks is 0, as the forget gate of an LSTM
        with coupled gates.

    Returns
    -------
    values : array of shape (..., len(target) * H)
    """
    blocks = dict(zip(source, np.split(values, len(source), axis=-1), strict=True))
    zero = np.zeros_like(next(iter(blocks.values())))
    return np.concatenate([blocks.get(gate, zero) for gate in target], axis=-1)


def joined_biases(
    cell: str, of_x: np.ndarray, of_h: np.ndarray, reset: str
) -> dict[str, np.ndarray]:
    """Return our biases, from those of the input and of the state, (4H,) each, in our order.

    Parameters
    ----------
    cell : {'rnn', 'lstm', 'gru'}
    of_x, of_h : array
    reset : {'after', 'before'}
        Where a GRU applies its reset gate.
    """
    if cell != 'gru' or reset == 'before':
        return {'b': of_x + of_h}
    first = 2 * len(of_x) // 3  # of the block n
    b = of_x.copy()
    b[:first] += of_h[:first]
    return {'b': b, 'bn': of_h[first:].copy()}


def parted_biases(params: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the biases of the input and of the state, (4H,) each, in our order.

    All is in that of the input but for bn. Joined again, they are the same to the bit.
    """
    of_h = np.zeros_like(params['b'])
    if 'bn' in params:
        of_h[-len(params['bn']) :] = params['bn']
    return params['b'].copy(), of_h
