"""Cells of a few lines: what they are by default, and what is said of mistakes in them."""

import math
import pickle
import warnings
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long

import rnnkit
from rnnkit import testing
from rnnkit.cells.rehearsal import rehearse
from rnnkit.layers.recurrent import recurrent_layer
from rnnkit.unroll import unroll

T, B, I, H = 5, 3, 2, 4  # noqa: E741


class Leaky(rnnkit.Cell):
    def step(self, z, s, p):
        return 0.9 * s.h + 0.1 * pt.tanh(z + s.h @ p.hh)


class Pair(rnnkit.Cell):
    state, gates = 'h c', 'fg'

    def step(self, z, s, p):
        f, g = rnnkit.split(z + s.h @ p.hh, 2)
        c = pt.sigmoid(f) * s.c + pt.tanh(g)
        return pt.tanh(c), c


@pytest.fixture
def add_layer(monkeypatch):
    """Return the decorator that registers a layer, for the length of one test."""
    registry = rnnkit.layers.registry
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    return rnnkit.layers.add


def own(**attributes):
    """Return a class of cells called Mine; by default with a step."""
    attributes = {'step': lambda self, z, s, p: pt.tanh(z + s.h @ p.hh), **attributes}
    own = {name: value for name, value in attributes.items() if value is not None}
    return type('Mine', (rnnkit.Cell,), own)


def network(cell, **options):
    return rnnkit.Regressor([I, recurrent_layer('mine', cell)(H, **options), 1], seed=0)


def leaky_states(x, xh, hh, b):
    """Return the states of `Leaky` in NumPy, which takes complex numbers as well."""
    h, states = np.zeros((x.shape[1], len(hh)), x.dtype), []
    for x_t in x:
        h = 0.9 * h + 0.1 * np.tanh(x_t @ xh + b + h @ hh)
        states.append(h)
    return np.array(states)


def test_three_lines_have_all_that_a_cell_needs():
    cell = Leaky()
    assert cell.shapes(I, H) == {'xh': (I, H), 'hh': (H, H), 'b': (H,)}
    assert cell.gate_columns('xh', H) == {'h': slice(0, H)}
    assert cell.state._fields == ('h',)


@pytest.mark.parametrize('kernel', [True, False])
def test_three_lines_against_numpy(kernel, rng):
    values = {name: rng.standard_normal(shape) for name, shape in Leaky().shapes(I, H).items()}
    values = {'x': rng.standard_normal((T, B, I)), **values}
    symbols = {
        name: pt.tensor(name, dtype='float64', shape=value.shape) for name, value in values.items()
    }
    params = {name: symbols[name] for name in ('xh', 'hh', 'b')}
    (h,) = unroll(Leaky(), symbols['x'], params, H, kernel=kernel)
    weights = rng.standard_normal((T, B, H))
    gradients = pytensor.grad((h * weights).sum(), list(symbols.values()))
    states, *found = pytensor.function(list(symbols.values()), [h, *gradients])(*values.values())
    np.testing.assert_allclose(states, leaky_states(**values), atol=1e-14)  # rounding
    for name, gradient in zip(values, found, strict=True):
        direction = rng.standard_normal(gradient.shape)
        moved = {**values, name: values[name] + 1e-30j * direction}  # the complex step is exact
        moved = {key: value.astype(complex) for key, value in moved.items()}
        slope = (leaky_states(**moved) * weights).sum().imag / 1e-30
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-12, abs=1e-13)


BRIEF = (testing.check_shape_and_dtype, testing.check_gradient, testing.check_save_and_load)
CASES = [(cell, check) for cell in (Leaky, Pair) for check in testing.CHECKS]


@pytest.mark.parametrize(
    ('cell', 'check'),
    [
        (pytest.param if check in BRIEF and cell is Leaky else long)(
            cell, check, id=f'{cell.__name__}-{check.__name__}'
        )
        for cell, check in CASES
    ],
)
def test_the_contract(cell, check, add_layer):
    add_layer('mine')(cell)
    check('mine')


class Named(NamedTuple):
    h: object
    c: object


