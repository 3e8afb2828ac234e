"""Layers of Keras, as its models describe them, and the layers here that compute the same.

Options of training alone are left out: initializers, regularizers, constraints, the optimizer.
Everything else is carried over, or refused by the name of the layer and of the option.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rnnkit.common import caller
from rnnkit.common.spelling import brief
from rnnkit.errors import ConfigError
from rnnkit.integrations.keras_chain import WHERE, chain

ACTIVATIONS = {
    **{name: name for name in ('linear', 'tanh', 'sigmoid', 'relu', 'softmax', 'softplus')},
    **{name: name for name in ('softsign', 'elu', 'selu', 'hard_sigmoid', 'gelu')},
    'exponential': 'exp',
    'silu': 'swish',
    'swish': 'swish',
}
MERGES = {'concat': 'concat', 'sum': 'sum', 'ave': 'average', 'mul': 'product'}
CELLS = {'SimpleRNN': 'rnn', 'LSTM': 'lstm', 'GRU': 'gru'}
# Options of every layer that do not matter to what it computes, as names or as ends of names.
FREE = {'name', 'trainable', 'dtype', 'seed', 'unroll', 'implementation', 'unit_forget_bias'}
FREE |= {'zero_output_for_mask', 'quantization_config', 'batch_input_shape', 'input_length'}
FREE_ENDS = ('_initializer', '_regularizer', '_constraint')


class Source(NamedTuple):
    """A layer of Keras, and what it becomes.

    Attributes
    ----------
    name, kind : str
        Its name and its class.
    specs : list of dict
        Our layers.
    form : str or None
        Of that with parameters.
    groups : list of str
        Where its variables are in a file.
    config : dict
    """

    name: str
    kind: str
    specs: list[dict[str, Any]]
    form: str | None
    groups: list[str]
    config: dict[str, Any]


class Model:
    """A chain of layers of Keras that is read one after the other.

    Attributes
    ----------
    sources : list of Source
    masked : bool
        Whether a layer makes a mask.
    features, steps : int or None
        What the layers so far give; None if that is not fixed.
    time : bool
        Whether it has a time axis.
    """

    def __init__(self, config: Mapping[str, Any]):
        self.sources: list[Source] = []
        self.masked = False
        self.input: dict[str, Any] = {}
        self.steps: int | None = None
        self.time = False
        self._numbers: Counter[str] = Counter()
        for kind, own in chain(config):
            self._add(kind, own)
        if not self.input or not self.sources:
            raise ConfigError(f'{WHERE}: the model has no input of a known shape; build it first')

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The specs of all layers."""
        return [self.input, *(spec for source in self.sources for spec in source.specs)]

    def _add(self, kind: str, config: dict[str, Any]) -> None:
        name = str(config.get('name', kind))
        if kind == 'InputLayer':
            self._read_input(name, config)
            return
        if kind not in READERS:
            raise ConfigError(
                f'{WHERE}: layer {name!r} is a {kind}, which has no counterpart here; there are '
                f'{", ".join(sorted(READERS))}'
            )
        snake = re.sub('([a-z0-9])([A-Z])', r'\1_\2', re.sub('(.)([A-Z][a-z]+)', r'\1_\2', kind))
        group = snake.lower()
        number, self._numbers[group] = self._numbers[group], self._numbers[group] + 1
        options = _Options(name, kind, config)
        READERS[kind](self, options, group if number == 0 else f'{group}_{number}')
        options.check_all_read()

    def _read_input(self, name: str, config: Mapping[str, Any]) -> None:
        shape = config.get('batch_shape') or config.get('batch_input_shape')
        sized = isinstance(shape, Sequence) and len(shape) in (2, 3)
        if self.input or not sized or not all(isinstance(n, int | None) for n in shape):
            raise ConfigError(
                f'{WHERE}: input {name!r} must be one of shape (batch, time, features), or (batch, '
                f'features); got {brief(shape)}'
            )
        self.input = {'form': 'input', 'size': shape[-1], 'name': _name(name), 'ndim': len(shape)}
        self.time, self.steps = len(shape) == 3, shape[1] if len(shape) == 3 else None

    def put(
        self,
        options: '_Options',
        specs: Sequence[dict[str, Any]],
        form: str | None = None,
        groups: Sequence[str] = (),
    ) -> None:
        """Append what a layer of Keras becomes; the first spec with its form has its name."""
        named = []
        for spec in specs:
            main = len(specs) == 1 or spec['form'] == form
            name = options.name if main else f'{options.name}_{spec["form"]}'
            named.append({**spec, 'name': _name(name)})
        if options.read('trainable', True) is False and form not in (None, 'standardize'):
            named = [
                {**spec, 'trainable': False} if spec['form'] == form else spec for spec in named
            ]
        self.sources.append(
            Source(options.name, options.kind, named, form, list(groups), options.config)
        )


