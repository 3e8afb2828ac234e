"""The update of all parameters by kernel: against NumPy, and the plain graph of the same step."""

from functools import partial

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from kernel_cases import can_run, target
from long_forms import long, long_unless
from numba_functions import compiled, plain
from step_cases import compiled_update, run_update

from rnnkit.kernels.program.program import Unsupported
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.update import rule
from rnnkit.kernels.update.op import UpdateParams
from rnnkit.optimizers import Objective, Optimizer, StepGraph, optimizers

SHAPES = [(3, 5), (7,), (1, 1), (2, 3, 4), (), (40,)]


class Scaled(Optimizer):
    """A user's rule, with a power of the number of updates."""

    options = {'learning_rate': 0.1, 'power': 0.3}
    slots = ('largest',)

    def step(self, g, slots, t, *, learning_rate, power):
        largest = abs(g) + 0.9 * slots[0]
        return learning_rate * g / (largest + 1e-3) / t**power, (largest,)


# Momentum is not the rule's affair: of the many rules, all are tried with one kind of it.
KINDS = [(False, False), (True, False), (True, True)]
CASES = [(algorithm, *kind) for algorithm in ('sgd', 'rmsprop', Scaled) for kind in KINDS]
CASES += [
    (algorithm, *KINDS[k % 3])
    for k, algorithm in enumerate(optimizers)
    if not optimizers[algorithm].full_batch
]


# All rules call their kernel directly; a few of them, with each kind, through PyTensor as well.
THROUGH_PYTENSOR = [('sgd', False, False), (Scaled, True, False), ('rmsprop', True, True)]


def change_of(graph):
    """Return the Op of a step that updates parameters."""
    return next(v.owner.op for _, v in graph.updates if isinstance(v.owner.op, UpdateParams))


class Direct:
    """An update kernel beside the same update in NumPy, in float64."""

    def __init__(self, update_rule, momentum, nesterov, dtype, rng, where=None):
        self.graph = Step(None, update_rule, momentum, nesterov, dtype).graph
        found = change_of(self.graph).rule
        self.where = where or kernel.host_target(dtype)
        self.run = compiled_update(found, self.where)
        options = {'momentum': 0.9, **update_rule.options}
        self.hyper = {name: float(options[name]) for name in found.hyper}
        self.params = [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]
        size = sum(p.size for p in self.params)
        self.slots = [np.zeros(size, dtype) for _ in range(found.n_slots)]
        self.count = np.zeros((), dtype)
        self.seen = 'curvature' in update_rule.reads  # the last slot, which an update only reads
        self.exact = [flat(self.params), *(s.astype('float64') for s in self.slots), 0]
        self.dtype = dtype
        self.health = None  # where a report of the gradients goes

    def state(self):
        return [flat(self.params), *(s.astype('float64') for s in self.slots), float(self.count)]

    def update(self, gradients, loss, max_norm, max_elem, curvature):
        """Make an update by the kernel; return the norm of the gradients."""
        number, norm = (lambda value: np.asarray(value, self.dtype)), np.empty((), self.dtype)
        scalars = dict(loss=number(loss), norm=norm, count=self.count)
        scalars |= dict(max_elem=number(max_elem), max_norm=number(max_norm))
        scalars |= {} if self.health is None else dict(health=self.health)
        if self.seen:
            self.slots[-1][:] = curvature
        hyper = [number(value) for value in self.hyper.values()]
        run_update(self.run, scalars, hyper, self.slots, gradients, self.params)
        return float(norm)

    def expect(self, gradients, loss, max_norm, max_elem, curvature):
        """Make the same update by NumPy; return the norm of the gradients."""
        g = flat(gradients)
        clipped = np.clip(g, -max_elem, max_elem)
        norm = np.sqrt((g**2).sum())
        p, *slots, count = self.exact
        if self.seen:
            slots[-1] = curvature
        if np.isfinite(norm + loss):
            g = clipped * max_norm / max(np.sqrt((clipped**2).sum()), max_norm)
            new = self.graph._change(g, p, slots, count + 1, self.hyper)
            self.exact = [*new, count + 1]
        else:
            self.exact = [p, *slots, count]
        return norm


def flat(arrays):
    return np.concatenate([a.ravel().astype('float64') for a in arrays])