@pytest.mark.parametrize(
    ('state', 'fields'),
    [('h', ('h',)), ('h c', ('h', 'c')), ('h, c', ('h', 'c')), (['y', 'h'], ('y', 'h'))],
)
def test_names_make_a_class_of_states(state, fields):
    cell = type('Mine', (rnnkit.Cell,), {'state': state, 'step': Leaky.step})
    assert cell.state._fields == fields
    assert cell.state.__name__ == 'MineState'


def test_a_class_of_states_is_kept():
    assert own(state=Named).state is Named


def test_states_that_were_made_can_be_pickled():
    state = Pair.state(1, 2)
    again = pickle.loads(pickle.dumps(state))
    assert again == state
    assert type(again) is Pair.state


def test_parameters_follow_the_gates():
    assert Pair.params == {'xh': ('I', '2H'), 'hh': ('H', '2H'), 'b': ('2H',)}

    class Three(Pair):
        gates = 'fgo'

    assert Three.params['b'] == ('3H',)

    class Switched(Pair):
        options = {'coupled': False}

        def setup(self):
            self.gates = 'g' if self.coupled else 'fg'

    assert Switched(coupled=True).params == rnnkit.Cell.params
    assert Switched().params == Pair.params


def test_a_base_class_needs_no_step():
    class Base(rnnkit.Cell):
        options = {'activation': 'tanh'}

    class Derived(Base):
        def step(self, z, s, p):
            return pt.tanh(z + s.h @ p.hh)

    assert network(Derived).layers[1].cell.activation == 'tanh'


def test_a_step_of_a_mixin_and_one_called_by_super():
    class Mixin:
        def step(self, z, s, p):
            return 0.5 * s.h + z + s.h @ p.hh

    class Mixed(Mixin, rnnkit.Cell):
        pass

    class Longer(Mixed):
        state = 'h t'

        def step(self, z, s, p):
            return super().step(z, s, p), s.t + 1

    for cell in (Mixed, Longer):
        assert set(rehearse(cell(), I, H, 'float32').params) == {'xh', 'hh', 'b'}


@pytest.mark.parametrize('floats', ['float32', 'float64'])
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_constants_have_the_dtype_of_the_network(dtype, floats):
    x, h = (pt.tensor(name, dtype=dtype, shape=(None, H)) for name in ('x', 'h'))
    shapes = Leaky().shapes(H, H)
    params = {name: pt.tensor(name, dtype=dtype, shape=s) for name, s in shapes.items()}
    with pytensor.config.change_flags(floatX=floats):
        p = SimpleNamespace(**params)
        new = Leaky().step(x, Leaky.state(h), p).h
    assert new.dtype == dtype
    given = {x: np.zeros((1, H)), h: np.ones((1, H)), params['hh']: np.zeros((H, H))}
    found = new.eval({v: value.astype(dtype) for v, value in given.items()})
    assert found[0, 0] == np.asarray(0.9, dtype)  # not rounded to float32 before


