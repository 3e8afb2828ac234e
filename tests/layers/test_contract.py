"""Every registered layer passes every check of `rnnkit.testing`; so a new one is tested at once."""

from typing import NamedTuple

import numpy as np
import pytest
from long_forms import long, long_unless

import rnnkit
from rnnkit import testing
from rnnkit.cells import cells
from rnnkit.errors import CallError
from rnnkit.layers import registry

# One name for each class: aliases are the same thing.
FORMS = sorted({registry[name].form: None for name in registry})
NEEDED = {  # options without a default
    'repeat': {'steps': 3},
    'flatten': {'steps': 4},
    'clockwork': {'periods': [1, 2]},
    'reshape': {'shape': [3, 1]},
    'bcrnn': {'num_modules': 2},
    'conv1': {'filter_size': 3, 'border_mode': 'same'},
    'attention': {'memory': 'hid1'},
}
PLAIN = [(form, NEEDED.get(form, {})) for form in FORMS]
VARIANTS = [
    ('gru', {'reset': 'before'}),
    ('rnn', {'activation': 'relu'}),
    ('lstm', {'peepholes': True}),
    ('gru', {'direction': 'backward'}),
    ('lstm', {'h_0': 'learn', 'c_0': 'learn'}),
    ('conv1', {'filter_size': 1}),
    ('conv1', {'filter_size': 2, 'border_mode': 'causal', 'stride': 2}),
    ('bidirectional', {'worker': 'lstm'}),
    ('bidirectional', {'worker': 'gru', 'merge': 'sum'}),
    ('bidirectional', {'worker': 'gru', 'merge': 'product'}),
    ('bidirectional', {'merge': None, 'h_0': ['learn', None]}),
    ('lstm', {'coupled': True, 'clip': 1.0, 'gate_activation': 'hard_sigmoid'}),
    ('lstm', {'dropout': 0.3, 'zoneout': 0.2}),
    ('bidirectional', {'worker': 'gru', 'dropout': 0.3}),
    ('ff', {'activation': 'tanh'}),
    ('reshape', {'shape': [3]}),
    ('lstm', {'std': 0.3, 'radius_hh': 0.8, 'mean_b': 0.5}),
    ('rrnn', {'rate': 'log'}),
    ('attention', {'memory': 'hid1', 'score': 'general', 'activation': 'relu'}),
    ('attention', {'memory': 'hid1', 'score': 'dot'}),
    ('attention', {'memory': 'hid1', 'score_size': 3}),
    ('bidirectional', {'worker': 'scrn', 'rate': 'uniform', 'context_size': 3}),
    ('ff', {'activation': 'tanh+maxout:3+lgrelu', 'leak': 0.1}),
]


# Cells that tests/cells/test_catalogue.py tries in all situations: two checks will do here.
THERE = set(cells) - {'rnn', 'lstm', 'gru', 'rrnn', 'mrnn', 'mut1', 'scrn', 'clockwork', 'bcrnn'}
FEW = (testing.check_rows_are_independent, testing.check_spec_round_trip)


def case(form, options, check):
    """Return a case; layers with options are part of the long form, except for the gradient."""
    brief = (form, options) not in VARIANTS or check == testing.check_gradient
    if form in THERE:
        brief = check in FEW
    make = pytest.param if brief else long
    return make(form, options, check, id=f'{form}-{options}-{check.__name__}')


@pytest.mark.parametrize(
    ('form', 'options', 'check'),
    [case(*layer, check) for layer in [*PLAIN, *VARIANTS] for check in testing.CHECKS],
)
def test_layer(form, options, check):
    check(form, **options)


class HState(NamedTuple):
    h: object


class Good(rnnkit.Cell):
    state, gates = HState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',)}

    def step(self, z, s, p):
        return HState(z + s.h @ p.hh)


