"""What losses draw has the distribution that they measure errors of."""

import numpy as np
import pytensor.tensor as pt
import pytest
from scipy import stats

from rnnkit import losses
from rnnkit.errors import ConfigError, DataError

N = 20_000
LEAST = 1e-3  # p value of a test on seeded draws: they are the same in every run


def draws(loss, outputs, temperature=1.0, n=N, seed=0):
    """Return `n` draws, (n, O), for outputs that are a list of numbers, or several lists."""
    several = isinstance(outputs, tuple)
    rows = [np.tile(np.array(out, float), (n, 1)) for out in (outputs if several else [outputs])]
    output = loss.split(tuple(rows) if several else rows[0])
    return loss.draw(np.random.default_rng(seed), output, temperature)


def densities(loss, outputs, targets):
    """Return exp(-error) of all targets, an array (n,), up to a constant."""
    given = tuple(pt.as_tensor(np.full((len(targets), 1), out)) for out in outputs)
    errors = loss.errors(given if len(given) > 1 else given[0], pt.as_tensor(targets[:, None]))
    return np.exp(-errors.eval())[:, 0]


def test_which_losses_draw():
    assert {name for name in losses.losses if losses.losses[name]().draws} == {
        *('bce', 'binarycrossentropy', 'gll', 'gaussianloglikelihood', 'poisson'),
        *('gaussian', 'normal', 'student', 'studentt'),
    }
    assert losses.Quantile(q=[0.1, 0.5]).draws
    assert not losses.Quantile(q=[0.1]).draws
    with pytest.raises(ConfigError) as caught:
        losses.losses['mse']().draw(np.random.default_rng(0), np.zeros((1, 1)), 1.0)
    assert str(caught.value) == "loss 'mse' does not draw: it defines no method draw()"


@pytest.mark.parametrize('q', [0.5, [0.5]])
def test_one_quantile_is_no_distribution(q):
    with pytest.raises(ConfigError) as caught:
        draws(losses.Quantile(q=q), [1.0])
    assert str(caught.value) == (
        f"loss 'quantile' draws from several quantiles, such as q=[0.1, 0.5, 0.9]; got q={q}"
    )


@pytest.mark.parametrize('temperature', [1.0, 0.4, 3.0])
def test_bce_draws_ones_with_their_probability(temperature):
    z = np.array([-2.0, 0.0, 0.7, 3.0])
    loss = losses.BinaryCrossEntropy()
    drawn = draws(loss, z, temperature)
    assert set(np.unique(drawn)) == {0, 1}
    p = np.array([densities(loss, [one], np.array([0.0, 1.0])) for one in z]) ** (1 / temperature)
    p = p[:, 1] / p.sum(axis=1)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-z / temperature)), rtol=1e-12)
    assert (abs(drawn.mean(axis=0) - p) < 4 * np.sqrt(p * (1 - p) / N)).all()
    both = np.corrcoef(drawn.T)[~np.eye(4, dtype=bool)]
    assert abs(both).max() < 4 / np.sqrt(N)  # units are independent


def test_sure_probabilities_are_drawn_without_a_warning():
    with np.errstate(all='raise'):
        drawn = draws(losses.BinaryCrossEntropy(), [-1e4, 1e4, 1e300], 1e-200)
    assert (drawn == [False, True, True]).all()


MEAN, SPREAD = [1.5, -3.0, 0.0], [2.0, 0.3, -5.0]  # of three targets
NORMAL = {  # the loss, its outputs, and the variances
    # a negative variance counts as 0
    'gll': (
        losses.GaussianLogLikelihood(covar_eps=0.01),
        (MEAN, SPREAD),
        np.maximum(SPREAD, 0) + 0.01,
    ),
    'gaussian': (
        losses.Gaussian(scale_eps=0.1),
        MEAN + SPREAD,
        (np.log1p(np.exp(SPREAD)) + 0.1) ** 2,
    ),
}


@pytest.mark.parametrize('temperature', [1.0, 0.25, 2.0])
@pytest.mark.parametrize('kind', NORMAL)
def test_normal_draws_have_the_density_of_the_loss(kind, temperature):
    loss, outputs, variance = NORMAL[kind]
    mean, covar = MEAN, SPREAD
    drawn = draws(loss, outputs, temperature)
    v = temperature * variance
    assert (abs(drawn.mean(axis=0) - mean) < 4 * np.sqrt(v / N)).all()
    assert (abs(drawn.var(axis=0) - v) < 4 * v * np.sqrt(2 / N)).all()
    for k in range(3):
        x = mean[k] + np.sqrt(v[k]) * np.linspace(-8, 8, 4001)
        p = densities(loss, [mean[k], covar[k]], x) ** (1 / temperature)
        cdf = np.concatenate([[0], (p[1:] + p[:-1]).cumsum() / (p[1:] + p[:-1]).sum()])
        assert (
            stats.kstest(drawn[:, k], lambda t, x=x, cdf=cdf: np.interp(t, x, cdf)).pvalue > LEAST
        )


