"""The layer that runs a cell over time."""

from typing import Any, ClassVar

from rnnkit.cells import Cell
from rnnkit.errors import ConfigError
from rnnkit.layers.base import Layer
from rnnkit.unroll import unroll


class Recurrent(Layer):
    """A cell, run over the time axis, from a state of zeros unless another one is given.

    Classes of this kind are made from a cell by `recurrent_layer`; registering a cell as a
    layer does it. The outputs are ``'out'``, the first state of the cell, and every other
    state under its own name (``'hid1:c'`` for the memory of an LSTM), each of shape
    (T, B, size).

    Besides the options of the cell there is ``direction``, 'forward' or 'backward': a
    backward layer starts at the last time step; its output stands at the step that was
    read, so that outputs of both directions are aligned.
    """

    cell_class: ClassVar[type[Cell]]
    recurrent = True

    def __init__(self, size: int | None = None, *, name=None, inputs=None, **options: Any):
        # First, for which parameters there are depends on the cell's options.
        known = self.cell_class.options
        self.cell = self.cell_class(**{k: v for k, v in options.items() if k in known})
        super().__init__(size, name=name, inputs=inputs, **options)
        if self.direction not in ('forward', 'backward'):
            raise ConfigError(
                f"layer {self.form!r}: direction is 'forward' or 'backward'; got {self.direction!r}"
            )
        self.causal = self.direction == 'forward'
        self.state, self.smallest = self.cell.state, self.cell.smallest

    def starts(self):
        known = {'xh': 'glorot', 'hh': 'orthogonal', **self.cell.initial}
        return {name: known.get(name, 0.0) for name in self.cell.params}

    def shapes(self):
        return self.cell.shapes(self.input_size, self.size)

    def output_size(self, name):
        first, *others = self.cell.state._fields
        names = ['out', *others]
        return dict(zip(names, self.cell.widths(self.size), strict=True)).get(name, self.size)

    def gates(self, name):
        return self.cell.gate_columns(name, self.size)

    def transform(self, x, state=None):  # x: (T, B, I)
        states = unroll(self.cell, x, self.params, self.size, state, reverse=not self.causal)
        out, *others = states
        return {'out': out, **dict(zip(states._fields[1:], others, strict=True))}


def recurrent_layer(form: str, cell: type[Cell]) -> type[Recurrent]:
    """Return the class of the layer that runs `cell`, called `form` in layer specs."""
    options = {**cell.options, 'direction': 'forward'}
    return type(
        f'{cell.__name__.removesuffix("Cell")}Layer',
        (Recurrent,),
        {'cell_class': cell, 'options': options, 'form': form, '__doc__': cell.__doc__},
    )