class Step:
    """A training step whose gradients are its inputs."""

    def __init__(self, compile_, update_rule, momentum, nesterov, dtype, watched=False):
        rng = np.random.default_rng(5)
        self.params = [
            pytensor.shared(np.asarray(rng.standard_normal(s), dtype), f'p{i}', shape=s)
            for i, s in enumerate(SHAPES)
        ]
        given = [pt.tensor(dtype=dtype, shape=s) for s in SHAPES]
        extra = pt.tensor(dtype=dtype, shape=())
        loss = sum((p * g).sum() for p, g in zip(self.params, given, strict=True)) + extra
        if 'curvature' in update_rule.reads:  # a Hessian that is not 0
            loss += sum((p**3).sum() for p in self.params) / 8
        objective = Objective(loss.astype(dtype), self.params, [*given, extra])
        self.rule, self.momentum = update_rule, momentum
        self.graph = StepGraph(objective, update_rule, momentum, nesterov, watched)
        if compile_ is not None:
            outputs = [*self.graph.outputs[:2], *self.graph.outputs[3:]]  # all but the weight
            self.function = compile_(objective.inputs, outputs, updates=self.graph.updates)

    def start(self, **hyper):
        options = dict(self.rule.options)
        self.graph.reset()
        self.graph.draw(6, 0)
        self.graph.set(**options, **hyper, **{'momentum': 0.9} if self.momentum else {})

    def state(self):
        return [v.get_value() for v in (*self.params, *self.graph.slots.values())]


def batch(rng, dtype, extra=0.0):
    arrays = [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]
    arrays[3] = np.asfortranarray(arrays[3])  # not in order
    return [*arrays, np.asarray(extra, dtype)]


def with_numba(*args, **options):
    function, names = compiled(*args, **options)
    assert 'UpdateParams' in names
    (node,) = [n for n in function.maker.fgraph.toposort() if type(n.op).__name__ == 'UpdateParams']
    assert node.op.inplace
    return function


def fused_step(algorithm, dtype, momentum=False):
    return Step(with_numba, optimizers[algorithm](), momentum, False, dtype)


def pair(update_rule, momentum, nesterov, dtype):
    return [Step(make, update_rule, momentum, nesterov, dtype) for make in (with_numba, plain)]


@pytest.mark.parametrize(('algorithm', 'momentum', 'nesterov'), dict.fromkeys(CASES))
def test_against_numpy(algorithm, momentum, nesterov, rng):
    update_rule = optimizers[algorithm]() if isinstance(algorithm, str) else algorithm()
    for norm in (np.finfo('f').max, 0.7, 1e6):
        for elem in (np.finfo('f').max, 0.3):
            both = Direct(update_rule, momentum, nesterov, 'float64', rng)
            for number in range(4):
                # In the third update the loss is not finite, so nothing must change.
                *gradients, loss = batch(rng, 'float64', np.nan if number == 2 else 1.0)
                args = gradients, loss, norm, elem, rng.standard_normal(both.exact[0].size)
                before = both.state()
                assert both.update(*args) == pytest.approx(both.expect(*args), rel=1e-12)
                for got, want in zip(both.state(), both.exact, strict=True):
                    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)
                unchanged = np.array_equal(before[0], both.state()[0])
                assert unchanged == (number == 2)


@pytest.mark.parametrize('make', [with_numba, plain])
def test_the_report_is_one_output(make, rng):
    step = Step(make, optimizers['rmsprop'](), False, False, 'float64', watched=True)
    assert step.graph.health == [*(f'grad(p{i})' for i in range(len(SHAPES))), 'clipped']
    arrays = batch(rng, 'float64')
    for limit in (0, 0.1):
        step.start(max_gradient_norm=limit, max_gradient_elem=0)
        norm, _, report = step.function(*arrays)
        wanted = [np.linalg.norm(g) for g in arrays[:-1]]
        np.testing.assert_allclose(report, [*wanted, limit > 0], rtol=1e-14)
        assert norm == pytest.approx(np.linalg.norm(wanted), rel=1e-14)


