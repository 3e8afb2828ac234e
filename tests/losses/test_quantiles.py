"""Several quantiles by one loss."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import rnnkit
from rnnkit import losses
from rnnkit.errors import ConfigError

QS, NAMES = [0.5, 0.1, 0.9], ['mid', 'low', 'high:out']
SHAPE = (4, 3, 2)  # T, B, O


def pinball(o, y, q):
    return np.maximum(q * (y - o), (q - 1) * (y - o))


def network(**options):
    layers = [
        1,
        dict(form='rnn', size=3, name='h'),
        dict(size=1, name='low', inputs='h', activation='linear'),
        dict(size=1, name='high', inputs='h', activation='linear'),
        dict(size=1, name='mid', inputs='h'),
    ]
    loss = {'form': 'quantile', 'q': QS, 'layers': NAMES}
    return rnnkit.Regressor(layers, loss=loss, seed=0, **options)


@pytest.mark.parametrize('weighted', [False, True])
def test_the_error_is_the_mean_over_quantiles(rng, weighted):
    loss = losses.Quantile(q=QS, layers=NAMES)
    outputs, y = [rng.standard_normal(SHAPE) for _ in QS], rng.standard_normal(SHAPE)
    w = rng.random(SHAPE) if weighted else np.ones(SHAPE)
    variables = [pt.dtensor3() for _ in QS]
    target, weights = pt.dtensor3(), pt.dtensor3()
    mean, total = loss.mean(tuple(variables), target, weights if weighted else None)
    grads = pytensor.grad(mean, variables)
    function = pytensor.function(
        [*variables, target, weights], [mean, total, *grads], on_unused_input='ignore'
    )
    found, count, *slopes = function(*outputs, y, w)

    errors = np.mean([pinball(o, y, q) for o, q in zip(outputs, QS, strict=True)], axis=0)
    assert found == pytest.approx((w * errors).sum() / w.sum(), rel=1e-13)
    assert count == pytest.approx(w.sum())
    for o, q, slope in zip(outputs, QS, slopes, strict=True):
        each = np.where(y > o, -q, 1 - q) / len(QS)
        np.testing.assert_allclose(slope, w * each / w.sum(), rtol=1e-12)


def test_what_the_loss_says_of_itself():
    loss = losses.build({'form': 'pinball', 'q': (0.5, np.float32(0.25)), 'layers': ('a', 'b:x')})
    assert loss.outputs == ('a:out', 'b:x')
    assert loss.kinds == ('value', 'value')
    spec = loss.to_spec()
    assert spec == {'form': 'quantile', 'q': [0.5, 0.25], 'layers': ['a', 'b:x']}
    again = losses.build(json.loads(json.dumps(spec)))
    assert vars(again) == vars(loss)
    assert losses.Quantile(q=0.3).outputs == ('out',)
    assert losses.Quantile(q=np.array([0.2, 0.3]), layers=['a', 'b']).q == [0.2, 0.3]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'q': [0.5]}, 'q must be a number, or a list of at least two; got [0.5]'),
        ({'q': []}, 'q must be a number, or a list of at least two; got []'),
        ({'q': [0.5, 1]}, 'each q must be a finite number above 0 and below 1; got 1'),
        ({'q': [0.5, [0.1]]}, 'each q must be a finite number above 0 and below 1; got [0.1]'),
        ({'q': [0.5, 0.5]}, 'each q must be another number; got [0.5, 0.5]'),
        (
            {'q': [0.5, 0.1]},
            'layers must have the name of an output for each of the 2 quantiles q=[0.5, 0.1]; got '
            'None',
        ),
        (
            {'q': [0.5, 0.1], 'layers': ['a', 'b', 'c']},
            'layers must have the name of an output for each of the 2 quantiles q=[0.5, 0.1]; got '
            "['a', 'b', 'c']",
        ),
        (
            {'q': [0.5, 0.1], 'layers': 'ab'},
            'layers must have the name of an output for each of the 2 quantiles q=[0.5, 0.1]; got '
            "'ab'",
        ),
        (
            {'q': [0.5, 0.1], 'layers': ['a', 'a:out']},
            "each quantile needs an output of its own; got ['a', 'a:out']",
        ),
        (
            {'q': 0.5, 'layers': ['a']},
            'layers is for several quantiles, q=[0.5, 0.1, 0.9]; got q=0.5. Leave it out',
        ),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        losses.Quantile(**options)
    assert str(caught.value) == f"loss 'quantile': {message}"


def test_a_network_learns_the_quantiles_of_its_targets(tmp_path, rng):
    net = network(dtype='float64')
    for p in net.params:
        p.set_value(np.zeros(p.get_value().shape))
    y = rng.gamma(2, size=(1, 2000, 1))
    x = np.zeros_like(y)
    steps = {'learning_rate': 0.2, 'rprop_decrease': 0.5, 'rprop_increase': 1.2}
    net.train([x, y], algo='rprop', epochs=60, batch_size=2000, **steps)
    outputs = net.feed_forward(x[:, :1])
    for q, name in zip(QS, ['mid:out', 'low:out', 'high:out'], strict=True):
        below = (y < outputs[name]).mean()
        assert abs(below - q) < 0.01, name  # 20 of the 2,000 targets
    np.testing.assert_array_equal(net.predict(x), np.broadcast_to(outputs['mid:out'], x.shape))
    net.save(tmp_path / 'net.rnn')
    again = rnnkit.load(tmp_path / 'net.rnn')
    assert again.loss.to_spec() == net.loss.to_spec()
    seeds = np.zeros(1)
    np.testing.assert_array_equal(
        again.generate(seeds, 3, streams=4, rng=0), net.generate(seeds, 3, streams=4, rng=0)
    )


def test_missing_layers_are_named():
    with pytest.raises(ConfigError) as caught:
        losses.build({'form': 'quantile', 'q': [0.5, 0.1], 'layer': ['a', 'b']})
    assert str(caught.value) == "loss 'quantile': unknown option 'layer': did you mean 'layers'?"
    loss = {'form': 'quantile', 'q': [0.5, 0.1], 'layers': ['out', 'lo']}
    with pytest.raises(ConfigError, match=r"loss 'quantile': reads 'lo:out', which does not exist"):
        rnnkit.Regressor([1, ('rnn', 3), 1], loss=loss)
