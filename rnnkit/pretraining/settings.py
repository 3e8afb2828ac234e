"""What a training in stages takes as keywords: checked for all stages before the first begins."""

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
    """The keywords of a training in stages.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
        The network whose layers are trained.
    algo : str
        The way to train.
    given : dict
        What the user gave, ``subalgo`` included.
    refused : sequence of str
        Options that make no sense here, besides those about files.

    Attributes
    ----------
    subalgo : str

    Raises
    ------
    ConfigError
        If a keyword is not known, or a value makes no sense.
    """

    def __init__(
        self,
        where: str,
        net: Network,
        algo: str,
        given: Mapping[str, Any],
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
        self._seed = [net.seed, net.trainings] if seed is None else [seed]
        self._masked = net.masked

    def _check_rule(self, algo: str) -> None:
        if self.subalgo in ways:
            raise ConfigError(
                f'{self.where}: subalgo is the update rule that algo {algo!r} trains by, such as '
                f"'rmsprop'; got {self.subalgo!r}"
            )
        find_rule(self.where, self.subalgo, 'subalgo')

    @property
    def batch_size(self) -> int:
        """How many examples share a batch."""
        return self._config.options.batch_size or 32

    def seed(self, number: int) -> int:
        """Return the seed of a stage: another one for each."""
        words = np.random.SeedSequence([*self._seed, number]).generate_state(1, 'uint64')
        return int(words[0] % 2**53)

    def for_stages(self, nets: Mapping[str, Network]) -> list[dict[str, Any]]:
        """Return the keywords for each stage's network.

        What a stage has nothing of is left out there: a regularizer, a pattern of noise or of
        monitors, such as one that names a layer that comes later.

        Parameters
        ----------
        nets : dict of str to Network
            By the names of the stages.

        Raises
        ------
        ConfigError
            If no stage has something of a word, or a stage cannot be trained so.
        """
        chosen: dict[str, dict[str, Any]] = {name: {} for name in nets}
        for word, value in self._single():
            fits, error = [], None
            for name, net in nets.items():
                try:
                    self._look(net, word, value)
                    fits.append(name)
                except ConfigError as problem:
                    error = problem
            if not fits and error is not None:
                raise ConfigError(f'{self.where}: {error}') from error
            for name in fits:
                _put(chosen[name], word, value)
        for number, (name, net) in enumerate(nets.items()):
            if self._masked and not net.masked:
                chosen[name].pop('bucket', None)
            self._try(name, net, chosen[name])
            chosen[name]['seed'] = self.seed(number)
        return list(chosen.values())

    def _single(self) -> Iterator[tuple[str, Any]]:
        """Yield the keywords, those with several patterns one pattern at a time."""
        for word, value in self.given.items():
            if word == 'monitors':
                yield from ((word, one) for one in _monitors(value))
            elif word in perturbations.WORDS and isinstance(value, Mapping) and value:
                yield from ((word, {pattern: amount}) for pattern, amount in value.items())
            else:
                yield word, value

    def _look(self, net: Network, word: str, value: Any) -> None:
        """Raise a ConfigError if a network has nothing of what a word is about."""
        objectives, graph = net._train_steps, net.graph
        if word == 'monitors':
            parts = objectives.parts(graph.outputs)
            compared = objectives.criterion.terms[0].predicted
            watched(read([value]), objectives.plain, parts, compared)
        elif word in self._config.terms and word in perturbations.WORDS:
            perturbations.read(graph, objectives.criterion.compared, {word: value})
        elif word in self._config.terms:
            regularizers.build(word, value).penalty(objectives.parts(graph.outputs))

    def _try(self, name: str, net: Network, given: dict[str, Any]) -> None:
        """Raise a ConfigError if a stage cannot be trained; nothing is compiled."""
        terms = {word: given[word] for word in self._config.terms if word in given}
        options = replace(self._config.options, monitors=given.get('monitors'))
        config = replace(self._config, options=options, terms=terms)
        try:
            with kernels.allowed(net._kernel):
                net._train_steps.train_step(config)
        except ConfigError as error:
            raise ConfigError(f'{self.where}: stage {name!r}: {error}') from error


def _monitors(given: Any) -> Iterator[Any]:
    """Yield what the option ``monitors`` holds, one pattern at a time."""
    for one in given if isinstance(given, list | tuple) else [] if given is None else [given]:
        if isinstance(one, Mapping):
            yield from ({pattern: what} for pattern, what in one.items())
        else:
            yield one


def _put(given: dict[str, Any], word: str, value: Any) -> None:
    """Add what `Settings._single` has yielded."""
    if word == 'monitors':
        given[word] = [*given.get(word, []), value]
    elif isinstance(value, Mapping) and isinstance(given.get(word), dict):
        given[word] = {**given[word], **value}
    else:
        given[word] = value
