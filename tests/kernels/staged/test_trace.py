"""From steps to staged forms, and steps that have none."""

import logging

import numpy as np
import pytensor.tensor as pt
import pytest
from staged_cells import CELLS
from staged_cells import form_of as form_of_case

from rnnkit.cells import Cell, GRUCell, LSTMCell, RNNCell, RNNState
from rnnkit.cells.scrn import SCRNCell
from rnnkit.common.tensors import affine, split
from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.staged.form import Product, StagedForm, Total
from rnnkit.kernels.staged.trace import form_of, trace


def made(step, **attributes):
    """Return a cell with an RNN's parameters, and more, and that step."""
    params = RNNCell.params | attributes.pop('params', {})
    body = dict(state=RNNState, gates='h', params=params, step=step, **attributes)
    return type('Made', (Cell,), body)()


def test_a_reset_gate_before_the_product_makes_two_products_of_slices():
    form = trace(GRUCell(reset='before'))
    assert form.z == ('H', 'H', 'H')
    assert form.weights == {'hh': (('H', 1), ('H', 3))}
    first, second = form.cuts
    assert first == Product('hh', first.left, 'H', 'H', 0, 0, 2)
    assert second == Product('hh', second.left, 'H', 'H', 0, 2, 1)
    assert [form.program.nodes[i] for i in first.left] == [('input', 'state0')]
    # the backward computes r * h, the left side of the second product, from these
    assert [form.program.nodes[i][0] for i in form.residuals] == ['sigmoid', 'sigmoid', 'tanh']


def test_a_projected_state_is_the_result_of_a_product():
    form = trace(LSTMCell(projection=3))
    assert form.states == ('P', 'H')
    assert form.program.nodes[form.new[0]] == ('input', 'cut1:0')
    assert form.cuts[1][:4] == ('hr', form.cuts[1].left, 'H', 'P')
    # the result of the product is a state, which is stored anyway
    assert form.new[0] not in form.residuals
    assert form.program.nodes[form.d_cuts[1][0]] == ('input', 'grad0')


def test_projections_give_the_lengths_of_their_pieces():
    assert trace(SCRNCell()).z == ('H', 'C')
    assert trace(CELLS['mixture']).z == ('V', 'I')
    assert trace(CELLS['no product']).z == ('H', 'H')

    class Changed(RNNCell):
        def project(self, x, p):
            pieces = [affine(x, p.xh), pt.tanh(affine(x, p.xh))]
            return 2 * pt.concatenate(pieces, axis=2) + pt.tile(p.b, 2)

        def step(self, z, s, p):
            return RNNState(sum(split(z, 2)) + s.h @ p.hh)

    assert trace(Changed()).z == ('H', 'H')


def test_means_and_variances_are_sums_of_all_blocks():
    form = trace(CELLS['normed'])
    totals = [cut for cut in form.cuts if isinstance(cut, Total)]
    assert [cut.length for cut in totals] == ['H'] * 4
    assert form.vectors == {'gain': ('H', 2), 'scale': ('', 1)}
    assert ('input', 'length:H') in form.program.nodes


def test_one_sum_serves_several_blocks_and_each_length_has_one():
    def step(self, z, s, p):
        both = pt.concatenate([s.h, z], axis=1)
        return RNNState(pt.tanh(z + both.sum(axis=1)[:, None] + s.h.sum(axis=-1, keepdims=True)))

    assert [type(cut) for cut in trace(made(step)).cuts] == [Total, Total]
    lengths = [c.length for c in trace(CELLS['mixture']).cuts if isinstance(c, Total)]
    assert sorted(lengths) == ['H', 'V']


def test_a_product_or_sum_that_is_used_twice_is_one():
    def step(self, z, s, p):
        spread = pt.var(s.h @ p.hh, axis=1, keepdims=True) + pt.var(s.h @ p.hh, axis=1)[:, None]
        return RNNState(pt.tanh(z + s.h @ p.hh + pt.dot(s.h, p.hh)) * spread)

    form = trace(made(step))
    assert [type(cut) for cut in form.cuts] == [Product, Total, Total]


def test_the_sum_of_a_number_needs_no_cut():
    def step(self, z, s, p):
        return RNNState(z + s.h / pt.ones_like(s.h).sum(axis=1, keepdims=True))

    form = trace(made(step))
    assert form.cuts == []
    assert ('input', 'length:H') in form.program.nodes


def test_the_number_of_units_is_no_constant():
    def step(self, z, s, p):
        H = s.h.type.shape[-1]
        return RNNState(z / s.h.shape[1] + s.h * H + z * (1 / H) + s.h * (2 * H))

    form = trace(made(step))
    constants = {node[1] for node in form.program.nodes if node[0] == 'constant'}
    assert constants <= {0.0, 1.0, 2.0}


def test_side_inputs_come_before_codes():
    form = trace(CELLS['zoned timed'])
    assert form.sides == ('elapsed', 'kept')
    assert form.direct == ('', 'H', 'H')


def test_rows_and_columns_of_weights_are_found_through_slices_and_splits():
    def step(self, z, s, p):
        a, (c, d) = split(p.w[:, :], 2)[0], split(z, 2)
        low = p.w[s.h.type.shape[-1] :]
        return RNNState(c + s.h @ a[: s.h.type.shape[-1]] + (d * s.h) @ split(low, 2)[1])

    form = trace(made(step, params={'xh': ('I', '2H'), 'b': ('2H',), 'w': ('2H', '2H')}))
    assert [(c.row, c.column, c.blocks) for c in form.cuts] == [(0, 0, 1), (1, 1, 1)]


