"""NaN as a value that is missing: where data may contain it, and what networks make of it."""

import complex_step
import numpy as np
import paper_cells_more
import pytest

import rnnkit
from rnnkit.errors import DataError, TrainingError

T, B, I = 6, 4, 2  # noqa: E741 - the letters of all documents
FINITE = r'predict\(\): x contains nan at .*; numbers must be finite'


@pytest.fixture
def x(rng):
    """Return an input with missing values: some at the first step, and all of one feature."""
    x = rng.normal([5, -3], [2, 0.5], (T, B, I))
    x[rng.random(x.shape) < 0.4] = np.nan
    x[0, 1], x[1, 1, 0], x[:, 2, 1] = np.nan, 4.5, np.nan
    return x


def make(layers=None, **options):
    return rnnkit.Regressor(layers or [I, ('grud', 3), 1], dtype='float64', seed=4, **options)


def randomize(net, rng):
    for p in net.params:
        p.set_value(rng.normal(0, 0.5, p.get_value().shape))


def by_paper(net, x, mask=None, times=None, name='hid1', reverse=False):
    """Return the states of the layer 'grud' by NumPy."""
    p = {
        q.name.partition('.')[2]: q.get_value() for q in net.params if q.name.startswith(f'{name}.')
    }
    start = [np.zeros((1, n)) for n in (len(p['bh']), x.shape[-1], x.shape[-1])]
    if times is not None:
        x = np.concatenate([x, times], axis=-1)
    step = paper_cells_more.grud(times=times)
    return complex_step.run(step, x, start, p, mask, reverse)


def test_a_network_reads_nan_where_only_a_layer_for_it_does(x, rng):
    net = make()
    randomize(net, rng)
    found = net.feed_forward(x)
    for name, wanted in zip(('out', 'seen', 'gap'), by_paper(net, x), strict=True):
        np.testing.assert_allclose(found[f'hid1:{name}'], wanted, atol=1e-13)
    assert np.isfinite(net.predict(x)).all()


def test_what_is_missing_may_be_anything(x, rng):
    """The value of NaN cannot be known; and a value that is there makes a difference."""
    net, other = make(), x.copy()
    t, b, k = np.argwhere(~np.isnan(x))[-1]
    other[t, b, k] = np.nan
    assert (net.predict(x) != net.predict(other)).any()


@pytest.mark.parametrize(
    'layers',
    [
        [I, ('gru', 3), 1],
        [I, ('bidirectional', 4), 1],
        [I, dict(form='grud', size=3, name='a'), dict(form='rnn', size=3, inputs='in'), 1],
        [I, 'standardize', ('rnn', 3), ('grud', 3), 1],
        [I, dict(form='sum', inputs='in'), ('grud', 3), 1],
    ],
    ids=['gru', 'bidirectional', 'both', 'standardize', 'between'],
)
def test_everywhere_else_nan_is_refused_as_before(layers, x):
    with pytest.raises(DataError, match=FINITE):
        make(layers).predict(x)


def test_infinity_is_refused(x):
    x[2, 1, 0] = -np.inf
    with pytest.raises(
        DataError, match=r'x contains -inf at index \(2, 1, 0\); numbers must be finite'
    ):
        make().predict(x)
    with pytest.raises(DataError, match=r'x_t contains -inf|x contains -inf'):
        make().step(x[2])
    with pytest.raises(DataError, match='which does not fit float32|contains inf|1e'):
        rnnkit.Regressor([1, ('grud', 2), 1]).predict(np.full((2, 1, 1), 1e300))


def test_targets_weights_and_masks_are_numbers(x):
    y = np.zeros((T, B, 1))
    for options, data, name in [
        ({}, [x, np.where(y == 0, np.nan, y)], 'y'),
        ({'weighted': True}, [x, y, np.full(y.shape, np.nan)], 'weights'),
        ({'masked': True}, [x, y, np.full((T, B), np.nan)], 'mask'),
    ]:
        with pytest.raises(DataError, match=f'{name} contains nan'):
            make(**options).train(data, epochs=1)


def test_an_input_that_is_the_target_is_numbers(x):
    net = rnnkit.Autoencoder([I, ('grud', 3), I], dtype='float64')
    with pytest.raises(DataError, match='x contains nan'):
        net.train(x, epochs=1)


def test_an_initial_state_and_times_are_numbers(x):
    layers = [
        I,
        dict(form='input', size=3, ndim=2, name='start'),
        dict(form='input', size=1, name='gaps'),
        dict(form='grud', size=3, inputs='in', h_0='start', times='gaps'),
        1,
    ]
    net, start, gaps = make(layers), np.zeros((B, 3)), np.ones((T, B, 1))
    net.predict([x, start, gaps])
    for name, bad in (('start', start), ('gaps', gaps)):
        given = {'x': x, 'start': start, 'gaps': gaps, name: np.full(bad.shape, np.nan)}
        with pytest.raises(DataError, match=f'{name} contains nan'):
            net.predict(given)


# --- standardized data


def test_moments_are_those_of_the_values_that_are_there(x):
    net = make([I, 'standardize', ('grud', 3), 1])
    net.train([x, np.zeros((T, B, 1))], epochs=1)
    rows = x.reshape(-1, I)
    np.testing.assert_allclose(net.find('hid1', 'mean').get_value(), np.nanmean(rows, axis=0))
    np.testing.assert_allclose(net.find('hid1', 'deviation').get_value(), np.nanstd(rows, axis=0))
    assert all(np.isfinite(p.get_value()).all() for p in net.params)
    z = net.feed_forward(x)['hid1:out']
    np.testing.assert_array_equal(np.isnan(z), np.isnan(x))


