"""The layers of a graph become a network."""

from collections.abc import Mapping

import numpy as np

from rnnkit.errors import FormatError, RnnkitError
from rnnkit.initializers import known_values
from rnnkit.integrations.onnx.reader.axes import BATCH, FEATURE, TIME
from rnnkit.integrations.onnx.reader.nodes import Graph
from rnnkit.integrations.onnx.reader.values import Flow, Outside, Plan, Source
from rnnkit.layers.base import RESERVED
from rnnkit.models import files
from rnnkit.models.network import Network

# Layers that need a time axis: what they read has one by itself.
TIMED = ('rnn', 'lstm', 'gru', 'bidirectional', 'mean', 'max', 'last', 'flatten')


def ordered(graph: Graph, plans: list[Plan], main: Flow) -> list[Plan]:
    """Return the layers with the inputs first, and the one of the output last.

    An output that another layer reads, or that is not the main one of its layer, gets a layer of
    its own, which passes it on.
    """
    names = [*graph.values]  # the inputs in the order of the graph
    inputs = sorted(
        (plan for plan in plans if plan.form == 'input'), key=lambda plan: names.index(plan.hint)
    )
    rest = [plan for plan in plans if plan.form != 'input']
    plan = main.plan
    is_read = any(one is plan for other in rest for one, _ in other.all_sources())
    is_main = main.output == 'out' or (main.output == 'pre' and 'activation' not in plan.options)
    if main.output == 'last':
        end = Plan('last', None, {}, [(plan, 'out')])
    elif is_main and not is_read and plan.form != 'input':
        end = plan
        rest.remove(plan)
    else:
        end = Plan('concatenate', None, {}, [(plan, main.output)])
    return [*inputs, *rest, end]


def layout_of(graph: Graph) -> str:
    """Return the order of the axes of data; note the roles of those that no operator tells.

    Raises
    ------
    FormatError
        If it is not known, or differs between inputs.
    """
    found: dict[str, str] = {}
    for name, plan in graph.inputs.items():
        value = graph.values[name]
        assert isinstance(value, Outside)
        roles = [axis[0] for axis in value.axes]
        timed = len(roles) == (2 if plan.options.get('tokens') else 3)
        unknown = [atom for atom in roles if atom.role is None]
        missing = [
            r for r in ((TIME, BATCH) if timed else (BATCH,)) if all(a.role != r for a in roles)
        ]
        if len(unknown) != len(missing) or len(unknown) > 1:
            raise FormatError(
                f'{graph.name}: the graph does not tell which axes of the input {name!r} are time '
                f"and batch; pass layout='time' or layout='batch'"
            )
        for atom, role in zip(unknown, missing, strict=True):
            atom.role = role
        _check_order(graph, name, [atom.role for atom in roles], plan)
        if timed:
            found[name] = 'time' if roles[0].role == TIME else 'batch'
    if len({*found.values()}) > 1:
        raise FormatError(
            f'{graph.name}: inputs have different orders of axes: '
            f'{", ".join(f"{name!r} has the {first} first" for name, first in found.items())}'
        )
    return next(iter(found.values()), 'time')


def _check_order(graph: Graph, name: str, roles: list[str | None], plan: Plan) -> None:
    features = [] if plan.options.get('tokens') else [FEATURE]
    right = ([TIME, BATCH, *features], [BATCH, TIME, *features], [BATCH, *features])
    if roles not in right:
        raise FormatError(
            f'{graph.name}: the input {name!r} has the axes ({", ".join(map(str, roles))}); '
            f'expected (time, batch, features), (batch, time, features) or (batch, features), and '
            f'for numbers of tokens the same without features'
        )


