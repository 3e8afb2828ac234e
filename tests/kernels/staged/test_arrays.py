"""Staged forms by NumPy: the states are those of the cell, the gradients numerical derivatives."""

import numpy as np
import pytest
from staged_cells import CELLS, by_step, case

from rnnkit.kernels.staged.arrays import backward, forward

WALKS = {
    'plain': {},
    'masked': dict(rows=True, masked=True, reverse=True),
}


def gradients(of, states, residual, upstream):
    inputs = of.inputs | {f'new{k}': s for k, s in enumerate(states)} | {'residual': residual}
    inputs |= {f'd_new{k}': d for k, d in enumerate(upstream) if d is not None}
    return backward(of.form, of.walk, inputs)


@pytest.mark.parametrize('walk', WALKS)
@pytest.mark.parametrize('name', CELLS)
def test_states_are_those_of_the_step(name, walk):
    of = case(name, **WALKS[walk])
    states, _ = forward(of.form, of.walk, of.inputs)
    for got, want in zip(states, by_step(of), strict=True):
        np.testing.assert_allclose(got, want, atol=1e-14)


@pytest.mark.parametrize('walk', WALKS)
@pytest.mark.parametrize('name', CELLS)
def test_gradients_are_numerical_derivatives(name, walk):
    of = case(name, **WALKS[walk])
    states, residual = forward(of.form, of.walk, of.inputs)
    rng = np.random.default_rng(1)
    upstream = [rng.standard_normal(s.shape) for s in states]

    def cost(inputs):
        states, _ = forward(of.form, of.walk, inputs)
        return sum((s * u).sum() for s, u in zip(states, upstream, strict=True))

    found = gradients(of, states, residual, upstream)
    wanted = [name for name in of.inputs if name not in ('direct', 'mask')]
    assert list(found) == [f'd_{name}' for name in wanted]
    for name in wanted:
        value = of.inputs[name]
        assert found[f'd_{name}'].shape == value.shape
        step = 1e-5 * rng.standard_normal(value.shape)
        ends = [cost(of.inputs | {name: value + sign * step}) for sign in (1, -1)]
        slope, expected = (found[f'd_{name}'] * step).sum(), (ends[0] - ends[1]) / 2
        assert abs(slope - expected) <= 1e-7 * max(1e-5, abs(expected)), name


def test_padding_may_hold_anything():
    of = case('mixture', masked=True)
    states, residual = forward(of.form, of.walk, of.inputs)
    padding = of.inputs['mask'] == 0
    z = np.where(padding[:, :, None], np.nan, of.inputs['z'])
    dirty = of._replace(inputs=of.inputs | {'z': z})
    again, kept = forward(of.form, of.walk, dirty.inputs)
    for got, want in zip(again, states, strict=True):
        np.testing.assert_array_equal(got, want)
    upstream = [np.ones_like(s) for s in states]
    clean = gradients(of, states, residual, upstream)
    for name, got in gradients(dirty, again, kept, upstream).items():
        np.testing.assert_array_equal(got, clean[name])


def test_gradients_stop_before_multiples_of_the_limit():
    of = case('gru before', (6, 2, 3, 4), bptt_limit=2)
    states, residual = forward(of.form, of.walk, of.inputs)
    last = np.zeros_like(states[0])
    last[-1] = 1
    found = gradients(of, states, residual, [last])
    assert not found['d_z'][:4].any()
    assert found['d_z'][4:].all()
    assert not found['d_initial0'].any()


@pytest.mark.parametrize('sizes', [(0, 3, 2, 4), (3, 0, 2, 4)])
def test_empty_arrays(sizes):
    of = case('projected lstm', sizes)
    states, residual = forward(of.form, of.walk, of.inputs)
    assert [s.shape for s in states] == [(*sizes[:2], 3), (*sizes[:2], 4)]
    found = gradients(of, states, residual, states)
    assert not any(d.any() for d in found.values())
