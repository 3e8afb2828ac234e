"""One loss of a network: what it compares with which array of a batch, and how much it counts."""

from numbers import Real
from typing import Any

import numpy as np

from rnnkit import losses
from rnnkit.common.registry import reject_unknown
from rnnkit.errors import ConfigError
from rnnkit.losses import Loss
from rnnkit.training.options import number

WORDS = ('weight', 'output', 'target', 'weighted')


class Goal:
    """One loss in a network.

    Parameters
    ----------
    loss : Loss
    weight : float
    output : str, optional
        What is compared, if it is not what the loss compares by default.
    target : str, optional
        The array that it is compared with, if it is not the first target.
    weighted : bool, optional
        Whether there are weights of targets; by default what the loss before it for the same
        target has.

    Attributes
    ----------
    name : str
        What it is reported as.
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
        self._weight = float(weight)
        self.shared: Any = None  # its weight in a graph, once it has a place there

    @property
    def weight(self) -> float:
        """How much it counts; a change compiles nothing anew.

        Raises
        ------
        ConfigError
            If it is set to what is no number of at least 0, or is the only loss: see `set_loss`.
        """
        return self._weight

    @weight.setter
    def weight(self, value: float) -> None:
        number('the weight of a loss', value, Real, 0)
        if self.shared is None:
            raise ConfigError(
                'the weight of an only loss is 1 and stays so; net.set_loss(..., weight=...) '
                'makes one that has a weight'
            )
        self._weight = float(value)
        self.shared.set_value(np.asarray(value, self.shared.dtype))

    @property
    def layer(self) -> str:
        """The layer that is compared."""
        return self.outputs[0].partition(':')[0]

    @property
    def predicted(self) -> str:
        """The output that scores compare with the target."""
        argument = self.outputs[0].endswith(':pre') and self.loss.outputs[0] == 'pre'
        return f'{self.layer}:out' if argument else self.outputs[0]

    def to_spec(self) -> dict[str, Any]:
        """Return the keywords, fit for JSON, that make an equal one."""
        return {'loss': self.loss.to_spec(), **{word: getattr(self, word) for word in WORDS}}

    def __repr__(self) -> str:
        compared = ', '.join(self.outputs)
        return f'<{self.weight:g} {self.loss.form or type(self.loss).__name__} of {compared}>'


def read_goal(where: str, loss: Any, given: dict[str, Any]) -> Goal:
    """Return the goal that a call asks for.

    Parameters
    ----------
    where : str
    loss : str, dict or Loss
        As `rnnkit.losses.build` takes it; a dict may have `WORDS` in it.
    given : dict
        Of `WORDS`, where they are not None, and of options of the loss.

    Raises
    ------
    ConfigError
    """
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(loss, dict):
        if 'weight' in loss and isinstance(weight := given.get('weight'), float) and weight == 1:
            del given['weight']  # the default
        twice = [word for word in given if word in loss]
        if twice:
            raise ConfigError(f'{where}: {twice[0]} is there twice, in the dict and beside it')
        given |= {word: loss[word] for word in ('output_name', *WORDS) if word in loss}
        loss = {word: value for word, value in loss.items() if word not in given}
    words = {word: given.pop(word) for word in WORDS if word in given}
    form = loss.get('form') if isinstance(loss, dict) else loss
    if given and isinstance(form, str):
        reject_unknown(where, given, [*losses.losses[form].options, *WORDS])
        loss = {**(loss if isinstance(loss, dict) else {'form': loss}), **given}
    elif given:
        raise ConfigError(
            f'{where}: {min(given)} is an option of a loss that is given by its name; got {loss!r}'
        )
    loss = losses.build(loss)
    number(f'{where}: weight', words.get('weight', 1.0), Real, 0)
    for word in ('output', 'target'):
        value = words.get(word, 'x')
        if not isinstance(value, str) or not value:
            what = "an output, such as 'hid1'" if word == 'output' else 'an array of each batch'
            raise ConfigError(f'{where}: {word} is the name of {what}; got {value!r}')
    if not isinstance(words.get('weighted', True), bool | np.bool_):
        raise ConfigError(f'{where}: weighted is True or False; got {words["weighted"]!r}')
    if 'weighted' in words:
        words['weighted'] = bool(words['weighted'])
    return Goal(loss, **words)
