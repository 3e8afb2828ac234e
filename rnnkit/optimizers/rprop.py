"""Rprop."""

from collections.abc import Mapping

from rnnkit.errors import ConfigError
from rnnkit.optimizers.base import Optimizer, library, optimizers


@optimizers.add('rprop')
class RProp(Optimizer):
    r"""Step by the sign of the gradient, with an adaptive step size for each element (iRprop-).

    .. math::
        s' &= \text{clip}(s \cdot f), \quad
        f = \text{increase}, \text{decrease or } 1
        \text{ where } g g_\text{old} > 0, < 0 \text{ or } = 0 \\
        \Delta &= s' \, \text{sign}(g), \quad \text{with } g = 0 \text{ where } g g_\text{old} < 0

    The learning rate is the initial step size. Since the signs of noisy gradients are unreliable,
    use large batches.

    References
    ----------
    Igel & Hüsken 2000, "Improving the Rprop learning algorithm"; Riedmiller & Braun 1993.
    """

    options = {
        'learning_rate': 1e-3,
        'rprop_increase': 1.01,
        'rprop_decrease': 0.99,
        'rprop_min_step': 0.0,
        'rprop_max_step': 100.0,
    }
    slots = ('sign', 'size')
    may_be_zero = ('rprop_min_step',)
    scheduled = False
    by_rows = False  # the first update must initialise the step sizes of all elements

    def check(self, options: Mapping[str, float]) -> None:
        if not options['rprop_decrease'] <= 1 <= options['rprop_increase']:
            raise ConfigError(
                f'rprop_decrease must be at most 1, and rprop_increase at least 1; got '
                f'{options["rprop_decrease"]!r} and {options["rprop_increase"]!r}'
            )
        if options['rprop_min_step'] > options['rprop_max_step']:
            raise ConfigError(
                f'rprop_min_step must be at most rprop_max_step, {options["rprop_max_step"]!r}; '
                f'got {options["rprop_min_step"]!r}'
            )

    def step(
        self,
        g,
        slots,
        t,
        *,
        learning_rate,
        rprop_increase,
        rprop_decrease,
        rprop_min_step,
        rprop_max_step,
    ):
        old_sign, size = slots
        f = library(g)
        sign = f.sign(g)
        agreement = sign * old_sign  # 0 in the first update
        factor = f.where(agreement > 0, rprop_increase, f.where(agreement < 0, rprop_decrease, 1))
        size = f.where(t < 2, learning_rate, size) * factor
        size = f.minimum(f.maximum(size, rprop_min_step), rprop_max_step)
        sign = f.where(agreement < 0, 0, sign)
        return size * sign, (sign, size)
