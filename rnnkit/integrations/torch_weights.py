"""Weights of PyTorch's modules: state dicts that come in as networks, and go out from them.

The order of gates and the place of biases are those of `rnnkit.integrations.gates`. A recurrent
module of n layers is n layers here. PyTorch's names have dots between modules; in ours, a slash
stands for a dot.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from rnnkit.common.calls import checked
from rnnkit.common.spelling import FEW, brief
from rnnkit.errors import ConfigError, FormatError
from rnnkit.integrations import parts as all_parts
from rnnkit.integrations import torch_file, weight_files
from rnnkit.integrations.gates import ORDERS, joined_biases, reordered
from rnnkit.integrations.parts import Part
from rnnkit.models.network import LayerSpec, Network
from rnnkit.training.protocols import PathOrFile

WHERE = 'from_torch()'
# weight_ih_l0_reverse of nn.LSTM, and weight_ih of nn.LSTMCell
RECURRENT = re.compile(r'(weight|bias)_(ih|hh|hr)(?:_l(\d+))?(_reverse)?')
WRAPPERS = ('module.', '_orig_mod.')  # of DataParallel, and of torch.compile
FORMS = {1: 'rnn', 3: 'gru', 4: 'lstm'}  # by the number of blocks of a weight

Module = dict[str, np.ndarray]


# It returns Any, as `load` does.
@checked
def from_torch(
    source: Mapping[str, Any] | PathOrFile,
    layers: Sequence[LayerSpec] | None = None,
    *,
    model: type[Network] | str = 'Regressor',
    prefix: str = '',
    key: str | None = None,
    order: Sequence[str] | None = None,
    activation: str | None = None,
    **network: Any,
) -> Any:
    """Build a network from the weights of a PyTorch module. PyTorch is not needed.

    Weights do not show what happens between modules. Without ``layers=``, each of the modules
    ``nn.RNN`` (with tanh), ``nn.LSTM``, ``nn.GRU``, ``nn.Linear``, ``nn.Embedding`` and
    ``nn.LayerNorm`` reads the one before it, in the order of the dict, which is that in which the
    module has made them. Layers have the names of the modules, with a slash for each dot; of a
    recurrent module of several layers, ``'lstm_l0'``, ``'lstm_l1'``.

    Parameters
    ----------
    source : dict, path or file object
        A state dict, of tensors or arrays; or a file of ``torch.save``, or of safetensors. It is
        safe to read an untrusted file: no code in it is run.
    layers : list, optional
        The layers of the network, as for `rnnkit.Regressor`: with ``'last'`` or dropout, with
        activations, ``('rnn', 8, 'relu')``. Layers with parameters take the weights in turn.
    model : class or str
        The class of the network: ``rnnkit.Classifier`` for one that ends in logits.
    prefix : str
        Of the names that are read, ``'encoder.'``; others are left out.
    key : str, optional
        Where the state dict is in a checkpoint: ``'state_dict'``, or with slashes,
        ``'ema/model'``. By default the only dict of weights in it.
    order : sequence of str, optional
        The modules in the order in which they are used, ``['embed', 'lstm', 'out']``. By default
        that of the dict. Files of safetensors keep no order: the only one in which each module
        takes what the one before it gives.
    activation : str, optional
        Of all ``nn.Linear`` but the last: ``'relu'``, ``'linear'``.
    **network
        Keywords of the network: ``layout='batch'`` for ``batch_first=True``, ``loss``, ``masked``,
        ``seed``. The dtype is by default float64 if any weight is, and otherwise float32, which
        holds float16 and bfloat16 exactly.

    Returns
    -------
    net : Network

    Raises
    ------
    ConfigError
        If a weight has no place in a network, the modules do not follow one another, or ``layers``
        are others than those in the weights.
    ShapeError, DataError
        If an array has another shape than its layer needs, or is no array of finite numbers.
    FormatError
        If a file is damaged, or holds anything but tensors.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import numpy as np, rnnkit
    >>> weights = {  # module.state_dict()
    ...     'lstm.weight_ih_l0': np.ones((32, 3)), 'lstm.weight_hh_l0': np.ones((32, 8)),
    ...     'lstm.bias_ih_l0': np.ones(32), 'lstm.bias_hh_l0': np.ones(32),
    ...     'out.weight': np.ones((1, 8)), 'out.bias': np.ones(1),
    ... }
    >>> rnnkit.from_torch(weights)
    <Regressor: in (input 3) > lstm (lstm 8) > out (feedforward 1); 393 parameters, float64>
    """
    kind = all_parts.model_of(from_torch, model, network)
    state, ordered = _state_dict(source, key)
    weights = _chosen(state, prefix)
    found = _in_order(_parts(weights), order, ordered)
    network.setdefault('dtype', weight_files.dtype_for(weights.values()))
    if layers is not None:
        if activation is not None:
            raise ConfigError(
                f'{WHERE}: activation is for networks without layers=; write it there'
            )
        net = kind(layers, **network)
        all_parts.fill(WHERE, net, _settled(found, _starts_with_embedding(net)))
        return net
    found = _with_activation(_settled(found, None), activation)
    return all_parts.build(WHERE, kind, found, network)


def _state_dict(source: object, key: str | None) -> tuple[Mapping[str, Any], bool]:
    """Return the dict of tensors that a user means, and whether it has the order of modules."""
    name, ordered = 'source', True
    if isinstance(source, Mapping):
        found: object = source
    elif hasattr(source, 'state_dict'):
        raise ConfigError(f'{WHERE}: expects the weights; write from_torch(module.state_dict())')
    elif isinstance(source, list | tuple):
        raise ConfigError(
            f'{WHERE}: expects weights by name; write from_torch(module.state_dict()); got '
            f'{type(source).__name__} of {len(source)}'
        )
    else:
        file, name, _ = weight_files.opened(f'{WHERE}: source', source)
        with file:
            start = weight_files.first_bytes(file)
            if start.startswith(weight_files.ZIP):
                found = torch_file.read(file, name)
            elif start.startswith(torch_file.LEGACY) or _is_pickle(start):
                raise FormatError(
                    f'{name}: a pickle, as PyTorch before 1.6 wrote them, which is not read; load '
                    f'it there and save it again with torch 1.6 or newer: '
                    f'torch.save(module.state_dict(), path)'
                )
            else:
                found, ordered = weight_files.of_safetensors(file.read(), name), False
    return _dict_of_tensors(found, name, key), ordered


def _is_pickle(start: bytes) -> bool:
    """Return whether a file begins like a pickle, and not like safetensors: a length, and JSON."""
    return start[:1] == b'\x80' and start[8:9] != b'{'


def _dict_of_tensors(whole: object, name: str, key: str | None) -> Mapping[str, Any]:
    """Return the dict of weights within nested dicts: that of a key, or the only one."""
    if not isinstance(key, str | None):
        raise ConfigError(f"{WHERE}: key must be a str such as 'state_dict'; got {brief(key)}")
    found = whole
    for step in key.split('/') if key else ():
        if not isinstance(found, Mapping) or step not in found:
            there = ', '.join(map(brief, found)) if isinstance(found, Mapping) else 'no dict'
            raise ConfigError(
                f'{WHERE}: key={key!r}: there is no {step!r} in {name}; it has {there}'
            )
        found = found[step]
    if key and _has_weights(found):
        return found
    places = _places(whole)
    listed = ', '.join(map(repr, places))
    if not places:
        raise ConfigError(
            f'{WHERE}: {name} has no weights such as "lstm.weight_ih_l0"; got {brief(whole)}'
        )
    if key:
        raise ConfigError(
            f'{WHERE}: key={key!r}: no weights are there; {name} has some in {listed}'
        )
    if len(places) > 1:
        raise ConfigError(
            f'{WHERE}: {name} has several dicts of weights; choose with key=, one of {listed}'
        )
    return next(iter(places.values()))


def _places(whole: object) -> dict[str, Mapping[str, Any]]:
    """Return the dicts of weights within nested dicts, by their keys joined by slashes."""
    places: dict[str, Mapping[str, Any]] = {}
    waiting: list[tuple[str, object]] = [('', whole)]
    for path, one in waiting:  # which grows meanwhile
        if not isinstance(one, Mapping) or path.count('/') > 5 or len(waiting) > 10_000:
            continue
        if _has_weights(one):
            places[path] = one
        else:
            waiting += [(f'{path}/{k}' if path else str(k), value) for k, value in one.items()]
    return places


def _has_weights(one: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(one, Mapping) and any(_is_weight(k, value) for k, value in one.items())


def _is_weight(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and name.rpartition('.')[2].startswith(('weight', 'bias'))
        and hasattr(value, 'shape')
    )


def _chosen(state: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with a prefix, without it and without wrappers."""
    odd = [name for name in state if not isinstance(name, str)]
    if odd:
        raise ConfigError(f'{WHERE}: names of weights must be str; got {brief(odd[0])}')
    if not isinstance(prefix, str):
        raise ConfigError(f"{WHERE}: prefix must be a str such as 'encoder.'; got {brief(prefix)}")
    named = dict(state)
    for start in WRAPPERS:
        if all(name.startswith(start) for name in named) and not prefix.startswith(start):
            named = {name.removeprefix(start): value for name, value in named.items()}
    chosen = {k.removeprefix(prefix): v for k, v in named.items() if k.startswith(prefix)}
    if not chosen:
        listed = ', '.join(map(repr, list(named)[:FEW]))
        raise ConfigError(f'{WHERE}: no weight begins with {prefix!r}; there are {listed}, ...')
    return {name: weight_files.array_of(WHERE, name, value) for name, value in chosen.items()}


