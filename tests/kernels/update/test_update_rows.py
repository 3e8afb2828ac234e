"""The update of tables by rows, by kernel: against NumPy, and the plain graph of the same step."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import tables
from bowl import HYPER
from long_forms import long
from numba_functions import compiled, plain
from pytensor.compile.mode import NUMBA
from tables import LIMITS, batches, objective, reference, updates, values_of

import rnnkit
from rnnkit.kernels import Arguments, update_params
from rnnkit.optimizers import SGD, Objective, StepGraph


def with_kernel(*args, **options):
    function, names = compiled(*args, **options)
    assert 'UpdateParams' in names
    return function


@pytest.mark.parametrize(
    ('algo', 'momentum', 'nesterov'),
    [long('rmsprop', 0.8, True), ('adamw', 0.0, False)],
)
def test_against_numpy(algo, momentum, nesterov, rng):
    values, given = tables.start(rng), batches(rng)
    goal, hyper = objective(values), {**HYPER[algo], **LIMITS}
    graph, _ = updates(goal, algo, given, momentum, nesterov, with_kernel, **hyper)
    wanted, velocity = reference(algo, values, given, momentum, nesterov, **hyper)
    for name, value in values_of(goal).items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-12, atol=1e-14)
    if momentum:
        flat = np.concatenate([v.ravel() for v in velocity.values()])
        np.testing.assert_allclose(graph.slots['velocity'].get_value(), flat, rtol=1e-12)


@pytest.mark.long
def test_float32_and_what_is_not_finite(rng):
    values, given = tables.start(rng), batches(rng)
    given[2][2][0, 0] = np.nan
    goals = [objective(values, 'float32') for _ in range(2)]
    found = [
        updates(goal, 'adam', given, 0.8, function=f, **HYPER['adam'], **LIMITS)
        for goal, f in zip(goals, (with_kernel, plain), strict=True)
    ]
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)
    for name, value in values_of(goals[0]).items():
        np.testing.assert_allclose(value, values_of(goals[1])[name], rtol=1e-5, atol=1e-6)
    assert found[0][0].slots['updates'].get_value() == len(given) - 1


class Scatter:
    """One step at rate 1 of a table whose gradient by the rows is the input."""

    def __init__(self, shape, function=with_kernel, dtype='float64', order='C', **options):
        self.w = pytensor.shared(np.zeros(shape, dtype, order), 'w', shape=shape)
        x = pt.tensor('x', dtype='int64', shape=(None, None))
        g = pt.tensor('g', dtype=dtype, shape=(None, None, shape[1]))
        objective = Objective((self.w[x] * g).sum(), [self.w], [x, g])
        step = StepGraph(objective, SGD(), False, False)
        step.set(learning_rate=1.0, max_gradient_norm=0, max_gradient_elem=0)
        self.function = function([x, g], step.outputs[:1], updates=step.updates, **options)

    def check(self, x, g):
        """Compare table and norm with NumPy's sum."""
        wanted = self.w.get_value()
        np.subtract.at(wanted, x, g)
        total = np.zeros_like(wanted)
        np.add.at(total, x, g)
        (norm,) = self.function(x, g)
        np.testing.assert_allclose(norm, np.linalg.norm(total), rtol=1e-12)
        np.testing.assert_allclose(self.w.get_value(), wanted, rtol=1e-12, atol=1e-13)


def test_row_numbers_of_all_kinds(rng):
    step = Scatter((5000, 3))
    for x in (
        rng.integers(0, 5000, (50, 40)),  # most of them once
        rng.integers(0, 9, (50, 40)),
        np.arange(0, 4096, 8).reshape(64, 8),  # apart by a power of two
        np.full((7, 1), 4999),
        rng.integers(-5000, 5000, (9, 1)),
        np.zeros((0, 4), 'int64'),
    ):
        step.check(x, rng.standard_normal((*x.shape, 3)))


@pytest.mark.parametrize('width', [long(1), 5, long(70)])
def test_arrays_that_are_not_in_order(width, rng):
    step = Scatter((20, width), order='F')
    x, g = rng.integers(0, 20, (4, 6)), rng.standard_normal((4, 6, width))
    step.check(np.asfortranarray(x), np.asfortranarray(g))
    step.check(x[::-1, ::2], g[::-1, ::2])
    step.check(x, np.concatenate([g, g], axis=2)[..., ::2])


@pytest.mark.parametrize('wrong', [20, -21, 2**62])
def test_a_number_without_a_row_is_an_error(wrong):
    """PyTensor finds it while it reads the table; here nothing else reads it."""
    w = pytensor.shared(np.zeros((20, 2)), 'w', shape=(20, 2))
    x, g = (
        pt.tensor('x', dtype='int64', shape=(None,)),
        pt.tensor('g', dtype='float64', shape=(None, 2)),
    )
    step = StepGraph(Objective((w[x] * g).sum(), [w], [x, g]), SGD(), False, False)
    scalars = [pt.scalar(dtype='float64') for _ in range(5)]
    rate = {'learning_rate': scalars.pop()}
    given = Arguments(*scalars, rate, [], [g], [w], {0: x})
    inputs = [*scalars, *rate.values(), x, g]
    new = update_params(step._change, step._plain, given, step.shapes)
    function, _ = compiled(inputs, [], updates=[(w, new[-1])])
    numbers = [0.0, 9.0, 9.0, 0.0, 1.0]
    with pytest.raises(IndexError, match='no row'):
        function(*numbers, np.array([3, wrong]), np.ones((2, 2)))
    assert not w.get_value().any()
    function(*numbers, np.array([3, 19]), np.ones((2, 2)))
    assert w.get_value()[[3, 19]].all()


def test_new_tables_where_the_old_ones_are_kept(rng):
    """A mode without rewrites for updates in place."""

    def function(inputs, outputs, **options):
        return pytensor.function(inputs, outputs, mode=NUMBA.excluding('inplace'), **options)

    step = Scatter((20, 2), function)
    old = step.w.get_value(borrow=True)
    step.check(rng.integers(0, 20, (4, 6)), rng.standard_normal((4, 6, 2)))
    assert not old.any()


def test_nothing_of_the_size_of_the_table_is_made(rng):
    net = rnnkit.Classifier([999, ('embedding', 3), ('lstm', 4), 2], seed=1)
    objective, rule = net._train_steps.plain, rnnkit.optimizers.Adam()
    step = StepGraph(objective, rule, True, False)
    step.set(**rule.options, momentum=0.5, max_gradient_norm=1, max_gradient_elem=0)
    function, _ = compiled(objective.inputs, step.outputs, updates=step.updates)
    *others, update = function.maker.fgraph.toposort()
    assert update.op.inplace
    assert not any(v.type.shape[:1] == (999,) for node in others for v in node.outputs)
    kept = [v.get_value(borrow=True) for v in (objective.params[0], *step.slots.values())]
    function(rng.integers(0, 99, (5, 2)), rng.integers(0, 2, (5, 2)))
    now = [v.get_value(borrow=True) for v in (objective.params[0], *step.slots.values())]
    assert all(np.shares_memory(a, b) for a, b in zip(kept, now, strict=True) if a.ndim)
