"""`SequenceScaler`: its numbers against NumPy, forms, batches and frames."""

import numpy as np
import pandas as pd
import pytest
from series import even, labelled
from sklearn.exceptions import NotFittedError

from rnnkit.sklearn import SequenceScaler
from rnnkit.sklearn.sequences import as_objects

X, _ = labelled(10)
X3, _ = even(10)
ROWS = np.concatenate(X)


@pytest.mark.parametrize('method', ['standard', 'minmax'])
def test_against_numpy(method):
    scaler = SequenceScaler(method).fit(X)
    if method == 'standard':
        center, scale = ROWS.mean(axis=0), ROWS.std(axis=0)
    else:
        center, scale = ROWS.min(axis=0), np.ptp(ROWS, axis=0)
    found = scaler.transform(X)
    for x, z in zip(X, found, strict=True):
        np.testing.assert_allclose(z, (x - center) / scale, rtol=1e-12)
    for x, z in zip(X, scaler.inverse_transform(found), strict=True):
        np.testing.assert_allclose(z, x, rtol=1e-12)
    assert scaler.n_steps_seen_ == len(ROWS)


@pytest.mark.parametrize('method', ['standard', 'minmax'])
def test_weights_are_copies_and_parts_are_a_whole(method):
    counts = np.arange(10) % 3
    again = [x for x, n in zip(X, counts, strict=True) for _ in range(n)]
    weighted, copied = (SequenceScaler(method) for _ in range(2))
    weighted.fit(X, sample_weight=counts)
    copied.fit(again)
    parts = SequenceScaler(method)
    for k in range(0, len(again), 3):
        parts.partial_fit(again[k : k + 3])
    for other in (copied, parts):
        np.testing.assert_allclose(weighted.center_, other.center_, rtol=1e-12)
        np.testing.assert_allclose(weighted.scale_, other.scale_, rtol=1e-12)


def test_a_large_mean_loses_nothing():
    far = [x + 1e8 for x in X]
    parts = SequenceScaler()
    for k in range(0, 10, 2):
        parts.partial_fit(far[k : k + 2])
    np.testing.assert_allclose(parts.scale_, ROWS.std(axis=0), rtol=1e-6)


def test_results_have_the_form_of_x():
    scaler = SequenceScaler().fit(X3)
    expected = scaler.transform(X3)
    assert expected.shape == X3.shape
    found = scaler.transform(list(X3))
    assert isinstance(found, list)
    np.testing.assert_array_equal(np.stack(found), expected)
    objects = scaler.transform(as_objects(list(X3)))
    assert objects.dtype == object
    np.testing.assert_array_equal(np.stack(list(objects)), expected)
    assert scaler.transform(X3.astype('float32')).dtype == np.float32
    turned = SequenceScaler(channels_first=True).fit(X3.swapaxes(1, 2))
    np.testing.assert_array_equal(turned.transform(X3.swapaxes(1, 2)), expected.swapaxes(1, 2))
    ragged = turned.transform([x.T for x in X])
    assert [x.shape for x in ragged] == [x.T.shape for x in X]


def test_a_table_has_one_mean_and_may_be_a_frame():
    frame = pd.DataFrame(X3[:, :, 0], columns=[f't{k}' for k in range(6)])
    scaler = SequenceScaler().set_output(transform='pandas')
    found = scaler.fit_transform(frame)
    assert found.columns.tolist() == frame.columns.tolist()
    np.testing.assert_allclose(found, (frame - frame.to_numpy().mean()) / frame.to_numpy().std())
    assert scaler.get_feature_names_out().tolist() == frame.columns.tolist()
    assert isinstance(scaler.fit_transform(X), list)  # no frame can hold it


def test_a_fit_that_fails_leaves_nothing_fitted():
    scaler = SequenceScaler()
    with pytest.raises(ValueError, match='at least one non-zero'):
        scaler.fit(X, sample_weight=np.zeros(10))
    for use in (scaler.transform, scaler.inverse_transform):
        with pytest.raises(NotFittedError, match='SequenceScaler instance is not fitted yet'):
            use(X)


def test_a_constant_feature_becomes_zero():
    x = np.full((3, 4, 1), 7.0)
    for method in ('standard', 'minmax'):
        np.testing.assert_array_equal(SequenceScaler(method).fit_transform(x), np.zeros((3, 4, 1)))
