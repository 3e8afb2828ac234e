"""Layers connected to one symbolic graph."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from pytensor.tensor import TensorVariable

from rnnkit.common.output_names import MAIN, join, layer_of, parts
from rnnkit.common.registry import hint, meant
from rnnkit.common.spelling import listed
from rnnkit.common.tensors import variable
from rnnkit.errors import ConfigError
from rnnkit.graph.plan import Plan, plan
from rnnkit.graph.units import Units
from rnnkit.layers import Input, Layer
from rnnkit.layers.base import Memory
from rnnkit.noise import Noise

Outputs = dict[str, TensorVariable]


class Graph:
    """The symbolic graph of connected layers; creating it creates their parameters.

    Parameters
    ----------
    layers : list of Layer
        With names; each reads layers before it.
    dtype : str
    rng : numpy.random.Generator
        Draws the initial values, layer by layer.
    masked : bool
        Whether sequences have masks.
    kinds : dict of str to str, optional
        For each output that is in the units of a target that is scaled, whether it is a value or a
        variance.

    Attributes
    ----------
    plan : Plan
    inputs : list of tensors
        One variable for each input layer: (T, B, I), or (B, I) without time; tokens (T, B) or
        (B,) if an embedding reads it.
    masks : dict of str to tensor
        A mask (T, B) for each time axis of the data, by the name of its input.
    outputs : dict of str to tensor
        Every output of every layer, named ``'hid1:out'``, without noise.
    units : Units or None
        Those of the first target, if it is scaled.

    Raises
    ------
    ConfigError
        If a layer reads an output that does not exist, or returns something unusable.
    """

    def __init__(
        self,
        layers: list[Layer],
        dtype: str,
        rng: np.random.Generator,
        masked: bool = False,
        kinds: dict[str, str] | None = None,
    ):
        self.layers, self.dtype = layers, dtype
        self.by_name = {layer.name: layer for layer in layers}
        self.plan: Plan = plan(layers)
        self.inputs: list[TensorVariable] = []
        self.masks: dict[str, TensorVariable] = {}
        self._make_inputs(masked)
        self.outputs: Outputs = {}
        self._sizes: dict[str, int] = {}
        fresh = iter(self.inputs)
        for layer in layers:
            sources = {name: self._size(layer, name) for name in self.plan.sources[layer.name]}
            if memory := self.plan.memories.get(layer.name):
                layer.memory_size = self._size(layer, memory)
            layer.meet(layers[: layers.index(layer)])
            layer.bind(sources, dtype, rng)
            self._check_starts(layer)
            self._check_sides(layer)
            read = [self.outputs[name] for name in sources] or [next(fresh)]
            outputs = self._transform(layer, read, self.outputs, self.masks)
            self.outputs |= outputs
            self._sizes |= {name: layer.output_size(parts(name)[1]) for name in outputs}
        self.units: Units | None = None
        if kinds:
            self.units = Units(layers[-1], kinds, self.plan.sources, dtype, rng)
            self.outputs = self.units.outputs(self.outputs, {})

    def _make_inputs(self, masked: bool) -> None:
        """Create the inputs and, if sequences have them, the masks."""
        for layer in self.layers:
            if isinstance(layer, Input):
                clock = self.plan.clocks[layer.name]
                self.inputs.append(self._input(layer, clock is not None))
                if masked and clock == layer.name:
                    name = 'mask' if not self.masks else f'mask_{clock}'
                    self.masks[clock] = variable(name, self.dtype, (None, None))
                continue
            if masked and layer.starts_time and layer.wants_time is not False:
                raise ConfigError(
                    f'layer {layer.name!r} ({layer.form}) has other time steps than its inputs; a '
                    f'network with masked=True cannot have it'
                )
        if masked and not self.masks:
            raise ConfigError('masked=True, but no input of this network has a time axis')

    def again(
        self,
        inputs: list[TensorVariable] | None = None,
        masks: dict[str, TensorVariable] | None = None,
        states: dict[str, Any] | None = None,
        noise: Noise | None = None,
        noisy: Callable[[str, TensorVariable], TensorVariable] | None = None,
        known: Outputs | None = None,
    ) -> Outputs:
        """Return the outputs for other inputs or states, or with noise.

        Parameters
        ----------
        inputs, masks : like the attributes, optional
        states : dict of str to named tuple of tensors of shape (B, H)
            The state before the first step, by the name of the layer, or a function of the
            default state; others start by default.
        noise : Noise, optional
            Where random numbers come from in training.
        noisy : callable, optional
            ``noisy(name, output) -> output``, applied to each output ``'hid1:out'`` before
            another layer reads it.
        known : dict of str to tensor, optional
            Outputs that need not be computed. Then only those are computed that lead from them to
            the output of the last layer.

        Raises
        ------
        ConfigError
            If that output depends on others than these.
        """
        outputs: Outputs = dict(known or {})
        fresh = iter(self.inputs if inputs is None else inputs)
        for layer in self.layers if known is None else self._between(known):
            read = [outputs[name] for name in self.plan.sources[layer.name]] or [next(fresh)]
            own = self._transform(
                layer, read, outputs, self.masks if masks is None else masks, noise, states
            )
            main = join(layer.name)
            if noisy is not None and layer.name not in self.plan.words:  # tokens are no numbers
                own[main] = noisy(main, own[main])
            outputs |= own
        return outputs if self.units is None else self.units.outputs(outputs, known or {})

    def _between(self, known: Outputs) -> list[Layer]:
        """Return the layers that are computed where some outputs are known."""
        reads = {layer.name: self.plan.reads(layer.name) for layer in self.layers}
        owners = {layer_of(name) for name in known}
        after: set[str] = set()
        for name, read in reads.items():
            if name not in owners and set(map(layer_of, read)) & (owners | after):
                after.add(name)
        needed, waiting = set(), [(join(self.layers[-1].name), '')]
        while waiting:
            name, reader = waiting.pop()
            owner = layer_of(name)
            if name not in known and owner not in after:
                what = f'layer {reader!r} reads {name!r}' if reader else f'the result is {name!r}'
                raise ConfigError(f'{what}, which does not follow from {", ".join(known)}')
            if name not in known and owner not in needed:
                needed.add(owner)
                waiting += [(source, owner) for source in reads[owner]]
        return [layer for layer in self.layers if layer.name in needed]

    def has_time(self, output: str) -> bool:
        """Return whether an output has a time axis."""
        return self.plan.clock_of(output, self.by_name) is not None

    def mask_of(self, output: str) -> TensorVariable | None:
        """Return the mask of the time axis of an output, or None."""
        return self.masks.get(self.plan.clock_of(output, self.by_name) or '')

    def _input(self, layer: Input, time: bool) -> TensorVariable:
        leading = (None,) * (1 + time)
        if layer.name in self.plan.words:
            return variable(layer.name, 'int64', leading)
        return variable(layer.name, self.dtype, (*leading, layer.size))

    def _size(self, layer: Layer, name: str) -> int:
        if name not in self.outputs:
            raise ConfigError(
                f'layer {layer.name!r}: no output {name!r} before it; {_meant(name, self.outputs)}'
            )
        if self.plan.sources[layer.name].count(name) > 1:
            raise ConfigError(f'layer {layer.name!r} reads {name!r} more than once')
        owner, what = parts(name)
        if what in self.by_name[owner].unsized:
            raise ConfigError(
                f'layer {layer.name!r} reads {name!r}, which has as many numbers as the memory has '
                f'time steps; a layer needs a fixed number of features'
            )
        return self._sizes[name]

    def _check_starts(self, layer: Layer) -> None:
        for part, name in self.plan.starts[layer.name].items():
            size, width = self._size(layer, name), layer.state_width(part)
            if size != width:
                raise ConfigError(
                    f'layer {layer.name!r}: {part}_0 must have {width} features; {name!r} has '
                    f'{size}'
                )

    def _check_sides(self, layer: Layer) -> None:
        """Raise a ConfigError if a gradient would be lost in a further input of a step."""
        for side in layer.step_sides:
            source = self.plan.sides[layer.name].get(side)
            waiting = [] if source is None else [source]
            while waiting:
                other = self.by_name[layer_of(waiting.pop())]
                if set(other.params) - set(other.measured):
                    raise ConfigError(
                        f'layer {layer.name!r}: {side}={source!r} depends on the parameters of '
                        f'layer {other.name!r}, and nothing has a derivative by what step reads '
                        f'as p.{side}, so they would not learn from it; read an input, or let the '
                        f"cell's project(x, p) read p.{side} and pass it on in z, with its gradient"
                    )
                waiting += [
                    *self.plan.sources[other.name],
                    *self.plan.starts[other.name].values(),
                ]

    def _transform(
        self,
        layer: Layer,
        read: list[TensorVariable],
        outputs: Outputs,
        masks: dict[str, TensorVariable],
        noise: Noise | None = None,
        states: dict[str, Any] | None = None,
    ) -> Outputs:
        """Return a layer's outputs under their full names, checked."""
        context: dict[str, Any] = {}
        if 'mask' in layer.needs:
            clocks = [self.plan.clock_of(n, self.by_name) for n in self.plan.sources[layer.name]]
            context['mask'] = masks.get(next(filter(None, clocks), ''))
        if 'noise' in layer.needs:
            context['noise'] = noise
        if 'state' in layer.needs:
            start = {k: outputs[name] for k, name in self.plan.starts[layer.name].items()}
            default = layer.state(*(start.get(name) for name in layer.state._fields))
            state = (states or {}).get(layer.name, default)
            context['state'] = state(default) if callable(state) else state
        if memory := self.plan.memories.get(layer.name):
            clock = self.plan.clock_of(memory, self.by_name)
            context['memory'] = Memory(outputs[memory], masks.get(clock or ''))
        if sides := self.plan.sides[layer.name]:
            found = dict(zip(self.plan.sources[layer.name], read, strict=True))
            context['sides'] = {side: found[name] for side, name in sides.items()}
            read = read[: len(self.plan.inputs(layer.name))]
        own = layer.transform(*read, **context)
        self._check(layer, own)
        return {join(layer.name, name): output for name, output in own.items()}

    def _check(self, layer: Layer, outputs: object) -> None:
        if not isinstance(outputs, dict) or MAIN not in outputs:
            raise ConfigError(
                f"layer {layer.name!r}: transform() must return a dict with 'out'; got {outputs!r}"
            )
        if layer.name in self.plan.words:
            return
        for name, output in outputs.items():
            if getattr(output, 'dtype', None) != self.dtype:
                raise ConfigError(
                    f'layer {layer.name!r}: output {name!r} must be a {self.dtype} tensor; got '
                    f'{output!r} of {getattr(output, "dtype", type(output).__name__)}. Cast '
                    f'constants, for example np.float32(0.1)'
                )
            width, size = output.type.shape[-1] if output.ndim else 0, layer.output_size(name)
            if width not in (None, size) and name not in layer.unsized:
                raise ConfigError(
                    f'layer {layer.name!r}: output {name!r} has {width} features; its size is '
                    f'{size}'
                )
            axes = 2 + self.has_time(join(layer.name, name))
            if output.ndim != axes:
                raise ConfigError(
                    f'layer {layer.name!r}: output {name!r} must have {axes} axes; it has '
                    f'{output.ndim}. A layer whose outputs have no time axis has keeps_time = False'
                )


def _meant(name: str, outputs: Iterable[str]) -> str:
    """Say which of the `outputs` was probably meant by `name`: the layer counts before the output.

    The beginning of a layer's name, such as 'enc', stands for the only one that begins so.
    """
    outputs = list(outputs)
    owner, what = parts(name)
    layers = list(dict.fromkeys(map(layer_of, outputs)))
    if owner in layers:
        return hint(name, [one for one in outputs if layer_of(one) == owner])
    begin = [one for one in layers if one.lower().startswith(owner.lower())]
    near = begin[0] if len(begin) == 1 and owner else meant(owner, layers)
    if near is None:
        return f'layers before it are: {listed(owner, layers)}'
    return f'did you mean {join(near, what)!r}?'