@pytest.mark.parametrize(
    ('attributes', 'message'),
    [
        ({'setp': Leaky.step, 'step': None}, "no attribute 'setp'; did you mean 'step'?"),
        ({'projct': Leaky.step}, "no attribute 'projct'; did you mean 'project'?"),
        ({'gate': 'h'}, "no attribute 'gate'; did you mean 'gates'?"),
        ({'param': {}}, "no attribute 'param'; did you mean 'params'?"),
        ({'init': {}}, "a cell has no attribute 'init'; it is called 'initial'. (One of your own"),
        ({'initializers': {'b': 1.0}}, "no attribute 'initializers'; it is called 'initial'"),
        ({'parameters': {}}, "no attribute 'parameters'; it is called 'params'"),
        ({'weights': ['hh']}, "no attribute 'weights'; it is called 'params'"),
        ({'defaults': {}}, "no attribute 'defaults'; it is called 'options'"),
        ({'kwargs': {}}, "needs another name, such as '_kwargs'.)"),
        ({'shapes': {}}, "'shapes' is a method of every cell; it is called 'params'"),
        ({'setup': {}}, "'setup' is a method of every cell; choose another name"),
        ({'inital': {}}, "no attribute 'inital'; did you mean 'initial'? (One of your own needs"),
        ({'sides': {}}, "no attribute 'sides'; did you mean 'side'?"),
        ({'state': 3}, "Mine.state must name the states, as state = 'h' or state = 'h c'"),
        ({'state': ''}, "Mine.state must name at least one state, as state = 'h'"),
        ({'state': 'h h'}, "Mine.state names a state twice; got 'h h'"),
        ({'state': 'h 2'}, "so that step can read it after a dot, as p.hh; got '2'"),
        ({'state': 'h last'}, "'last' cannot be the name of a state"),
        ({'gates': 'rr'}, 'one letter for each column block of the parameters, each another one'),
        ({'gates': ['r', 'z']}, 'Mine.gates must be a str of one letter for each'),
        ({'params': ['hh']}, 'Mine.params must be a dict of names and shapes'),
        ({'params': {'b': 'H'}}, "for a vector write ('H',), with a comma; got 'H'"),
        ({'params': {'b': (4,)}}, "Mine.params['b'] must be a tuple of lengths, each a str"),
        ({'params': {'h-h': ('H',)}}, 'a word of letters and digits, so that step can read it'),
        ({'inner': {'b': '4H'}}, "Mine.inner['b'] must be a tuple of lengths; for a vector"),
        ({'initial': {'rate': 1.0}}, "Mine.initial has 'rate', and there is no such parameter"),
        ({'initial': {'hhh': 1.0}}, "no such parameter in params; did you mean 'hh'?"),
        ({'initial': 1.0}, "Mine.initial must be a dict, such as {'b': 1.0}; got 1.0"),
        ({'axes': {'c': 'P'}}, "Mine.axes has 'c', and there is no such state; there is h"),
        ({'counters': ('n',)}, "Mine.counters has 'n', and there is no such state; there is h"),
        ({'options': {'step': 1}}, "'step' is an attribute of every cell, so it cannot be an"),
        ({'options': {'hh': 1}}, "Mine.options: 'hh' is among params, too"),
        ({'options': 'rate'}, "Mine.options must be a dict, such as {'activation': 'tanh'}"),
        ({'output_axis': '2'}, 'Mine.output_axis is the width of output(self, s, p), which the'),
        ({'side': ['gap']}, "Mine.side must be a dict, such as {'gap': '1'}; got ['gap']"),
        ({'side': {'gap': 1}}, "Mine.side['gap'] must be a width, such as '1', 'I' or 'H'; got 1"),
        ({'side': {'hh': '1'}}, "'hh' is a parameter, too, and step reads both as p.hh"),
        (
            {'side': {'gap': '1'}, 'side_defaults': {'gaps': 1.0}},
            "has 'gaps', and there is no such further input in side; did you mean 'gap'?",
        ),
        (
            {'side': {'gap': '1'}, 'side_defaults': {'gap': 'one'}},
            "Mine.side_defaults['gap'] must be a number; got 'one'",
        ),
        ({'side': {'gap': '1'}, 'between': ('gapp',)}, "in side; did you mean 'gap'?"),
        (
            {'side': {'gap': '1'}, 'between': 'gap'},
            "between must be a tuple of names, such as ('ga",
        ),
        ({'counters': 'h'}, 'Mine.counters must be a tuple of names'),
        ({'smallest': '2'}, "Mine.smallest must be a whole number of at least 1; got '2'"),
        ({'smallest': -3}, 'Mine.smallest must be a whole number of at least 1; got -3'),
        ({'axes': {'h': 3}}, "Mine.axes['h'] must be a width, such as 'I', 'P' or '3'; got 3"),
        ({'params': {'b': ()}}, "Mine.params['b'] must be a tuple of lengths, each a str"),
    ],
)
def test_what_is_said_when_a_class_is_made(attributes, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        own(**attributes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ('attributes', 'message'),
    [
        ({'step': None}, 'class Mine has no step: a cell defines one time step of its equations'),
        ({'step': None, 'forward': Leaky.step}, "rename 'forward' to step"),
        ({'step': lambda self, z, s: z}, 'step is called as step(z, s, p); write def step(self,'),
        ({'project': lambda self, x: x}, 'project is called as project(x, p); write def project('),
        ({'setup': lambda self, x: 0}, 'setup is called as setup(); write def setup(self); it has'),
        ({'lengths': lambda self: {}}, 'write def lengths(self, size); it has lengths(self)'),
        (
            {'__init__': lambda self, size, leak=0.1: None},
            "Mine.__init__: a layer makes its cell, and knows no argument 'size'; declare options "
            "= {'leak': 0.1}, which become attributes; the size is that of the layer, H in params",
        ),
        ({'__init__': lambda self, size: None}, "argument 'size'; declare no __init__; the size"),
        ({'__init__': lambda self, a, **options: None}, "declare options = {'a': ...}, which"),
        ({'options': {'dropout': 1}}, "'dropout' is a keyword of every recurrent layer"),
        ({'options': {'given': 1}}, "'given' is an attribute of every recurrent layer; choose"),
        ({'options': {'h_0': 1}}, "Mine.options: 'h_0' is a keyword of every recurrent layer"),
        ({'params': {'size': ('H',)}}, "Mine.params: 'size' is a keyword of every recurrent"),
        ({'side': {'inputs': '1'}}, "Mine.side: 'inputs' is a keyword of every recurrent layer"),
    ],
)
def test_what_is_said_when_a_class_is_registered(attributes, message, add_layer):
    with pytest.raises(rnnkit.ConfigError) as error:
        add_layer('mine')(own(**attributes))
    assert message in str(error.value)


def split_to_two(self, z, s, p):
    a, b = rnnkit.split(z + s.h @ p.hh, 3)
    return a * b


MINE = pytensor.shared(np.ones((4, 4), 'float32'), name='mine')
PARAMS = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}


