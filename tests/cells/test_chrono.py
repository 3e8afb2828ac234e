"""Forget gates that start for memories of a known span: `t_max`."""

import numpy as np
import pytest

import rnnkit
from rnnkit.integrations.parts import check_options
from rnnkit.layers import registry as layers

H, T_MAX = 100, 50


def gates(net, name='hid1', b='b', blocks='ifgo'):
    """Return the initial bias of each gate."""
    values = net.find(name, b).get_value()
    return dict(zip(blocks, np.split(values, len(blocks)), strict=True))


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('options', [{}, {'peepholes': True, 'projection': 3}, {'layernorm': True}])
def test_biases_of_an_lstm_have_the_distribution_of_the_paper(options, dtype):
    layer = dict(form='lstm', size=H, t_max=T_MAX, **options)
    b = gates(rnnkit.Regressor([1, layer, 1], dtype=dtype))
    assert b['f'].dtype == dtype
    spans = np.exp(b['f'].astype('float64'))  # U(1, t_max - 1)
    assert 1 <= spans.min() < 1.3
    assert T_MAX - 1.3 < spans.max() <= T_MAX - 1
    np.testing.assert_allclose(spans.mean(), T_MAX / 2, rtol=1e-5)
    np.testing.assert_allclose(spans.var(), (T_MAX - 2) ** 2 / 12, rtol=1e-3)
    drawn = np.log(np.random.default_rng(0).uniform(1, T_MAX - 1, 100_000))
    np.testing.assert_allclose(b['f'].mean(), drawn.mean(), atol=0.02)  # quantiles, draws
    np.testing.assert_array_equal(b['i'], -b['f'])
    assert not b['g'].any()
    assert not b['o'].any()


def test_coupled_gates_have_only_the_input_gate():
    layer = dict(form='lstm', size=H, t_max=T_MAX, coupled=True)
    b = gates(rnnkit.Regressor([1, layer, 1]), blocks='igo')
    spans = np.exp(-b['i'].astype('float64'))  # f = 1 - i, the sigmoid of minus its argument
    np.testing.assert_allclose(spans.mean(), T_MAX / 2, rtol=1e-5)
    assert not b['g'].any()


def test_both_directions_have_them_and_files_keep_them(tmp_path):
    layer = dict(form='bidirectional', worker='lstm', size=8, t_max=9)
    net = rnnkit.Regressor([1, layer, 1])
    for b in ('fw.b', 'bw.b'):
        np.testing.assert_allclose(np.exp(gates(net, b=b)['f']), [2 - 0.125, 3.625, 5.375, 7.125])
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(gates(again, b='fw.b')['i'], gates(net, b='fw.b')['i'])
    assert again.layers[1].forward.cell.t_max == 9


@pytest.mark.parametrize(('form', 'param'), [('lstm', 'b'), ('janet', 'b'), ('indrnn', 'u')])
@pytest.mark.parametrize('key', ['{}', 'mean_{}'])
def test_an_initial_value_besides_is_an_error(form, param, key):
    key = key.format(param)
    with pytest.raises(
        rnnkit.ConfigError, match=f'both t_max and {key} set the initial value of {param}; take one'
    ):
        layers.build(form, size=3, t_max=5, **{key: 0.5})
    layers.build(form, size=3, **{key: 0.5})
    layers.build(form, size=3, t_max=5, xh=0.5)


@pytest.mark.parametrize('t_max', [2, 2.5, True, 'long'])
def test_a_span_is_a_number_of_steps(t_max):
    with pytest.raises(rnnkit.ConfigError, match='lstm: t_max must be'):
        layers.build('lstm', size=3, t_max=t_max)


def test_other_libraries_need_not_know_it():
    layer = layers.build('lstm', size=3, t_max=5)
    check_options('to_torch()', layer, 'nn.LSTM', {})  # it does not raise
    coupled = layers.build('lstm', size=3, t_max=5, coupled=True, name='a')
    with pytest.raises(rnnkit.ConfigError, match='has coupled=True, which'):
        check_options('to_torch()', coupled, 'nn.LSTM', {})
