"""One term of a network's criterion: a loss, what it compares, and its weight in the sum."""

from collections.abc import Mapping

from pytensor.compile.sharedvalue import SharedVariable

from rnnkit import losses
from rnnkit.common import output_names
from rnnkit.common.calls import checked_methods
from rnnkit.common.checks import flag, real, scalar
from rnnkit.common.registry import reject_unknown
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.losses import Loss
from rnnkit.losses.base import name_of

KEYWORDS = ('weight', 'output', 'target', 'weighted')


@checked_methods
class LossTerm:
    """One loss in a network.

    Parameters
    ----------
    loss : Loss
    weight : float
        Its factor in the sum of all losses.
    output : str, optional
        The output that is compared, if it is not the one that the loss compares by default.
    target : str, optional
        The array that it is compared with, if it is not the first target.
    weighted : bool, optional
        Whether its targets have sample weights; by default as for an earlier loss with the same
        target.

    Attributes
    ----------
    name : str
        The name by which it is reported.
    outputs : tuple of str
        The outputs that the loss reads, ``'hid1:out'``; the first has the shape of the target.
    """

    name: str
    outputs: tuple[str, ...]

    def __init__(
        self,
        loss: Loss,
        weight: float = 1.0,
        output: str | None = None,
        target: str | None = None,
        weighted: bool | None = None,
    ):
        self.loss, self.output, self.target, self.weighted = loss, output, target, weighted
        self._weight = real('the weight of a loss', weight, least=0)
        self.shared: SharedVariable | None = None  # the weight in a graph, once there is one

    @property
    def weight(self) -> float:
        """Its factor in the sum of all losses; changing it compiles nothing.

        Raises
        ------
        ConfigError
            If it is set to something else than a number of at least 0, or the loss is the only
            one: see `Network.set_loss`.
        """
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        real('the weight of a loss', value, least=0)
        if self.shared is None:
            raise ConfigError(
                'the weight of the only loss is fixed at 1; net.set_loss(..., weight=...) makes '
                'one whose weight can be changed'
            )
        self.shared.set_value(scalar('the weight of a loss', value, self.shared.dtype))
        self._weight = float(value)

    @property
    def layer(self) -> str:
        """The layer whose output is compared."""
        return output_names.layer_of(self.outputs[0])

    @property
    def predicted(self) -> str:
        """The output that scores compare with the target: after its activation."""
        layer, output = output_names.parts(self.outputs[0])
        reads_logits = output == self.loss.outputs[0] == output_names.PRE
        return output_names.join(layer) if reads_logits else self.outputs[0]

    def to_spec(self) -> dict[str, object]:
        """Return the keywords, as JSON values, that make an equal one."""
        return {'loss': self.loss.to_spec(), **{name: getattr(self, name) for name in KEYWORDS}}

    def __repr__(self) -> str:
        compared = ', '.join(self.outputs)
        return f'<{self.weight:g} {name_of(self.loss)} of {compared}>'


def read_loss_term(
    where: str, loss: str | Mapping[str, object] | Loss, keywords: Mapping[str, object]
) -> LossTerm:
    """Return the loss term that a call describes.

    Parameters
    ----------
    where : str
        The call, for messages.
    loss : str, dict or Loss
        As `rnnkit.losses.build` takes it; a dict may also contain `KEYWORDS`.
    keywords : mapping of str to object
        Values of `KEYWORDS`, None where they were not given, and options of the loss.

    Raises
    ------
    ConfigError
        If there is no such loss, or a keyword is unknown or makes no sense.
    """
    given = {name: value for name, value in keywords.items() if value is not None}
    if isinstance(loss, dict):
        if 'weight' in loss and isinstance(weight := given.get('weight'), float) and weight == 1:
            del given['weight']  # the default
        twice = [name for name in given if name in loss]
        if twice:
            raise ConfigError(f'{where}: {twice[0]} is given twice, in the dict and beside it')
        given |= {name: loss[name] for name in ('output_name', *KEYWORDS) if name in loss}
        loss = {name: value for name, value in loss.items() if name not in given}
    own = {name: given.pop(name) for name in KEYWORDS if name in given}
    form = loss.get('form') if isinstance(loss, dict) else loss
    if given and isinstance(form, str):
        reject_unknown(where, given, [*losses.losses[form].options, *KEYWORDS])
        loss = {**(loss if isinstance(loss, dict) else {'form': loss}), **given}
    elif given:
        raise ConfigError(
            f'{where}: {min(given)} is an option of a loss that is given by name; got {brief(loss)}'
        )
    built = losses.build(loss)
    _check(where, own)
    return LossTerm(built, **own)  # type: ignore[arg-type]


def _check(where: str, own: dict[str, object]) -> None:
    """Check the values of `KEYWORDS`."""
    real(f'{where}: weight', own.get('weight', 1.0), least=0)
    for name in ('output', 'target'):
        value = own.get(name, 'x')
        if not isinstance(value, str) or not value:
            what = "an output, such as 'hid1'" if name == 'output' else 'an array of each batch'
            raise ConfigError(f'{where}: {name} must be the name of {what}; got {brief(value)}')
    if 'weighted' in own:
        own['weighted'] = flag(f'{where}: weighted', own['weighted'])
