"""Chains of activations, such as ``'relu+norm:z'``, applied from left to right."""

import re
from collections.abc import Mapping
from functools import wraps
from types import SimpleNamespace

from pytensor.graph.basic import Variable
from pytensor.tensor import TensorVariable

from rnnkit.activations.registry import Activation, Learned, activations
from rnnkit.common.calls import checked
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, RnnkitError

MAX_STEPS = 32  # of a chain, so that a malicious file cannot request a graph without bounds
# What comes before the plus of a number, as in 'affine:1e+20:+2'.
SIGN = re.compile(r'(:(?:[-\d.]+e)?)\+(?=[\d.])', re.IGNORECASE)


class Chain:
    """The activation of a layer: one or more steps and the names of their parameters.

    Parameters
    ----------
    spec : str or callable
        As in `build`; activations with parameters are allowed.

    Attributes
    ----------
    steps : list of (callable or Learned, dict of str to str)
        For each activation of the chain, the function, and the name in the layer of each of
        its parameters: ``leak``, and ``leak2`` for the second parameter called so.

    Raises
    ------
    ConfigError
        If a name is unknown, or there are more than 32 steps.
    """

    def __init__(self, spec: str | Activation):
        self.steps: list[tuple[Activation | Learned, dict[str, str]]] = []
        used: list[str] = []
        for step in _steps(spec):
            names = getattr(step, 'names', ()) if isinstance(step, Learned) else ()
            counts = {name: 1 + used.count(name) for name in names}
            used += names
            self.steps.append((step, {n: n if c == 1 else f'{n}{c}' for n, c in counts.items()}))

    @property
    def initial(self) -> dict[str, object]:
        """The initial value of each parameter, by its name in the layer."""
        return {
            layer_name: step.initial.get(name, 0.0)
            for step, names in self.steps
            for name, layer_name in names.items()
        }

    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by its name in a layer of `size` units."""
        return {
            names[name]: shape
            for step, names in self.steps
            if names
            for name, shape in step.shapes(size).items()
        }

    def __repr__(self) -> str:
        return f'<Chain: {" + ".join(getattr(s, "__name__", repr(s)) for s, _ in self.steps)}>'

    def __call__(
        self, x: TensorVariable, params: Mapping[str, TensorVariable] | None = None
    ) -> TensorVariable:
        """Return the activation of `x`.

        Parameters
        ----------
        x : tensor of shape (..., size)
        params : dict of str to tensor, optional
            The parameters of the layer by name; those of no activation are ignored.
        """
        for step, names in self.steps:
            if isinstance(step, Learned):
                x = step.apply(x, SimpleNamespace(**{k: params[v] for k, v in names.items()}))
            else:
                x = step(x)
        return x


def split(spec: str) -> list[str]:
    """Return the steps of a chain: of ``'relu+affine:2:0'``, ``'relu'`` and ``'affine:2:0'``.

    A plus that is the sign of a number joins nothing, and is left out.
    """
    return [step.strip() for step in SIGN.sub(r'\1', spec).split('+')]


def _steps(spec: object) -> list[Activation | Learned]:
    if callable(spec) and not isinstance(spec, type):
        return [guarded(spec)]
    if not isinstance(spec, str):
        raise ConfigError(
            f'an activation must be a name or a function of one tensor; got {brief(spec)}'
        )
    names = split(spec)
    if len(names) > MAX_STEPS:
        raise ConfigError(
            f'activation {brief(spec)} is a chain of {len(names):,} steps; at most {MAX_STEPS} are '
            f'possible'
        )
    return [activations.step(name) for name in names]


def guarded(function: Activation) -> Activation:
    """Return a user's function, with errors that say what it is; a registered one as it is."""
    if any(function is member for member in map(activations.__getitem__, activations)):
        return function

    @wraps(function, updated=())
    def called(x: TensorVariable) -> TensorVariable:
        try:
            y = function(x)
        except RnnkitError:
            raise
        except Exception as why:  # a user's function may raise anything
            raise ConfigError(
                f'activation {brief(function)}, called with a tensor, raised '
                f'{type(why).__name__}: {why}'
            ) from why
        if not isinstance(y, Variable) or getattr(y, 'ndim', None) != x.ndim:
            raise ConfigError(
                f'activation {brief(function)} must return a tensor with as many axes as its '
                f'argument; got {brief(y)}'
            )
        return y

    return called


def operations(spec: object) -> int:
    """Return the number of operations that the graph of an activation has, about."""
    if not isinstance(spec, str):
        return 1
    return sum(getattr(step, 'k', 1) for step in _steps(spec))


@checked
def build(spec: str | Activation) -> Activation:
    """Turn the name of an activation, or a chain of names, into a function.

    Parameters
    ----------
    spec : str or callable
        A name; names joined by ``+``, applied from left to right (``'relu+softmax'`` is
        ``softmax(relu(x))``); or a function of one tensor, which is returned unchanged.

    Raises
    ------
    ConfigError
        If a name is unknown, or the activation has parameters: only layers that create them,
        such as the fully connected layer, can use one.
    """
    chain = Chain(spec)
    if not isinstance(spec, str):
        return spec
    if chain.initial:
        raise ConfigError(
            f'activation {spec!r} has parameters ({", ".join(chain.initial)}), which this layer '
            f'cannot create; use an activation without parameters, or a fully connected layer'
        )
    return chain.steps[0][0] if len(chain.steps) == 1 else chain
