"""`SequenceClassifier`: labels in and out, weights, early stopping, further training."""

import re

import numpy as np
import pandas as pd
import pytensor
import pytest
from long_forms import long_unless
from series import even, labelled
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import rnnkit
from rnnkit.errors import ConfigError
from rnnkit.sklearn import SequenceClassifier
from rnnkit.sklearn.sequences import as_objects

X, Y = labelled(24)
X3, Y3 = even(24)
SMALL = {'layers': (('rnn', 6),), 'epochs': 25, 'learning_rate': 0.03, 'random_state': 0}


def model(**options):
    return SequenceClassifier(**{**SMALL, **options})


def steps(X):
    """Return a label for each step: whether it is above the last one."""
    return [np.where(np.diff(x[:, 0], prepend=0) > 0, 'up', 'down') for x in X]


@pytest.mark.parametrize('kind', ['text', 'numbers', 'floats', 'bools', 'objects'])
def test_labels_of_any_kind_come_back(kind):
    numbers = (Y == 'up').astype(int)
    labels = {
        'text': Y,
        'numbers': numbers * 5 + 3,
        'floats': numbers + 1.0,
        'bools': numbers == 1,
        'objects': Y.astype(object),
    }[kind]
    fitted = model().fit(X, labels)
    np.testing.assert_array_equal(fitted.classes_, np.unique(labels))
    np.testing.assert_array_equal(fitted.predict(X), labels)
    assert fitted.predict(X).dtype == fitted.classes_.dtype
    assert fitted.score(X, labels) == 1
    np.testing.assert_array_equal(fitted.net_.classes_, np.unique(labels))


def test_ragged_sequences_are_predicted_as_one_by_one():
    fitted = model().fit(X, Y)
    alone = np.concatenate([fitted.predict_proba([x]) for x in X])
    np.testing.assert_allclose(fitted.predict_proba(X), alone, rtol=1e-6)
    np.testing.assert_array_equal(fitted.predict_proba(as_objects(X)), fitted.predict_proba(X))
    np.testing.assert_allclose(fitted.predict_proba(X).sum(axis=1), 1, rtol=1e-15)
    np.testing.assert_allclose(fitted.predict_log_proba(X), np.log(fitted.predict_proba(X)))


