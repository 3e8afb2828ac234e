"""`SequenceRegressor`: the forms of y, and their units."""

import re

import numpy as np
import pytest
from series import even, labelled
from sklearn.metrics import r2_score

from rnnkit.sklearn import SequenceRegressor

X3, _ = even(24)
X, _ = labelled(24)
SMALL = {'layers': (('rnn', 6),), 'epochs': 60, 'learning_rate': 0.03, 'random_state': 0}
MEAN = np.array([x[:, 0].mean() for x in X3])


def model(**options):
    return SequenceRegressor(**{**SMALL, **options})


@pytest.mark.parametrize(
    ('y', 'many'),
    [
        (MEAN, 'last'),
        (np.stack([MEAN, -MEAN], axis=1), 'last'),
        (X3.cumsum(axis=1), 'all'),
        (list(X3[:, :, 0].cumsum(axis=1)), 'all'),
    ],
    ids=['one', 'two', 'steps', 'list of steps'],
)
def test_predictions_have_the_form_of_y(y, many):
    given = list(X3) if isinstance(y, list) else X3
    fitted = model().fit(given, y)
    assert fitted.many_ == many
    found = fitted.predict(given)
    if isinstance(y, list):
        assert [one.shape for one in found] == [one.shape for one in y]
    else:
        assert found.shape == y.shape
    assert found[0].dtype == np.float64
    assert fitted.score(given, y) > 0.9


def test_an_ambiguous_y_asks():
    y = X3[:, :, 0]
    message = (
        'y has shape (24, 6): 6 targets for each sequence, or one for each of the 6 time steps; '
        "say which by many='last' or many='all'"
    )
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
        model().fit(X3, y)
    assert model(epochs=1, many='last').fit(X3, y).predict(X3[:, :4]).shape == (24, 6)
    assert model(epochs=1, many='all').fit(X3, y).predict(X3[:, :4]).shape == (24, 4)


def test_targets_are_scaled_and_predictions_are_not():
    y = 1e4 + 50 * MEAN
    fitted = model().fit(X3, y)
    assert fitted.score(X3, y) > 0.9
    assert abs(fitted.predict(X3) - y).max() < 50
    weights = np.arange(24.0)
    assert fitted.score(X3, y, weights) == r2_score(y, fitted.predict(X3), sample_weight=weights)


def test_the_score_of_steps_counts_each_step():
    y = [x.cumsum(axis=0) for x in X]
    fitted = model(epochs=5).fit(X, y)
    flat = np.concatenate(list(fitted.predict(X)))
    assert fitted.score(X, y) == r2_score(np.concatenate(y), flat)


def test_partial_fits_continue():
    parts = model()
    for _ in range(20):
        parts.partial_fit(X3, MEAN)
    whole = model(epochs=20).fit(X3, MEAN)
    np.testing.assert_array_equal(parts.predict(X3), whole.predict(X3))
    with pytest.raises(ValueError, match='does not fit the targets of the first fit'):
        parts.partial_fit(X3, np.stack([MEAN, MEAN], axis=1))


WRONG = {
    'steps': ([np.zeros(3), *[np.zeros(len(x)) for x in X[1:]]],
              f'y[0] has 3 targets, but X[0] has {len(X[0])} time steps'),
    'nan': ([np.full(len(X[0]), np.nan), *[np.zeros(len(x)) for x in X[1:]]],
            'Input y contains NaN.'),
}  # fmt: skip


@pytest.mark.parametrize('kind', WRONG)
def test_errors(kind):
    y, message = WRONG[kind]
    with pytest.raises(ValueError, match=re.escape(message)):
        model().fit(X, y)


@pytest.mark.parametrize('loss', ['gaussian', {'form': 'quantile', 'q': [0.1, 0.9]}])
@pytest.mark.parametrize('scale', [True, False])
def test_losses_with_several_numbers_for_each_target_are_refused(loss, scale):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        model(loss=loss, scale=scale).fit(X, np.zeros(len(X)))
    assert str(caught.value) == (
        f'loss={loss!r} reads 2 numbers for each target, but the estimators predict one; for a '
        f'distribution or several quantiles use rnnkit.Regressor'
    )


@pytest.mark.parametrize(
    ('verbose', 'stays'), [(1, {False}), (True, {False}), (2, {True}), (0, set())]
)
def test_verbose_is_that_of_a_training(verbose, stays, caplog):
    x = np.linspace(-1, 1, 24).reshape(4, 3, 2)
    net = SequenceRegressor(layers=[('rnn', 2)], epochs=2, random_state=0, verbose=verbose)
    with caplog.at_level('INFO', 'rnnkit'):
        net.fit(x, x[:, -1, 0])
    about = [record.epoch for record in caplog.records if getattr(record, 'epoch', None)]
    assert {one.stays for one in about} == stays
    with pytest.raises(ValueError, match="'verbose' parameter .* must be"):
        net.set_params(verbose=3).fit(x, x[:, -1, 0])


def test_progress_among_the_options_goes_before_verbose(caplog):
    x = np.linspace(-1, 1, 24).reshape(4, 3, 2)
    options = {'progress': True}
    net = SequenceRegressor(layers=[('rnn', 2)], epochs=1, options=options, random_state=0)
    with caplog.at_level('INFO', 'rnnkit'):
        net.fit(x, x[:, -1, 0])
    assert any(getattr(record, 'epoch', None) for record in caplog.records)
