"""What is measured: sizes, and the data that every contender gets."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    """One network and one shape of data.

    Attributes
    ----------
    cell : {'rnn', 'lstm', 'gru'}
    T, B, H, I, O : int
        Time steps, examples in a batch, units, inputs, outputs.
    depth : int
        Recurrent layers on top of each other.
    """

    cell: str
    T: int
    B: int
    H: int
    I: int  # noqa: E741
    O: int  # noqa: E741
    depth: int = 1

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, the same for everybody."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.T, self.B, self.I)).astype('float32')
        y = rng.standard_normal((self.T, self.B, self.O)).astype('float32')
        return x, y


SIZES = {
    'small': (20, 32, 10, 1, 1),
    'medium': (50, 64, 128, 64, 64),
    'large': (100, 64, 256, 128, 10),
}

WORKLOADS = {
    f'{cell} {size}': Workload(cell, *numbers)
    for size, numbers in SIZES.items()
    for cell in ('lstm', 'gru', 'rnn')
}
WORKLOADS |= {
    'lstm long': Workload('lstm', 1000, 16, 64, 8, 1),
    'lstm deep': Workload('lstm', 50, 64, 128, 64, 64, depth=3),
    'lstm batch of 1': Workload('lstm', 200, 1, 64, 8, 1),
}

# The same for everybody: RMSProp or its like, and the norm of the gradient clipped at 1.
LEARNING_RATE = 1e-3
MAX_GRADIENT_NORM = 1.0
