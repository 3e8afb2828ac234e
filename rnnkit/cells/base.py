"""The base class of cells: a parameter table, a state and one step of a recurrence."""

from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit.cells import declared
from rnnkit.cells.guard import GUARDED, guarded
from rnnkit.common import reprs
from rnnkit.common.checks import size as size_of
from rnnkit.common.registry import Registry, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine
from rnnkit.errors import ConfigError


class HState(NamedTuple):
    """The state of a cell that declares none."""

    h: TensorVariable  # (B, H)


class Cell:
    """One step of a recurrence, independent of time, masks and sequences.

    A cell is data (the class attributes) and equations (`project` and `step`). Subclass it, define
    `step`, and register the class with ``@rnnkit.layers.add('name')``: any network can then use
    the name as a layer. All attributes have a default, so that a cell may be no more than its
    `step`; what is misspelt or does not fit is a `ConfigError` when the class is made, or else
    when a layer is.

    Attributes
    ----------
    state : str, tuple of str or class of named tuples
        The names of the states carried from step to step, each of shape (B, H): ``'h c'``. A class
        of named tuples is made of them. The first one is the output of the layer, unless the cell
        has an `output` of its own. By default one state, h.
    gates : str
        One letter for each column block of the gate parameters, in order. By default one block.
    params : dict of str to tuple of str
        The shape of each parameter, written with ``'I'`` for the number of inputs, ``'H'`` for
        the size of the layer, multiples such as ``'4H'``, and the letters of `lengths`. By default
        ``xh``, ``hh`` and ``b``, with a block of columns for each gate.
    initial : dict of str to object
        The initial value of each parameter: the name of an initializer, a constant, or a dict
        of these by gate, ``{'b': {'f': 1.0}}``. By default 'glorot' for ``xh``, 'orthogonal'
        for ``hh``, and 0 for all others.
    options : dict of str to object
        The keywords of the cell, with their defaults.
    inner : dict of str to tuple of str, or None
        The shapes of the arrays that `prepare` returns, if they differ from ``params``.
    axes : dict of str to str
        The width of each state that does not have H units: a letter of `lengths`, ``'I'`` for the
        width of the input, or a number.
    output_axis : str
        The width of `output`, if the cell has one of its own.
    counters : tuple of str
        The states that count steps: zoneout leaves them alone.
    smallest : int
        The smallest size of the layer.
    reads_missing : bool
        Whether `project` takes NaN in x for a value that is missing. Data may then contain NaN.
    side : dict of str to str
        Further inputs of each step, with their widths: ``{'gap': '1'}``. No weight projects them:
        `step` reads ``p.gap``, of shape (B, 1), and `project` that of all steps, (T, B, 1). In
        a network, the layer's option of that name says where it comes from: ``gap='gaps'``.
    side_defaults : dict of str to float
        What a further input is at each step where the layer is not given any.
    between : tuple of str
        Those of ``side`` that tell about the time between a step and the one before. A layer that
        reads backward takes them from the other end of this interval.

    Examples
    --------
    A leaky integrator, which keeps nine tenths of its state:

    >>> import pytensor.tensor as pt
    >>> class Leaky(Cell):
    ...     def step(self, z, s, p):
    ...         return 0.9 * s.h + 0.1 * pt.tanh(z + s.h @ p.hh)
    >>> Leaky().shapes(2, 3)
    {'xh': (2, 3), 'hh': (3, 3), 'b': (3,)}

    With a rate that is learned, and an option:

    >>> class Learned(Cell):
    ...     params = {**Cell.params, 'rate': ('H',)}
    ...     initial = {'rate': 2.0}
    ...     options = {'sharpness': 1.0}
    ...     def step(self, z, s, p):
    ...         keep = pt.sigmoid(self.sharpness * p.rate)
    ...         return keep * s.h + (1 - keep) * pt.tanh(z + s.h @ p.hh)
    """

    state: ClassVar[type] = HState
    gates: ClassVar[str] = 'h'
    params: ClassVar[dict[str, tuple[str, ...]]] = declared.default_params('h')
    initial: ClassVar[dict[str, object]] = {}
    options: ClassVar[dict[str, object]] = {}
    inner: ClassVar[dict[str, tuple[str, ...]] | None] = None
    axes: ClassVar[dict[str, str]] = {}
    output_axis: ClassVar[str] = 'H'
    counters: ClassVar[tuple[str, ...]] = ()
    smallest: int = 1
    reads_missing: ClassVar[bool] = False
    side: ClassVar[dict[str, str]] = {}
    side_defaults: ClassVar[dict[str, float]] = {}
    lists_params: ClassVar[bool] = False  # whether the class declares `params` itself
    between: ClassVar[tuple[str, ...]] = ()
    # Options that set the initial value of a parameter, and nothing else.
    start_options: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls, **keywords: object) -> None:
        """Check what a new class declares, and complete it."""
        super().__init_subclass__(**keywords)
        declared.complete(cls, Cell)
        for name in GUARDED:
            if getattr(cls, name) is not getattr(Cell, name):
                setattr(cls, name, guarded(name, getattr(cls, name)))

    def __init__(self, **options: object):
        reject_unknown(f'cell {type(self).__name__}', options, self.options)
        for name, default in self.options.items():
            setattr(self, name, options.get(name, default))
        self.setup()
        declared.complete_own(self)

    def setup(self) -> None:
        """Check the options, and compute from them what `step` needs."""

    def __repr__(self) -> str:
        return reprs.call(self)

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

    @partial(guarded, 'project')
    def project(self, x: TensorVariable, p: SimpleNamespace) -> TensorVariable:
        """Return the contribution of the input to each step, for all steps at once.

        Parameters
        ----------
        x : tensor of shape (T, B, I)
        p : namespace of the parameters by name
            And of what ``side`` declares, of shape (T, B, width).

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
            And of what ``side`` declares, of shape (B, width).

        Returns
        -------
        new : tuple of tensors
            One for each state, or a named tuple like `s`; where there is one state, one tensor.
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

    def output_width(self, size: int, n_in: int | None = None) -> int:
        """Return the number of features of the output."""
        if self.has_own_output:
            where = f'{type(self).__name__}.output_axis'
            return declared.length(self.output_axis, self.units(n_in, size), where)
        return self.widths(size, n_in)[0]

    def units(self, n_in: int | None, size: int) -> dict[str, int | None]:
        """Return the length that each letter stands for; ``'I'`` may be unknown."""
        where, lengths = f'{type(self).__name__}.lengths()', self.lengths(size)
        if not isinstance(lengths, Mapping):
            raise ConfigError(
                f"{where} must return a dict of lengths by letter, such as {{'H': size, 'P': 3}}; "
                f'got {brief(lengths)}'
            )
        return {'I': n_in, **{k: size_of(f'{where}: {k}', n) for k, n in lengths.items()}}

    def shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter for `n_in` inputs and `size` units."""
        self.check_size(size)
        if size < self.smallest:
            raise ConfigError(
                f'{type(self).__name__}: the layer needs at least {self.smallest} units; got {size}'
            )
        return self._read(self.params, n_in, size)

    def inner_shapes(self, n_in: int, size: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array that `prepare` returns."""
        return self._read(self.params if self.inner is None else self.inner, n_in, size)

    def direct_widths(self, size: int, n_in: int | None = None) -> list[int]:
        """Return the widths of the arrays in z that are not projected, but given for each step."""
        return []

    def widths(self, size: int, n_in: int | None = None) -> tuple[int, ...]:
        """Return the number of units of each state; for some cells it depends on the input's."""
        axes = {name: self.axes.get(name, 'H') for name in self.state._fields}
        return tuple(self._lengths('axes', axes, size, n_in).values())

    def side_widths(self, size: int, n_in: int | None = None) -> dict[str, int]:
        """Return the number of columns of each further input."""
        return self._lengths('side', self.side, size, n_in)

    def with_defaults(
        self,
        given: Mapping[str, TensorVariable],
        like: TensorVariable,
        widths: Mapping[str, int],
    ) -> dict[str, TensorVariable]:
        """Return all further inputs, in order: those given, or what the class assumes.

        Parameters
        ----------
        given : dict of str to tensor of shape (..., width)
        like : tensor of shape (..., k)
            With the leading axes and the dtype of the others.
        widths : dict of str to int
            `side_widths`.
        """
        leading = [like.shape[k] for k in range(like.ndim - 1)]
        return {
            name: given[name]
            if name in given
            else pt.alloc(np.asarray(self.side_defaults[name], like.dtype), *leading, width)
            for name, width in widths.items()
        }

    def _lengths(
        self, table: str, axes: dict[str, str], size: int, n_in: int | None
    ) -> dict[str, int]:
        """Turn letters of an attribute into numbers."""
        units = self.units(n_in, size)
        return {
            name: declared.length(axis, units, f'{type(self).__name__}.{table}[{name!r}]')
            for name, axis in axes.items()
        }

    def _read(
        self, table: dict[str, tuple[str, ...]], n_in: int, size: int
    ) -> dict[str, tuple[int, ...]]:
        """Turn a table of shapes in letters into numbers."""
        units = self.units(n_in, size)
        where = f'{type(self).__name__}.params'
        return {
            name: tuple(declared.length(axis, units, f'{where}[{name!r}]') for axis in axes)
            for name, axes in table.items()
        }

    def gate_columns(self, name: str, size: int) -> dict[str, slice] | None:
        """Return the column block of each gate in a parameter; None if it has no gates."""
        if not self.gates or self.params[name][-1] != (
            f'{len(self.gates)}H' if len(self.gates) > 1 else 'H'
        ):
            return None
        return {gate: slice(k * size, (k + 1) * size) for k, gate in enumerate(self.gates)}


cells = Registry('cell', check=Cell)
