"""MatMul, Gemm, sums and activations as fully connected layers."""

from dataclasses import replace

import numpy as np

from rnnkit.integrations.onnx.reader import constants, functions
from rnnkit.integrations.onnx.reader.axes import FEATURE, Atom, length
from rnnkit.integrations.onnx.reader.nodes import Node, reads
from rnnkit.integrations.onnx.reader.roles import (
    features_last,
    join,
    plain,
    repeated,
    sized,
    source,
)
from rnnkit.integrations.onnx.reader.values import Flow, Plan, Spread, Value, kind

PRODUCT, BIASED = 'product', 'biased'
WIDEST = 2048  # features that an activation alone may have: it becomes an identity matrix


@reads('MatMul')
def matmul(node: Node) -> Flow:
    """Read the product with a matrix."""
    return product(node, node.flow(0), _matrix(node, 1, transposed=False))


@reads('Gemm')
def gemm(node: Node) -> Flow:
    """Read the product with a matrix and the sum with a vector, each times a number."""
    alpha, beta = node.number('alpha', 1.0), node.number('beta', 1.0)
    if node.whole('transA', 0):
        raise node.fail('it transposes its input (transA=1); only its matrix may be transposed')
    flow = node.flow(0)
    if len(flow.axes) != 2:
        raise node.fail(f'its input must have two axes; got {flow}')
    matrix = _matrix(node, 1, transposed=bool(node.whole('transB', 0)))
    found = product(node, flow, matrix if alpha == 1 else alpha * matrix)
    if node.has(2):
        bias = node.weights(2, 'the bias')
        _add_bias(node, found.plan, bias if beta == 1 else beta * bias)
        found = replace(found, stage=BIASED)
    return found


def _matrix(node: Node, k: int, transposed: bool) -> np.ndarray:
    matrix = node.weights(k, 'the matrix')
    if matrix.ndim != 2 or not matrix.size:
        raise node.fail(f'the matrix must have two axes; got {kind(matrix)}')
    return matrix.T if transposed else matrix


def product(node: Node, flow: Flow, matrix: np.ndarray) -> Flow:
    """Return the output of a new layer without bias or activation."""
    sized(node, flow, len(matrix))
    n = matrix.shape[1]
    params = {'w': matrix, 'b': np.zeros(n, matrix.dtype)}
    plan = Plan('feedforward', n, {}, [source(node, flow)], params, hint=node.hint)
    node.graph.add(plan)
    features = Atom('features', n, FEATURE)
    return Flow(plan, 'pre', (*flow.axes[:-1], (features,)), (features,), PRODUCT)


def _add_bias(node: Node, plan: Plan, bias: np.ndarray) -> None:
    n = plan.params['b'].size
    if bias.size not in (1, n) or bias.shape[-1:] not in ((), (bias.size,)):
        raise node.fail(f'the bias must have the shape {(n,)}; got {bias.shape}')
    plan.params['b'] = np.broadcast_to(bias.reshape(-1), (n,)).copy()


@reads('Add', 'Sub', 'Mul', 'Div')
def arithmetic(node: Node) -> Value:
    """Read sums and products, of constants or of outputs."""
    left, right = node.value(0), node.value(1)
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return constants.products(node)
    if isinstance(right, np.ndarray | Spread):
        return _with_constant(node, node.flow(0), 1)
    if isinstance(left, np.ndarray | Spread):
        if node.op not in ('Add', 'Mul'):
            raise node.fail(f'it combines {kind(left)} and {kind(right)}')
        return _with_constant(node, node.flow(1), 0)
    flows = [node.flow(0), node.flow(1)]
    if node.op == 'Add':
        return _sum(node, flows)
    if node.op == 'Mul':
        return _swish(node, flows) or joined(node, 'product', flows)
    raise node.fail(f'there is no layer for the {node.op} of {flows[0]} and {flows[1]}')


