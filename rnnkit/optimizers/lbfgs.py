"""L-BFGS: what it is called and what it takes; `rnnkit.training.lbfgs` does it."""

from numbers import Integral

from rnnkit.errors import ConfigError
from rnnkit.optimizers.base import Optimizer, optimizers


@optimizers.add('lbfgs')
class LBFGS(Optimizer):
    """Quasi-Newton steps along a line search, by SciPy, for all data as one batch.

    An epoch is one iteration, of as many evaluations as its line search needs. There is no
    learning rate. All examples are one batch, whatever ``batch_size`` is.

    `lbfgs_memory` is the number of latest steps from which the curvature is estimated.

    References
    ----------
    Byrd, Lu, Nocedal & Zhu 1995, SIAM Journal on Scientific Computing 16(5);
    ``scipy.optimize.minimize`` with the method L-BFGS-B.
    """

    options = {'lbfgs_memory': 10}
    full_batch = True

    def check(self, options):
        if not isinstance(options['lbfgs_memory'], Integral):
            raise ConfigError(
                f'lbfgs_memory is a whole number of at least 1; got {options["lbfgs_memory"]!r}'
            )
