"""Validations: the batches they read, and the results they report."""

import math

import numpy as np
import pytest

from rnnkit.data.datasets import Kept
from rnnkit.errors import DataError
from rnnkit.training.validation import Validation


class Evaluation:
    """Reports the loss and the weight of a batch, which consists of them."""

    def __call__(self, *batch):
        return batch

    def counts(self, row):
        return row[1] > 0

    def average(self, rows):
        total = sum(weight for _, weight in rows)
        return {'loss': sum(loss * weight for loss, weight in rows) / total}


def test_batches_are_drawn_once_and_when_it_is_asked_for():
    read = []

    def batches():
        for batch in np.array([[1, 1], [4, 2]]):
            read.append(batch)
            yield list(batch)

    validation = Validation(Evaluation(), Kept(batches()), held_out=True)
    assert not read
    validation.draw()
    assert len(read) == 2
    for _ in range(2):
        assert validation.measure() == ({'loss': 3.0}, None)
    Validation(Evaluation(), [[1.0, 1.0]], held_out=True).draw()  # nothing is drawn of arrays


def test_the_first_batch_is_inspected_and_the_first_that_is_not_finite_is_blamed():
    seen, bad = [], [[1.0, 1.0], [math.inf, 1.0], [math.nan, 1.0]]
    validation = Validation(Evaluation(), bad, held_out=True, inspect=seen.append)
    result, culprit = validation.measure()
    assert math.isnan(result['loss'])
    assert culprit == [math.inf, 1.0]
    assert seen == [[1.0, 1.0]]


@pytest.mark.parametrize(('held_out', 'name'), [(True, 'valid'), (False, 'train')])
def test_results_and_errors_name_the_data(held_out, name):
    validation = Validation(Evaluation(), [[1.0, 0.0]], held_out)
    with pytest.raises(DataError) as caught:
        validation.measure()
    assert str(caught.value) == f'{name}: all weights are 0, so there is nothing to validate on'
    kind = 'valid' if held_out else 'training'
    assert validation.columns(['loss', 'r2']) == [f'{kind}_loss', f'{kind}_r2']
