"""Build networks from specs and from files."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from rnnkit.common import caller, epoch_paths, file_format
from rnnkit.common.calls import checked
from rnnkit.common.old_words import warn
from rnnkit.common.registry import Registry
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.initializers import known_values
from rnnkit.training import checkpoints
from rnnkit.training.loss_term import read_loss_term
from rnnkit.training.protocols import Path

Owner = TypeVar('Owner')

models = Registry('model')  # classes of networks, by their names in files
LOSS_KEYS = {'loss', 'weight', 'output', 'target', 'weighted'}


# It returns Any, as `load` does, so that type checkers accept load(path).predict_proba.
@checked
def from_spec(spec: Mapping[str, object]) -> Any:
    """Build the network that a spec describes, with new initial weights.

    Parameters
    ----------
    spec : dict
        The result of `Network.to_spec`.

    Raises
    ------
    ConfigError
        If it is not such a dict.
    """
    required = {'model', 'layers', 'loss', 'weighted', 'layout', 'dtype', 'seed'}
    if (
        not isinstance(spec, dict)
        or set(spec) - {'masked', 'losses', 'frozen', 'columns'} != required
    ):
        raise ConfigError(
            f'from_spec(): expects a dict with {", ".join(sorted(required))}; got '
            f'{brief(sorted(map(str, spec))) if isinstance(spec, dict) else brief(spec)}'
        )
    keywords = dict(spec)
    losses, frozen = keywords.pop('losses', None), keywords.pop('frozen', None)
    columns = keywords.pop('columns', None)
    net = models[keywords.pop('model')](**keywords)
    if losses is not None:
        # All at once: each change of the losses builds the graphs of all of them.
        terms = [
            read_loss_term('from_spec()', term.pop('loss'), term)
            for term in map(dict, _check_losses(losses))
        ]
        if terms[0].weighted is None:
            terms[0].weighted = net.weighted
        net._minimise(terms)
    if frozen is not None:
        if not isinstance(frozen, list):
            raise ConfigError(f'from_spec(): frozen must be a list of names; got {brief(frozen)}')
        net.freeze(*frozen)
    if columns is not None:
        net._columns.read_spec(columns, net._border.fields)
    return net


def _check_losses(specs: object) -> list[dict[str, Any]]:
    """Return the specs of losses; the target of the first one is not in it."""
    if (
        not isinstance(specs, list)
        or not specs
        or not all(
            isinstance(spec, dict) and set(spec) == (LOSS_KEYS if k else LOSS_KEYS - {'target'})
            for k, spec in enumerate(specs)
        )
    ):
        raise ConfigError(
            f'from_spec(): losses must be a list of dicts with {", ".join(sorted(LOSS_KEYS))}, '
            f'the first one without target; got {brief(specs)}'
        )
    return specs


@checked
def load(path: Path) -> Any:
    """Load a network from a file that `save`, or a training with ``checkpoint=``, has written.

    It is safe to load an untrusted file: no code in it is run, and no more memory is used than
    the length of the file.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    net : Network
        From a checkpoint: with the best parameters so far, and the history.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, was changed, has another format or a newer version, or needs a
        layer or an activation that is not registered.
    """
    path = epoch_paths.file_path('load(): path', path)
    file = file_format.read(path)
    try:
        with known_values(file.arrays):
            net = from_spec(file.spec)
    except (RnnkitError, RecursionError) as error:
        raise FormatError(f'{path}: its network cannot be built: {error}') from error
    unused = set(file.arrays) - {p.name for p in net.params}
    if unused:
        raise FormatError(f'{path}: parameter {min(unused)!r} is missing, or does not belong there')
    for p in net.params:
        array = file.arrays[p.name]
        if array.dtype != p.dtype:
            raise FormatError(
                f'{path}: parameter {p.name!r} is {array.dtype} {array.shape}; the network '
                f'expects {p.dtype} {array.shape}'
            )
    odd = [p.name for p in net.params if not np.isfinite(file.arrays[p.name]).all()]
    if odd:
        more = f' and {len(odd) - 3} more' if len(odd) > 3 else ''
        caller.warn(
            f'{path}: not finite (NaN or infinity) in the parameters {", ".join(odd[:3])}{more}'
        )
    if file.training is not None:
        checkpoints.recall(path, net, file.training)
    return net


class Loader:
    """`load` as a class method: ``Classifier.load(path)`` returns a `Classifier`.

    ``net.load(path)`` warns, since it does not change `net`.
    """

    def __get__(self, net: object, cls: type[Owner]) -> Callable[[Path], Owner]:
        if net is not None:
            warn(
                f'load() leaves this network as it is, and returns another; write '
                f'net = rnnkit.{cls.__name__}.load(path)'
            )

        def load_as(path: Path) -> Owner:
            """Load a network of this class; a ConfigError if that in the file is of another."""
            return _load_as(cls, path)

        load_as.__name__ = f'{cls.__name__}.load'
        return checked(load_as)


def _load_as(cls: type[Owner], path: Path) -> Owner:
    """Load a network of this class.

    Raises
    ------
    ConfigError
        If the network in the file is of another class.
    """
    net = load(path)
    if not isinstance(net, cls):
        name = type(net).__name__
        raise ConfigError(
            f'{cls.__name__}.load(): {path} is a {name}; write rnnkit.{name}.load(path), or '
            f'rnnkit.load(path) for any'
        )
    return net
