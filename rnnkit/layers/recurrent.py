"""Layers that run a cell over time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.cells import Cell
from rnnkit.cells.declared import check_step
from rnnkit.cells.rehearsal import check_reads, rehearse
from rnnkit.cells.wrappers import Dropped, Mixed, State, Zoned, wrapped
from rnnkit.common.checks import choice, one_of, probability
from rnnkit.common.checks import size as size_of
from rnnkit.common.output_names import full
from rnnkit.common.spelling import brief
from rnnkit.common.tensors import affine_by, at_each_step, changeable, masked
from rnnkit.errors import ConfigError
from rnnkit.layers import short_forms
from rnnkit.layers.base import COMMON, Layer
from rnnkit.layers.gaps import read_backward
from rnnkit.unroll import unroll

LEARN = 'learn'
NOISES = ('dropout', 'zoneout')
ATTRIBUTES = (
    'cell',
    'given',
    'input_sizes',
    'learned',
    'params',
    'promised',
    'short',
)  # of a layer


class Recurrent(Layer):
    """A cell that is applied at every time step.

    Registering a cell as a layer creates a subclass for it. The outputs are ``'out'``, the first
    state of the cell, and the other states under their own names (``'hid1:c'`` for the cell state
    of an LSTM), each of shape (T, B, size); and the final states ``'last'``, ``'last_c'``, ... of
    shape (B, size). Over padding the state is held, and the output is 0.

    If the cell has an `output` of its own, ``'out'`` and ``'last'`` are that, and all states have
    their own names: ``'h'`` and ``'last_h'``, ...

    Besides the options of the cell there are:

    Parameters
    ----------
    direction : {'forward', 'backward'}
        A backward layer starts at the last time step. Its output at each time step is computed
        from the input there, so that both directions are aligned.
    h_0, c_0, ... : str, optional
        The initial state, one for each part of the cell's state: ``'learn'`` for a parameter of
        shape (size,), or the name of another layer or of one of its outputs, of shape (B, size).
        The name of a recurrent layer stands for its final state: ``h_0='encoder'``. By default 0.
    gap, ... : str
        One for each further input of each step that the cell declares in its attribute `side`:
        the name of a layer, an input or an output.
    bptt_limit : int, optional
        Cut the gradient after this many steps (truncated backpropagation through time).
    dropout : float
        In training, the probability of dropping a unit of h in the recurrent product, the same
        units at all steps of a sequence (variational dropout). The others are scaled up; at
        inference, all units are used.
    zoneout : float
        In training, the probability that an element of a state keeps its old value, drawn anew
        at each step. At inference, the state is the expected value,
        ``zoneout * old + (1 - zoneout) * new``.

    References
    ----------
    Gal & Ghahramani 2016, arXiv:1512.05287 (dropout); Krueger et al. 2017, arXiv:1606.01305
    (zoneout).
    """

    cell_class: ClassVar[type[Cell]]
    recurrent = True
    zero_padding = True
    needs = ('mask', 'state')

    def __init__(
        self,
        size: int | None = None,
        *,
        name: str | None = None,
        inputs: str | tuple[str, ...] | dict[str, int] | None = None,
        **options: object,
    ):
        # The cell comes first, since its options determine the parameters of the layer.
        own = self.cell_class.options
        of_cell = {k: v for k, v in options.items() if k in own}
        for option in ('activation', 'gate_activation'):
            if callable(g := of_cell.get(option)) and not isinstance(g, type):
                of_cell[option] = activations.guarded(g)
        self.cell = self.cell_class(**of_cell)
        self.state, self.smallest = self.cell.state, self.cell.smallest
        self.reads_missing, self.between = self.cell.reads_missing, self.cell.between
        self.learned = [
            part for part in self.state._fields if one_of(options.get(f'{part}_0'), (LEARN,))
        ]
        super().__init__(size, name=name, inputs=inputs, **options)
        where = f'layer {self.form!r}'
        choice(f'{where}: direction', self.direction, ('forward', 'backward'))
        self.causal = self.direction == 'forward'
        for noise in NOISES:
            setattr(self, noise, probability(f'{where}: {noise}', getattr(self, noise)))
        if self.dropout or self.zoneout:
            self.needs = (*self.needs, 'noise')
        if self.bptt_limit is not None:
            self.bptt_limit = size_of(f'{where}: bptt_limit', self.bptt_limit)
        for part in self.state._fields:
            source = getattr(self, f'{part}_0')
            if source is not None and not (isinstance(source, str) and source):
                raise ConfigError(
                    f"{where}: {part}_0 must be 'learn' or the name of a layer; got {brief(source)}"
                )
        for side in self.cell.side:
            self._check_side(where, side, getattr(self, side))
        for option, param in self.cell.start_options.items():
            self._check_start_option(where, option, param)

    def _check_start_option(self, where: str, option: str, param: str) -> None:
        """Raise a ConfigError if both an option and another keyword set an initial value."""
        if getattr(self.cell, option) is None:
            return
        own = [key for key in self.given if key == param or key.endswith(f'_{param}')]
        if own:
            raise ConfigError(
                f'{where}: both {option} and {own[0]} set the initial value of {param}; take one'
            )

    def _check_side(self, where: str, side: str, source: object) -> None:
        """Raise a ConfigError if a further input does not say where it comes from."""
        if source is None and side in self.cell.side_defaults:
            return
        if not (isinstance(source, str) and source):
            width = self.cell.side[side]
            size = f'size={width}' if width.isdecimal() else f'size=..., {width}'
            many = side if side.endswith('s') else f'{side}s'
            missing = 'is missing; it is' if source is None else f'is {brief(source)}; it must be'
            raise ConfigError(
                f'{where}: {side}= {missing} the name of a layer or input that each step reads, '
                f"such as {side}='{many}', with dict(form='input', {size}, name='{many}') before"
            )

    def _maker(self) -> tuple[Any, ...]:
        return _of_cell, self.form, self.cell_class

    def last_name(self, part: str = '') -> str:
        """Return the name of the output that holds the final value of a part of the state."""
        main = ('',) if self.cell.has_own_output else ('', self.state._fields[0])
        return 'last' if part in main else f'last_{part}'

    def has_time(self, name):
        return not name.startswith('last')

    @property
    def start_sources(self):
        sources = {part: getattr(self, f'{part}_0') for part in self.state._fields}
        return {part: name for part, name in sources.items() if name not in (None, LEARN)}

    @property
    def side_sources(self):
        sources = {side: getattr(self, side) for side in self.cell.side}
        return {side: name for side, name in sources.items() if name is not None}

    def starts(self):
        initial = {'xh': 'glorot', 'hh': 'orthogonal', **self.cell.initial}
        return {name: initial.get(name, 0.0) for name in self.cell.params}

    def shapes(self):
        try:
            shapes = self.cell.shapes(self.input_size, self.size)
        except ConfigError as error:
            raise ConfigError(f'layer {self.name!r} ({self.form}): {error}') from error
        return {**shapes, **{f'{part}_0': (self.state_width(part),) for part in self.learned}}

    def state_width(self, part: str) -> int:
        return self.output_size(self.last_name(part))

    def start_of(self, name):
        return 0.0 if name not in self.cell.params else super().start_of(name)

    def is_recurrent(self, name):
        # Gates are square blocks side by side, so 'H', '4H' is a recurrent matrix, too.
        axes = self.cell.params.get(name, ())
        return len(axes) == 2 and axes[0] == 'H' and axes[1].lstrip('0123456789') == 'H'

    @property
    def widths(self) -> tuple[int, ...]:
        """The number of features of each state."""
        return self.cell.widths(self.size, self.input_size)

    @property
    def side_widths(self) -> dict[str, int]:
        """The number of features of each further input of a step."""
        return self.cell.side_widths(self.size, self.input_size)

    def output_size(self, name):
        widths = dict(zip(self.state._fields, self.widths, strict=True))
        if (part := name.removeprefix('last_')) in widths:
            return widths[part]
        return self.cell.output_width(self.size, self.input_size)

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Bind the layer, after a rehearsal of its cell.

        Raises
        ------
        ConfigError
            If the equations of the cell fail or leave something unread, or a further input has
            another width than the cell declares.
        """
        apart = {side: full(name) for side, name in self.side_sources.items()}
        super().bind(main_inputs(sources, apart.values()), dtype, rng)
        where = f'layer {self.name!r} ({self.form})'
        try:
            reads = rehearse(self.cell, self.input_size, self.size, dtype)
            check_reads(self.cell, reads)
        except ConfigError as error:
            raise ConfigError(f'{where}: {error}') from error
        self.step_sides = tuple(side for side in self.cell.side if side in reads.step_sides)
        for side, width in self.side_widths.items():
            source = apart.get(side)
            if source is not None and sources[source] != width:
                raise ConfigError(
                    f'{where}: {side} must have {width} feature{"s" * (width != 1)}; {source!r} '
                    f'has {sources[source]}'
                )

    def gates(self, name):
        return None if name.endswith('_0') else self.cell.gate_columns(name, self.size)

    def transform(self, x, mask=None, state=None, noise=None, sides=None):  # x: (T, B, I)
        sides = self._sides(x, sides or {}, mask)
        start = self._start(state)
        if noise is None or not (self.dropout or self.zoneout):
            cell = self.cell if not self.zoneout else wrapped(Mixed, self.cell, self.zoneout)
            return self._outputs(self._unroll(cell, x, start, mask, sides=sides), mask)
        cell, codes = self.cell, None
        if self.zoneout:
            cell = wrapped(Zoned, cell)
            rate = changeable(self.zoneout, x.dtype)
            widths = cell.direct_widths(self.size, self.input_size)
            codes = pt.concatenate(  # (T, B, codes)
                [
                    noise.codes(rate, x, width, len(group))
                    for group, width in zip(cell.groups(), widths, strict=True)
                ],
                axis=-1,
            )
        if self.dropout:
            cell = wrapped(Dropped, cell)
            # Drawn without the axis of time, so that all steps share the mask.
            width = cell.widths(self.size, self.input_size)[0]  # of the state that is dropped
            kept = noise.keep(changeable(self.dropout, x.dtype), x, (1,), width)
            if start is None:  # the wrapper computes its own initial state from it
                start = [pt.zeros((1, width), dtype=x.dtype) for width in self.widths]
            start = cell.start(start, kept)
        states = self._unroll(cell, x, start, mask, codes, sides)
        # The wrapper has put 'fed' before the states of the cell, and 'kept' after them.
        return self._outputs(states[1:-1] if self.dropout else states, mask)

    def _sides(
        self,
        x: TensorVariable,
        given: Mapping[str, TensorVariable],
        mask: TensorVariable | None,
    ) -> dict[str, TensorVariable]:
        """Return the further inputs of all steps; one without an axis of time is repeated."""
        sides = {side: at_each_step([x, value])[1] for side, value in given.items()}
        if self.causal:
            return sides
        between = self.cell.between
        return {k: read_backward(v, mask) if k in between else v for k, v in sides.items()}

    def _unroll(
        self,
        cell: Cell,
        x: TensorVariable,
        start: Sequence[TensorVariable] | None,
        mask: TensorVariable | None,
        direct: TensorVariable | None = None,
        sides: dict[str, TensorVariable] | None = None,
    ) -> State:
        params = {name: self.params[name] for name in self.cell.params}
        return unroll(
            cell,
            x,
            params,
            self.size,
            start,
            mask,
            reverse=not self.causal,
            bptt_limit=self.bptt_limit,
            direct=direct,
            side=sides,
        )

    def _outputs(self, states: State, mask: TensorVariable | None) -> dict[str, TensorVariable]:
        """Return the outputs by name, given the states at all steps."""
        end = -1 if self.causal else 0  # states are in the order of time in both directions
        named = dict(zip(self.state._fields, states, strict=True))
        if self.cell.has_own_output:
            named = {'out': self._output(states), **named}
        outputs = {}
        for k, (part, values) in enumerate(named.items()):
            hidden = None if mask is None else kernels.hide_padding(values, mask)
            outputs['out' if k == 0 else part] = masked(values, mask) if hidden is None else hidden
            outputs['last' if k == 0 else f'last_{part}'] = values[end]
        return outputs

    def _output(self, states: State) -> TensorVariable:
        """Return the output of a cell that has one of its own, given the states at all steps."""
        params = {name: self.params[name] for name in self.cell.params}
        p = SimpleNamespace(**self.cell.prepare(params, self.size))
        with affine_by(kernels.affine):
            return self.cell.output(self.state(*states), p)

    def _start(self, state: State | None) -> State | None:
        """Return the initial state, or None if all of it is 0.

        Parameters
        ----------
        state : named tuple of (tensor or None), optional
            The parts given from outside: carried over, or provided by other layers.
        """
        parts = {}
        for part in self.state._fields:
            value = getattr(state, part, None)
            if value is None and part in self.learned:
                value = self.params[f'{part}_0'][None, :]  # (1, H), broadcast over the batch
            parts[part] = value
        dtypes = [value.dtype for value in parts.values() if value is not None]
        if not dtypes:
            return None
        for part, value in parts.items():
            if value is None:
                parts[part] = pt.zeros((1, self.state_width(part)), dtype=dtypes[0])
        return self.state(**parts)


