"""Connections of layers and their time axes: known before any graph is built."""

from collections.abc import Iterable
from typing import NamedTuple

from rnnkit.common.output_names import full, join, layer_of, parts
from rnnkit.errors import ConfigError
from rnnkit.layers import Embedding, Input, Last, Layer, Max, Mean


class Plan(NamedTuple):
    """Connections of layers, and their time axes.

    Attributes
    ----------
    sources : dict of str to list of str
        For each layer, the outputs that it reads.
    starts : dict of str to dict of str to str
        For each layer, the outputs that parts of its state start from.
    sides : dict of str to dict of str to str
        For each layer, those outputs that it reads by an option, such as ``gap``. They are among
        `sources`, too, after its inputs.
    clocks : dict of str to str or None
        For each layer, the owner of the time axis of its outputs: the first input layer of those
        that share one, a layer that makes one, or None without time.
    words : set of str
        The input layers whose data are tokens.
    lengths : dict of str to Layer
        The layer that fixes the number of time steps of a clock, if there is one.
    made_of : dict of str to str
        For a clock that is computed from another one, such as by a convolution, that other.
    memories : dict of str to str
        For each layer that reads a whole sequence at each of its steps, the output that this is.
    """

    sources: dict[str, list[str]]
    starts: dict[str, dict[str, str]]
    sides: dict[str, dict[str, str]]
    clocks: dict[str, str | None]
    words: set[str]
    lengths: dict[str, Layer]
    made_of: dict[str, str]
    memories: dict[str, str]

    def inputs(self, layer: str) -> list[str]:
        """Return the outputs that a layer reads, without those that options name."""
        apart = self.sides[layer].values()
        return [n for k, n in enumerate(self.sources[layer]) if not k or n not in apart]

    def clock_of(self, output: str, layers: dict[str, Layer]) -> str | None:
        """Return the owner of the time axis of an output."""
        name, what = parts(output)
        if what in layers[name].of_memory:
            return self.clock_of(self.memories[name], layers)
        return self.clocks[name] if layers[name].has_time(what) else None

    def reads(self, layer: str) -> list[str]:
        """Return all outputs that a layer reads: as inputs, as initial states, as its memory."""
        memory = [self.memories[layer]] if layer in self.memories else []
        return [*self.sources[layer], *self.starts[layer].values(), *memory]


def plan(layers: list[Layer]) -> Plan:
    """Connect layers, and find their time axes.

    Parameters
    ----------
    layers : list of Layer
        With names; each reads layers before it.

    Raises
    ------
    ConfigError
        If a layer needs a time axis and has none, or has one and must not.
    """
    names = {layer.name: layer for layer in layers}
    sources, starts, sides = {}, {}, {}
    for k, layer in enumerate(layers):
        read = [] if isinstance(layer, Input) else layer.inputs or (_before(layers[:k], layer),)
        own = [_full(name, names, isinstance(layer, Last)) for name in read]
        sides[layer.name] = {side: full(name) for side, name in layer.side_sources.items()}
        others = dict.fromkeys(name for name in sides[layer.name].values() if name not in own)
        sources[layer.name] = [*own, *others]
        starts[layer.name] = {
            part: _full(name, names, True, layer.start_part(part))
            for part, name in layer.start_sources.items()
        }
    memories = {x.name: _full(x.memory_source, names, False) for x in layers if x.memory_source}
    words = _words(layers, sources, memories)
    found = Plan(sources, starts, sides, {}, words, {}, {}, memories)
    # Data without time are (B, I), so a time axis needs a reason: a layer, or ndim=3 of an input.
    if memories or any(
        x.recurrent or x.starts_time or getattr(x, 'ndim', None) == 3 for x in layers
    ):
        _find_clocks(layers, names, found)
    else:
        found.clocks.update(dict.fromkeys(names))
    return found


def _before(layers: list[Layer], reader: Layer) -> str:
    """Return the layer that one reads by default: the last before it that no option names.

    If each is named by one, it is the first.
    """
    aside = {layer_of(name) for name in reader.side_sources.values()}
    names = [layer.name for layer in layers]
    return next((name for name in reversed(names) if name not in aside), (names or [''])[0])


def _full(name: str, layers: dict[str, Layer], final: bool, part: str = '') -> str:
    """Return the full name of an output; a layer alone means its main one, or its final one."""
    layer, colon, _ = name.partition(':')
    if colon:
        return name
    if final and hasattr(layers.get(layer), 'last_name'):
        return join(layer, layers[layer].last_name(part))
    return join(name)


def _words(
    layers: list[Layer], sources: dict[str, list[str]], memories: dict[str, str]
) -> set[str]:
    """Return the inputs that embeddings read."""
    inputs = {layer.name for layer in layers if isinstance(layer, Input)}
    read: dict[str, set[bool]] = {}
    for layer in layers:
        for name in _layers_of(sources[layer.name]):
            read.setdefault(name, set()).add(isinstance(layer, Embedding))
        if layer.name in memories:
            read.setdefault(layer_of(memories[layer.name]), set()).add(False)
        if isinstance(layer, Embedding) and not set(_layers_of(sources[layer.name])) <= inputs:
            raise ConfigError(
                f'layer {layer.name!r}: an embedding reads an input layer, whose size is that of '
                f'the vocabulary; got {", ".join(sources[layer.name])}'
            )
    for name in inputs:
        if len(read.get(name, ())) > 1:
            raise ConfigError(
                f'layer {name!r}: an embedding reads it as tokens, and another layer as features; '
                f'give each an input of its own'
            )
    return {name for name in inputs if True in read.get(name, ())}


