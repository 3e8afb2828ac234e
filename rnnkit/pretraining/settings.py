"""The keywords of layerwise training, checked for all stages before the first one starts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnnkit import kernels, regularizers
from rnnkit.errors import ConfigError
from rnnkit.graph import perturbations
from rnnkit.models.network import Network
from rnnkit.training.monitors import read, watched
from rnnkit.training.options import find_rule, read_training
from rnnkit.training.ways import ways

FILES = ('checkpoint', 'save_every', 'resume')


class Settings:
    """The keywords of layerwise training.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
        The network whose layers are trained.
    algo : str
        The layerwise algorithm.
    given : dict
        The user's keywords, including ``subalgo``.
    refused : sequence of str
        Options that are not supported, besides those about files.

    Attributes
    ----------
    subalgo : str

    Raises
    ------
    ConfigError
        If a keyword is unknown, or a value is invalid.
    """

    def __init__(
        self,
        where: str,
        net: Network,
        algo: str,
        given: Mapping[str, object],
        refused: Sequence[str] = (),
    ):
        self.where = where
        self.given = dict(given)
        self.subalgo = self.given.pop('subalgo', 'rmsprop')
        self._check_rule(algo)
        for name in (*FILES, *refused):
            if self.given.get(name) not in (None, False):
                more = '; save the network between two trainings' if name in FILES else ''
                raise ConfigError(f'{where}: {name} does not go with algo {algo!r}{more}')
        self._config = read_training(where, self.subalgo, self.given, known=['subalgo'])
        seed = self._config.options.seed
        self._seed = [net.seed, net._trainings] if seed is None else [seed]
        self._masked = net.masked

    def _check_rule(self, algo: str) -> None:
        if self.subalgo in ways:
            raise ConfigError(
                f'{self.where}: subalgo must be the update rule for algo {algo!r}, such as '
                f"'rmsprop'; got {self.subalgo!r}"
            )
        find_rule(self.where, self.subalgo, 'subalgo')

    @property
    def batch_size(self) -> int:
        """The number of examples in a batch."""
        return self._config.options.batch_size or 32

    def seed(self, number: int) -> int:
        """Return the seed of a stage, which differs between stages."""
        bits = np.random.SeedSequence([*self._seed, number]).generate_state(1, 'uint64')
        return int(bits[0] % 2**53)  # JSON numbers, in checkpoints, are doubles

    def for_stages(self, nets: Mapping[str, Network]) -> list[dict[str, Any]]:
        """Return the keywords for the network of each stage.

        Keywords that do not apply to a stage are left out there: regularizers, and patterns of
        noise or monitors, such as one that names a later layer.

        Parameters
        ----------
        nets : dict of str to Network
            The networks, by the names of the stages.

        Raises
        ------
        ConfigError
            If a keyword applies to no stage, or a stage cannot be trained with its keywords.
        """
        chosen: dict[str, dict[str, Any]] = {name: {} for name in nets}
        for keyword, value in self._single():
            applies, error = [], None
            for name, net in nets.items():
                try:
                    self._look(net, keyword, value)
                    applies.append(name)
                except ConfigError as problem:
                    error = problem
            if not applies and error is not None:
                raise ConfigError(f'{self.where}: {error}') from error
            for name in applies:
                _put(chosen[name], keyword, value)
        for number, (name, net) in enumerate(nets.items()):
            if self._masked and not net.masked:
                chosen[name].pop('bucket', None)
            self._try(name, net, chosen[name])
            chosen[name]['seed'] = self.seed(number)
        return list(chosen.values())

    def _single(self) -> Iterator[tuple[str, object]]:
        """Yield keywords and values; those with several patterns one pattern at a time."""
        for keyword, value in self.given.items():
            if keyword == 'monitors':
                yield from ((keyword, monitor) for monitor in _monitors(value))
            elif keyword in perturbations.WORDS and isinstance(value, Mapping) and value:
                yield from ((keyword, {pattern: amount}) for pattern, amount in value.items())
            else:
                yield keyword, value

    def _look(self, net: Network, keyword: str, value: object) -> None:
        """Raise a ConfigError if a keyword applies to nothing in a network."""
        objectives, graph = net._train_steps, net._graph
        if keyword == 'monitors':
            parts = objectives.parts(graph.outputs)
            compared = objectives.criterion.terms[0].predicted
            watched(read([value]), objectives.plain, parts, compared)
        elif keyword in self._config.terms and keyword in perturbations.WORDS:
            perturbations.read(graph, objectives.criterion.compared, {keyword: value})
        elif keyword in self._config.terms:
            regularizers.build(keyword, value).penalty(objectives.parts(graph.outputs))

    def _try(self, name: str, net: Network, given: Mapping[str, object]) -> None:
        """Raise a ConfigError if a stage cannot be trained; nothing is compiled."""
        terms = {term: given[term] for term in self._config.terms if term in given}
        options = replace(self._config.options, monitors=given.get('monitors'))
        config = replace(self._config, options=options, terms=terms)
        try:
            with kernels.allowed(net._kernel):
                net._train_steps.train_step(config)
        except ConfigError as error:
            raise ConfigError(f'{self.where}: stage {name!r}: {error}') from error


def _monitors(monitors: object) -> Iterator[object]:
    """Yield the items of the option ``monitors``, one pattern at a time."""
    if not isinstance(monitors, list | tuple):
        monitors = [] if monitors is None else [monitors]
    for monitor in monitors:
        if isinstance(monitor, Mapping):
            yield from ({pattern: levels} for pattern, levels in monitor.items())
        else:
            yield monitor


def _put(given: dict[str, Any], keyword: str, value: object) -> None:
    """Add an item that `Settings._single` has yielded."""
    if keyword == 'monitors':
        given[keyword] = [*given.get(keyword, []), value]
    elif isinstance(value, Mapping) and isinstance(given.get(keyword), dict):
        given[keyword] = {**given[keyword], **value}
    else:
        given[keyword] = value