def main_inputs(sources: dict[str, int], apart: Collection[str]) -> dict[str, int]:
    """Return what a layer reads, without its further inputs; the first is always an input."""
    return {n: size for k, (n, size) in enumerate(sources.items()) if not k or n not in apart}


def _of_cell(form: str, cell: type[Cell], **keywords: Any) -> Recurrent:
    """Return a layer whose class is made at run time, so that pickles cannot name it."""
    return recurrent_layer(form, cell)(**keywords)


@cache
def recurrent_layer(form: str, cell: type[Cell]) -> type[Recurrent]:
    """Return the class of layers that run `cell`, called `form` in layer specs."""
    check_step(cell, Cell)
    starts = {f'{part}_0': None for part in cell.state._fields}
    _check_keywords(cell, starts)
    options = {
        **cell.options,
        **starts,
        **dict.fromkeys(cell.side),
        'direction': 'forward',
        'bptt_limit': None,
        **dict.fromkeys(NOISES, 0.0),
    }
    return type(
        f'{cell.__name__.removesuffix("Cell")}Layer',
        (Recurrent,),
        {'cell_class': cell, 'options': options, 'form': form, '__doc__': cell.__doc__},
    )


def _check_keywords(cell: type[Cell], starts: Iterable[str]) -> None:
    """Raise a ConfigError if a name of the cell's has a meaning in every recurrent layer."""
    keywords = [*COMMON, 'direction', 'bptt_limit', *NOISES, *starts, *short_forms.KINDS]
    for table in ('options', 'params', 'side'):
        for name in getattr(cell, table):
            # Options become attributes of the layer.
            taken = table != 'params' and (hasattr(Recurrent, name) or name in ATTRIBUTES)
            if name in keywords or taken:
                what = 'a keyword' if name in keywords else 'an attribute'
                raise ConfigError(
                    f'{cell.__name__}.{table}: {name!r} is {what} of every recurrent layer; '
                    f'choose another name'
                )
