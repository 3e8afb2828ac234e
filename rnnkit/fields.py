"""The arrays of a batch: what each is called, its axes, and what it may contain."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np

from rnnkit.datasets import as_array
from rnnkit.errors import ConfigError, DataError, ShapeError
from rnnkit.graph import Graph
from rnnkit.layers import Input
from rnnkit.losses import Loss


@dataclass(frozen=True)
class Field:
    """One array of a batch.

    Attributes
    ----------
    name : str
        What the user calls it: ``'x'``, ``'y'``, ``'mask'``...
    kind : {'numbers', 'words', 'labels', 'weights', 'mask'}
    axes : tuple of str
        The names of its axes, in the user's order: ``('time', 'batch', 'features')``.
    size : int
        The number of features, or of words or labels.
    owner : str
        What has that size, for messages.
    clock : str or None
        Whose time axis it has.
    dtype : str
        What it is converted to.
    steps : int or None
        The number of time steps that it must have; None for any number.
    least : int
        The least number of time steps.
    origin : str or None
        The time axis that its own is made of, such as by a convolution.
    steps_after : callable or None
        How many steps it has, for so many of `origin`.
    check : callable or None
        ``check(where, array)`` raises a DataError for values that make no sense.
    of : str
        For weights, the name of the target that they belong to.
    """

    name: str
    kind: str
    axes: tuple[str, ...]
    size: int
    owner: str
    clock: str | None
    dtype: str
    steps: int | None = None
    least: int = 1
    origin: str | None = None
    steps_after: Callable[[int], int] | None = None
    check: Callable[[str, np.ndarray], None] | None = None
    of: str = ''

    @cached_property
    def has_features(self) -> bool:
        """Whether the last axis counts features."""
        return self.axes[-1] == 'features'

    @cached_property
    def has_time(self) -> bool:
        """Whether there is a time axis."""
        return 'time' in self.axes

    @cached_property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.axes)

    @cached_property
    def batch_axis(self) -> int:
        """The axis that counts examples, inside the library."""
        return int(self.has_time)

    @cached_property
    def time_axis(self) -> int | None:
        """The axis that counts time steps, inside the library, or None."""
        return 0 if self.has_time else None

    def is_ready(self, array: Any) -> bool:
        """Return whether an array is right as it is, as far as it can be seen alone."""
        if not (
            type(array) is np.ndarray and array.ndim == self.ndim and array.dtype == self.dtype
            and array.size and array.flags.c_contiguous
        ):  # fmt: skip
            return False
        if self.has_features and array.shape[-1] != self.size:
            return False
        if self.steps not in (None, array.shape[0]) or (self.has_time and len(array) < self.least):
            return False
        if self.kind in ('words', 'labels'):
            return array.min() >= 0 and array.max() < self.size
        if self.kind == 'mask':
            return True  # its values are looked at together with its axes, see `has_real_steps`
        if not np.isfinite(array).all():
            return False
        if self.check and self.kind == 'numbers':
            self.check(self.name, array)
        return self.kind != 'weights' or array.min() >= 0

    def read(self, where: str, value: Any) -> np.ndarray:
        """Convert what the user passed to an array, and check what can be seen of it alone.

        Parameters
        ----------
        where : str
            The call, for messages.
        value : array_like

        Raises
        ------
        ShapeError, DataError
        """
        where = f'{where}: {self.name}'
        array = as_array(where, value, self.dtype)
        if self.kind != 'weights':  # weights may be broadcast to the shape of the target
            self._check_axes(where, array)
        if self.has_features and self.kind != 'weights' and array.shape[-1] != self.size:
            raise ShapeError(
                f'{where} has {array.shape[-1]} features (its last axis, shape {array.shape}); '
                f'{self.owner} has {self.size}'
            )
        if self.has_time and self.kind != 'weights':
            self._check_steps(where, array)
        if self.check and self.kind == 'numbers':
            self.check(where, array)
        if self.kind in ('words', 'labels'):
            self._check_whole(where, array)
        elif self.kind == 'weights' and array.min() < 0:
            raise DataError(f'{where} contains {array.min()}; a weight is at least 0')
        elif self.kind == 'mask' and not np.isin(array, (0, 1)).all():
            wrong = array[~np.isin(array, (0, 1))][0]
            raise DataError(
                f'{where} contains {wrong}; it is True, or 1, where a step is real, and else '
                f'False, or 0'
            )
        return array

    def read_step(self, where: str, value: Any) -> np.ndarray:
        """Convert a single time step, and return it with a time axis of 1."""
        axes = tuple(axis for axis in self.axes if axis != 'time')
        try:
            return replace(self, axes=axes).read(where, value)[None]
        except ShapeError as error:
            shape = getattr(value, 'shape', ())
            if len(shape) == len(axes):
                raise
            raise ShapeError(
                f'{where}: {self.name} has {len(shape)} axes, shape {shape}; a single time step is '
                f'({", ".join(axes)})'
            ) from error

    def _check_steps(self, where: str, array: np.ndarray) -> None:
        steps = array.shape[self.axes.index('time')]
        if self.steps not in (None, steps):
            raise ShapeError(
                f'{where} has {steps} time steps, shape {array.shape}; this network has '
                f'{self.steps}'
            )
        if steps < self.least:
            raise ShapeError(
                f'{where} has {steps} time steps, shape {array.shape}; this network wants at least '
                f'{self.least}'
            )

    def _check_axes(self, where: str, array: np.ndarray) -> None:
        if array.ndim == self.ndim:
            return
        axes = ', '.join(self.axes)
        if self.kind == 'labels' and array.ndim == self.ndim + 1:
            hint = '[..., 0]' if array.shape[-1] == 1 else '.argmax(-1)'
            raise ShapeError(
                f'{where} has shape {array.shape}; a classifier wants one label for each '
                f'({axes}): try y{hint}'
            )
        hint = ''
        if array.ndim == self.ndim - 1 and self.has_features:
            hint = '; a single feature needs an axis of its own: array[..., None]'
        if self.kind == 'words' and array.ndim == self.ndim + 1:
            hint = '; an embedding reads numbers of words, not one-hot vectors: try x.argmax(-1)'
        what = 'a network with a recurrent layer' if self.clock else 'this network'
        if self.kind in ('weights', 'mask'):
            what = f'this network, for {self.kind},'
        raise ShapeError(
            f'{where} has {array.ndim} axes, shape {array.shape}; {what} wants ({axes}){hint}'
        )

    def _check_whole(self, where: str, array: np.ndarray) -> None:
        if array.min() < 0 or array.max() >= self.size:
            wrong = array.min() if array.min() < 0 else array.max()
            what = 'label' if self.kind == 'labels' else 'word'
            raise DataError(
                f'{where} contains {what} {wrong}; {self.owner} has {self.size} units, so '
                f'{what}s are 0 to {self.size - 1}'
            )


Axes = tuple[str, str]  # the user's order of 'time' and 'batch'


def inputs_of(graph: Graph, layout: Axes) -> list[Field]:
    """Return the inputs of a network: the first is called x, others after their layers."""
    plan, inputs = graph.plan, []

    def least(clock: str | None) -> int:
        made = [graph.by_name[name] for name, of in plan.made_of.items() if of == clock]
        return next(n for n in count(1) if all(layer.steps_after(n) >= 1 for layer in made))

    for layer in graph.layers:
        if isinstance(layer, Input):
            clock, words = plan.clocks[layer.name], layer.name in plan.words
            inputs.append(Field(
                layer.name if inputs else 'x', 'words' if words else 'numbers',
                _axes(graph, layout, clock, not words), layer.size,
                f'layer {layer.name!r}' if words else 'the input layer', clock,
                'int64' if words else graph.dtype, _steps(graph, clock), least(clock),
            ))  # fmt: skip
    return inputs


def target_of(name: str, graph: Graph, output: str, loss: Loss, layout: Axes) -> Field:
    """Return the target that a loss compares an output with.

    Parameters
    ----------
    name : str
        What the target is called.
    graph : Graph
    output : str
        ``'hid1:out'``.
    loss : Loss
    layout : tuple of str
    """
    field = output_as_array(name, graph, output, layout)
    origin, steps_after = _origin(graph, field.clock)
    field = replace(field, origin=origin, steps_after=steps_after, check=loss.check_targets)
    if not loss.integer_targets:
        return field
    return replace(field, kind='labels', axes=field.axes[:-1], dtype='int64')


def output_as_array(name: str, graph: Graph, output: str, layout: Axes) -> Field:
    """Return an array of numbers that is like an output."""
    owner, _, what = output.partition(':')
    layer, clock = graph.by_name[owner], graph.plan.clock_of(output, graph.by_name)
    return Field(
        name, 'numbers', _axes(graph, layout, clock, True), layer.output_size(what),
        'the last layer' if layer is graph.layers[-1] else f'layer {owner!r}', clock, graph.dtype,
        _steps(graph, clock),
    )  # fmt: skip


def input_as_target(graph: Graph, output: str, loss: Loss, given: list[Field]) -> Field:
    """Return the only input of a network as the target of an output that reconstructs it.

    Raises
    ------
    ConfigError
        If the network has several inputs, or the output is not like the input.
    """
    where = f'an autoencoder compares {output!r} with its input'
    if len(given) > 1:
        names = ', '.join(field.name for field in given)
        raise ConfigError(f'{where}, so that there can be one input; got {names}')
    (field,), (owner, _, what) = given, output.partition(':')
    if field.kind == 'words':
        raise ConfigError(
            f'{where}, which must be numbers; an embedding reads numbers of words. Take a '
            f'Classifier, and the words as x and as y'
        )
    size, clock = (
        graph.by_name[owner].output_size(what), graph.plan.clock_of(output, graph.by_name)
    )  # fmt: skip
    if size != field.size:
        raise ConfigError(f'{where}; it has {size} features, and the input {field.size}')
    steps = field.steps
    if clock != field.clock:
        steps = _steps(graph, clock)
        if not (clock and field.clock):
            has, wants = ('has a', 'the input none') if clock else ('has no', 'the input one')
            raise ConfigError(f'{where}; it {has} time axis, and {wants}')
        if steps is None or field.steps not in (None, steps):
            raise ConfigError(
                f'{where}, which must have as many time steps; layer {clock!r} makes '
                f'{"other ones" if steps is None else steps}'
            )
    return replace(field, steps=steps, check=loss.check_targets)


def masks_of(graph: Graph, layout: Axes) -> list[Field]:
    """Return the masks of a network."""
    return [
        Field(variable.name, 'mask', _axes(graph, layout, clock), 0, '', clock, graph.dtype)
        for clock, variable in graph.masks.items()
    ]


def weights_of(target: Field, dtype: str, name: str = 'weights') -> Field:
    """Return the weights of a target."""
    return replace(target, name=name, kind='weights', dtype=dtype, of=target.name)


def _axes(graph: Graph, layout: Axes, clock: str | None, features: bool = False) -> tuple[str, ...]:
    has_time = any(graph.plan.clocks.values())
    leading = layout if clock else ('batch' if has_time else 'examples',)
    return (*leading, *['features'] * features)


def _steps(graph: Graph, clock: str | None) -> int | None:
    """Return how many time steps a clock must have; None for any number."""
    lengths = graph.plan.lengths
    return lengths[clock].fixed_steps if clock in lengths else None


def _origin(graph: Graph, clock: str | None) -> tuple[str | None, Callable[[int], int] | None]:
    """Return the time axis of the data that a clock is made of, and how many steps that leaves."""
    made = []
    while clock in graph.plan.made_of:
        made.insert(0, graph.by_name[clock])
        clock = graph.plan.made_of[clock]

    def steps_after(steps: int) -> int:
        for layer in made:
            steps = layer.steps_after(steps)
        return steps

    return (clock, steps_after) if made else (None, None)
