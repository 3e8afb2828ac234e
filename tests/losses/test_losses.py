"""Losses against NumPy in float64 and against PyTorch, their slopes, options and targets."""

import json

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numerics import check_slope
from scipy import stats

from rnnkit import losses
from rnnkit.errors import ConfigError, DataError

SHAPE = (4, 3, 5)  # T, B, O


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def of_class(z, k):
    return np.take_along_axis(z, k[..., None], -1)[..., 0]


def hinge(z, k, margin=1.0):
    others = z.copy()
    np.put_along_axis(others, k[..., None], -np.inf, -1)
    return np.maximum(0, margin + others.max(-1) - of_class(z, k))


def huber(o, y, delta=1.0):
    d = abs(o - y)
    return np.where(d <= delta, d**2 / 2, delta * (d - delta / 2))


def quantile(o, y, q=0.5):
    return np.maximum(q * (y - o), (q - 1) * (y - o))


def bce(z, y):
    return -y * np.log(sigmoid(z)) - (1 - y) * np.log(1 - sigmoid(z))


def gll(outputs, y, eps=1e-3):
    m, v = outputs[0], outputs[1] + eps
    return -np.log(np.exp(-((y - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v))


def parts_of(output, n):
    return np.split(output, n, axis=-1)


def quantiles(o, y, levels):
    return np.mean(
        [quantile(one, y, q) for one, q in zip(parts_of(o, len(levels)), levels, strict=True)],
        axis=0,
    )


def gaussian(o, y, eps=1e-3):
    m, raw = parts_of(o, 2)
    return -stats.norm.logpdf(y, m, np.log1p(np.exp(raw)) + eps)


def student(o, y, df=None, eps=1e-3):
    m, raw, *rest = parts_of(o, 3 if df is None else 2)
    df = 2 + np.log1p(np.exp(rest[0])) if df is None else df
    return -stats.t.logpdf(y, df, m, np.log1p(np.exp(raw)) + eps)


def kernel(a, b, h):
    return np.array([[np.exp(-((p - q) ** 2).sum() / (2 * h**2)) for q in b] for p in a])


def mmd(o, y, w=None, h=1.0):
    """Return mean and total weight."""
    w = np.ones(y.shape[:-1]) if w is None else w.mean(-1)
    found = []
    for o_t, y_t, w_t in zip(o, y, w, strict=True):
        p = np.outer(w_t, w_t) / (w_t.sum() or 1) ** 2
        found.append(
            (p * (kernel(y_t, y_t, h) - 2 * kernel(y_t, o_t, h) + kernel(o_t, o_t, h))).sum()
        )
    return np.average(found, weights=w.sum(-1)), w.sum()


# The errors of each loss, one for each target or for each row of them.
NUMPY = {
    'mse': lambda o, y: (o - y) ** 2,
    'mae': lambda o, y: abs(o - y),
    'huber': huber,
    'quantile': quantile,
    'poisson': lambda z, y: np.exp(z) - y * z,
    'xe': lambda z, k: -np.log(of_class(softmax(z), k)),
    'hinge': hinge,
    'bce': bce,
    'kl': lambda z, y: (y * np.log(np.where(y > 0, y, 1) / softmax(z))).sum(-1),
    'gll': gll,
    'gaussian': gaussian,
    'student': student,
    'mmd': None,
}
LEVELS = [0.9, 0.5, 0.1]
OPTIONS = [
    ('huber', {'delta': 0.3}, lambda o, y: huber(o, y, 0.3)),
    ('quantile', {'q': 0.9}, lambda o, y: quantile(o, y, 0.9)),
    ('hinge', {'margin': 0}, lambda z, k: np.maximum(0, z.max(-1) - of_class(z, k))),
    ('hinge', {'margin': 2.5}, lambda z, k: hinge(z, k, 2.5)),
    ('gll', {'covar_eps': 0.5}, lambda o, y: gll(o, y, 0.5)),
    ('gaussian', {'scale_eps': 0.5}, lambda o, y: gaussian(o, y, 0.5)),
    ('student', {'scale_eps': 0.5}, lambda o, y: student(o, y, None, 0.5)),
    ('student', {'df': 1.5}, lambda o, y: student(o, y, 1.5)),
    ('quantile', {'q': LEVELS}, lambda o, y: quantiles(o, y, LEVELS)),
    ('quantile', {'q': [0.2]}, lambda o, y: quantile(o, y, 0.2)),
]
CASES = [(name, {}, errors) for name, errors in NUMPY.items() if errors] + OPTIONS
ALIASES = {
    'meansquarederror': 'mse',
    'meanabsoluteerror': 'mae',
    'crossentropy': 'xe',
    'kld': 'kl',
    'kullbackleiblerdivergence': 'kl',
    'gaussianloglikelihood': 'gll',
    'pinball': 'quantile',
    'maximummeandiscrepancy': 'mmd',
    'binarycrossentropy': 'bce',
    'normal': 'gaussian',
    'studentt': 'student',
}


def draw(name, rng, options=()):
    """Return outputs, one or several, and a target."""
    parts = losses.losses[name](**dict(options)).n_parts
    if parts > 1:
        return rng.standard_normal((*SHAPE[:-1], parts * SHAPE[-1])), rng.standard_normal(SHAPE)
    if losses.losses[name].integer_targets:
        return rng.standard_normal(SHAPE), rng.integers(0, SHAPE[-1], SHAPE[:-1])
    if name == 'gll':
        return (rng.standard_normal(SHAPE), rng.random(SHAPE)), rng.standard_normal(SHAPE)
    target = rng.standard_normal(SHAPE)
    if name == 'kl':
        target = rng.dirichlet(np.ones(SHAPE[-1]), SHAPE[:-1])
        target[0] = np.eye(SHAPE[-1])[: SHAPE[1]]
    elif name == 'bce':
        target = rng.integers(0, 2, SHAPE) * 1.0
    elif name == 'poisson':
        target = rng.integers(0, 4, SHAPE) * 1.0
    return rng.standard_normal(SHAPE), target


def symbols(output, target, dtype='float64'):
    """Return the symbols of outputs, target and weights; outputs also as a loss takes them."""
    several = isinstance(output, tuple)
    outputs = [pt.tensor3(dtype=dtype) for _ in (output if several else [output])]
    kind = dtype if target.dtype.kind == 'f' else 'int64'
    y, w = (pt.tensor(dtype=d, shape=(None,) * target.ndim) for d in (kind, dtype))
    return outputs, y, w, tuple(outputs) if several else outputs[0]


def evaluate(loss, output, target, weights=None, dtype='float64'):
    """Return mean, total, and the gradients of the mean by the outputs."""
    outputs, y, w, given = symbols(output, target, dtype)
    mean, total = loss.mean(given, y, None if weights is None else w)
    results = [mean, total, *pytensor.grad(mean, outputs)]
    arrays = [*(output if isinstance(output, tuple) else [output]), target]
    arrays = [a.astype(v.dtype) for a, v in zip(arrays, [*outputs, y], strict=True)]
    if weights is None:
        return pytensor.function([*outputs, y], results)(*arrays)
    return pytensor.function([*outputs, y, w], results)(*arrays, weights.astype(dtype))


def test_every_loss_is_tested_here():
    assert set(losses.losses) == set(NUMPY) | set(ALIASES)
    for alias, name in ALIASES.items():
        assert losses.losses[name] is losses.losses[alias]
        assert losses.losses[alias].form == name


@pytest.mark.parametrize(('name', 'options', 'errors'), CASES)
def test_mean_and_count(name, options, errors, rng):
    output, target = draw(name, rng, options)
    mean, count, *_ = evaluate(losses.losses[name](**options), output, target)
    wanted = errors(output, target)
    assert mean == pytest.approx(wanted.mean(), rel=1e-13)  # rounding
    assert count == wanted.size


@pytest.mark.parametrize(('name', 'options', 'errors'), CASES)
def test_weighted_mean_and_total_weight(name, options, errors, rng):
    output, target = draw(name, rng, options)
    w = rng.random(target.shape)
    w[0] = 0
    mean, total, *_ = evaluate(losses.losses[name](**options), output, target, w)
    wanted = errors(output, target)
    if wanted.ndim < w.ndim:
        w = w.mean(-1)
    assert mean == pytest.approx(np.average(wanted, weights=w), rel=1e-13)  # rounding
    assert total == pytest.approx(w.sum(), rel=1e-13)


@pytest.mark.parametrize('options', [{}, {'kernel': 0.4}])
@pytest.mark.parametrize('weighted', [False, True])
def test_maximum_mean_discrepancy(weighted, options, rng):
    output, target = draw('mmd', rng)
    w = rng.random(target.shape) if weighted else None
    if weighted:
        w[0] = 0
    found = evaluate(losses.losses['mmd'](**options), output, target, w)[:2]
    wanted = mmd(output, target, w, options.get('kernel', 1.0))
    assert found == pytest.approx(wanted, rel=1e-12)  # rounding, of sums of several hundred
    flat = [a[0] for a in (output, target)]
    o, y = pt.dmatrices('oy')
    mean = losses.losses['mmd']().mean(o, y)[0]
    assert mean.eval(dict(zip((o, y), flat, strict=True))) == pytest.approx(
        mmd(flat[0][None], flat[1][None])[0]
    )


def test_maximum_mean_discrepancy_does_not_mind_the_order(rng):
    output, target = draw('mmd', rng)
    same = target[:, ::-1]
    assert evaluate(losses.losses['mmd'](), same, target)[0] == pytest.approx(0, abs=1e-14)
    assert evaluate(losses.losses['mmd'](), output + 1, target)[0] > 0.1


@pytest.mark.parametrize('name', NUMPY)
def test_weights_of_zero_give_zero_and_not_nan(name, rng):
    output, target = draw(name, rng)
    mean, total, *slopes = evaluate(losses.losses[name](), output, target, np.zeros(target.shape))
    assert mean == total == 0
    assert not any(slope.any() for slope in slopes)


@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize(
    ('name', 'options'),
    [*((name, {}) for name in NUMPY), ('student', {'df': 3}), ('quantile', {'q': LEVELS})],
)
def test_slope(name, options, weighted, rng):
    output, target = draw(name, rng, options)
    w = rng.random(target.shape) if weighted else None
    outputs, _, _, given = symbols(output, target)
    arrays = output if isinstance(output, tuple) else [output]
    mean = losses.losses[name](**options).mean(given, pt.constant(target), w)[0]
    check_slope(mean, dict(zip(outputs, arrays, strict=True)), rng)


@pytest.mark.parametrize('name', NUMPY)
def test_float32_stays_float32(name, rng):
    output, target = draw(name, rng)
    # Not the slopes: PyTensor gives a leaf that is compared with something a slope in floatX.
    found = evaluate(losses.losses[name](), output, target, dtype='float32')[:2]
    assert {a.dtype for a in found} == {np.dtype('float32')}


def torch_loss(torch, name):
    """Return PyTorch's loss as a function of what ours takes, and the options of ours."""
    f = torch.nn.functional

    def kl(z, y):
        rows = y.numel() // y.shape[-1]
        return f.kl_div(f.log_softmax(z, -1), y, reduction='sum') / rows

    return {
        'mse': (f.mse_loss, {}),
        'mae': (f.l1_loss, {}),
        'huber': (lambda o, y: f.huber_loss(o, y, delta=0.7), {'delta': 0.7}),
        'poisson': (f.poisson_nll_loss, {}),
        'bce': (f.binary_cross_entropy_with_logits, {}),
        'kl': (kl, {}),
        'xe': (lambda z, k: f.cross_entropy(z.flatten(0, 1), k.flatten()), {}),
        'gll': (
            lambda o, y: f.gaussian_nll_loss(o[0], y, o[1] + 0.01, full=True),
            {'covar_eps': 0.01},
        ),
    }[name]


@pytest.mark.peers
@pytest.mark.parametrize('name', ['mse', 'mae', 'huber', 'poisson', 'bce', 'kl', 'xe', 'gll'])
def test_value_and_slope_equal_those_of_pytorch(name, rng):
    torch = pytest.importorskip('torch')
    theirs, options = torch_loss(torch, name)
    output, target = draw(name, rng)
    several = isinstance(output, tuple)
    given = [torch.tensor(a, requires_grad=True) for a in (output if several else [output])]
    wanted = theirs(given if several else given[0], torch.tensor(target))
    wanted.backward()
    mean, _, *slopes = evaluate(losses.losses[name](**options), output, target)
    assert mean == pytest.approx(wanted.item(), rel=1e-12)  # rounding
    for slope, tensor in zip(slopes, given, strict=True):
        np.testing.assert_allclose(slope, tensor.grad.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.peers
def test_hinge_of_two_classes_equals_that_of_pytorch(rng):
    torch = pytest.importorskip('torch')
    output, target = rng.standard_normal((40, 1, 2)), rng.integers(0, 2, (40, 1))
    # Theirs is the mean over classes, of which one counts.
    wanted = 2 * torch.nn.functional.multi_margin_loss(
        torch.tensor(output[:, 0]), torch.tensor(target[:, 0]), margin=0.6
    )
    found = evaluate(losses.losses['hinge'](margin=0.6), output, target)[0]
    assert found == pytest.approx(wanted.item(), rel=1e-13)


@pytest.mark.parametrize(
    ('name', 'output', 'target'),
    [
        ('xe', [0.0, 1000.0], 0),
        ('bce', [-1000.0], [1.0]),
        ('kl', [0.0, 1000.0], [1.0, 0.0]),
    ],
)
def test_a_confident_wrong_answer_is_exact(name, output, target):
    found = evaluate(losses.losses[name](), np.array([[output]]), np.array([[target]]))
    assert found[0] == 1000
    assert np.isfinite(found[2]).all()


@pytest.mark.parametrize(
    ('name', 'output', 'target'),
    [
        ('xe', [0.0, 50.0], 1),
        ('bce', [50.0], [1.0]),
        ('kl', [0.0, 50.0], [0.0, 1.0]),
    ],
)
def test_a_confident_right_answer_keeps_its_digits(name, output, target):
    found = evaluate(losses.losses[name](), np.array([[output]]), np.array([[target]]))
    # PyTorch's and our log-softmax have log(1 + e**-50) = 0; a sigmoid has all digits.
    wanted = np.exp(-50) if name == 'bce' else 0
    assert found[0] == pytest.approx(wanted, rel=1e-12)


def test_minimum_of_the_quantile_loss_is_the_quantile():
    y = np.arange(101.0).reshape(101, 1, 1)
    loss = losses.losses['quantile'](q=0.9)
    found = [evaluate(loss, np.full_like(y, guess), y)[0] for guess in (88.0, 90.0, 92.0)]
    assert min(found) == found[1]


def test_what_losses_say_of_outputs_and_targets():
    said = {
        name: (loss.output, loss.activation, loss.integer_targets)
        for name in NUMPY
        for loss in [losses.losses[name]]
    }
    assert said == dict.fromkeys(NUMPY, ('out', None, False)) | {
        'xe': ('pre', 'softmax', True),
        'hinge': ('pre', None, True),
        'bce': ('pre', 'sigmoid', False),
        'kl': ('pre', 'softmax', False),
        'poisson': ('pre', 'exp', False),
    }
    assert losses.build('bce').outputs == ('pre',)
    assert losses.build('gll').outputs == ('mean:out', 'covar:out')
    named = losses.build(dict(form='gll', mean_name='hid2:pre', covar_name='v'))
    assert named.outputs == ('hid2:pre', 'v:out')


# --- targets ---


@pytest.mark.parametrize('name', NUMPY)
def test_good_targets_pass(name, rng):
    losses.build(name).check_targets('y', draw(name, rng)[1])


def test_rounded_probabilities_pass():
    losses.build('kl').check_targets('y', np.full((1, 3), 0.333, 'float32'))


@pytest.mark.parametrize(
    ('name', 'target', 'message'),
    [
        (
            'bce',
            [[0.0, 1.5]],
            'train: y contains 1.5; a target of this loss must be 0 for no, 1 for yes',
        ),
        ('bce', [[-1.0, 1.0]], 'contains -1.0'),
        ('poisson', [[3.0, -2.0]], 'contains -2.0; a count must be at least 0'),
        ('kl', [[1.5, -0.5]], 'contains -0.5; a probability must be at least 0'),
        ('kl', [[0.5, 0.5], [0.5, 0.25]], r'sum to 0.75 over the last axis; divide by the sum'),
    ],
)
def test_bad_targets(name, target, message):
    with pytest.raises(DataError, match=message):
        losses.build(name).check_targets('train: y', np.array(target))


# --- specs ---


@pytest.mark.parametrize(
    ('spec', 'wanted'),
    [
        ('huber', 'huber'),
        ('KLD', 'kl'),
        (dict(form='huber'), 'huber'),
        (dict(form='huber', delta=1), 'huber'),
        (dict(form='huber', delta=0.5), dict(form='huber', delta=0.5)),
        (dict(form='pinball', q=np.float32(0.25)), dict(form='quantile', q=0.25)),
        (dict(form='mmd', kernel=2), dict(form='mmd', kernel=2.0)),
        (dict(form='quantile', q=(0.1, 0.9)), dict(form='quantile', q=[0.1, 0.9])),
        (dict(form='quantile', q=np.array([0.5])), dict(form='quantile', q=[0.5])),
        (dict(form='studentT', df=4), dict(form='student', df=4.0)),
        (dict(form='gll', mean_name='a'), dict(form='gll', mean_name='a')),
    ],
    ids=str,
)
def test_build_and_spec(spec, wanted):
    loss = losses.build(spec)
    assert json.loads(json.dumps(loss.to_spec())) == wanted
    again = losses.build(loss.to_spec())
    assert type(again) is type(loss)
    assert vars(again) == vars(loss)
    assert losses.build(loss) is loss


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        ('', "a loss must be a name such as 'mse', .*; got ''"),
        (None, 'got None'),
        (3, 'got 3'),
        ({}, 'got {}'),
        ({'delta': 1}, r"a dict such as dict\(form='huber', delta=0.5\)"),
        ({'form': 3}, "got {'form': 3}"),
        ({'form': 'huber', 3: 4}, 'the keys of a loss dict must be str; got 3'),
        (losses.Huber, 'got <class'),
        ('hubert', "no loss named 'hubert'; did you mean 'huber'"),
        ('binary_crossentropy', "did you mean 'bce'"),
        (dict(form='huber', delt=1), "loss 'huber': unknown option 'delt', did you mean 'delta'"),
        (dict(form='mse', delta=1), "loss 'mse': unknown option 'delta'"),
        (dict(form='huber', delta=0), "loss 'huber': delta must be a finite number above 0; got 0"),
        (dict(form='huber', delta=True), 'got True'),
        (dict(form='huber', delta=float('nan')), 'got nan'),
        (dict(form='huber', delta=float('inf')), 'got inf'),
        (dict(form='quantile', q=1), 'q must be a finite number above 0 and below 1; got 1'),
        (dict(form='quantile', q=['0.5']), r"q\[0\] must be .*; got '0.5'"),
        (dict(form='hinge', margin=-1), 'margin must be a finite number of at least 0; got -1'),
        (dict(form='mmd', kernel='rbf'), "kernel must be a finite number above 0; got 'rbf'"),
        (dict(form='gll', covar_eps=0), 'covar_eps must be a finite number above 0'),
        (
            dict(form='quantile', q=[]),
            "loss 'quantile': q must be one number, or several different",
        ),
        (dict(form='quantile', q=[0.1, 0.1]), 'q must be one number, or several different ones'),
        (dict(form='quantile', q=[0.1, 1]), r'q\[1\] must be a finite number above 0 and below 1'),
        (dict(form='student', df=0), "loss 'student': df must be a finite number above 0; got 0"),
        (dict(form='student', df=float('inf')), 'df must be a finite number above 0; got inf'),
        (dict(form='gaussian', scale_eps=0), 'scale_eps must be a finite number above 0; got 0'),
        (dict(form='gll', mean_name=3), "mean_name must be the name of an output, such as 'mean'"),
    ],
    ids=str,
)
def test_bad_spec(spec, message):
    with pytest.raises(ConfigError, match=message):
        losses.build(spec)


def test_a_loss_that_is_not_registered_has_no_spec():
    class Mine(losses.MeanSquaredError):
        pass

    loss = losses.build(Mine())
    with pytest.raises(ConfigError, match='register the class under a name'):
        loss.to_spec()
