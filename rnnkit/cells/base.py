"""What every cell is: a parameter table, a state and one step of a recurrence."""

from types import SimpleNamespace
from typing import Any, ClassVar

from pytensor.tensor import TensorVariable

from rnnkit.common.registry import Registry, reject_unknown
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError


class Cell:
    """One step of a recurrence; it knows neither time nor masks nor batches of sequences.

    A cell is data (the class attributes) and equations (`project` and `step`). Derive from
    it, fill in both, and register it with ``@rnnkit.layers.add('name')``: the name is then
    a layer that any network can use.

    Attributes
    ----------
    state : type of named tuple
        The names of what is carried from step to step, each of shape (B, H). The first
        one is the output of the layer.
    gates : str
        One letter for each column block of the gate parameters, in their order.
    params : dict of str to tuple of str
        Shape of each parameter, written with ``'I'`` for the number of inputs, ``'H'`` for
        the size of the layer, multiples such as ``'4H'``, and the letters of `lengths`.
    initial : dict of str to object
        How each parameter starts: the name of an initializer, a constant, or a dict of
        these by gate, ``{'b': {'f': 1.0}}``. Of those left out, ``xh`` starts as 'glorot',
        ``hh`` as 'orthogonal', and the others as 0.
    options : dict of str to object
        The keywords that the cell takes, with their defaults.
    inner : dict of str to tuple of str, or None
        Shapes of what `prepare` returns, written as in `params`, if they are others.
    axes : dict of str to str
        The letter of the length of a state, for states that are not of H units.
    counters : tuple of str
        The states that count steps: zoneout leaves them alone.
    smallest : int
        The least size that the layer can have.

    Examples
    --------
    A leaky integrator whose rate is learned:

    >>> from typing import NamedTuple
    >>> import pytensor.tensor as pt
    >>> class LeakyState(NamedTuple):
    ...     h: TensorVariable
    >>> class Leaky(Cell):
    ...     state, gates = LeakyState, 'h'
    ...     params = {'xh': ('I', 'H'), 'hh': ('H', 'H'), 'b': ('H',), 'rate': ('H',)}
    ...     def step(self, z, s, p):
    ...         r = pt.sigmoid(p.rate)
    ...         return LeakyState(r * s.h + (1 - r) * pt.tanh(z + s.h @ p.hh))
    """

    state: ClassVar[type]
    gates: ClassVar[str] = ''
    params: ClassVar[dict[str, tuple[str, ...]]]
    initial: ClassVar[dict[str, Any]] = {}
    options: ClassVar[dict[str, Any]] = {}
    inner: ClassVar[dict[str, tuple[str, ...]] | None] = None
    axes: ClassVar[dict[str, str]] = {}
    counters: ClassVar[tuple[str, ...]] = ()
    smallest: int = 1

    def __init__(self, **options: Any):
        reject_unknown(f'cell {type(self).__name__}', options, self.options)
        for name, default in self.options.items():
            setattr(self, name, options.get(name, default))
        self.setup()

    def setup(self) -> None:
        """Check the options, and derive from them what `step` needs."""

    def check_size(self, size: int) -> None:
        """Raise a ConfigError if the layer cannot have this size."""

    def lengths(self, size: int) -> dict[str, int]:
        """Return what the letters of lengths stand for, all but ``'I'``."""
        return {'H': size}

    def prepare(self, params: dict[str, TensorVariable], size: int) -> dict[str, TensorVariable]:
        """Return the arrays that `project` and `step` see as `p`, made once for all steps.

        This is the place for what does not change from step to step: arrays that are not
        learned, weights that are multiplied by a mask, functions of a parameter.

        Parameters
        ----------
        params : dict of str to tensor
            The parameters by name.
        size : int
            The number of units, H.

        Returns
        -------
        arrays : dict of str to tensor
            Of the shapes in ``inner``. With the default, the parameters themselves.
        """
        return params

    def project(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return what a step needs of its input, for all steps at once.

        Parameters
        ----------
        x : tensor of shape (T, B, I)
        p : namespace of the parameters by name

        Returns
        -------
        z : tensor of shape (T, B, kH)
            With the default, ``x @ xh + b``.
        """
        return affine(x, p.xh, p.b)

    def step(self, z: TensorVariable, s: Any, p: SimpleNamespace) -> Any:
        """Return the state after one time step.

        Parameters
        ----------
        z : tensor of shape (B, kH)
            One time step of what `project` returned.
        s : named tuple of tensors of shape (B, H)
            The state before this step.
        p : namespace of the parameters by name

        Returns
        -------
        new : named tuple like `s`
        """
        raise NotImplementedError(f'{type(self).__name__} must define step(z, s, p)')

    def shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for `n_in` inputs and `size` units."""
        self.check_size(size)
        return self._read(self.params, n_in, size)

    def inner_shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array that `prepare` returns."""
        return self._read(self.params if self.inner is None else self.inner, n_in, size)

    def widths(self, size: int) -> tuple[int, ...]:
        """Return the number of units of each state."""
        lengths = self.lengths(size)
        return tuple(lengths[self.axes.get(name, 'H')] for name in self.state._fields)

    def _read(
        self, table: dict[str, tuple[str, ...]], n_in: int, size: int
    ) -> dict[str, tuple[int, ...]]:
        """Turn a table of shapes in letters into numbers."""
        units = {'I': n_in, **self.lengths(size)}
        return {
            name: tuple(
                _length(axis, units, f'{type(self).__name__}.params[{name!r}]') for axis in axes
            )
            for name, axes in table.items()
        }

    def gate_columns(self, name: str, size: int) -> dict[str, slice] | None:
        """Return the column block of each gate in parameter `name`, None if it has no gates."""
        if not self.gates or self.params[name][-1] != (
            f'{len(self.gates)}H' if len(self.gates) > 1 else 'H'
        ):
            return None
        return {gate: slice(k * size, (k + 1) * size) for k, gate in enumerate(self.gates)}


def _length(axis: str, units: dict[str, int], where: str) -> int:
    """Turn ``'I'``, ``'H'``, ``'4H'`` or ``'3'`` into a number."""
    unit = units.get(axis[-1:])
    factor = axis if unit is None else axis[:-1] or '1'
    if not factor.isdecimal():
        raise ConfigError(f"{where}: a length is written 'I', 'H', a number or '4H'; got {axis!r}")
    return int(factor) * (unit or 1)


cells = Registry('cell', check=Cell)
