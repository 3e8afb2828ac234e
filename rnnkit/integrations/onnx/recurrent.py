"""Recurrent layers as ONNX's operators RNN, LSTM and GRU."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit import activations
from rnnkit.cells.gru import GRUCell
from rnnkit.cells.lstm import LSTMCell
from rnnkit.cells.rnn import RNNCell
from rnnkit.common.tensors import variable
from rnnkit.integrations.gates import ORDERS, parted_biases, reordered
from rnnkit.integrations.onnx.draft import Draft
from rnnkit.integrations.onnx.rows import Graphs, write_graph
from rnnkit.integrations.onnx.scan import write_scan
from rnnkit.layers import Bidirectional, Layer, Recurrent
from rnnkit.layers.bidirectional import MERGES, WAYS

KINDS: dict[type, str] = {RNNCell: 'rnn', LSTMCell: 'lstm', GRUCell: 'gru'}
OF_OPERATOR = {'out', 'last', 'last_c'}  # the outputs that operators have


class Function(NamedTuple):
    """An activation of ONNX's operators."""

    name: str
    alpha: float | None = None
    beta: float | None = None


FUNCTIONS: dict[Callable[..., TensorVariable], Function] = {
    activations.activations['tanh']: Function('Tanh'),
    activations.activations['sigmoid']: Function('Sigmoid'),
    activations.activations['relu']: Function('Relu'),
    activations.activations['hard_sigmoid']: Function('HardSigmoid', 1 / 6, 0.5),
    activations.activations['softsign']: Function('Softsign'),
    activations.activations['softplus']: Function('Softplus'),
    activations.activations['elu']: Function('Elu', 1.0),
    activations.activations['linear']: Function('Affine', 1.0, 0.0),
}
DEFAULTS = {'rnn': ['Tanh'], 'lstm': ['Sigmoid', 'Tanh', 'Tanh'], 'gru': ['Sigmoid', 'Tanh']}


class Way(NamedTuple):
    """A layer of one direction, its initial states, where '' stands for 0, and further inputs."""

    layer: Recurrent
    start: dict[str, str]
    sides: dict[str, str]


def functions_of(layer: Recurrent) -> list[Callable[..., TensorVariable]]:
    """Return the activations of a cell that has an operator, in ONNX's order."""
    cell: Any = layer.cell
    if isinstance(cell, RNNCell):
        return [cell.g]
    return [cell.sigma, cell.phi, *([cell.phi] if isinstance(cell, LSTMCell) else [])]


def has_operator(layer: Recurrent, needed: set[str]) -> bool:
    """Return whether an operator computes some outputs of a layer."""
    cell: Any = layer.cell
    return (
        type(cell) in KINDS
        and not layer.zoneout
        and getattr(cell, 'cell_clip', None) is None
        and getattr(cell, 'projection', None) is None
        and not getattr(cell, 'layernorm', False)
        and all(function in FUNCTIONS for function in functions_of(layer))
        and needed <= OF_OPERATOR
    )


def recurrent(draft: Draft, layer: Recurrent, read: Sequence[str]) -> dict[str, str]:
    """Write a layer of one direction; return its outputs by name."""
    start = {part: _start(draft, layer, part) for part in layer.state._fields}
    way = Way(layer, start, _sides(draft, layer, read))
    return _one(draft, layer, way, read[0], draft.needed[layer.name])


def _sides(draft: Draft, layer: Layer, read: Sequence[str]) -> dict[str, str]:
    """Return the further inputs of each step (T, B, width), given all that a layer reads."""
    plan = draft.graph.plan
    places = dict(zip(plan.sources[layer.name], read, strict=True))
    return {side: places[name] for side, name in plan.sides[layer.name].items()}


def _one(draft: Draft, owner: Layer, way: Way, x: str, needed: set[str]) -> dict[str, str]:
    clock = draft.clock_of(owner)
    if not has_operator(way.layer, needed):
        return write_scan(draft, way.layer, x, way.start, clock, needed, way.sides)
    y, *last = _operator(draft, [way], x, clock)
    writer = draft.writer
    y = writer.node('Squeeze', [y, writer.whole(1)], f'{way.layer.name}/out')  # (T, B, H)
    last = [writer.node('Squeeze', [v, writer.whole(0)], f'{way.layer.name}/last') for v in last]
    return {'out': y, **dict(zip(['last', 'last_c'], last, strict=False))}


