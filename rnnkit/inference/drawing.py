"""Drawing: numbers from the distributions that the outputs of a regressor stand for."""

from collections.abc import Sequence

import numpy as np

from rnnkit.common import output_names
from rnnkit.common.checks import generator, real, whole
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError, DataError
from rnnkit.graph import units
from rnnkit.graph.graph import Graph
from rnnkit.losses.base import name_of
from rnnkit.training.loss_term import LossTerm

WHERE = 'generate()'


class Drawing:
    """Draws targets, given the outputs that a loss reads at one time step.

    Parameters
    ----------
    graph : Graph
    term : LossTerm
        The first loss of a network, which draws.
    temperature : float
        At least 0; at 0 the prediction itself is returned, and nothing is drawn.
    rng : int or numpy.random.Generator, optional

    Attributes
    ----------
    outputs : tuple of str
        The outputs that are drawn from.

    Raises
    ------
    ConfigError
        If a value makes no sense.
    """

    def __init__(
        self,
        graph: Graph,
        term: LossTerm,
        temperature: float = 1.0,
        rng: int | np.random.Generator | None = None,
    ):
        self.temperature = real(f'{WHERE}: temperature', temperature, least=0)
        self.rng, self.loss = generator(rng), term.loss
        self.dtype, self._units = graph.dtype, None
        if self.temperature == 0:
            self.outputs: tuple[str, ...] = (term.predicted,)
            return
        self.outputs = term.outputs
        if graph.units is not None:  # options such as a variance belong to scaled targets
            self._units, kinds = graph.units.measured, graph.units.kinds
            self.outputs = tuple(
                output_names.join(output_names.layer_of(name), units.SCALED)
                if name in kinds
                else name
                for name in term.outputs
            )

    def __call__(self, outputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return a target for each prediction, of the shape (B, O) of the first output."""
        first = self.loss.central(outputs[0])
        if self.temperature == 0:
            return first
        values = tuple(output.astype('float64') for output in outputs)
        given = self.loss.split(values if len(values) > 1 else values[0])
        with np.errstate(over='ignore', invalid='ignore'):  # what is not finite is an error below
            drawn = self.loss.draw(self.rng, given, self.temperature)  # type: ignore[arg-type]
        self._check(drawn, first.shape)
        with np.errstate(over='ignore'):
            if self._units is not None:
                mean, deviation, _ = (p.get_value(borrow=True) for p in self._units.params)
                drawn = mean + deviation * drawn.astype('float64')
            drawn = np.ascontiguousarray(drawn, self.dtype)
        bad = drawn[~np.isfinite(drawn)]
        if bad.size:
            raise DataError(
                f'{WHERE}: loss {name_of(self.loss)!r} has drawn {bad[0]}; its distribution is too '
                f'wide for {self.dtype}'
            )
        return drawn

    def _check(self, drawn: object, shape: tuple[int, ...]) -> None:
        """Check what a loss, which may be the user's own, has returned."""
        where = f'{WHERE}: draw() of loss {name_of(self.loss)!r} must return an array'
        if not isinstance(drawn, np.ndarray) or drawn.dtype.kind not in 'biuf':
            raise ConfigError(f'{where} of numbers; got {brief(drawn)}')
        if drawn.shape != shape:
            raise ConfigError(
                f'{where} of shape {shape}, one number for each target; got {drawn.shape}'
            )


def nothing_to_draw(
    term: LossTerm, temperature: float | None, streams: int, rng: int | np.random.Generator | None
) -> None:
    """Check the options of a network whose loss does not draw.

    Raises
    ------
    ConfigError
        If one of them asks for draws, or makes no sense.
    """
    at = 0 if temperature is None else real(f'{WHERE}: temperature', temperature, least=0)
    asked = {
        'temperature': at > 0,
        'streams': whole(f'{WHERE}: streams', streams, 1) > 1,
        'rng': rng is not None,
    }
    if any(asked.values()):
        raise ConfigError(
            f'{WHERE}: loss {name_of(term.loss)!r} does not draw, so each output is the next input '
            f'as it is; leave out {", ".join(name for name, on in asked.items() if on)}. Losses '
            f"that draw: 'bce', 'gaussian', 'gll', 'poisson', 'student', 'quantile' with several "
            f'q, and your own with a method draw()'
        )