@pytest.mark.parametrize('width', [16, 32, 64])
@pytest.mark.parametrize(
    ('max_norm', 'max_elem', 'clipped'),
    [(1e6, 1e6, 0), (1e6, 'most', 0), (1e6, 'less', 1), (0.7, 1e6, 1)],
)
@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_the_report_of_the_gradients(dtype, max_norm, max_elem, clipped, width, rng):
    if not can_run(width):
        pytest.skip(f'this processor has no vectors of {width} bytes')
    both = Direct(optimizers['sgd'](), False, False, dtype, rng, target(dtype, width))
    *gradients, loss = batch(rng, dtype, 1.0)
    most = np.abs(flat(gradients)).max()
    limit = {'most': most, 'less': np.nextafter(np.asarray(most, dtype), 0)}.get(max_elem, max_elem)
    alone = Direct(optimizers['sgd'](), False, False, dtype, np.random.default_rng(0), both.where)
    alone.params = [p.copy() for p in both.params]
    both.health = np.full(len(SHAPES) + 1, np.nan, dtype)
    norms = [d.update(gradients, loss, max_norm, limit, None) for d in (both, alone)]
    wanted = [np.linalg.norm(g.astype('float64')) for g in gradients]
    np.testing.assert_allclose(both.health[:-1], wanted, rtol=3 * np.finfo(dtype).eps)
    assert both.health[-1] == clipped
    assert norms[0] == norms[1]  # and a report changes nothing else
    assert np.array_equal(both.state()[0], alone.state()[0])


