"""Scores: plain NumPy."""

import numpy as np
import pytest

from rnnkit.errors import ShapeError
from rnnkit.metrics import accuracy, r2

Y = np.array([[1.0, 2.0], [3.0, 6.0]])


def test_r2_is_one_minus_the_unexplained_share():
    output = [*Y, [0.5, 0], [0, -1]]
    assert r2(Y, output) == pytest.approx(1 - 1.25 / 14)  # 14 = Σ (y - 3)²
    assert r2(Y, Y) == 1
    assert r2(Y, np.full_like(Y, 3.0)) == 0
    assert r2(Y, -Y) < 0


def test_r2_with_weights_equals_repeating_examples():
    output, w = Y * 0.9, np.array([[1, 2], [0, 3]])
    repeated = [np.repeat(a.ravel(), w.ravel()) for a in (Y, output)]
    assert r2(Y, output, w) == pytest.approx(r2(*repeated))


def test_r2_of_a_constant_target():
    assert r2(np.ones(3), np.ones(3)) == 1
    assert r2(np.ones(3), np.zeros(3)) == -np.inf


def test_r2_of_float32_is_computed_in_float64():
    y = np.float32([1e4, 1e4 + 1, 1e4 + 2])
    assert r2(y, y + np.float32(0.5)) == pytest.approx(1 - 0.75 / 2)


def test_accuracy():
    assert accuracy([1, 2, 3, 4], [1, 2, 0, 0]) == 0.5
    assert accuracy([1, 2, 3, 4], [1, 2, 0, 0], weights=[3, 3, 1, 1]) == 0.75


@pytest.mark.parametrize('metric', [r2, accuracy])
def test_shapes_must_agree(metric):
    with pytest.raises(ShapeError, match=rf'{metric.__name__}: target \(2,\), output \(3,\)'):
        metric([1, 2], [1, 2, 3])
    with pytest.raises(ShapeError, match=r'weights \(1,\)'):
        metric([1, 2], [1, 2], weights=[1])
