"""A loss that reads two tables by rows, and what an update by a rule makes of them, in NumPy."""

import numpy as np
import pytensor
import pytensor.tensor as pt

from rnnkit.optimizers import Objective, StepGraph, optimizers

SHAPES = {'w': (9, 4), 's': (4,), 'v': (6, 2)}
LIMITS = {'max_gradient_norm': 1.5, 'max_gradient_elem': 0.8}


def start(rng):
    return {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}


def batches(rng, n=4, T=5, B=3):
    """Return row numbers of both tables and targets; few numbers, so that many occur twice."""
    return [
        (rng.integers(0, 5, (T, B)), rng.integers(2, 4, B), rng.standard_normal((T, B)))
        for _ in range(n)
    ]


def objective(values, dtype='float64', penalty=0.0):
    """Return Σ (w[x] s - y)² / 2 + Σ v[u]³ / 3, plus a penalty on all of w."""
    p = {n: pytensor.shared(a.astype(dtype), n, shape=a.shape) for n, a in values.items()}
    x = pt.tensor('x', dtype='int64', shape=(None, None))
    u = pt.tensor('u', dtype='int64', shape=(None,))
    y = pt.tensor('y', dtype=dtype, shape=(None, None))
    error = (p['w'][x] * p['s']).sum(axis=-1) - y
    loss = (error**2).sum() / 2 + (p['v'][u] ** 3).sum() / 3
    if penalty:
        loss = loss + penalty * (p['w'] ** 2).sum()
    return Objective(loss.astype(dtype), list(p.values()), [x, u, y])


def gradients(p, batch, penalty=0.0):
    """Return the gradients of whole tables, and which of their rows were read."""
    x, u, y = batch
    error = p['w'][x] @ p['s'] - y
    found = {'w': 2 * penalty * p['w'], 's': np.tensordot(error, p['w'][x], 2)}
    found['v'] = np.zeros_like(p['v'])
    np.add.at(found['w'], x, error[..., None] * p['s'])
    np.add.at(found['v'], u, p['v'][u] ** 2)
    read = {'w': np.unique(x), 's': slice(None), 'v': np.unique(u)}
    return found, read


def reference(algo, values, given, momentum=0.0, nesterov=False, dense=(), penalty=0.0, **hyper):
    """Return the parameters and velocities after updates: rows that were not read stay."""
    rule, p = optimizers[algo](), {name: a.copy() for name, a in values.items()}
    slots = {name: [np.zeros_like(a) for _ in (*rule.slots, 'velocity')] for name, a in p.items()}
    most, limit = hyper.pop('max_gradient_elem'), hyper.pop('max_gradient_norm')
    for t, batch in enumerate(given, 1):
        g, read = gradients(p, batch, penalty)
        g = {name: np.clip(a, -most, most) for name, a in g.items()}
        norm = np.sqrt(sum((a**2).sum() for a in g.values()))
        for name, a in p.items():
            rows = slice(None) if name in dense else read[name]
            *own, v = (slot[rows] for slot in slots[name])
            seen = {'p': a[rows]} if 'p' in rule.reads else {}
            step = g[name][rows] * min(1, limit / norm)
            delta, new = rule.step(step, tuple(own), t, **seen, **hyper)
            v = momentum * v - delta
            a[rows] = a[rows] + (momentum * v - delta if nesterov else v)
            for slot, value in zip(slots[name], [*new, v], strict=True):
                slot[rows] = value
    return p, {name: slot[-1] for name, slot in slots.items()}


def updates(goal, algo, given, momentum=0.0, nesterov=False, function=pytensor.function, **hyper):
    """Return the step, after updates that are compiled by `function`, and what they put out."""
    graph = StepGraph(goal, optimizers[algo](), bool(momentum), nesterov)
    graph.set(**hyper, **({'momentum': momentum} if momentum else {}))
    f = function(goal.inputs, graph.outputs[:2], updates=graph.updates)
    dtype = goal.loss.dtype
    return graph, [f(x, u, y.astype(dtype)) for x, u, y in given]


def values_of(goal):
    return {p.name: p.get_value() for p in goal.params}
