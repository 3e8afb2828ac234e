"""theanets' keywords for initial values: ``std=0.1``, ``radius_hh=1.1`` and so on."""

from collections.abc import Collection, Mapping

import numpy as np

from rnnkit.common.checks import is_real
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError

KINDS = ('mean', 'std', 'sparsity', 'diagonal', 'radius')


def among(options: Mapping[str, object], keywords: Collection[str]) -> dict[str, object]:
    """Return the options that are short forms, and not among the layer's own `keywords`."""
    return {key: value for key, value in options.items() if key not in keywords and _is_short(key)}


def _is_short(keyword: str) -> bool:
    kind, underscore, param = keyword.partition('_')
    return kind in KINDS and bool(param) == bool(underscore)


class ShortForms:
    """Short forms for the initial values of one layer's parameters.

    A keyword with the name of a parameter applies to this parameter only, and takes precedence
    over the keyword without a name:

    - ``std_hh=0.1``, ``mean_hh=0.5``: a normal distribution, ``dict(form='normal', ...)``.
      ``std`` and ``mean`` apply to all matrices, not to biases. If only the mean is given, the
      standard deviation is 1 / sqrt(inputs + outputs) for a matrix, and 0 for a bias.
    - ``sparsity_xh=0.9``: this fraction of the values is 0. ``sparsity`` applies to all matrices.
    - ``radius_hh=1.1``: the spectral radius. ``radius`` applies to the recurrent matrices, gate
      by gate.
    - ``diagonal_hh=1``: this value on the diagonal, and 0 elsewhere. ``diagonal`` applies to the
      recurrent matrices; in a layer without recurrence, to all matrices.

    Sparsity and radius modify the default initial values, which are orthogonal for recurrent
    matrices and Glorot's for others, or normally distributed ones if ``std`` or ``mean`` is given.
    So ``radius_hh=1.1`` is ``hh=dict(form='orthogonal', radius=1.1)``.

    Parameters
    ----------
    where : str
        The layer, for messages.
    keywords : dict of str to float
    explicit : set of str
        The parameters with an explicit initial value.

    Raises
    ------
    ConfigError
        If a value is not a number.
    """

    def __init__(self, where: str, keywords: Mapping[str, object], explicit: Collection[str]):
        self.keywords, self.explicit = dict(keywords), explicit
        self.used: set[str] = set()
        for key, value in self.keywords.items():
            if not is_real(value):
                raise ConfigError(
                    f'{where}: {key} must be a number; got {brief(value)}. To start a parameter '
                    f'from an array, write hh=array'
                )
            if key.partition('_')[0] == 'std' and value < 0:
                raise ConfigError(f'{where}: {key} must be at least 0; got {brief(value)}')

    def start(
        self,
        where: str,
        name: str,
        default: object,
        shape: tuple[int, ...],
        blocks: int,
        recurrent: bool | None,
    ) -> object:
        """Return the initial value of a parameter, in a form for `initializers.initial_value`.

        Parameters
        ----------
        where, name : str
            The full name of the parameter, and its name in the layer.
        default : object
            The initial value without short forms.
        shape : tuple of int
        blocks : int
            The number of gates side by side, each of which is drawn separately.
        recurrent : bool or None
            Whether it is a recurrent matrix; None in a layer without any.

        Raises
        ------
        ConfigError
            If the parameter also has an explicit initial value, or two keywords exclude each
            other.
        """
        keys = self._that_apply(where, name, len(shape), recurrent)
        if not keys:
            return default
        if 'diagonal' in keys:
            diagonal = keys['diagonal']
            others = [key for key in keys.values() if key.endswith(f'_{name}') and key != diagonal]
            if others:
                raise ConfigError(f'{where}: both {diagonal} and {others[0]}; take one')
            self.used.add(diagonal)
            return {'form': 'diagonal', 'value': self.keywords[diagonal]}
        self.used |= set(keys.values())
        values = {kind: float(self.keywords[key]) for kind, key in keys.items()}
        mean, std = values.pop('mean', None), values.pop('std', None)
        if mean is None and std is None:
            return {**self._base(where, default, keys), **values}
        if std is None and len(shape) == 1:
            std = 0.0
        if std == 0 and not values:
            return mean or 0.0
        if std is None:
            n_in, n_out = int(np.prod(shape[:-1])), shape[-1] // blocks
            std = (n_in + n_out) ** -0.5
        return {'form': 'normal', 'mean': mean or 0.0, 'std': std, **values}

    def _that_apply(
        self, where: str, name: str, axes: int, recurrent: bool | None
    ) -> dict[str, str]:
        """Return the keywords that apply to a parameter, by kind."""
        own = {kind: f'{kind}_{name}' for kind in KINDS if f'{kind}_{name}' in self.keywords}
        if name in self.explicit:
            if own:
                key = next(iter(own.values()))
                raise ConfigError(f'{where}: both {name} and {key} set its initial value; take one')
            return {}
        applies = {
            **dict.fromkeys(('mean', 'std', 'sparsity'), axes > 1),
            'radius': bool(recurrent),
            'diagonal': axes == 2 if recurrent is None else recurrent,
        }
        general = {kind: kind for kind in KINDS if kind in self.keywords and applies[kind]}
        return {**general, **own}

    def _base(self, where: str, default: object, keys: Mapping[str, str]) -> dict[str, object]:
        """Return the initializer as a dict, to which further keywords can be added."""
        if isinstance(default, dict) and 'form' in default:
            return default
        if isinstance(default, str) or callable(default):
            return {'form': default}
        raise ConfigError(
            f'{where}: {", ".join(keys.values())} modifies random values, and this parameter has '
            f'none; add std_{where.rpartition(".")[2]}'
        )

    def check_used(self, layer: str | None, params: list[str]) -> None:
        """Raise a ConfigError if a keyword has applied to no parameter."""
        for key in self.keywords:
            if key in self.used:
                continue
            kind, _, name = key.partition('_')
            if name and name not in params:
                raise ConfigError(
                    f'layer {layer!r}: {key}: there is no parameter {name!r}; {hint(name, params)}'
                )
            what = 'recurrent matrix' if kind in ('radius', 'diagonal') else 'matrix'
            raise ConfigError(
                f'layer {layer!r}: {key} has no effect: there is no {what} that it applies to; '
                f'parameters are {", ".join(params)}'
            )
