"""Build networks from specs and from files."""

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from rnnkit.common import caller, file_format, open_files
from rnnkit.common.calls import checked
from rnnkit.common.old_words import warn
from rnnkit.common.registry import Registry
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.initializers import known_values
from rnnkit.training import checkpoints
from rnnkit.training.loss_term import read_loss_term
from rnnkit.training.protocols import PathOrFile

Owner = TypeVar('Owner')

models = Registry('model')  # classes of networks, by their names in files
# Keys that a spec need not have.
OPTIONAL = {'masked', 'losses', 'frozen', 'classes', 'columns', 'scale_targets'}
# Modules that read files of other models, imported when there is one.
READERS = {'Forecaster': 'rnnkit.forecasting.forecaster'}
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
    return build(spec)


def build(spec: object, cls: type | None = None, kernel: bool | None = None) -> Any:
    """Build the network that a spec describes.

    Parameters
    ----------
    spec : dict
        As in `from_spec`.
    cls : type, optional
        A class of networks derived from the one in the spec. Its own ``__init__`` is not called.
    kernel : bool, optional
        As for a network.

    Raises
    ------
    ConfigError
        If it is not such a dict.
    """
    required = {'model', 'layers', 'loss', 'weighted', 'layout', 'dtype', 'seed'}
    if not isinstance(spec, dict) or set(spec) - OPTIONAL != required:
        raise ConfigError(
            f'from_spec(): expects a dict with {", ".join(sorted(required))}; got '
            f'{brief(sorted(map(str, spec))) if isinstance(spec, dict) else brief(spec)}'
        )
    keywords = dict(spec)
    losses, frozen = keywords.pop('losses', None), keywords.pop('frozen', None)
    columns = keywords.pop('columns', None)
    model = models[keywords.pop('model')]
    net = model.__new__(model if cls is None else cls)
    model.__init__(net, **keywords, kernel=kernel)
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
def load(path: PathOrFile) -> Any:
    """Load a network from a file that `save`, or a training with ``checkpoint=``, has written.

    It is safe to load an untrusted file: no code in it is run, and no more memory is used than
    the length of the file.

    Parameters
    ----------
    path : str, path-like or file object
        Of a binary file that is open for reading, such as an ``io.BytesIO``, the network that
        begins at its position is read, and nothing that follows.

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
    source = open_files.source('load(): path', path)
    name = open_files.name_of(source) if open_files.is_open_file(source) else str(source)
    file = file_format.read(source)
    model = file.spec.get('model') if isinstance(file.spec, dict) else None
    if isinstance(model, str) and model in READERS:
        return importlib.import_module(READERS[model]).from_file(name, file)
    net = network(name, file)
    odd = [p.name for p in net.params if not np.isfinite(file.arrays[p.name]).all()]
    if odd:
        more = f' and {len(odd) - 3} more' if len(odd) > 3 else ''
        caller.warn(
            f'{name}: not finite (NaN or infinity) in the parameters {", ".join(odd[:3])}{more}'
        )
    return net


def network(
    name: str, file: file_format.File, cls: type | None = None, kernel: bool | None = None
) -> Any:
    """Return the network that a file holds.

    Parameters
    ----------
    name : str
        What messages call the file.
    file : File
    cls, kernel
        As in `build`.

    Raises
    ------
    FormatError
        If it cannot be built, or the parameters do not fit.
    """
    try:
        with known_values(file.arrays):
            net = build(file.spec, cls, kernel)
    except (RnnkitError, RecursionError) as error:
        raise FormatError(
            f'{name}: its network cannot be built: {error}{import_hint(error)}'
        ) from error
    unused = set(file.arrays) - {p.name for p in net.params}
    if unused:
        raise FormatError(f'{name}: parameter {min(unused)!r} is missing, or does not belong there')
    for p in net.params:
        array = file.arrays[p.name]
        if array.dtype != p.dtype:
            raise FormatError(
                f'{name}: parameter {p.name!r} is {array.dtype} {array.shape}; the network '
                f'expects {p.dtype} {array.shape}'
            )
    net._meta = file.meta or {}
    if file.training is not None:
        checkpoints.recall(name, net, file.training)
    return net


def import_hint(error: BaseException) -> str:
    """Return the end of a message: what to do about a name that is not registered, if it is one."""
    unknown = re.search('no (layer|activation|initializer|loss|model) named', str(error))
    return (
        f'. If that {unknown[1]} is yours, first import the module that adds it' if unknown else ''
    )


class Loader:
    """`load` as a class method: ``Classifier.load(path)`` returns a `Classifier`.

    ``net.load(path)`` warns, since it does not change `net`.
    """

    def __get__(self, net: object, cls: type[Owner]) -> Callable[[PathOrFile], Owner]:
        if net is not None:
            warn(
                f'load() leaves this network as it is, and returns another; write '
                f'net = rnnkit.{cls.__name__}.load(path)'
            )

        def load_as(path: PathOrFile) -> Owner:
            """Load a network of this class; a ConfigError if that in the file is of another."""
            return _load_as(cls, path)

        load_as.__name__ = f'{cls.__name__}.load'
        return checked(load_as)


def _load_as(cls: type[Owner], path: PathOrFile) -> Owner:
    """Load a network of this class.

    Raises
    ------
    ConfigError
        If the network in the file is of another class.
    """
    net = load(path)
    if not isinstance(net, cls):
        name = type(net).__name__
        shown = open_files.name_of(path) if open_files.is_open_file(path) else path
        raise ConfigError(
            f'{cls.__name__}.load(): {shown} is a {name}; write rnnkit.{name}.load(path), or '
            f'rnnkit.load(path) for any'
        )
    return net
