"""Every cell: NumPy in float64 = scan = kernel, forward and gradient, in all its situations.

`CELLS` has a line for each registered cell, `OPTIONS` more for their options. A default run tries
each cell in one situation by scan, and a few by kernel; the long form tries each, with its options,
in four situations by turns. All situations of all cells are tried if RNNKIT_CELLS=all is set.
"""

import os
from itertools import product
from typing import NamedTuple

import complex_step
import numpy as np
import paper_cells
import paper_cells_more
import pytensor
import pytensor.tensor as pt
import pytest
from long_forms import long
from pytensor.graph.traversal import ancestors

from rnnkit.cells import cells
from rnnkit.kernels.recurrent.loop_op import LoopOp
from rnnkit.layers import registry as layers

CELLS = [  # name of the cell, its options, its step in NumPy
    ('mgu', {}, paper_cells.mgu),
    ('janet', {}, paper_cells.janet),
    ('ugrnn', {}, paper_cells.ugrnn),
    ('ligru', {}, paper_cells.ligru),
    ('ran', {}, paper_cells.ran),
    ('cfn', {}, paper_cells.cfn),
    ('star', {}, paper_cells.star),
    ('minimalrnn', {}, paper_cells.minimalrnn),
    ('slstm', {}, paper_cells.slstm),
    ('antisymmetric', {}, paper_cells.antisymmetric),
    ('indrnn', {}, paper_cells.indrnn),
    ('mingru', {}, paper_cells.mingru),
    ('minlstm', {}, paper_cells.minlstm),
    ('sru', {}, paper_cells.sru),
    ('lru', {}, paper_cells.lru),
    ('cornn', {}, paper_cells_more.cornn),
    ('lem', {}, paper_cells_more.lem),
    ('rhn', {}, paper_cells_more.rhn),
    ('grud', {}, paper_cells_more.grud),
    ('cfc', {'backbone_units': 5}, paper_cells_more.cfc),
    # These have tests of their own, in test_unroll and in tests/kernels.
    ('rnn', {}, paper_cells.rnn),
    ('lstm', {}, paper_cells.lstm),
    ('gru', {}, paper_cells.gru),
    ('rrnn', {}, paper_cells.rrnn),
    ('mrnn', {}, paper_cells.mrnn),
    ('mut1', {}, paper_cells.mut1),
    ('scrn', {}, paper_cells.scrn),
    ('clockwork', {'periods': [1, 2, 4]}, paper_cells.clockwork),
    ('bcrnn', {'num_modules': 3}, paper_cells.bcrnn),
]
OPTIONS = [
    # A gate of 'tanh' and relu would double the state in a step: float32 has no digits for that.
    ('mgu', {'activation': 'relu', 'gate_activation': 'hard_sigmoid'}, paper_cells.mgu),
    ('janet', {'beta': 0.3}, paper_cells.janet),
    ('ugrnn', {'activation': 'relu'}, paper_cells.ugrnn),
    ('ligru', {'activation': 'tanh'}, paper_cells.ligru),
    ('ran', {'activation': 'linear'}, paper_cells.ran),
    ('minimalrnn', {'activation': 'relu', 'gate_activation': 'tanh'}, paper_cells.minimalrnn),
    ('slstm', {'forget': 'exp'}, paper_cells.slstm),
    ('antisymmetric', {'gated': True, 'epsilon': 0.5, 'gamma': 0.2}, paper_cells.antisymmetric),
    ('antisymmetric', {'activation': 'relu'}, paper_cells.antisymmetric),
    ('indrnn', {'activation': 'tanh'}, paper_cells.indrnn),
    ('mingru', {'positive': True}, paper_cells.mingru),
    ('minlstm', {'positive': True}, paper_cells.minlstm),
    ('sru', {'highway': 'input', 'highway_bias': -1.0}, paper_cells.sru),
    ('lstm', {'peepholes': True, 'projection': 4}, paper_cells.lstm),
    ('lstm', {'coupled': True}, paper_cells.lstm),
    ('gru', {'reset': 'before'}, paper_cells.gru),
    ('cornn', {'damping': 'implicit', 'dt': 0.3, 'gamma': 2.0}, paper_cells_more.cornn),
    ('lem', {'dt': 0.5}, paper_cells_more.lem),
    ('rhn', {'depth': 2, 'coupled': False}, paper_cells_more.rhn),
    ('lstm', {'layernorm': True}, paper_cells_more.lstm_normed),
    ('lstm', {'layernorm': True, 'coupled': True, 'peepholes': True}, paper_cells_more.lstm_normed),
    ('lstm', {'layernorm': True, 'projection': 4}, paper_cells_more.lstm_normed),
    ('gru', {'layernorm': True}, paper_cells_more.gru_normed),
    ('gru', {'layernorm': True, 'reset': 'before'}, paper_cells_more.gru_normed),
    ('grud', {'times': 'gaps'}, paper_cells_more.grud),
    ('cfc', {'times': 'gaps', 'mode': 'pure', 'backbone_units': 5}, paper_cells_more.cfc),
    ('cfc', {'mode': 'no_gate', 'backbone_units': 5, 'backbone_layers': 2}, paper_cells_more.cfc),
    ('cfc', {'times': 'gaps', 'backbone_layers': 0}, paper_cells_more.cfc),
]
OLD = ('rnn', 'lstm', 'gru', 'rrnn', 'mrnn', 'mut1', 'scrn', 'clockwork', 'bcrnn')
DTYPES = ['float64', 'float32']
WAYS = ['forward', 'backward', 'bidirectional']
STARTS = ['given', 'learned', 'none']


