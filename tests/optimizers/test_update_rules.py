"""Update rules against their papers, written down here independently, and against PyTorch."""

import numpy as np
import pytest
from bowl import HYPER, START, compiled_run, curvature, gradient

import rnnkit
from rnnkit.optimizers import decay, halflife, optimizers

N = 60


def beta(halflife):
    return 0.5 ** (1 / halflife)


def textbook_rmsprop(p, learning_rate, rms_halflife, rms_regularizer):
    """Graves 2013, equations 38-41, without momentum."""
    keep, m, v = beta(rms_halflife), 0.0, 0.0
    while True:
        g = gradient(p)
        v = keep * v + (1 - keep) * g**2
        m = keep * m + (1 - keep) * g
        p = p - learning_rate * g / np.sqrt(v - m**2 + rms_regularizer)
        yield p


def textbook_adam(p, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer):
    """Kingma & Ba 2015, algorithm 1."""
    b1, b2 = beta(beta1_halflife), beta(beta2_halflife)
    m = v = t = 0
    while True:
        t, g = t + 1, gradient(p)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - learning_rate * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + rms_regularizer)
        yield p


def textbook_sgd(p, learning_rate, momentum=0.0):
    """Polyak 1964: the step before is repeated in part."""
    before = p
    while True:
        p, before = p - learning_rate * gradient(p) + momentum * (p - before), p
        yield p


def textbook_nesterov(p, learning_rate, momentum):
    """Sutskever et al. 2013, equations 3 and 4; what is kept is the point looked ahead to."""
    v = 0.0
    while True:
        v = momentum * v - learning_rate * gradient(p + momentum * v)
        p = p + v
        yield p + momentum * v


def textbook_rprop(
    p, learning_rate, rprop_increase, rprop_decrease, rprop_min_step, rprop_max_step
):
    """Igel & Hüsken 2000, the figure of iRprop-, one element after the other."""
    sizes, before = [learning_rate] * 6, [0.0] * 6
    while True:
        p, g = p.copy(), gradient(p)
        for i in range(6):
            if before[i] * g[i] > 0:
                sizes[i] = min(sizes[i] * rprop_increase, rprop_max_step)
            elif before[i] * g[i] < 0:
                sizes[i] = max(sizes[i] * rprop_decrease, rprop_min_step)
                g[i] = 0
            p[i] -= np.sign(g[i]) * sizes[i]
            before[i] = g[i]
        yield p


def textbook_adagrad(p, learning_rate, rms_regularizer):
    """Duchi et al. 2011, figure 1, with the diagonal; the regularizer is inside the root."""
    total = 0
    while True:
        g = gradient(p)
        total = total + g**2
        p = p - learning_rate * g / np.sqrt(total + rms_regularizer)
        yield p


def textbook_adadelta(p, learning_rate, rms_halflife, rms_regularizer):
    """Zeiler 2012, algorithm 1; the learning rate scales what is applied."""
    rho, g2, x2 = beta(rms_halflife), 0.0, 0.0

    def rms(square):
        return np.sqrt(square + rms_regularizer)

    while True:
        g = gradient(p)
        g2 = rho * g2 + (1 - rho) * g**2
        x = -rms(x2) / rms(g2) * g
        x2 = rho * x2 + (1 - rho) * x**2
        p = p + learning_rate * x
        yield p


def textbook_esgd(p, learning_rate, rms_halflife, rms_regularizer):
    """Dauphin et al. 2015, algorithm 1, with a mean that counts update i by γ ** (t - i)."""
    keep, probes = beta(rms_halflife), []
    while True:
        probes.append(curvature(p, len(probes)) ** 2)
        weights = keep ** np.arange(len(probes))[::-1]
        size = np.sqrt(np.average(probes, axis=0, weights=weights))
        p = p - learning_rate * gradient(p) / (size + rms_regularizer)
        yield p


