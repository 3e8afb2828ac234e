"""Parameters of a network by name: one of them, and new values for it."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit.common import foreign_names, output_names, param_values
from rnnkit.common.calls import Abstract, checked_methods
from rnnkit.common.checks import is_whole
from rnnkit.common.missing import attribute_error
from rnnkit.common.registry import hint
from rnnkit.common.spelling import brief
from rnnkit.errors import DataError, NotFoundError
from rnnkit.layers import Layer, measured
from rnnkit.models import frozen
from rnnkit.training.loss_term import LossTerm


def find(where: str, layers: Sequence[Layer], layer: object, param: object) -> Any:
    """Return one parameter; see `rnnkit.Network.find`."""
    by_name = {str(one.name): one for one in layers}
    if isinstance(layer, str):  # children have names, but no numbers
        by_name |= {str(child.name): child for one in layers for child in one.children}
    owner = _pick(where, 'layer', by_name, layer)
    whole = {p.name: p for p in owner.params.values()}  # as in `Network.params`
    if isinstance(param, str) and param in whole:
        return whole[param]
    is_bare = isinstance(param, str) and param
    ways = [key for key in owner.params if is_bare and key.partition('.')[2] == param]
    if ways:  # of a bidirectional layer
        both = ' and '.join(map(repr, ways))
        raise NotFoundError(
            f'{where}: layer {owner.name!r} has a parameter {param!r} in each direction; write '
            f'{both}'
        )
    return _pick(where, f'parameter of layer {owner.name!r}', owner.params, param)


def assign_all(
    where: str, layers: Sequence[Layer], values: Sequence[tuple[TensorSharedVariable, ArrayLike]]
) -> None:
    """Give parameters copies of arrays, each in its own dtype, or none of them if one is wrong.

    Raises
    ------
    ShapeError, DataError
        As `rnnkit.Network.set`.
    """
    ready = []
    for parameter, value in values:
        measured.check_value(where, layers, parameter, value)
        array = param_values.fitting(where, parameter, value)
        if not np.isfinite(array).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            raise DataError(f'{where}: {parameter.name} must be finite; got {array[at]} at {at}')
        ready.append((parameter, array))
    for parameter, array in ready:
        parameter.set_value(array, borrow=True)
        measured.note_value(layers, parameter)


def _pick(where: str, what: str, members: Mapping[str, Any], key: object) -> Any:
    """Return a member by name or by number."""
    if is_whole(key):
        number = int(key)  # type: ignore[call-overload]
        if not -len(members) <= number < len(members):
            raise NotFoundError(
                f'{where}: there is no {what} number {number}; there are {len(members)}'
            )
        return list(members.values())[number]
    if not isinstance(key, str) or key not in members:
        raise NotFoundError(f'{where}: no {what} named {brief(key)}; {hint(str(key), members)}')
    return members[key]


@checked_methods
class Parameters(Abstract):
    """Layers with parameters, as a base class of `rnnkit.Network`."""

    layers: list[Layer]
    params: list[Any]
    outputs: dict[str, TensorVariable]
    losses: tuple[LossTerm, ...]
    _frozen: set[str]  # names of parameters

    @abstractmethod
    def _minimise(self, terms: list[LossTerm]) -> None:
        """Make later trainings minimise these losses, by the parameters that are not frozen."""

    @property
    def num_params(self) -> int:
        """The number of values in all parameters."""
        return sum(p.get_value(borrow=True).size for p in self.params)

    @property
    def frozen(self) -> list[str]:
        """The names of the parameters that training leaves as they are."""
        return [p.name for p in self.params if p.name in self._frozen]

    def freeze(self, *names: str) -> None:
        """Exclude parameters from training, until `unfreeze` is called.

        No update changes them: neither a gradient nor a penalty, decay, momentum or limit of
        weights. Penalties of weights still count them. Functions that train are compiled again;
        files keep which parameters are frozen.

        Parameters
        ----------
        *names : str
            Names of layers, ``'hid1'``, or parameters, ``'hid1.xh'``; or patterns, ``'hid*'``,
            ``'*.b'``.

        Raises
        ------
        ConfigError
            If a name or pattern matches nothing.

        Examples
        --------
        >>> import rnnkit
        >>> net = rnnkit.Regressor([1, ('lstm', 3), 1], seed=0)
        >>> net.freeze('hid1')
        >>> net.frozen
        ['hid1.xh', 'hid1.hh', 'hid1.b']
        """
        frozen.change(self, self._frozen | frozen.matching('freeze()', self.layers, names))

    def unfreeze(self, *names: str) -> None:
        """Include frozen parameters in training again; ``'*'`` stands for all.

        Parameters that are measured in the data, as those of a layer 'standardize', stay frozen.

        Parameters
        ----------
        *names : str
            As in `freeze`.

        Raises
        ------
        ConfigError
            As in `freeze`; or if a name stands for measured parameters only.
        """
        frozen.change(self, self._frozen - frozen.thawed('unfreeze()', self.layers, names))

    def find(self, layer: str | int, param: str | int) -> Any:
        """Return one parameter as a shared variable.

        Parameters
        ----------
        layer, param : str or int
            Names, or numbers in the order of the spec: ``find('hid1', 'xh')``,
            ``find(1, 0)``.

        Raises
        ------
        NotFoundError
            If there is no such layer or parameter.
        """
        return find('find()', self.layers, layer, param)

    def output(self, name: str = 'out') -> TensorVariable:
        """Return an output of the last layer as a symbolic graph, ``'out'`` or ``'pre'``.

        Raises
        ------
        NotFoundError
            If there is no such output.
        """
        layer = self.layers[-1].name
        named = output_names.join(layer, str(name))
        if named not in self.outputs:
            listed = ', '.join(out for out in self.outputs if out.startswith(f'{layer}:'))
            raise NotFoundError(f'output(): no output {brief(named)}; there are {listed}')
        return self.outputs[named]

    def set(self, layer: str | int, param: str | int, value: ArrayLike) -> None:
        """Change the values of one parameter.

        Parameters
        ----------
        layer, param : str or int
            As in `find`.
        value : array of the shape of the parameter
            It is copied, and converted to the dtype of the network.

        Raises
        ------
        NotFoundError
            If there is no such layer or parameter.
        ShapeError, DataError
            If the array has another shape, or values that are not finite numbers in this dtype.

        Examples
        --------
        >>> import numpy as np, rnnkit
        >>> net = rnnkit.Regressor([2, 1], seed=0)
        >>> net.set('out', 'b', [0.5])
        >>> net.find('out', 'b').get_value()
        array([0.5], dtype=float32)
        """
        parameter = find('set()', self.layers, layer, param)
        assign_all('set()', self.layers, [(parameter, value)])

    if not TYPE_CHECKING:  # or checkers would believe that every name exists

        def __getattr__(self, name: str) -> object:
            """Say what replaces an attribute of other libraries."""
            if name.startswith('_'):  # of pickle, copy, IPython, ...
                raise AttributeError(f'{type(self).__name__} has no attribute {name!r}')
            if name in dir(type(self)):  # a property that has raised an AttributeError
                return object.__getattribute__(self, name)
            message = foreign_names.of_network(type(self), name, dir(self))
            raise attribute_error(message, name)
