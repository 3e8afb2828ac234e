"""Rprop."""

from rnnkit.errors import ConfigError
from rnnkit.optimizers.base import Optimizer, library, optimizers


@optimizers.add('rprop')
class RProp(Optimizer):
    r"""Follow the sign of the gradient with a step size for each parameter; the form iRprop-.

    .. math::
        s' &= \text{clip}(s \cdot f), \quad
        f = \text{increase}, \text{decrease or } 1
        \text{ where } g g_\text{old} > 0, < 0 \text{ or } = 0 \\
        \Delta &= s' \, \text{sign}(g), \quad \text{with } g = 0 \text{ where } g g_\text{old} < 0

    The learning rate is the size of the first step, and the sizes find their own way from
    there. The signs of a gradient that is noisy mislead it: it is for large batches.

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
    by_rows = False  # the first update gives each element the size of its step

    def check(self, options):
        if not options['rprop_decrease'] <= 1 <= options['rprop_increase']:
            raise ConfigError(
                f'rprop_decrease is at most 1, and rprop_increase at least 1; got '
                f'{options["rprop_decrease"]!r} and {options["rprop_increase"]!r}'
            )
        if options['rprop_min_step'] > options['rprop_max_step']:
            raise ConfigError(
                f'rprop_min_step is at most rprop_max_step, {options["rprop_max_step"]!r}; got '
                f'{options["rprop_min_step"]!r}'
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
        before, size = slots
        f = library(g)
        now = f.sign(g)
        agree = now * before  # 0 in the first update
        factor = f.where(agree > 0, rprop_increase, f.where(agree < 0, rprop_decrease, 1))
        size = f.where(t < 2, learning_rate, size) * factor
        size = f.minimum(f.maximum(size, rprop_min_step), rprop_max_step)
        now = f.where(agree < 0, 0, now)
        return size * now, (now, size)
