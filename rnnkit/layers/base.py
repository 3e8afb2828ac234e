"""The base class of layers: options, a parameter table and a symbolic transform."""

from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit import initializers
from rnnkit.activations import activations
from rnnkit.common import checks, copies, old_words
from rnnkit.common.calls import checked
from rnnkit.common.output_names import full
from rnnkit.common.registry import reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.layers import short_forms
from rnnkit.layers.short_forms import ShortForms

COMMON = ('size', 'name', 'inputs', 'trainable')  # keywords of every layer
LONGEST_NAME = 200
RESERVED = set(':.*?[]')  # separators of names, and wildcards of patterns


class Memory(NamedTuple):
    """A sequence that a layer reads as a whole at each of its own time steps."""

    values: TensorVariable  # (S, B, M): S time steps, unlike those of the layer
    mask: TensorVariable | None  # (S, B), 1 where a step is real


def _own(value: object) -> object:
    """Return a value of the user's that the user cannot change any more: arrays and lists."""
    if isinstance(value, dict):
        return {key: _own(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_own(item) for item in value]
    return value.copy() if isinstance(value, np.ndarray) else value


class Layer:
    """A named part of a network, with parameters and one or more outputs.

    Subclass it, define `shapes` and `transform`, and register the class with
    ``@rnnkit.layers.add('name')``.

    Parameters
    ----------
    size : int
        The number of units.
    name : str, optional
        By default ``in``, ``hid1``, ``hid2``, ..., ``out``, by position in the network.
    inputs : str or tuple of str, optional
        The outputs to read, ``'hid1'`` or ``'hid1:out'``; by default those of the layer before.
    trainable : bool
        False freezes the parameters: training leaves them as they are.
    **options
        Options of the layer; and initial values, under the names of parameters: the name of an
        initializer, a number, an array, or a function of (shape, rng). For short forms such as
        ``std=0.1`` or ``radius_hh=1.1``, see `rnnkit.layers.short_forms.ShortForms`.

    Attributes
    ----------
    options : dict of str to object
        The keywords of the layer, with their defaults.
    initial : dict of str to object
        The initial value of each parameter; by default 0.
    many_inputs : bool
        Whether the layer can read more than one output.
    recurrent : bool
        Whether the layer needs a time axis.
    causal : bool
        Whether the output at a time step depends on no later step.
    smallest : int
        The smallest size of the layer.
    sized : bool
        Whether the user gives the size; if not, `own_size` computes it.
    amount : str
        The option that a bare number stands for in a layer spec.
    wants_time : bool or None
        False if the inputs must have no time axis.
    keeps_time : bool
        Whether the outputs have the time axis of the inputs.
    starts_time : bool
        Whether the outputs have a new time axis.
    zero_padding : bool
        Whether the main output is 0 over padding, whatever the input is there.
    needs : tuple of str
        The keywords of `transform`, besides the inputs:

        - ``'mask'``: a tensor (T, B), 1 where a step of the input is real, or None;
        - ``'noise'``: the source of random numbers in training, ``rnnkit.noise.Noise``, else None;
        - ``'state'``: the initial state, see the attribute ``state``.

        A layer with a `memory_source` gets a `Memory` as well, as ``memory``.
    state : type of named tuple, or None
        The state carried from step to step. If ``'state'`` is among the needs, `transform` gets
        such a tuple of tensors of shape (B, size), with None for default initial states. A layer
        that summarizes a sequence, whose outputs have no time axis, may have one as well: if
        `transform` gets tensors, the state after the last step is among its outputs, each part
        under its own name.
    belongs_to_input : bool
        Whether keywords for all hidden layers, such as ``hidden_dropout``, leave the layer out.
    reads_missing : bool
        Whether NaN in the input of `transform` is a value that is missing, which the layer treats.
        Data may then contain NaN where only such layers read them.
    passes_missing : bool
        Whether NaN in the input is NaN in the output at the same place, and nowhere else.
    measured : tuple of str
        The parameters that are measured in the training data, and never trained.
    of_memory : tuple of str
        The outputs that have the time axis of the memory. They depend on nothing else, so that
        generation computes them once for each sequence.
    unsized : tuple of str
        The outputs that have as many features as the memory has time steps.
    params : dict of str to shared variable
        The parameters, once the layer is part of a network.

    Examples
    --------
    >>> class Scale(Layer):
    ...     initial = {'gain': 1.0}
    ...     def shapes(self):
    ...         return {'gain': (self.size,)}
    ...     def transform(self, x):
    ...         return {'out': x * self.params['gain']}
    """

    form: ClassVar[str] = ''
    options: ClassVar[dict[str, object]] = {}
    initial: ClassVar[dict[str, object]] = {}
    many_inputs: ClassVar[bool] = False
    recurrent: ClassVar[bool] = False
    causal: ClassVar[bool] = True
    smallest: int = 1
    sized: ClassVar[bool] = True
    amount: ClassVar[str] = 'size'
    needs: tuple[str, ...] = ()
    wants_time: ClassVar[bool | None] = None
    keeps_time: ClassVar[bool] = True
    starts_time: ClassVar[bool] = False
    zero_padding: ClassVar[bool] = False
    belongs_to_input: ClassVar[bool] = False
    reads_missing: bool = False
    passes_missing: bool = False
    measured: tuple[str, ...] = ()
    state: type | None = None
    of_memory: ClassVar[tuple[str, ...]] = ()
    unsized: ClassVar[tuple[str, ...]] = ()
    memory_size: int = 0  # features of the memory, once the layer is part of a network
    step_sides: tuple[str, ...] = ()  # further inputs by which nothing has a derivative
    between: tuple[str, ...] = ()  # further inputs that are the time since the step before

    def __init_subclass__(cls, **keywords: object) -> None:
        """Make a constructor check how it is called."""
        super().__init_subclass__(**keywords)
        if '__init__' in vars(cls):
            cls.__init__ = checked(cls.__init__)  # type: ignore[method-assign]

    @checked
    def __init__(
        self,
        size: int | None = None,
        *,
        name: str | None = None,
        inputs: str | tuple[str, ...] | dict[str, int] | None = None,
        **options: object,
    ):
        where = f'layer {self.form!r}'
        self._trainable = checks.flag(f'{where}: trainable', options.pop('trainable', True))
        keywords = [*COMMON, *self.options, *self.starts()]
        has_short = bool(self.starts()) and not self.measured  # measured ones have one value
        short = short_forms.among(options, keywords) if has_short else {}
        kinds = short_forms.KINDS if has_short else ()
        unknown = [key for key in options if key not in short]
        ends = {key.partition('_')[2] for key in unknown} & set(self.starts())
        likely = [f'{kind}_{end}' for kind in kinds for end in ends]  # radias_hh
        reject_unknown(where, unknown, [*keywords, *kinds, *likely])
        self.short = ShortForms(where, short, set(options) & set(self.starts()))
        self.promised: dict[str, int] = {}
        if isinstance(inputs, dict):
            old_words.warn(f'a dict of inputs is an old form; write inputs={tuple(inputs)!r}')
            for source, width in inputs.items():
                checks.size(f'{where}: inputs, {source!r}: size', width)
            self.promised, inputs = inputs, tuple(inputs)
        if self.sized or size is not None:
            size = checks.size(f'{where}: size', size)
        if name is not None and not _is_name(name):
            raise ConfigError(
                f"a layer's name must be a str without any of : . * ? [ ], of at most "
                f'{LONGEST_NAME} characters; got {brief(name)}'
            )
        self.size, self.name = size, name
        self.inputs = check_inputs(self.form, inputs)
        self.given = {key: _own(value) for key, value in options.items()}
        self.params: dict[str, TensorSharedVariable] = {}
        for option, default in self.options.items():
            setattr(self, option, self.given.get(option, default))

    @property
    def trainable(self) -> bool:
        """Whether training changes any parameter of the layer.

        Raises
        ------
        ConfigError
            If it is set once the layer is part of a network: `Network.freeze` and `unfreeze` do so.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        raise ConfigError(
            f'layer {self.name!r}: write net.freeze({self.name!r}) or net.unfreeze({self.name!r}), '
            f'or trainable={value!r} in its spec'
        )

    def starts(self) -> dict[str, object]:
        """Return the default initial value of each parameter, by name."""
        return self.initial

    def start_of(self, name: str) -> object:
        """Return the initial value of a parameter: the user's, or the default."""
        return self.given.get(name, self.starts().get(name, 0.0))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter; it may use `input_sizes` and `size`."""
        return {}

    def own_size(self) -> int:
        """Return the size of a layer that is not ``sized``; it may use `input_sizes`."""
        return self.input_size

    def output_size(self, name: str) -> int:
        """Return the number of features of the output `name`."""
        return self.size

    def has_time(self, name: str) -> bool:
        """Return whether the output `name` has a time axis if the input has one."""
        return self.keeps_time

    def meet(self, before: list['Layer']) -> None:
        """Look up partners among the layers before this one, which are bound already."""

    def steps_after(self, steps: int) -> int:
        """Return the number of time steps of the output, if the layer starts a new time axis."""
        return steps

    @property
    def fixed_steps(self) -> int | None:
        """The number of time steps of the output, or required of the input; None for any."""
        return None

    @property
    def start_sources(self) -> dict[str, str]:
        """The names of the outputs of other layers that parts of the state start from."""
        return {}

    @property
    def memory_source(self) -> str | None:
        """The name of the output that the layer reads as a whole at each of its steps, if any."""
        return None

    def start_part(self, start: str) -> str:
        """Return the part of a state that a key of `start_sources` stands for."""
        return start

    @property
    def side_sources(self) -> dict[str, str]:
        """The names of the outputs that the layer reads besides its inputs, by option.

        If there are any, `transform` gets their tensors by option in its keyword `sides`.
        """
        return {}

    def state_width(self, part: str) -> int:
        """Return the number of features of a part of the state."""
        return self.size

    def gates(self, name: str) -> dict[str, slice] | None:
        """Return the column block of each gate in a parameter; None if it has no gates."""
        return None

    def transform(self, *inputs: TensorVariable) -> dict[str, TensorVariable]:
        """Return the outputs by name; the main one is called ``'out'``.

        Parameters
        ----------
        *inputs : tensors of shape (T, B, I), or (B, I) in a network without time
            One for each output that the layer reads.

        Returns
        -------
        outputs : dict of str to tensor of shape (T, B, size) or (B, size)
        """
        raise NotImplementedError(f'{type(self).__name__} must define transform(x)')

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Make the layer part of a network: set the sizes of its inputs, create its parameters.

        Parameters
        ----------
        sources : dict of str to int
            The number of features of each output that the layer reads: ``{'in:out': 3}``.
        dtype : str
        rng : numpy.random.Generator
        """
        if self.params:
            raise ConfigError(f'layer {self.name!r} is part of a network already; make a new one')
        if len(sources) > 1 and not self.many_inputs:
            raise ConfigError(
                f'layer {self.name!r} ({self.form}) reads one layer; got {", ".join(sources)}'
            )
        self.input_sizes = dict(sources)
        self._check_promised()
        if not self.sized:
            requested, self.size = self.size, self.own_size()
            checks.size(f'layer {self.name!r} ({self.form}): the number of features', self.size)
            if requested not in (None, self.size):
                raise ConfigError(
                    f'layer {self.name!r} ({self.form}) has size {self.size}, which follows from '
                    f'its inputs; got size={requested}'
                )
        for name, shape in self.shapes().items():
            where, gates = f'{self.name}.{name}', self.gates(name)
            blocks = len(gates or (1,))
            start = self.short.start(
                where, name, self.start_of(name), shape, blocks, self.is_recurrent(name)
            )
            # Drawn in float64: a seed gives the same values, up to rounding, in any dtype.
            value = initializers.initial_value(where, start, shape, rng, gates)
            with np.errstate(over='ignore'):
                cast = value.astype(dtype)
            if not np.isfinite(cast).all() and np.isfinite(value).all():
                raise ConfigError(f'{where}: its initial value does not fit {dtype}')
            # Without a static shape, cells could not split their gates.
            self.params[name] = pytensor.shared(cast, where, shape=shape)
        self.short.check_used(self.name, list(self.params))

    def is_recurrent(self, name: str) -> bool | None:
        """Return whether a parameter is a recurrent matrix; None if the layer has no state."""
        return None

    def _check_promised(self) -> None:
        """Compare the sizes of inputs given by the user with the actual ones."""
        for name, size in self.promised.items():
            actual = self.input_sizes.get(full(name), size)
            if actual != size:
                raise ConfigError(
                    f'layer {self.name!r}: inputs has {name!r} of size {size}; its size is {actual}'
                )

    @property
    def children(self) -> tuple['Layer', ...]:
        """The layers that this layer consists of."""
        return ()

    @property
    def input_size(self) -> int:
        """The total number of input features."""
        return sum(self.input_sizes.values())

    def to_spec(self) -> dict[str, object]:
        """Return a dict from which an equal layer can be built."""
        spec: dict[str, object] = {'form': self.form, 'size': self.size, 'name': self.name}
        if self.inputs:
            spec['inputs'] = list(self.inputs)
        if not self.trainable:
            spec['trainable'] = False
        starts = {name for layer in (self, *self.children) for name in layer.starts()}
        for key, value in self.given.items():
            if key in starts:
                value = initializers.to_spec(value)
            spec[key] = plain(f'layer {self.name!r}: {key}', value)
        return spec

    def _maker(self) -> tuple[Any, ...]:
        """Return a function and its first arguments, which makes a layer of this class."""
        return (type(self),)

    def __reduce__(self) -> tuple[object, tuple[()]]:
        """Return what a pickle holds: the arguments of a layer that is in no network yet."""
        if hasattr(self, 'input_sizes'):
            raise ConfigError(
                f'layer {self.name!r} is part of a network, and cannot be pickled alone; pickle '
                f"the network, or the layer's spec, layer.to_spec()"
            )
        inputs = self.promised or self.inputs
        own = {'size': self.size, 'name': self.name, 'inputs': inputs, 'trainable': self.trainable}
        return partial(*self._maker(), **own, **self.given), ()

    def __copy__(self) -> Self:
        """Return a layer with the same parameters."""
        return copies.shallow(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return a deep copy: of a layer of a network, with its parameters."""
        return copies.deep(self, memo)

    def __repr__(self) -> str:
        return f'<{self.form} {self.name or "without a name"}: {self.size}>'


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and not RESERVED & set(name)


def check_inputs(form: str, inputs: object) -> tuple[str, ...] | None:
    """Return the names of a layer's inputs as a tuple, or raise a ConfigError."""
    names = (inputs,) if isinstance(inputs, str) else inputs
    if names is None:
        return None
    if (
        not isinstance(names, list | tuple)
        or not names
        or not all(isinstance(n, str) for n in names)
    ):
        raise ConfigError(
            f"layer {form!r}: inputs must be a name such as 'hid1' or 'hid1:out', or a tuple of "
            f'names; got {brief(inputs)}'
        )
    return tuple(names)


def plain(where: str, value: object) -> object:
    """Return `value` in a form that JSON can represent, or raise a ConfigError."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(where, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(where, item) for item in value]
    hint = ''
    if callable(value):
        names = [name for name in activations if activations[name] is value]
        if names:
            return names[0]
        hint = '; register it with @rnnkit.activations.add(...), and use its name'
    raise ConfigError(f'{where} is {brief(value)}, which cannot be written to a file{hint}')
