"""Chains of activations, such as ``'relu+norm:z'``, which are applied from left to right."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from pytensor.tensor import TensorVariable

from rnnkit.activations.registry import Activation, Learned, activations
from rnnkit.errors import ConfigError


class Chain:
    """What the activation of a layer is made of.

    Parameters
    ----------
    spec : str or callable
        As in `build`; names of activations with parameters are allowed.

    Attributes
    ----------
    steps : list
        For each activation of the chain a function or a `Learned`; and the name that each
        of its parameters has in the layer: ``leak``, and ``leak2`` for the second one of
        that name.

    Raises
    ------
    ConfigError
        If a name is not known.
    """

    def __init__(self, spec: str | Activation):
        self.steps: list[tuple[Any, dict[str, str]]] = []
        taken: list[str] = []
        for step in _steps(spec):
            names = getattr(step, 'names', ()) if isinstance(step, Learned) else ()
            counts = {name: 1 + taken.count(name) for name in names}
            taken += names
            self.steps.append((step, {n: n if c == 1 else f'{n}{c}' for n, c in counts.items()}))

    @property
    def initial(self) -> dict[str, Any]:
        """How each parameter starts, by its name in the layer."""
        return {
            full: step.initial.get(name, 0.0)
            for step, names in self.steps
            for name, full in names.items()
        }

    def shapes(self, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter, by its name in a layer of `size` units."""
        return {
            names[name]: shape
            for step, names in self.steps
            if names
            for name, shape in step.shapes(size).items()
        }

    def __call__(
        self, x: TensorVariable, params: Mapping[str, TensorVariable] | None = None
    ) -> TensorVariable:
        """Return the activation of `x`.

        Parameters
        ----------
        x : tensor of shape (..., size)
        params : dict of str to tensor, optional
            The parameters, by their names in the layer; others may be among them.
        """
        for step, names in self.steps:
            if isinstance(step, Learned):
                x = step.apply(x, SimpleNamespace(**{k: params[v] for k, v in names.items()}))
            else:
                x = step(x)
        return x


def _steps(spec: Any) -> list[Any]:
    if callable(spec) and not isinstance(spec, type):
        return [spec]
    if not isinstance(spec, str):
        raise ConfigError(f'an activation is a name or a function of one tensor; got {spec!r}')
    return [activations.step(word.strip()) for word in spec.split('+')]


def build(spec: str | Activation) -> Activation:
    """Turn the name of an activation, or a chain of names, into a function.

    Parameters
    ----------
    spec : str or callable
        A name; names joined by ``+`` that are applied from left to right
        (``'relu+softmax'`` is ``softmax(relu(x))``); or a function of one tensor,
        which is returned as it is.

    Raises
    ------
    ConfigError
        If a name is not known, or is that of an activation with parameters: only layers
        that make these for it, such as the fully connected one, can have such an activation.
    """
    chain = Chain(spec)
    if chain.initial:
        raise ConfigError(
            f'activation {spec!r} has parameters ({", ".join(chain.initial)}), which this layer '
            f'cannot give it; take one without, or use it in a fully connected layer'
        )
    return chain.steps[0][0] if len(chain.steps) == 1 else chain
