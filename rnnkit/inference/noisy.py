"""What a network puts out when there is noise in it, as there is in training."""

from typing import Any

import numpy as np

from rnnkit import kernels
from rnnkit.common.checks import optional_whole
from rnnkit.common.compiled import Compiled
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.graph.graph import Graph
from rnnkit.graph.perturbations import Disturbance, term_names
from rnnkit.noise import Noise

# What a prediction may be made with, of what there is in training.
WORDS = [word for word in perturbations.WORDS if word != 'max_norm']


class NoisyOutputs:
    """The compiled functions of a network with noise, one for each kind of it.

    Layers that are random in training, such as 'dropout', are so here, too.

    Parameters
    ----------
    graph : Graph
    kernel : bool or None
        False keeps kernels out.
    """

    def __init__(self, graph: Graph, kernel: bool | None):
        self.graph, self.kernel = graph, kernel
        self._made: dict[Any, tuple[Disturbance, Noise, Compiled]] = {}

    def __call__(
        self, where: str, names: list[str], arrays: list[np.ndarray], given: dict[str, Any]
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
        given : dict
            The words of `WORDS`, and ``seed``: without one, each call draws other numbers.

        Raises
        ------
        ConfigError
            If a word is not known, or its value makes no sense.
        """
        seed, words = self._read(where, given)
        amounts = perturbations.read(self.graph, [f'{self.graph.layers[-1].name}:out'], words)
        key = (*names, *sorted(amounts))
        if key not in self._made:
            self._made[key] = self._make(names, sorted(amounts))
        disturbance, noise, function = self._made[key]
        disturbance.set(amounts)
        noise.seed(seed)
        return function(*arrays)

    def _read(self, where: str, given: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
        """Return the seed, and the words that are about noise."""
        lost = [word for word in given if word in term_names() and word not in WORDS]
        if lost:
            raise ConfigError(f'{where}: {lost[0]} is about training alone; leave it out')
        reject_unknown(where, given, [*WORDS, 'seed', 'mask'])
        words = {word: value for word, value in given.items() if word != 'seed'}
        seed = optional_whole(f'{where}: seed', given.get('seed'))
        if not words:
            raise ConfigError(
                f'{where}: seed= is for a prediction with noise, such as hidden_dropout=0.5'
            )
        return seed, words

    def _make(self, names: list[str], targets: list[Any]) -> tuple[Disturbance, Noise, Compiled]:
        disturbance, noise = Disturbance(self.graph, targets), Noise()
        with kernels.allowed(self.kernel):
            outputs = disturbance.outputs(noise)
        variables = [*self.graph.inputs, *self.graph.masks.values()]
        found = [outputs[name] for name in names]
        return disturbance, noise, Compiled('the prediction with noise', variables, found)
