"""States as users and clients give them: by names or in order, arrays or lists; and refusals."""

import json
import time

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import ConfigError, DataError, RnnkitError, ShapeError

B = 3


@pytest.fixture(scope='module')
def net():
    layers = [2, ('lstm', 4), dict(form='gru', size=3, name='top'), 'mean', 2]
    return rnnkit.Regressor(layers, seed=0)


@pytest.fixture
def state(net, rng):
    return net.predict(rng.standard_normal((5, B, 2)).astype('float32'), return_state=True)[1]


def as_lists(state):
    return json.loads(json.dumps({k: [a.tolist() for a in v] for k, v in state.items()}))


FORMS = {
    'named tuples': dict,
    'dicts of arrays': lambda state: {k: v._asdict() for k, v in state.items()},
    'lists of arrays': lambda state: {k: list(v) for k, v in state.items()},
    'JSON of lists': as_lists,
    'dicts of rows': lambda state: {
        k: {name: list(a) for name, a in v._asdict().items()} for k, v in state.items()
    },
    'float64': lambda state: {k: [a.astype('float64') for a in v] for k, v in state.items()},
    'another order': lambda state: {
        k: dict(reversed(v._asdict().items())) for k, v in reversed(state.items())
    },
}


@pytest.mark.parametrize('form', FORMS)
def test_a_state_may_have_many_forms(form, net, state):
    x, given = np.ones((B, 2), 'float32'), FORMS[form](state)
    wanted, after = net.step(x, state)
    stepper = net.stepper(B)
    stepper.state = given
    found = [net.step(x, given), net.predict(x[None], state=given, return_state=True)]
    found.append((stepper(x), stepper.state))
    for y, carried in found:
        np.testing.assert_array_equal(y, wanted)
        for name, part in after.items():
            assert type(carried[name]) is type(part)
            for one, other in zip(carried[name], part, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_json_keeps_every_bit(dtype, rng):
    net, many = rnnkit.Regressor([2, ('gru', 50), 1], seed=0, dtype=dtype), 10 * B
    kind = f'u{np.dtype(dtype).itemsize}'
    bits = rng.integers(0, np.iinfo(kind).max, (many, 50), dtype=kind, endpoint=True).view(dtype)
    h = np.where(np.isfinite(bits), bits, 0)  # of all magnitudes, and some denormal
    h[0, :4] = [-0.0, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal, 0.1]
    text = json.dumps(net.state_to_json({'hid1': [h]}), allow_nan=False)
    stepper = net.stepper(many)
    stepper.state = json.loads(text)
    assert stepper.state['hid1'].h.tobytes() == h.tobytes()


def test_a_state_as_json_is_plain(net, state):
    plain = net.state_to_json(state)
    assert {k: list(v) for k, v in plain.items()} == {
        'hid1': ['h', 'c'],
        'top': ['h'],
        'hid3': ['sum', 'count'],
    }
    assert plain['hid3']['count'] == [[5.0]] * B
    assert type(plain['top']['h'][2][1]) is float
    assert net.state_to_json(plain) == plain
    stepper = net.stepper(B)
    stepper.state = plain
    assert net.state_to_json(stepper.state) == plain


DEEP = 1.0
for _ in range(900):
    DEEP = [DEEP]
GOOD = [[1.0] * 4] * B
SHAPE = "state 'h' of layer 'hid1' must have shape (3, 4) (batch, size), for 3 examples; got "
LONG_NAMES = ', '.join(['0' * 40 + '...'] * 9)
NAMES = 'state must have an entry for each of hid1, top, hid3; got '
PARTS = "state must have the LSTMState of layer 'hid1', by names or in this order: h, c; got "


def in_place(value):
    return lambda state: {**state, 'hid1': {'h': value, 'c': GOOD}}


REFUSED = {
    'a number': (lambda state: 5, ConfigError, f'{NAMES}int'),
    'text': (lambda state: 'x' * 9999, ConfigError, f'{NAMES}str'),
    'a list': (lambda state: [GOOD], ConfigError, f'{NAMES}list of 1'),
    'nothing in it': (lambda state: {}, ConfigError, f'{NAMES}an empty dict'),
    'a layer is missing': (
        lambda state: {'hid1': state['hid1'], 'top': state['top']},
        ConfigError,
        f'{NAMES}a dict of hid1, top',
    ),
    'a layer is misspelt': (
        lambda state: {'hid_1': state['hid1'], 'top': state['top'], 'hid3': state['hid3']},
        ConfigError,
        f"{NAMES}a dict of hid_1, top, hid3; did you mean 'hid1' by 'hid_1'?",
    ),
    'a layer too many': (
        lambda state: {**state, 'other': 0},
        ConfigError,
        f'{NAMES}a dict of hid1, top, hid3, other',
    ),
    'many long names': (
        lambda state: {f'{k:0>10000}': 0 for k in range(10_000)},
        ConfigError,
        f'{NAMES}a dict of {LONG_NAMES}, 9991 others',
    ),
    'of another cell': (
        lambda state: {**state, 'hid1': state['top']},
        ConfigError,
        f'{PARTS}GRUState of h',
    ),
    'one of two parts': (
        lambda state: {**state, 'hid1': [GOOD]},
        ConfigError,
        f'{PARTS}list of 1',
    ),
    'an array alone': (
        lambda state: {**state, 'hid1': np.ones((B, 4))},
        ConfigError,
        f'{PARTS}array of shape (3, 4)',
    ),
    'a part is misspelt': (
        lambda state: {**state, 'hid3': {'summ': GOOD, 'count': GOOD}},
        ConfigError,
        "state must have the MeanState of layer 'hid3', by names or in this order: sum, count; "
        "got a dict of summ, count; did you mean 'sum' by 'summ'?",
    ),
    'a number for an array': (in_place(float('nan')), ShapeError, f'{SHAPE}float'),
    'text for an array': (in_place('abc'), ShapeError, f'{SHAPE}str'),
    'null': (in_place(None), ShapeError, f'{SHAPE}NoneType'),
    'a dict for an array': (in_place({'a': 1}), ShapeError, f'{SHAPE}dict'),
    'no rows': (in_place([]), ShapeError, f'{SHAPE}(0,)'),
    'deep lists': (in_place(DEEP), ShapeError, f'{SHAPE}(1, 1, 1, 1)'),
    'a huge list': (in_place([[0] * 10**6] * 10**6), ShapeError, f'{SHAPE}(1000000, 1000000)'),
    'too few rows': (in_place(GOOD[:2]), ShapeError, f'{SHAPE}(2, 4)'),
    'an array of another shape': (in_place(np.ones((4, 3))), ShapeError, f'{SHAPE}(4, 3)'),
    'a short row': (
        in_place([*GOOD[:2], [1, 2]]),
        ShapeError,
        "state 'h' of layer 'hid1' is ragged: item [2] must be a list of 4; got list of 2",
    ),
    'a number for a row': (
        in_place([*GOOD[:2], 5]),
        ShapeError,
        "state 'h' of layer 'hid1' is ragged: item [2] must be a list of 4; got int",
    ),
    'text for a number': (
        in_place([*GOOD[:2], [1, 2, 3, 'a' * 9999]]),
        DataError,
        "state 'h' of layer 'hid1' must be numbers; it contains str at [2][3]",
    ),
    'lists for a number': (
        in_place([*GOOD[:2], [1, 2, 3, DEEP]]),
        DataError,
        "state 'h' of layer 'hid1' must be numbers; it contains list of 1 at [2][3]",
    ),
    'true for a number': (
        in_place([*GOOD[:2], [1, 2, 3, True]]),
        DataError,
        "state 'h' of layer 'hid1' must be numbers; it contains bool at [2][3]",
    ),
    'NaN': (
        in_place([*GOOD[:2], [1, 2, 3, float('nan')]]),
        DataError,
        "state 'h' of layer 'hid1' contains nan at index (2, 3); numbers must be finite",
    ),
    'infinity': (
        in_place(np.full((B, 4), -np.inf)),
        DataError,
        "state 'h' of layer 'hid1' contains -inf at index (0, 0); numbers must be finite",
    ),
    'too large': (
        in_place([*GOOD[:2], [1, 2, 3, 1e300]]),
        DataError,
        "state 'h' of layer 'hid1' contains 1e+300 at index (2, 3), which does not fit float32; "
        'scale the numbers, or use float64',
    ),
    'much too large': (
        in_place([*GOOD[:2], [1, 2, 3, 10**400]]),
        DataError,
        "state 'h' of layer 'hid1' contains a number that does not fit float64",
    ),
    'complex': (
        in_place(np.ones((B, 4), complex)),
        DataError,
        "state 'h' of layer 'hid1' must be real numbers; got an array of complex128",
    ),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_what_is_no_state_is_refused(kind, net, state):
    make, error, message = REFUSED[kind]
    given, stepper = make(state), net.stepper(B)
    calls = {
        'step()': lambda: net.step(np.ones((B, 2)), given),
        'predict()': lambda: net.predict(np.ones((1, B, 2)), state=given),
        'stepper.state': lambda: setattr(stepper, 'state', given),
    }
    for where, call in calls.items():
        begin = time.perf_counter()
        with pytest.raises(RnnkitError) as found:
            call()
        assert type(found.value) is error
        assert str(found.value) == f'{where}: {message}'
        assert time.perf_counter() - begin < 0.5  # whatever was given


def test_what_is_no_state_does_not_become_json(net, state):
    for given, got in ((None, 'None'), ({'hid1': 0}, 'a dict of hid1')):
        with pytest.raises(ConfigError) as found:
            net.state_to_json(given)
        assert str(found.value) == f'state_to_json(): {NAMES}{got}'
    state['top'] = state['top']._replace(h=np.ones((2, 3), 'float32'))
    with pytest.raises(ShapeError) as found:
        net.state_to_json(state)
    assert str(found.value) == (
        "state_to_json(): state 'h' of layer 'top' must have shape (3, 3) (batch, size), for 3 "
        'examples; got (2, 3)'
    )
