"""What a step of a staged loop stores, and what it does without."""

import pytest
from staged_cases import form_of

from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.staged.arrays_of import dims
from rnnkit.kernels.staged.layout_backward import BackwardLayout
from rnnkit.kernels.staged.layout_forward import ForwardLayout


def names(places):
    return {k: (place.array.name, place.block) for k, place in places.items()}


def test_a_projection_is_the_new_state_itself():
    layout = ForwardLayout(form_of('projected'), masked=False, keep=True).layout()
    assert names(layout.right)[1] == ('new0', 0)
    assert names(layout.left)[0] == ('old0', 0)
    # A held state must not be overwritten before it is known whether it is held.
    masked = ForwardLayout(form_of('projected'), masked=True, keep=True).layout()
    assert names(masked.right)[1] == ('cut1', 0)


def test_gradients_by_products_are_parts_of_the_one_by_z():
    layout = BackwardLayout(form_of('gru'), masked=False).layout()
    assert names(layout.left) == {0: ('d_z', 0), 1: ('d_z', 2)}
    assert names(layout.old)[0] == ('old0', 0)
    # The gates' product is added to the gradient by the old state, without an array of its own.
    assert layout.added == {0: 0}
    assert [array.name for array in layout.kept] == ['left1']


def test_sums_of_one_row_wait_for_no_product():
    layout = ForwardLayout(form_of('normed'), masked=False, keep=True).layout()
    assert layout.plan.segments[0] == [0]
    assert len(layout.plan.segments) == 2


def test_costly_values_are_kept_for_later_passes():
    layout = ForwardLayout(form_of('highway'), masked=False, keep=False).layout()
    program = form_of('highway').program
    kept = [program.nodes[array.nodes[0]][0] for array, _ in layout.plan.saved]
    assert kept == []  # the left side of the second product is in memory anyway
    layout = BackwardLayout(form_of('mixture'), masked=False).layout()
    assert len(layout.plan.saved) == 3


@pytest.mark.parametrize(
    ('lengths', 'name'),
    [
        ('', '0'),
        ('H', 'H'),
        ('HHH', '3H'),
        (['H', 'H', 'H', 'C', ''], '3H+C+1'),
        (['', '', 'C'], 'C+2'),
        ([''], '1'),
    ],
)
def test_the_length_of_blocks_side_by_side(lengths, name):
    assert dims(lengths) == name


def test_a_frame_needs_an_array_for_each_length():
    with pytest.raises(ValueError, match='no array says what the length C is'):
        Frame([Array('z', ('T', 'B', 'H+C')), Array('first', ('B', 'H'))], [])
    frame = Frame([Array('z', ('T', 'B', 'H+2C')), Array('w', ('2C', 'H'))], [])
    assert frame.definers == {'T': (0, 0, 1), 'B': (0, 1, 1), 'C': (1, 1, 2), 'H': (1, 2, 1)}