def _layers_of(outputs: Iterable[str]) -> list[str]:
    return [layer_of(name) for name in outputs]


def _find_clocks(layers: list[Layer], names: dict[str, Layer], found: Plan) -> None:
    """Fill in the time axis of each layer."""
    timeless = _without_time(layers, names, found)
    # Each input starts as a time axis of its own. Where a layer reads two, they must be one.
    same: dict[str, str] = {}

    def root(clock: str) -> str:
        while clock in same:
            clock = same[clock]
        return clock

    def clocks_of(outputs: Iterable[str]) -> list[str]:
        known = [name for name in outputs if layer_of(name) in found.clocks]
        clocks = [found.clock_of(name, names) for name in known]
        return list(dict.fromkeys(root(clock) for clock in clocks if clock))

    for layer in layers:
        clocks = clocks_of(found.sources[layer.name])
        _check_time(layer, clocks_of(found.inputs(layer.name)), names, found)
        for part, name in found.starts[layer.name].items():
            if clocks_of([name]):
                raise ConfigError(
                    f'layer {layer.name!r}: {part}_0 is one value for each example, and {name!r} '
                    f"has one for each time step; read its last step, by a layer 'last'"
                )
        memory = found.memories.get(layer.name, '')
        if layer_of(memory) in found.clocks and not clocks_of([memory]):
            raise ConfigError(
                f'layer {layer.name!r}: the memory is a sequence, all steps of which are read; '
                f'{memory!r} has no time axis'
            )
        for other in clocks[1:]:
            same[other] = clocks[0]
        if isinstance(layer, Input):
            found.clocks[layer.name] = None if layer.name in timeless else layer.name
        elif layer.starts_time:
            found.clocks[layer.name] = layer.name
            if clocks:
                found.made_of[layer.name] = clocks[0]
        else:
            found.clocks[layer.name] = clocks[0] if clocks else None
    for name, clock in found.clocks.items():
        found.clocks[name] = root(clock) if clock else None
    found.made_of.update({clock: root(other) for clock, other in found.made_of.items()})
    _find_lengths(layers, names, found)


def _find_lengths(layers: list[Layer], names: dict[str, Layer], found: Plan) -> None:
    """Fill in the layers that fix the number of time steps."""
    for layer in layers:
        if layer.fixed_steps is None:
            continue
        source = found.sources[layer.name][0]
        clock = layer.name if layer.starts_time else found.clock_of(source, names)
        other = found.lengths.setdefault(clock, layer)
        if other.fixed_steps != layer.fixed_steps:
            raise ConfigError(
                f'layer {layer.name!r} has {layer.fixed_steps} time steps; {other.name!r} has '
                f'{other.fixed_steps}'
            )


def _without_time(layers: list[Layer], names: dict[str, Layer], found: Plan) -> set[str]:
    """Return the layers that must have no time axis, because of their readers."""
    timeless = {layer.name for layer in layers if getattr(layer, 'ndim', None) == 2}
    for layer in reversed(layers):
        sources = list(found.starts[layer.name].values())
        passes = layer.keeps_time and not layer.recurrent and not layer.starts_time
        if layer.wants_time is False or (layer.name in timeless and passes):
            sources += found.sources[layer.name]
        for name in sources:
            source, what = parts(name)
            if source in names and names[source].has_time(what):
                timeless.add(source)
    for layer in layers:
        if layer.recurrent:  # it needs time, so the error must be about the other reader
            timeless -= {
                n
                for n in _layers_of(found.sources[layer.name])
                if isinstance(names.get(n), Input) and names[n].ndim is None
            }
    for layer in layers:
        if layer.name in timeless and getattr(layer, 'ndim', None) == 3:
            raise ConfigError(
                f'layer {layer.name!r}: it has a time axis (ndim=3), and a layer that reads it '
                f'must have none'
            )
    return timeless


def _check_time(layer: Layer, clocks: list[str], names: dict[str, Layer], found: Plan) -> None:
    read = ', '.join(found.sources[layer.name])
    read_by = [names[name] for name in _layers_of(found.sources[layer.name]) if name in names]
    if isinstance(layer, Last) and any(
        found.clocks.get(source.name) and not isinstance(source, Mean | Max) for source in read_by
    ):
        return  # it reads a last step already
    if layer.recurrent and not clocks and not isinstance(layer, Input):
        raise ConfigError(
            f'layer {layer.name!r} ({layer.form}) needs a time axis; {read} has none; put '
            f"dict(form='repeat', steps=...) before it"
        )
    if layer.wants_time is False and clocks:
        raise ConfigError(
            f'layer {layer.name!r} ({layer.form}) reads one value for each example, but {read} '
            f"has a time axis; put 'last' before it"
        )
