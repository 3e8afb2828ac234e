"""Networks from specs and from files."""

from collections.abc import Callable
from types import MethodType
from typing import Any

from rnnkit.common import storage
from rnnkit.common.old_words import warn
from rnnkit.common.registry import Registry
from rnnkit.errors import ConfigError, FormatError, RnnkitError
from rnnkit.initializers import known_values
from rnnkit.training import checkpoints

models = Registry('model')  # classes of networks, by the names that they have in files


def from_spec(spec: dict[str, Any]) -> Any:
    """Build the network that a spec describes, with new initial weights.

    Parameters
    ----------
    spec : dict
        What `to_spec` of a network returned.

    Raises
    ------
    ConfigError
        If it is not such a dict.
    """
    wanted = {'model', 'layers', 'loss', 'weighted', 'layout', 'dtype', 'seed'}
    if not isinstance(spec, dict) or set(spec) - {'masked', 'losses'} != wanted:
        raise ConfigError(
            f'from_spec(): wants a dict with {", ".join(sorted(wanted))}; got '
            f'{sorted(map(str, spec)) if isinstance(spec, dict) else spec!r}'
        )
    rest = dict(spec)
    chosen = rest.pop('losses', None)
    net = models[rest.pop('model')](**rest)
    if chosen is not None:
        _set_losses(net, chosen)
    return net


def _set_losses(net: Any, specs: Any) -> None:
    """Give a network the losses that its spec lists."""
    known = {'loss', 'weight', 'output', 'target', 'weighted'}
    if (
        not isinstance(specs, list)
        or not specs
        or not all(
            isinstance(one, dict) and set(one) == (known if k else known - {'target'})
            for k, one in enumerate(specs)
        )
    ):
        raise ConfigError(
            f'from_spec(): losses is a list of dicts with {", ".join(sorted(known))}, the first '
            f'one without target; got {specs!r}'
        )
    first, *others = specs
    net.set_loss(**first)
    for one in others:
        net.add_loss(**one)


def load(path: Any) -> Any:
    """Read a network that `save`, or a training with ``checkpoint=``, has written.

    No code is run from the file, and no more memory is taken than it is long.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    net : Network
        From a checkpoint, with the parameters of the best validation so far, and the history.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged, changed, foreign, or from a newer version; or if it needs a layer
        or an activation that has not been registered.
    """
    file = storage.read(path)
    try:
        with known_values(file.arrays):
            net = from_spec(file.spec)
    except (RnnkitError, RecursionError) as error:
        raise FormatError(f'{path}: its network cannot be built: {error}') from error
    odd = set(file.arrays) - {p.name for p in net.params}
    if odd:
        raise FormatError(f'{path}: parameter {min(odd)!r} is missing, or does not belong there')
    for p in net.params:
        array = file.arrays[p.name]
        if array.dtype != p.dtype:
            raise FormatError(
                f'{path}: parameter {p.name!r} is {array.dtype} {array.shape}; the network wants '
                f'{p.dtype} {array.shape}'
            )
    if file.training is not None:
        checkpoints.recall(path, net, file.training)
    return net


class Loader:
    """`load` as a method of a class of networks, for files of this class.

    Asked for through a network it warns, for that network stays as it is.
    """

    def __get__(self, net: Any, cls: type) -> Callable[[Any], Any]:
        if net is not None:
            warn(
                f'load() leaves this network as it is, and returns another; write '
                f'net = rnnkit.{cls.__name__}.load(path)'
            )
        return MethodType(self._load, cls)

    def _load(self, cls: type, path: Any) -> Any:
        """Read a network of this class.

        Raises
        ------
        ConfigError
            If the file is one of another class.
        """
        net = load(path)
        if not isinstance(net, cls):
            name = type(net).__name__
            raise ConfigError(
                f'{cls.__name__}.load(): {path} is a {name}; write rnnkit.{name}.load(path), or '
                f'rnnkit.load(path) for any'
            )
        return net
