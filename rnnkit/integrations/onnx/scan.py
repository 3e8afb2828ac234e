"""Cells without an operator: a loop of their traced equations, ONNX's operator Scan."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import onnx
from onnx import helper
from pytensor.tensor import TensorVariable

from rnnkit.cells.wrappers import Mixed, wrapped
from rnnkit.common.tensors import variable
from rnnkit.errors import ConfigError, RnnkitError
from rnnkit.integrations.onnx.draft import Draft
from rnnkit.integrations.onnx.rows import Graphs, label, write_graph
from rnnkit.integrations.onnx.writer import Writer, info
from rnnkit.layers import Recurrent


def write_scan(
    draft: Draft,
    layer: Recurrent,
    x: str,
    start: Mapping[str, str],
    clock: str | None,
    needed: set[str],
    sides: Mapping[str, str],
) -> dict[str, str]:
    """Write a layer of one direction as a loop; return its outputs by name.

    Parameters
    ----------
    draft : Draft
    layer : Recurrent
    x : str
        The input (T, B, I).
    start : dict of str to str
        The initial states, (B, n) or (1, n); '' stands for 0.
    clock : str or None
    needed : set of str
        The outputs that are needed.
    sides : dict of str to str
        The cell's further inputs (T, B, width).
    """
    loop = _Loop(draft, layer, sides)
    z = loop.projected(x)
    real = draft.real(clock, x)
    fields, main = layer.state._fields, layer.state._fields[0]
    own = layer.cell.has_own_output
    traced = {name for name in needed if layer.has_time(name)}
    kept = [p for p in fields if p in traced or ('out' in traced and (own or p == main))]
    last, sequences = loop.run(z, real, start, kept)
    outputs = {('last' if p == main and not own else f'last_{p}'): last[p] for p in fields}
    outputs |= {('out' if p == main and not own else p): sequences[p] for p in kept}
    if own and 'out' in traced:
        outputs['out'] = loop.output(sequences)
    if own and 'last' in needed:
        outputs['last'] = loop.output(last)
    timed = {name for name in outputs if layer.has_time(name)}
    return {n: draft.masked(clock, v) if n in timed else v for n, v in outputs.items()}


class _Loop:
    """The equations of a cell, and the nodes that compute them."""

    def __init__(self, draft: Draft, layer: Recurrent, sides: Mapping[str, str]):
        self.writer, self.layer, self.dtype = draft.writer, layer, draft.graph.dtype
        self.sides, cell = sides, layer.cell
        widths = cell.side_widths(layer.size, layer.input_size)
        self.side_widths = {name: widths[name] for name in sides}
        self.cell = wrapped(Mixed, cell, layer.zoneout) if layer.zoneout else cell
        self.widths = dict(zip(layer.state._fields, layer.widths, strict=True))
        params = {name: layer.params[name] for name in cell.params}
        self.arrays = cell.prepare(params, layer.size)
        self.z_width = 0

    def projected(self, x: str) -> str:
        """Return the contribution of the input to all steps, (T, B, k)."""

        def build() -> Graphs:
            rows = variable('x', self.dtype, (None, self.layer.input_size))
            sides, p = self._read(rows)
            z = self.cell.project(rows, p)
            self.z_width = z.type.shape[-1] or 0
            return [z], {'x': rows, **sides}

        values = {'x': x, **{f'side {name}': value for name, value in self.sides.items()}}
        (z,) = write_graph(self.writer, self.layer, build, values, x)
        if not self.z_width:
            raise ConfigError(
                f'{self.writer.where}: {label(self.layer)}: project() must return a known number '
                f'of columns'
            )
        return z

    def _read(self, x: TensorVariable) -> tuple[dict[str, TensorVariable], SimpleNamespace]:
        """Return rows of the further inputs, as inputs of a graph, and what methods get as p."""
        given = {n: variable(n, self.dtype, (None, w)) for n, w in self.side_widths.items()}
        every = self.layer.cell.with_defaults(given, x, self.layer.size)
        named = {f'side {name}': rows for name, rows in given.items()}
        return named, SimpleNamespace(**self.arrays, **every)

    def run(
        self, z: str, real: str, start: Mapping[str, str], kept: Sequence[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Write the loop; return the final states, and those of all steps of the parts `kept`."""
        name, writer = self.layer.name, self.writer
        sequences = [z, *self.sides.values(), *([real] if real else [])]
        batch = writer.node('Shape', [z], f'{name}/batch', start=1, end=2)
        states = []
        for part, width in self.widths.items():
            shape = [batch, writer.whole(width)]
            shape = writer.node('Concat', shape, f'{name}/shape', axis=0)
            value = start[part] or writer.number(0)
            states.append(writer.node('Expand', [value, shape], f'{name}/{part}_0'))
        backward = int(not self.layer.causal)
        parts = [*(f'last_{part}' for part in self.widths), *kept]
        outputs = writer.nodes_of(
            'Scan',
            [*states, *sequences],
            [f'{name}/{part}' for part in parts],
            body=self._body(bool(real), kept),
            num_scan_inputs=len(sequences),
            scan_input_directions=[backward] * len(sequences),
            scan_output_directions=[backward] * len(kept),
        )
        n = len(states)
        return dict(zip(self.widths, outputs, strict=False)), dict(
            zip(kept, outputs[n:], strict=True)
        )

    def _body(self, masked: bool, kept: Sequence[str]) -> onnx.GraphProto:
        """Return the graph of one step."""
        name, body = self.layer.name, self.writer.body()
        old = {part: body.name(f'{name}/old_{part}') for part in self.widths}
        z = body.name(f'{name}/z')
        sides = {side: body.name(f'{name}/{side}') for side in self.sides}
        new = self._step(body, z, old, sides)
        inputs = [info(old[part], ['B', width]) for part, width in self.widths.items()]
        inputs.append(info(z, ['B', self.z_width]))
        inputs += [info(sides[side], ['B', width]) for side, width in self.side_widths.items()]
        if masked:  # over padding the state is held
            real = body.name(f'{name}/real')
            inputs.append(info(real, ['B', 1], 'BOOL'))
            new = {
                part: body.node('Where', [real, value, old[part]], f'{name}/held')
                for part, value in new.items()
            }
        # A value may be two states, or an input; a graph's outputs must have names of their own.
        outputs = [
            info(body.node('Identity', [new[part]], f'{name}/{part}'), ['B', self.widths[part]])
            for part in [*self.widths, *kept]
        ]
        return helper.make_graph(body.nodes, name, inputs, outputs)

    def _step(
        self, body: Writer, z: str, old: Mapping[str, str], sides: Mapping[str, str]
    ) -> dict[str, str]:
        """Write one step; return the new states."""

        def build() -> Graphs:
            rows = variable('z', self.dtype, (None, self.z_width))
            states = {p: variable(p, self.dtype, (None, n)) for p, n in self.widths.items()}
            x = variable('x', self.dtype, (None, self.layer.input_size))
            named, p = self._read(x)
            new = self.cell.step(rows, self.layer.state(*states.values()), p)
            inputs = {f'state {part}': state for part, state in states.items()}
            return list(new), {'z': rows, **named, **inputs}

        values = {'z': z, **{f'side {name}': value for name, value in sides.items()}}
        values |= {f'state {part}': value for part, value in old.items()}
        names = write_graph(body, self.layer, build, values, next(iter(old.values())))
        return dict(zip(self.widths, names, strict=True))

    def output(self, states: Mapping[str, str]) -> str:
        """Return the cell's own output, given its states."""

        def build() -> Graphs:
            rows = {p: variable(p, self.dtype, (None, n)) for p, n in self.widths.items()}
            p = SimpleNamespace(**self.arrays)
            try:
                y = self.cell.output(self.layer.state(*rows.values()), p)
            except RnnkitError:
                raise
            except Exception as why:  # a user's method may need all steps
                raise ConfigError(
                    f'{self.writer.where}: {label(self.layer)}: output() cannot be written for '
                    f'one step: {type(why).__name__}: {why}'
                ) from why
            return [y], rows

        return write_graph(self.writer, self.layer, build, states, next(iter(states.values())))[0]