class _Options:
    """The options of one layer, each of which is read or refused."""

    def __init__(self, name: str, kind: str, config: dict[str, Any]):
        self.name, self.kind, self.config = name, kind, config
        self.seen: set[str] = set()

    def read(self, option: str, default: object = None) -> Any:
        """Return an option."""
        self.seen.add(option)
        return self.config.get(option, default)

    def refuse(self, option: str, why: str = 'which has no counterpart here') -> ConfigError:
        """Return an error about an option."""
        value = self.config.get(option)
        if isinstance(value, dict):
            value = value.get('class_name', value)
        return ConfigError(
            f'{WHERE}: layer {self.name!r} ({self.kind}) has {option}={brief(value)}, {why}'
        )

    def only(self, option: str, *values: object) -> None:
        """Refuse an option that has another value than these."""
        if self.read(option, values[0]) not in values:
            raise self.refuse(option)

    def activation(self, option: str, default: str = 'linear') -> str:
        """Return an activation under our name."""
        name = self.read(option, default)
        name = 'linear' if name is None else name
        if not isinstance(name, str) or name not in ACTIVATIONS:
            raise self.refuse(option)
        return ACTIVATIONS[name]

    def check_all_read(self) -> None:
        """Refuse options that were not read, and are not those of training alone."""
        for option, value in self.config.items():
            free = option in FREE or option.endswith(FREE_ENDS)
            if option not in self.seen and not free and value not in (None, False):
                raise self.refuse(option)


def _name(name: str) -> str:
    """Return a name without the letters that ours cannot have."""
    return re.sub(r'[:.*?\[\]]', '_', name)


# --- one function for each class ---


def _embedding(model: Model, options: _Options, group: str) -> None:
    vocabulary, size = options.read('input_dim'), options.read('output_dim')
    if options.read('mask_zero'):
        model.masked = True
    shape_of_input = model.input
    if model.sources or not shape_of_input or shape_of_input['ndim'] != 2:
        raise ConfigError(f'{WHERE}: layer {options.name!r} (Embedding) must be the first one')
    options.only('weights', None)
    options.only('lora_rank', None)
    model.steps = shape_of_input['size']
    model.time = True
    model.input = {**shape_of_input, 'size': vocabulary, 'ndim': 3}
    model.put(options, [{'form': 'embedding', 'size': size}], 'embedding', [group])


def _masking(model: Model, options: _Options, group: str) -> None:
    options.read('mask_value')
    options.seen |= set(options.config)
    model.masked = True


def _cell(options: _Options) -> dict[str, Any]:
    """Return the spec of a recurrent layer of Keras."""
    kind = CELLS[options.kind]
    spec = {
        'form': kind,
        'size': options.read('units'),
        'activation': options.activation('activation', 'tanh'),
    }
    if kind != 'rnn':
        spec['gate_activation'] = options.activation('recurrent_activation', 'sigmoid')
    if kind == 'gru':
        spec['reset'] = 'after' if options.read('reset_after', True) else 'before'
    if options.read('recurrent_dropout'):
        spec['dropout'] = options.config['recurrent_dropout']
    options.seen |= {'use_bias', 'dropout', 'return_sequences', 'go_backwards'}
    options.only('return_state', False, None)
    if options.read('stateful'):
        caller.warn(
            f'{WHERE}: layer {options.name!r} is stateful; here, predict(x, state=, '
            f'return_state=True) continues a sequence'
        )
    return spec


