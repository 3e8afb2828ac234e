"""The forms of X, and what is wrong with others."""

import re

import numpy as np
import pandas as pd
import pytest
from series import even, labelled

from rnnkit.sklearn import SequenceClassifier, SequenceScaler
from rnnkit.sklearn.sequences import as_objects, read

X3, Y3 = even(12)
XR, YR = labelled(12)


def sequences(X, **options):
    return read(SequenceScaler(**options), X, reset=True)


FORMS = {
    'array': X3,
    'list': list(X3),
    'tuple': tuple(X3),
    'nested lists': X3.tolist(),
    'objects': as_objects(list(X3)),
    'frames': [pd.DataFrame(x) for x in X3],
    'Series of arrays': pd.Series(list(X3)),
    'float32': X3.astype('float32'),
    'object numbers': X3.astype(object),
    'memory order': np.asfortranarray(X3),
}


@pytest.mark.parametrize('form', FORMS)
def test_all_forms_are_the_same_sequences(form):
    found = sequences(FORMS[form])
    np.testing.assert_allclose(found.x, X3, rtol=1e-6)
    assert found.lengths.tolist() == [6] * 12
    arrays = ('array', 'float32', 'object numbers', 'memory order')
    assert found.form == ('array' if form in arrays else 'list')


def test_a_table_has_one_feature():
    for table in (X3[:, :, 0], X3[:, :, 0].tolist(), pd.DataFrame(X3[:, :, 0])):
        found = sequences(table)
        np.testing.assert_array_equal(found.x, X3[:, :, :1])
        assert found.form == 'table'
    ragged = sequences([np.arange(3), np.arange(5)])
    assert ragged.x[..., 0].tolist() == [[0, 1, 2, 0, 0], [0, 1, 2, 3, 4]]
    assert ragged.lengths.tolist() == [3, 5]


def test_ragged_sequences_are_padded_and_split_again():
    found = sequences(XR)
    assert found.mask.sum(axis=1).tolist() == [len(x) for x in XR]
    for x, again in zip(XR, found.split(found.x), strict=True):
        np.testing.assert_array_equal(x, again)


@pytest.mark.parametrize('X', [X3, XR], ids=['array', 'list'])
def test_channels_first_is_the_order_of_aeon(X):
    turned = X.swapaxes(1, 2) if isinstance(X, np.ndarray) else [x.T for x in X]
    np.testing.assert_array_equal(sequences(turned, channels_first=True).x, sequences(X).x)


def nested():
    cells = [[pd.Series(x[:, k]) for k in range(2)] for x in XR]
    frame = pd.DataFrame(index=range(len(XR)), columns=['a', 'b'], dtype=object)
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            frame.iat[i, j] = cell
    return frame


def with_value(value):
    X = [x.copy() for x in XR]
    X[3][2, 1] = value
    return X


WRONG = {
    'features': (
        [XR[0], XR[1][:, :1]],
        'X[1] has 1 features (axis 1, shape {1}), but X[0] has 2; all sequences have the '
        'same features. Expected arrays (time steps, features)',
    ),
    'no steps': ([XR[0], XR[1][:0]], 'X[1] has 0 time steps, shape (0, 2); leave it out'),
    'axes': (
        [XR[0], XR[1][None]],
        'X[1] has 3 axes, shape {1}; a sequence is (time steps, features)',
    ),
    'nan': (
        with_value(np.nan),
        'Input X contains NaN, in sequence 3 at time step 2, feature 1. Leave out such steps, '
        'or fill them in before',
    ),
    'inf': (
        with_value(np.inf),
        'Input X contains infinity (inf), in sequence 3 at time step 2, feature 1. Leave out '
        'such steps, or fill them in before',
    ),
    'text': (
        [XR[0], np.array([['a', 'b']])],
        "X[1] is not an array of numbers: could not convert string to float: np.str_('a')",
    ),
    'complex': ([XR[0], XR[1] * 1j], 'X[1] is not an array of numbers: Complex data not supported'),
    'four axes': (
        X3[None],
        'X has 4 axes, shape (1, 12, 6, 2); expected (sequences, time steps, '
        'features), a list of arrays (time steps, features), or (sequences, time steps)',
    ),
    'nested frame': (
        nested(),
        'X is a nested DataFrame, whose cells are series; expected a list of arrays '
        '(time steps, features), one for each sequence: '
        '[np.column_stack(list(row)) for row in X.to_numpy()]',
    ),
}


