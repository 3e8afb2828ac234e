"""Recurrences without a product: their forms, and what they compute in NumPy.

Each is a function ``step(f, z, direct, old, p) -> new`` of blocks, which takes its functions from
`f`: those of PyTensor for the form, those of NumPy for the reference. As no two units meet, the
derivative of a step by each of its arrays is an array, and the complex step gives it exactly.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytensor
import pytensor.tensor as pt
from complex_step import EPS, absolute, maximum, minimum, relu, sigmoid, softplus

from rnnkit.kernels.program.program import Program
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.runtime import kernel
from rnnkit.kernels.staged.elementwise_backward import ElementwiseBackward
from rnnkit.kernels.staged.elementwise_forward import ElementwiseForward
from rnnkit.kernels.staged.form import StagedForm

NUMPY = SimpleNamespace(
    exp=np.exp,
    tanh=np.tanh,
    sigmoid=sigmoid,
    softplus=softplus,
    relu=relu,
    abs=absolute,
    maximum=maximum,
    minimum=minimum,
)
SYMBOLS = SimpleNamespace(
    exp=pt.exp,
    tanh=pt.tanh,
    sigmoid=pt.sigmoid,
    softplus=pt.softplus,
    relu=lambda x: pt.switch(x > 0, x, 0.0),
    abs=pt.abs,
    maximum=pt.maximum,
    minimum=pt.minimum,
)


class Recurrence(NamedTuple):
    """A step, and the lengths of what it takes; of each vector, that of a block and how many."""

    step: object
    z: tuple
    states: tuple
    vectors: dict = {}
    direct: tuple = ()
    numbers: tuple = ()  # lengths that the step reads as numbers
    kept: object = None  # a function (f, z, old, p) of what the forward keeps


def indrnn(activation):
    def step(f, z, direct, old, p):
        return [getattr(f, activation)(z[0] + p['u'][0] * old[0])]

    return Recurrence(step, ('H',), ('H',), {'u': ('H', 1)})


def mingru(f, z, direct, old, p):
    gate = f.sigmoid(z[0])
    return [(1 - gate) * old[0] + gate * z[1]]


def minlstm(f, z, direct, old, p):
    forget, take = f.sigmoid(z[0]), f.sigmoid(z[1])
    return [(forget * old[0] + take * z[2]) / (forget + take)]


def sru(f, z, direct, old, p):
    _, c = old
    forget = f.sigmoid(z[1] + p['v'][0] * c)
    new = forget * c + (1 - forget) * z[0]
    reset = f.sigmoid(z[2] + p['v'][1] * c)
    return [reset * new + (1 - reset) * z[3], new]


def lru(f, z, direct, old, p):
    size = f.exp(-f.exp(p['nu'][0]))
    re, im = size * p['turn'][0], size * p['turn'][1]
    return [re * old[0] - im * old[1] + z[0], im * old[0] + re * old[1] + z[1]]


def several(f, z, direct, old, p):
    """Two lengths, vectors and side inputs of one number, and some that no state reads."""
    h, c = old
    rate = f.sigmoid(p['rate'][0])
    new_h = (1 - rate) * h * direct[0] + rate * f.tanh(z[0] + direct[1] + p['b'][1]) + p['b'][0]
    decay = f.exp(-direct[0] * f.softplus(p['slope'][0]))
    new_c = f.relu(z[2] + p['w'][0] * c) * decay + z[1] * direct[2] * p['w'][0] / p['length:C'][0]
    return [new_h, new_c]


def gate_of_mingru(f, z, old, p):
    return [f.sigmoid(z[0])]


CASES = {
    'indrnn': indrnn('relu'),
    'indrnn tanh': indrnn('tanh'),
    'mingru': Recurrence(mingru, ('H', 'H'), ('H',)),
    'mingru kept': Recurrence(mingru, ('H', 'H'), ('H',), kept=gate_of_mingru),
    'minlstm': Recurrence(minlstm, ('H',) * 3, ('H',)),
    'sru': Recurrence(sru, ('H',) * 4, ('H', 'H'), {'v': ('H', 2)}),
    'lru': Recurrence(lru, ('H', 'H'), ('H', 'H'), {'nu': ('H', 1), 'turn': ('H', 2)}),
    'several': Recurrence(
        several,
        ('H', 'C', 'C', 'H'),
        ('H', 'C'),
        {
            'rate': ('', 1),
            'b': ('H', 2),
            'slope': ('C', 1),
            'w': ('C', 1),
            'unused': ('H', 1),
            'idle': ('', 1),
        },
        direct=('', 'H', 'C'),
        numbers=('C',),
    ),
}


def form_of(name):
    """Return the form of a case, with its gradients."""
    case = CASES[name]

    def scalars(name, n):
        return [pt.scalar(f'{name}{k}', dtype='float64') for k in range(n)]

    z, direct = scalars('z', len(case.z)), scalars('direct', len(case.direct))
    old, upstream = scalars('state', len(case.states)), scalars('grad', len(case.states))
    p = {name: scalars(f'{name}:', n) for name, (_, n) in case.vectors.items()}
    p |= {f'length:{n}': [pt.scalar(f'length:{n}', dtype='float64')] for n in case.numbers}
    new = case.step(SYMBOLS, z, direct, old, p)
    kept = case.kept(SYMBOLS, z, old, p) if case.kept else []
    vectors = [block for name in case.vectors for block in p[name]]
    cost = sum(n * g for n, g in zip(new, upstream, strict=True))
    by = [*z, *old, *vectors]
    found = pytensor.grad(cost, by, disconnected_inputs='ignore')
    program = Program()
    everything = [*by, *direct, *upstream, *(p[f'length:{n}'][0] for n in case.numbers)]
    nodes = {v: program.input(v.name) for v in everything}
    ids = iter(program.number(i) for i in program.absorb([*new, *kept, *found], nodes))
    take = lambda like: [next(ids) for _ in like]  # noqa: E731
    new, kept, d_z, d_states, d_vectors = map(take, (new, kept, z, old, vectors))
    return StagedForm(
        name=name,
        program=program,
        lengths=lengths_of(program, case),
        z=case.z,
        direct=case.direct,
        states=case.states,
        vectors=case.vectors,
        weights={},
        cuts=[],
        new=new,
        d_states=d_states,
        d_z=d_z,
        d_vectors=d_vectors,
        residuals=kept,
    )


def lengths_of(program, case):
    """Return the length of each node; of those that no output needs, any."""
    own = {f'z{k}': n for k, n in enumerate(case.z)}
    own |= {f'direct{k}': n for k, n in enumerate(case.direct)}
    for name in ('state', 'grad'):
        own |= {f'{name}{k}': n for k, n in enumerate(case.states)}
    own |= {f'{name}:{k}': n for name, (n, count) in case.vectors.items() for k in range(count)}
    lengths = []
    for i, (kind, *args) in enumerate(program.nodes):
        if kind == 'input':
            lengths.append(own.get(args[0], ''))
            continue
        found = {lengths[j] for j in program.operands(i)} - {''}
        lengths.append(found.pop() if found else '')
    return lengths


class Problem(NamedTuple):
    """Arrays of one unrolled recurrence; `args` is what its forward kernel takes."""

    z: np.ndarray
    direct: np.ndarray | None
    vectors: dict
    first: list
    mask: np.ndarray | None
    d_states: list
    lengths: dict
    args: list


def problem(name, sizes, dtype, *, rows=False, masked=False, given=None, seed=0, scale=0.4):
    """Return random arrays for a case and sizes (T, B, H) or (T, B, H, C)."""
    case, rng = CASES[name], np.random.default_rng(seed)
    t, b, h, *others = sizes
    lengths = {'': 1, 'H': h, 'C': (others or [h // 2 + 1])[0]}

    def normal(*shape):
        return (rng.standard_normal(shape) * scale).astype(dtype)

    def width(blocks):
        return sum(lengths[n] for n in blocks)

    z = normal(t, b, width(case.z))
    direct = abs(normal(t, b, width(case.direct))) if case.direct else None
    vectors = {key: normal(n * lengths[length]) for key, (length, n) in case.vectors.items()}
    first = [normal(1 if rows else b, lengths[n]) for n in case.states]
    mask = (rng.random((t, b)) < 0.7).astype(dtype) if masked else None
    given = given or (True,) * len(first)
    pairs = zip(case.states, given, strict=True)
    d_states = [normal(t, b, lengths[n]) if is_given else None for n, is_given in pairs]
    args = [z, direct, *vectors.values(), *first, mask]
    args = [a for a in args if a is not None]
    return Problem(z, direct, vectors, first, mask, d_states, lengths, args)


def forward(name, where, *, rows=False, keep=True, whole=None, **walk):
    """Return the forward kernel of a case; `walk` are other settings of a `Walk`."""
    form = form_of(name)
    walk, whole = Walk((rows,) * form.n_states, **walk), whole or (True,) * form.n_states
    writer = ElementwiseForward(form, where, walk, keep, whole)
    return kernel.build('test_forward', writer, repr(('test', writer.description, where)))


def backward_of(name, where, *, rows=False, given=None, **walk):
    """Return the backward kernel of a case; `walk` are other settings of a `Walk`."""
    form = form_of(name)
    walk, given = Walk((rows,) * form.n_states, **walk), tuple(given or (True,) * form.n_states)
    writer = ElementwiseBackward(form, where, walk, given)
    return kernel.build('test_backward', writer, repr(('test', writer.description, where)))


class Reference:
    """A case in NumPy and float64: `states`, and `gradients` in the order of the kernel's outputs.

    Parameters
    ----------
    name : str
    problem : Problem
    reverse : bool
    limit : int, optional
        Gradients stop before each step whose number is a multiple of it, the first one apart.
    """

    def __init__(self, name, problem, reverse=False, limit=None):
        self.case, self.problem = CASES[name], problem
        t, b = problem.z.shape[:2]
        self.times = list(range(t))[:: -1 if reverse else 1]
        old = [
            np.broadcast_to(exact(a), (b, problem.lengths[n]))
            for a, n in zip(problem.first, self.case.states, strict=True)
        ]
        self.olds, steps = {}, {}
        for time in self.times:
            self.olds[time] = old
            new = self._step(self._inputs(time))
            old = steps[time] = [
                np.where(self._real(time), n, o) for n, o in zip(new, old, strict=True)
            ]
        self.states = [
            np.array([steps[time][k] for time in range(t)]).reshape(t, *o.shape)
            for k, o in enumerate(old)
        ]
        self.gradients = self._back(limit)

    def _real(self, time):
        mask = self.problem.mask
        return True if mask is None else mask[time][:, None] > 0.5

    def _inputs(self, time):
        """Return the inputs of a step by (kind, number); a vector's kind is its name."""
        case, problem = self.case, self.problem

        def cut(array, lengths):
            ends = np.cumsum([problem.lengths[n] for n in lengths])
            return np.split(exact(array), ends[:-1], axis=-1)

        found = {('z', k): a for k, a in enumerate(cut(problem.z[time], case.z))}
        if case.direct:
            blocks = cut(problem.direct[time], case.direct)
            found |= {('direct', k): a for k, a in enumerate(blocks)}
        found |= {('state', k): a for k, a in enumerate(self.olds[time])}
        for name, (_, n) in case.vectors.items():
            blocks = np.split(exact(problem.vectors[name]), n)
            found |= {(name, k): a for k, a in enumerate(blocks)}
        return found

    def _step(self, inputs):
        case, lengths = self.case, self.problem.lengths
        p = {name: [inputs[name, k] for k in range(n)] for name, (_, n) in case.vectors.items()}
        p |= {f'length:{n}': [lengths[n]] for n in case.numbers}
        take = lambda kind, like: [inputs[kind, k] for k in range(len(like))]  # noqa: E731
        with np.errstate(all='ignore'):  # padding may hold anything
            new = case.step(
                NUMPY, take('z', case.z), take('direct', case.direct), take('state', case.states), p
            )
        shapes = [old.shape for old in take('state', case.states)]
        return [np.broadcast_to(n, shape) for n, shape in zip(new, shapes, strict=True)]

    def _back(self, limit):
        case, problem = self.case, self.problem
        names = [(name, k) for name, (_, n) in case.vectors.items() for k in range(n)]
        d_z = [np.zeros((*problem.z.shape[:2], problem.lengths[n])) for n in case.z]
        d_vectors = {key: np.zeros(problem.lengths[case.vectors[key[0]][0]]) for key in names}
        carries = [np.zeros((problem.z.shape[1], problem.lengths[n])) for n in case.states]
        for number, time in reversed(list(enumerate(self.times))):
            up = [
                c if d is None else c + d[time]
                for c, d in zip(carries, map(exact, problem.d_states), strict=True)
            ]
            inputs, real = self._inputs(time), self._real(time)

            def by(key, inputs=inputs, up=up, real=real):
                moved = inputs | {key: inputs[key] + 1j * EPS}
                slopes = [np.imag(new) / EPS for new in self._step(moved)]
                terms = [(g * s) for g, s in zip(up, slopes, strict=True)]
                return [np.where(real, term, 0) for term in terms]

            for k, length in enumerate(case.z):
                d_z[k][time] = own(by(('z', k)), length, case.states)
            for key in names:
                length, terms = case.vectors[key[0]][0], by(key)
                mine = own(terms, length, case.states).sum(0) if length else sum(map(np.sum, terms))
                d_vectors[key] = d_vectors[key] + mine
            passed = [
                own(by(('state', k)), length, case.states) for k, length in enumerate(case.states)
            ]
            carries = [np.where(real, new, g) for new, g in zip(passed, up, strict=True)]
            if limit and number and number % limit == 0:
                carries = [np.zeros_like(c) for c in carries]
        vectors = [
            np.concatenate([d_vectors[name, k] for k in range(n)])
            for name, (_, n) in case.vectors.items()
        ]
        firsts = [
            c.sum(0, keepdims=True) if len(a) == 1 and a.shape != c.shape else c
            for a, c in zip(problem.first, carries, strict=True)
        ]
        return [np.concatenate(d_z, axis=-1), *vectors, *firsts]


def own(terms, length, lengths):
    """Return the sum of those terms that have a length."""
    mine = [term for term, n in zip(terms, lengths, strict=True) if n == length]
    return sum(mine)


def exact(array):
    """Return an array in float64; None stays None."""
    return None if array is None else np.asarray(array, 'float64')
