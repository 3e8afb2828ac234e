"""Unsupervised pretraining: each hidden layer learns to reconstruct its input."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from rnnkit.common.output_names import layer_of
from rnnkit.data.border import describe
from rnnkit.data.datasets import wants_rng
from rnnkit.data.passes import is_iterable, listed
from rnnkit.data.ragged import is_ragged
from rnnkit.data.unpack import is_one_array
from rnnkit.errors import ConfigError, DataError
from rnnkit.layers import Dense, Embedding, Input, Layer
from rnnkit.models.network import Network
from rnnkit.models.regressor import Regressor
from rnnkit.pretraining.growing import has_weights
from rnnkit.pretraining.settings import Settings
from rnnkit.pretraining.stages import Stage, Staged, like
from rnnkit.training.ways import ways

REFUSED = ('carry_state', 'bptt_steps', 'class_weight')


@ways.add('pretrain', 'unsupervised')
def pretrain(
    where: str, net: Network, train: object, valid: object, given: Mapping[str, object]
) -> Staged:
    """Return a trainer that trains each hidden layer as the encoder of an autoencoder.

    In the stage of a layer, a linear decoder reconstructs the layer's input from its output, with
    the mean squared error as the loss. The input is the output of the layers below, which have
    been trained in earlier stages.

    Parameters
    ----------
    where : str
        The call, for messages.
    net : Network
    train, valid
        Data as in `Network.train`, or only the inputs; targets are not used.
    given : dict
        ``subalgo``, and keywords for each stage.

    Raises
    ------
    ConfigError
        If there is no layer to train, or the input of one cannot be reconstructed.

    References
    ----------
    Hinton & Salakhutdinov 2006, Science 313; Bengio, Lamblin, Popovici & Larochelle 2007,
    NeurIPS 19. With noise at the input: Vincent et al. 2010, Journal of Machine Learning
    Research 11.
    """
    settings = Settings(where, net, 'pretrain', given, REFUSED)
    hidden = [x for x in net.layers[1:-1] if has_weights(x) and not isinstance(x, Embedding)]
    if not hidden:
        raise ConfigError(
            f"{where}: algo 'pretrain' trains hidden layers with weights that read numbers, and "
            f'this network has none'
        )
    stages = []
    for number, layer in enumerate(hidden):
        try:
            stages.append(_stage(net, layer, settings.seed(number), settings.batch_size))
        except ConfigError as error:
            raise ConfigError(f"{where}: algo 'pretrain', layer {layer.name!r}: {error}") from error
    return Staged(settings, net, stages, train, valid)


def _stage(net: Network, layer: Layer, seed: int, batch_size: int) -> Stage:
    """Return the stage of one layer."""
    graph = net._graph
    source, *others = graph.plan.sources[layer.name]
    if others:
        raise ConfigError(f'it reads several layers, {source} and {", ".join(others)}')
    clock = graph.plan.clock_of(source, graph.by_name)
    if not layer.keeps_time or layer.starts_time:
        raise ConfigError(
            f'its output has other time steps than its input, which it must reconstruct '
            f'({layer.form})'
        )
    # A state that other layers provide starts at 0 here.
    starts = [f'{layer.start_part(part)}_0' for part in layer.start_sources]
    last = net.layers[-1].name
    width = layer.input_sizes[source]
    mask = graph.masks.get(clock or '')
    stage = Regressor(
        [
            Input(width, name=layer_of(source), ndim=2 if clock is None else 3),
            like(layer, starts, inputs=None),
            Dense(width, name=last),
        ],
        masked=mask is not None,
        dtype=net.dtype,
        seed=seed,
        kernel=net._kernel,
    )
    own = stage.layers[1].params
    pairs = [(own[name], p) for name, p in layer.params.items() if name in own]
    return Stage(layer.name, stage, pairs, Below(net, source, clock, batch_size))


class Each:
    """The batches of an iterable, each converted; every pass over it is one over the iterable."""

    def __init__(self, batches: Iterable[object], convert: Callable[[object], object]):
        self.batches, self.convert = batches, convert

    def __iter__(self) -> Iterator[object]:
        return map(self.convert, self.batches)


class Below:
    """Computes the data of a stage: the input of a layer, which is also the target, and its mask.

    Parameters
    ----------
    net : Network
    source : str
        The output that the layer reads.
    clock : str or None
        The layer whose time axis the output has.
    batch_size : int
        The number of examples to compute at a time.
    """

    def __init__(self, net: Network, source: str, clock: str | None, batch_size: int):
        self.net, self.source, self.clock = net, source, clock
        self.batch_size = batch_size
        self.masks = [k for k, name in enumerate(net._graph.masks) if name == clock]
        self.border = net._border

    def __call__(self, data: object, where: str) -> object:
        """Return the data of the stage: arrays, or a callable or an iterable that makes them.

        Parameters
        ----------
        data : array, list, dict, callable or iterable
            Data of the whole network, with or without targets.
        where : str
            A description of the data, for messages.
        """
        if isinstance(data, Iterator):
            return (self._batch(listed(batch), f'a batch of {where}') for batch in data)
        if is_iterable(data):
            return Each(data, lambda batch: self._batch(listed(batch), f'a batch of {where}'))
        if not callable(data):
            return self._batch(data, where)
        self.net._scales.check_known("algo 'pretrain' with a callable as data")
        what = f'the batch returned by the {where} callable'

        def drawn() -> list[np.ndarray]:
            return self._batch(data(), what)

        def drawn_by(rng: np.random.Generator) -> list[np.ndarray]:
            return self._batch(data(rng), what)

        return drawn_by if wants_rng(data, where) else drawn

    def _batch(self, data: object, where: str) -> list[np.ndarray]:
        x, mask = self._inputs(data, where)
        arrays, _ = self.border.read_inputs(x, where, mask)
        if where == 'train':
            self.net._scales.measure_inputs(arrays)
        n = len(self.border.inputs)
        names = [x.name for x in self.net.inputs]
        layer = layer_of(self.source)
        h = arrays[names.index(layer)] if layer in names else self._computed(arrays)
        return [h, h, *(arrays[n + k] for k in self.masks)]

    def _computed(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Return the input of the layer, computed for a few examples at a time."""
        axes = [field.batch_axis for field in [*self.border.inputs, *self.border.masks]]
        function = self.net._inference.function(
            f'the output {self.source}', [self.net.outputs[self.source]]
        )
        parts = []
        for start in range(0, arrays[0].shape[axes[0]], self.batch_size):
            few = [
                array[(slice(None),) * axis + (slice(start, start + self.batch_size),)]
                for array, axis in zip(arrays, axes, strict=True)
            ]
            parts += function(*map(np.ascontiguousarray, few))
        return np.concatenate(parts, axis=0 if self.clock is None else 1)

    def _inputs(self, data: object, where: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the inputs and masks of data that may contain targets and weights, too."""
        fields, masks = self.border.inputs, [field.name for field in self.border.masks]
        names = [field.name for field in fields]
        if isinstance(data, dict):
            unknown = set(data) - {field.name for field in self.border.fields}
            if unknown or not set(names) <= set(data):
                raise DataError(
                    f'{where}: expects {{{", ".join(names)}}}; got a dict of '
                    f'{sorted(map(str, data))}'
                )
            return self._pair(data)
        if not isinstance(data, list | tuple) or (
            len(names) == 1 and is_one_array(data, fields[0], bool(masks))
        ):
            self._check_unambiguous(data, where)
            return self._pair({names[0]: data} if len(names) == 1 else self._wrong(data, where))
        full = [field.name for field in self.border.fields]
        forms = [full, full[: len(full) - len(masks)], names]
        # Ragged sequences come without a mask, so that the array after them is a target.
        if not (masks and data and is_ragged(data[0], fields[0].ndim - 1)):
            forms.insert(1, [*names, *masks])
        for form in forms:
            if len(form) == len(data):
                return self._pair(dict(zip(form, data, strict=True)))
        return self._wrong(data, where)

    def _check_unambiguous(self, data: object, where: str) -> None:
        """Raise a DataError if a list may be of sequences, or of one series and its targets."""
        n = len(self.border.fields) - len(self.border.masks)
        if not isinstance(data, list | tuple) or len(data) != n or n == 1:
            return
        if len({getattr(one, 'shape', k) for k, one in enumerate(data)}) == 1:
            every = ', '.join(field.name for field in self.border.fields[:n])
            raise DataError(
                f'{where}: a list of {n} arrays of one shape, {data[0].shape}, may be {n} '
                f'sequences, or [{every}] of one series; write [[...]] around the sequences, or '
                f'give the arrays their axis for several series'
            )

    def _pair(self, arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
        x = {field.name: arrays[field.name] for field in self.border.inputs}
        mask = {
            field.name: arrays[field.name]
            for field in self.border.masks
            if arrays.get(field.name) is not None
        }
        return x, mask or None

    def _wrong(self, data: object, where: str) -> NoReturn:
        names = ', '.join(field.name for field in self.border.inputs)
        every = ', '.join(field.name for field in self.border.fields)
        if isinstance(data, list | tuple):
            got = f'{len(data)} of them: [{", ".join(map(describe, data))}]'
        else:
            got = describe(data)
        raise DataError(f'{where}: expects arrays [{names}] or [{every}]; got {got}')