def test_the_left_side_may_be_several_blocks():
    form = trace(CELLS['mixture'])
    (cut,) = [c for c in form.cuts if isinstance(c, Product) and c.weight == 'both']
    assert (len(cut.left), cut.inner, cut.outer) == (2, 'H', 'V')


def test_the_simpler_form_comes_first():
    assert isinstance(form_of(LSTMCell()), Form)
    assert isinstance(form_of(GRUCell(reset='before')), StagedForm)


def test_equal_cells_have_equal_digests_and_others_do_not():
    assert trace(GRUCell(reset='before')).digest == trace(GRUCell(reset='before')).digest
    others = [form_of_case(name).digest for name in CELLS]
    assert len(set(others)) == len(others)


def test_all_nodes_have_a_length():
    for name in CELLS:
        form = form_of_case(name)
        assert len(form.lengths) == len(form.program.nodes)
        for i, node in enumerate(form.program.nodes):
            read = {form.lengths[j] for j in form.program.operands(i)} - {''}
            assert len(read) <= 1, (name, node)
            assert form.lengths[i] in (read or {form.lengths[i]})


REFUSED = {
    '`h @ p.hh.T`: a weight is transposed inside step; do that in prepare()': (
        lambda self, z, s, p: RNNState(z + s.h @ p.hh.T)
    ),
    '`h @ mul(...)`: a weight is changed inside step; do that in prepare()': (
        lambda self, z, s, p: RNNState(z + s.h @ (2 * p.hh))
    ),
    '`p.hh` is read inside step other than by a product': (
        lambda self, z, s, p: RNNState(z + p.hh.sum(axis=0))
    ),
    'a single row or column of a weight': (lambda self, z, s, p: RNNState(z + s.h * p.hh[0])),
    'rows of `p.hh` that are not whole blocks of H': (
        lambda self, z, s, p: RNNState(z + s.h[:, :5] @ p.hh[:5])
    ),
    'the operation Softmax': (
        lambda self, z, s, p: RNNState(pt.special.softmax(z + s.h @ p.hh, axis=1))
    ),
    'the operation Maximum along the units': (
        lambda self, z, s, p: RNNState(z + pt.max(s.h, axis=1, keepdims=True))
    ),
    'a reduction over examples': lambda self, z, s, p: RNNState(z + s.h.sum(axis=0)),
    'a sum over units needs keepdims=True': lambda self, z, s, p: RNNState(z + s.h.sum(axis=1)),
    'the number of examples': lambda self, z, s, p: RNNState(z / s.h.shape[0]),
    'columns that are not whole blocks': lambda self, z, s, p: RNNState(z + s.h[:, :1]),
    'a subscript other than a slice of columns': lambda self, z, s, p: RNNState(z + s.h[:, ::-1]),
    'a subscript other than of columns': lambda self, z, s, p: RNNState(z + s.h[:1]),
    'a constant array in step; let prepare() return it': (
        lambda self, z, s, p: RNNState(z * np.arange(z.type.shape[1]))
    ),
    'a sum over a parameter; let prepare() return it': (
        lambda self, z, s, p: RNNState(z * p.b.sum() + s.h)
    ),
    'step computes a number from the size of the layer; let prepare() return it': (
        lambda self, z, s, p: RNNState(z + s.h / s.h.type.shape[1] ** 0.5)
    ),
    'a product of two matrices that are computed inside step': (
        lambda self, z, s, p: RNNState(z + s.h * (s.h @ z.T).sum(axis=1, keepdims=True))
    ),
    'a transposition': lambda self, z, s, p: RNNState(z + s.h * p.b[:, None][:1]),
    'step reads p.xh for its shape alone; let prepare() return what follows from it': (
        lambda self, z, s, p: RNNState(z / p.xh.type.shape[0] + (s.h @ p.hh) @ p.hh)
    ),
    'a cast to int32': lambda self, z, s, p: RNNState(pt.cast(z, 'int32') * 1.0 + s.h),
    'its step could not be traced': lambda self, z, s, p: RNNState(z + p.nothing),
    'step does not return a state of tensors': lambda self, z, s, p: RNNState(0.0),
    "the new state 'h' is not of shape (B, H)": (
        lambda self, z, s, p: RNNState(pt.concatenate([z, s.h], axis=1))
    ),
}


@pytest.mark.parametrize('why', REFUSED)
def test_other_steps_keep_the_scan_and_say_why(why, caplog):
    cell = made(REFUSED[why])
    with caplog.at_level(logging.DEBUG, 'rnnkit'):
        assert form_of(cell) is None
        assert form_of(cell) is None
    assert caplog.text.count('Made keeps the scan: ') == 1
    assert why in caplog.text


def test_other_parameters_are_refused():
    class Named(RNNCell):
        params = RNNCell.params | {'mask': ('H',)}

    with pytest.raises(Unsupported, match="a parameter is called 'mask'"):
        trace(Named())

    def step(self, z, s, p):
        return RNNState(z + (s.h @ p.w).sum(axis=1, keepdims=True))

    with pytest.raises(Unsupported, match='`h @ p.w`: a weight of shape .* whole blocks'):
        trace(made(step, params={'w': ('H', '3')}))
    with pytest.raises(Unsupported, match='there are no xh and b to project the input with'):
        trace(type('Bare', (Cell,), dict(state=RNNState, params={}, step=step))())


def test_projections_that_show_no_pieces_are_refused():
    class Odd(RNNCell):
        def project(self, x, p):
            return x[:, :, :5]

        def step(self, z, s, p):
            return RNNState(s.h + z.sum(axis=1, keepdims=True))

    with pytest.raises(Unsupported, match='project must concatenate pieces'):
        trace(Odd())