def _parts(weights: Mapping[str, np.ndarray]) -> list[Part]:
    """Return the layers that weights belong to, in their order."""
    modules: dict[str, Module] = {}
    for name, array in weights.items():
        module, _, last = name.rpartition('.')
        modules.setdefault(module, {})[last] = array
    found: list[Part] = []
    unknown: list[str] = []
    for module, own in modules.items():
        if all(RECURRENT.fullmatch(last) for last in own):
            found += _recurrent(module, own)
        elif 'weight' in own and set(own) <= {'weight', 'bias'} and own['weight'].ndim <= 2:
            found.append(_plain(module, own))
        else:
            unknown += [f'{module}.{last}' if module else last for last in own]
    if unknown:
        more = f' and {len(unknown) - FEW} more' if len(unknown) > FEW else ''
        raise ConfigError(
            f'{WHERE}: there is no layer for {", ".join(map(repr, unknown[:FEW]))}{more}; weights '
            f'of nn.RNN, nn.LSTM, nn.GRU, nn.Linear, nn.Embedding and nn.LayerNorm are read; '
            f'prefix=, or a dict without them, leaves others out'
        )
    return found


def _recurrent(module: str, own: Module) -> list[Part]:
    """Return the layers of one nn.RNN, nn.LSTM or nn.GRU."""
    by_layer: dict[int, dict[str, Module]] = {}
    for last, array in own.items():
        kind, of, number, back = RECURRENT.fullmatch(last).groups()  # type: ignore[union-attr]
        ways = by_layer.setdefault(int(number or 0), {})
        ways.setdefault('bw' if back else 'fw', {})[f'{kind}_{of}'] = array
    if sorted(by_layer) != list(range(len(by_layer))):
        raise ConfigError(f'{WHERE}: {module!r} has weights of the layers {sorted(by_layer)} only')
    found = []
    for k in range(len(by_layer)):
        label = repr(f'{module}, layer {k}' if len(by_layer) > 1 else module)
        name = None
        if module:
            name = module.replace('.', '/') + (f'_l{k}' if len(by_layer) > 1 else '')
        sides = sorted(by_layer[k].items(), reverse=True)  # 'fw' comes first
        directions = {way: _direction(module, label, name, one) for way, one in sides}
        if 'fw' not in directions:
            raise ConfigError(f'{WHERE}: {label} has weights of the backward direction only')
        found.append(directions['fw'] if len(directions) == 1 else _both(directions))
    return found


