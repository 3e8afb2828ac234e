"""The options of L-BFGS, which `rnnkit.training.lbfgs` implements."""

from collections.abc import Mapping

from rnnkit.common.checks import whole
from rnnkit.optimizers.base import Optimizer, optimizers


@optimizers.add('lbfgs')
class LBFGS(Optimizer):
    """Quasi-Newton steps with a line search, by SciPy, on the full training data.

    An epoch is one iteration, with as many evaluations as its line search needs. There is no
    learning rate. All examples form one batch, whatever ``batch_size`` is.

    `lbfgs_memory` is the number of latest steps from which the curvature is estimated.

    References
    ----------
    Byrd, Lu, Nocedal & Zhu 1995, SIAM Journal on Scientific Computing 16(5);
    ``scipy.optimize.minimize`` with the method L-BFGS-B.
    """

    options = {'lbfgs_memory': 10}
    full_batch = True

    def check(self, options: Mapping[str, float]) -> None:
        whole('lbfgs_memory', options['lbfgs_memory'], 1)
