"""Scaling of inputs by their mean and deviation, which are measured in the training data."""

import numpy as np
from pytensor.tensor import TensorVariable
from pytensor.tensor.sharedvar import TensorSharedVariable

from rnnkit import kernels
from rnnkit.common.checks import flag
from rnnkit.common.output_names import layer_of
from rnnkit.errors import ConfigError
from rnnkit.layers import measured
from rnnkit.layers.base import Layer
from rnnkit.layers.input import Input
from rnnkit.layers.registry import layers


@layers.add('standardize', 'standardise')
class Standardize(Layer):
    r"""Standardized inputs, :math:`(x - m) / s`, by mean m and deviation s of each feature.

    It reads an input layer. The first training measures mean and deviation in its training data:
    over all real time steps, in float64, without the validation data. Padding does not count; a
    sequence counts as often as the largest weight of its targets says. The deviation is that of
    the population, and 1 for a constant feature. Later trainings keep both, as files do. Values
    that are missing (NaN) do not count, and stay NaN; x may have some where only layers that treat
    them, such as 'grud', read what is standardized.

    Training never changes them otherwise. ``net.set('hid1', 'mean', ...)`` sets them by hand, and
    the first training then keeps what was set; ``net.set('hid1', 'known', 0)`` lets the next
    training measure them again.

    Parameters
    ----------
    center : bool
        Whether the mean is subtracted. If not, m is 0.
    scale : bool
        Whether differences are divided by the deviation. If not, s is 1.

    Notes
    -----
    The parameters are ``mean (I,)`` and ``deviation (I,)``, at first 0 and 1, and ``known ()``,
    which is 1 once they are measured or set, else 0. Values given in the spec count as set.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> net = rnnkit.Regressor([1, 'standardize', ('rnn', 3), 1], seed=0)
    >>> x = np.arange(10.0).reshape(5, 2, 1)
    >>> _ = net.train([x, x], epochs=1)
    >>> net.find('hid1', 'mean').get_value(), net.find('hid1', 'deviation').get_value()
    (array([4.5], dtype=float32), array([2.8722813], dtype=float32))
    """

    sized = False
    belongs_to_input = True
    passes_missing = True
    measured = measured.NAMES
    options = {'center': True, 'scale': True}
    initial = {'mean': 0.0, 'deviation': 1.0, 'known': 0.0}

    def __init__(self, size=None, *, name=None, inputs=None, **options):
        where = f'layer {self.form!r}'
        if options.get('trainable'):
            raise ConfigError(
                f'{where}: training never changes mean and deviation; leave trainable out'
            )
        super().__init__(size, name=name, inputs=inputs, **{**options, 'trainable': False})
        self.center = flag(f'{where}: center', self.center)
        self.scale = flag(f'{where}: scale', self.scale)
        if not (self.center or self.scale):
            raise ConfigError(f'{where}: with center=False and scale=False it does nothing')
        needed = ['mean'] * self.center + ['deviation'] * self.scale
        given = [n for n in ('mean', 'deviation') if n in self.given]
        needless = [n for n in given if n not in needed]
        if needless:
            option = 'center' if needless[0] == 'mean' else 'scale'
            raise ConfigError(f'{where}: {needless[0]} has no effect with {option}=False')
        if given and given != needed:
            missing = next(n for n in needed if n not in given)
            raise ConfigError(
                f'{where}: {given[0]} is given without {missing}; give both, or let the first '
                f'training measure both'
            )
        self._set_by_user = bool(given)

    def start_of(self, name):
        return 1.0 if name == 'known' and self._set_by_user else super().start_of(name)

    def shapes(self):
        return {'mean': (self.size,), 'deviation': (self.size,), 'known': ()}

    def meet(self, before):
        self._inputs = [layer.name for layer in before if isinstance(layer, Input)]

    def bind(self, sources: dict[str, int], dtype: str, rng: np.random.Generator) -> None:
        """Check that the layer reads an input, and create the parameters."""
        others = [source for source in sources if layer_of(source) not in self._inputs]
        if others:
            raise ConfigError(
                f'layer {self.name!r} ({self.form}) reads {others[0]!r}; it must read an input '
                f"layer, whose data are known before training. 'layernorm' normalizes the outputs "
                f'of other layers'
            )
        super().bind(sources, dtype, rng)
        measured.Measured(self).check()

    def transform(self, x):
        return {'out': scaled(x, self.params['mean'], self.params['deviation'])}

    def to_spec(self) -> dict[str, object]:
        """Return a dict from which an equal layer can be built."""
        spec = super().to_spec()
        del spec['trainable']  # it never is
        return spec


def scaled(
    x: TensorVariable,
    mean: TensorSharedVariable,
    deviation: TensorSharedVariable,
    inverse: bool = False,
) -> TensorVariable:
    """Return ``(x - mean) / deviation``, or ``x * deviation + mean``, for each feature.

    The difference comes first: where x is large beside its deviation, it is exact.
    """
    fused = kernels.scaled(x, mean, deviation, inverse)
    if fused is not None:
        return fused
    return x * deviation + mean if inverse else (x - mean) / deviation