def _with_constant(node: Node, flow: Flow, k: int) -> Flow:
    """Return an output that is combined with a number, or with one for each feature."""
    value = node.weights(k, 'the constant')
    alone = node.graph.uses[node.inputs[1 - k]] == 1
    if node.op == 'Add' and flow.stage == PRODUCT and alone:
        if value.ndim > len(flow.axes):
            raise node.fail(f'the bias has {value.ndim} axes; {flow} has {len(flow.axes)}')
        _add_bias(node, flow.plan, value)
        return replace(flow, stage=BIASED)
    n = length(features_last(node, flow))
    if (
        not isinstance(n, int)
        or value.size not in (1, n)
        or value.shape[-1:] not in ((), (value.size,))
    ):
        raise node.fail(f'{flow} is combined with {kind(value)}; expected one for each feature')
    value = np.broadcast_to(value.reshape(-1), (n,))
    if flow.plan.form == 'input' and node.op in ('Sub', 'Div'):
        return _standardized(node, flow, value, n)
    if node.op == 'Div' and flow.stage == 'centred' and alone:
        flow.plan.params['deviation'] = _deviation(node, value)
        return replace(flow, stage='')
    one = np.ones(n, value.dtype)
    with np.errstate(divide='ignore', over='ignore'):
        scale = {'Mul': value, 'Div': 1 / value}.get(node.op, one)
    shift = {'Add': value, 'Sub': -value}.get(node.op, 0 * one)
    plan = diagonal(node, flow, scale, shift)
    return Flow(plan, 'pre', flow.axes, flow.features or flow.axes[-1], BIASED)


def _standardized(node: Node, flow: Flow, value: np.ndarray, n: int) -> Flow:
    """Return data less their mean, or divided by their deviation."""
    plan = Plan('standardize', None, {}, [plain(node, flow)], hint=node.hint)
    known = np.ones((), value.dtype)
    mean, deviation = np.zeros(n, value.dtype), np.ones(n, value.dtype)
    if node.op == 'Sub':
        mean = value.copy()
    else:
        plan.options['center'] = False
        deviation = _deviation(node, value)
    plan.params = {'mean': mean, 'deviation': deviation, 'known': known}
    stage = 'centred' if node.op == 'Sub' else ''
    return Flow(node.graph.add(plan), 'out', flow.axes, flow.axes[-1], stage)


def _deviation(node: Node, value: np.ndarray) -> np.ndarray:
    if not (value > 0).all():
        raise node.fail('data are divided by a deviation, which must be above 0')
    return value.copy()


def diagonal(node: Node, flow: Flow, scale: np.ndarray, shift: np.ndarray) -> Plan:
    """Return a layer with a frozen diagonal matrix: each feature times a number, plus one."""
    n = len(scale)
    if n > WIDEST:
        raise node.fail(f'it reads {n:,} features one by one, and at most {WIDEST:,} are possible')
    constants.spend(node, n * n)
    params = {'w': np.diag(scale), 'b': shift}
    options: dict[str, object] = {'trainable': False}
    return node.graph.add(
        Plan('feedforward', n, options, [source(node, flow)], params, hint=node.hint)
    )


def _sum(node: Node, flows: list[Flow]) -> Flow:
    """Return the sum of outputs; of two products, it is one layer that reads several others."""
    one, other = flows
    alone = all(node.graph.uses[name] == 1 for name in node.inputs)
    if other.stage == BIASED and one.stage == PRODUCT:
        one, other = other, one
    both = one.stage in (PRODUCT, BIASED) and other.stage == PRODUCT
    distinct = not {*one.plan.sources} & {*other.plan.sources}
    plain_plans = not one.plan.options and not other.plan.options
    same = one.plan.size == other.plan.size
    if not (alone and both and distinct and plain_plans and same):
        return joined(node, 'sum', flows)
    axes = join(node, [one, other], but=-1)
    plan = one.plan
    for name, value in other.plan.params.items():
        if name.startswith('w'):
            plan.params[f'w{len(plan.params) - 1}'] = value
    plan.sources += other.plan.sources
    node.graph.plans.remove(other.plan)
    node.graph.plans.remove(plan)
    node.graph.add(plan)  # after all that it reads
    return replace(one, axes=(*axes[:-1], one.features))


def joined(node: Node, form: str, flows: list[Flow]) -> Flow:
    """Return outputs that are combined element by element."""
    for flow in flows:
        features_last(node, flow)
    widths = {length(flow.axes[-1]) for flow in flows}
    if len(widths) > 1 or not isinstance(next(iter(widths)), int):
        raise node.fail(f'{flows[0]} and {flows[1]} must have the same number of features')
    axes = join(node, flows, but=-1)
    plan = Plan(form, None, {}, [plain(node, flow) for flow in flows], hint=node.hint)
    features = Atom('features', widths.pop(), FEATURE)
    axes, time = (*axes[:-1], (features,)), repeated(flows)
    return Flow(node.graph.add(plan), 'out', axes, (features,), repeated=time)


def _swish(node: Node, flows: list[Flow]) -> Flow | None:
    """Return the product of x and sigmoid(x) as one activation."""
    for (pre, out), name in zip((flows, flows[::-1]), node.inputs[::-1], strict=True):
        own = pre.plan is out.plan and (pre.output, out.output) == ('pre', 'out')
        own = own and pre.plan not in node.graph.shared
        if own and node.graph.uses[name] == 1 and pre.plan.options.get('activation') == 'sigmoid':
            pre.plan.options['activation'] = 'swish'
            return out
    return None


