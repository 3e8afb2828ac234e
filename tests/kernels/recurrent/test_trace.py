"""From steps to forms, and steps that have none."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest
from kernel_cases import CELLS

from rnnkit.cells import Cell, GRUCell, LSTMCell, RNNCell, RNNState
from rnnkit.common.tensors import split
from rnnkit.kernels.language.elementary import LONG
from rnnkit.kernels.recurrent.form import MAX_TILES
from rnnkit.kernels.recurrent.trace import form_of


def rnn_like(step, **extra):
    """Return a cell with an RNN's parameters, and `extra`, and that step."""
    params = RNNCell.params | extra
    return type('Made', (Cell,), dict(state=RNNState, gates='h', params=params, step=step))()


def test_lstm_has_four_sums_and_keeps_its_gates():
    form = form_of(LSTMCell())
    assert form.x_blocks == form.h_blocks == (0, 1, 2, 3)
    assert form.n_summed == form.n_tiles == 4
    assert form.h_first == 0
    assert [form.program.nodes[i][0] for i in form.residuals] == ['sigmoid'] * 2 + [
        'tanh',
        'sigmoid',
    ]
    assert form.shared_gradients() == {('b', k): k for k in range(4)}


def test_gru_keeps_the_candidate_apart():
    form = form_of(GRUCell())
    assert form.x_blocks == (2, 0, 1)
    assert form.h_blocks == (0, 1, 2)
    assert form.n_summed == 2
    assert form.n_tiles == 4
    # both biases of the candidate are sums of tiles, bn of the one that r multiplies
    assert form.shared_gradients() == {('b', 0): 1, ('b', 1): 2, ('b', 2): 0, ('bn', 0): 3}


def test_tanh_rnn_keeps_nothing_but_its_output():
    assert form_of(RNNCell()).residuals == []


def early(cell):
    """Return the names of the functions that the forward computes for a whole panel first."""
    program, new = form_of(cell).program, form_of(cell).new
    return [program.nodes[i][0] for i in program.first_of(LONG, new, ())]


def test_functions_that_others_wait_for_come_first():
    # an LSTM's tanh of the new state waits for three gates, a GRU's candidate for its reset gate
    assert sorted(early(LSTMCell())) == ['sigmoid', 'sigmoid', 'sigmoid', 'tanh']
    assert early(GRUCell()) == ['sigmoid', 'sigmoid']
    assert early(RNNCell()) == []


def test_functions_of_what_is_loaded_do_not_count_as_waiting():
    form = form_of(LSTMCell())
    gates = form.program.first_of(LONG, form.new, ())
    assert form.program.first_of(LONG, form.new, gates) == []


def test_peephole_vectors_have_sums_of_their_own():
    form = form_of(CELLS['peephole'][0])
    assert form.vectors == {'b': 4, 'ci': 1, 'cf': 1, 'co': 1}
    assert set(form.shared_gradients()) == {('b', k) for k in range(4)}


def test_the_same_mathematics_has_the_same_digest():
    def slices(self, z, s, p):
        n = s.h.type.shape[1]
        a = z + pt.dot(s.h, p.hh)
        gates = pt.sigmoid(a[:, : 2 * n])
        i, f = gates[:, :n], gates[:, n:]
        g, o = pt.tanh(a[:, 2 * n : 3 * n]), pt.sigmoid(a[:, 3 * n :])
        c = f * s.c + i * g
        return LSTMCell.state(o * pt.tanh(c), c)

    other = type('Other', (LSTMCell,), {'step': slices})()
    assert form_of(other).digest == form_of(LSTMCell()).digest
    assert form_of(GRUCell()).digest != form_of(GRUCell(activation='relu')).digest


def test_joined_gates_and_arrays_of_one_number_are_read():
    def step(self, z, s, p):
        both = pt.concatenate([z + s.h @ p.hh, s.h], axis=1)
        a, h = split(both, 2)
        return RNNState(pt.tanh(a) + pt.ones_like(h) * h + pt.zeros(h.shape))

    form = form_of(rnn_like(step))
    assert form is not None
    assert form.n_summed == 1