def test_the_saved_network_is_the_whole_model(tmp_path):
    fitted = model().fit(X, Y)
    fitted.net_.save(tmp_path / 'net.rnn')
    net = rnnkit.load(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(net.predict(X), fitted.predict(X))  # from raw data to names
    np.testing.assert_allclose(net.predict_proba(X), fitted.predict_proba(X), rtol=1e-6)


def test_the_network_is_that_of_rnnkit():
    fitted = model(dtype='float64', epochs=7).fit(X3, Y3)
    net = rnnkit.Classifier(
        [2, 'standardize', ('rnn', 6), 'last', 2],
        weighted=True,
        layout='batch',
        dtype='float64',
        seed=fitted.net_.seed,
    )
    codes = (Y3 == 'up').astype(int)
    net.train([X3, codes, np.ones(24)], algo='adam', learning_rate=0.03, epochs=7, batch_size=24,
              restore_best=False)  # fmt: skip
    np.testing.assert_allclose(fitted.predict_proba(X3), net.predict_proba(X3), rtol=1e-9)
    assert fitted.history_['loss'] == pytest.approx(net.history['loss'], rel=1e-9)
    assert fitted.n_iter_ == 7


@pytest.mark.parametrize('form', ['list', 'array', 'table'])
def test_one_label_for_each_step(form):
    given = {'list': X, 'array': X3, 'table': X3[:, :, 0]}[form]
    labels = steps(X) if form == 'list' else np.stack(steps(X3))
    fitted = model(epochs=60).fit(given, labels)
    assert fitted.many_ == 'all'
    found = fitted.predict(given)
    if form == 'list':
        assert found.dtype == object
        assert [len(one) for one in found] == [len(x) for x in X]
        right = np.mean(np.concatenate(list(found)) == np.concatenate(labels))
        assert [p.shape for p in fitted.predict_proba(X)] == [(len(x), 2) for x in X]
    else:
        assert found.shape == (24, 6)
        right = np.mean(found == labels)
        assert fitted.predict_proba(given).shape == (24, 6, 2)
    assert fitted.score(given, labels) == right > 0.9
    weights = np.arange(24)
    each = np.repeat(weights, [len(x) for x in given])
    hits = np.concatenate(list(found)) == np.concatenate(list(labels))
    assert fitted.score(given, labels, weights) == pytest.approx(np.average(hits, weights=each))


def test_weights_and_copies_have_the_same_effect_also_for_steps():
    counts = np.arange(24) % 3
    again = [x for x, n in zip(X, counts, strict=True) for _ in range(n)]
    labels = steps(X)
    many = [y for y, n in zip(labels, counts, strict=True) for _ in range(n)]
    exact = {'dtype': 'float64', 'class_weight': 'balanced', 'epochs': 10}
    for y, ys in ((Y, Y.repeat(counts)), (labels, many)):
        weighted = model(**exact).fit(X, y, sample_weight=counts)
        copied = model(**exact).fit(again, ys)
        for p, q in zip(weighted.predict_proba(X), copied.predict_proba(X), strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-7)


def test_class_weights_are_sample_weights():
    few = np.r_[np.arange(0, 24, 2), np.arange(1, 24, 6)]  # 12 down, 4 up
    part, labels = [X[k] for k in few], Y[few]
    expected = model().fit(part, labels, np.where(labels == 'up', 16 / 8, 16 / 24))
    for weight in ('balanced', {'up': 16 / 8, 'down': 16 / 24}):
        fitted = model(class_weight=weight).fit(part, labels)
        np.testing.assert_allclose(fitted.predict_proba(X), expected.predict_proba(X), rtol=1e-5)


def test_balanced_weights_are_those_of_the_training_data():
    rare = np.where(np.arange(24) < 6, 'up', 'down') == Y  # other frequencies than below
    part, labels = [x for x, one in zip(X, rare, strict=True) if one], Y[rare]
    still = model(class_weight='balanced', epochs=1, learning_rate=1e-300)
    fitted = still.fit(part, labels, X_val=X, y_val=Y)
    p = fitted.predict_proba(X)[np.arange(24), (Y == 'up').astype(int)]
    counts = np.array([np.sum(labels == 'down'), np.sum(labels == 'up')])
    assert counts[0] > 2 * counts[1]
    weights = 1 / counts[(Y == 'up').astype(int)]
    expected = np.average(-np.log(p), weights=weights)
    assert fitted.history_['valid_loss'][-1] == pytest.approx(expected, rel=1e-4)
    message = "class_weight='balanced' is not supported for partial_fit, which sees only a part"
    with pytest.raises(ValueError, match=message):
        still.partial_fit(X, Y)


@pytest.mark.parametrize('dropout', [0, pytest.param(0.2, marks=pytest.mark.long)])
def test_two_fits_give_the_same_bits(dropout):
    first = model(batch_size=8, dropout=dropout).fit(X, Y)
    second = clone(first).fit(X, Y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    np.testing.assert_array_equal(
        first.predict_proba(X), first.fit(X, Y).predict_proba(X), err_msg='fitted again'
    )
    for state in (np.random.RandomState(3), 3):
        again = model(random_state=state).fit(X, Y)
        np.testing.assert_array_equal(
            again.predict_proba(X), model(random_state=3).fit(X, Y).predict_proba(X)
        )
    other = model(random_state=None).fit(X, Y)
    assert not np.array_equal(other.predict_proba(X), model(random_state=None).fit(X, Y)
                              .predict_proba(X))  # fmt: skip


def test_early_stopping_by_a_part_that_is_held_out():
    rng = np.random.default_rng(0)
    noisy = [x + rng.normal(0, 2, x.shape) for x in X]
    fitted = model(validation_fraction=0.25, patience=3, epochs=400).fit(noisy, Y)
    losses = fitted.history_['valid_loss']
    best = int(np.argmin(losses))
    assert fitted.n_iter_ == len(losses) < 400
    assert len(losses) - 1 - best == 4  # one more than patience
    assert 'valid_loss' not in model().fit(X, Y).history_.columns


def test_early_stopping_by_validation_data():
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal((5, 2)) for _ in range(12)]
    fitted = model(patience=2, epochs=300).fit(X, Y, X_val=noise, y_val=Y[:12])
    losses = fitted.history_['valid_loss']
    assert len(losses) == 3  # one more than patience: nothing is better than no training
    evaluated = fitted.net_.evaluate(noise, Y[:12], weights=np.ones(12))['loss']
    assert evaluated < min(losses)


def test_a_warm_start_continues():
    once = model(epochs=6).fit(X, Y)
    start = once.net_.find('hid2', 'hh').get_value()
    warm = model(epochs=3, warm_start=True).fit(X, Y)
    warm.fit(X, Y)
    assert warm.n_iter_ == 3
    assert len(warm.history_) == 6
    assert warm.history_[3]['loss'] < warm.history_[0]['loss']
    cold = model(epochs=3).fit(X, Y).fit(X, Y)
    assert len(cold.history_) == 3
    assert not np.array_equal(warm.net_.find('hid2', 'hh').get_value(), start)
    with pytest.raises(ValueError, match="y has the label 'flat', which is none of the classes"):
        warm.fit(X, ['flat', *Y[1:]])


@pytest.mark.parametrize('kind', ['warm_start=True', 'partial_fit'])
def test_a_network_that_goes_on_is_the_one_described(kind):
    fitted = model(epochs=1, warm_start=True).fit(X, Y).set_params(layers=(('rnn', 7),))
    again = fitted.fit if kind == 'warm_start=True' else fitted.partial_fit
    message = (
        f"{kind} continues with the network of the last fit, which has layers=(('rnn', 6),); got "
        "layers=(('rnn', 7),). Fit a clone for a new network"
    )
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
        again(X, Y)
    assert clone(fitted).fit(X, Y).net_.find('hid2', 'hh').get_value().shape == (7, 7)
    fitted.set_params(layers=(('rnn', 6),), learning_rate=0.1)
    assert len(again(X, Y).history_) == 2


def test_a_fit_that_fails_leaves_no_classes_for_an_old_network():
    fitted = model(epochs=1).fit(X, Y)
    with pytest.raises(ValueError, match="y has the label 'flat'"):
        fitted.fit(X, np.where(Y == 'up', 'p', 'q'), X_val=X[:1], y_val=['flat'])
    with pytest.raises(NotFittedError, match='SequenceClassifier instance is not fitted yet'):
        fitted.predict(X)
    expected = model(epochs=1).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(fitted.fit(X, Y).predict_proba(X), expected)


def test_lbfgs_minimizes_the_loss(monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'off')
    with pytensor.config.change_flags(mode='FAST_COMPILE'):  # Numba takes ten seconds for it
        fitted = model(algo='lbfgs', dtype='float64').fit(X, Y)
        assert fitted.history_['loss'][-1] < 0.1 * fitted.history_['loss'][0]
        fitted.partial_fit(X, Y)
    assert fitted.n_iter_ == len(fitted.history_)


def test_partial_fits_are_one_long_training():
    """Of the same full batch, with one update in each; the moments of Adam are kept."""
    whole = model(epochs=8).fit(X, Y)
    parts = model()
    for _ in range(8):
        parts.partial_fit(X, Y, classes=['up', 'down'])
    assert parts.n_iter_ == 8
    np.testing.assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))


