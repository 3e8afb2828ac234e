"""Cells: parameter tables, order of gates, options, and cells that users write."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit.cells import Cell, cells


class HState(NamedTuple):
    h: object


class Leaky(Cell):
    state, gates = HState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'rate': ('H',)}
    options = {'power': 1}

    def step(self, z, s, p):
        r = pt.sigmoid(p.rate) ** self.power
        return HState(r * s.h + (1 - r) * pt.tanh(z + s.h @ p.hh))


@pytest.fixture
def add_layer(monkeypatch):
    """Return the decorator that registers a layer, for the length of one test."""
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    return rnnkit.layers.add


@pytest.mark.parametrize(
    ('form', 'options', 'shapes'),
    [
        ('rnn', {}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)}),
        ('lstm', {}, {'xh': (2, 12), 'hh': (3, 12), 'b': (12,)}),
        ('gru', {}, {'xh': (2, 9), 'hh': (3, 9), 'b': (9,), 'bn': (3,)}),
        ('gru', {'reset': 'before'}, {'xh': (2, 9), 'hh': (3, 9), 'b': (9,)}),
        ('rrnn', {}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,), 'r': (3,), 'xr': (2, 3)}),
        ('rrnn', {'rate': 'vector'}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,), 'r': (3,)}),
        ('rrnn', {'rate': 'log'}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)}),
        ('mrnn', {}, {'xh': (2, 3), 'xf': (2, 2), 'hf': (3, 2), 'fh': (2, 3), 'b': (3,)}),
        (
            'mrnn',
            {'factors': 5},
            {'xh': (2, 3), 'xf': (2, 5), 'hf': (3, 5), 'fh': (5, 3), 'b': (3,)},
        ),
        (
            'mut1',
            {},
            {
                'xh': (2, 3),
                'xr': (2, 3),
                'xz': (2, 3),
                'hh': (3, 3),
                'hr': (3, 3),
                'bh': (3,),
                'br': (3,),
                'bz': (3,),
            },
        ),
        (
            'scrn',
            {},
            {
                'xh': (2, 3),
                'xs': (2, 2),
                'hh': (3, 3),
                'sh': (2, 3),
                'ho': (3, 3),
                'so': (2, 3),
                'b': (3,),
                'r': (2,),
            },
        ),
        (
            'scrn',
            {'rate': 'uniform', 'context_size': 1},
            {
                'xh': (2, 3),
                'xs': (2, 1),
                'hh': (3, 3),
                'sh': (1, 3),
                'ho': (3, 3),
                'so': (1, 3),
                'b': (3,),
            },
        ),
        ('clockwork', {'periods': [1, 2, 4]}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)}),
        ('bcrnn', {'num_modules': 3}, {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)}),
    ],
)
def test_parameter_tables(form, options, shapes):
    assert cells[form](**options).shapes(2, 3) == shapes
    net = rnnkit.Regressor([2, dict(form=form, size=3, **options), 1], seed=0)
    found = {name: p.get_value().shape for name, p in net.layers[1].params.items()}
    assert found == shapes


@pytest.mark.parametrize(('form', 'gates'), [('rnn', 'h'), ('lstm', 'ifgo'), ('gru', 'rzn')])
def test_gates_stand_side_by_side_in_the_stated_order(form, gates):
    cell = cells[form]()
    assert cell.gates == gates
    columns = cell.gate_columns('xh', 5)
    assert [columns[g].start for g in gates] == [5 * k for k in range(len(gates))]
    assert columns[gates[-1]].stop == 5 * len(gates)


def test_a_parameter_that_has_no_gates_has_no_gate_columns():
    assert cells['gru']().gate_columns('bn', 5) is None


def test_only_the_forget_bias_of_an_lstm_starts_at_one():
    b = rnnkit.Regressor([1, ('lstm', 2), 1], seed=0).find('hid1', 'b').get_value()
    assert list(b) == [0, 0, 1, 1, 0, 0, 0, 0]


def test_one_reset_form_does_not_change_the_other():
    cells['gru'](reset='before')
    assert 'bn' in cells['gru']().params


def test_an_unknown_reset_form_is_refused():
    with pytest.raises(
        rnnkit.ConfigError, match=r"reset must be one of 'after', 'before'; got 'never'"
    ):
        cells['gru'](reset='never')


def test_an_unknown_option_of_a_cell_is_refused_with_a_hint():
    with pytest.raises(rnnkit.ConfigError, match=r"unknown option 'rest', did you mean 'reset'\?"):
        cells['gru'](rest='after')


def test_a_cell_without_a_step_says_so():
    with pytest.raises(NotImplementedError, match='Cell must define step'):
        Cell().step(None, None, None)


@pytest.mark.parametrize('axis', ['K', '', 'xH', '4', '3I', 'HH', '-1H'])
def test_lengths_in_a_parameter_table(axis):
    class Odd(Cell):
        params = {'w': (axis,)}

    good = {'4': 4, '3I': 6}
    if axis in good:
        assert Odd().shapes(2, 5) == {'w': (good[axis],)}
        return
    with pytest.raises(rnnkit.ConfigError, match=r"Odd.params\['w'\]: a length must be written"):
        Odd().shapes(2, 5)


def broken(returns):
    class Broken(Leaky):
        def step(self, z, s, p):
            return returns(z, s)

    return Broken


@pytest.mark.parametrize(
    ('returns', 'message'),
    [
        (lambda z, s: (z, z), r'must return the new state, as return h; got 2 values'),
        (lambda z, s: {'h': z}, r'must return the new state, as return h; got dict'),
        (lambda z, s: None, r'must return the new state, as return h; got None.* a return may be'),
        (lambda z, s: HState(z * np.float64(0.1)), r"state 'h' from float32 into float64"),
        (lambda z, s: HState(z.sum()), r"state 'h' 0 axes; it must be \(B, H\)"),
        (lambda z, s: HState(None), r"state 'h' must be a tensor; got None"),
        (lambda z, s: HState(pt.concatenate([z, z], 1)), r"state 'h' 4 columns; its width is 2"),
    ],
    ids=['tuple', 'dict', 'nothing', 'dtype', 'axes', 'None', 'width'],
)
def test_a_cell_whose_step_returns_something_wrong_is_named(returns, message, add_layer):
    add_layer('broken')(broken(returns))
    with pytest.raises(rnnkit.ConfigError, match=message):
        rnnkit.Regressor([1, ('broken', 2), 1])


def test_a_cell_of_the_user_becomes_a_layer(add_layer, rng):
    assert add_layer('leaky', 'integrator')(Leaky) is Leaky
    net = rnnkit.Regressor([1, ('LEAKY', 3), ('integrator', 2), 1], seed=0, dtype='float64')
    assert [p.name for p in net.params if p.name.startswith('hid1')] == [
        'hid1.xh',
        'hid1.hh',
        'hid1.b',
        'hid1.rate',
    ]
    hh = net.find('hid1', 'hh').get_value()
    np.testing.assert_allclose(hh.T @ hh, np.eye(3), atol=1e-14)  # the default: orthogonal
    x = rng.standard_normal((4, 2, 1))
    h, r = np.zeros((2, 3)), 0.5  # the rate parameter starts at 0
    for x_t in x:
        h = r * h + (1 - r) * np.tanh(x_t @ net.find(1, 'xh').get_value() + h @ hh)
    np.testing.assert_allclose(net.feed_forward(x)['hid1:out'][-1], h, atol=1e-14)  # rounding


def test_a_cell_of_the_user_takes_its_own_options(add_layer):
    add_layer('leaky')(Leaky)
    net = rnnkit.Regressor([1, {'form': 'leaky', 'size': 3, 'power': 2, 'rate': 1.5}, 1])
    assert net.layers[1].cell.power == 2
    assert set(net.find('hid1', 'rate').get_value()) == {1.5}
    with pytest.raises(rnnkit.ConfigError, match=r"unknown option 'powr', did you mean 'power'"):
        rnnkit.Regressor([1, {'form': 'leaky', 'size': 3, 'powr': 2}, 1])


def test_a_taken_name_is_not_given_to_a_cell_of_the_user(add_layer):
    with pytest.raises(rnnkit.ConfigError, match="already a layer named 'lstm'"):
        add_layer('lstm')(Leaky)


def test_only_layers_and_cells_can_be_layers(add_layer):
    with pytest.raises(rnnkit.ConfigError, match="'thing' must be a class derived from"):
        add_layer('thing')(dict)


def test_split_needs_a_multiple():
    z = pt.tensor('z', dtype='float64', shape=(None, 7))
    with pytest.raises(rnnkit.ConfigError, match='last axis of length 7 into 2 equal blocks'):
        rnnkit.split(z, 2)
    assert rnnkit.split(z, 1) == [z]
