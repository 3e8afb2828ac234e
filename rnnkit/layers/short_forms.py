"""theanets' keywords for how parameters start: ``std=0.1``, ``radius_hh=1.1`` and so on."""

from collections.abc import Collection, Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np

from rnnkit.common.registry import hint
from rnnkit.errors import ConfigError

WORDS = ('mean', 'std', 'sparsity', 'diagonal', 'radius')


def among(options: Iterable[str], known: Collection[str]) -> dict[str, Any]:
    """Return the options that are short forms, and not `known` as something else."""
    given = dict(options)
    return {word: value for word, value in given.items() if word not in known and _is_short(word)}


def _is_short(word: str) -> bool:
    kind, underscore, param = word.partition('_')
    return kind in WORDS and bool(param) == bool(underscore)


class ShortForms:
    """Short forms of how the parameters of one layer start.

    With the name of a parameter, a word is about this one alone, and goes before the same word
    without a name:

    - ``std_hh=0.1``, ``mean_hh=0.5``: a normal distribution, ``dict(form='normal', ...)``.
      ``std`` and ``mean`` are about all matrices, not about biases. With a ``mean`` alone the
      deviation is 1 / sqrt(inputs + outputs) in a matrix, and 0 in a bias.
    - ``sparsity_xh=0.9``: this part of the values is 0. ``sparsity`` is about all matrices.
    - ``radius_hh=1.1``: scaled to this spectral radius. ``radius`` is about the recurrent
      matrices: those that are square, gate by gate.
    - ``diagonal_hh=1``: this number on the diagonal, and 0 elsewhere. ``diagonal`` is about the
      recurrent matrices; in a layer without recurrence, about all of two axes.

    Sparsity and radius change what is drawn as it is without them: orthogonal recurrent matrices,
    others by Glorot's rule; or a normal distribution, where there is ``std`` or ``mean``. So
    ``radius_hh=1.1`` is ``hh=dict(form='orthogonal', radius=1.1)``.

    Parameters
    ----------
    where : str
        The layer, for messages.
    words : dict of str to float
    explicit : set of str
        The parameters that have an initializer of their own.

    Raises
    ------
    ConfigError
        If a value is no number.
    """

    def __init__(self, where: str, words: Mapping[str, Any], explicit: Collection[str]):
        self.words, self.explicit = dict(words), explicit
        self.used: set[str] = set()
        for word, value in self.words.items():
            if isinstance(value, bool) or not isinstance(value, Real) or not np.isfinite(value):
                raise ConfigError(
                    f'{where}: {word} is a number; got {value!r}. A parameter can start as an '
                    f'array: hh=array'
                )
            if word.partition('_')[0] == 'std' and value < 0:
                raise ConfigError(f'{where}: {word} is at least 0; got {value!r}')

    def start(
        self,
        where: str,
        name: str,
        default: Any,
        shape: tuple[int, ...],
        blocks: int,
        recurrent: bool | None,
    ) -> Any:
        """Return how a parameter starts, as `rnnkit.initializers.initial_value` takes it.

        Parameters
        ----------
        where, name : str
            The full name of the parameter, and its name in the layer.
        default : object
            How it starts without short forms.
        shape : tuple of int
        blocks : int
            How many gates lie side by side in it, each of which is drawn alone.
        recurrent : bool or None
            Whether it is a recurrent matrix; None in a layer that has none.

        Raises
        ------
        ConfigError
            If it has an initializer of its own, too, or two words do not go together.
        """
        found = self._about(where, name, len(shape), recurrent)
        if not found:
            return default
        if 'diagonal' in found:
            others = [word for word in found.values() if word.endswith(f'_{name}')]
            others = [word for word in others if word != found['diagonal']]
            if others:
                raise ConfigError(f'{where}: both {found["diagonal"]} and {others[0]}; take one')
            self.used.add(found['diagonal'])
            return {'form': 'diagonal', 'value': self.words[found['diagonal']]}
        self.used |= set(found.values())
        values = {kind: float(self.words[word]) for kind, word in found.items()}
        mean, std = values.pop('mean', None), values.pop('std', None)
        if mean is None and std is None:
            return {**self._base(where, default, found), **values}
        if std is None and len(shape) == 1:
            std = 0.0
        if std == 0 and not values:
            return mean or 0.0
        if std is None:
            n_in, n_out = int(np.prod(shape[:-1])), shape[-1] // blocks
            std = (n_in + n_out) ** -0.5
        return {'form': 'normal', 'mean': mean or 0.0, 'std': std, **values}

    def _about(self, where: str, name: str, axes: int, recurrent: bool | None) -> dict[str, str]:
        """Return the words that are about a parameter, by their kind."""
        found = {kind: f'{kind}_{name}' for kind in WORDS if f'{kind}_{name}' in self.words}
        if name in self.explicit:
            if found:
                word = next(iter(found.values()))
                raise ConfigError(f'{where}: both {name} and {word} say how it starts; take one')
            return {}
        about = {
            **dict.fromkeys(('mean', 'std', 'sparsity'), axes > 1),
            'radius': bool(recurrent),
            'diagonal': axes == 2 if recurrent is None else recurrent,
        }
        plain = {kind: kind for kind in WORDS if kind in self.words and about[kind]}
        return {**plain, **found}

    def _base(self, where: str, default: Any, found: Mapping[str, str]) -> dict[str, Any]:
        """Return what is drawn, as a dict that further keywords can be added to."""
        if isinstance(default, dict) and 'form' in default:
            return default
        if isinstance(default, str) or callable(default):
            return {'form': default}
        raise ConfigError(
            f'{where}: {", ".join(found.values())} changes what is drawn, and nothing is; add '
            f'std_{where.rpartition(".")[2]}'
        )

    def check_used(self, layer: str | None, params: list[str]) -> None:
        """Raise a ConfigError for a word that was about no parameter."""
        for word in self.words:
            if word in self.used:
                continue
            kind, _, name = word.partition('_')
            if name and name not in params:
                raise ConfigError(
                    f'layer {layer!r}: {word}: there is no parameter {name!r}; {hint(name, params)}'
                )
            what = 'recurrent matrix' if kind in ('radius', 'diagonal') else 'matrix'
            raise ConfigError(
                f'layer {layer!r}: {word} has no effect: no {what} is left that it is about; '
                f'parameters are {", ".join(params)}'
            )
