"""Weights of Keras 3: models and lists of arrays that come in as networks, and go out from them.

The order of gates and the place of biases are those of `rnnkit.integrations.gates`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnkit.common.calls import checked
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.integrations import keras_file, keras_layers, weight_files
from rnnkit.integrations import parts as all_parts
from rnnkit.integrations.gates import ORDERS, joined_biases, parted_biases, reordered
from rnnkit.integrations.keras_chain import WHERE
from rnnkit.integrations.keras_layers import CELLS, Source
from rnnkit.integrations.parts import Part, check_options, plain_option
from rnnkit.layers import Bidirectional, Dense, Embedding, Layer, LayerNorm, Standardize
from rnnkit.layers.recurrent import Recurrent
from rnnkit.layers.registry import layers as registry
from rnnkit.training.protocols import PathOrFile

if TYPE_CHECKING:
    from rnnkit.models.network import LayerSpec, Network

KINDS = {ours: theirs for theirs, ours in CELLS.items()}
GROUPS = {'rnn': 'simple_rnn', 'lstm': 'lstm', 'gru': 'gru', 'bidirectional': 'bidirectional'}
GROUPS |= {'feedforward': 'dense', 'embedding': 'embedding'}
GROUPS |= {'layernorm': 'layer_normalization', 'standardize': 'normalization'}
# Where the variables are in a group.
ENDS = ('', '/cell', '/forward_layer/cell', '/backward_layer/cell')
LEAST = 1e-7  # that a deviation has in Keras

Arrays = Sequence[np.ndarray]


# It returns Any, as `load` does.
@checked
def from_keras(
    source: Sequence[np.ndarray] | PathOrFile,
    layers: 'Sequence[LayerSpec] | None' = None,
    *,
    model: 'type[Network] | str | None' = None,
    **network: Any,
) -> Any:
    """Build a network from a model of Keras 3, or from its weights. Keras is not needed.

    A file ``.keras`` describes its layers: ``Embedding``, ``Masking``, ``SimpleRNN``, ``LSTM``,
    ``GRU``, ``Bidirectional``, ``Dense``, ``TimeDistributed`` around one, ``Activation`` and
    ``LeakyReLU`` after one, ``Dropout``, ``LayerNormalization``, ``Normalization``,
    ``GlobalAveragePooling1D``, ``GlobalMaxPooling1D``, ``RepeatVector`` and ``Flatten``, in a
    Sequential model or a functional one that is a chain. They keep their names. A layer without
    ``return_sequences`` has ``'last'`` after it.

    Parameters
    ----------
    source : path, file object or list of arrays
        A file ``.keras`` or ``.weights.h5``, which need h5py; or ``model.get_weights()``. It is
        safe to read an untrusted file: no code in it is run.
    layers : list, optional
        The layers of the network, as for `rnnkit.Regressor`. Those with parameters take the
        weights in turn. Weights alone need it.
    model : class or str, optional
        The class of the network. By default `rnnkit.Classifier` if the last layer is a softmax,
        else `rnnkit.Regressor`.
    **network
        Keywords of the network. ``layout`` is by default ``'batch'``, as in Keras; ``masked`` is
        True if a layer of the file makes a mask, and sequences are then lists, or come with
        ``mask=``. The dtype is by default float64 if any weight is, else float32.

    Returns
    -------
    net : Network

    Raises
    ------
    ConfigError
        If a layer or an option has no counterpart, ``layers`` is missing, or has others than those
        in the weights.
    ShapeError, DataError
        If an array has another shape than its layer needs, or is no array of finite numbers.
    FormatError
        If a file is damaged, or of Keras 2.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> weights = [np.ones((3, 6)), np.ones((2, 6)), np.ones((2, 6)), np.ones((2, 1)), [0]]
    >>> rnnkit.from_keras(weights, [3, ('gru', 2), 1])  # model.get_weights()
    <Regressor: in (input 3) > hid1 (gru 2) > out (feedforward 1); 41 parameters, float64>
    """
    network.setdefault('layout', 'batch')
    found = keras_file.KerasFile(None, {})
    if isinstance(source, list | tuple):
        arrays = [weight_files.array_of(WHERE, f'array {k}', a) for k, a in enumerate(source)]
    elif callable(getattr(source, 'get_weights', None)):
        raise ConfigError(
            f'{WHERE}: expects a file or arrays; write model.save(path), and from_keras(path)'
        )
    else:
        file, name, size = weight_files.opened(f'{WHERE}: source', source)
        with file:
            found = keras_file.read(WHERE, file, name, size)
        arrays = [array for group in found.arrays.values() for array in group]
    network.setdefault('dtype', weight_files.dtype_for(arrays))
    if layers is None and found.config is not None:
        return _described(found, model, network)
    if layers is None:
        raise ConfigError(
            f"{WHERE}: weights alone need layers=, such as layers=[3, ('lstm', 10), 1]; a file "
            f'.keras of model.save() describes its layers'
        )
    kind = all_parts.model_of(from_keras, 'Regressor' if model is None else model, network)
    net = kind(layers, **network)
    if not isinstance(source, list | tuple):
        arrays = _in_turn(net, found.arrays)
    all_parts.fill(WHERE, net, _taken(net, arrays))
    return net


def _described(found: keras_file.KerasFile, model: Any, network: dict[str, Any]) -> 'Network':
    """Return the network of a file that describes its layers."""
    described = keras_layers.Model(found.config or {})
    if model is None:
        softmax = described.specs[-1].get('activation') == 'softmax'
        model = 'Classifier' if softmax else 'Regressor'
    network.setdefault('masked', described.masked)
    net = all_parts.model_of(from_keras, model, network)(described.specs, **network)
    weighted = [one for one in described.sources if one.form is not None]
    all_parts.fill(WHERE, net, [_of_source(one, found.arrays) for one in weighted])
    return net


def _of_source(source: Source, arrays: dict[str, list[np.ndarray]]) -> Part:
    """Return the weights of a layer that a file describes."""
    label = f'{source.name!r} ({source.kind})'
    spec = next(one for one in source.specs if one['form'] == source.form)
    own = [array for group in source.groups for array in arrays.get(group, [])]
    given = source.config.get('mean'), source.config.get('variance')
    if spec['form'] == 'standardize' and None not in given:
        own = [np.asarray(one, np.float64) for one in given]
    reader = _Reader(own, label)
    part = reader.part(spec['form'], spec.get('worker'), spec.get('reset', 'after'))
    reader.check_empty()
    return part


def _in_turn(net: 'Network', groups: dict[str, list[np.ndarray]]) -> list[np.ndarray]:
    """Return the arrays of a file in the order of our layers: of each class, the next group."""
    distributed = [name for name in groups if name.startswith('time_distributed')]
    if distributed and any(name.startswith('dense') for name in groups):
        raise ConfigError(
            f'{WHERE}: weights do not show the order of Dense and TimeDistributed layers; pass '
            f'model.get_weights(), or a file .keras of model.save()'
        )
    left = {
        name.replace('time_distributed', 'dense').replace('/layer', '')
        if name in distributed
        else name: own
        for name, own in groups.items()
    }
    counts: dict[str, int] = {}
    arrays = []
    for layer in all_parts.weighted(net, scales=True):
        start = GROUPS.get(_form_of(layer), layer.form)
        number = counts.get(start, 0)
        counts[start] = number + 1
        group = start if number == 0 else f'{start}_{number}'
        own = [f'{group}{end}' for end in ENDS if f'{group}{end}' in left]
        if not own:
            raise ConfigError(
                f'{WHERE}: layer {layer.name!r} ({layer.form}) takes the weights {group!r}, which '
                f'are missing; there are {", ".join(map(repr, left)) or "no more"}'
            )
        arrays += [array for name in own for array in left.pop(name)]
    if left:
        raise ConfigError(
            f'{WHERE}: the network has no layer for the weights {", ".join(map(repr, left))}'
        )
    return arrays


def _form_of(layer: Layer) -> str:
    """Return the form of a layer, or that of which it is a kind."""
    return next((form for form in GROUPS if isinstance(layer, registry[form])), layer.form)


def _taken(net: 'Network', arrays: list[np.ndarray]) -> list[Part]:
    """Return the weights of each layer, of arrays in the order of Keras."""
    reader = _Reader(arrays, '')
    parts = []
    for layer in all_parts.weighted(net, scales=True):
        form = _form_of(layer)
        reader.label = f'layer {layer.name!r} ({layer.form} {layer.size})'
        worker = str(layer.given.get('worker', 'rnn')).lower() if form == 'bidirectional' else None
        part = reader.part(form, worker, str(layer.given.get('reset', 'after')))
        parts.append(part._replace(label=f'the weights for {layer.name!r}'))
    reader.check_empty()
    return parts


class _Reader:
    """Arrays that are taken one after the other.

    Parameters
    ----------
    arrays : list of array
    label : str
        What messages call the layer that takes them.
    """

    def __init__(self, arrays: Arrays, label: str):
        self.arrays, self.label, self.at = list(arrays), label, 0

    def wrong(self, what: str) -> ConfigError:
        """Return an error about the layer."""
        return ConfigError(f'{WHERE}: {self.label}: {what}')

    def check_empty(self) -> None:
        """Raise a ConfigError if arrays are left."""
        left = [one.shape for one in self.arrays[self.at :]]
        if left:
            raise ConfigError(
                f'{WHERE}: after {self.label}, {len(left)} arrays of the shapes {brief(left)} are '
                f'left, which belong to no layer'
            )

    def take(self, axes: int, what: str) -> np.ndarray:
        """Return the next array, with so many axes."""
        if self.at == len(self.arrays):
            raise self.wrong(f'{what} is missing; there are {len(self.arrays)} arrays')
        array = self.arrays[self.at]
        if array.ndim != axes:
            raise self.wrong(
                f'{what} has {axes} axes; array {self.at}, whose turn it is, has the shape '
                f'{array.shape}'
            )
        self.at += 1
        return array

    def optional(self, *shapes: tuple[int, ...]) -> np.ndarray | None:
        """Return the next array if it has one of these shapes, as a bias that may be there."""
        if self.at < len(self.arrays) and self.arrays[self.at].shape in shapes:
            self.at += 1
            return self.arrays[self.at - 1]
        return None

    def part(self, form: str, worker: str | None, reset: str) -> Part:
        """Return the weights of a layer of a form."""
        if form == 'bidirectional':
            fw, bw = (self.cell(worker or 'rnn', reset) for _ in range(2))
            params = {
                f'{way}.{k}': v for way, one in (('fw', fw), ('bw', bw)) for k, v in one.items()
            }
            size = 2 * len(fw['hh'])
            return Part(self.label, form, size, len(fw['xh']), size, params, {'worker': worker})
        if form in KINDS:
            params = self.cell(form, reset)
            size = len(params['hh'])
            return Part(self.label, form, size, len(params['xh']), size, params)
        if form == 'feedforward':
            w = self.take(2, 'the kernel (I, O)')
            b = self.optional((w.shape[1],))
            params = {'w': w, 'b': np.zeros(w.shape[1], w.dtype) if b is None else b}
            return Part(self.label, form, w.shape[1], len(w), w.shape[1], params)
        if form == 'embedding':
            w = self.take(2, 'the table (V, E)')
            return Part(self.label, form, w.shape[1], len(w), w.shape[1], {'w': w})
        if form == 'layernorm':
            gamma, beta = self.take(1, 'gamma (I,)'), self.take(1, 'beta (I,)')
            n = len(gamma)
            return Part(self.label, form, n, n, n, {'gamma': gamma, 'beta': beta})
        if form == 'standardize':
            return self.moments()
        raise self.wrong('it has no counterpart in Keras')

    def moments(self) -> Part:
        """Return mean and deviation, of mean, variance and perhaps a count."""
        mean, variance = (self.take(1, what) for what in ('the mean (I,)', 'the variance (I,)'))
        self.optional(())
        if not (variance >= 0).all():
            raise self.wrong(f'a variance is negative: {brief(variance)}')
        params = {'mean': mean, 'deviation': np.maximum(np.sqrt(variance), LEAST)}
        params['known'] = np.ones((), mean.dtype)
        n = len(mean)
        return Part(self.label, 'standardize', n, n, n, params)

    def cell(self, form: str, reset: str) -> dict[str, np.ndarray]:
        """Return the parameters of a cell: a kernel (I, 4H), a recurrent one, and a bias."""
        order, ours = ORDERS['keras'][form], ORDERS['rnnkit'][form]
        kernel = self.take(2, f'the kernel (I, {len(order)}H)')
        recurrent = self.take(2, f'the recurrent kernel (H, {len(order)}H)')
        width = recurrent.shape[1]
        if width != len(order) * len(recurrent) or kernel.shape[1] != width:
            raise self.wrong(
                f'kernels (I, {len(order)}H) and (H, {len(order)}H) are expected; got '
                f'{kernel.shape} and {recurrent.shape}'
            )
        params = {'xh': reordered(kernel, order, ours), 'hh': reordered(recurrent, order, ours)}
        bias = self.optional((width,), *[(2, width)] * (form == 'gru'))
        if bias is None:
            bias = np.zeros(
                (2, width) if form == 'gru' and reset == 'after' else width, kernel.dtype
            )
        if bias.ndim == 1:
            return {**params, 'b': reordered(bias, order, ours)}
        of_x, of_h = (reordered(row, order, ours) for row in bias)
        return {**params, **joined_biases(form, of_x, of_h, 'after')}


def weights_of(net: 'Network') -> list[np.ndarray]:
    """Return the parameters of a network for ``set_weights``; see `rnnkit.Network.to_keras`."""
    where = 'to_keras()'
    if net.scale_targets:
        raise ConfigError(
            f'{where}: the network has scale_targets=True: its outputs are multiplied by a '
            f'deviation, which no Dense layer does'
        )
    found: list[np.ndarray] = []
    for layer in net.layers:
        if not layer.params:
            continue
        values = {k: p.get_value() for k, p in layer.params.items()}
        if isinstance(layer, Bidirectional):
            found += [a for child in layer.children for a in _cell_weights(where, child)]
        elif isinstance(layer, Recurrent):
            found += _cell_weights(where, layer)
        elif isinstance(layer, Dense) and set(values) == {'w', 'b'}:
            found += [values['w'], values['b']]
        elif isinstance(layer, Embedding):
            found.append(values['w'])
        elif isinstance(layer, LayerNorm):
            found += [values['gamma'], values['beta']]
        elif isinstance(layer, Standardize):
            found += [values['mean'], values['deviation'] ** 2, np.zeros((), np.int32)]
        else:
            raise ConfigError(
                f'{where}: layer {layer.name!r} ({layer.form}) with the parameters '
                f'{", ".join(values)} has no counterpart in Keras'
            )
    return found


def _cell_weights(where: str, layer: Layer) -> list[np.ndarray]:
    """Return the kernel (I, 4H), the recurrent kernel (H, 4H) and the bias of one direction."""
    if layer.form not in KINDS:
        raise ConfigError(
            f'{where}: layer {layer.name!r} ({layer.form}) has no counterpart in Keras, whose '
            f'recurrent layers are {", ".join(KINDS.values())}'
        )
    cell = layer.cell  # type: ignore[attr-defined]  # recurrent layers have one
    free = ('activation', 'gate_activation', 'reset')  # any will do
    allowed = {k: (plain_option(getattr(cell, k)),) for k in free if k in cell.options}
    check_options(where, layer, KINDS[layer.form], allowed)
    order, theirs = ORDERS['rnnkit'][layer.form], ORDERS['keras'][layer.form]
    values = {k: p.get_value() for k, p in layer.params.items()}
    bias = reordered(values['b'], order, theirs)
    if 'bn' in values:
        bias = np.stack([reordered(one, order, theirs) for one in parted_biases(values)])
    return [reordered(values['xh'], order, theirs), reordered(values['hh'], order, theirs), bias]
