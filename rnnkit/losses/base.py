"""The base class of losses: options, an error for each target, and their weighted mean."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor import TensorVariable

from rnnkit import activations, kernels
from rnnkit.common import reprs
from rnnkit.common.calls import Abstract, checked
from rnnkit.common.output_names import MAIN, join, parts
from rnnkit.common.registry import Registry, hint, reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError

Output = TensorVariable | tuple[TensorVariable, ...]
Values = np.ndarray | tuple[np.ndarray, ...]  # of outputs
Array = TypeVar('Array', TensorVariable, np.ndarray)
T = TypeVar('T')
VALUE, VARIANCE = 'value', 'variance'


class Loss(Abstract):
    """The mean of the errors of all targets.

    Subclass it, define `errors`, and register the class with ``@rnnkit.losses.add('name')``.

    Parameters
    ----------
    **options
        The options of the loss.

    Attributes
    ----------
    output : str
        The output of the last layer that is compared with the target, such as ``'pre'``, the
        logits.
    integer_targets : bool
        Whether targets are class labels, with one axis less than the output.
    binary : bool
        Whether each target is 0 or 1, and the output the probability of 1.
    activation : str or None
        The activation that the last layer must have, such as 'softmax', so that its output is
        what the loss assumes: probabilities, or rates. None for any activation.
    options : dict of str to object
        The options, with their defaults.
    kinds : tuple of str
        For each output that the loss reads, how it follows if targets are scaled: as 'value', or
        as 'variance'.
    of_batch : bool
        Whether it measures a batch as a whole, and is no mean over its examples.
    predicts : str
        The meaning of the output, if it is of another kind than the target, such as the mean of a
        distribution; else ''.
    n_parts : int
        The number of parts of the output's last axis, each as long as the target's: 3 if it has a
        location, a scale and a shape for each target. `errors` and `draw` then take a tuple of 3
        parts.

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
    binary: ClassVar[bool] = False
    activation: ClassVar[str | None] = None
    of_batch: ClassVar[bool] = False
    options: ClassVar[dict[str, object]] = {}
    predicts: ClassVar[str] = ''  # what the output is, if it is not like a target
    kinds: tuple[str, ...] = (VALUE,)
    n_parts: int = 1

    def __init__(self, **options: object):
        reject_unknown(self._where, options, self.options)
        for name, default in self.options.items():
            setattr(self, name, options.get(name, default))
        self.setup()

    @property
    def _where(self) -> str:
        return f'loss {name_of(self)!r}'

    def setup(self) -> None:
        """Check the options."""

    def __repr__(self) -> str:
        return reprs.call(self)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs that the loss reads: ``'out'`` of the last layer, or ``'hid1:out'``.

        The first one has the shape of the target.
        """
        return (self.output,)

    def names(self, layer: str, output: str | None = None) -> tuple[str, ...]:
        """Return the full names of the outputs that the loss reads in a network.

        Parameters
        ----------
        layer : str
            The last layer, whose output is compared by default.
        output : str, optional
            ``'hid1'``, or ``'hid1:out'``. If the loss requires an activation, both stand for the
            pre-activation, ``'hid1:pre'``.

        Raises
        ------
        ConfigError
            If the options of the loss determine the outputs already.
        """
        if output is None:
            return tuple(name if ':' in name else join(layer, name) for name in self.outputs)
        if len(self.outputs) > 1 or ':' in self.outputs[0]:
            raise ConfigError(
                f'{self._where}: its own options say that it reads '
                f'{", ".join(map(repr, self.outputs))}; leave output out'
            )
        owner, part = parts(output)
        default = output == owner or (self.activation is not None and part == MAIN)
        return (join(owner, self.outputs[0] if default else part),)

    def pick(self, outputs: Mapping[str, TensorVariable], names: Sequence[str]) -> Output:
        """Return the outputs that the loss reads: a tensor, or a tuple of several.

        Parameters
        ----------
        outputs : dict of str to tensor
            All outputs of a network, by full name, ``'hid1:out'``.
        names : sequence of str
            As returned by `names`.

        Raises
        ------
        ConfigError
            If there is no such output, or the outputs have different sizes.
        """
        missing = [name for name in names if name not in outputs]
        if missing:
            raise ConfigError(
                f'{self._where}: reads {missing[0]!r}, which does not exist in this network; '
                f'{hint(missing[0], outputs)}'
            )
        picked = tuple(outputs[name] for name in names)
        sizes = [output.type.shape[-1] for output in picked]
        if len(set(sizes)) > 1:
            listed = ', '.join(f'{n!r} has {k}' for n, k in zip(names, sizes, strict=True))
            raise ConfigError(f'{self._where}: its outputs must have the same size; {listed}')
        return picked if len(picked) > 1 else picked[0]

    def check_activation(self, form: str, activation: object, layer: str | None = None) -> None:
        """Raise a ConfigError unless a layer has the activation that the loss requires.

        Parameters
        ----------
        form : str
            The form of the layer.
        activation : str, callable or None
            The activation of the layer.
        layer : str, optional
            The name of the layer, if it is not the last one.
        """
        if self.activation is None:
            return
        required = activations.build(self.activation)
        ok = isinstance(activation, str) and activations.Chain(activation).steps == [(required, {})]
        if ok:
            return
        if layer is not None:
            raise ConfigError(
                f'{self._where} expects a layer with activation {self.activation!r}; layer '
                f'{layer!r} ({form}) has {repr(activation) if activation else "that of its form"}'
            )
        raise ConfigError(
            f'{self._where} expects a last layer with activation {self.activation!r}, which is the '
            f'default; got {brief(form)} with {activation!r}'
        )

    def split(self, output: Array | tuple[Array, ...]) -> Array | tuple[Array, ...]:
        """Return the parts of an output, a tensor or an array, each as long as the target.

        Without several parts, the output itself; so also if it is a tuple already.
        """
        if self.n_parts == 1 or isinstance(output, tuple):
            return output
        return tuple(self.part(output, k) for k in range(self.n_parts))

    def central(self, output: Array) -> Array:
        """Return the part of an output, a tensor or an array, that is compared with the target.

        Scores and metrics compare one number for each target; by default from the first part.
        """
        return self.part(output, 0)

    def of_central(self, metric: Callable[..., float]) -> Callable[..., float]:
        """Return a metric of target, output and weights that reads the central part."""
        return lambda target, output, weights: metric(target, self.central(output), weights)

    def part(self, output: Array, k: int) -> Array:
        """Return part k of an output, a tensor or an array."""
        if self.n_parts == 1:
            return output
        known = output.type.shape[-1] if isinstance(output, TensorVariable) else None
        size = (output.shape[-1] if known is None else known) // self.n_parts
        return output[..., k * size : (k + 1) * size]

    @abstractmethod
    def errors(self, output: Output, target: TensorVariable) -> TensorVariable:
        """Return one error for each element of `target`, or for each row along its last axis."""

    def mean(
        self, output: Output, target: TensorVariable, weights: TensorVariable | None = None
    ) -> tuple[TensorVariable, TensorVariable]:
        """Return the mean error, and the number (or total weight) of the targets.

        Parameters
        ----------
        output : tensor
        target : tensor
        weights : tensor of the shape of `target`, optional
            With weights w and errors e the mean is Σ w e / Σ w, and 0 where all w are 0.
            If there is one error per row, its weight is the mean weight of the row. Where a weight
            is 0, output and target may be anything, even NaN.
        """

        def plain(output, target, weights):
            output = self.split(output)
            errors = self.errors(output, target)
            if weights is not None:
                counts = counted(weights, errors.ndim)
                errors = self.errors(select(counts, output), select(counts, target))
            return weighted_mean(errors, weights)

        if isinstance(output, tuple):
            return plain(output, target, weights)
        fused = kernels.mean_error(self.errors, plain, output, target, weights, self.n_parts)
        return plain(output, target, weights) if fused is None else tuple(fused)

    def by_row(self, output: Output, target: TensorVariable) -> bool:
        """Return whether there is one error for each row of targets, along their last axis."""
        return self.errors(self.split(output), target).ndim < target.ndim

    def check_targets(self, where: str, array: np.ndarray) -> None:
        """Raise a DataError for invalid targets; `where` names the array.

        They are finite numbers of the right shape already.
        """

    @property
    def draws(self) -> bool:
        """Whether the outputs stand for a distribution, which `draw` samples."""
        return type(self).draw is not Loss.draw

    def draw(self, rng: np.random.Generator, output: Values, temperature: float) -> np.ndarray:
        r"""Return one random target for each prediction, in NumPy.

        A subclass defines it if its outputs stand for a distribution. `Regressor.generate` then
        calls it at each step, and what it returns is the next input.

        Parameters
        ----------
        rng : numpy.random.Generator
            The only source of randomness.
        output : array of float64 of shape (B, O), or a tuple of such arrays
            The output at one time step, as `errors` takes it: a tuple of several outputs, or of
            the parts of one. With ``scale_targets=True`` they are scaled, and the result must be,
            too.
        temperature : float
            Above 0. At 1 the density p of the targets is that of the loss; at T it is
            proportional to :math:`p^{1/T}`. Raise a ConfigError for others than 1 if there is no
            simple form.

        Returns
        -------
        drawn : array of shape (B, O)

        Raises
        ------
        ConfigError
            If the outputs stand for no distribution; or none at this temperature.
        """
        raise ConfigError(f'{self._where} does not draw: it defines no method draw()')

    def to_spec(self) -> str | dict[str, object]:
        """Return a spec from which `build` makes an equal loss: its name, or a JSON-like dict.

        Raises
        ------
        ConfigError
            If the class is not registered.
        """
        if not vars(type(self)).get('form'):  # an inherited form stands for the base class
            raise ConfigError(
                f'{self._where} cannot be written to a file; register the class under a name '
                f'with @rnnkit.losses.add(...)'
            )
        values = {name: getattr(self, name) for name in self.options}
        changed = {k: v for k, v in values.items() if v != self.options[k]}
        return {'form': self.form, **changed} if changed else self.form


@checked
def weighted_mean(
    values: TensorVariable, weights: TensorVariable | None
) -> tuple[TensorVariable, TensorVariable]:
    """Return the weighted mean of `values`, and their number or total weight.

    Weights with one axis more than `values` are averaged over their last axis. Values whose weight
    is 0 may be anything, even NaN.
    """
    if weights is None:
        return values.mean(), pt.cast(values.size, values.dtype)
    if weights.ndim > values.ndim:
        weights = weights.mean(axis=-1)
    total = weights.sum()
    # Not a product alone: 0 times infinity is NaN.
    summed = (weights * pt.switch(weights > 0, values, 0)).sum()
    # A batch may have no weight at all, and 0 / 0 would turn all parameters into NaN.
    return summed / pt.switch(pt.eq(total, 0), 1, total), total


def counted(weights: TensorVariable, ndim: int) -> TensorVariable:
    """Return which errors, an array of `ndim` axes, have a weight above 0."""
    return (weights > 0) if weights.ndim <= ndim else (weights > 0).any(axis=-1)


def select(counts: TensorVariable, values: Output) -> Output:
    """Return what is compared where it counts, and 0 elsewhere, for each tensor.

    A gradient through what does not count is then 0, and not 0 times infinity.
    """
    if isinstance(values, tuple):
        return tuple(select(counts, value) for value in values)
    if values.ndim > counts.ndim:
        counts = counts[..., None]
    return pt.switch(counts, values, np.zeros((), values.dtype))


def reject(where: str, array: np.ndarray, bad: np.ndarray, expected: str) -> None:
    """Raise a DataError that shows the first `bad` value of an array, if there is one."""
    if bad.any():
        raise DataError(f'{where} contains {array[bad][0]}; {expected}')


def only_at_1(where: str, temperature: float) -> None:
    """Raise a ConfigError for another temperature than 1; `where` names the loss."""
    if temperature != 1:
        raise ConfigError(
            f'generate(): {where} draws at temperature=1 only; 0 draws nothing, and feeds back '
            f'the mean or median; got {brief(temperature)}'
        )


def name_of(loss: Loss) -> str:
    """Return the name of a loss in messages and reports: its form, or the name of its class."""
    return loss.form or type(loss).__name__


class LossRegistry(Registry):
    """Losses by name; the first name of a loss is its form."""

    def add(self, *names: str, **unknown: object) -> Callable[[T], T]:
        """Return a decorator that registers a `Loss`."""
        register = super().add(*names, **unknown)

        def add_form(member: T) -> T:
            register(member).form = names[0]
            return member

        return add_form


losses = LossRegistry('loss', check=Loss)
add = losses.add


@checked
def build(spec: object) -> Loss:
    """Return the loss for a spec.

    Parameters
    ----------
    spec : str, dict or Loss
        A name, ``'huber'``; a dict, ``dict(form='huber', delta=0.5)``; or a loss, which is
        returned unchanged.

    Raises
    ------
    ConfigError
        If there is no such loss, or it has no such option.
    """
    if isinstance(spec, Loss):
        return spec
    options = {'form': spec} if isinstance(spec, str) and spec else spec
    if not isinstance(options, dict) or not isinstance(options.get('form'), str):
        raise ConfigError(
            f"a loss must be a name such as 'mse', a dict such as dict(form='huber', delta=0.5), "
            f'or a rnnkit.losses.Loss; got {brief(spec)}'
        )
    bad = [key for key in options if not isinstance(key, str)]
    if bad:
        raise ConfigError(f'the keys of a loss dict must be str; got {brief(bad[0])}')
    options = dict(options)
    form = options.pop('form')
    if 'self' in options:  # Python would take it for the loss
        reject_unknown(f'loss {form!r}', ['self'], losses[form].options)
    return losses[form](**options)