def test_callbacks_leave_the_optimizer_its_state():
    seen = []
    options = {'callbacks': lambda training: seen.append(training.number)}
    plain, watched = model(), model(options=options)
    for _ in range(3):
        plain.partial_fit(X, Y, classes=['up', 'down'])
        watched.partial_fit(X, Y, classes=['up', 'down'])
    np.testing.assert_array_equal(watched.predict_proba(X), plain.predict_proba(X))
    assert seen == [1, 2, 3]


def test_a_partial_fit_knows_its_classes():
    with pytest.raises(ValueError, match='classes must be passed on the first call to partial_fit'):
        model().partial_fit(X, Y)
    parts = model().partial_fit(X[:1], ['up'], classes=['up', 'flat', 'down'])
    assert parts.predict_proba(X).shape == (24, 3)
    parts.partial_fit(X, Y)
    with pytest.raises(
        ValueError, match=r"classes=\['down', 'up'\] is not the same as on the last"
    ):
        parts.partial_fit(X, Y, classes=['up', 'down'])


BOTH = dict(form='bidirectional', worker='rnn', size=6)
LAYERS = {
    'stack': [('rnn', 4), ('rnn', 4)],
    'mean': (('rnn', 4), 'mean'),
    'both': (BOTH,),
    'dense': (('rnn', 4), 'last', 5),
}