def textbook_adamw(p, weight_decay, **options):
    """Loshchilov & Hutter 2019, algorithm 2: what Adam does, and the decay beside it."""
    b1, b2 = beta(options['beta1_halflife']), beta(options['beta2_halflife'])
    m = v = t = 0
    while True:
        t, g = t + 1, gradient(p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
        adam = m_hat / (np.sqrt(v_hat) + options['rms_regularizer'])
        p = p - options['learning_rate'] * (adam + weight_decay * p)
        yield p


def textbook_amsgrad(p, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer):
    """Reddi et al. 2018, algorithm 2, with both of Adam's corrections."""
    b1, b2 = beta(beta1_halflife), beta(beta2_halflife)
    m = v = largest = t = 0
    while True:
        t, g = t + 1, gradient(p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        largest = np.maximum(largest, v)
        root = np.sqrt(largest / (1 - b2**t))
        p = p - learning_rate * m / (1 - b1**t) / (root + rms_regularizer)
        yield p


def textbook_nadam(
    p, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer, momentum_halflife
):
    """Dozat 2016, algorithm 2, with the schedule of momentum of section 4."""
    b1, b2 = beta(beta1_halflife), beta(beta2_halflife)

    def mu(i):
        return b1 * (1 - 0.5 * beta(momentum_halflife) ** i)

    m = v = t = 0
    while True:
        t, g = t + 1, gradient(p)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        product = np.prod([mu(i) for i in range(1, t + 1)])
        m_bar = (1 - mu(t)) * g / (1 - product) + mu(t + 1) * m / (1 - product * mu(t + 1))
        p = p - learning_rate * m_bar / (np.sqrt(v / (1 - b2**t)) + rms_regularizer)
        yield p


def textbook_lion(p, learning_rate, beta1_halflife, beta2_halflife, weight_decay):
    """Chen et al. 2023, algorithm 2."""
    b1, b2, m = beta(beta1_halflife), beta(beta2_halflife), 0
    while True:
        g = gradient(p)
        c = b1 * m + (1 - b1) * g
        p = p - learning_rate * (np.sign(c) + weight_decay * p)
        m = b2 * m + (1 - b2) * g
        yield p


BOOKS = [
    ('sgd', 0.0, False, textbook_sgd(START, 0.05)),
    ('sgd', 0.9, False, textbook_sgd(START, 0.05, 0.9)),
    ('sgd', 0.9, True, textbook_nesterov(START, 0.05, 0.9)),
    ('nag', 0.9, True, textbook_nesterov(START, 0.05, 0.9)),
    *[
        (algo, 0.0, False, globals()[f'textbook_{algo}'](START, **HYPER[algo]))
        for algo in HYPER
        if algo not in ('sgd', 'nag')
    ],
]


def test_every_rule_has_a_textbook():
    assert {book[0] for book in BOOKS} == set(HYPER)


@pytest.mark.parametrize(('algo', 'momentum', 'nesterov', 'book'), BOOKS)
def test_rule_equals_the_textbook(algo, momentum, nesterov, book):
    found = compiled_run(algo, N, momentum, nesterov, **HYPER[algo])
    right = np.array([next(book) for _ in range(N)])
    # v - m² cancels where the gradient hardly changes: about four digits of float64's sixteen.
    np.testing.assert_allclose(found, right, rtol=1e-10)


def textbook_uncentred_rmsprop(p, inside, learning_rate, rms_halflife, rms_regularizer):
    """Tieleman & Hinton 2012, slide 29; ε is inside the root, or outside."""
    keep, v = beta(rms_halflife), 0.0
    while True:
        g = gradient(p)
        v = keep * v + (1 - keep) * g**2
        size = np.sqrt(v + rms_regularizer) if inside else np.sqrt(v) + rms_regularizer
        p = p - learning_rate * g / size
        yield p


@pytest.mark.parametrize('kernels', ['off', 'on'])
@pytest.mark.parametrize('inside', [True, False])
def test_uncentred_rmsprop(inside, kernels, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', kernels)
    hyper = {**HYPER['rmsprop'], 'rms_regularizer': 1e-2}
    switches = dict(centered=False, regularizer_inside=inside)
    mode = 'NUMBA' if kernels == 'on' else None
    found = compiled_run('rmsprop', N, switches=switches, mode=mode, **hyper)
    book = textbook_uncentred_rmsprop(START, inside, **hyper)
    np.testing.assert_allclose(found, [next(book) for _ in range(N)], rtol=1e-10)


def test_centred_rmsprop_with_its_regularizer_outside():
    hyper = {**HYPER['rmsprop'], 'rms_regularizer': 1e-2}
    found = compiled_run('rmsprop', 3, switches=dict(regularizer_inside=False), **hyper)
    p, keep, m, v = START, beta(hyper['rms_halflife']), 0.0, 0.0
    for point in found:
        g = gradient(p)
        v, m = keep * v + (1 - keep) * g**2, keep * m + (1 - keep) * g
        p = p - hyper['learning_rate'] * g / (np.sqrt(v - m**2) + 1e-2)
        np.testing.assert_allclose(point, p, rtol=1e-10)


def test_both_forms_of_rmsprop_in_one_network():
    """Each has an update of its own, which is compiled once; the options are those of `train`."""
    data, paths = [np.ones((1, 1)), np.zeros((1, 1))], {}
    net = rnnkit.Regressor([1, (1, 'linear')], dtype='float64', seed=0)
    start = [p.get_value() for p in net.params]
    options = dict(algo='rmsprop', learning_rate=0.1, rms_halflife=halflife(0.9), epochs=2)
    for centered in (True, False, True):
        for p, value in zip(net.params, start, strict=True):
            p.set_value(value)
        net.train(data, centered=centered, restore_best=False, max_gradient_norm=0, **options)
        found = [p.get_value().item() for p in net.params]
        assert found == paths.setdefault(centered, found)
    w, b, v = start[0].item(), start[1].item(), np.zeros(2)
    for _ in range(2):
        g = np.full(2, 2 * (w + b))
        v = 0.9 * v + 0.1 * g**2
        w, b = np.array([w, b]) - 0.1 * g / np.sqrt(v + 1e-8)
    np.testing.assert_allclose(paths[False], [w, b], rtol=1e-12)
    assert paths[True] != paths[False]


def test_a_checkpoint_knows_the_form_of_its_rule(tmp_path):
    net = rnnkit.Regressor([1, 1], seed=0)
    data, file = [np.ones((4, 1)), np.zeros((4, 1))], tmp_path / 'it'
    net.train(data, centered=False, epochs=1, checkpoint=file)
    with pytest.raises(rnnkit.ConfigError, match='another training: centered was False'):
        net.train(data, epochs=2, checkpoint=file, resume=file)
    net.train(data, centered=False, epochs=2, checkpoint=file, resume=file)
    assert net.history[-1]['epoch'] == 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(centered=0), 'train(): centered must be True or False; got 0'),
        (
            dict(algo='sgd', centered=False),
            "train(): centered belongs to algo 'rmsprop', not 'sgd'",
        ),
        (
            dict(rho=0.9),
            "train(): unknown option 'rho': write rms_halflife=rnnkit.optimizers.halflife(0.9)",
        ),
        (dict(epsilon=1e-7), "train(): unknown option 'epsilon', did you mean 'rms_regularizer'?"),
    ],
)
def test_messages_about_the_form_of_rmsprop(options, message):
    with pytest.raises(rnnkit.ConfigError) as error:
        rnnkit.Regressor([1, 1]).train([np.ones((4, 1))] * 2, **options)
    assert str(error.value) == message