@reads('Tanh', 'Sigmoid', 'Relu', 'Softsign', 'Softplus', 'Exp')
def activation(node: Node) -> Flow:
    """Read an activation without parameters."""
    return activated(node, node.op.lower())


@reads('Elu', 'LeakyRelu', 'ThresholdedRelu', 'HardSigmoid')
def with_numbers(node: Node) -> Flow:
    """Read an activation with numbers."""
    low = node.op.lower()
    numbers = tuple(
        node.number(name, default)
        for name, default in zip(('alpha', 'beta'), functions.DEFAULTS[low], strict=False)
    )
    return activated(node, functions.named(node, node.op, numbers))


@reads('Selu')
def selu(node: Node) -> Flow:
    """Read a SELU with its usual numbers."""
    usual = (1.6732632, 1.0507010)
    alpha, gamma = node.number('alpha', usual[0]), node.number('gamma', usual[1])
    if not np.allclose((alpha, gamma), usual, rtol=1e-6, atol=0):
        raise node.fail(f'alpha and gamma must be {usual}; got {(alpha, gamma)}')
    return activated(node, 'selu')


@reads('Gelu')
def gelu(node: Node) -> Flow:
    """Read a GELU, exact or approximate."""
    names = {'none': 'gelu', 'tanh': 'gelu:tanh'}
    kind_of = node.text('approximate', 'none')
    if kind_of not in names:
        raise node.fail(f'approximate must be none or tanh; got {kind_of!r}')
    return activated(node, names[kind_of])


@reads('PRelu')
def prelu(node: Node) -> Flow:
    """Read a leaky ReLU with learned slopes."""
    return activated(node, 'prelu', {'leak': node.weights(1, 'the slope')})


@reads('Clip')
def clip(node: Node) -> Flow:
    """Read limits of 0 and 1, which are an activation."""
    ends = [node.number('min'), node.number('max')]
    for k in (1, 2):
        if node.has(k):
            ends[k - 1] = float(node.weights(k, 'a limit').reshape(-1)[0])
    names = {(0.0, 1.0): 'rect:minmax', (0.0, None): 'relu', (None, 1.0): 'rect:min'}
    if tuple(ends) not in names:
        raise node.fail(f'it clips to {ends}; possible are 0 to 1, from 0, and to 1')
    return activated(node, names[ends[0], ends[1]])


@reads('Softmax', 'LogSoftmax')
def softmax(node: Node) -> Flow:
    """Read a softmax over all features."""
    flow, old = node.flow(0), node.graph.version < 13
    k = node.place(node.whole('axis', 1 if old else -1), flow.axes)
    if k != len(flow.axes) - 1:
        raise node.fail(f'its axis must be the last one; {flow} has {len(flow.axes)} axes')
    found = activated(node, 'softmax')
    if node.op == 'LogSoftmax':
        node.graph.log_softmax.add(found.plan)
    return found


def activated(node: Node, name: str, params: dict[str, np.ndarray] | None = None) -> Flow:
    """Return an output after an activation: that of the layer before it, or one of its own."""
    flow = node.flow(0)
    n = length(features_last(node, flow))
    if not isinstance(n, int):
        raise node.fail(f'the number of features of {flow} is not known')
    plan, options = flow.plan, flow.plan.options
    out = Flow(plan, 'out', flow.axes, flow.features)
    alone = node.graph.uses[node.inputs[0]] == 1 and plan not in node.graph.shared
    if flow.stage in (PRODUCT, BIASED) and 'activation' not in options:
        options['activation'] = name
    elif flow.stage in (PRODUCT, BIASED) and options['activation'] == name and not params:
        node.graph.shared.add(plan)
        return out
    elif plan.form == 'feedforward' and flow.output == 'out' and alone and not params:
        options['activation'] = f'{options["activation"]}+{name}'
    else:
        plan = diagonal(node, flow, np.ones(n, np.float32), np.zeros(n, np.float32))
        plan.options['activation'] = name
        out = Flow(plan, 'out', flow.axes, flow.features or flow.axes[-1])
    for key, value in (params or {}).items():
        flat = np.asarray(value)
        if flat.size not in (1, n) or (flat.ndim and flat.shape[-1] != flat.size):
            raise node.fail(f'its {key} must be one number, or one for each feature')
        plan.params[key] = np.broadcast_to(flat.reshape(-1), (n,)).copy()
    return out
