"""Beam search: an exhaustive search finds the same, with a length penalty, and with attention."""

import itertools

import numpy as np
import pytest

import rnnkit
from rnnkit.errors import CallError, ConfigError
from rnnkit.inference.sampling import Beams, log_softmax

V, STEPS, STOP = 4, 4, 2


def vivid(net):
    """Give a network weights by which its outputs differ much."""
    rng = np.random.default_rng(8)
    for p in net.params:
        p.set_value(1.5 * rng.standard_normal(p.get_value().shape))
    bias = net.find('out', 'b')
    bias.set_value(np.eye(V)[STOP] * 4)  # so that short sequences are likely
    return net


@pytest.fixture(scope='module')
def translator():
    return vivid(
        rnnkit.Classifier(
            [
                5,
                ('embedding', 3),
                dict(form='gru', size=3, name='encoder'),
                dict(form='input', size=V, name='before'),
                ('embedding', 3),
                dict(form='gru', size=3, h_0='encoder'),
                dict(form='attention', size=3, memory='encoder'),
                V,
            ],
            masked=True,
            seed=0,
            dtype='float64',
        )
    )


@pytest.fixture(scope='module')
def writer():
    return vivid(rnnkit.Classifier([V, ('embedding', 3), ('gru', 3), V], seed=0, dtype='float64'))


def every_sequence():
    """Return all sequences of labels, which end where they stop or after all steps."""
    for labels in itertools.product(range(V), repeat=STEPS):
        first = labels.index(STOP) if STOP in labels else STEPS - 1
        if all(label == STOP for label in labels[first + 1 :]):
            yield labels[: first + 1]


def best(log_p, alpha):
    """Return the best of all sequences.

    ``log_p(labels)`` takes the labels of all sequences, padded, (N, STEPS), and returns the log
    probability of each label.
    """
    sequences = list(every_sequence())
    lengths = np.array([len(labels) for labels in sequences])
    table = log_p(np.array([padded(labels, STEPS) for labels in sequences]))
    scores = np.where(np.arange(STEPS) < lengths[:, None], table, 0).sum(axis=1)
    compared = scores / ((5 + lengths) / 6) ** alpha
    order = np.sort(compared)
    assert order[-1] - order[-2] > 1e-9  # or rounding could decide
    return sequences[compared.argmax()]


def chosen(p, labels):
    """Return the logarithms of the probabilities (T, N, V) of labels (N, T)."""
    return np.log(np.take_along_axis(p, labels.T[..., None], axis=2)[..., 0].T)


def padded(labels, steps):
    return [*labels, *[STOP] * (steps - len(labels))]


def test_an_exhaustive_search_finds_the_same_answers(translator, rng):
    source = [rng.integers(0, 5, n) for n in (4, 2, 6)]
    found = {}
    for alpha in (0, 0.7, 8.0):
        answers = translator.generate(
            source, STEPS, start=0, stop=STOP, beam=V**STEPS, length_penalty=alpha
        )
        found[alpha] = answers.T.tolist()
        for text, answer in zip(source, answers.T.tolist(), strict=True):

            def log_p(labels, text=text):
                before = [[0, *row[:-1]] for row in labels]
                p = translator.predict_proba([[text] * len(labels), before])
                return chosen(np.swapaxes(p, 0, 1), labels)

            assert answer == padded(best(log_p, alpha), len(answer)), alpha
    assert found[0] != found[8.0]  # else it was not tested


def test_a_language_model_with_a_length_penalty(writer):
    seed = [1, 3]
    lengths = []
    for alpha in (0, 8.0):

        def log_p(labels):
            x = np.array([[*seed, *row[:-1]] for row in labels]).T
            return chosen(writer.predict_proba(x)[len(seed) - 1 :], labels)

        right = best(log_p, alpha)
        found = writer.generate(seed, STEPS, stop=STOP, beam=V**STEPS, length_penalty=alpha)
        assert found[:, 0].tolist() == padded(right, len(found))
        lengths.append(len(right))
    assert lengths[0] < lengths[1]


def test_a_single_beam_is_greedy(translator, rng):
    source = [rng.integers(0, 5, n) for n in (4, 2, 6)]
    options = dict(start=0, stop=STOP)
    right = translator.generate(source, 6, temperature=0, **options)
    for alpha in (0, 1):
        found = translator.generate(source, 6, beam=1, length_penalty=alpha, **options)
        np.testing.assert_array_equal(found, right)


def test_each_example_has_beams_of_its_own(translator, rng):
    source = [rng.integers(0, 5, n) for n in (4, 2, 6)]
    options = dict(start=0, stop=STOP, beam=3, length_penalty=0.6)
    together = translator.generate(source, 5, **options)
    for k, text in enumerate(source):
        alone = translator.generate([text], 5, **options)[:, 0].tolist()
        assert together[:, k].tolist() == padded(alone, len(together))


def test_the_length_counts_until_the_stop():
    p = np.array([[0.5, 0.3, 0.2]])  # 2 stops
    beams = Beams(9, stop=2, length_penalty=1.0)
    beams.advance(np.log(p))
    for _ in range(2):
        parents = beams.advance(np.log(p.repeat(beams.scores.size, axis=0)))
        assert parents.shape == (beams.scores.size,)
    logs = log_softmax(np.log(p))[0]
    kept = {tuple(row) for row in np.round(beams.scores / 1, 12)}
    assert len(kept) == 1
    compared = beams.scores[0] / ((5 + beams._lengths[0]) / 6)
    assert (np.diff(compared) <= 0).all()
    assert beams.scores[0].max() == pytest.approx(logs[2])  # stopped at once
    at = beams.scores[0].argmax()
    assert beams._lengths[0, at] == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'length_penalty': 1.0}, 'length_penalty is for a beam search, such as beam=4'),
        (
            {'length_penalty': None},
            'length_penalty must be a finite number of at least 0; got None',
        ),
        ({'length_penalty': 1.0, 'beam': 2}, 'without a label that ends them'),
        (
            {'length_penalty': -1, 'beam': 2, 'stop': 1},
            'length_penalty must be a finite number of at least 0; got -1',
        ),
        ({'length_penalty': 'a', 'beam': 2, 'stop': 1}, "got 'a'"),
        ({'beam': 2, 'temperature': 0}, 'leave out temperature'),
        ({'beam': 2, 'streams': 2}, 'leave out streams'),
    ],
)
def test_what_makes_no_sense_is_refused(writer, options, message):
    with pytest.raises(ConfigError, match=message):
        writer.generate([1], 3, **options)


def test_misspelt_words_get_a_hint(writer):
    for word, right in (('beams', 'beam'), ('length_penality', 'length_penalty')):
        with pytest.raises(CallError, match=f'did you mean {right!r}'):
            writer.generate([1], 3, **{word: 2})
