"""Losses and regularizers against NumPy, and their slopes."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope

from rnnkit.errors import ConfigError
from rnnkit.losses import losses
from rnnkit.regularizers import regularizers

SHAPE = (4, 3, 5)  # T, B, O


def negative_log_p(z, k):
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    return -np.log(np.take_along_axis(p, k[..., None], -1)[..., 0])


NUMPY = {
    'mse': lambda o, y: (o - y) ** 2,
    'mae': lambda o, y: abs(o - y),
    'xe': negative_log_p,
}
ALIASES = {'mse': 'meansquarederror', 'mae': 'meanabsoluteerror', 'xe': 'crossentropy'}


def draw(name, rng):
    loss = losses[name]()
    output = rng.standard_normal(SHAPE)
    if loss.integer_targets:
        return output, rng.integers(0, SHAPE[-1], SHAPE[:-1])
    return output, rng.standard_normal(SHAPE)


def symbols(output, target):
    return pt.tensor3('o', dtype='float64'), pt.tensor(
        'y', dtype=target.dtype.name, shape=(None,) * target.ndim
    )


def evaluate(name, output, target, weights=None):
    o, y = symbols(output, target)
    if weights is None:
        return pytensor.function([o, y], losses[name]().mean(o, y))(output, target)
    w = pt.tensor('w', dtype='float64', shape=(None,) * target.ndim)
    return pytensor.function([o, y, w], losses[name]().mean(o, y, w))(output, target, weights)


def test_every_loss_is_tested_here():
    assert set(losses) == set(NUMPY) | set(ALIASES.values())
    for name, alias in ALIASES.items():
        assert losses[name] is losses[alias]


@pytest.mark.parametrize('name', NUMPY)
def test_mean_and_count(name, rng):
    output, target = draw(name, rng)
    mean, count = evaluate(name, output, target)
    assert mean == pytest.approx(NUMPY[name](output, target).mean(), rel=1e-14)  # rounding
    assert count == target.size


@pytest.mark.parametrize('name', NUMPY)
def test_weighted_mean_and_total_weight(name, rng):
    output, target = draw(name, rng)
    w = rng.random(target.shape)
    w[0] = 0
    mean, total = evaluate(name, output, target, w)
    right = np.average(NUMPY[name](output, target), weights=w)
    assert mean == pytest.approx(right, rel=1e-14)  # rounding
    assert total == pytest.approx(w.sum(), rel=1e-14)


@pytest.mark.parametrize('name', NUMPY)
def test_weights_of_zero_give_zero_and_not_nan(name, rng):
    output, target = draw(name, rng)
    o, y = symbols(output, target)
    w = pt.tensor('w', dtype='float64', shape=(None,) * target.ndim)
    mean, total = losses[name]().mean(o, y, w)
    f = pytensor.function([o, y, w], [mean, total, pytensor.grad(mean, o)])
    mean, total, slope = f(output, target, np.zeros(target.shape))
    assert mean == total == 0
    assert not slope.any()


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('name', NUMPY)
def test_slope(name, weighted, rng):
    output, target = draw(name, rng)
    w = rng.random(target.shape) if weighted else None
    o = pt.tensor3('o', dtype='float64')
    check_slope(losses[name]().mean(o, pt.constant(target), w)[0], {o: output}, rng)


def test_cross_entropy_of_a_confident_wrong_answer_is_exact():
    output = np.array([[[0.0, 1000.0]]])
    assert evaluate('xe', output, np.array([[0]]))[0] == 1000.0


def test_cross_entropy_reads_what_goes_into_the_softmax():
    assert losses['xe'].output == 'pre'
    assert losses['xe'].integer_targets


# --- regularizers ---

PENALTIES = {
    'weight_l1': lambda ws, hs: np.mean([abs(w).mean() for w in ws]),
    'weight_l2': lambda ws, hs: np.mean([(w**2).mean() for w in ws]),
    'hidden_l1': lambda ws, hs: np.mean([abs(h).mean() for h in hs]),
}
PENALTY_ALIASES = {
    'weight_sparsity': 'weight_l1', 'weight_decay': 'weight_l2', 'hidden_sparsity': 'hidden_l1',
}  # fmt: skip


def test_every_regularizer_is_tested_here():
    assert set(regularizers) == set(PENALTIES) | set(PENALTY_ALIASES)
    for alias, name in PENALTY_ALIASES.items():
        assert regularizers[alias] is regularizers[name]


@pytest.mark.parametrize('name', PENALTIES)
def test_penalty_and_its_slope(name, rng):
    ws = [rng.standard_normal((2, 3)), rng.standard_normal((40, 1))]
    hs = [rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 1))]
    w_symbols, h_symbols = [pt.dmatrix(), pt.dmatrix()], [pt.dtensor3(), pt.dtensor3()]
    penalty = regularizers[name](w_symbols, h_symbols)
    used = (h_symbols, hs) if name == 'hidden_l1' else (w_symbols, ws)
    found = pytensor.function(used[0], penalty)(*used[1])
    assert found == pytest.approx(PENALTIES[name](ws, hs), rel=1e-14)  # rounding
    check_slope(penalty, dict(zip(*used, strict=True)), rng)


@pytest.mark.parametrize('name', PENALTIES)
def test_a_penalty_on_nothing_is_refused(name):
    with pytest.raises(ConfigError, match=f'{name}: this network has nothing'):
        regularizers[name]([], [])
