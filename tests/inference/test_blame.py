"""Outputs that are not numbers are errors that name what is not finite, and states are checked."""

import re

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import DataError, RnnkitError, ShapeError

T, B = 4, 3
X = np.ones((T, B, 2))
LABELS = np.zeros((T, B), int)


def made(model, **options):
    return model([2, ('lstm', 3), (4, 'relu'), 2], seed=0, **options)


CALLS = {
    'predict': lambda net: net.predict(X),
    'score': lambda net: net.score(X, X if isinstance(net, rnnkit.Regressor) else LABELS),
    'step': lambda net: net.step(X[0]),
    'generate': lambda net: net.generate(X if isinstance(net, rnnkit.Regressor) else [0, 1], 2),
    'predict_proba': lambda net: net.predict_proba(X),
}


@pytest.fixture(scope='module')
def nets():
    """Return networks whose first recurrent layer has a parameter that is not a number."""
    found = {model: made(model) for model in (rnnkit.Regressor, rnnkit.Classifier)}
    for net in found.values():
        b = net.find('hid1', 'b').get_value()
        b[1] = np.nan
        net.find('hid1', 'b').set_value(b)
        net.find('hid2', 'b').set_value(np.full(4, np.inf, 'f'))
    return found


@pytest.mark.parametrize('call', CALLS)
@pytest.mark.parametrize('model', [rnnkit.Regressor, rnnkit.Classifier])
def test_the_first_parameter_that_is_not_finite_is_named(model, call, nets):
    if call == 'predict_proba' and model is rnnkit.Regressor:
        return
    message = (
        f"{call}(): the output is not a number, since parameter 'hid1.b' contains nan; use "
        f'parameters from before this happened, and train with a smaller learning_rate'
    )
    with pytest.raises(DataError, match=f'^{re.escape(message)}$'):
        CALLS[call](nets[model])
    assert np.isnan(nets[model].feed_forward(X)['out:out']).any()  # for those who look for it


def test_sampling_greedy_search_and_beams_of_a_classifier_refuse(nets):
    net = nets[rnnkit.Classifier]
    for options in ({'temperature': 0}, {'top_k': 1}, {'beam': 2}):
        with pytest.raises(DataError, match=r"generate\(\): .* parameter 'hid1.b' contains nan"):
            net.generate([0], 2, **options)
    with pytest.raises(DataError, match="parameter 'hid1.b' contains nan"):
        next(net.predict_sequence([0], 2))


@pytest.mark.filterwarnings('ignore:.*encountered in:RuntimeWarning')  # of NumPy, in these tests
def test_the_first_output_is_named_where_all_parameters_are_finite():
    net = made(rnnkit.Classifier)
    net.find('hid2', 'w').set_value(np.full((3, 4), 3e38, 'f'))
    net.find('out', 'w').set_value(np.tile(np.array([3e38, -3e38], 'f'), (4, 1)))
    net.find('hid1', 'b').set_value(np.full(12, 9, 'f'))
    with pytest.raises(DataError, match="all parameters are finite, and 'hid2:out' is the first"):
        net.predict(0 * X)


def test_padding_may_hold_anything():
    net = rnnkit.Classifier([2, (4, 'relu'), ('rnn', 3), 2], masked=True, seed=0)
    mask = np.arange(T)[:, None] < [4, 2, 1]
    right = net.predict_proba(X * mask[..., None], mask=mask)
    for bad in (np.nan, np.inf, 1e38, 1e40):
        x = np.where(mask[..., None], X, bad)
        np.testing.assert_array_equal(net.predict_proba(x, mask=mask), right)


def test_a_sample_of_no_probability_is_refused():
    net = rnnkit.Autoencoder([2, (3, 'sigmoid'), 2], seed=0)
    net.find('hid1', 'b').set_value(np.full(3, np.nan, 'f'))
    with pytest.raises(DataError, match="'hid1:out' has values from nan to nan"):
        net.encode(X[0], sample=True, rng=0)
    net.find('out', 'b').set_value(np.full(2, np.nan, 'f'))
    with pytest.raises(DataError, match=r'decode\(\): the output is not a number, since .*hid1.b'):
        net.decode(np.ones((1, 3)))


@pytest.mark.parametrize('bad', [np.nan, np.inf, 1e40])
def test_a_state_is_read_like_data(bad):
    net = made(rnnkit.Regressor)
    _, state = net.predict(X, return_state=True)
    h = state['hid1'].h.astype(float)
    h[1, 2] = bad
    state['hid1'] = state['hid1']._replace(h=h)
    message = f"state 'h' of layer 'hid1' contains {bad:g} at index (1, 2)"
    for call in (lambda: net.predict(X, state=state), lambda: net.step(X[0], state)):
        with pytest.raises(DataError, match=re.escape(message)):
            call()
    masked = np.ma.masked_greater(np.ones((B, 3)), 0)
    state['hid1'] = state['hid1']._replace(h=masked)
    with pytest.raises(DataError, match="state 'h' of layer 'hid1' is a NumPy masked array"):
        net.predict(X, state=state)


def test_errors_of_a_state_show_shapes_and_no_arrays():
    net = made(rnnkit.Regressor)
    wrong = {'hid1': {'h': np.ones((B, 3)), 'c': [np.zeros((B, 3))]}}
    with pytest.raises(RnnkitError) as found:
        net.predict(X, state=wrong)
    assert str(found.value) == (
        "predict(): state 'c' of layer 'hid1' must have shape (3, 3) (batch, size), for 3 "
        'examples; got (1, 3, 3)'
    )
    _, state = net.predict(X, return_state=True)
    state['hid1'] = state['hid1']._replace(c=np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r'for 3 examples; got \(2, 3\)'):
        net.predict(X, state=state)
