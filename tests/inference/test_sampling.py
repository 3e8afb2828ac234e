"""Labels drawn from the outputs of a softmax, and the best sequences of them."""

import itertools

import numpy as np
import pytest
from scipy import stats

from rnnkit.errors import ConfigError
from rnnkit.inference.sampling import Beams, Sampling, log_softmax

PRE = np.log([[0.4, 0.3, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8]])


@pytest.mark.parametrize(
    ('options', 'right'),
    [
        ({}, [[0.4, 0.3, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8]]),
        ({'top_k': 2}, [[4 / 7, 3 / 7, 0, 0], [0, 0, 1 / 9, 8 / 9]]),
        ({'top_k': 9}, [[0.4, 0.3, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8]]),
        ({'top_p': 0.69}, [[4 / 7, 3 / 7, 0, 0], [0, 0, 0, 1]]),
        ({'top_p': 0.71}, [[4 / 9, 3 / 9, 2 / 9, 0], [0, 0, 0, 1]]),
        ({'top_p': 1}, [[0.4, 0.3, 0.2, 0.1], [0.05, 0.05, 0.1, 0.8]]),
        ({'top_k': 2, 'top_p': 0.5}, [[1, 0, 0, 0], [0, 0, 0, 1]]),  # of 4/7 and 3/7
        (
            {'temperature': 0.5},
            [
                [16 / 30, 9 / 30, 4 / 30, 1 / 30],
                [0.0025 / 0.655, 0.0025 / 0.655, 0.01 / 0.655, 0.64 / 0.655],
            ],
        ),
        ({'temperature': 1e-300}, [[1, 0, 0, 0], [0, 0, 0, 1]]),
    ],
)
def test_probabilities(options, right):
    np.testing.assert_allclose(Sampling(**options).probabilities(PRE), right, atol=1e-12)


def test_of_equal_labels_no_more_than_k_are_drawn():
    np.testing.assert_array_equal(
        Sampling(top_k=2).probabilities(np.zeros((1, 4))), [[0.5, 0.5, 0, 0]]
    )


@pytest.mark.parametrize('options', [{}, {'top_k': 3}, {'top_p': 0.75}, {'temperature': 2.0}])
def test_draws_have_these_probabilities(options):
    sampling = Sampling(**options, rng=0)
    p = sampling.probabilities(PRE[:1])[0]
    drawn = sampling(np.repeat(PRE[:1], 4000, axis=0))
    counts = np.bincount(drawn, minlength=4)
    assert set(np.flatnonzero(counts)) == set(np.flatnonzero(p))
    assert stats.chisquare(counts[p > 0], 4000 * p[p > 0]).pvalue > 0.01


def test_temperature_0_takes_the_best_and_a_seed_makes_the_draws():
    assert Sampling(temperature=0, top_k=1)(PRE).tolist() == [0, 3]
    many = np.repeat(PRE, 50, axis=0)
    drawn = [Sampling(rng=seed)(many).tolist() for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    'options',
    [
        {'temperature': -1},
        {'temperature': np.nan},
        {'temperature': '1'},
        {'top_k': 0},
        {'top_k': 1.5},
        {'top_p': 0},
        {'top_p': 1.1},
        {'top_p': True},
        {'rng': 'x'},
    ],
)
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(ConfigError, match=f'{next(iter(options))} must be '):
        Sampling(**options)


def score(logp, stop, sequence):
    """Return the log probability of a sequence under a table logp[step, label before]."""
    total, before = 0.0, 0
    for step, label in enumerate(sequence):
        total += logp[step, before, label]
        before = label
        if label == stop:
            break
    return total


@pytest.mark.parametrize('stop', [None, 1])
@pytest.mark.parametrize('n', [1, 2, 27])
def test_beams_find_the_best_sequence(rng, n, stop):
    steps, examples = 4, 5
    table = rng.standard_normal((examples, steps, 3, 3))
    logp = log_softmax(table)
    beams = Beams(n, stop)
    before = np.zeros(examples, int)
    for step in range(steps):
        rows = np.arange(len(before)) // (len(before) // examples)
        beams.advance(table[rows, step, before])
        before = beams.labels
    best = beams.best()
    for k in range(examples):
        found = score(logp[k], stop, best[:, k])
        assert found == pytest.approx(beams.scores[k, 0])
        every = [score(logp[k], stop, s) for s in itertools.product(range(3), repeat=steps)]
        if n == 27:  # enough to keep them all
            assert found == pytest.approx(max(every))
        if stop is not None and stop in best[:, k]:
            assert (best[list(best[:, k]).index(stop) :, k] == stop).all()
