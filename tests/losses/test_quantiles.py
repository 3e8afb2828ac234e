"""Several quantiles by one loss."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit import kernels, losses
from rnnkit.errors import ConfigError

QS = [0.5, 0.1, 0.9]
SHAPE = (4, 3, 2)  # T, B, O


def pinball(o, y, q):
    return np.maximum(q * (y - o), (q - 1) * (y - o))


@pytest.mark.parametrize('kernel', [None, False])
@pytest.mark.parametrize('weighted', [False, True])
def test_the_error_is_the_mean_over_quantiles(weighted, kernel, rng):
    outputs, y = [rng.standard_normal(SHAPE) for _ in QS], rng.standard_normal(SHAPE)
    w = rng.random(SHAPE) if weighted else np.ones(SHAPE)
    output, target, weights = pt.dtensor3(), pt.dtensor3(), pt.dtensor3()
    with kernels.allowed(kernel):
        mean, total = losses.Quantile(q=QS).mean(output, target, weights if weighted else None)
    function = pytensor.function(
        [output, target, weights],
        [mean, total, pytensor.grad(mean, output)],
        on_unused_input='ignore',
    )
    found, count, slope = function(np.concatenate(outputs, axis=-1), y, w)

    errors = np.mean([pinball(o, y, q) for o, q in zip(outputs, QS, strict=True)], axis=0)
    assert found == pytest.approx((w * errors).sum() / w.sum(), rel=1e-13)
    assert count == pytest.approx(w.sum())
    each = [np.where(y > o, -q, 1 - q) / len(QS) for o, q in zip(outputs, QS, strict=True)]
    right = np.concatenate([w * one / w.sum() for one in each], axis=-1)
    np.testing.assert_allclose(slope, right, rtol=1e-12)


def test_what_the_loss_says_of_itself():
    loss = losses.build({'form': 'pinball', 'q': (0.75, np.float32(0.25), 0.5)})
    assert (loss.outputs, loss.n_parts) == (('out',), 3)
    assert loss.central(np.arange(6.0)).tolist() == [4, 5]
    spec = loss.to_spec()
    assert spec == {'form': 'quantile', 'q': [0.75, 0.25, 0.5]}
    again = losses.build(json.loads(json.dumps(spec)))
    assert vars(again) == vars(loss)
    assert losses.Quantile(q=np.array([0.2, 0.3])).q == [0.2, 0.3]
    one = losses.Quantile(q=0.3)
    assert one.n_parts == losses.Quantile(q=[0.3]).n_parts == 1
    assert one.central(np.arange(6.0)).tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'q': []}, 'q must be one number, or several different ones; got []'),
        ({'q': [0.5, 0.5]}, 'q must be one number, or several different ones; got [0.5, 0.5]'),
        ({'q': [0.5, 1]}, 'q[1] must be a finite number above 0 and below 1; got 1'),
        ({'q': [10, 90]}, 'q[0] must be a finite number above 0 and below 1; got 10'),
        ({'q': [0.5, [0.1]]}, 'q[1] must be a finite number above 0 and below 1; got [0.1]'),
        (
            {'q': np.array(0.3)},
            'q must be a finite number above 0 and below 1; got array(0.3)',
        ),
        ({'q': [0.5, 0.1], 'levels': ['a', 'b']}, "unknown option 'levels', known are: q"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        losses.Quantile(**options)
    assert str(caught.value) == f"loss 'quantile': {message}"


def test_a_network_learns_the_quantiles_of_its_targets(tmp_path, rng):
    loss = {'form': 'quantile', 'q': QS}
    net = rnnkit.Regressor([1, ('rnn', 3), 3], loss=loss, seed=0, dtype='float64')
    for p in net.params:
        p.set_value(np.zeros(p.get_value().shape))
    y = rng.gamma(2, size=(1, 2000, 1))
    x = np.zeros_like(y)
    steps = {'learning_rate': 0.2, 'rprop_decrease': 0.5, 'rprop_increase': 1.2}
    net.train([x, y], algo='rprop', epochs=60, batch_size=2000, **steps)
    shares = (y < net.predict(x)).mean(axis=(0, 1))
    np.testing.assert_allclose(shares, QS, atol=0.01)  # 20 of the 2,000 targets
    drawn = net.generate(x[:, :1], 1, streams=2000, rng=0)
    assert abs((y < np.median(drawn)).mean() - 0.5) < 0.04
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    assert again.loss.to_spec() == net.loss.to_spec()
    seeds = np.zeros(1)
    np.testing.assert_array_equal(
        again.generate(seeds, 3, streams=4, rng=0), net.generate(seeds, 3, streams=4, rng=0)
    )