def bidirectional(draft: Draft, layer: Bidirectional, read: Sequence[str]) -> dict[str, str]:
    """Write a layer of two directions; return its outputs by name."""
    x, needed = read[0], draft.needed[layer.name]
    ways = []
    for prefix, child in zip(WAYS, layer.children, strict=True):
        fields = child.state._fields
        start = {part: _start(draft, layer, part, f'{prefix}_', child) for part in fields}
        ways.append(Way(child, start, _sides(draft, layer, read)))
    of_each = {name[3:] if name[:3] in ('fw_', 'bw_') else name for name in needed}
    if not all(has_operator(child, of_each) for child in layer.children):
        fw, bw = (_one(draft, layer, way, x, of_each) for way in ways)
        return _merged(draft, layer, fw, bw, needed)
    y, *last = _operator(draft, ways, x, draft.clock_of(layer))
    if needed == {'out'} and layer.merge in ('concat', None):
        return {'out': _side_by_side(draft, layer, y)}
    pairs = [_halves(draft, layer, y, 1)] + [_halves(draft, layer, v, 0) for v in last]
    fw, bw = (
        dict(zip(['out', 'last', 'last_c'], values, strict=False))
        for values in zip(*pairs, strict=True)
    )
    return _merged(draft, layer, fw, bw, needed)


def _side_by_side(draft: Draft, layer: Layer, y: str) -> str:
    """Return (T, B, 2H) for (T, 2, B, H)."""
    writer = draft.writer
    y = writer.node('Transpose', [y], f'{layer.name}/turned', perm=[0, 2, 1, 3])
    return writer.node('Reshape', [y, writer.whole(0, 0, -1)], f'{layer.name}/out')


def _halves(draft: Draft, layer: Layer, value: str, axis: int) -> list[str]:
    """Return the two parts of an axis of length 2, without it."""
    writer = draft.writer
    names = [f'{layer.name}/{way}' for way in WAYS]
    halves = writer.nodes_of('Split', [value], names, axis=axis, num_outputs=2)
    return [
        writer.node('Squeeze', [half, writer.whole(axis)], f'{layer.name}/way') for half in halves
    ]


def _merged(
    draft: Draft,
    layer: Bidirectional,
    fw: Mapping[str, str],
    bw: Mapping[str, str],
    needed: set[str],
) -> dict[str, str]:
    """Return the outputs of both directions, and those of each, as far as they are needed."""
    outputs = {}
    for name in fw:
        outputs |= {f'fw_{name}': fw[name], f'bw_{name}': bw[name]}
        if name not in needed:
            continue
        width, dtype = layer.forward.output_size(name), draft.graph.dtype

        def merge(width: int = width, dtype: str = dtype) -> Graphs:
            both = {way: variable(way, dtype, (None, width)) for way in WAYS}
            return [MERGES[layer.merge](*both.values())], both

        values = {'fw': fw[name], 'bw': bw[name]}
        outputs[name] = write_graph(draft.writer, layer, merge, values, fw[name])[0]
    return outputs


def _start(
    draft: Draft, layer: Layer, part: str, prefix: str = '', child: Recurrent | None = None
) -> str:
    """Return a part of an initial state, given, of another layer, or learned; '' stands for 0."""
    owner: Any = child or layer
    name = draft.start(layer, part, prefix)
    if not name and part in owner.learned:
        value = owner.params[f'{part}_0'].get_value()[None]  # (1, H)
        name = draft.writer.constant(f'{owner.name}.{part}_0', value)
    return name