def _both(directions: Mapping[str, Part]) -> Part:
    """Return a bidirectional layer."""
    fw, bw = directions.values()
    params = {f'{way}.{k}': v for way, one in directions.items() for k, v in one.params.items()}
    if (fw.form, fw.size, fw.gives) != (bw.form, bw.size, bw.gives):
        raise ConfigError(f'{WHERE}: {fw.label}: both directions must be alike')
    options = {'worker': fw.form, **fw.options}
    return fw._replace(
        form='bidirectional', size=2 * fw.size, gives=2 * fw.gives, params=params, options=options
    )


def _direction(module: str, label: str, name: str | None, own: Module) -> Part:
    """Return one direction of one layer, from arrays (4H, I), (4H, H) and biases (4H,)."""
    missing = {'weight_ih', 'weight_hh'} - set(own)
    if missing:
        raise ConfigError(f'{WHERE}: {label} lacks {min(missing)}')
    of_x, of_h = own['weight_ih'], own['weight_hh']
    if of_x.ndim != 2 or of_h.ndim != 2 or len(of_x) != len(of_h):
        raise ConfigError(
            f'{WHERE}: {label}: weight_ih and weight_hh must be (4H, I) and (4H, H), of as many '
            f'rows; got {of_x.shape} and {of_h.shape}'
        )
    project = own.get('weight_hr')  # (P, H)
    gives = of_h.shape[1]
    size = project.shape[-1] if project is not None else gives
    blocks, rest = divmod(len(of_h), size) if size else (0, 1)
    form = None if rest else FORMS.get(blocks)
    if form is None or (project is not None and (form != 'lstm' or project.shape != (gives, size))):
        raise ConfigError(
            f'{WHERE}: {label}: weight_hh {of_h.shape} has neither 1, 3 nor 4 blocks of {size} '
            f'rows, for the gates of an RNN, a GRU or an LSTM'
        )
    order, ours = ORDERS['torch'][form], ORDERS['rnnkit'][form]
    zero = np.zeros(len(of_h), of_h.dtype)
    biases = [np.asarray(own.get(one, zero)) for one in ('bias_ih', 'bias_hh')]
    if any(bias.shape != zero.shape for bias in biases):
        raise ConfigError(
            f'{WHERE}: {label}: biases must have the shape {zero.shape}; got {biases[0].shape} and '
            f'{biases[1].shape}'
        )
    params = {'xh': reordered(of_x.T, order, ours), 'hh': reordered(of_h.T, order, ours)}
    of_input, of_state = (reordered(bias, order, ours) for bias in biases)
    params |= joined_biases(form, of_input, of_state, 'after')
    options: dict[str, object] = {}
    if project is not None:
        params['hr'], options = project.T, {'projection': gives}
    return Part(label, form, size, of_x.shape[1], gives, params, options, name, module)


