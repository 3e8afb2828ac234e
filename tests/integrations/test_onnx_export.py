"""Recurrent layers in ONNX files give what `predict` gives, for any T and B of one file."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
import pytest
from long_forms import long_unless
from onnx_files import compare, filled, written
from pytensor.tensor import TensorVariable

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.layers import registry

pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

H = 4
# Options of each cell, and the operator.
CELLS = {
    'rnn': ('RNN', {}),
    'rnn, relu, clip': ('RNN', dict(activation='relu', clip=0.5)),
    'rnn, linear': ('RNN', dict(activation='linear')),
    'rnn, learned start': ('RNN', dict(h_0='learn')),
    'rnn, swish': ('Scan', dict(activation='swish')),
    'rnn, norm:z': ('Scan', dict(activation='norm:z')),
    'lstm': ('LSTM', {}),
    'lstm, peepholes, clip': ('LSTM', dict(peepholes=True, clip=0.4)),
    'lstm, coupled': ('LSTM', dict(coupled=True)),
    'lstm, coupled, peepholes': ('LSTM', dict(coupled=True, peepholes=True)),
    'lstm, elu, hard': ('LSTM', dict(activation='elu', gate_activation='hard_sigmoid')),
    'lstm, relu, softsign': ('LSTM', dict(activation='relu', gate_activation='softsign')),
    'lstm, learned start': ('LSTM', dict(h_0='learn', c_0='learn')),
    'lstm, one learned': ('LSTM', dict(c_0='learn', peepholes=True)),
    'lstm, dropout': ('LSTM', dict(dropout=0.5, bptt_limit=3)),
    'lstm, cell_clip': ('Scan', dict(cell_clip=0.2)),
    'lstm, projection': ('Scan', dict(projection=3)),
    'lstm, zoneout': ('Scan', dict(zoneout=0.2)),
    'gru': ('GRU', {}),
    'gru, clip': ('GRU', dict(clip=0.3)),
    'gru, before, clip': ('GRU', dict(reset='before', clip=0.3)),
    'gru, before': ('GRU', dict(reset='before')),
    'gru, hard, softplus': ('GRU', dict(gate_activation='hard_sigmoid', activation='softplus')),
    'gru, learned start': ('GRU', dict(h_0='learn')),
    'gru, gelu': ('Scan', dict(activation='gelu')),
    'mut1': ('Scan', {}),
    'mut1, learned start': ('Scan', dict(h_0='learn')),
    'mrnn': ('Scan', {}),
    'rrnn, vector': ('Scan', dict(rate='vector')),
    'rrnn, log': ('Scan', dict(rate='log')),
    'scrn': ('Scan', {}),
    'clockwork': ('Scan', dict(periods=[1, 3])),
    'bcrnn': ('Scan', dict(num_modules=2)),
    'mgu': ('Scan', {}),
    'minimalrnn': ('Scan', {}),
    'slstm': ('Scan', {}),
    'antisymmetric': ('Scan', dict(gated=True)),
    'minlstm': ('Scan', dict(positive=True)),
    'sru': ('Scan', {}),
    'lru': ('Scan', {}),
}
SHORT = {'lstm, coupled, peepholes', 'gru, before, clip', 'clockwork'}


def spec(name, **more):
    return dict(form=name.partition(',')[0], size=H, **CELLS[name][1], **more)


@pytest.mark.parametrize(
    ('name', 'masked'),
    long_unless(
        lambda name, masked: masked and name in SHORT,
        [(name, masked) for name in CELLS for masked in (False, True)],
    ),
)
def test_each_cell(name, masked):
    file = compare(filled(rnnkit.Regressor([2, spec(name), 3], masked=masked)))
    assert CELLS[name][0] in file.operators


@pytest.mark.parametrize(
    ('name', 'masked'),
    long_unless(
        lambda name, masked: (name, masked) == ('lstm', True),
        [(name, masked) for name in CELLS for masked in (False, True)],
    ),
)
def test_each_cell_backward_up_to_its_final_state(name, masked):
    layers = [2, spec(name, direction='backward'), 'last', 3]
    compare(filled(rnnkit.Regressor(layers, masked=masked)))


MERGES = ['concat', 'sum', 'average', 'product', None]
WORKERS = ['rnn', 'lstm', 'gru', 'mut1']
BOTH = [(worker, merge) for worker in WORKERS for merge in MERGES]
FEW = [('lstm', 'concat'), ('gru', 'product')]


@pytest.mark.parametrize('end', [[], ['last']])
@pytest.mark.parametrize(
    ('worker', 'merge'), long_unless(lambda worker, merge: (worker, merge) in FEW, BOTH)
)
def test_both_directions(worker, merge, end):
    layer = dict(form='bidirectional', worker=worker, size=H, merge=merge)
    file = compare(filled(rnnkit.Regressor([2, layer, *end, 3], masked=True)), steps=(1, 7))
    assert file.operators.count('Scan') == (2 if worker == 'mut1' else 0)


@pytest.mark.long
@pytest.mark.parametrize('worker', ['lstm', 'scrn'])
def test_each_direction_and_their_starts(worker):
    start = 'h' if worker == 'lstm' else 's'
    layers = [
        dict(form='input', size=2, name='in'),
        dict(form='bidirectional', worker=worker, size=H, **{f'{start}_0': 'learn'}, name='a'),
        dict(form='ff', size=3, inputs=('a:fw_out', 'a:bw_out', 'a')),
    ]
    compare(filled(rnnkit.Regressor(layers, masked=True)))


@pytest.mark.parametrize('cell', ['lstm', 'gru', 'mut1'])
def test_a_sequence_without_a_real_step_keeps_its_start(cell):
    layers = [2, dict(form=cell, size=H, h_0='learn'), 'last', 3]
    net = filled(rnnkit.Regressor(layers, masked=True))
    x = np.ones((5, 3, 2), 'float32')
    lengths = np.array([0, 5, 2], 'int32')
    (found,) = written(net)(**{'in': x, 'lengths': lengths}).values()
    expected = net.predict(x, mask=np.arange(5)[:, None] < lengths)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


@pytest.mark.long
@pytest.mark.parametrize('outputs', ['hid1:c', 'hid1:last_c', ['hid1', 'hid1:last'], 'out:pre'])
def test_other_outputs(outputs):
    net = filled(rnnkit.Regressor([2, ('lstm', H), 3]))
    x = np.random.default_rng(0).standard_normal((7, 3, 2)).astype('float32')
    found, values = written(net, outputs=outputs)(**{'in': x}), net.feed_forward(x)
    assert list(found) == ([outputs] if isinstance(outputs, str) else outputs)
    for name, array in found.items():
        expected = values[name if ':' in name else f'{name}:out']
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('layer', long_unless(lambda layer: layer == 'mut1', ['lstm', 'mut1']))
def test_hidden_outputs_are_0_over_padding(layer):
    names = ['hid1', 'hid1:last', *(['hid1:c'] if layer == 'lstm' else [])]
    net = filled(rnnkit.Regressor([2, (layer, H), 3], masked=True))
    x = np.random.default_rng(0).standard_normal((7, 3, 2)).astype('float32')
    lengths = np.array([7, 3, 1], 'int32')
    found = written(net, outputs=names)(**{'in': x, 'lengths': lengths})
    values = net.feed_forward(x, mask=np.arange(7)[:, None] < lengths)
    assert not found['hid1'][3:, 1].any()
    for name, array in found.items():
        expected = values[name if ':' in name else f'{name}:out']
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-5)


class FastState(NamedTuple):
    """State of a cell of the user's."""

    h: TensorVariable
    t: TensorVariable  # a truth value, as a number


