"""Random numbers: published vectors, the same bits on all backends, and their statistics."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from scipy import stats

from rnnkit.noise import Noise, philox

# The known answers that come with the paper's library, for ten rounds: counter, key, result.
VECTORS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]
N = 200_000


@pytest.mark.parametrize(('counter', 'key', 'wanted'), VECTORS)
def test_published_vectors(counter, key, wanted):
    arrays = [np.array([word], 'uint32') for word in (*counter, *key)]
    found = philox.block(arrays[:4], arrays[4:])
    assert [int(word[0]) for word in found] == wanted


def state(*seed):
    noise = Noise()
    noise.seed(seed)
    return noise.state.get_value()


@pytest.mark.parametrize('n', [1, 2, 3, 4, 5, 8, 11])
def test_words_are_those_of_blocks(n):
    s = state(1)
    blocks = [
        [
            int(w[0])
            for w in philox.block(
                [np.array([v], 'uint32') for v in (j, 7, s[2], s[3])],
                [np.array([v], 'uint32') for v in s[:2]],
            )
        ]
        for j in range(n // 4 + 1)
    ]
    wanted = [block[k] for k in range(4) for block in blocks[:-1]] + blocks[-1][: n % 4]
    assert philox.bits(s, 7, n).tolist() == wanted


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('law', ['uniform', 'normal'])
def test_laws(law, dtype):
    rule = getattr(philox, law)
    cdf = stats.uniform.cdf if law == 'uniform' else stats.norm.cdf
    p = [stats.kstest(rule(state(k), 3, 5000, dtype), cdf).pvalue for k in range(40)]
    assert stats.kstest(p, 'uniform').pvalue > 0.01  # the seeds are fixed
    found = rule(state(5), 3, N, dtype)
    assert found.dtype == dtype
    mean, std = (0.5, 12**-0.5) if law == 'uniform' else (0, 1)
    assert abs(found.mean(dtype='float64') - mean) < 4 * std / N**0.5
    assert found.std(dtype='float64') == pytest.approx(std, rel=0.01)
    if law == 'uniform':
        assert found.min() >= 0
        assert found.max() < 1


@pytest.mark.parametrize('lag', [1, 2, N // 4, N // 2])
def test_numbers_are_not_like_their_neighbours(lag):
    for law in (philox.uniform, philox.normal):
        x = law(state(6), 1, N, 'float64')
        # Of squares, too: the two halves of Box & Muller's share a radius.
        for values in (x, x**2):
            r = np.corrcoef(values[:-lag], values[lag:])[0, 1]
            assert abs(r) < 4 / (N - lag) ** 0.5


def test_other_draws_updates_and_seeds_give_other_numbers():
    first = philox.uniform(state(1), 1, 1000, 'float64')
    later = state(1) + np.array([0, 0, 1, 0], 'uint32')
    others = [(state(1), 2), (state(2), 1), (state(1, 0, 1), 1), (later, 1)]
    for s, draw in others:
        other = philox.uniform(s, draw, 1000, 'float64')
        assert abs(np.corrcoef(first, other)[0, 1]) < 4 / 1000**0.5
        assert not set(first) & set(other)


def test_float64_has_all_its_bits():
    found = philox.uniform(state(1), 1, 1000, 'float64') * 2**53
    assert np.array_equal(found, np.floor(found))
    assert {int(v) % 2 for v in found} == {0, 1}


@pytest.mark.parametrize('rate', [0.0, 0.2, 0.75])
def test_what_is_kept(rate):
    found = philox.keep(state(4), 1, N, rate, 'float64')
    assert set(found) <= {0.0, 1 / (1 - rate)}
    assert abs((found == 0).mean() - rate) <= 4 * (rate * (1 - rate) / N) ** 0.5


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('mode', ['FAST_COMPILE', 'NUMBA'])
def test_codes_are_comparisons_of_successive_draws(mode, dtype):
    x, rate = pt.tensor('x', dtype=dtype, shape=(None, None, 3)), 0.3
    given = np.zeros((5, 7, 3), dtype)
    noises = [Noise(), Noise()]
    for noise in noises:
        noise.seed([3, 4])
    codes = noises[0].codes(rate, x, 9, 2)
    bits = [pt.lt(noises[1].uniform(x, (0, 1), 9), np.asarray(rate, dtype)) for _ in range(2)]
    found = pytensor.function([x], codes, mode=mode)(given)
    wanted = pytensor.function([x], bits, mode='FAST_COMPILE')(given)
    assert found.dtype == dtype
    assert np.array_equal(found, wanted[0] + 2.0 * wanted[1])
    assert 0.2 < wanted[0].mean() < 0.4


@pytest.mark.parametrize('rate', [0.0, 2.0**-24, 0.25, 0.3, 1 - 2.0**-24])
def test_codes_at_any_rate(rate):
    pytest.importorskip('numba')
    from rnnkit.noise import dispatch_numba as by_numba

    for n in (*range(1, 10), 4099):
        made = np.zeros(n, 'float32')
        by_numba.codes32(state(1), 7, n, np.float32(rate), np.float32(2), made)
        wanted = philox.uniform(state(1), 7, n, 'float32') < np.float32(rate)
        assert np.array_equal(made, 2 * wanted)


def test_bits_of_codes_have_their_rate_and_are_independent():
    noise, rate = Noise(), 0.3
    noise.seed(8)
    codes = noise.codes(rate, pt.constant(np.zeros((N // 100, 100, 1))), 1, 2).eval().ravel()
    bits = np.array([codes % 2, codes // 2])
    deviation = (rate * (1 - rate) / N) ** 0.5
    assert abs(bits.mean(axis=1) - rate).max() < 4 * deviation
    assert abs(np.corrcoef(bits)[0, 1]) < 4 / N**0.5
    for bit in bits:
        assert abs(np.corrcoef(bit[1:], bit[:-1])[0, 1]) < 4 / N**0.5


@pytest.mark.parametrize('n', [*range(1, 10), 4099])
def test_numba_gives_the_published_numbers(n):
    pytest.importorskip('numba')
    from rnnkit.noise import dispatch_numba as by_numba

    for s in (state(1), np.array([2**32 - 1] * 4, 'uint32')):
        assert np.array_equal(by_numba.bits(s, 7, n), philox.bits(s, 7, n))
        for kind, rule in (('float32', by_numba.uniform32), ('float64', by_numba.uniform64)):
            assert np.array_equal(rule(s, 7, n), philox.uniform(s, 7, n, kind))


def draws(dtype, mode=None):
    """Return a function of x that draws in all ways, and its noise."""
    noise = Noise()
    noise.seed([3, 4])
    x = pt.tensor('x', dtype=dtype, shape=(None, None, 3))
    rate = pytensor.shared(np.asarray(0.3, dtype))
    dropped = noise.drop(x, rate)
    outputs = [
        noise.uniform(x),
        noise.codes(rate, x, 7, 3),
        noise.keep(rate, x, (1,), 7),
        dropped,
        pt.grad(dropped.sum(), x),
        noise.normal(x),
        noise.normal(x, (1,), 7),
    ]
    return pytensor.function([x], outputs, updates=noise.updates, mode=mode), noise


X = np.arange(1, 1 + 5 * 6 * 3).reshape(5, 6, 3)


def test_shapes_and_the_gradient_of_dropout():
    function, _ = draws('float64')
    uniform, codes, kept, dropped, slope, normal, rows = function(X.astype('float64'))
    assert codes.shape == (5, 6, 7)
    assert uniform.shape == normal.shape == X.shape
    assert kept.shape == rows.shape == (6, 7)
    assert np.array_equal(dropped, X * slope)
    assert set(slope.ravel()) == {0, 1 / 0.7}
    assert set(kept.ravel()) == {0, 1 / 0.7}


def test_each_update_draws_anew_and_a_state_repeats():
    function, noise = draws('float32')
    x = X.astype('float32')
    first, after = function(x), noise.get_state()
    second = function(x)
    assert not np.isin(first[0], second[0]).any()
    assert all(isinstance(word, int) for word in after)
    noise.set_state(after)
    assert all(np.array_equal(a, b) for a, b in zip(function(x), second, strict=True))
    noise.seed([3, 4])
    assert all(np.array_equal(a, b) for a, b in zip(function(x), first, strict=True))


def test_the_count_goes_on_in_the_second_word():
    function, noise = draws('float32')
    noise.set_state([1, 2, 2**32 - 1, 0])
    function(X.astype('float32'))
    assert noise.get_state() == [1, 2, 0, 1]


@pytest.mark.parametrize('mode', [long('NUMBA'), pytest.param('JAX', marks=pytest.mark.peers)])
def test_all_backends_give_the_same_bits(mode):
    pytest.importorskip('jax' if mode == 'JAX' else 'numba')
    x = X.astype('float32')
    (plain, _), (other, noise) = draws('float32'), draws('float32', mode)
    for _ in range(2):
        wanted, found = plain(x), [np.asarray(v) for v in other(x)]
        assert all(np.array_equal(a, b) for a, b in zip(wanted[:5], found[:5], strict=True))
        for a, b in zip(wanted[5:], found[5:], strict=True):  # other sines and logarithms
            assert np.allclose(a, b, rtol=0, atol=2e-6)
    assert noise.get_state()[2:] == [2, 0]