def _plain(module: str, own: Module) -> Part:
    """Return a module with a weight and perhaps a bias: nn.Linear, nn.LayerNorm, nn.Embedding."""
    w, b = own['weight'], own.get('bias')
    label, name = repr(module), module.replace('.', '/') or None
    if w.ndim == 1:
        params = {'gamma': w, 'beta': np.zeros_like(w) if b is None else b}
        return Part(label, 'layernorm', len(w), len(w), len(w), params, {}, name, module)
    if w.ndim != 2 or (b is not None and b.shape != w.shape[:1]):
        raise ConfigError(
            f'{WHERE}: {label}: a weight (O, I) and a bias (O,) are expected; got {w.shape}'
            f'{"" if b is None else f" and {b.shape}"}'
        )
    params = {'w': w.T} if b is None else {'w': w.T, 'b': b}
    return Part(label, 'feedforward', len(w), w.shape[1], len(w), params, {}, name, module)


def _in_order(found: list[Part], order: object, ordered: bool) -> list[Part]:
    """Return the parts in the order that the user gives, that they are in, or that is possible."""
    modules = list(dict.fromkeys(part.module for part in found))
    if order is not None:
        if (
            isinstance(order, str)
            or not isinstance(order, Sequence)
            or sorted(map(str, order)) != sorted(modules)
        ):
            raise ConfigError(
                f'{WHERE}: order must be a list of the modules {", ".join(map(repr, modules))}; '
                f'got {brief(order)}'
            )
        places = {str(module): k for k, module in enumerate(order)}
        return sorted(found, key=lambda part: places[part.module])
    if ordered or len(modules) == 1:
        return found
    groups = [[part for part in found if part.module == module] for module in modules]
    chains = _chains(groups)
    if len(chains) != 1:
        raise ConfigError(
            f'{WHERE}: a safetensors file does not say in which order its modules are used, and '
            f'{"more than one is" if chains else "none is"} possible by their sizes; write order= '
            f'with {", ".join(map(repr, modules))}'
        )
    return [part for group in chains[0] for part in group]


