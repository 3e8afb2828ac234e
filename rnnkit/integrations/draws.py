"""Draws from a posterior, or a single point of it, as parameters of a network."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnkit.common.calls import checked
from rnnkit.common.checks import is_whole
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError, NotFoundError, ShapeError
from rnnkit.models import frozen
from rnnkit.models.network import Network
from rnnkit.models.parameters import assign_all
from rnnkit.models.symbolic import named_outputs
from rnnkit.training.protocols import Inputs

Draws = Mapping[str, Any]  # or an object with the attribute `posterior`, such as ArviZ's


class Posterior(NamedTuple):
    """Values of parameters.

    Attributes
    ----------
    params : list of shared variables
    values : list of arrays (chain, draw, ...)
    lengths : (int, int)
        The numbers of chains and of draws.
    """

    params: list[Any]
    values: list[np.ndarray]
    lengths: tuple[int, int]

    def draws(self) -> Iterator[list[np.ndarray]]:
        """Yield the values of each draw, chain by chain."""
        for chain, draw in np.ndindex(self.lengths):
            yield [np.ascontiguousarray(value[chain, draw]) for value in self.values]


def of_network(where: str, net: Network, idata: Draws, prefix: str) -> Posterior:
    """Return the draws of a network's parameters.

    Raises
    ------
    NotFoundError, ShapeError, DataError
        If there are none, one has another shape than the parameter, or is not finite.
    """
    group = getattr(idata, 'posterior', idata)
    if not isinstance(group, Mapping):
        raise ConfigError(
            f'{where}: idata must be what pm.sample() returned, its posterior, or a dict of arrays '
            f'(chain, draw, ...) by name; got {brief(idata)}'
        )
    check_prefix(where, prefix)
    fixed = frozen.measured(net.layers)
    params = [p for p in net.params if p.name not in fixed and f'{prefix}{p.name}' in group]
    if not params:
        wanted = f'{prefix}{net.params[0].name}' if net.params else prefix
        raise NotFoundError(
            f'{where}: idata has no parameter of this network, such as {wanted!r}; '
            f'{hint(wanted, map(str, group))}. A prefix of the model is given as prefix='
        )
    values = [_array(where, group[f'{prefix}{p.name}'], p) for p in params]
    lengths = {value.shape[: value.ndim - p.ndim] for p, value in zip(params, values, strict=True)}
    if len(lengths) > 1:
        raise ShapeError(
            f'{where}: all parameters must have as many chains and draws; got '
            f'{", ".join(map(str, sorted(lengths)))}'
        )
    if 0 in (found := lengths.pop()):
        raise DataError(f'{where}: idata is empty: it has {found[0]} chains of {found[1]} draws')
    return Posterior(params, values, found)


def _array(where: str, value: Any, parameter: Any) -> np.ndarray:
    """Return the draws of a parameter, (chain, draw, ...), or a point, (...), in its dtype."""
    if {'chain', 'draw'} <= set(getattr(value, 'dims', ())):
        value = value.transpose('chain', 'draw', ...)
    where, shape = f'{where}: {parameter.name}', parameter.get_value(borrow=True).shape
    array = np.asarray(value)
    if array.dtype.kind not in 'biuf':
        raise DataError(f'{where} must be an array of numbers; got {brief(value)}')
    if array.shape != shape and (array.ndim != len(shape) + 2 or array.shape[2:] != shape):
        wanted = ', '.join(map(str, ('chain', 'draw', *shape)))
        raise ShapeError(f'{where} must have shape ({wanted}); got {array.shape}')
    with np.errstate(over='ignore'):
        cast = array.astype(parameter.dtype)
    if not np.isfinite(cast).all():
        at = tuple(map(int, np.argwhere(~np.isfinite(cast))[0]))
        within = f' in {parameter.dtype}' if np.isfinite(array[at]) else ''
        raise DataError(f'{where} must be finite{within}; got {array[at]} at {at}')
    return cast


def load_draw(
    net: Network, idata: Draws, chain: int | None, draw: int | None, prefix: str
) -> list[str]:
    """Set the parameters of a network; see `rnnkit.Network.load_draw`."""
    where = 'load_draw()'
    posterior = of_network(where, net, idata, prefix)
    values = posterior.values
    if posterior.lengths:
        given = {'chain': 0 if chain is None else chain, 'draw': 0 if draw is None else draw}
        for (what, number), n in zip(given.items(), posterior.lengths, strict=True):
            if not is_whole(number) or not -n <= number < n:
                raise NotFoundError(
                    f'{where}: {what} must be a number from 0 to {n - 1}, or from -{n} to -1, '
                    f'counted from the end; got {brief(number)}'
                )
        values = [value[tuple(given.values())] for value in values]
    elif chain is not None or draw is not None:
        raise ConfigError(
            f'{where}: idata is a single point, without chains and draws; leave them out'
        )
    assign_all(where, net.layers, list(zip(posterior.params, values, strict=True)))
    return [parameter.name for parameter in posterior.params]


@checked
def posterior_predict(
    net: Network,
    idata: Draws,
    x: Inputs,
    *,
    mask: ArrayLike | None = None,
    output: str | None = None,
    prefix: str = '',
) -> Any:
    """Return the output of a network for each draw of its parameters.

    One function is compiled, once, and called for each draw with other parameters; the network
    itself does not change. Parameters that idata lacks have the values of the network. `x` may
    have any number of steps and series.

    Parameters
    ----------
    net : Network
    idata : DataTree, InferenceData, Dataset or dict
        What ``pm.sample()`` returned, or its group ``posterior``; or arrays (chain, draw, ...) by
        the names of parameters.
    x : array of shape (T, B, I)
        As in ``net.predict``.
    mask : array of shape (T, B), optional
        As in ``net.predict``.
    output : str, optional
        The name of another output than the main one of the last layer, ``'hid1'``.
    prefix : str
        What the names of parameters begin with in the model, as in `outputs`.

    Returns
    -------
    y : array of shape (chain, draw, T, B, O)
        The axes after the first two are those of ``net.predict(x)``, or, for a classifier,
        ``net.predict_proba(x)``. A list of such arrays for a list of sequences. They are outputs
        of the network, and not draws of data: add the noise of your likelihood to them.

    Raises
    ------
    NotFoundError, ConfigError, ShapeError, DataError
        If idata has no parameter of this network, or one of another shape; if there is no such
        output; if x is not usable.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> from rnnkit.integrations.draws import posterior_predict
    >>> net = rnnkit.Regressor([1, ('rnn', 3), 1], seed=0)
    >>> draws = {'out.b': np.linspace(0, 1, 10).reshape(2, 5, 1)}  # 2 chains, 5 draws
    >>> y = posterior_predict(net, draws, np.zeros((4, 1, 1)))
    >>> y.shape
    (2, 5, 4, 1, 1)
    >>> low, high = np.quantile(y, [0.05, 0.95], axis=(0, 1))
    """
    where = 'posterior_predict()'
    check_network(where, net)
    posterior = of_network(where, net, idata, prefix)
    if len(posterior.lengths) != 2:
        raise ShapeError(
            f'{where}: idata is a single point, without chains and draws; write '
            f'net.load_draw(point), and then net.predict(x)'
        )
    chosen = net.layers[-1].name if output is None else output
    (name,) = named_outputs(where, net._graph, [chosen])
    rows = net._inference.with_params(where, name, x, mask, posterior.params, posterior.draws())
    return _gathered(rows, posterior.lengths)


def _gathered(rows: Iterator[Any], lengths: tuple[int, int]) -> Any:
    """Return arrays of each draw as one array, or as a list of these."""
    result: Any = None
    for index, row in zip(np.ndindex(lengths), rows, strict=True):
        parts = row if isinstance(row, list) else [row]
        if result is None:
            result = [np.empty((*lengths, *part.shape), part.dtype) for part in parts]
            is_list = isinstance(row, list)
        for whole, part in zip(result, parts, strict=True):
            whole[index] = part
    return result if is_list else result[0]


def check_network(where: str, net: object) -> None:
    """Raise a ConfigError for anything but a network."""
    if not isinstance(net, Network):
        raise ConfigError(
            f"{where}: net must be a network, such as rnnkit.Regressor([1, ('lstm', 3), 1]); got "
            f'{brief(net)}'
        )


def check_prefix(where: str, prefix: object) -> None:
    """Raise a ConfigError for a prefix that is no text."""
    if not isinstance(prefix, str):
        raise ConfigError(f"{where}: prefix must be text, such as 'first_'; got {brief(prefix)}")