@pytest.mark.parametrize('algorithm', ['sgd', 'nag', 'rmsprop', 'adam', 'nadam', 'rprop'])
def test_float32_against_numpy(algorithm, rng):
    """Decay rates are computed in 64 bits, so the reference is the float64 step."""
    both = Direct(optimizers[algorithm](), False, False, 'float32', rng)
    for _ in range(4):
        args = *([*a] for a in [batch(rng, 'float32')[:-1]]), 1.0, 0.7, 0.5, None
        both.update(*args)
        both.expect(*args)
    # Some rounding errors of float32, of numbers of about 1.
    np.testing.assert_allclose(both.state()[0], both.exact[0], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ('algorithm', 'momentum', 'nesterov'),
    long_unless(lambda *case: case in THROUGH_PYTENSOR, dict.fromkeys(CASES)),
)
def test_against_plain_graph(algorithm, momentum, nesterov, rng):
    update_rule = optimizers[algorithm]() if isinstance(algorithm, str) else algorithm()
    fused, other = pair(update_rule, momentum, nesterov, 'float64')
    still = algorithm == 'rprop'
    for norm in (0, 0.7, 1e6):
        for elem in (0, 0.3):
            for step in (fused, other):
                step.start(max_gradient_norm=norm, max_gradient_elem=elem)
            for number in range(4):
                # In the third update the loss is not finite, so nothing must change.
                given = batch(rng, 'float64', np.nan if number == 2 else 1.0)
                before = fused.state()
                found, wanted = fused.function(*given), other.function(*given)
                np.testing.assert_allclose(found, wanted, rtol=1e-12)
                for a, b in zip(fused.state(), other.state(), strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
                    assert a.shape == b.shape
                same = [np.array_equal(a, b) for a, b in zip(before, fused.state(), strict=True)]
                # A parameter of one element holds still where it overshoots, in rprop.
                assert all(same) if number == 2 else not any(same[:1] if still else same)


@pytest.fixture(scope='module')
def adam():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('RNNKIT_KERNELS', 'on')  # wider than the fixture of each test
        return fused_step('adam', 'float32', momentum=True)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_gradient_that_is_not_finite_changes_nothing(bad, adam, rng):
    fused = adam
    fused.start(max_gradient_norm=1.0, max_gradient_elem=0.5)
    fused.function(*batch(rng, 'float32'))
    before = fused.state()
    given = batch(rng, 'float32')
    given[3][1, 2, 3] = bad
    norm, _ = fused.function(*given)
    assert not np.isfinite(norm)
    for a, b in zip(before, fused.state(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    'algorithm', [long('sgd'), long('nag'), long('rmsprop'), long('adam'), long('nadam'), 'rprop']
)
def test_float32(algorithm, rng):
    """Decay rates are computed in 64 bits, so the reference is the float64 step."""
    fused = fused_step(algorithm, 'float32')
    exact = Step(plain, optimizers[algorithm](), False, False, 'float64')
    for step in (fused, exact):
        for p, start in zip(step.params, fused.params, strict=True):
            p.set_value(start.get_value().astype(p.dtype))
        step.start(max_gradient_norm=0.7, max_gradient_elem=0.5)
    for _ in range(4):
        given = batch(rng, 'float32')
        fused.function(*given)
        exact.function(*[a.astype('float64') for a in given])
    for a, b in zip(fused.params, exact.params, strict=True):
        assert a.dtype == 'float32'
        # Some rounding errors of float32, of numbers of about 1.
        np.testing.assert_allclose(a.get_value(), b.get_value(), rtol=1e-5, atol=2e-6)


def test_updates_in_place(rng):
    fused = fused_step('rmsprop', 'float32')
    fused.start(max_gradient_norm=1.0, max_gradient_elem=0)
    views = [p.get_value(borrow=True) for p in fused.params[:3]]
    fused.function(*batch(rng, 'float32'))
    for view, p in zip(views, fused.params, strict=False):
        assert np.shares_memory(view, p.get_value(borrow=True))


def test_new_values_beside_the_old_ones(rng):
    """Parameters cannot be overwritten if the graph returns the old ones as well."""
    step = Step(plain, optimizers['adam'](), False, False, 'float64')
    step.start(max_gradient_norm=1.0, max_gradient_elem=0)
    graph = step.graph
    node = next(
        v.owner for _, v in graph.updates if v.owner.op.__class__.__name__ == 'UpdateParams'
    )
    inputs = [v.type() for v in node.inputs]
    function, names = compiled(inputs, node.op(*inputs, return_list=True))
    assert names == ['UpdateParams']
    assert not function.maker.fgraph.toposort()[0].op.inplace
    values = [np.asarray(rng.random(v.type.shape)) for v in inputs]
    values[-1], values[-3] = values[-1][::-1], np.asfortranarray(values[-3])
    values[1] = values[2] = np.asarray(0.5)
    kept = [v.copy() for v in values]
    found = function(*values)
    for a, b in zip(values, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    wanted = plain(inputs, node.op(*inputs, return_list=True))(*values)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    values[0] = np.asarray(np.nan)
    _, count, *new = function(*values)
    old = [
        *values[len(values) - 2 * len(SHAPES) - 2 : len(values) - 2 * len(SHAPES)],
        *values[-len(SHAPES) :],
    ]
    assert count == values[3]
    for a, b in zip(new, old, strict=True):
        np.testing.assert_array_equal(a, b)


def test_hyper_parameters_recompile_nothing(rng):
    fused = fused_step('sgd', 'float64')
    given = batch(rng, 'float64')
    moved = []
    for rate in (0.1, 0.2):
        fused.graph.set(learning_rate=rate, max_gradient_norm=0, max_gradient_elem=0)
        before = fused.params[0].get_value()
        fused.function(*given)
        moved.append(fused.params[0].get_value() - before)
    np.testing.assert_allclose(moved[1], 2 * moved[0], rtol=1e-9)


@pytest.mark.parametrize(
    'change',
    [
        lambda g, p, slots, t, hyper: [p - g / pt.sqrt(pt.sqr(g).sum())],
        lambda g, p, slots, t, hyper: [p - g[::-1]],
        lambda g, p, slots, t, hyper: [p - pt.erf(g)],
        lambda g, p, slots, t, hyper: [p - g**t],
    ],
)
def test_rules_without_a_kernel(change):
    with pytest.raises(Unsupported):
        rule.read_rule(change, 0, [])


@pytest.mark.parametrize('mode', ['FAST_COMPILE', long('NUMBA')])
def test_rule_without_a_kernel_still_trains(mode, rng):
    class Normed(Optimizer):
        options = {'learning_rate': 0.1}

        def step(self, g, slots, t, *, learning_rate):
            return learning_rate * g / (g * g).sum() ** 0.5, ()

    step = Step(partial(pytensor.function, mode=mode), Normed(), False, False, 'float64')
    step.start(max_gradient_norm=0, max_gradient_elem=0)
    before = [p.get_value() for p in step.params]
    step.function(*batch(rng, 'float64'))
    moved = sum(((p.get_value() - b) ** 2).sum() for p, b in zip(step.params, before, strict=True))
    assert moved == pytest.approx(0.01)


@pytest.mark.parametrize('count', [1, long(2)])
def test_parameters_may_all_be_single_numbers(count):
    params = [pytensor.shared(value, name=f'p{value}') for value in (3.0, -2.0)[:count]]
    objective = Objective(sum(p**2 for p in params), params, [])
    graph = StepGraph(objective, optimizers['sgd'](), False, False)
    function, names = compiled([], graph.outputs[:2], updates=graph.updates)
    assert 'UpdateParams' in names
    graph.reset()
    graph.set(learning_rate=0.1, max_gradient_norm=0, max_gradient_elem=0)
    function()
    found = [float(p.get_value()) for p in params]
    assert found == pytest.approx([0.8 * 3, 0.8 * -2][:count], abs=1e-14)