@pytest.mark.parametrize('kind', long_unless(lambda kind: kind != 'dense', LAYERS))
def test_layers_of_every_kind(kind):
    fitted = model(layers=LAYERS[kind], epochs=60).fit(X, Y)
    assert fitted.score(X, Y) > 0.9


def test_options_of_train_are_passed_on():
    epochs = []
    options = {'callbacks': lambda training: epochs.append(training.epoch)}
    model(options=options, epochs=3).fit(X, Y)
    assert epochs == [1, 2, 3]
    with pytest.raises(ConfigError, match="unknown option 'epoch', did you mean 'epochs'"):
        model(options={'epoch': 3}).fit(X, Y)


@pytest.mark.long
def test_noise_on_inputs_is_in_units_of_their_deviation():
    scaled = model(input_noise=0.3, dtype='float64').fit(X, Y)
    larger = model(input_noise=0.3, dtype='float64').fit([100 * x for x in X], Y)
    np.testing.assert_allclose(
        scaled.predict_proba(X), larger.predict_proba([100 * x for x in X]), rtol=1e-6
    )
    assert not np.allclose(scaled.predict_proba(X), model(dtype='float64').fit(X, Y)
                           .predict_proba(X), rtol=1e-3)  # fmt: skip


WRONG = {
    'one class': ({}, X, ['up'] * 24, "y has only one class, 'up'; a classifier needs two"),
    'missing': (
        {}, X, None,
        'This SequenceClassifier estimator requires y to be passed, but the target y is None.',
    ),
    'lengths': (
        {}, X, steps([X[0][:-1], *X[1:]]), f'y[0] has {len(X[0]) - 1} labels, but X[0] has '
        f'{len(X[0])} time steps',
    ),
    'no steps': (
        {'many': 'all'}, X, Y,
        "many='all' expects one label for each time step: y (sequences, time steps), or a list "
        'with one array for each sequence; got y of shape (24,)',
    ),
    'pooled': (
        {'layers': (('rnn', 3), 'mean')}, X, steps(X),
        "layers=(('rnn', 3), 'mean') leave no time axis, but there is a target for each time "
        "step; leave out 'last', 'mean' and 'max'",
    ),
    'tokens': (
        {'layers': (('embedding', 4), ('rnn', 3))}, X, Y,
        "layers=(('embedding', 4), ('rnn', 3)): an embedding reads tokens, but the estimators "
        "read features; for tokens use rnnkit.Classifier, as in 'Tag sequences' of the docs",
    ),
    'no label': (
        {}, X, ['up', None, *Y[2:]],
        'Input y contains NaN: label 1 is None. Leave out sequences without a label',
    ),
    'no label, pandas': (
        {}, X, pd.Series([*Y[:3], np.nan, *Y[4:]], dtype='str'),
        'Input y contains NaN: label 3 is nan. Leave out sequences without a label',
    ),
    'negative weight': ({}, X, Y, 'Negative values in data passed to `sample_weight`'),
}  # fmt: skip


@pytest.mark.parametrize('kind', WRONG)
def test_errors(kind):
    options, data, y, message = WRONG[kind]
    weights = -np.ones(24) if kind == 'negative weight' else None
    with pytest.raises(ValueError, match=re.escape(message)):
        model(**options).fit(data, y, weights)


def test_validation_data_are_complete():
    with pytest.raises(ValueError, match='X_val and y_val belong together'):
        model().fit(X, Y, X_val=X)
    message = "y has the label 'flat', which is none of the classes ['down', 'up'] of the first fit"
    with pytest.raises(ValueError, match=re.escape(message)):
        model().fit(X, Y, X_val=X[:1], y_val=['flat'])


@pytest.mark.parametrize('layers', [('rnn', 3), ['lstm', 3], ('rnn', 3, 'tanh')])
def test_a_single_layer_without_a_tuple_around_it(layers):
    message = f'layers={layers!r} is a single layer; expected a tuple of layers, such as ('
    with pytest.raises(ValueError, match=f'^{re.escape(message)}'):
        model(layers=layers).fit(X, Y)
