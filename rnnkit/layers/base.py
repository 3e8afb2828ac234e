"""What every layer is: options, a parameter table and a symbolic transform."""

from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.common import old_words
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError
from rnnkit.initializers import initial_value
from rnnkit.layers import short_forms
from rnnkit.layers.short_forms import ShortForms

COMMON = ('size', 'name', 'inputs')  # keywords of every layer


class Layer:
    """A named part of a network, with parameters and one or more outputs.

    Derive from it, define `shapes` and `transform`, and register the class with
    ``@rnnkit.layers.add('name')``.

    Parameters
    ----------
    size : int
        The number of units.
    name : str, optional
        By default ``in``, ``hid1``, ``hid2``, ..., ``out``, by the place in the network.
    inputs : str or tuple of str, optional
        What it reads: ``'hid1'`` or ``'hid1:out'``. By default the layer before it.
    **options
        The layer's own options; and, under the name of a parameter, how it starts: an
        initializer's name, a number, an array, or a function of (shape, rng). For short,
        ``std=0.1`` or ``radius_hh=1.1``: see `rnnkit.layers.short_forms.ShortForms`.

    Attributes
    ----------
    options : dict of str to object
        The layer's own keywords, with their defaults.
    initial : dict of str to object
        How each parameter starts; 0 if left out.
    many_inputs : bool
        Whether it can read more than one layer.
    recurrent : bool
        Whether it needs a time axis.
    causal : bool
        Whether a time step depends on nothing later.
    smallest : int
        The least size that it can have.
    sized : bool
        Whether the user gives the size; if not, `own_size` finds it.
    amount : str
        The option that a bare number stands for in a layer spec.
    wants_time : bool or None
        False if its inputs must have no time axis.
    keeps_time : bool
        Whether its outputs have the time axis of its inputs.
    starts_time : bool
        Whether its outputs have a time axis of their own.
    zero_padding : bool
        Whether its main output is 0 over padding, whatever it reads there.
    needs : tuple of str
        What `transform` takes besides its inputs, as keywords:

        - ``'mask'``: a tensor (T, B), 1 where a step of the input is real, or None;
        - ``'noise'``: a source of random numbers in training, ``rnnkit.noise.Noise``, else None;
        - ``'state'``: see the attribute of this name.
    state : type of named tuple, or None
        What it carries from step to step. Where ``'state'`` is among the needs, `transform`
        takes such a tuple: of tensors of shape (B, size), or None for what starts as it does
        by default.
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
    options: ClassVar[dict[str, Any]] = {}
    initial: ClassVar[dict[str, Any]] = {}
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
    state: type | None = None

    def __init__(self, size: int | None = None, *, name=None, inputs=None, **options: Any):
        known = [*COMMON, *self.options, *self.starts()]
        short = short_forms.among(options, known) if self.starts() else {}
        words = short_forms.WORDS if self.starts() else ()
        reject_unknown(f'layer {self.form!r}', set(options) - set(short), [*known, *words])
        self.short = ShortForms(f'layer {self.form!r}', short, set(options) & set(self.starts()))
        self.promised: dict[str, Any] = {}
        if isinstance(inputs, dict):
            old_words.warn(f'a dict of inputs is an old form; write inputs={tuple(inputs)!r}')
            for source, width in inputs.items():
                check_size(f'layer {self.form!r}: inputs, {source!r}', width)
            self.promised, inputs = inputs, tuple(inputs)
        if self.sized or size is not None:
            size = check_size(f'layer {self.form!r}', size)
        self.size, self.name = size, name
        if name is not None and (
            not isinstance(name, str) or not name or set(':.*?[]') & set(name)
        ):
            raise ConfigError(f"a layer's name is a str without any of : . * ? [ ]; got {name!r}")
        self.inputs = check_inputs(self.form, inputs)
        self.given = options
        self.params: dict[str, Any] = {}
        for option, default in self.options.items():
            setattr(self, option, options.get(option, default))

    def starts(self) -> dict[str, Any]:
        """Return how each parameter starts, by name, where the user has not said."""
        return self.initial

    def start_of(self, name: str) -> Any:
        """Return how one parameter starts."""
        return self.given.get(name, self.starts().get(name, 0.0))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each parameter; `input_sizes` and `size` are known."""
        return {}

    def own_size(self) -> int:
        """Return the size of a layer that the user gives none; `input_sizes` is known."""
        return self.input_size

    def output_size(self, name: str) -> int:
        """Return the number of features of the output `name`."""
        return self.size

    def has_time(self, name: str) -> bool:
        """Return whether the output `name` has a time axis, if the input has one."""
        return self.keeps_time

    def meet(self, before: list['Layer']) -> None:
        """Get to know the layers before it, which have their sizes and parameters."""

    def steps_after(self, steps: int) -> int:
        """Return how many time steps there are after it, if it starts a time axis of its own."""
        return steps

    @property
    def fixed_steps(self) -> int | None:
        """How many time steps it makes, or wants its inputs to have; None for any number."""
        return None

    @property
    def start_sources(self) -> dict[str, str]:
        """For each part of the state that another layer provides, the name of that output."""
        return {}

    def state_width(self, part: str) -> int:
        """Return the number of features of a part of the state."""
        return self.size

    def gates(self, name: str) -> dict[str, slice] | None:
        """Return the column block of each gate in parameter `name`, if it has gates."""
        return None

    def transform(self, *inputs: TensorVariable) -> dict[str, TensorVariable]:
        """Return the outputs by name; the main one is called ``'out'``.

        Parameters
        ----------
        *inputs : tensors of shape (T, B, I), or (B, I) in a network without time
            One for each layer that it reads.

        Returns
        -------
        outputs : dict of str to tensor of shape (T, B, size) or (B, size)
        """
        raise NotImplementedError(f'{type(self).__name__} must define transform(x)')

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Become part of a network: learn the sizes of the inputs, and make the parameters.

        Parameters
        ----------
        sources : dict of str to int
            Number of features of each output that is read, such as ``{'in:out': 3}``.
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
            given, self.size = self.size, self.own_size()
            if given not in (None, self.size):
                raise ConfigError(
                    f'layer {self.name!r} ({self.form}) has size {self.size}, from what it reads; '
                    f'got size={given}'
                )
        for name, shape in self.shapes().items():
            where, gates = f'{self.name}.{name}', self.gates(name)
            blocks = len(gates or (1,))
            start = self.short.start(
                where, name, self.start_of(name), shape, blocks, self.is_recurrent(name)
            )
            value = initial_value(where, start, shape, rng, gates).astype(dtype)
            self.params[name] = pytensor.shared(value, where, shape=shape)
        self.short.check_used(self.name, list(self.params))

    def is_recurrent(self, name: str) -> bool | None:
        """Return whether a parameter multiplies a state of as many units; None without states."""
        return None

    def _check_promised(self) -> None:
        """Compare the sizes of inputs, where the user gave them, with what they are."""
        for name, size in self.promised.items():
            full = name if ':' in name else f'{name}:out'
            if self.input_sizes.get(full, size) != size:
                raise ConfigError(
                    f'layer {self.name!r}: inputs has {name!r} of size {size}; its size is '
                    f'{self.input_sizes[full]}'
                )

    @property
    def children(self) -> tuple['Layer', ...]:
        """The layers that this one is made of."""
        return ()

    @property
    def input_size(self) -> int:
        """The number of features that it reads in all."""
        return sum(self.input_sizes.values())

    def to_spec(self) -> dict[str, Any]:
        """Return a dict from which an equal layer can be built."""
        spec = {'form': self.form, 'size': self.size, 'name': self.name}
        if self.inputs:
            spec['inputs'] = list(self.inputs)
        for key, value in self.given.items():
            spec[key] = plain(f'layer {self.name!r}: {key}', value)
        return spec

    def __repr__(self) -> str:
        return f'<{self.form} {self.name or "without a name"}: {self.size}>'