class Situation(NamedTuple):
    dtype: str
    way: str
    masked: bool
    start: str


SITUATIONS = [Situation(*s) for s in product(DTYPES, WAYS, [False, True], STARTS)]
# Of the default run, by turns.
SHORT = [
    Situation('float64', 'forward', True, 'given'),
    Situation('float64', 'backward', False, 'learned'),
]


# Of the long form, by turns: steps that share no factor with the number of situations.
TURNS = 4 if os.environ.get('RNNKIT_CELLS') != 'all' else len(SITUATIONS)


def situations(cells_, brief):
    """Return cases, of which the default run has the `brief` ones."""
    cases = []
    for k, (name, options, step) in enumerate(cells_):
        own = {SITUATIONS[(5 * k + 11 * turn) % len(SITUATIONS)] for turn in range(TURNS)}
        for situation in SITUATIONS:
            short = not options and brief(name, situation)
            if short or situation in own:
                label = '-'.join(map(str, (name, *(options and [options]), *situation)))
                make = pytest.param if short else long
                cases.append(make(name, options, step, situation, id=label))
    return cases


def test_every_cell_is_in_the_table():
    assert {name for name, _, _ in CELLS} == set(cells)


class Unrolled:
    """A layer of one cell, with values for everything, and what NumPy makes of them."""

    def __init__(self, form, options, step, situation, sizes, rng):
        self.form, self.options, self.situation = form, options, situation
        self.step, self.rng = step(**options), rng
        T, B, I, H = sizes  # noqa: E741
        if self.options.get('highway') == 'input':
            I = H  # noqa: E741
        self.sizes = T, B, I, H
        self.sides = {k: v for k, v in options.items() if k == 'times'}
        cell = cells[self.form](**{k: v for k, v in options.items() if k not in self.sides})
        self.parts, self.widths = cell.state._fields, cell.widths(H, I)
        self.learned = [p for p in self.parts if p not in cell.counters]
        self.layer = self.build()
        self.values = {'x': self.draw(T, B, I)}
        if cell.reads_missing:
            self.values['x'][rng.random((T, B, I)) < 0.3] = np.nan
        if self.sides:
            self.values['times'] = abs(self.draw(T, B, 1))
        for name, p in self.layer.params.items():
            part = name.removesuffix('_0').rpartition('.')[2]
            drawn = self.draw(*p.get_value().shape)
            self.values[name] = self.start(part, drawn) if name.endswith('_0') else 0.5 * drawn
        self.ways = ['fw.', 'bw.'] if situation.way == 'bidirectional' else ['']
        self.mask = rng.random((T, B)) < 0.7 if situation.masked else None
        if self.mask is not None:
            self.mask[:, 0] = True  # and an example that is padded at both ends
            self.mask[[0, -1], 1] = False
        if situation.start == 'given':
            for way, (part, width) in product(self.ways, zip(self.parts, self.widths, strict=True)):
                self.values[f'{way}{part}_0'] = self.start(part, self.draw(B, width))

    def build(self):
        _, _, I, H = self.sizes  # noqa: E741
        way, options = self.situation.way, dict(self.options)
        if self.situation.start == 'learned':
            options |= {f'{part}_0': 'learn' for part in self.learned}
        if way == 'bidirectional':
            keywords = dict(worker=self.form, size=H, merge='sum', **options)
            layer = layers.build('bidirectional', name='a', **keywords)
        else:
            layer = layers.build(self.form, name='a', size=H, direction=way, **options)
        sources = {'in:out': I, **{f'{name}:out': 1 for name in self.sides.values()}}
        layer.bind(sources, self.situation.dtype, self.rng)
        return layer

    def draw(self, *shape):
        # Rounded, so that both dtypes compute with the same numbers.
        return self.rng.standard_normal(shape).astype(self.situation.dtype).astype('float64')

    def start(self, part, drawn):
        """Return values that a state of this name can have."""
        if self.form == 'slstm' and part == 'n':
            return 1 + abs(drawn)
        if part == 'phase':
            periods = np.repeat(self.options['periods'], drawn.shape[-1] // 3)
            return np.floor(abs(drawn) * 4) % periods
        return drawn

    def outputs(self, values):
        """Return the outputs of the layer by name, in NumPy."""
        B, found = self.sizes[1], {}
        for k, way in enumerate(self.ways):
            p = {n.removeprefix(way): v for n, v in values.items() if n.startswith(way)}
            zeros = [np.zeros((B, w)) for w in self.widths]
            start = [p.get(f'{n}_0', z) for n, z in zip(self.parts, zeros, strict=True)]
            reverse = self.situation.way == 'backward' or k == 1
            start = [np.atleast_2d(s) for s in start]
            x = values['x']
            if self.sides:
                x = np.concatenate([x, self.times(reverse)], axis=-1)
            states = complex_step.run(self.step, x, start, p, self.mask, reverse)
            names = [*self.parts] if self.form in paper_cells.OUTPUTS else ['out', *self.parts[1:]]
            named = dict(zip(names, states, strict=True))
            if self.form in paper_cells.OUTPUTS:
                named = {'out': paper_cells.OUTPUTS[self.form](states, p), **named}
            for name, value in named.items():
                real = True if self.mask is None else self.mask[..., None]
                found[way + name] = np.where(real, value, 0)
                last = 'last' if name == 'out' else f'last_{name}'
                found[way + last] = value[0 if reverse else -1]
        if len(self.ways) == 2:  # the directions are summed
            names = [n[3:] for n in found if n.startswith('fw.')]
            both = {n: found[f'fw.{n}'] + found[f'bw.{n}'] for n in names}
            found = both | {n.replace('.', '_'): v for n, v in found.items()}
        return found

    def times(self, reverse):
        """Return the time that passes before each step is done."""
        times = self.values['times']
        if not reverse:
            return times
        found = times.copy()
        real = np.ones(times.shape[:2]) if self.mask is None else self.mask
        for b in range(times.shape[1]):
            at = np.flatnonzero(real[:, b])
            # The step that is done first has the time before the whole sequence.
            found[at, b] = times[np.roll(at, -1), b]
        return found

    def check(self, mode, tolerance):
        """Compare outputs and gradients with NumPy's."""
        values, situation = self.values, self.situation
        right = self.outputs(values)
        slopes = {name: self.draw(*v.shape) for name, v in right.items()}
        function = self.function(mode, slopes)
        for name, p in self.layer.params.items():
            p.set_value(values[name].astype(situation.dtype))
        inputs = [k for k in values if k not in self.layer.params]
        arrays = [values[k].astype(situation.dtype) for k in inputs]
        outputs, gradients = function(*arrays, *([self.mask] if situation.masked else []))
        assert set(outputs) == set(right)
        for name, want in right.items():
            assert outputs[name].dtype == situation.dtype
            error = abs(outputs[name] - want).max() / max(1, abs(want).max())
            assert error < tolerance, f'{name}: relative error {error:.1e}'

        def total(values):
            found = self.outputs(values)
            return sum((found[name] * d).sum() for name, d in slopes.items())

        complex_step.check_slopes(
            total, values, gradients, self.rng, rtol=tolerance, atol=tolerance * len(slopes)
        )

    def symbols(self):
        """Return x, the mask or None, and a dict of the states given."""
        dtype, I = self.situation.dtype, self.sizes[2]  # noqa: E741
        x = pt.tensor('x', dtype=dtype, shape=(None, None, I))
        self.side_symbols = [pt.tensor(n, dtype=dtype, shape=(None, None, 1)) for n in self.sides]
        mask = pt.matrix('mask', dtype='bool') if self.situation.masked else None
        given = {}
        if self.situation.start == 'given':
            for way, (part, width) in product(self.ways, zip(self.parts, self.widths, strict=True)):
                given[f'{way}{part}_0'] = pt.tensor(dtype=dtype, shape=(None, width))
        return x, mask, given

    def outputs_of(self, x, mask, given):
        state = self.layer.state(*given.values()) if given else None
        sides = dict(zip(self.sides, self.side_symbols, strict=True))
        return self.layer.transform(x, mask=mask, state=state, sides=sides)

    def function(self, mode, slopes):
        """Return a function of the arrays that gives outputs and gradients by name."""
        dtype, (x, mask, given) = self.situation.dtype, self.symbols()
        outputs = self.outputs_of(x, mask, given)
        total = sum((outputs[name] * d.astype(dtype)).sum() for name, d in slopes.items())
        counted = {k: v for k, v in given.items() if not k.endswith('phase_0')}
        wrt = {'x': x, **self.layer.params, **counted}
        gradients = pytensor.grad(total, list(wrt.values()), disconnected_inputs='ignore')
        f = pytensor.function(
            [x, *self.side_symbols, *given.values(), *([mask] if mask is not None else [])],
            [*outputs.values(), *gradients],
            mode=mode,
            on_unused_input='ignore',
        )

        def named(*arrays):
            found = f(*arrays)
            n = len(outputs)
            parts = (outputs, found[:n]), (wrt, found[n:])
            return [dict(zip(names, arrays, strict=True)) for names, arrays in parts]

        return named


# float64: the same operations in another order; float32: rounding, times a few hundred terms.
TOLERANCE = {'float64': 1e-11, 'float32': 2e-4}


# One each of one product, none, two, and a state of the width of the input.
BY_KERNEL = [('janet', SHORT[1]), ('minlstm', SHORT[0]), ('mgu', SHORT[1]), ('grud', SHORT[0])]


def by_turns(name, situation):
    return name not in OLD and situation == SHORT[list(cells).index(name) % 2]


@pytest.mark.parametrize(
    ('form', 'options', 'step', 'situation'), situations([*CELLS, *OPTIONS], by_turns)
)
def test_scan_equals_numpy(form, options, step, situation, rng):
    layer = Unrolled(form, options, step, situation, (4, 3, 2, 6), rng)
    layer.check(None, TOLERANCE[situation.dtype])


def run_kernel(op, node, inputs, output_storage):
    """Compute an Op of a loop by its kernel, and not by what it means."""
    for storage, value in zip(output_storage, op.kernel(node)(*inputs), strict=True):
        storage[0] = value


@pytest.mark.parametrize(
    ('form', 'options', 'step', 'situation'),
    situations([*CELLS, *OPTIONS], lambda *case: case in BY_KERNEL),
)
def test_kernel_equals_numpy(form, options, step, situation, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    monkeypatch.setattr(LoopOp, 'perform', run_kernel)
    # More units than a vector has, and a rest.
    layer = Unrolled(form, options, step, situation, (6, 5, 3, 21), rng)
    layer.check(None, TOLERANCE[situation.dtype])


@pytest.mark.parametrize(('form', 'options', 'step'), [*CELLS, *OPTIONS])
def test_no_cell_keeps_the_scan(form, options, step, rng, monkeypatch):
    monkeypatch.setenv('RNNKIT_KERNELS', 'on')
    layer = Unrolled(form, options, step, SHORT[0], (2, 2, 2, 6), rng)
    out = layer.outputs_of(*layer.symbols())['out']
    scans = [v for v in ancestors([out]) if v.owner and type(v.owner.op).__name__ == 'Scan']
    assert not scans