class Leaks(rnnkit.Layer):
    """Let the examples of a batch see each other."""

    initial = {'w': 1.0}

    def shapes(self):
        return {'w': (self.input_size, self.size)}

    def transform(self, x):
        return {'out': (x - x.mean(axis=1, keepdims=True)) @ self.params['w']}


class Forgets(rnnkit.Layer):
    """Keep something that is not a parameter."""

    def __init__(self, size=None, **options):
        super().__init__(size, **options)
        self.gain = np.float64(id(self) % 997)

    def transform(self, x):
        return {'out': x.sum(axis=-1, keepdims=True) * np.ones(self.size) * self.gain}


class WrongSlope(rnnkit.Layer):
    """Have a gradient that is not that of its output."""

    initial = {'w': 'glorot'}

    def shapes(self):
        return {'w': (self.input_size, self.size)}

    def transform(self, x):
        from pytensor.gradient import grad_scale

        return {'out': grad_scale(x, 0.5) @ self.params['w']}


class Averages(rnnkit.Layer):
    """Make one example of a batch."""

    def transform(self, x):
        return {'out': x.mean(axis=1, keepdims=True)[..., :1] * np.ones(self.size, x.dtype)}


@pytest.fixture
def add_layer(monkeypatch):
    monkeypatch.setattr(registry, '_members', dict(registry._members))
    return rnnkit.layers.add


def test_a_cell_of_the_user_passes(add_layer):
    add_layer('good')(Good)
    for check in testing.CHECKS:
        check('good')


def test_checks_log_nothing(add_layer, caplog):
    add_layer('good')(Good)
    with caplog.at_level('INFO', 'rnnkit'):
        testing.check_gradient('good', dropout=0.1)  # options that no other check has compiled
    assert not caplog.records


def test_a_network_of_the_checks_starts_afresh_for_each(rng):
    first = testing.network('ff').params[0].get_value()
    testing.check_gradient('ff')
    assert np.array_equal(testing.network('ff').params[0].get_value(), first)


@pytest.mark.parametrize(
    ('layer', 'check', 'message'),
    [
        (Leaks, testing.check_rows_are_independent, 'halves of a batch: differs by'),
        (Forgets, testing.check_save_and_load, 'predictions after load: differs by'),
        (WrongSlope, testing.check_gradient, r'the slope is -?\d.*, the gradient says -?\d'),
        (
            Averages,
            testing.check_shape_and_dtype,
            r"shape of 'it:out' is \(5, 1, 4\); wanted \(5, 6, 4\)",
        ),
    ],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_a_check_finds_a_broken_layer(layer, check, message, add_layer):
    add_layer('bad')(layer)
    with pytest.raises(AssertionError, match=message):
        check('bad')


@pytest.mark.parametrize(
    'form',
    long_unless(
        lambda form: form not in THERE, [form for form in FORMS if registry[form].zero_padding]
    ),
)
def test_padding_of_such_a_layer_is_zero(form, rng):
    """The regularizers of outputs rely on it."""
    layer = {'form': form, 'size': 4, **NEEDED.get(form, {})}
    net = rnnkit.Regressor([2, layer, 1], masked=True, seed=0)
    mask = np.array([[1, 1], [1, 0], [1, 0]], bool)
    out = net.feed_forward(rng.standard_normal((3, 2, 2)), mask)['hid1:out']
    assert not out[~mask].any()
    assert out[mask].any()  # those of relu may be 0 in places


def test_a_convolution_starts_from_an_array():
    w = np.arange(12.0).reshape(3, 2, 2)
    net = rnnkit.Regressor([2, {'form': 'conv1', 'size': 2, 'filter_size': 3, 'w': w}, 1], seed=0)
    np.testing.assert_array_equal(net.find('hid1', 'w').get_value(), w)


@pytest.mark.parametrize('check', testing.CHECKS)
def test_a_check_without_a_form_says_what_to_write(check):
    with pytest.raises(CallError) as caught:
        check()
    name = check.__name__
    assert str(caught.value) == f'{name}(): form is missing; write {name}(form)'