def _around(model: Model, options: _Options, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a recurrent layer with the dropout before it, and 'last' after it."""
    specs = [spec]
    if options.config.get('dropout'):
        specs.insert(0, {'form': 'dropout', 'rate': options.config['dropout']})
    if not options.config.get('return_sequences'):
        specs.append({'form': 'last'})
        model.time = False
    return specs


def _recurrent(model: Model, options: _Options, group: str) -> None:
    spec = _cell(options)
    if options.config.get('go_backwards'):
        if options.config.get('return_sequences'):
            raise options.refuse('go_backwards', 'with outputs in the reverse order of time')
        spec['direction'] = 'backward'
    model.put(options, _around(model, options, spec), spec['form'], [f'{group}/cell'])


def _bidirectional(model: Model, options: _Options, group: str) -> None:
    ways = [options.read('layer'), options.read('backward_layer')]
    specs, inner = [], []
    for k, way in enumerate(ways):
        if way is None:
            continue
        own, kind = way.get('config', {}), way.get('class_name')
        if kind not in CELLS or bool(own.get('go_backwards')) != bool(k):
            raise options.refuse(('layer', 'backward_layer')[k])
        inner.append(_Options(options.name, kind, own))
        specs.append(_cell(inner[-1]))
        inner[-1].check_all_read()
    same = ('return_sequences', 'dropout')
    if (
        len({repr(one) for one in specs}) > 1
        or len({repr([one.config.get(k) for k in same]) for one in inner}) > 1
    ):
        raise options.refuse('backward_layer', 'of other options than the forward layer')
    merge = options.read('merge_mode', 'concat')
    if merge not in MERGES:
        raise options.refuse('merge_mode', 'which makes two outputs')
    both = {**specs[0], 'form': 'bidirectional', 'worker': specs[0]['form']}
    both |= {'merge': MERGES[merge], 'size': specs[0]['size'] * (2 if merge == 'concat' else 1)}
    groups = [f'{group}/{way}_layer/cell' for way in ('forward', 'backward')]
    model.put(options, _around(model, inner[0], both), 'bidirectional', groups)


def _dense(model: Model, options: _Options, group: str) -> None:
    options.read('use_bias')
    options.only('lora_rank', None)
    spec = {'form': 'feedforward', 'size': options.read('units')}
    spec['activation'] = options.activation('activation')
    model.put(options, [spec], 'feedforward', [group])


def _time_distributed(model: Model, options: _Options, group: str) -> None:
    layer = options.read('layer')
    if layer.get('class_name') != 'Dense':
        raise options.refuse('layer')
    inner = _Options(options.name, 'Dense', layer['config'])
    _dense(model, inner, f'{group}/layer')
    inner.check_all_read()
    model.sources[-1] = model.sources[-1]._replace(kind='TimeDistributed')


def _dropout(model: Model, options: _Options, group: str) -> None:
    options.only('noise_shape', None)
    model.put(options, [{'form': 'dropout', 'rate': options.read('rate')}])


def _activation(model: Model, options: _Options, group: str) -> None:
    _set_activation(model, options, 'activation', options.activation('activation'))


def _leaky_relu(model: Model, options: _Options, group: str) -> None:
    slope = options.read('negative_slope', 0.3)
    _set_activation(model, options, 'negative_slope', f'leaky_relu:{slope}')


def _set_activation(model: Model, options: _Options, option: str, name: str) -> None:
    """Set the activation of the Dense layer that comes before."""
    before = model.sources[-1].specs[-1] if model.sources else {}
    if before.get('form') != 'feedforward' or before.get('activation') != 'linear':
        raise options.refuse(option, 'which must follow a Dense layer without an activation')
    before['activation'] = name


def _warn_of_padding(model: Model, options: _Options) -> None:
    """Warn that a layer that has no masks in Keras reads padding there."""
    if model.masked:
        caller.warn(
            f'{WHERE}: layer {options.name!r} ({options.kind}) ignores masks in Keras, and reads '
            f'padding too; here it does not, so that outputs of padded sequences may differ'
        )


def _holds_its_output(model: Model) -> bool:
    """Return whether what comes last repeats its last output over padding: a maximum stays."""
    last = model.sources[-1] if model.sources else None
    return last is not None and last.kind in CELLS and not last.config.get('zero_output_for_mask')


def _pooling(form: str) -> Callable[[Model, _Options, str], None]:
    def pool(model: Model, options: _Options, group: str) -> None:
        options.only('data_format', 'channels_last', None)
        options.only('keepdims', False)
        if form == 'max' and not _holds_its_output(model):
            _warn_of_padding(model, options)
        model.time = False
        model.put(options, [{'form': form}])

    return pool


def _layer_norm(model: Model, options: _Options, group: str) -> None:
    axes = (-1, 2 if model.time else 1)
    options.only('axis', *axes, *([axis] for axis in axes))
    options.only('rms_scaling', False)
    options.seen |= {'center', 'scale'}
    spec = {'form': 'layernorm', 'epsilon': options.read('epsilon', 1e-3)}
    model.put(options, [spec], 'layernorm', [group])


def _normalization(model: Model, options: _Options, group: str) -> None:
    axes = (-1, 2 if model.time else 1)
    options.only('axis', *axes, *([axis] for axis in axes))
    options.only('invert', False)
    options.seen |= {'mean', 'variance'}
    model.put(options, [{'form': 'standardize'}], 'standardize', [group])


def _repeat(model: Model, options: _Options, group: str) -> None:
    model.steps, model.time = options.read('n'), True
    model.put(options, [{'form': 'repeat', 'steps': model.steps}])


def _flatten(model: Model, options: _Options, group: str) -> None:
    options.only('data_format', 'channels_last', None)
    if not model.time:
        return
    if not model.steps:
        raise ConfigError(
            f'{WHERE}: layer {options.name!r} (Flatten) needs a model whose input has a fixed '
            f'number of steps'
        )
    _warn_of_padding(model, options)
    model.time = False
    model.put(options, [{'form': 'flatten', 'steps': model.steps}])


READERS: dict[str, Callable[[Model, _Options, str], None]] = {
    **dict.fromkeys(CELLS, _recurrent),
    'Activation': _activation,
    'Bidirectional': _bidirectional,
    'Dense': _dense,
    'Dropout': _dropout,
    'Embedding': _embedding,
    'Flatten': _flatten,
    'GlobalAveragePooling1D': _pooling('mean'),
    'GlobalMaxPooling1D': _pooling('max'),
    'LayerNormalization': _layer_norm,
    'LeakyReLU': _leaky_relu,
    'Masking': _masking,
    'Normalization': _normalization,
    'RepeatVector': _repeat,
    'TimeDistributed': _time_distributed,
}