@pytest.mark.parametrize('df', [None, 3.5])
def test_student_draws_have_the_density_of_the_loss(df):
    loss, raw = losses.Student(df=df, scale_eps=0.1), [1.0, -20.0, 6.0]
    parts = [MEAN, SPREAD, raw][: loss.n_parts]
    drawn = draws(loss, np.concatenate(parts))
    scale, tails = np.log1p(np.exp(SPREAD)) + 0.1, 2 + np.log1p(np.exp(raw))
    for k in range(3):
        right = stats.t(tails[k] if df is None else df, MEAN[k], scale[k])
        assert stats.kstest(drawn[:, k], right.cdf).pvalue > LEAST
        x = np.linspace(*right.ppf([1e-4, 1 - 1e-4]), 50)
        p = densities(loss, [part[k] for part in parts], x)
        np.testing.assert_allclose(p, right.pdf(x), rtol=1e-9)
    both = np.corrcoef(stats.rankdata(drawn, axis=0).T)[~np.eye(3, dtype=bool)]
    assert abs(both).max() < 4 / np.sqrt(N)  # targets are independent


def test_poisson_draws_counts_with_the_density_of_the_loss():
    loss, rates = losses.Poisson(), np.array([0.2, 3.0, 50.0])
    drawn = draws(loss, np.log(rates))
    assert (abs(drawn.mean(axis=0) - rates) < 4 * np.sqrt(rates / N)).all()
    of_variance = np.sqrt((rates + 2 * rates**2) / N)  # the fourth moment is r + 3 r²
    assert (abs(drawn.var(axis=0) - rates) < 4 * of_variance).all()
    counts = np.arange(12.0)
    factorials = np.concatenate([[1], np.cumprod(counts[1:])])
    p = densities(loss, [np.log(3.0)], counts) / factorials
    found = np.bincount(drawn[:, 1].astype(int), minlength=12)[:12]
    np.testing.assert_allclose(p / p.sum(), stats.poisson(3).pmf(counts), rtol=1e-3)
    within = found.sum() * p / p.sum()
    assert stats.chisquare(found, within).pvalue > LEAST


QS = [0.5, 0.05, 0.9, 0.3]


@pytest.mark.parametrize('target', [0, 1])
@pytest.mark.parametrize('crossed', [False, True])
def test_quantile_draws_are_uniform_between_quantiles(crossed, target):
    loss = losses.Quantile(q=QS)
    values = {0.05: -1.0, 0.3: 0.5, 0.5: 1.0, 0.9: 5.0}
    given = [values[q] for q in QS]
    if crossed:
        given[0], given[1] = given[1], given[0]
    outputs = [one for v in given for one in (v, v + 100)]  # each quantile of both targets
    drawn = draws(loss, outputs)[:, target] - 100 * target
    slope = (0.5 - -1) / 0.25, (5 - 1) / 0.4  # of the outermost parts, which go on
    levels = [0, *sorted(values), 1]
    ends = [-1 - 0.05 * slope[0], *sorted(values.values()), 5 + 0.1 * slope[1]]
    assert ends[0] <= drawn.min() < ends[0] + 0.01
    assert ends[-1] - 0.01 < drawn.max() <= ends[-1]
    assert stats.kstest(drawn, lambda t: np.interp(t, ends, levels)).pvalue > LEAST
    share = (drawn[:, None] < sorted(values.values())).mean(axis=0)
    q = np.sort(QS)
    assert (abs(share - q) < 4 * np.sqrt(q * (1 - q) / N)).all()
    parts = np.diff(levels)
    mean = (parts * (np.array(ends[1:]) + ends[:-1]) / 2).sum()
    assert abs(drawn.mean() - mean) < 4 * drawn.std() / np.sqrt(N)


def test_equal_quantiles_are_drawn_as_they_are():
    loss = losses.Quantile(q=[0.2, 0.8])
    assert (draws(loss, [3.0, -1.0, 3.0, -1.0], n=50) == [3, -1]).all()


@pytest.mark.parametrize(
    ('loss', 'outputs'),
    [
        (losses.Poisson(), [0.0]),
        (losses.Quantile(q=[0.1, 0.9]), [0.0, 1.0]),
        (losses.Student(), [0.0, 1.0, 1.0]),
    ],
    ids=['poisson', 'quantile', 'student'],
)
def test_a_loss_without_other_temperatures_says_so(loss, outputs):
    with pytest.raises(ConfigError) as caught:
        draws(loss, outputs, 0.5)
    assert str(caught.value) == (
        f"generate(): loss '{loss.form}' draws at temperature=1 only; 0 draws nothing, and feeds "
        f'back the mean or median; got 0.5'
    )


def test_rates_that_are_too_large_to_be_counted_are_refused():
    assert draws(losses.Poisson(), [40.0], n=1)[0, 0] > 2e17
    with pytest.raises(DataError) as caught:
        draws(losses.Poisson(), [1.0, 45.5], n=1)
    assert str(caught.value) == (
        "generate(): loss 'poisson' draws counts of rates up to exp(40); got exp(45.5). The rate "
        'grows with the counts that are fed back; train longer, or begin with counts like those '
        'of the training data'
    )
