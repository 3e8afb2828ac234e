"""Layers that run a cell over time."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt

from rnnkit.cells import Cell
from rnnkit.cells.wrappers import Dropped, Mixed, Zoned, wrapped
from rnnkit.common.checks import one_of
from rnnkit.common.tensors import masked
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer, check_rate
from rnnkit.unroll import unroll

LEARN = 'learn'
NOISES = ('dropout', 'zoneout')


class Recurrent(Layer):
    """A cell that is applied at every time step.

    For each cell there is a derived class with that cell; adding a cell to the registry of
    layers does it. The outputs are ``'out'``, the first state of the cell, and every other
    state under its own name (``'hid1:c'`` for the memory of an LSTM), each of shape
    (T, B, size); and ``'last'``, ``'last_c'``, ... of shape (B, size), the same after the
    whole sequence. Over padding, a mask's zeros, the state is held and the output is 0.

    Besides the options of the cell there are:

    Parameters
    ----------
    direction : {'forward', 'backward'}
        A backward layer starts at the last time step; its output stands at the step that was
        read, so that outputs of both directions are aligned.
    h_0, c_0, ... : str, optional
        The state before the first step, one for each part of the cell's state: ``'learn'`` for
        a parameter of shape (size,), or the name of another layer or of one of its outputs, of
        shape (B, size). A recurrent layer alone stands for its final state: ``h_0='encoder'``.
        By default 0.
    bptt_limit : int, optional
        Cut the gradient every so many steps (truncated backpropagation through time).
    dropout : float
        In training, leave out units with this probability where h enters the recurrent
        product: the same ones at all steps of a sequence. The others are scaled up, and what
        is used after training has all.
    zoneout : float
        In training, each element of each state keeps its old value with this probability, at
        each step anew. What is used after training has the mean,
        ``zoneout * old + (1 - zoneout) * new``.

    References
    ----------
    Gal & Ghahramani 2016, arXiv:1512.05287 (dropout); Krueger et al. 2017, arXiv:1606.01305
    (zoneout).
    """

    cell_class: ClassVar[type[Cell]]
    recurrent = True
    zero_padding = True
    needs = ('mask', 'state')

    def __init__(self, size: int | None = None, *, name=None, inputs=None, **options: Any):
        # First, for which parameters there are depends on the cell's options.
        known = self.cell_class.options
        self.cell = self.cell_class(**{k: v for k, v in options.items() if k in known})
        self.state, self.smallest = self.cell.state, self.cell.smallest
        self.learned = [
            part for part in self.state._fields if one_of(options.get(f'{part}_0'), (LEARN,))
        ]
        super().__init__(size, name=name, inputs=inputs, **options)
        where = f'layer {self.form!r}'
        if not one_of(self.direction, ('forward', 'backward')):
            raise ConfigError(
                f"{where}: direction is 'forward' or 'backward'; got {self.direction!r}"
            )
        self.causal = self.direction == 'forward'
        for rate in NOISES:
            setattr(self, rate, check_rate(f'{where}: {rate}', getattr(self, rate)))
        if self.dropout or self.zoneout:
            self.needs = (*self.needs, 'noise')
        limit = self.bptt_limit
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, Integral) or limit < 1
        ):
            raise ConfigError(f'{where}: bptt_limit is a number of steps, at least 1; got {limit}')
        for part in self.state._fields:
            source = getattr(self, f'{part}_0')
            if source is not None and not (isinstance(source, str) and source):
                raise ConfigError(
                    f"{where}: {part}_0 is 'learn' or the name of a layer; got {source!r}"
                )

    def last_name(self, part: str = '') -> str:
        """Return the name of the output that is the final value of a part of the state."""
        return 'last' if part in ('', self.state._fields[0]) else f'last_{part}'

    def has_time(self, name):
        return not name.startswith('last')

    @property
    def start_sources(self):
        given = {part: getattr(self, f'{part}_0') for part in self.state._fields}
        return {part: name for part, name in given.items() if name not in (None, LEARN)}

    def starts(self):
        known = {'xh': 'glorot', 'hh': 'orthogonal', **self.cell.initial}
        return {name: known.get(name, 0.0) for name in self.cell.params}

    def shapes(self):
        shapes = self.cell.shapes(self.input_size, self.size)
        return {**shapes, **{f'{part}_0': (self.state_width(part),) for part in self.learned}}

    def state_width(self, part: str) -> int:
        return self.output_size(self.last_name(part))

    def start_of(self, name):
        return 0.0 if name not in self.cell.params else super().start_of(name)

    def is_recurrent(self, name):
        # One block for each gate: the radius is that of a square matrix.
        axes = self.cell.params.get(name, ())
        return len(axes) == 2 and axes[0] == 'H' and axes[1].lstrip('0123456789') == 'H'

    def output_size(self, name):
        widths = dict(zip(self.state._fields, self.cell.widths(self.size), strict=True))
        return widths.get(name.removeprefix('last_'), self.size)

    def gates(self, name):
        return None if name.endswith('_0') else self.cell.gate_columns(name, self.size)

    def transform(self, x, mask=None, state=None, noise=None):  # x: (T, B, I)
        start = self._start(state)
        if noise is None or not (self.dropout or self.zoneout):
            cell = self.cell if not self.zoneout else wrapped(Mixed, self.cell, self.zoneout)
            return self._outputs(self._unroll(cell, x, start, mask), mask)
        cell = self.cell
        if self.zoneout:
            cell = wrapped(Zoned, cell, self.size)
            bits = [
                pt.lt(noise.uniform(x, (0, 1), width), self.zoneout)
                for width in cell.bit_widths(self.size)
            ]
            x = pt.concatenate([x, cell.codes(bits).astype(x.dtype)], axis=-1)
        if self.dropout:
            cell = wrapped(Dropped, cell)
            kept = noise.keep(np.asarray(self.dropout, x.dtype), x, (1,), self.size)
            if start is None:
                start = [
                    pt.zeros((1, width), dtype=x.dtype) for width in self.cell.widths(self.size)
                ]
            start = cell.start(start, kept)
        states = self._unroll(cell, x, start, mask)
        return self._outputs(states[1:-1] if self.dropout else states, mask)

    def _unroll(self, cell: Cell, x: Any, start: Any, mask: Any) -> Any:
        params = {name: self.params[name] for name in self.cell.params}
        return unroll(
            cell,
            x,
            params,
            self.size,
            start,
            mask,
            reverse=not self.causal,
            bptt_limit=self.bptt_limit,
        )

    def _outputs(self, states: Any, mask: Any) -> dict[str, Any]:
        """Return the outputs by name, from the states of all steps."""
        end = -1 if self.causal else 0
        outputs = {}
        for k, (part, values) in enumerate(zip(self.state._fields, states, strict=True)):
            outputs['out' if k == 0 else part] = masked(values, mask)
            outputs[self.last_name(part)] = values[end]
        return outputs

    def _start(self, given: Any) -> Any:
        """Return the state before the first step, None if all of it is 0."""
        parts = {}
        for part in self.state._fields:
            value = getattr(given, part, None)
            if value is None and part in self.learned:
                value = self.params[f'{part}_0'][None, :]
            parts[part] = value
        if all(value is None for value in parts.values()):
            return None
        known = next(value for value in parts.values() if value is not None)
        return self.state(
            **{
                part: value
                if value is not None
                else pt.zeros((1, self.state_width(part)), dtype=known.dtype)
                for part, value in parts.items()
            }
        )


def recurrent_layer(form: str, cell: type[Cell]) -> type[Recurrent]:
    """Return the class of the layer that runs `cell`, called `form` in layer specs."""
    starts = {f'{part}_0': None for part in cell.state._fields}
    options = {
        **cell.options,
        **starts,
        'direction': 'forward',
        'bptt_limit': None,
        **dict.fromkeys(NOISES, 0.0),
    }
    return type(
        f'{cell.__name__.removesuffix("Cell")}Layer',
        (Recurrent,),
        {'cell_class': cell, 'options': options, 'form': form, '__doc__': cell.__doc__},
    )
