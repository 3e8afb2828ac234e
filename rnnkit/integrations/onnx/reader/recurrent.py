"""The operators RNN, LSTM and GRU as recurrent layers."""

from dataclasses import dataclass

import numpy as np

from rnnkit.integrations import gates
from rnnkit.integrations.onnx.reader import functions, starts
from rnnkit.integrations.onnx.reader.axes import BATCH, FEATURE, TIME, Atom
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.roles import give, sized, source
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, kind
from rnnkit.layers.bidirectional import WAYS

DIRECTIONS = {'forward': 1, 'reverse': 1, 'bidirectional': 2}
CELLS = ('RNN', 'LSTM', 'GRU')
# The place of sequence_lens, of the initial states and of the peepholes among the inputs.
LENGTHS, STATES, PEEPHOLES = 4, {5: 'h', 6: 'c'}, 7


@dataclass
class Settings:
    """The attributes of a node.

    Attributes
    ----------
    form : str
    hidden : int
    ways : int
        The number of directions.
    direction : str
    batch_first : bool
    reset : str
        Where a GRU applies its reset gate.
    coupled : bool
        Whether an LSTM has no forget gate of its own.
    """

    form: str
    hidden: int
    ways: int
    direction: str
    batch_first: bool
    reset: str
    coupled: bool


@reads(*CELLS)
def recurrent(node: Node) -> list[Flow]:
    """Read a recurrent layer; its outputs are Y, Y_h and, of an LSTM, Y_c."""
    has = _settings(node)
    options = _options(node, has)
    flow, time, batch = _input(node, has)
    params = [_params(node, has, k) for k in range(has.ways)]
    n_in = params[0]['xh'].shape[0]
    sized(node, flow, n_in)
    if has.ways == 2:
        plan = Plan('bidirectional', 2 * has.hidden, {'worker': has.form, **options})
        plan.params = {
            f'{way}.{k}': v for way, one in zip(WAYS, params, strict=True) for k, v in one.items()
        }
    else:
        way = {'direction': 'backward'} if has.direction == 'reverse' else {}
        plan = Plan(has.form, has.hidden, {**options, **way}, params=params[0])
    plan.hint, plan.sources = node.hint, [source(node, flow)]
    _lengths(node, batch)
    for k, part in STATES.items():
        if node.has(k) and (part == 'h' or has.form == 'lstm'):
            starts.read(node, plan, k, part, has.batch_first, has.ways)
    return _outputs(node, node.graph.add(plan), has, time, batch)


def weights(node: Node) -> list[dict[str, np.ndarray]]:
    """Return the parameters of each direction."""
    has = _settings(node)
    return [_params(node, has, k) for k in range(has.ways)]


def _settings(node: Node) -> Settings:
    direction = node.text('direction', 'forward')
    if direction not in DIRECTIONS:
        raise node.fail(f'direction must be {", ".join(DIRECTIONS)}; got {direction!r}')
    layout = node.whole('layout', 0)
    if layout not in (0, 1):
        raise node.fail(f'layout must be 0 or 1; got {layout}')
    recurrent = node.weights(2, 'R')
    if recurrent.ndim != 3 or not recurrent.size:
        raise node.fail(f'R must have the shape (directions, gates * H, H); got {recurrent.shape}')
    hidden = node.whole('hidden_size', recurrent.shape[-1])
    ways = DIRECTIONS[direction]
    form = node.op.lower()
    blocks = len(gates.ORDERS['onnx'][form])
    if recurrent.shape != (ways, blocks * hidden, hidden):
        raise node.fail(
            f'R has the shape {recurrent.shape}; hidden_size={hidden} and direction={direction!r} '
            f'need {(ways, blocks * hidden, hidden)}'
        )
    coupled = node.op == 'LSTM' and bool(node.whole('input_forget', 0))
    after = node.op == 'GRU' and bool(node.whole('linear_before_reset', 0))
    reset = 'after' if after else 'before'
    return Settings(form, hidden, ways, direction, layout == 1, reset, coupled)


