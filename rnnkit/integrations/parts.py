"""Weights of another library, layer by layer, under the names and in the order that rnnkit has.

Each reader makes a list of parts: one for each layer with weights. They become the layers of a
new network, or fill one that the user has described.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rnnkit.common import old_words
from rnnkit.common.registry import reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, ShapeError
from rnnkit.layers import Layer
from rnnkit.layers.registry import layers as registry
from rnnkit.models.files import models
from rnnkit.models.network import SETTINGS, Network
from rnnkit.models.parameters import assign_all


class Part(NamedTuple):
    """One layer with weights.

    Attributes
    ----------
    label : str
        What messages call it: its name in the other library, with quotes.
    form : str
        'rnn', 'lstm', 'gru', 'bidirectional', 'feedforward', 'embedding', 'layernorm',
        'standardize'.
    size, reads, gives : int
        The size of the layer, and how many features it reads and gives.
    params : dict of str to array
        Under their names in our layer: ``'xh'``, ``'fw.xh'``.
    options : dict
        Further keywords of the layer; of a bidirectional one also the worker.
    name : str or None
        The name of our layer; None for the default.
    module : str
        The name in the other library.
    """

    label: str
    form: str
    size: int
    reads: int
    gives: int
    params: dict[str, np.ndarray]
    options: dict[str, object] = {}
    name: str | None = None
    module: str = ''

    @property
    def kind(self) -> str:
        """The form, and what a bidirectional layer runs."""
        worker = self.options.get('worker')
        return self.form if worker is None else f'{self.form} {worker}'

    def spec(self) -> dict[str, object]:
        """Return a spec of our layer."""
        own = {} if self.name is None else {'name': self.name}
        size = {} if not registry[self.form].sized else {'size': self.size}
        return {'form': self.form, **size, **own, **self.options}


def model_of(
    function: Callable[..., object], model: object, keywords: Mapping[str, object]
) -> type[Network]:
    """Return a class of networks, given itself or its name, that has the keywords.

    Parameters
    ----------
    function : callable
        The one that was called, which passes keywords on; it is named in messages.
    model : class or str
    keywords : dict

    Raises
    ------
    ConfigError
        If `model` is neither, or the function and the network both lack a keyword.
    """
    where = f'{function.__name__}()'
    if isinstance(model, str):
        model = models[model]
    if not (
        isinstance(model, type) and issubclass(model, Network) and not model.__abstractmethods__
    ):
        raise ConfigError(
            f'{where}: model must be rnnkit.Regressor, rnnkit.Classifier or rnnkit.Autoencoder, or '
            f'the name of one; got {brief(model)}'
        )
    *own, _ = inspect.signature(function).parameters
    olds = {*old_words.NETWORK, *old_words.NOT_OF_NETWORKS}  # which networks know themselves
    given = [name for name in keywords if name not in olds]
    reject_unknown(where, given, [*own, *SETTINGS, *model._own_settings])
    return model


def fill(where: str, net: Network, parts: Sequence[Part]) -> None:
    """Put the weights of all parts into the layers of a network, in their order.

    Raises
    ------
    ConfigError
        If there are more or fewer layers with parameters than parts, or one of another kind.
    ShapeError, DataError
        If an array has another shape than the parameter, or numbers that it cannot hold.
    """
    taken = weighted(net, any(part.form == 'standardize' for part in parts))
    if len(taken) != len(parts):
        ours = ', '.join(f'{layer.name!r} ({_kind(layer)})' for layer in taken)
        theirs = ', '.join(f'{part.label} ({part.kind} {part.size})' for part in parts)
        raise ConfigError(
            f'{where}: the network has {len(taken)} layers with parameters: {ours}; there are '
            f'weights of {len(parts)}: {theirs}'
        )
    values = []
    for layer, part in zip(taken, parts, strict=True):
        _check(where, layer, part)
        values += [(layer.params[name], array) for name, array in part.params.items()]
    assign_all(where, net.layers, values)


def weighted(net: Network, scales: bool) -> list[Layer]:
    """Return the layers with trained parameters; with `scales` also those of 'standardize'."""
    return [x for x in net.layers if _own(x) or (scales and x.form == 'standardize')]


def _own(layer: Layer) -> list[str]:
    """Return the names of the parameters that are trained."""
    return [name for name in layer.params if name not in layer.measured]


def _kind(layer: Layer) -> str:
    worker = getattr(layer, 'given', {}).get('worker')
    form = layer.form if worker is None else f'{layer.form} {worker}'
    return f'{form} {layer.size}'


def _check(where: str, layer: Layer, part: Part) -> None:
    """Raise a ConfigError for a layer that the weights of a part do not belong to."""
    ours = f'layer {layer.name!r} ({_kind(layer)})'
    theirs = f'{part.label} ({part.kind} {part.size})'
    same = isinstance(layer, registry[part.form])  # a softmax is a fully connected layer, too
    if same and 'worker' in part.options:
        same = str(layer.given.get('worker', 'rnn')).lower() == part.options['worker']
    names = set(layer.params) if part.form == 'standardize' else set(_own(layer))
    if not same or names != set(part.params):
        raise ConfigError(
            f'{where}: {ours} has the parameters {", ".join(layer.params)}; it is the turn of '
            f'{theirs}, with {", ".join(part.params)}{_reset(layer, part) if same else ""}'
        )
    wrong = [
        f'{layer.name}.{name} {layer.params[name].get_value(borrow=True).shape}, there {a.shape}'
        for name, a in part.params.items()
        if layer.params[name].get_value(borrow=True).shape != a.shape
    ]
    if wrong:
        raise ShapeError(f'{where}: {ours} and {theirs} differ: {"; ".join(wrong)}')


def _reset(layer: Layer, part: Part) -> str:
    """Return advice where only the place of a GRU's reset gate differs."""
    if {name.rpartition('.')[2] for name in set(_own(layer)) ^ set(part.params)} != {'bn'}:
        return ''
    reset = 'after' if any(name.endswith('bn') for name in part.params) else 'before'
    return f'; write reset={reset!r} in layers'


