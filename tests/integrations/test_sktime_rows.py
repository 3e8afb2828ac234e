"""The rows that the forecaster for sktime keeps, and new ones."""

import pytest

from rnnkit.integrations.sktime_rows import ID, TARGET, TIME, appended, join

pd = pytest.importorskip('pandas')


def rows(*parts):
    """Return the rows of parts, each with an id, times and values."""
    each = [pd.DataFrame({ID: i, TIME: times, TARGET: values}) for i, times, values in parts]
    return pd.concat(each, ignore_index=True).astype({TARGET: float})


OLD = rows(('a', [0, 1, 2, 3], [1, 2, 3, 4]), ('b', [0, 1], [5, 6]))


def test_new_rows_win_and_end_their_series():
    found = join(OLD, rows(('c', [1], [9]), ('a', [0, 2], [7, 8])))
    expected = rows(('b', [0, 1], [5, 6]), ('a', [0, 1, 2], [7, 2, 8]), ('c', [1], [9]))
    for i in 'abc':
        one, other = found[found[ID] == i], expected[expected[ID] == i]
        assert one[[TIME, TARGET]].to_numpy().tolist() == other[[TIME, TARGET]].to_numpy().tolist()
    assert (found[ID] != found[ID].shift()).sum() == 3  # the rows of each series are together


@pytest.mark.parametrize(
    ('new', 'expected'),
    [
        (rows(('a', [3, 4], [4, 7])), [['a', 4, 7.0]]),
        (rows(('b', [2], [8]), ('a', [4], [7])), [['b', 2, 8.0], ['a', 4, 7.0]]),
        (rows(('a', [2, 3], [3, 4])), []),
        (rows(('a', [2, 3, 4], [3, 5, 7])), None),
        (rows(('a', [1, 2], [2, 3])), None),
        (rows(('c', [4], [7])), None),
    ],
    ids=['overlap', 'two', 'nothing', 'revised', 'shorter', 'another'],
)
def test_rows_are_appended_if_the_old_ones_stay(new, expected):
    found = appended(OLD, new)
    assert (found if found is None else found.to_numpy().tolist()) == expected
