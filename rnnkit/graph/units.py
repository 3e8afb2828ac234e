"""The units of a network's first target: losses compare scaled numbers, and users get their own."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytensor
from pytensor.tensor import TensorVariable

from rnnkit.common.output_names import MAIN, join, layer_of
from rnnkit.errors import ConfigError
from rnnkit.initializers import initial_value
from rnnkit.layers import Layer
from rnnkit.layers.measured import NAMES, Measured
from rnnkit.layers.standardize import scaled
from rnnkit.losses import Loss
from rnnkit.losses.base import VALUE, VARIANCE, name_of

PREFIX = 'target_'
SCALED = 'scaled'  # the output that losses compare, beside the main one in the user's units
WHERE = 'scale_targets=True'
Outputs = Mapping[str, TensorVariable]


def kinds_of(loss: Loss, names: Sequence[str]) -> dict[str, str]:
    """Return how each output that a loss reads follows the scale of its targets.

    Parameters
    ----------
    loss : Loss
    names : sequence of str
        The outputs.

    Raises
    ------
    ConfigError
        If targets of this loss cannot be scaled.
    """
    if loss.activation is not None:
        what = {'exp': 'counts', 'sigmoid': 'probabilities'}.get(loss.activation, 'distributions')
        raise ConfigError(
            f'{WHERE}: targets of loss {name_of(loss)!r} are {what}, which would make no sense '
            f'when they are scaled; leave it out'
        )
    if loss.n_parts > 1:
        raise ConfigError(
            f'{WHERE}: the output that loss {name_of(loss)!r} reads has {loss.n_parts} numbers for '
            f'each target, which cannot be scaled; scale the targets before, and leave it out'
        )
    if len(names) != len(loss.kinds):
        raise ConfigError(
            f'{WHERE}: loss {name_of(loss)!r} reads {len(names)} outputs; its attribute kinds must '
            f'say for each of them whether it is a {VALUE!r} or a {VARIANCE!r}; got {loss.kinds!r}'
        )
    return dict(zip(names, loss.kinds, strict=True))


class Units:
    """Mean and deviation of the first target, and the outputs that are in its units.

    Parameters
    ----------
    last : Layer
        The last layer. It gets the measured parameters.
    kinds : dict of str to str
        For each output that is in the units of the target, whether it is a value or a variance.
    sources : iterable of sequence of str
        The outputs that layers read.
    dtype : str
    rng : numpy.random.Generator

    Raises
    ------
    ConfigError
        If another layer reads one of these outputs, or the first is not that of the last layer.
    """

    def __init__(
        self,
        last: Layer,
        kinds: dict[str, str],
        sources: Mapping[str, Sequence[str]],
        dtype: str,
        rng: np.random.Generator,
    ):
        self.kinds = kinds
        first = next(iter(kinds))
        if first != join(last.name):
            raise ConfigError(
                f'{WHERE}: the loss must compare the output of the last layer, {join(last.name)!r};'
                f' it compares {first!r}'
            )
        for reader, read in sources.items():
            for name in kinds:
                if name in read:
                    raise ConfigError(
                        f'{WHERE}: {name!r} is in the units of the target, so no other layer can '
                        f'read it; layer {reader!r} does'
                    )
        size = last.output_size(MAIN)
        for name, start, shape in zip(NAMES, (0.0, 1.0, 0.0), ((size,), (size,), ()), strict=True):
            own = f'{PREFIX}{name}'
            value = initial_value(f'{last.name}.{own}', start, shape, rng).astype(dtype)
            last.params[own] = pytensor.shared(value, f'{last.name}.{own}', shape=shape)
        last.measured = (*last.measured, *(f'{PREFIX}{name}' for name in NAMES))
        self.measured = Measured(last, PREFIX)
        self.measured.check()

    def outputs(self, outputs: Outputs, known: Outputs) -> dict[str, TensorVariable]:
        """Return outputs in the units of the target, and beside them the scaled ones.

        Parameters
        ----------
        outputs : dict of str to tensor
        known : dict of str to tensor
            Those that are in these units already.
        """
        result = dict(outputs)
        for name, kind in self.kinds.items():
            if name in outputs and name not in known:
                result[name] = self._in_units(outputs[name], kind)
                result[join(layer_of(name), SCALED)] = outputs[name]
        return result

    def _in_units(self, output: TensorVariable, kind: str) -> TensorVariable:
        mean, deviation, _ = self.measured.params
        if kind == VARIANCE:
            return output * deviation * deviation
        return scaled(output, mean, deviation, inverse=True)

    def of_loss(self, outputs: Outputs, names: Sequence[str]) -> tuple[Outputs, Outputs]:
        """Return what a loss of the first target reads, in its units and scaled.

        Other outputs than those of `kinds`, such as hidden ones, are taken for scaled values.
        """
        ours, theirs = dict(outputs), dict(outputs)
        for name in names:
            if name in self.kinds:
                theirs[name] = outputs[join(layer_of(name), SCALED)]
            else:
                ours[name] = self._in_units(outputs[name], VALUE)
        return ours, theirs

    def scaled_target(self, target: TensorVariable) -> TensorVariable:
        """Return the target in deviations from its mean."""
        mean, deviation, _ = self.measured.params
        return scaled(target, mean, deviation)

    def check(self, loss: Loss, names: Sequence[str], is_first: bool) -> None:
        """Check a loss that compares outputs with the first target.

        Raises
        ------
        ConfigError
            If the network was not made for it.
        """
        for k, (name, kind) in enumerate(kinds_of(loss, names).items()):
            fits = self.kinds.get(name) == kind
            if not fits and (kind == VARIANCE or name in self.kinds or (is_first and k == 0)):
                raise ConfigError(
                    f'{WHERE}: loss {name_of(loss)!r} reads {name!r}, which is '
                    f'not in the units of the target; make a network with this loss: '
                    f'loss={loss.form!r}'
                )