def check_size(where: str, size: Any) -> int:
    """Return `size` as an int, or raise a ConfigError."""
    if isinstance(size, bool | np.bool_) or not isinstance(size, int | np.integer) or size < 1:
        raise ConfigError(f'{where}: size is a whole number of at least 1; got {size!r}')
    return int(size)


def check_rate(where: str, rate: Any) -> float:
    """Return a probability below 1, or raise a ConfigError."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= rate < 1:
        raise ConfigError(f'{where} is a probability from 0 to below 1; got {rate!r}')
    return float(rate)


def check_inputs(form: str, inputs: Any) -> tuple[str, ...] | None:
    """Return the names of the outputs that a layer reads as a tuple, or raise a ConfigError."""
    names = (inputs,) if isinstance(inputs, str) else inputs
    if names is None:
        return None
    if (
        not isinstance(names, list | tuple)
        or not names
        or not all(isinstance(n, str) for n in names)
    ):
        raise ConfigError(
            f"layer {form!r}: inputs is a name such as 'hid1' or 'hid1:out', or a tuple of "
            f'names; got {inputs!r}'
        )
    return tuple(names)


def plain(where: str, value: Any) -> Any:
    """Return `value` as something that JSON can hold, or raise a ConfigError."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(where, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(where, item) for item in value]
    raise ConfigError(
        f'{where} is {value!r}, which cannot be written to a file; register it under a name, '
        f'for example with @rnnkit.activations.add(...), and use the name'
    )
