"""What every loss is: options, an error for each target, and a weighted mean of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.common.registry import Registry, hint, reject_unknown
from rnnkit.errors import ConfigError, DataError

Output = TensorVariable | tuple[TensorVariable, ...]


class Loss(ABC):
    """A mean over errors, one for each target.

    Derive from it, define `errors`, and register the class with
    ``@rnnkit.losses.add('name')``.

    Parameters
    ----------
    **options
        The options of the loss.

    Attributes
    ----------
    output : str
        The output of the last layer that is compared with the target.
    integer_targets : bool
        Whether targets are class numbers, with one axis less than the output.
    activation : str or None
        The activation that the last layer must have, so that its output is what the loss
        takes it for: probabilities, or rates. None if any will do.
    options : dict of str to object
        The options that there are, with their defaults.

    Examples
    --------
    >>> class Power(Loss):
    ...     options = {'p': 4}
    ...     def errors(self, output, target):
    ...         return abs(output - target) ** self.p
    >>> Power(p=3).p
    3
    """

    form: ClassVar[str] = ''
    output: ClassVar[str] = 'out'
    integer_targets: ClassVar[bool] = False
    activation: ClassVar[str | None] = None
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self, **options: Any):
        reject_unknown(self._where, options, self.options)
        for name, default in self.options.items():
            setattr(self, name, options.get(name, default))
        self.setup()

    @property
    def _where(self) -> str:
        return f'loss {self.form or type(self).__name__!r}'

    def setup(self) -> None:  # noqa: B027 - most losses have nothing to check
        """Check the options."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that it reads: ``'out'`` of the last layer, or ``'hid1:out'``.

        The first is the one that has the shape of the target.
        """
        return (self.output,)

    def names(self, layer: str, output: str | None = None) -> tuple[str, ...]:
        """Return the full names of the outputs that it reads, in a network.

        Parameters
        ----------
        layer : str
            The last layer, which is compared unless something else is said.
        output : str, optional
            ``'hid1'``, or ``'hid1:out'``. If the loss wants an activation, both mean that its
            argument is read, ``'hid1:pre'``.

        Raises
        ------
        ConfigError
            If it is not free which outputs it reads.
        """
        if output is None:
            return tuple(name if ':' in name else f'{layer}:{name}' for name in self.outputs)
        if len(self.outputs) > 1 or ':' in self.outputs[0]:
            raise ConfigError(
                f'{self._where}: its own options say that it reads '
                f'{", ".join(map(repr, self.outputs))}; leave output out'
            )
        owner, colon, what = output.partition(':')
        same = not colon or (self.activation and what == 'out')
        return (f'{owner}:{self.outputs[0] if same else what}',)

    def pick(self, outputs: Mapping[str, TensorVariable], names: Sequence[str]) -> Output:
        """Return what it reads: a tensor, or a tuple if it reads several.

        Parameters
        ----------
        outputs : dict of str to tensor
            Every output of every layer of a network, named ``'hid1:out'``.
        names : sequence of str
            What `names` returned.

        Raises
        ------
        ConfigError
            If there is no such output, or two that should be of one size are not.
        """
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ConfigError(
                f'{self._where}: reads {missing[0]!r}, which this network has not; '
                f'{hint(missing[0], outputs)}'
            )
        found = tuple(outputs[name] for name in names)
        sizes = [one.type.shape[-1] for one in found]
        if len(set(sizes)) > 1:
            shown = ', '.join(f'{n!r} has {k}' for n, k in zip(names, sizes, strict=True))
            raise ConfigError(f'{self._where}: reads outputs of one size; {shown}')
        return found if len(found) > 1 else found[0]

    def check_activation(self, form: str, given: Any, layer: str | None = None) -> None:
        """Raise a ConfigError unless a layer of this form has an activation that fits.

        Parameters
        ----------
        form : str
        given : str, callable or None
            The activation.
        layer : str, optional
            The name of the layer, if it is not the last one.
        """
        if self.activation is None:
            return
        wanted = activations.build(self.activation)
        if not isinstance(given, str) or activations.Chain(given).steps != [(wanted, {})]:
            if layer is not None:
                raise ConfigError(
                    f'{self._where} wants a layer with activation {self.activation!r}; layer '
                    f'{layer!r} ({form}) has {repr(given) if given else "that of its form"}'
                )
            raise ConfigError(
                f'{self._where} wants a last layer with activation {self.activation!r}, which is '
                f'there if nothing is said; got {form!r} with {given!r}'
            )

    @abstractmethod
    def errors(self, output: Output, target: TensorVariable) -> TensorVariable:
        """Return one error for each element of `target`, or for each row: its last axis."""

    def mean(
        self, output: Output, target: TensorVariable, weights: TensorVariable | None = None
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return the mean error, and the number (or weight) of targets that it is a mean over.

        Parameters
        ----------
        output : tensor
        target : tensor
        weights : tensor of the shape of `target`, optional
            With weights w and errors e the mean is Σ w e / Σ w, and 0 where all w are 0.
            Where there is one error for a row, its weight is the mean weight of the row.
        """

        def plain(output, target, weights):
            return weighted_mean(self.errors(output, target), weights)

        if isinstance(output, tuple):
            return plain(output, target, weights)
        fused = kernels.mean_error(self.errors, plain, output, target, weights)
        return plain(output, target, weights) if fused is None else tuple(fused)

    def check_targets(self, where: str, array: np.ndarray) -> None:  # noqa: B027 - likewise
        """Raise a DataError for targets that make no sense; `where` names the array.

        They have been checked to be finite numbers of the right shape.
        """

    def to_spec(self) -> str | dict[str, Any]:
        """Return what `build` makes an equal loss from: its name, or a dict fit for JSON.

        Raises
        ------
        ConfigError
            If it is of a class that has not been registered.
        """
        if not vars(type(self)).get('form'):  # that of a base class is another loss
            raise ConfigError(
                f'{self._where} cannot be written to a file; register the class under a name '
                f'with @rnnkit.losses.add(...)'
            )
        given = {name: getattr(self, name) for name in self.options}
        changed = {k: v for k, v in given.items() if v != self.options[k]}
        return {'form': self.form, **changed} if changed else self.form

    def _number(self, name: str, least: float, most: float = np.inf) -> None:
        """Turn an option into a float; raise a ConfigError unless it is in (least, most)."""
        value = getattr(self, name)
        ok = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if not ok or not least < value < most:
            limit = f'above {least}' if most == np.inf else f'between {least} and {most}'
            raise ConfigError(f'{self._where}: {name} is a number {limit}; got {value!r}')
        setattr(self, name, float(value))