@pytest.mark.parametrize('kind', WRONG)
def test_errors_name_the_sequence_and_the_axis(kind):
    X, message = WRONG[kind]
    message = message.format(*map(np.shape, X if isinstance(X, list) else ()))
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
        sequences(X)


def test_the_way_out_of_a_nested_frame_is_right():
    frame = nested()
    again = [np.column_stack(list(row)) for row in frame.to_numpy()]
    for x, y in zip(XR, again, strict=True):
        np.testing.assert_array_equal(x, y)


def test_other_features_than_in_fit_are_refused():
    model = SequenceClassifier((('rnn', 3),), epochs=1).fit(XR, YR)
    assert model.n_features_in_ == 2
    message = (
        'X has 1 features for each time step, but SequenceClassifier is expecting 2 features as '
        'input; X has shape (12, 6, 1); expected (sequences, time steps, features)'
    )
    with pytest.raises(ValueError, match=f'^{re.escape(message)}$'):
        model.predict(X3[:, :, :1])
    with pytest.raises(ValueError, match=r'expecting 2 features as input; each X\[k\] is '):
        model.predict([x[:, :1] for x in XR])
    with pytest.raises(ValueError, match='X has 1 features for each time step'):
        model.predict(X3[:, :, 0])
    model.predict([x[:3] for x in XR])  # other lengths are fine


def test_frames_of_a_list_have_the_columns_of_fit():
    frames = [pd.DataFrame(x, columns=['u', 'v']) for x in XR]
    swapped = [frame[['v', 'u']] for frame in frames]
    model = SequenceClassifier((('rnn', 3),), epochs=1, random_state=0).fit(frames, YR)
    assert model.feature_names_in_.tolist() == ['u', 'v']
    scaler = SequenceScaler().fit(frames)
    assert scaler.get_feature_names_out().tolist() == ['u', 'v']
    same = 'All sequences have the same features, in the same order'
    for predict in (model.predict, scaler.transform):
        message = f"column 0 of X[0] is 'v', but 'u' was so in fit. {same}"
        with pytest.raises(ValueError, match=re.escape(message)):
            predict(swapped)
    message = f"column 0 of X[1] is 'v', but 'u' is so in X[0]. {same}"
    with pytest.raises(ValueError, match=re.escape(message)):
        scaler.fit([frames[0], swapped[1]])
    np.testing.assert_array_equal(model.predict_proba(XR), model.predict_proba(frames))
    assert not hasattr(model.fit(XR, YR), 'feature_names_in_')
    table = pd.DataFrame(X3[:, :, 0], columns=[f't{k}' for k in range(6)])
    model.fit(table, Y3).predict([pd.DataFrame({'a': [1.0, 2.0]})])


@pytest.mark.parametrize(
    ('X', 'kind', 'way'),
    [
        ({'a': XR[0]}, 'dict', 'list(X.values())'),
        (iter(XR), 'list_iterator', 'list(X)'),
        ((x for x in XR), 'generator', 'list(X)'),
    ],
)
def test_mappings_and_iterators_are_no_lists(X, kind, way):
    message = (
        f'X is a {kind}; expected a list of arrays (time steps, features), one for each '
        f'sequence: {way}'
    )
    with pytest.raises(TypeError, match=f'^{re.escape(message)}$'):
        sequences(X)


def test_names_of_columns_are_those_of_a_table():
    frame = pd.DataFrame(X3[:, :, 0], columns=[f't{k}' for k in range(6)])
    model = SequenceClassifier((('rnn', 3),), epochs=1).fit(frame, Y3)
    assert model.n_features_in_ == 6
    assert model.feature_names_in_.tolist() == ['t0', 't1', 't2', 't3', 't4', 't5']
    with pytest.raises(ValueError, match='feature names should match'):
        model.predict(frame.rename(columns={'t0': 'x'}))
    with (
        pytest.warns(UserWarning, match='X does not have valid feature names'),
        pytest.raises(ValueError, match='X has 5 features, but SequenceClassifier is expecting 6'),
    ):
        model.predict(X3[:, :5, 0])
    model.fit(X3, Y3)
    assert not hasattr(model, 'feature_names_in_')
    assert model.n_features_in_ == 2
