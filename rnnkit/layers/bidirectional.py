"""Two recurrent layers that read a sequence in both directions."""

import numpy as np
import pytensor.tensor as pt

from rnnkit.common.checks import choice, one_of
from rnnkit.common.registry import brief
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.recurrent import Recurrent
from rnnkit.layers.registry import layers

MERGES = ('concat', 'sum')


@layers.add('bidirectional')
class Bidirectional(Layer):
    """A recurrent layer that reads the sequence forward, and one that reads it backward.

    The outputs of both directions are aligned in time. The two are layers themselves, called
    ``hid1_fw`` and ``hid1_bw``, with parameters ``'hid1_fw.xh'`` and so on.

    Parameters
    ----------
    size : int
        The number of output units; with 'concat', each direction has half of them.
    worker : str
        The form of the two layers, such as 'lstm'.
    merge : {'concat', 'sum'}
        How the two outputs are combined.
    **options
        Keywords of the two layers, such as ``dropout=0.2``.

    Notes
    -----
    The outputs are ``'out'`` and the other states, merged, and those of each direction:
    ``'fw_out'``, ``'bw_out'``, ``'fw_c'``, ... ``'last'`` has the final state of each direction;
    for the backward direction this is the state at the first time step.

    References
    ----------
    Schuster & Paliwal 1997, IEEE Transactions on Signal Processing 45(11).
    """

    recurrent = True
    zero_padding = True
    causal = False

    def __init__(
        self,
        size: int | None = None,
        *,
        name: str | None = None,
        inputs: str | tuple[str, ...] | None = None,
        worker: str = 'rnn',
        merge: str = 'concat',
        **options: object,
    ):
        super().__init__(size, name=name, inputs=inputs)
        choice("layer 'bidirectional': merge", merge, MERGES)
        if merge == 'concat' and self.size % 2:
            raise ConfigError(
                f"layer 'bidirectional': size must be even, since it is that of both directions "
                f'together; got {size}'
            )
        if not issubclass(layers[worker], Recurrent) or 'direction' in options:
            raise ConfigError(
                f"layer 'bidirectional': worker must be a recurrent layer without a direction; "
                f'got {brief(worker)} with {brief(options)}'
            )
        for key, value in options.items():
            if key.endswith('_0') and not one_of(value, (None, 'learn')):
                raise ConfigError(
                    f"layer 'bidirectional': {key} must be 'learn' or None, since there are two "
                    f'initial states; got {brief(value)}'
                )
        self.merge = merge
        half = self.size // 2 if merge == 'concat' else self.size
        self.forward, self.backward = (
            layers.build(worker, size=half, direction=direction, **options)
            for direction in ('forward', 'backward')
        )
        self.needs = tuple(need for need in self.forward.needs if need != 'state')
        self.smallest = self.forward.smallest * (2 if merge == 'concat' else 1)
        self.given = {'worker': worker, 'merge': merge, **options}

    @property
    def children(self):
        """The layer of each direction."""
        return self.forward, self.backward

    def last_name(self, part: str = '') -> str:
        """Return the name of the output that holds the final value of a part of the state."""
        return self.forward.last_name(part)

    def has_time(self, name):
        return self.forward.has_time(name[3:] if name[:3] in ('fw_', 'bw_') else name)

    def output_size(self, name):
        if name[:3] in ('fw_', 'bw_'):
            return self.forward.output_size(name[3:])
        return self.forward.output_size(name) * (2 if self.merge == 'concat' else 1)

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Bind both directions; their parameters are those of this layer."""
        super().bind(sources, dtype, rng)
        for child, suffix in zip(self.children, ('fw', 'bw'), strict=True):
            child.name = f'{self.name}_{suffix}'
            child.bind(sources, dtype, rng)
            self.params |= {f'{suffix}.{name}': p for name, p in child.params.items()}

    def transform(self, x, mask=None, noise=None):  # x: (T, B, I)
        forward, backward = (child.transform(x, mask, noise=noise) for child in self.children)
        outputs = {}
        for name, fw in forward.items():
            bw = backward[name]
            both = pt.concatenate([fw, bw], axis=-1) if self.merge == 'concat' else fw + bw
            outputs |= {name: both, f'fw_{name}': fw, f'bw_{name}': bw}
        return outputs