def _operator(draft: Draft, ways: Sequence[Way], x: str, clock: str | None) -> list[str]:
    """Write the operator of one or two directions; return Y, Y_h, and Y_c of an LSTM."""
    writer, layer = draft.writer, ways[0].layer
    kind, cell = KINDS[type(layer.cell)], layer.cell
    name = layer.name.removesuffix('_fw') if len(ways) == 2 else layer.name
    weights = zip(*(_weights(way.layer, kind) for way in ways), strict=True)
    w, r, b, *p = (
        writer.constant(f'{name}.{letter}', np.stack(arrays))
        for letter, arrays in zip('WRBP', weights, strict=False)
    )
    lengths = draft.lengths(clock)
    starts = _starts(draft, ways, x)
    peepholes = [*([''] * (2 - len(starts))), *p] if p else []
    inputs = [x, w, r, b, lengths, *starts, *peepholes]
    while not inputs[-1]:
        inputs.pop()
    directions = ['forward' if way.layer.causal else 'reverse' for way in ways]
    outputs = ['out', 'last', 'last_c'] if kind == 'lstm' else ['out', 'last']
    y, *last = writer.nodes_of(
        kind.upper(),
        inputs,
        [f'{name}/{output}' for output in outputs],
        hidden_size=layer.size,
        direction='bidirectional' if len(ways) == 2 else directions[0],
        **_attributes(cell, kind, functions_of(layer), len(ways)),
    )
    if lengths and starts:  # operators return 0 for an example without a step
        some = writer.node('Greater', [lengths, writer.scalar(0, 'int32')], f'{name}/some')
        some = writer.node('Unsqueeze', [some, writer.whole(0, 2)], f'{name}/some')
        last = [
            writer.node('Where', [some, value, start], f'{name}/held')
            for value, start in zip(last, starts, strict=True)
        ]
    return [y, *last]


def _weights(layer: Recurrent, kind: str) -> list[np.ndarray]:
    """Return W (gates H, I), R (gates H, H), B (2 gates H,) and, with peepholes, P (3H,)."""
    params = {name: param.get_value() for name, param in layer.params.items()}
    order = layer.cell.gates, ORDERS['onnx'][kind]
    biases = [reordered(bias, *order) for bias in parted_biases(params)]
    weights = [
        reordered(params['xh'], *order).T,
        reordered(params['hh'], *order).T,
        np.concatenate(biases),
    ]
    if 'ci' in params:
        forget = params.get('cf', np.zeros_like(params['ci']))  # coupled gates have none
        weights.append(np.concatenate([params['ci'], params['co'], forget]))
    return weights


def _starts(draft: Draft, ways: Sequence[Way], x: str) -> list[str]:
    """Return the initial states (directions, B, H), or nothing if all are 0."""
    if not any(name for way in ways for name in way.start.values()):
        return []
    writer, H = draft.writer, ways[0].layer.size
    batch = writer.node('Shape', [x], '/batch', start=1, end=2)
    shape = writer.node('Concat', [writer.whole(1), batch, writer.whole(H)], '/shape', axis=0)
    starts = []
    for part in ways[0].start:
        each = []
        for way in ways:
            name = way.start[part] or writer.number(0)
            each.append(writer.node('Expand', [name, shape], f'{way.layer.name}/{part}'))
        joined = writer.node('Concat', each, f'/{part}_0', axis=0) if len(each) > 1 else each[0]
        starts.append(joined)
    return starts


def _attributes(
    cell: Any, kind: str, functions: Sequence[Callable[..., TensorVariable]], n: int
) -> dict[str, object]:
    """Return the options of the operator that differ from its defaults."""
    options: dict[str, object] = {}
    found = [FUNCTIONS[function] for function in functions] * n
    if [function.name for function in found] != DEFAULTS[kind] * n:
        options['activations'] = [function.name for function in found]
        alphas = [function.alpha for function in found if function.alpha is not None]
        betas = [function.beta for function in found if function.beta is not None]
        options |= {'activation_alpha': alphas} if alphas else {}
        options |= {'activation_beta': betas} if betas else {}
    if cell.clip is not None:
        options['clip'] = float(cell.clip)
    if kind == 'gru' and cell.reset == 'after':
        options['linear_before_reset'] = 1
    if kind == 'lstm' and cell.coupled:
        options['input_forget'] = 1
    return options