def build(
    where: str, model: type[Network], parts: Sequence[Part], keywords: Mapping[str, Any]
) -> Network:
    """Return a network whose layers follow from the parts alone, each reading the one before."""
    for one, two in pairwise(parts):
        if one.gives != two.reads:
            raise ConfigError(
                f'{where}: {two.label} ({two.kind} {two.size}) takes {two.reads} features, and '
                f'{one.label} ({one.kind} {one.size}), which comes before it, gives {one.gives}; '
                f'pass layers=, or the weights in the order in which they are used'
            )
    specs = [parts[0].reads, *(part.spec() for part in parts)]
    net = model(specs, **keywords)
    fill(where, net, parts)
    return net


def plain_option(value: object) -> object:
    """Return an option, of which names are in lower case."""
    return value.lower() if isinstance(value, str) else value


def check_options(
    where: str, layer: Layer, what: str, allowed: Mapping[str, Sequence[object]]
) -> None:
    """Raise a ConfigError for a recurrent layer with an option that another library lacks.

    Parameters
    ----------
    where : str
    layer : Layer
        A recurrent one; of a bidirectional layer, one direction.
    what : str
        The counterpart, for messages: ``'nn.LSTM'``.
    allowed : dict of str to sequence
        The values that each option may have. A zoneout would change predictions, and learned
        initial states have no place, in any library.
    """
    cell = layer.cell  # type: ignore[attr-defined]  # recurrent layers have one
    for option in (*(one for one in cell.options if one not in cell.start_options), 'zoneout'):
        value = getattr(layer if option == 'zoneout' else cell, option)
        value = plain_option(value)
        fine = (0,) if option == 'zoneout' else allowed.get(option, (cell.options[option],))
        if value not in fine:
            raise ConfigError(
                f'{where}: layer {layer.name!r} ({layer.form}) has {option}={brief(value)}, '
                f'which {what} does not have'
            )
    if layer.learned:  # type: ignore[attr-defined]
        raise ConfigError(
            f"{where}: layer {layer.name!r} ({layer.form}) has {layer.learned[0]}_0='learn', "  # type: ignore[attr-defined]
            f'a parameter that {what} does not have'
        )