def weighted_mean(
    values: TensorVariable, weights: TensorVariable | None
) -> tuple[TensorVariable, TensorVariable]:
    """Return the mean of `values`, and the number or total weight that it is a mean over.

    Weights of one axis more than `values` are averaged over their last one.
    """
    if weights is None:
        return values.mean(), pt.cast(values.size, values.dtype)
    if weights.ndim > values.ndim:
        weights = weights.mean(axis=-1)
    total = weights.sum()
    return (weights * values).sum() / pt.switch(pt.eq(total, 0), 1, total), total


def reject(where: str, array: np.ndarray, bad: np.ndarray, wanted: str) -> None:
    """Raise a DataError that shows the first value of `array` that is `bad`, if there is one."""
    if bad.any():
        raise DataError(f'{where} contains {array[bad][0]}; {wanted}')


class LossRegistry(Registry):
    """Losses by name; the first name of each is its form."""

    def add(self, *names: str) -> Callable[[Any], Any]:
        """Return a decorator that registers a `Loss`."""
        register = super().add(*names)

        def add_form(member: type) -> type:
            register(member).form = names[0]
            return member

        return add_form


losses = LossRegistry('loss', check=Loss)
add = losses.add


def build(spec: Any) -> Loss:
    """Return the loss that is meant by a name, a dict or a loss.

    Parameters
    ----------
    spec : str, dict or Loss
        ``'huber'``; ``dict(form='huber', delta=0.5)``; or a loss, which is returned as it is.

    Raises
    ------
    ConfigError
        If there is no such loss, or it has no such option.
    """
    if isinstance(spec, Loss):
        return spec
    given = spec
    if isinstance(spec, str) and spec:
        given = {'form': spec}
    if not isinstance(given, dict) or not isinstance(given.get('form'), str):
        raise ConfigError(
            f"a loss is a name such as 'mse', a dict such as dict(form='huber', delta=0.5), or a "
            f'rnnkit.losses.Loss; got {spec!r}'
        )
    bad = [key for key in given if not isinstance(key, str)]
    if bad:
        raise ConfigError(f'the keys of a loss are words; got {bad[0]!r}')
    options = dict(given)
    return losses[options.pop('form')](**options)