@pytest.mark.parametrize(
    ('step', 'attributes', 'message'),
    [
        (
            lambda self, z, s, p: z + s.h @ p.hh + s.c,
            {},
            "there is no s.c; the state is h; for a further one declare state = 'h c', and let",
        ),
        (
            lambda self, z, s, p: (s.hidden, s.cel),
            {'state': 'hidden cell'},
            'there is no s.cel; the states are hidden, cell; did you mean s.cell?',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hhh,
            {},
            'there is no p.hhh; did you mean p.hh? (p has xh, hh, b)',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.U,
            {},
            'there is no p.U (p has xh, hh, b); declare a parameter with its shape, as params = '
            "{'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'U': ('H', 'H')}",
        ),
        (
            lambda self, z, s, p: self.rat * s.h + z + s.h @ p.hh,
            {'options': {'rate': 0.5}},
            'there is no self.rat; did you mean self.rate?',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'params': {'hh': ('H', 'H')}},
            'there is no p.xh; a cell without a project(self, x, p) of its own computes x @ p.xh',
        ),
        (
            lambda self, z, s, p: z + s.h,
            {},
            "Mine: nothing that the cell computes reads p.hh, so the parameter 'hh' would never "
            "learn; leave it out: params = {'xh': ('I', 'H'), 'b': ('H',)}",
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'params': {**PARAMS, 'hh': ('H', 'Q')}},
            "a length must be written as 'I', 'H', a number or '4H'; got 'Q'. There is I, H; a "
            "letter of your own is declared by def lengths(self, size): return {'H': size, 'Q'",
        ),
        (
            lambda self, z, s, p: (z + s.h @ p.hh, s.c),
            {'state': 'h c', 'axes': {'c': 'Q'}},
            "Mine.axes['c']: a length must be written as",
        ),
        (
            lambda self, z, s, p: pt.tanh(z + s.h @ p.hh),
            {'params': {**PARAMS, 'xh': ('I', '2H'), 'b': ('2H',)}},
            'Mine.step() failed: ValueError: ',
        ),
        (
            lambda self, z, s, p: pt.tanh(z + s.h @ p.hh),
            {'params': {**PARAMS, 'xh': ('I', '2H'), 'b': ('2H',)}},
            'It was given z (B, 8), s.h (B, 4), p.xh (2, 8), p.hh (4, 4), p.b (8,)',
        ),
        (
            lambda self, z, s, p: pt.tanh(z + s.h @ p.hh),
            {'gates': 'rz'},
            "Mine.step() gives state 'h' 8 columns; its width is 4",
        ),
        (
            lambda self, z, s, p: (z + s.h @ p.hh, pt.concatenate([s.c, s.c], axis=1)),
            {'state': 'h c'},
            "state 'c' 8 columns; its width is 4. A state of another width than H is declared by "
            "axes = {'c': 'P'}, with P in lengths",
        ),
        (
            lambda self, z, s, p: None,
            {},
            'must return the new state, as return h; got None. The cell has one state, h; the '
            'attribute state declares others; a return may be missing',
        ),
        (lambda self, z, s, p: 0, {}, 'must return the new state, as return h; got int'),
        (
            lambda self, z, s, p: (z + s.h @ p.hh, z),
            {},
            'as return h; got 2 values. The cell has one state, h; the attribute state declares',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'state': 'h c'},
            'as return h, c; got one tensor. The cell has 2 states, h, c',
        ),
        (
            lambda self, z, s, p: Named(z + s.h @ p.hh, s.c),
            {'state': 'h c'},
            'as return h, c; got Named',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'project': lambda self, x, p: 1.0},
            'Mine.project() must return a tensor (T, B, k); got 1.0',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'project': lambda self, x, p: np.float64(0.1) * (x @ p.xh + p.b)},
            'Mine.project() must return a tensor of float32, the dtype of the network; got float64',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'prepare': lambda self, params, size: {'hh': params['W']}},
            "Mine.prepare() failed: KeyError: 'W'. It was given xh (2, 4), hh (4, 4), b (4,)",
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'output': lambda self, s, p: s.h[0]},
            'Mine.output() must return a tensor (T, B, 4); got (B, 4)',
        ),
        (Leaky.step, {'prepare': lambda self, params, size: None}, 'a dict of arrays by name; got'),
        (
            Leaky.step,
            {'lengths': lambda self, size: None},
            "Mine.lengths() must return a dict of lengths by letter, such as {'H': size, 'P': 3}",
        ),
        (
            Leaky.step,
            {'lengths': lambda self, size: {'H': size, 'P': 2.5}},
            'Mine.lengths(): P must be a whole number of at least 1; got 2.5',
        ),
        (
            Leaky.step,
            {'params': {**PARAMS, 'w': ('0',)}},
            "Mine.params['w']: a length must be at least 1; got '0'",
        ),
        (
            lambda self, z, s, p: (z if z > 0 else s.h) + s.h @ p.hh,
            {},
            'a tensor has no value yet: in place of if, and, or, min, max and functions of NumPy, '
            'write pt.switch(condition, a, b), pt.minimum, pt.maximum. It was given z (B, 4)',
        ),
        (
            lambda self, z, s, p: pt.tanh(np.array([z, s.h @ p.hh])),
            {},
            'in place of functions of NumPy, write those of pytensor.tensor. It was given',
        ),
        (
            lambda self, z, s, p: np.array([z, s.h @ p.hh], dtype=float),
            {},
            'in place of functions of NumPy, write those of pytensor.tensor. It was given',
        ),
        (
            lambda self, z, s, p: np.where(z > 0, z, s.h @ p.hh),
            {},
            'Mine.step(): np.where cannot read a tensor; write pt.where, with import '
            'pytensor.tensor as pt',
        ),
        (
            lambda self, z, s, p: np.matmul(z, p.hh),
            {},
            'requires 1); a matrix product is written s.h @ p.hh. It was given z (B, 4)',
        ),
        (
            lambda self, z, s, p: pt.tanh(z + math.tanh(s.h @ p.hh)),
            {},
            'in place of functions of the module math, write those of pytensor.tensor, such as '
            'pt.tanh. It was given z (B, 4)',
        ),
        (
            split_to_two,
            {'gates': 'abc'},
            'values to unpack (expected 2); rnnkit.split(v, n) returns n tensors, one for each '
            'name before the equals sign. It was given',
        ),
        (
            lambda self, z, s, p: z + s.h @ p.hh,
            {'output': lambda self, s, p: np.dot(s.h, p.hh)},
            'Mine.output(): np.dot cannot read a tensor; a matrix product is written s.h @ p.hh',
        ),
        (
            lambda self, z, s, p: setattr(s, 'h', z + s.h @ p.hh),
            {},
            'the state cannot be changed; return the new one. It was given',
        ),
        (
            lambda self, z, s, p: pt.tanh(z + s.h @ p.hh.eval()),
            {},
            'a tensor has no value yet, so eval() cannot compute it. It was given',
        ),
        (
            lambda self, z, s, p: pt.tanh(z + s.h @ p.hh @ MINE),
            {},
            "reads a shared variable 'mine', which the layer does not know; declare it in params",
        ),
        (
            lambda self, z, s, p: pt.tanh(s.h @ p.hh),
            {},
            'does not read z, so the layer would ignore its input; z is x @ p.xh + p.b',
        ),
    ],
)
def test_what_is_said_when_a_layer_is_made(step, attributes, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        network(own(step=step, **attributes))
    assert message in str(error.value)


@pytest.mark.filterwarnings('ignore')  # PyTensor's own, which differ among its versions
def test_a_step_draws_no_random_numbers():
    draws = own(step=lambda self, z, s, p: z + s.h @ p.hh + pt.random.normal(size=z.shape))
    with pytest.raises(rnnkit.ConfigError, match='draws random numbers; the layer'):
        network(draws)


def test_the_layer_is_named():
    with pytest.raises(rnnkit.ConfigError, match=r"^layer 'it' \(mine\): Mine.step\(\): there is"):
        network(own(step=lambda self, z, s, p: s.c), name='it')


def test_a_class_in_place_of_its_name(add_layer):
    class Zk(rnnkit.Cell):
        step = Leaky.step

    for spec in ((Zk, 3), Zk, dict(form=Zk, size=3)):
        with pytest.raises(rnnkit.ConfigError) as error:
            rnnkit.Regressor([1, spec, 1])
        assert str(error.value) == (
            "layers[1], 'hid1': a layer is named by a str; put @rnnkit.layers.add('zk') before "
            "the class Zk, and write 'zk' here"
        )
    add_layer('mine')(Zk)
    with pytest.raises(rnnkit.ConfigError, match="write 'mine' in place of the class Zk$"):
        rnnkit.Regressor([1, (Zk, 3), 1])
    lstm = rnnkit.layers.registry['lstm']
    with pytest.raises(rnnkit.ConfigError, match="write 'lstm' in place of the class "):
        rnnkit.Regressor([1, (lstm, 3), 1])


def test_a_name_that_is_asked_for_may_be_missing():
    def step(self, z, s, p):
        assert not hasattr(p, 'bn')
        return getattr(s, 'c', s.h) + z + s.h @ p.hh

    network(own(step=step))


def test_an_error_of_other_code_stays_what_it_is():
    def step(self, z, s, p):
        return z.nonsense

    with pytest.raises(rnnkit.ConfigError, match='failed: AttributeError: .*nonsense'):
        network(own(step=step))


def test_a_parameter_that_a_class_lists_in_vain_is_warned_of():
    cell = own(params={**PARAMS, 'U': ('H', 'H')})
    with pytest.warns(UserWarning, match=r'nothing that the cell computes reads p\.U, so') as seen:
        network(cell)
    assert seen[0].filename == __file__


def test_names_of_ones_own_and_classes_within_are_left_alone():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        cell = own(epsilon=0.1, _gate='h', State=Named, helper=lambda self: 1, rates=(1, 2))
    assert cell.epsilon == 0.1


def test_unroll_names_the_cell_as_well(rng):
    x = pt.tensor('x', dtype='float64', shape=(None, None, I))
    shapes = Leaky().shapes(I, H)
    params = {name: pt.tensor(name, dtype='float64', shape=s) for name, s in shapes.items()}
    cell = own(step=lambda self, z, s, p: z + s.h @ p.hhh)()
    with pytest.raises(rnnkit.ConfigError, match=r'Mine.step\(\): there is no p.hhh; did you mean'):
        unroll(cell, x, params, H)
    cell = own(step=lambda self, z, s, p: z[:, :3] + s.h @ p.hh)()
    with pytest.raises(rnnkit.ConfigError, match=r'Mine.step\(\) failed: .* z \(B, 4\), s.h'):
        unroll(cell, x, params, H)


@pytest.mark.parametrize('name', sorted(rnnkit.cells.cells))
def test_cells_of_rnnkit_read_all_that_they_declare(name):
    needed = {'clockwork': {'periods': [1, 2]}, 'bcrnn': {'num_modules': 2}}
    cell = rnnkit.cells.cells[name](**needed.get(name, {}))
    reads = rehearse(cell, I, H, 'float64')
    assert reads.params == set(cell.params)
    assert reads.sides == set(cell.side)
