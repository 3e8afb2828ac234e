"""The time between two steps, for a layer that reads a sequence backward."""

import pytensor.tensor as pt
from pytensor.tensor import TensorVariable


def read_backward(times: TensorVariable, mask: TensorVariable | None) -> TensorVariable:
    """Return the time that passes before each step, if the last step is done first.

    It is that of the next real step: the same interval, from its other end. Before the step that is
    done first passes what passes before the whole sequence, the time of its first real step. So
    the result, turned, is what a forward layer would be given for the turned sequence.

    Parameters
    ----------
    times : tensor of shape (T, B, width)
        The time between each step and the one before.
    mask : tensor of shape (T, B), or None
        1 where a step is real. Over padding, the result is arbitrary.
    """
    if mask is None:
        return pt.concatenate([times[1:], times[:1]])
    steps, examples, width = times.shape
    real = pt.cast(mask > 0, 'int64')
    number = real.cumsum(axis=0) - 1  # of each real step among those of its example
    count = pt.maximum(real.sum(axis=0), 1)
    columns = pt.arange(examples)[None]
    place = pt.switch(real, number, steps) * examples + columns  # padding: behind all others
    flat = pt.zeros(((steps + 1) * examples, width), dtype=times.dtype)
    flat = pt.set_subtensor(flat[place.ravel()], times.reshape((steps * examples, width)))
    after = pt.switch(real, (number + 1) % count, 0) * examples + columns
    return flat[after.ravel()].reshape((steps, examples, width))
