"""Networks that write sequences: each output is the next input."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

import rnnkit
from rnnkit.errors import ConfigError, DataError, RnnkitError, ShapeError

V, SEED = 4, [1, 2, 0]


def vivid(net, scale=1.5):
    """Give a network weights by which its outputs differ much."""
    rng = np.random.default_rng(8)
    for p in net.params:
        p.set_value(scale * rng.standard_normal(p.get_value().shape))
    return net


def classifier(*layers, **options):
    return vivid(rnnkit.Classifier(list(layers), seed=0, dtype='float64', **options))


@pytest.fixture(scope='module')
def net():
    return classifier(V, ('embedding', 3), ('gru', 3), V)


@pytest.fixture(scope='module')
def one_hot():
    return classifier(V, ('lstm', 3), V, layout='batch')


@pytest.fixture
def calls(net, monkeypatch):
    """Return the list of the lengths in time of all compiled calls."""
    stream, lengths = net._inference.continuation().stream, []
    run = stream.advance

    def counted(x, *rest):
        lengths.append(len(x))
        return run(x, *rest)

    monkeypatch.setattr(stream, 'advance', counted)
    return lengths


def greedy(predict, seed, steps):
    """Return the best labels, by predicting the whole sequence again for each."""
    sequence = list(seed)
    for _ in range(steps):
        sequence.append(int(predict(np.array(sequence)[:, None])[-1, 0]))
    return sequence[len(seed) :]


def test_greedy_labels_are_those_of_repeated_predictions(net, calls):
    found = net.generate(SEED, 8, temperature=0)
    assert found.shape == (8, 1)
    right = greedy(net.predict, SEED, 8)
    assert len(set(right)) > 1
    assert found[:, 0].tolist() == right
    assert net.generate(1, 3, temperature=0)[:, 0].tolist() == greedy(net.predict, [1], 3)
    del calls[-3:]
    assert calls == [3] + [1] * 7  # the seed at once, then a step at a time


def test_a_network_that_reads_vectors_makes_them_of_labels(one_hot):
    def predict(labels):
        return one_hot.predict(np.eye(V)[labels.T]).T

    found = one_hot.generate(SEED, 5, temperature=0)
    assert found.shape == (1, 5)
    assert found[0].tolist() == greedy(predict, SEED, 5)
    vectors = one_hot.generate(np.eye(V)[[SEED]], 5, temperature=0)
    np.testing.assert_array_equal(vectors, found)


def test_several_seeds_go_on_side_by_side(net, one_hot):
    seeds = np.array([SEED, [3, 3, 3], [0, 1, 3]])
    for n, turned in ((net, seeds.T), (one_hot, seeds)):
        found = n.generate(turned, 4, temperature=0)
        alone = [n.generate(seed, 4, temperature=0).ravel() for seed in seeds]
        np.testing.assert_array_equal(found.T if n is net else found, alone)


def test_draws_have_the_distribution_of_the_network(net):
    n = 4000
    first, second = net.generate(SEED, 2, streams=n, temperature=2.5, rng=0)
    table = net.predict_proba(np.array([[*SEED, k] for k in range(V)]).T)  # (4, V, O)
    table = table ** (1 / 2.5)
    table /= table.sum(axis=-1, keepdims=True)
    right = table[-2, 0][:, None] * table[-1]
    counts = np.zeros((V, V))
    np.add.at(counts, (first, second), 1)
    assert right.min() * n > 1
    assert stats.chisquare(counts.ravel(), n * right.ravel()).pvalue > 0.01


def test_top_k_and_top_p_keep_to_the_likely_labels(net):
    p = net.predict_proba(np.array(SEED)[:, None])[-1, 0]
    order = np.argsort(-p)
    drawn = net.generate(SEED, 1, streams=2000, top_k=2, rng=0)
    assert set(drawn.ravel()) == set(order[:2])
    limit = p[order[:2]].sum() + 1e-6  # reached by three labels
    drawn = net.generate(SEED, 1, streams=2000, top_p=limit, rng=0)
    assert set(drawn.ravel()) == set(order[:3])
    cold = net.generate(SEED, 6, streams=3, temperature=1e-6, rng=0)
    assert (cold == net.generate(SEED, 6, temperature=0)).all()


def test_a_seed_makes_the_draws(net):
    drawn = [net.generate(SEED, 20, rng=rng).tolist() for rng in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def logs(net, sequences):
    """Return the log probability of each sequence after the seed, (B, steps)."""
    x = np.array([[*SEED, *s] for s in sequences])  # (B, T)
    p = net.predict_proba(x.T[:-1])[len(SEED) - 1 :]
    return np.log(np.take_along_axis(p, x.T[len(SEED) :, :, None], axis=2))[..., 0].T


@pytest.mark.parametrize('stop', [None, 2])
def test_beam_search_finds_what_an_exhaustive_search_finds(net, stop):
    every = np.array(list(itertools.product(range(V), repeat=4)))
    logp = logs(net, every)
    if stop is not None:
        after = (every == stop).cumsum(axis=1) - (every == stop) > 0
        logp[after] = np.where(every[after] == stop, 0, -np.inf)
    best = every[logp.sum(axis=1).argmax()].tolist()
    found = net.generate(SEED, 4, beam=V**3, stop=stop)[:, 0].tolist()
    assert found + [stop] * (4 - len(found)) == best
    assert logs(net, [best]).sum() >= logs(net, [greedy(net.predict, SEED, 4)]).sum()


def test_a_single_beam_is_greedy_and_seeds_have_beams_of_their_own(net):
    seeds = np.array([SEED, [3, 3, 3]]).T
    np.testing.assert_array_equal(
        net.generate(seeds, 6, beam=1), net.generate(seeds, 6, temperature=0)
    )
    both = net.generate(seeds, 5, beam=3)
    for k in range(2):
        np.testing.assert_array_equal(both[:, k], net.generate(seeds[:, k], 5, beam=3)[:, 0])


def test_stop_ends_sequences(net, calls):
    free = net.generate(SEED, 40, streams=5, rng=3)
    calls.clear()
    found = net.generate(SEED, 40, streams=5, rng=3, stop=1)
    ends = [column.tolist().index(1) for column in free.T]
    assert len(found) <= 40
    assert len(calls) == len(found)
    for column in found.T:
        (at,) = np.flatnonzero(column == 1)[:1]
        assert (column[at:] == 1).all()
    first = min(ends)
    np.testing.assert_array_equal(found[: first + 1], free[: first + 1])
    assert (found[-1] == 1).all()
    assert not (found[-2] == 1).all()


def test_predict_sequence_is_theanets(net):
    one = list(net.predict_sequence(SEED, 5, rng=4))
    assert one == net.generate(SEED, 5, rng=4)[:, 0].tolist()
    assert {type(k) for k in one} == {int}
    several = list(net.predict_sequence(SEED, 5, streams=3, rng=4))
    assert several == net.generate(SEED, 5, streams=3, rng=4).tolist()


# --- numbers


@pytest.mark.parametrize('layout', ['time', 'batch'])
def test_a_regressor_reads_what_it_puts_out(rng, layout):
    net = vivid(rnnkit.Regressor([2, ('rnn', 4), 2], dtype='float64', seed=0, layout=layout), 0.7)
    axis = 0 if layout == 'time' else 1
    x = seed = rng.standard_normal((5, 3, 2) if layout == 'time' else (3, 5, 2))
    for _ in range(4):
        step = np.take(net.predict(x), [-1], axis)
        x = np.concatenate([x, step], axis)
    right = np.take(x, range(5, 9), axis)
    np.testing.assert_allclose(net.generate(seed, 4), right, atol=1e-13)


# --- encoders and decoders


def translator(encoder=(), **options):
    """Return a network whose decoder starts from the state of an encoder."""
    return classifier(
        5,
        dict(form='embedding', size=3, name='words'),
        *encoder,
        dict(form='gru', size=3, name='encoder'),
        dict(form='input', size=V, name='given'),
        dict(form='embedding', size=2, name='again'),
        dict(form='gru', size=3, h_0='encoder', name='decoder'),
        V,
        **options,
    )


@pytest.fixture(scope='module')
def seq2seq():
    return translator([dict(form='bidirectional', size=4, name='both')])


@pytest.fixture
def words(rng):
    return rng.integers(0, 5, (6, 3))


def test_a_decoder_goes_on_by_steps_from_what_was_encoded(seq2seq, words, rng):
    given = rng.integers(0, V, (4, 3))
    whole = seq2seq.predict_proba([words, given])
    y, state = seq2seq.step([words, given[0]])
    np.testing.assert_allclose(y, whole[0], atol=1e-14)
    assert list(state) == ['decoder', 'encoder:last']
    for t in (1, 2, 3):
        y, state = seq2seq.step(given[t], state)
        np.testing.assert_allclose(y, whole[t], atol=1e-14)
    first, state = seq2seq.predict_proba(dict(x=words, given=given[:2]), return_state=True)
    rest = seq2seq.predict_proba(given[2:], state=state)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole, atol=1e-14)


def test_a_state_without_what_was_encoded_is_refused(seq2seq, words):
    _, state = seq2seq.step([words, [0, 1, 2]])
    with pytest.raises(ConfigError, match='entry for each of decoder, encoder:last'):
        seq2seq.step([0, 1, 2], {'decoder': state['decoder']})
    state['encoder:last'] = state['encoder:last'][:2]
    with pytest.raises(ShapeError, match=r"'encoder:last' must have shape \(3, 3\)"):
        seq2seq.step([0, 1, 2], state)


def test_a_decoder_writes_from_its_start(seq2seq, words):
    found = seq2seq.generate(words, 5, start=1, temperature=0)
    given = np.ones((1, 3), int)
    for _ in range(5):
        given = np.concatenate([given, seq2seq.predict([words, given])[-1:]])
    np.testing.assert_array_equal(found, given[1:])
    np.testing.assert_array_equal(seq2seq.generate(words, 5, start=[1, 1, 1], beam=1), found)
    many = seq2seq.generate(words[:, :1], 5, start=1, streams=4, top_k=1)
    np.testing.assert_array_equal(many, np.repeat(found[:, :1], 4, axis=1))


def test_encoders_read_lists_of_sequences(words):
    net = translator(masked=True)
    sequences = [words[:4, 0], words[:, 1]]
    found = net.generate(sequences, 3, start=0, temperature=0)
    for k, one in enumerate(sequences):
        alone = net.generate([one], 3, start=0, temperature=0)
        np.testing.assert_array_equal(found[:, k], alone[:, 0])
    y, _ = net.step([sequences, [0, 0]])
    np.testing.assert_allclose(y.argmax(-1), found[0])


def test_a_sequence_may_start_from_an_array_or_stand_beside_it(rng):
    net = vivid(
        rnnkit.Regressor(
            [
                dict(form='input', size=3, ndim=2),
                dict(form='input', size=2, name='series'),
                dict(form='concatenate', inputs=('series', 'in')),
                dict(form='rnn', size=3, h_0='in'),
                2,
            ],
            dtype='float64',
            seed=0,
        ),
        0.5,
    )
    h0, x = rng.standard_normal((2, 3)), rng.standard_normal((4, 2, 2))
    whole = net.predict([h0, x])
    y, state = net.step([h0, x[0]])
    for x_t in x[1:]:
        y, state = net.step(x_t, state)
    np.testing.assert_allclose(y, whole[-1], atol=1e-14)
    found = net.generate(h0, 2, start=0)
    series = np.concatenate([np.zeros((1, 2, 2)), found[:1]])
    np.testing.assert_allclose(found, net.predict([h0, series]), atol=1e-14)


# --- refusals

REFUSED = {
    'label': (lambda net: net.generate([7], 2), DataError, ['seed contains token 7', '0 to 3']),
    'text': (
        lambda net: net.generate('ab', 2),
        DataError,
        ["must be an array of numbers; got 'ab'"],
    ),
    'nothing': (lambda net: net.generate(None, 2), DataError, ['seed', 'None']),
    'empty': (lambda net: net.generate([], 2), DataError, ['seed is empty']),
    'ragged': (lambda net: net.generate([[1], [1, 2]], 2), ShapeError, ['seed is ragged']),
    'steps': (lambda net: net.generate(SEED, 0), ConfigError, ['steps', 'got 0']),
    'streams': (lambda net: net.generate(SEED, 2, streams=0), ConfigError, ['streams', 'got 0']),
    'streams of several seeds': (
        lambda net: net.generate(np.zeros((2, 3), int), 2, streams=2),
        ConfigError,
        ['streams=2 and 3 seeds'],
    ),
    'stop': (lambda net: net.generate(SEED, 2, stop=4), ConfigError, ['stop', '0 to 3', 'got 4']),
    'beam': (lambda net: net.generate(SEED, 2, beam=0), ConfigError, ['beam', 'got 0']),
    'beam and draws': (
        lambda net: net.generate(SEED, 2, beam=2, top_k=3, rng=1),
        ConfigError,
        ['beam', 'leave out top_k, rng'],
    ),
    'start': (lambda net: net.generate(SEED, 2, start=1), ConfigError, ['start', 'encoder']),
}


@pytest.mark.parametrize('kind', REFUSED)
def test_what_cannot_be_generated_is_refused(net, kind):
    call, error, words = REFUSED[kind]
    with pytest.raises(RnnkitError) as caught:
        call(net)
    message = str(caught.value)
    assert type(caught.value) is error, message
    assert not [word for word in words if word not in message], message


def test_a_decoder_needs_a_start(seq2seq, words):
    with pytest.raises(ConfigError, match='start is missing'):
        seq2seq.generate(words, 2)
    with pytest.raises(ShapeError, match=r'shape \(3,\), for 3 examples; got \(2,\)'):
        seq2seq.generate(words, 2, start=[0, 1])


MORE = dict(form='input', size=3, name='more')


@pytest.mark.parametrize(
    ('layers', 'message'),
    [
        ([3, ('rnn', 3), V], 'it has 3 features, and layer .out. has 4 units'),
        ([V, dict(form='bidirectional', size=4), V], 'needs the whole sequence'),
        ([V, ('rnn', 3), ('flatten', 2), V], 'needs the whole sequence'),
        ([V, 3, V], 'no recurrent layer'),
        (
            [V, MORE, dict(form='concatenate', inputs=('in', 'more')), ('rnn', 3), V],
            'several inputs: x, more',
        ),
        (
            [V, ('rnn', 3), dict(form='rnn', size=3, inputs='in', h_0='hid1'), V],
            "reads 'hid1:last', which depends on the whole sequence",
        ),
    ],
)
def test_networks_that_cannot_go_on_are_refused(layers, message):
    with pytest.raises(ConfigError, match=message):
        rnnkit.Classifier(layers, seed=0).generate(SEED, 2)


def test_a_list_of_seeds_under_a_mask_is_refused():
    net = rnnkit.Regressor([2, ('rnn', 3), 2], masked=True, seed=0)
    with pytest.raises(DataError, match='pass an array'):
        net.generate([np.zeros((3, 2)), np.zeros((3, 2))], 2)


def test_a_quantile_alone_is_read_with_a_warning():
    net = rnnkit.Regressor([2, ('rnn', 3), 2], loss='quantile', seed=0)
    message = (
        "generate(): the network was trained with loss 'quantile', so each output is a quantile of "
        'the next step, and no sample; what is generated from such inputs may be unlike the data. '
        'Train it with several quantiles, or give a loss of your own a method draw()'
    )
    with pytest.warns(RuntimeWarning) as found:
        first = net.generate(np.ones((3, 1, 2)), 4)
    assert [str(one.message) for one in found] == [message]
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        np.testing.assert_array_equal(net.generate(np.ones((3, 1, 2)), 4), first)  # said once
        rnnkit.Regressor([2, ('rnn', 3), 2], seed=0).generate(np.ones((3, 1, 2)), 4)
        asked = rnnkit.Regressor([2, ('rnn', 3), 2], loss='quantile', seed=0)
        np.testing.assert_array_equal(asked.generate(np.ones((3, 1, 2)), 4, temperature=0), first)


def test_seeds_with_a_mask_of_numpy_or_in_a_list_are_refused():
    numbers = rnnkit.Regressor([2, ('rnn', 3), 2], seed=0)
    labels = rnnkit.Classifier([4, ('rnn', 3), 4], seed=0)
    with pytest.raises(DataError, match=r'pass an array \(time, batch, features\)'):
        numbers.generate([np.zeros((3, 2)), np.zeros((3, 2))], 2)
    with pytest.raises(DataError, match='seed is a list of sequences'):
        labels.generate([np.zeros(3, int), np.zeros(3, int)], 2)
    masked = np.ma.masked_equal([1, 2, 3], 2)
    with pytest.raises(DataError, match='seed is a NumPy masked array, and its mask would be'):
        labels.generate(masked, 2)
    free = np.ma.array([1, 2, 3])  # nothing is masked
    np.testing.assert_array_equal(
        labels.generate(free, 3, rng=0), labels.generate([1, 2, 3], 3, rng=0)
    )