def _options(node: Node, has: Settings) -> dict[str, object]:
    """Return the keywords of the layer that differ from its defaults."""
    options = functions.of_layer(node, has.form, has.ways)
    clip = node.number('clip')
    if clip is not None:
        if clip <= 0:
            raise node.fail(f'clip must be above 0; got {clip}')
        options['clip'] = clip
    if has.coupled:
        options['coupled'] = True
    if has.form == 'lstm' and node.has(PEEPHOLES):
        options['peepholes'] = True
    if has.form == 'gru' and has.reset == 'before':
        options['reset'] = 'before'
    return options


def _input(node: Node, has: Settings) -> tuple[Flow, Atom, Atom]:
    """Return what the layer reads, and its time and batch."""
    flow = node.flow(0)
    if len(flow.axes) != 3:
        raise node.fail(f'its input must have three axes; got {flow}')
    time, batch = (1, 0) if has.batch_first else (0, 1)
    for k, role in ((time, TIME), (batch, BATCH), (2, FEATURE)):
        if role != FEATURE or flow.plan.form == 'input':
            give(node, flow, k, role)
    return flow, flow.axes[time][0], flow.axes[batch][0]


def _params(node: Node, has: Settings, k: int) -> dict[str, np.ndarray]:
    """Return the parameters of direction `k` in our order of gates."""
    w, r = node.weights(1, 'W'), node.weights(2, 'R')
    if w.ndim != 3 or w.shape[:2] != r.shape[:2] or not w.size:
        raise node.fail(f'W must have the shape {(*r.shape[:2], "I")}; got {w.shape}')
    bias = _vectors(node, 3, 'B', has.ways, 2 * w.shape[1], w.dtype)[k]
    theirs, ours = gates.ORDERS['onnx'][has.form], gates.ORDERS['rnnkit'][has.form]
    if has.coupled:
        ours = ours.replace('f', '')
    of_x, of_h = (gates.reordered(b, theirs, ours) for b in np.split(bias, 2))
    params = {
        'xh': gates.reordered(w[k].T, theirs, ours),
        'hh': gates.reordered(r[k].T, theirs, ours),
        **gates.joined_biases(has.form, of_x, of_h, has.reset),
    }
    if has.form == 'lstm' and node.has(PEEPHOLES):
        i, o, f = np.split(_vectors(node, PEEPHOLES, 'P', has.ways, 3 * has.hidden, w.dtype)[k], 3)
        params |= {'ci': i, 'co': o} if has.coupled else {'ci': i, 'cf': f, 'co': o}
    return params


def _vectors(node: Node, k: int, name: str, ways: int, n: int, dtype: np.dtype) -> np.ndarray:
    """Return an input with a vector for each direction, 0 if there is none."""
    if not node.has(k):
        return np.zeros((ways, n), dtype)
    value = node.weights(k, name)
    if value.shape != (ways, n):
        raise node.fail(f'{name} must have the shape {(ways, n)}; got {value.shape}')
    return value


def _lengths(node: Node, batch: Atom) -> None:
    """Note whether sequences have lengths."""
    graph = node.graph
    graph.has_lengths[node.where] = node.has(LENGTHS)
    if not node.has(LENGTHS):
        return
    value = node.value(LENGTHS)
    if not isinstance(value, Outside) or len(value.axes) != 1 or not value.whole:
        raise node.fail(
            f'sequence_lens must be an input of the graph, of whole numbers (batch,); it is '
            f'{kind(value)}'
        )
    if graph.lengths not in (None, value.name) or value.name in graph.inputs:
        raise node.fail(f'its sequence_lens {value.name!r} is not that of other nodes, or data')
    graph.lengths = value.name


def _outputs(node: Node, plan: Plan, has: Settings, time: Atom, batch: Atom) -> list[Flow]:
    features = Atom('features', has.hidden, FEATURE)
    directions = Atom('directions', 2, 'directions')
    way = (directions,) if has.ways == 2 else ()
    whole = (*way, features)
    steps, last = ((time,), way, (batch,), (features,)), (way, (batch,), (features,))
    if has.batch_first:
        steps, last = ((batch,), (time,), way, (features,)), ((batch,), way, (features,))
    flows = [Flow(plan, 'out', steps, whole), Flow(plan, 'last', last, whole)]
    return flows + ([Flow(plan, 'last_c', last, whole)] if has.form == 'lstm' else [])
