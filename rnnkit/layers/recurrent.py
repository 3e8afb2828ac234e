"""The layer that runs a cell over time."""

from typing import Any, ClassVar

from rnnkit.cells import Cell
from rnnkit.layers.base import Layer
from rnnkit.unroll import unroll


class Recurrent(Layer):
    """A cell, run over the time axis from a state of zeros.

    Classes of this kind are made from a cell by `recurrent_layer`; registering a cell as a
    layer does it. The outputs are ``'out'``, the first state of the cell, and every other
    state under its own name (``'hid1:c'`` for the memory of an LSTM), each of shape
    (T, B, size).
    """

    cell_class: ClassVar[type[Cell]]
    recurrent = True

    def __init__(self, size: int | None = None, *, name=None, inputs=None, **options: Any):
        # First, for which parameters there are depends on the cell's options.
        self.cell = self.cell_class(**{k: v for k, v in options.items() if k in self.options})
        super().__init__(size, name=name, inputs=inputs, **options)

    def starts(self):
        known = {'xh': 'glorot', 'hh': 'orthogonal', **self.cell.initial}
        return {name: known.get(name, 0.0) for name in self.cell.params}

    def shapes(self):
        return self.cell.shapes(self.input_size, self.size)

    def gates(self, name):
        return self.cell.gate_columns(name, self.size)

    def transform(self, x):  # x: (T, B, I)
        states = unroll(self.cell, x, self.params, self.size)
        out, *others = states
        return {'out': out, **dict(zip(states._fields[1:], others, strict=True))}


def recurrent_layer(form: str, cell: type[Cell]) -> type[Recurrent]:
    """Return the class of the layer that runs `cell`, called `form` in layer specs."""
    return type(
        f'{cell.__name__.removesuffix("Cell")}Layer',
        (Recurrent,),
        {'cell_class': cell, 'options': cell.options, 'form': form, '__doc__': cell.__doc__},
    )
