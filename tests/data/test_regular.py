import numpy as np
import pytest

from rnnkit.data.regular import Regular, places


@pytest.mark.parametrize(
    'chosen',
    [[0, 3, -1], np.array([True, False] * 5), np.array([2]), 4, -2, [], np.zeros((2, 2), int)],
)
def test_some_numbers_are_those_of_an_array(chosen):
    expected = (7 + 3 * np.arange(10))[chosen]
    np.testing.assert_array_equal(Regular(7, 3, 10)[chosen], expected)


@pytest.mark.parametrize(
    'chosen', [slice(2, 8, 2), slice(None), slice(9, 2), slice(None, None, -2)]
)
def test_a_slice_takes_no_memory(chosen):
    some = Regular(7, 3, 10)[chosen]
    assert isinstance(some, Regular)
    np.testing.assert_array_equal(some[...], (7 + 3 * np.arange(10))[chosen])


def test_how_many_are_up_to_a_number():
    numbers = Regular(7, 3, 4)
    assert [numbers.up_to(n) for n in (0, 6, 7, 9, 10, 16, 17, 99)] == [0, 0, 1, 1, 2, 4, 4, 4]


def test_an_index_beyond_the_end_is_an_error():
    with pytest.raises(IndexError, match='index 10 is out of bounds for axis 0 with size 10'):
        places(10, [3, 10])