class Fast(rnnkit.Cell):
    """A cell of the user's with an output of its own, comparisons and functions ONNX lacks."""

    state, gates = FastState, 'h'
    params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'a': ('H',)}

    def step(self, z, s, p):
        h = pt.expm1(pt.minimum(pt.tanh(z + s.h @ p.hh), 0)) + p.a * pt.log1p(s.h * s.h)
        return FastState(h, pt.cast(pt.neq(h, 0) & pt.ge(h, s.t - 1), h.dtype))

    def output(self, s, p):
        return pt.special.softmax(s.h * p.a, axis=-1) + pt.erfc(s.t) * s.h.max(-1, keepdims=True)


@pytest.fixture
def of_ones_own():
    """Register cells for one test."""
    added = []

    def add(name, cell):
        registry.add(name)(cell)
        added.append(name)

    yield add
    for name in added:
        del registry._members[name]


@pytest.mark.parametrize('end', [[], ['last']])
def test_a_cell_of_ones_own(of_ones_own, end):
    of_ones_own('fast', Fast)
    layer = dict(form='fast', size=H, direction='backward')
    file = compare(filled(rnnkit.Regressor([2, layer, *end, 3], masked=True)), steps=(1, 7))
    assert 'Scan' in file.operators


class Even(Fast):
    """A cell with a state that is the same in all columns, and one that is so in all rows."""

    params = {name: axes for name, axes in Fast.params.items() if name != 'hh'}

    def step(self, z, s, p):
        sign = z.sum(axis=-1, keepdims=True) > 0
        h = pt.switch(sign, pt.ones_like(s.h), pt.zeros_like(s.h))
        return FastState(h, p.a + pt.zeros_like(s.t))

    def output(self, s, p):
        return s.h * p.xh[0] + s.t


def test_equal_columns_and_equal_rows_are_whole_arrays(of_ones_own):
    of_ones_own('even', Even)
    net = filled(rnnkit.Regressor([2, dict(form='even', size=H), 3]))
    compare(net, steps=(1, 7))
    found = written(net, outputs=['hid1:last_h', 'hid1:last_t'])(**{'in': np.ones((4, 2, 2), 'f')})
    assert [array.shape for array in found.values()] == [(2, H), (2, H)]


def test_a_cell_that_cannot_be_written_is_named(of_ones_own):
    class Odd(Fast):
        def step(self, z, s, p):
            return FastState(pt.sin(z + s.h @ p.hh), s.t)

    class Mixing(Fast):
        def step(self, z, s, p):
            return FastState(z + s.h @ p.hh - s.h.mean(axis=0, keepdims=True), s.t)

    of_ones_own('odd', Odd)
    of_ones_own('mixing', Mixing)
    for form, why in [('odd', 'the operation Sin'), ('mixing', 'the operation Sum')]:
        net = rnnkit.Regressor([2, dict(form=form, size=H, name='mine'), 3])
        with pytest.raises(
            ConfigError,
            match=rf"^to_onnx\(\): layer 'mine' \({form}\): cannot be written as equations of one "
            rf'row: {why}.*; write it with elementwise functions, ',
        ):
            net.to_onnx('never.onnx')


def test_a_whole_class_of_functions_is_not_taken_for_another():
    """A function of the user's that is called tanh is not ONNX's Tanh."""

    def tanh(x):
        return pt.tanh(2 * x)

    net = filled(rnnkit.Regressor([2, dict(form='rnn', size=H, activation=tanh), 3]))
    assert 'Scan' in compare(net, steps=(7,)).operators
