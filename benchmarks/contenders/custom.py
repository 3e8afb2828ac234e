"""A user's own cell, which is only a step with the equations of the LSTM."""

from typing import NamedTuple

import pytensor.tensor as pt

import rnnkit


class State(NamedTuple):
    """State of the cell."""

    h: pt.TensorVariable
    c: pt.TensorVariable


@rnnkit.layers.add('custom_lstm')
class CustomLSTM(rnnkit.Cell):
    """Long short-term memory."""

    state = State
    gates = 'ifgo'
    params = {'xh': ('I', '4H'), 'hh': ('H', '4H'), 'b': ('4H',)}

    def step(self, z, s, p):
        """Return the state after one time step."""
        i, f, g, o = rnnkit.split(z + s.h @ p.hh, 4)
        c = pt.sigmoid(f) * s.c + pt.sigmoid(i) * pt.tanh(g)
        return State(pt.sigmoid(o) * pt.tanh(c), c)
