"""Two recurrent layers that read a sequence in both directions."""

from collections import namedtuple
from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.common.checks import choice, one_of
from rnnkit.common.output_names import full
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.layers.recurrent import Recurrent, main_inputs
from rnnkit.layers.registry import layers

# (forward, backward) -> the output
MERGES: dict[str | None, Callable[[TensorVariable, TensorVariable], TensorVariable]] = {
    'concat': lambda fw, bw: pt.concatenate([fw, bw], axis=-1),
    'sum': lambda fw, bw: fw + bw,
    'average': lambda fw, bw: (fw + bw) / 2,
    'product': lambda fw, bw: fw * bw,
    None: lambda fw, bw: pt.concatenate([fw, bw], axis=-1),
}
WAYS = ('fw', 'bw')


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
    merge : {'concat', 'sum', 'average', 'product', None}
        How the two outputs are combined. With None, each direction has `size` units, and layers
        read ``'hid1:fw_out'`` and ``'hid1:bw_out'``; ``'hid1:out'`` has both side by side.
    h_0, c_0, ... : 'learn', or pair, optional
        The initial states of both directions: ``'learn'``, or a pair with an entry for the
        forward and one for the backward direction, each of which is ``'learn'``, None or the
        name of a layer or output, as in other recurrent layers: ``h_0=('there', 'back')``.
    **options : object
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
        merge: str | None = 'concat',
        trainable: bool = True,
        **options: object,
    ):
        _check_size(size)
        super().__init__(size, name=name, inputs=inputs, trainable=trainable)
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
        self.merge = merge
        half = self.size // 2 if merge == 'concat' else self.size
        self.forward, self.backward = (
            layers.build(worker, size=half, direction=direction, **_of_one(options, k))
            for k, direction in enumerate(('forward', 'backward'))
        )
        parts = self.forward.state._fields
        self.state = namedtuple(
            'BidirectionalState', [f'{w}_{part}' for w in WAYS for part in parts]
        )
        self.needs, self.reads_missing = self.forward.needs, self.forward.reads_missing
        self.between = self.forward.between
        self.smallest = self.forward.smallest * (2 if merge == 'concat' else 1)
        self.given = {'worker': worker, 'merge': merge, **options}

    @property
    def children(self):
        """The layer of each direction."""
        return self.forward, self.backward

    @property
    def start_sources(self):
        return {
            f'{way}_{part}': name
            for way, child in zip(WAYS, self.children, strict=True)
            for part, name in child.start_sources.items()
        }

    @property
    def side_sources(self):
        return self.forward.side_sources

    def start_part(self, start):
        return start.partition('_')[2]

    def state_width(self, part: str) -> int:
        return self.forward.state_width(self.start_part(part))

    def last_name(self, part: str = '') -> str:
        """Return the name of the output that holds the final value of a part of the state."""
        return self.forward.last_name(part)

    def has_time(self, name):
        return self.forward.has_time(name[3:] if name[:3] in ('fw_', 'bw_') else name)

    def output_size(self, name):
        if name[:3] in ('fw_', 'bw_'):
            return self.forward.output_size(name[3:])
        return self.forward.output_size(name) * (2 if self.merge in ('concat', None) else 1)

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Bind both directions; their parameters are those of this layer."""
        apart = set(map(full, self.side_sources.values()))
        super().bind(main_inputs(sources, apart), dtype, rng)
        for child, suffix in zip(self.children, WAYS, strict=True):
            child.name = f'{self.name}_{suffix}'
            child.bind(sources, dtype, rng)
            self.params |= {f'{suffix}.{name}': p for name, p in child.params.items()}
        self.step_sides = self.forward.step_sides

    def transform(self, x, mask=None, state=None, noise=None, sides=None):  # x: (T, B, I)
        n = len(self.forward.state._fields)
        states = (None, None) if state is None else (state[:n], state[n:])
        forward, backward = (
            child.transform(x, mask, start and child.state(*start), noise, sides)
            for child, start in zip(self.children, states, strict=True)
        )
        outputs = {}
        for name, fw in forward.items():
            bw = backward[name]
            outputs |= {name: MERGES[self.merge](fw, bw), f'fw_{name}': fw, f'bw_{name}': bw}
        return outputs


def _of_one(options: dict[str, object], k: int) -> dict[str, object]:
    """Return the options of one direction, given those of both: its entry of each pair."""
    own = dict(options)
    for key, value in options.items():
        if not key.endswith('_0'):
            continue
        if isinstance(value, list | tuple) and len(value) == 2:
            own[key] = value[k]
        elif not one_of(value, (None, 'learn')):
            raise ConfigError(
                f"layer 'bidirectional': {key} must be 'learn' or a pair, with an entry for each "
                f"direction, such as {key}=('there', 'back'); got {value!r}"
            )
    return own


def _check_size(size: object) -> None:
    """Raise a ConfigError for a layer in its place, which Keras wraps this one around."""
    if isinstance(size, Layer | type | tuple | list | str):
        raise ConfigError(
            f"layer 'bidirectional': its worker is given by name: dict(form='bidirectional', "
            f"worker='lstm', size=20); got {brief(size)}"
        )
