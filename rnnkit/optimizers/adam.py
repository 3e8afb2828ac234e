"""Adam and its variants."""

from rnnkit.optimizers.base import Array, Optimizer, Scalar, decay, library, optimizers

ADAM_OPTIONS = {
    'learning_rate': 1e-3,
    'beta1_halflife': 6.578813478960585,  # beta1 = 0.9
    'beta2_halflife': 692.8005491784008,  # beta2 = 0.999
    'rms_regularizer': 1e-8,
}


def moments(g: Array, mean: Array, square: Array, b1: Scalar, b2: Scalar) -> tuple[Array, Array]:
    """Return the new moving averages of the gradient and of its square."""
    return b1 * mean + (1 - b1) * g, b2 * square + (1 - b2) * g * g


def adam_step(
    mean: Array,
    square: Array,
    t: Scalar,
    b1: Scalar,
    b2: Scalar,
    learning_rate: Scalar,
    rms_regularizer: Scalar,
) -> Array:
    """Return Adam's step, with both moving averages corrected for their start at 0."""
    unbiased = (square / (1 - b2**t)) ** 0.5
    return learning_rate * (mean / (1 - b1**t)) / (unbiased + rms_regularizer)


def adam(
    g: Array,
    slots: tuple[Array, ...],
    t: Scalar,
    learning_rate: Scalar,
    beta1_halflife: Scalar,
    beta2_halflife: Scalar,
    rms_regularizer: Scalar,
) -> tuple[Array, tuple[Array, ...]]:
    """Return Adam's step and new slots: the equations that 'adam' and 'adamw' share."""
    b1, b2 = decay(beta1_halflife), decay(beta2_halflife)
    mean, square = moments(g, *slots, b1, b2)
    return adam_step(mean, square, t, b1, b2, learning_rate, rms_regularizer), (mean, square)


@optimizers.add('adam')
class Adam(Optimizer):
    r"""Adaptive moment estimation.

    .. math::
        m' &= \beta_1 m + (1 - \beta_1) g, \quad v' = \beta_2 v + (1 - \beta_2) g^2 \\
        \Delta &= \alpha \frac{m' / (1 - \beta_1^t)}{\sqrt{v' / (1 - \beta_2^t)} + \epsilon},
        \qquad \beta = 2^{-1/\text{halflife}}

    Half-lives of 6.58 and 692.8 updates correspond to the usual β of 0.9 and 0.999.

    References
    ----------
    Kingma & Ba 2015, arXiv:1412.6980.
    """

    options = ADAM_OPTIONS
    slots = ('mean', 'square')

    def step(self, g, slots, t, **options):
        return adam(g, slots, t, **options)


@optimizers.add('adamw')
class AdamW(Optimizer):
    r"""Adam with decoupled weight decay.

    .. math:: \Delta = \Delta_\text{Adam} + \alpha \lambda p

    λ is `weight_decay`. It applies to all parameters, including biases, and is not scaled by
    Adam's division, as the gradient of the regularizer of the same name is.

    References
    ----------
    Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    options = {**ADAM_OPTIONS, 'weight_decay': 1e-2}
    slots = ('mean', 'square')
    reads = ('p',)
    may_be_zero = ('weight_decay',)

    def step(self, g, slots, t, *, p, learning_rate, weight_decay, **options):
        delta, slots = adam(g, slots, t, learning_rate, **options)
        return delta + learning_rate * weight_decay * p, slots


@optimizers.add('amsgrad')
class AMSGrad(Optimizer):
    r"""Adam with the maximum of all mean squares so far, so that step sizes never grow.

    .. math::
        w' = \max(w, v'), \qquad
        \Delta = \alpha \frac{m' / (1 - \beta_1^t)}{\sqrt{w' / (1 - \beta_2^t)} + \epsilon}

    References
    ----------
    Reddi, Kale & Kumar 2018, ICLR; with Adam's bias correction, as in PyTorch.
    """

    options = ADAM_OPTIONS
    slots = ('mean', 'square', 'largest')

    def step(self, g, slots, t, *, learning_rate, beta1_halflife, beta2_halflife, rms_regularizer):
        mean, square, largest = slots
        b1, b2 = decay(beta1_halflife), decay(beta2_halflife)
        mean, square = moments(g, mean, square, b1, b2)
        largest = library(g).maximum(largest, square)
        delta = adam_step(mean, largest, t, b1, b2, learning_rate, rms_regularizer)
        return delta, (mean, square, largest)


@optimizers.add('nadam')
class NAdam(Optimizer):
    r"""Adam with Nesterov momentum, and a momentum schedule that warms up.

    .. math::
        \mu_t &= \beta_1 (1 - 2^{-t / h} / 2), \quad \pi_t = \mu_1 \mu_2 \cdots \mu_t, \quad
        \hat v = v' / (1 - \beta_2^t) \\
        \Delta &= \frac{\alpha}{\sqrt{\hat v} + \epsilon} \left(
        \frac{1 - \mu_t}{1 - \pi_t} g + \frac{\mu_{t+1}}{1 - \pi_{t+1}} m' \right)

    h is `momentum_halflife`; its default is the paper's :math:`0.96^{t / 250}`.

    References
    ----------
    Dozat 2016, "Incorporating Nesterov momentum into Adam", ICLR workshop.
    """

    options = {
        **ADAM_OPTIONS,
        'learning_rate': 2e-3,
        'momentum_halflife': 4244.937004584729,  # 0.96 ** (t / 250) = 2 ** (-t / this)
    }
    slots = ('mean', 'square', 'bias')  # bias is 1 - π, which starts at 0 as slots do

    def step(
        self,
        g,
        slots,
        t,
        *,
        learning_rate,
        beta1_halflife,
        beta2_halflife,
        rms_regularizer,
        momentum_halflife,
    ):
        mean, square, bias = slots
        b1, b2, rise = decay(beta1_halflife), decay(beta2_halflife), decay(momentum_halflife)
        mean, square = moments(g, mean, square, b1, b2)
        mu, mu_next = (b1 * (1 - rise**n / 2) for n in (t, t + 1))
        bias = 1 - (1 - bias) * mu
        bias_next = 1 - (1 - bias) * mu_next
        ahead = (1 - mu) / bias * g + mu_next / bias_next * mean
        scale = (square / (1 - b2**t)) ** 0.5 + rms_regularizer
        return learning_rate * ahead / scale, (mean, square, bias)