class TwoStates(NamedTuple):
    a: object
    b: object


UNSUPPORTED = {
    'a norm over units': lambda self, z, s, p: RNNState(
        pt.tanh((z + s.h @ p.hh) / (1 + pt.sum(s.h**2, axis=1, keepdims=True)))
    ),
    'softmax': lambda self, z, s, p: RNNState(pt.special.softmax(z + s.h @ p.hh, axis=1)),
    'a product of something else': lambda self, z, s, p: RNNState(pt.tanh(z + (z * s.h) @ p.hh)),
    'two products': lambda self, z, s, p: RNNState(pt.tanh(z + (s.h @ p.hh) @ p.hh)),
    'a transposed weight': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh.T)),
    'no product': lambda self, z, s, p: RNNState(pt.tanh(z + s.h)),
    'the weight by itself': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh) + p.hh[:1]),
    'units in reverse': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh)[:, ::-1]),
    'half a block': lambda self, z, s, p: RNNState(
        pt.concatenate([z[:, :5], pt.tanh(z + s.h @ p.hh)[:, 5:]], axis=1)
    ),
    'a neighbour': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh) + s.h[:, :1]),
    'another example': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh) + s.h[:1]),
    'a constant array': lambda self, z, s, p: RNNState(
        pt.tanh(z + s.h @ p.hh) * np.arange(z.type.shape[1])
    ),
    'a column vector': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.hh * p.b[:, None])),
    'whole numbers': lambda self, z, s, p: RNNState(pt.cast(z + s.h @ p.hh, 'int32') * 1.0),
    'its own mistake': lambda self, z, s, p: RNNState(pt.tanh(z + s.h @ p.nothing)),
    'a number': lambda self, z, s, p: RNNState(0.0),
    'not a state': lambda self, z, s, p: {'h': pt.tanh(z + s.h @ p.hh)},
}


@pytest.mark.parametrize('why', UNSUPPORTED)
def test_other_steps_have_no_form_of_this_kind(why):
    assert form_of(rnn_like(UNSUPPORTED[why])) is None


@pytest.mark.parametrize(
    'cell',
    [
        GRUCell(reset='before'),
        rnn_like(lambda self, z, s, p: RNNState(z + s.h @ p.hh + s.h @ p.h2), h2=('H', 'H')),
        rnn_like(lambda self, z, s, p: RNNState(z + s.h @ p.hh * p.scalar), scalar=('1',)),
        rnn_like(RNNCell.step, xh=('I', '2H')),
        rnn_like(RNNCell.step, mask=('H',)),
    ],
)
def test_other_parameters_have_no_form_of_this_kind(cell):
    assert form_of(cell) is None


def test_parameters_that_the_step_does_not_read_keep_nothing_away():
    def step(self, z, s, p):
        return RNNState(pt.tanh(z + s.h @ p.hh))

    more = {'hy': ('H', '3'), 'h2': ('H', 'H'), 'by': ('3',), 'v': ('H',)}
    form = form_of(rnn_like(step, **more))
    assert form.digest == form_of(RNNCell()).digest
    assert list(form.vectors) == ['b']


def test_a_projection_of_its_own_has_no_form_of_this_kind():
    class Projected(RNNCell):
        def project(self, x, p):
            return pt.tanh(x @ p.xh + p.b)

    assert form_of(Projected()) is None


def test_too_many_gates_have_no_form_of_this_kind():
    n = MAX_TILES + 1

    def step(self, z, s, p):
        return RNNState(sum(pt.tanh(a) for a in split(z + s.h @ p.hh, n)))

    sizes = {'xh': ('I', f'{n}H'), 'hh': ('H', f'{n}H'), 'b': (f'{n}H',)}
    assert form_of(rnn_like(step, **sizes)) is None
