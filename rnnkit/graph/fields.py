"""The arrays of a batch: the name of each, its axes, and the values that it may have."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

from rnnkit.common.output_names import layer_of, parts
from rnnkit.data.field import Axes, Field
from rnnkit.errors import ConfigError
from rnnkit.graph.graph import Graph
from rnnkit.graph.missing import takes_missing
from rnnkit.layers import Input
from rnnkit.losses import Loss
from rnnkit.losses.base import name_of


def inputs_of(graph: Graph, layout: Axes) -> list[Field]:
    """Return the inputs of a network: the first is x, others are named after their layers.

    If another one is called x, the first is named after its layer as well.
    """
    plan, inputs = graph.plan, []

    def least(clock: str | None) -> int:
        made = [graph.by_name[name] for name, origin in plan.made_of.items() if origin == clock]
        return next(n for n in count(1) if all(layer.steps_after(n) >= 1 for layer in made))

    layers = [layer for layer in graph.layers if isinstance(layer, Input)]
    names = [layer.name for layer in layers]
    if 'x' not in names[1:]:
        names[0] = 'x'
    for name, layer in zip(names, layers, strict=True):
        clock, tokens = plan.clocks[layer.name], layer.name in plan.words
        inputs.append(
            Field(
                name,
                'words' if tokens else 'numbers',
                _axes(graph, layout, clock, not tokens),
                layer.size,
                f'layer {layer.name!r}' if tokens else 'the input layer',
                clock,
                'int64' if tokens else graph.dtype,
                _steps(graph, clock),
                least(clock),
                missing=takes_missing(graph, layer),
                times_of=_reader_of_times(graph, layer.name),
            )
        )
    return inputs


def _reader_of_times(graph: Graph, name: str) -> str:
    """Return the first layer that reads an input as the time between steps, or ''."""
    for reader in graph.layers:
        sides = graph.plan.sides[reader.name]
        if name in {layer_of(sides[side]) for side in reader.between if side in sides}:
            return reader.name
    return ''


def target_of(name: str, graph: Graph, output: str, loss: Loss, layout: Axes) -> Field:
    """Return the target that a loss compares an output with.

    Parameters
    ----------
    name : str
        The name of the target.
    graph : Graph
    output : str
        ``'hid1:out'``.
    loss : Loss
    layout : tuple of str

    Raises
    ------
    ConfigError
        If the output cannot be cut into the parts that the loss reads.
    """
    field = output_as_array(name, graph, output, layout)
    if loss.n_parts > 1:
        owner = f'{field.owner} with loss {name_of(loss)!r}'
        field = replace(field, size=_size(field.size, output, loss), owner=owner)
    origin, steps_after = _origin(graph, field.clock)
    checks = {'check': loss.check_targets, 'is_target': True}
    field = replace(field, origin=origin, steps_after=steps_after, **checks)
    if not loss.integer_targets:
        return field
    return replace(field, kind='labels', axes=field.axes[:-1], dtype='int64')


def output_as_array(name: str, graph: Graph, output: str, layout: Axes) -> Field:
    """Return an array of numbers with the axes of an output."""
    owner, what = parts(output)
    layer, clock = graph.by_name[owner], graph.plan.clock_of(output, graph.by_name)
    return Field(
        name,
        'numbers',
        _axes(graph, layout, clock, True),
        layer.output_size(what),
        'the last layer' if layer is graph.layers[-1] else f'layer {owner!r}',
        clock,
        graph.dtype,
        _steps(graph, clock),
    )


def input_as_target(graph: Graph, output: str, loss: Loss, given: list[Field]) -> Field:
    """Return the only input of a network as the target of an output that reconstructs it.

    Raises
    ------
    ConfigError
        If the network has several inputs, or the axes of the output are not those of the input.
    """
    where = f'an autoencoder compares {output!r} with its input'
    if len(given) > 1:
        names = ', '.join(field.name for field in given)
        raise ConfigError(f'{where}, so it must have one input; got {names}')
    (field,), (owner, what) = given, parts(output)
    if field.kind == 'words':
        raise ConfigError(
            f'{where}, which must be numbers; an embedding reads tokens. Use a Classifier, with '
            f'the tokens as x and as y'
        )
    clock = graph.plan.clock_of(output, graph.by_name)
    size = _size(graph.by_name[owner].output_size(what), output, loss)
    if size != field.size:
        raise ConfigError(f'{where}; it has {size} features, and the input {field.size}')
    steps = field.steps
    if clock != field.clock:
        steps = _steps(graph, clock)
        if not (clock and field.clock):
            has, other = ('has a', 'the input none') if clock else ('has no', 'the input one')
            raise ConfigError(f'{where}; it {has} time axis, and {other}')
        if steps is None or field.steps not in (None, steps):
            raise ConfigError(
                f'{where}, which must have as many time steps; layer {clock!r} has '
                f'{"others" if steps is None else steps}'
            )
    return replace(field, steps=steps, check=loss.check_targets, missing=False)


def _size(size: int, output: str, loss: Loss) -> int:
    """Return the number of targets that an output of this size is compared with."""
    n = loss.n_parts
    if size % n:
        raise ConfigError(
            f'loss {name_of(loss)!r} reads {n} numbers for each target, so the '
            f'size of {output!r} must be a multiple of {n}; got {size}'
        )
    return size // n


def masks_of(graph: Graph, layout: Axes) -> list[Field]:
    """Return the masks of a network."""
    return [
        Field(variable.name, 'mask', _axes(graph, layout, clock), 0, '', clock, graph.dtype)
        for clock, variable in graph.masks.items()
    ]


def _axes(graph: Graph, layout: Axes, clock: str | None, features: bool = False) -> tuple[str, ...]:
    has_time = any(graph.plan.clocks.values())
    leading = layout if clock else ('batch' if has_time else 'examples',)
    return (*leading, *['features'] * features)


def _steps(graph: Graph, clock: str | None) -> int | None:
    """Return the number of time steps that a clock must have; None for any number."""
    lengths = graph.plan.lengths
    return lengths[clock].fixed_steps if clock in lengths else None


def _origin(graph: Graph, clock: str | None) -> tuple[str | None, Callable[[int], int] | None]:
    """Return the time axis of the data that a clock is made of, and a function of its steps."""
    made = []
    while clock in graph.plan.made_of:
        made.insert(0, graph.by_name[clock])
        clock = graph.plan.made_of[clock]

    def steps_after(steps: int) -> int:
        for layer in made:
            steps = layer.steps_after(steps)
        return steps

    return (clock, steps_after) if made else (None, None)