def test_padding_and_a_column_without_values_do_not_count(x):
    net = make([I, 'standardize', ('grud', 3), 1], masked=True)
    mask = np.ones((T, B))
    mask[3:, 0] = 0
    x[:, :, 1] = np.nan
    net.train([x, np.zeros((T, B, 1)), mask], epochs=1)
    real = x[..., 0][mask > 0]
    np.testing.assert_allclose(
        net.find('hid1', 'mean').get_value(), [np.nanmean(real), 0], atol=1e-14
    )
    np.testing.assert_allclose(
        net.find('hid1', 'deviation').get_value(), [np.nanstd(real), 1], rtol=1e-12
    )


# --- training, masks, states


def test_training_learns_although_values_are_missing(x):
    net = make()
    before = [p.get_value() for p in net.params]
    net.train([x, np.ones((T, B, 1))], algo='adam', epochs=3)
    for p, was in zip(net.params, before, strict=True):
        assert np.isfinite(p.get_value()).all(), p.name
        assert (p.get_value() != was).any() or p.name == 'hid1.bx', p.name


def test_a_list_of_sequences_with_gaps(x, rng):
    net = make(masked=True)
    randomize(net, rng)
    parts = [x[:4, 0], x[:, 1], x[:2, 2]]
    for part, out in zip(parts, net.predict(parts), strict=True):
        np.testing.assert_allclose(out, net.predict([part])[0], atol=1e-14)


def test_steps_and_parts_go_on_where_the_sequence_was(x, rng):
    net = make()
    randomize(net, rng)
    whole, state = net.predict(x), None
    for x_t, y_t in zip(x[:4], whole, strict=False):
        found, state = net.step(x_t, state)
        np.testing.assert_allclose(found, y_t, atol=1e-14)
    np.testing.assert_allclose(net.predict(x[4:], state=state), whole[4:], atol=1e-14)


# --- times


@pytest.fixture
def timed(rng):
    gaps = dict(form='input', size=1, name='gaps')
    net = make(
        [I, gaps, dict(form='grud', size=3, times='gaps', inputs='in', name='hid1'), 1], masked=True
    )
    randomize(net, rng)
    return net


def test_times_of_one_are_regular_steps(timed, x):
    regular = make()
    for p, q in zip(regular.params, timed.params, strict=True):
        p.set_value(q.get_value())
    ones = np.ones((T, B, 1))
    np.testing.assert_array_equal(timed.predict([x, ones]), regular.predict(x))


def test_times_are_those_since_the_step_before(timed, x, rng):
    gaps = rng.random((T, B, 1)) * 3
    found = timed.feed_forward([x, gaps])
    for name, wanted in zip(('out', 'seen', 'gap'), by_paper(timed, x, times=gaps), strict=True):
        np.testing.assert_allclose(found[f'hid1:{name}'], wanted, atol=1e-13)


def test_a_step_that_is_left_out_is_time_that_passes(timed, x):
    """Without observations, two steps are one of their total length, but for the gates."""
    x[3] = np.nan
    gaps = np.ones((T, B, 1))
    _, long_way = timed.predict([x[:5], gaps[:5]], return_state=True)
    short = np.delete(gaps[:5], 3, axis=0)
    short[3] = 2
    _, short_way = timed.predict([np.delete(x[:5], 3, axis=0), short], return_state=True)
    np.testing.assert_array_equal(long_way['hid1'].gap, short_way['hid1'].gap)
    np.testing.assert_array_equal(long_way['hid1'].seen, short_way['hid1'].seen)


# --- explanations


@pytest.mark.filterwarnings('ignore:.*encountered in:RuntimeWarning')  # of NumPy, in these tests
def test_numbers_that_are_too_large_are_found_beside_missing_ones(x):
    x = x.astype('float32')
    x[2, 0, 0] = 1e30
    net = rnnkit.Regressor([I, ('grud', 3), 1])
    net.set('out', 'w', np.full((3, 1), 3e38, 'float32'))
    with pytest.raises(TrainingError, match="array 'in' of the batch has values up to 1e\\+30"):
        net.train([x, np.zeros((T, B, 1), 'float32')], epochs=1)


@pytest.mark.filterwarnings('ignore:.*encountered in:RuntimeWarning')
def test_an_output_that_is_not_a_number_is_not_blamed_on_missing_values(x):
    net = make([I, 'standardize', ('grud', 3), (2, 'linear'), 1])
    net.set('hid2', 'b', np.full(9, 50.0) * [-1, -1, -1, -1, -1, -1, 1, 1, 1])  # h is 1
    net.set('hid3', 'w', np.full((3, 2), 1e308))
    net.set('out', 'w', np.array([[1.0], [-1.0]]))
    with pytest.raises(DataError, match="'hid3:out' is the first output that contains inf"):
        net.predict(x)


def test_files_keep_what_a_network_reads(x, tmp_path):
    net = make([I, 'standardize', dict(form='grud', size=3, fill=0.5), 1])
    net.save(tmp_path / 'net.rnn')
    np.testing.assert_array_equal(rnnkit.load(tmp_path / 'net.rnn').predict(x), net.predict(x))