def named(graph: Graph, plans: list[Plan]) -> dict[Plan, str]:
    """Return the names of layers: the usual ones, and of further inputs those in the file."""
    names: dict[Plan, str] = {}
    for k, plan in enumerate(plans):
        name = 'in' if k == 0 else 'out' if k == len(plans) - 1 else f'hid{k}'
        if k and plan.form == 'input' and plan.hint and not RESERVED & {*plan.hint}:
            usual = {'in', 'out', *(f'hid{j}' for j in range(len(plans)))}
            name = plan.hint if plan.hint not in usual and len(plan.hint) < 100 else name
        names[plan] = name
    return names


class Spec:
    """The specs of layers and the values of their parameters.

    Attributes
    ----------
    layers : list of dict
    arrays : dict of str to array
    """

    def __init__(self, graph: Graph, plans: list[Plan], classifies: bool):
        self.names = named(graph, plans)
        self.layers: list[dict[str, object]] = []
        self.arrays: dict[str, np.ndarray] = {}
        for k, plan in enumerate(plans):
            before = plans[k - 1] if k else None
            self.layers.append(self._layer(plan, before, k == len(plans) - 1, classifies))
            for name, value in plan.params.items():
                self.arrays[self._param(plan, name)] = value
        timed = any(plan.form in TIMED for plan in plans)
        for layer, plan in zip(self.layers, plans, strict=True):
            if plan.form == 'input':
                value = graph.values[plan.hint]
                n = len(value.axes) + bool(plan.options.get('tokens'))
                if timed != (n == 3):
                    layer['ndim'] = n

    def _layer(
        self, plan: Plan, before: Plan | None, is_last: bool, classifies: bool
    ) -> dict[str, object]:
        options = {k: v for k, v in plan.options.items() if k != 'tokens'}
        if plan.form == 'feedforward':
            default = ('softmax' if classifies else 'linear') if is_last else 'relu'
            if options.setdefault('activation', 'linear') == default:
                del options['activation']
        spec: dict[str, object] = {'form': plan.form, 'name': self.names[plan], **options}
        if plan.size is not None:
            spec['size'] = plan.size
        if plan.sources and plan.sources != [(before, 'out')]:
            sources = [self._source(one) for one in plan.sources]
            if sources != [self.names.get(before)]:
                spec['inputs'] = sources
        for part, one in plan.starts.items():
            pair = isinstance(one, list)
            spec[part] = [self._start(s) for s in one] if pair else self._start(one)
        return spec

    def _source(self, source: Source) -> str:
        plan, output = source
        if output == 'pre' and 'activation' not in plan.options:
            output = 'out'
        name = self.names[plan]
        return name if output == 'out' else f'{name}:{output}'

    def _start(self, source: Source) -> str:
        name = self._source(source)
        return name.removesuffix(':last')

    def _param(self, plan: Plan, name: str) -> str:
        layer = self.names[plan]
        if plan.form == 'bidirectional':
            return f'{layer}_{name}'  # of 'fw.xh' and the layer hid1: hid1_fw.xh
        if plan.form == 'feedforward' and len(plan.sources) > 1 and name.startswith('w'):
            source = self._source(plan.sources[int(name[1:] or 0)])
            return f'{layer}.w_{source}' + ('' if ':' in source else ':out')
        return f'{layer}.{name}'


def network(graph: Graph, spec: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> Network:
    """Return the network of a spec, with these parameters.

    Raises
    ------
    FormatError
        If it cannot be built, or a parameter is missing, has another shape or is not finite.
    """
    cast = {}
    for name, value in arrays.items():
        with np.errstate(over='ignore'):
            cast[name] = np.array(value, spec['dtype'], order='C')
        if not np.isfinite(cast[name]).all():
            raise FormatError(f'{graph.name}: the parameter {name} has values that are not finite')
    try:
        with known_values(cast):
            net = files.build(spec)
    except (RnnkitError, RecursionError) as error:
        raise FormatError(f'{graph.name}: its network cannot be built: {error}') from error
    missing = {p.name for p in net.params} ^ set(cast)
    if missing:
        raise FormatError(f'{graph.name}: there is no parameter {min(missing)}')
    return net
