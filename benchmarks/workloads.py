"""Workloads: the sizes of networks, and the data that every contender gets."""

from dataclasses import dataclass, field

import numpy as np

OF_TORCHRECURRENT = {  # classes of torchrecurrent, by the names of rnnkit's layers
    'antisymmetric': 'AntisymmetricRNN',
    'cfn': 'CFN',
    'cornn': 'coRNN',
    'indrnn': 'IndRNN',
    'janet': 'JANET',
    'lem': 'LEM',
    'ligru': 'LiGRU',
    'mgu': 'MGU',
    'minimalrnn': 'MinimalRNN',
    'mut1': 'MUT1',
    'ran': 'RAN',
    'scrn': 'SCRN',
    'star': 'STAR',
    'ugrnn': 'UGRNN',
}


@dataclass(frozen=True)
class Workload:
    """One network and one shape of data.

    Attributes
    ----------
    cell : str
        'rnn', 'lstm', 'gru', or another one of rnnkit's.
    T, B, H, I, O : int
        Time steps, examples in a batch, hidden units, inputs, outputs.
    depth : int
        Number of recurrent layers.
    both_ways : bool
        Whether the layer is bidirectional, with H units for each direction.
    stream : bool
        Whether single time steps are measured, with the hidden state carried by the caller.
    stepper : bool
        Whether rnnkit makes these steps with ``net.stepper``, which holds the state, and not with
        ``net.step``. The other contenders do the same in both cases.
    variant : {'', 'custom', 'everything'}
        Difference of rnnkit's network from the plain one: 'custom' has a user's own cell with
        the equations of `cell`; 'everything' is trained with masks, dropout, regularizers and a
        learning-rate schedule at once.
    options : dict
        Keywords of rnnkit's recurrent layers.
    """

    cell: str
    T: int
    B: int
    H: int
    I: int  # noqa: E741
    O: int  # noqa: E741
    depth: int = 1
    both_ways: bool = False
    stream: bool = False
    stepper: bool = False
    variant: str = ''
    options: dict[str, object] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Number of inputs of the last layer."""
        return self.H * (2 if self.both_ways else 1)

    def flops(self, what: str) -> int:
        """Return the floating-point operations of the matrix products of one call.

        A multiplication and an addition for each weight, time step and example; an update needs
        the same again for the gradients of the weights, and again for those of the inputs. The
        input gradients of the first layer are counted too, though nobody computes them.
        """
        directions, gates = 1 + self.both_ways, GATES[self.cell]
        sizes = [self.I] + [self.width] * (self.depth - 1)  # inputs of each recurrent layer
        weights = sum(directions * (n + self.H) * gates * self.H for n in sizes)
        weights += self.width * self.O
        return 2 * self.T * self.B * weights * (3 if what == 'train' else 1)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets, the same for all contenders."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.T, self.B, self.I)).astype('float32')
        y = rng.standard_normal((self.T, self.B, self.O)).astype('float32')
        return x, y


GATES = {'lstm': 4, 'gru': 3, 'rnn': 1}
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
    'lstm bidirectional': Workload('lstm', 50, 64, 128, 64, 64, both_ways=True),
    'lstm batch of 1': Workload('lstm', 200, 1, 64, 8, 1),
    'lstm stream': Workload('lstm', 1, 1, 64, 64, 1, stream=True),
    'gru stream': Workload('gru', 1, 1, 64, 64, 1, stream=True),
    'lstm stepper': Workload('lstm', 1, 1, 64, 64, 1, stream=True, stepper=True),
    'gru stepper': Workload('gru', 1, 1, 64, 64, 1, stream=True, stepper=True),
    'lstm custom small': Workload('lstm', *SIZES['small'], variant='custom'),
    'lstm custom medium': Workload('lstm', *SIZES['medium'], variant='custom'),
    'lstm everything small': Workload('lstm', *SIZES['small'], variant='everything'),
    'lstm everything medium': Workload('lstm', *SIZES['medium'], variant='everything'),
    'lstm everything large': Workload('lstm', *SIZES['large'], variant='everything'),
}

# The same for all contenders: RMSProp, and the norm of the gradient clipped at 1.
LEARNING_RATE = 1e-3
MAX_GRADIENT_NORM = 1.0