def test_a_halflife_is_that_of_a_decay():
    assert decay(halflife(0.99)) == pytest.approx(0.99, rel=1e-12)
    assert halflife(0.5) == 1
    with pytest.raises(
        rnnkit.ConfigError, match='decay must be a finite number above 0 and below 1'
    ):
        halflife(1)


def test_the_variance_of_rmsprop_is_never_negative_in_float32():
    rule, mean, variance = optimizers['rmsprop'](), np.float32(0), np.float32(0)
    g = np.float32(1e4)
    for t in range(1, 300):
        delta, (mean, variance) = rule.step(
            g,
            (mean, variance),
            t,
            learning_rate=np.float32(1),
            rms_halflife=np.float32(14),
            rms_regularizer=np.float32(1e-8),
        )
        assert variance >= 0
        assert np.isfinite(delta)


def test_a_memory_has_faded_to_a_half_after_its_halflife():
    assert decay(14.0) ** 14 == pytest.approx(0.5)


def test_default_halflives_are_the_usual_betas():
    for algo in ('adam', 'adamw', 'amsgrad', 'nadam', 'lion'):
        options = optimizers[algo].options
        usual = 0.99 if algo == 'lion' else 0.999
        assert decay(options['beta1_halflife']) == pytest.approx(0.9, rel=1e-12)
        assert decay(options['beta2_halflife']) == pytest.approx(usual, rel=1e-12)
    rise = decay(optimizers['nadam'].options['momentum_halflife'])
    assert rise == pytest.approx(0.96**0.004, rel=1e-12)
    assert decay(optimizers['adadelta'].options['rms_halflife']) == pytest.approx(0.95, abs=0.002)