def _chains(groups: list[list[Part]]) -> list[list[list[Part]]]:
    """Return two orders in which each group takes what the one before it gives, or all if fewer."""
    found: list[list[list[Part]]] = []
    waiting = [[group] for group in groups]
    for _ in range(10_000):
        if not waiting or len(found) == 2:
            return found
        chain = waiting.pop()
        if len(chain) == len(groups):
            found.append(chain)
        last = chain[-1][-1]
        gives = {last.gives}
        if len(chain) == 1 and set(last.params) == {'w'}:  # it may be an embedding
            gives.add(last.reads)
        waiting += [
            [*chain, one]
            for one in groups
            if not any(one is other for other in chain) and one[0].reads in gives
        ]
    return found * 2  # too many to look at


def _starts_with_embedding(net: Network) -> bool:
    """Return whether the first layer with parameters is an embedding."""
    return next((layer.form for layer in net.layers if layer.params), '') == 'embedding'


def _settled(found: list[Part], embedding: bool | None) -> list[Part]:
    """Return the parts, with an embedding or a bias of 0 where a module has a weight alone.

    An nn.Linear may have no bias, as an nn.Embedding has none. If it is not known what the first
    one is, it is an embedding (V, E) if what follows reads its columns; what follows a linear
    map (O, I) reads its rows.
    """
    settled = []
    if embedding is None:
        embedding = len(found) > 1 and found[1].reads == found[0].reads
    for k, part in enumerate(found):
        if part.form == 'feedforward' and 'b' not in part.params:
            w = part.params['w']  # (I, O), or the table transposed, (E, V)
            if k == 0 and embedding:
                size, vocabulary = w.shape
                part = Part(
                    part.label, 'embedding', size, vocabulary, size, {'w': w.T}, name=part.name
                )
            else:
                part = part._replace(params={'w': w, 'b': np.zeros(w.shape[1], w.dtype)})
        settled.append(part)
    return settled


def _with_activation(found: list[Part], activation: str | None) -> list[Part]:
    """Return the parts, with the activation of all linear maps but the last layer."""
    inner = [k for k, part in enumerate(found[:-1]) if part.form == 'feedforward']
    if not inner:
        if activation is not None:
            raise ConfigError(f'{WHERE}: activation has no effect: only the last layer is linear')
        return found
    if activation is None:
        raise ConfigError(
            f'{WHERE}: weights do not show what follows {found[inner[0]].label}, an nn.Linear '
            f"before another module; write activation='relu', or 'linear' for nothing; or layers="
        )
    for k in inner:
        found[k] = found[k]._replace(options={'activation': activation})
    return found
