"""Predictions with noise and dropout, such as Monte Carlo dropout."""

from collections.abc import Mapping, Sequence

import numpy as np

from rnnkit import kernels
from rnnkit.common import output_names
from rnnkit.common.checks import optional_whole
from rnnkit.common.compiled import Compiled
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.graph import Graph
from rnnkit.graph.perturbations import Disturbance, Target, term_names
from rnnkit.noise import Noise

# The keywords of `train` that a prediction takes, too: noise and dropout.
KEYWORDS = [keyword for keyword in perturbations.WORDS if keyword != 'max_norm']


class NoisyOutputs:
    """The compiled functions of a network with noise, one for each kind of noise.

    Layers that are random in training, such as 'dropout', are random here, too.

    Parameters
    ----------
    graph : Graph
    kernel : bool or None
        False uses PyTensor's own Ops only.
    """

    def __init__(self, graph: Graph, kernel: bool | None):
        self.graph, self.kernel = graph, kernel
        self._variants: dict[tuple[object, ...], tuple[Disturbance, Noise, Compiled]] = {}

    def __call__(
        self,
        where: str,
        names: Sequence[str],
        arrays: Sequence[np.ndarray],
        keywords: Mapping[str, object],
    ) -> list[np.ndarray]:
        """Return outputs for checked arrays.

        Parameters
        ----------
        where : str
            The call, for messages.
        names : list of str
            The outputs.
        arrays : list of arrays
            Inputs and masks.
        keywords : dict
            Those of `KEYWORDS`, and ``seed``: without one, each call draws other numbers.

        Raises
        ------
        ConfigError
            If a keyword is not known, or its value makes no sense.
        """
        seed, amounts_given = self._read(where, keywords)
        last = output_names.join(self.graph.layers[-1].name)
        amounts = perturbations.read(self.graph, [last], amounts_given)
        key = (*names, *sorted(amounts))
        if key not in self._variants:
            self._variants[key] = self._make(names, sorted(amounts))
        disturbance, noise, function = self._variants[key]
        # Both are shared variables of the function, so that other values compile nothing.
        disturbance.set(amounts)
        noise.seed(seed)
        return function(*arrays)

    def _read(
        self, where: str, keywords: Mapping[str, object]
    ) -> tuple[int | None, dict[str, object]]:
        """Return the seed, and the keywords of noise and dropout."""
        others = [name for name in keywords if name in term_names() and name not in KEYWORDS]
        if others:
            raise ConfigError(f'{where}: {others[0]} is for training only; leave it out')
        reject_unknown(where, keywords, [*KEYWORDS, 'seed', 'mask'])
        amounts = {name: value for name, value in keywords.items() if name != 'seed'}
        seed = optional_whole(f'{where}: seed', keywords.get('seed'))
        if not amounts:
            raise ConfigError(
                f'{where}: seed= is for a prediction with noise, such as hidden_dropout=0.5'
            )
        return seed, amounts

    def _make(
        self, names: Sequence[str], targets: list[Target]
    ) -> tuple[Disturbance, Noise, Compiled]:
        disturbance, noise = Disturbance(self.graph, targets), Noise()
        with kernels.allowed(self.kernel):
            outputs = disturbance.outputs(noise)
        variables = [*self.graph.inputs, *self.graph.masks.values()]
        chosen = [outputs[name] for name in names]
        return disturbance, noise, Compiled('the prediction with noise', variables, chosen)