def test_rprop_takes_back_no_step_but_holds_still_where_the_sign_turns():
    path = compiled_run('rprop', N, **HYPER['rprop'])
    still = np.diff(path, axis=0) == 0
    assert still.any(axis=0).all()  # every element overshoots at some time
    assert not (still[1:] & still[:-1]).any()  # and goes on after one update


# The name in torch.optim, its options and ours; what is not said is a default on both sides.
SMALL = 1e-300  # PyTorch adds its regularizer to the root; where it is nothing, that is the same
PYTORCH = {
    'adam': ('Adam', {'lr': 0.05}, {'learning_rate': 0.05}),
    'sgd': ('SGD', {'lr': 0.05, 'momentum': 0.9}, {'learning_rate': 0.05, 'momentum': 0.9}),
    'nag': (
        'SGD',
        {'lr': 0.05, 'momentum': 0.9, 'nesterov': True},
        {'learning_rate': 0.05, 'momentum': 0.9, 'nesterov': True},
    ),
    'rprop': (
        'Rprop',
        {'lr': 0.02, 'etas': (0.6, 1.3), 'step_sizes': (1e-3, 0.3)},
        {
            'learning_rate': 0.02,
            'rprop_increase': 1.3,
            'rprop_decrease': 0.6,
            'rprop_min_step': 1e-3,
            'rprop_max_step': 0.3,
        },
    ),
    'rmsprop': (
        'RMSprop',
        {},
        {
            'switches': {'centered': False, 'regularizer_inside': False},
            'learning_rate': 0.01,
            'rms_halflife': halflife(0.99),
        },
    ),
    'adagrad': (
        'Adagrad',
        {'lr': 0.3, 'eps': 0.0},
        {'learning_rate': 0.3, 'rms_regularizer': SMALL},
    ),
    'adadelta': (
        'Adadelta',
        {'lr': 1.0, 'rho': 0.5, 'eps': 1e-3},
        {'rms_halflife': 1.0, 'rms_regularizer': 1e-3},
    ),
    'adamw': (
        'AdamW',
        {'lr': 0.05, 'weight_decay': 0.1},
        {'learning_rate': 0.05, 'weight_decay': 0.1},
    ),
    'amsgrad': (
        'Adam',
        {'lr': 0.05, 'amsgrad': True, 'betas': (0.9, 0.5)},
        {'learning_rate': 0.05, 'beta2_halflife': 1.0},
    ),
    'nadam': ('NAdam', {'lr': 0.02}, {'learning_rate': 0.02}),
}


@pytest.mark.peers
@pytest.mark.parametrize('algo', PYTORCH)
def test_rule_equals_pytorch(algo, monkeypatch):
    torch = pytest.importorskip('torch')
    # In float32 it would be: NAdam keeps a product of its own of this dtype.
    monkeypatch.setattr(torch, 'get_default_dtype', lambda: torch.float64)
    name, theirs, ours = PYTORCH[algo]
    p = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer = getattr(torch.optim, name)([p], **theirs)
    right = []
    for _ in range(50):
        p.grad = torch.tensor(gradient(p.detach().numpy()))
        optimizer.step()
        right.append(p.detach().numpy().copy())
    found = compiled_run(algo, 50, **{**optimizers[algo].options, **ours})
    np.testing.assert_allclose(found, right, rtol=1e-10)  # rounding, of beta too, over 50 updates


@pytest.mark.peers
@pytest.mark.parametrize('algo', ['adamw', 'amsgrad', 'nadam'])
def test_defaults_are_pytorchs(algo):
    torch = pytest.importorskip('torch')
    name = PYTORCH[algo][0]
    group = getattr(torch.optim, name)([torch.zeros(1)]).param_groups[0]
    options = optimizers[algo].options
    assert options['learning_rate'] == group['lr']
    assert options['rms_regularizer'] == group['eps']
    assert options.get('weight_decay', 0) == group['weight_decay']
