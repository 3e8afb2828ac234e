"""Stochastic gradient descent."""

from rnnkit.optimizers.base import Optimizer, optimizers


@optimizers.add('sgd')
class SGD(Optimizer):
    r"""Stochastic gradient descent, :math:`\Delta = \alpha g`."""

    options = {'learning_rate': 1e-2}

    def step(self, g, slots, t, *, learning_rate):
        return learning_rate * g, ()


@optimizers.add('nag')
class NAG(Optimizer):
    r"""Nesterov's accelerated gradient: ``'sgd'`` with Nesterov momentum, by default 0.9.

    .. math:: v' = \mu v - \alpha g, \qquad p' = p + \mu v' - \alpha g

    μ is the option `momentum` of `train`.

    References
    ----------
    Nesterov 1983; in the form of Sutskever et al. 2013, ICML.
    """

    options = {'learning_rate': 1e-2}
    nesterov = True
    momentum = 0.9

    def step(self, g, slots, t, *, learning_rate):
        return learning_rate * g, ()
