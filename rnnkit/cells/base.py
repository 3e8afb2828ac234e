"""The base class of cells: a parameter table, a state and one step of a recurrence."""

from types import SimpleNamespace
from typing import ClassVar

from pytensor.tensor import TensorVariable

from rnnkit.common.registry import Registry, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError


class Cell:
    """One step of a recurrence, independent of time, masks and sequences.

    A cell is data (the class attributes) and equations (`project` and `step`). Subclass it,
    fill in both, and register the class with ``@rnnkit.layers.add('name')``: any network can
    then use the name as a layer.

    Attributes
    ----------
    state : type of named tuple
        The names of the states carried from step to step, each of shape (B, H). The first
        one is the output of the layer, unless the cell has an `output` of its own.
    gates : str
        One letter for each column block of the gate parameters, in order.
    params : dict of str to tuple of str
        The shape of each parameter, written with ``'I'`` for the number of inputs, ``'H'`` for
        the size of the layer, multiples such as ``'4H'``, and the letters of `lengths`.
    initial : dict of str to object
        The initial value of each parameter: the name of an initializer, a constant, or a dict
        of these by gate, ``{'b': {'f': 1.0}}``. By default 'glorot' for ``xh``, 'orthogonal'
        for ``hh``, and 0 for all others.
    options : dict of str to object
        The keywords of the cell, with their defaults.
    inner : dict of str to tuple of str, or None
        The shapes of the arrays that `prepare` returns, if they differ from `params`.
    axes : dict of str to str
        The letter of the width of each state that does not have H units.
    output_axis : str
        The letter of the width of `output`, if the cell has one of its own.
    counters : tuple of str
        The states that count steps: zoneout leaves them alone.
    smallest : int
        The smallest size of the layer.
    reads_missing : bool
        Whether `project` takes NaN in x for a value that is missing. Data may then contain NaN.

    Examples
    --------
    A leaky integrator with a learned rate:

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
    initial: ClassVar[dict[str, object]] = {}
    options: ClassVar[dict[str, object]] = {}
    inner: ClassVar[dict[str, tuple[str, ...]] | None] = None
    axes: ClassVar[dict[str, str]] = {}
    output_axis: ClassVar[str] = 'H'
    counters: ClassVar[tuple[str, ...]] = ()
    smallest: int = 1
    reads_missing: ClassVar[bool] = False

    def __init__(self, **options: object):
        reject_unknown(f'cell {type(self).__name__}', options, self.options)
        for name, default in self.options.items():
            setattr(self, name, options.get(name, default))
        self.setup()

    def setup(self) -> None:
        """Check the options, and compute from them what `step` needs."""

    def check_size(self, size: int) -> None:
        """Raise a ConfigError if the layer cannot have this size."""

    def lengths(self, size: int) -> dict[str, int]:
        """Return the length that each letter stands for, except ``'I'``."""
        return {'H': size}

    def prepare(self, params: dict[str, TensorVariable], size: int) -> dict[str, TensorVariable]:
        """Return the arrays that `project` and `step` get as `p`, computed once for all steps.

        This is the place for everything that is the same at all steps: constant arrays,
        masked weights, functions of a parameter.

        Parameters
        ----------
        params : dict of str to tensor
            The parameters by name.
        size : int
            The number of units, H.

        Returns
        -------
        arrays : dict of str to tensor
            With the shapes in ``inner``. By default, the parameters themselves.
        """
        return params

    def project(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return the contribution of the input to each step, for all steps at once.

        Parameters
        ----------
        x : tensor of shape (T, B, I)
        p : namespace of the parameters by name

        Returns
        -------
        z : tensor of shape (T, B, kH)
            By default, ``x @ xh + b``.
        """
        return affine(x, p.xh, p.b)

    def step(
        self, z: TensorVariable, s: tuple[TensorVariable, ...], p: SimpleNamespace
    ) -> tuple[TensorVariable, ...]:
        """Return the state after one time step.

        Parameters
        ----------
        z : tensor of shape (B, kH)
            One time step of the result of `project`.
        s : named tuple of tensors of shape (B, H)
            The previous state.
        p : namespace of the parameters by name

        Returns
        -------
        new : named tuple like `s`
        """
        raise NotImplementedError(f'{type(self).__name__} must define step(z, s, p)')

    def output(self, s: tuple[TensorVariable, ...], p: SimpleNamespace) -> TensorVariable:
        """Return the output of the layer, for all steps at once, given the states after them.

        Define it for an output that is not the first state. It is computed outside of the loop
        over time, so that it may use any operation, and parameters of its own, without losing the
        kernel of the loop.

        Parameters
        ----------
        s : named tuple of tensors of shape (T, B, H)
            The states after each step.
        p : namespace of the parameters by name
            As in `step`.

        Returns
        -------
        y : tensor of shape (T, B, H)
            Or of the width that ``output_axis`` stands for. By default, the first state.
        """
        return s[0]

    @property
    def has_own_projection(self) -> bool:
        """Whether `project` is not ``x @ xh + b``, which kernels compute themselves."""
        return type(self).project is not Cell.project

    @property
    def has_own_output(self) -> bool:
        """Whether the output is not the first state."""
        return type(self).output is not Cell.output

    def output_width(self, size: int) -> int:
        """Return the number of features of the output."""
        if self.has_own_output:
            return _length(
                self.output_axis, self.lengths(size), f'{type(self).__name__}.output_axis'
            )
        return self.widths(size)[0]

    def shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for `n_in` inputs and `size` units."""
        self.check_size(size)
        return self._read(self.params, n_in, size)

    def inner_shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array that `prepare` returns."""
        return self._read(self.params if self.inner is None else self.inner, n_in, size)

    def direct_widths(self, size: int) -> list[int]:
        """Return the widths of the arrays in z that are not projected, but given for each step."""
        return []

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
        """Return the column block of each gate in a parameter; None if it has no gates."""
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
        raise ConfigError(
            f"{where}: a length must be written as 'I', 'H', a number or '4H'; got {brief(axis)}"
        )
    return int(factor) * (unit or 1)


cells = Registry('cell', check=Cell)
