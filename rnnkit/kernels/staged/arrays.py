"""A staged form computed by NumPy or JAX, forward and backward.

In: a `StagedForm`, a walk and arrays by name. Out: the states and what the forward keeps; or the
gradients. Kernels compute the same; this is what they are tested against, and what JAX runs.

The loop is a function ``scan(step, carried, sequences, reverse)`` like that of JAX.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnkit.kernels.program import arrays
from rnnkit.kernels.recurrent.curvature_arrays import numpy_scan
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.form import Product, StagedForm

Array = Any  # of NumPy or JAX


class Kit(NamedTuple):
    """A module like NumPy, the operations of programs on its arrays, and its loop."""

    xp: Any
    operations: dict[str, Callable[..., Any]]
    scan: Callable[..., Any]


NUMPY = Kit(np, arrays.OPERATIONS, numpy_scan)


def forward(
    form: StagedForm, walk: Walk, inputs: dict[str, Array], kit: Kit = NUMPY
) -> tuple[list[Array], Array]:
    """Return the states after all steps, (T, B, length), and what the backward needs besides.

    Parameters
    ----------
    form : StagedForm
    walk : Walk
    inputs : dict of str to array
        By the names of `rnnkit.kernels.staged.arrays_of.inputs_of`.
    kit : Kit
        NumPy, or JAX.
    """
    *states, residual = _Loops(form, walk, inputs, kit).ahead()
    return states, residual


def backward(
    form: StagedForm, walk: Walk, inputs: dict[str, Array], kit: Kit = NUMPY
) -> dict[str, Array]:
    """Return the gradients: ``d_z``, by weights and by vectors, ``d_initial0``.., in this order.

    Parameters
    ----------
    form : StagedForm
    walk : Walk
    inputs : dict of str to array
        Those of the forward; ``new0``.. and ``residual``, which it returned; and those of
        ``d_new0``.. that are given.
    kit : Kit
    """
    return _Loops(form, walk, inputs, kit).back()


class _Loops:
    """Both loops over one set of arrays."""

    def __init__(self, form: StagedForm, walk: Walk, inputs: dict[str, Array], kit: Kit):
        self.form, self.walk, self.inputs = form, walk, inputs
        self.xp, self.operations, self.scan = kit
        self.dtype, (self.t, self.b) = inputs['z'].dtype, inputs['z'].shape[:2]
        self.widths = form.widths({name: array.shape for name, array in inputs.items()})
        known = set(form.program.nodes)  # others would be added, and change the form's key
        self.fixed: dict[int, Array] = {
            self._input(f'length:{letter}'): float(n)
            for letter, n in self.widths.items()
            if ('input', f'length:{letter}') in known
        }
        for name, (length, n) in form.vectors.items():
            blocks = self._split(inputs[name], [length] * n)
            self.fixed |= {self._input(f'{name}:{k}'): b for k, b in enumerate(blocks)}

    # --- the loops

    def ahead(self) -> list[Array]:
        """Return all states, and the residual."""
        form, xp = self.form, self.xp
        lengths = [*form.states, *(form.lengths[i] for i in form.residuals)]

        def step(old: list[Array], here: Sequence[Array]) -> tuple[list[Array], Array]:
            z, direct, real, _ = here
            known = self._given(z, direct, old)
            for k, cut in enumerate(form.cuts):
                self._forward_cut(k, cut, known)
            values = self._evaluate([*form.new, *form.residuals], lengths, known)
            new = [xp.where(real, n, o) for n, o in zip(values, old, strict=False)]
            return new, xp.concatenate([*new, *values[form.n_states :]], axis=-1)

        start = [
            xp.broadcast_to(self.inputs[f'initial{k}'], (self.b, self.widths[length]))
            for k, length in enumerate(form.states)
        ]
        emitted = self._run(step, start, self._marks(), self.walk.reverse, lengths)[1]
        parts = self._split(emitted, lengths)
        residual = xp.concatenate([emitted[..., :0], *parts[form.n_states :]], axis=-1)
        return [*parts[: form.n_states], residual]

    def back(self) -> dict[str, Array]:
        """Return all gradients by name."""
        form, xp, n_states = self.form, self.xp, self.form.n_states
        given = [k for k in range(n_states) if f'd_new{k}' in self.inputs]
        products = [k for k, cut in enumerate(form.cuts) if isinstance(cut, Product)]
        outputs = self._emitted(products)
        lengths = [length for _, length in outputs]

        def step(carried: list[Array], here: Sequence[Array]) -> tuple[list[Array], Array]:
            z, direct, real, cut, residual, *others = here
            old, new, outer = others[:n_states], others[n_states : 2 * n_states], list(carried)
            for k, gradient in zip(given, others[2 * n_states :], strict=True):
                outer[k] = outer[k] + gradient
            known = self._given(z, direct, old) | self._stored(new, residual)
            known |= {self._input(f'grad{k}'): g for k, g in enumerate(outer)}
            for k in reversed(range(len(form.cuts))):
                self._backward_cut(k, form.cuts[k], known)
            values = self._evaluate([node for node, _ in outputs], lengths, known)
            d_old = self._evaluate(form.d_states, form.states, known)
            d_old = [xp.where(real, d, o) for d, o in zip(d_old, outer, strict=True)]
            emitted = xp.where(real, xp.concatenate(values, axis=-1), 0)
            return [xp.where(cut, 0, d) for d in d_old], emitted

        start = [xp.zeros((self.b, self.widths[k]), self.dtype) for k in form.states]
        sequences = [*self._marks(), self.inputs.get('residual', self.inputs['z'][..., :0])]
        sequences += [self._before(k) for k in range(n_states)]
        sequences += [self.inputs[f'new{k}'] for k in range(n_states)]
        sequences += [self.inputs[f'd_new{k}'] for k in given]
        left, emitted = self._run(step, start, sequences, not self.walk.reverse, lengths)
        return self._gathered(products, iter(self._split(emitted, lengths)), left)

    def _emitted(self, products: list[int]) -> list[tuple[int, str]]:
        """Return nodes and lengths of what the loop backward emits."""
        form, found = self.form, list(zip(self.form.d_z, self.form.z, strict=True))
        for k in products:
            cut = form.cuts[k]
            found += [(node, cut.inner) for node in cut.left]
            found += [(node, cut.outer) for node in form.d_cuts[k]]
        for (name, _), node in zip(form.vector_blocks(), form.d_vectors, strict=True):
            # That of a number is still to be summed over units.
            found.append((node, form.vectors[name][0] or form.lengths[node]))
        return found

    def _gathered(self, products: list[int], parts: Any, left: list[Array]) -> dict[str, Array]:
        """Return the gradients, from what the loop emitted and what it left."""
        form, xp = self.form, self.xp
        found = {'d_z': self._joined([next(parts) for _ in form.z])}
        sums: dict[str, Array] = {}
        for k in products:
            cut = form.cuts[k]
            a = self._joined([next(parts) for _ in cut.left])
            d = self._joined([next(parts) for _ in range(cut.blocks)])
            part = xp.tensordot(a, d, axes=((0, 1), (0, 1)))
            rows, columns = self._places(cut)
            n_rows, n_columns = self.inputs[cut.weight].shape
            around = [(rows.start, n_rows - rows.stop), (columns.start, n_columns - columns.stop)]
            sums[cut.weight] = sums.get(cut.weight, 0) + xp.pad(part, around)
        found |= {f'd_{name}': sums[name] for name in form.weights}
        for name, (length, n) in form.vectors.items():
            blocks = [xp.sum(next(parts), axis=(0, 1)) for _ in range(n)]
            found[f'd_{name}'] = self._joined([b if length else xp.sum(b)[None] for b in blocks])
        for k, d in enumerate(left):
            row = self.walk.rows[k]
            found[f'd_initial{k}'] = xp.sum(d, axis=0, keepdims=True) if row else d
        return found

    # --- one step

    def _given(self, z: Array, direct: Array, old: Sequence[Array]) -> dict[int, Array]:
        """Return the values that both loops know at a step, by their nodes."""
        form, known = self.form, dict(self.fixed)
        blocks = {
            'z': self._split(z, form.z),
            'direct': self._split(direct, form.direct) if form.direct else [],
            'state': old,
        }
        for kind, values in blocks.items():
            known |= {self._input(f'{kind}{k}'): v for k, v in enumerate(values)}
        return known

    def _stored(self, new: Sequence[Array], residual: Array) -> dict[int, Array]:
        """Return what the forward stored, by its nodes."""
        form = self.form
        results = {
            self._input(f'cut{k}:{j}')
            for k, cut in enumerate(form.cuts)
            for j in range(_n_results(cut))
        }
        known = {
            node: value
            for node, value in zip(form.new, new, strict=True)
            if form.program.operands(node) or node in results
        }
        parts = self._split(residual, [form.lengths[i] for i in form.residuals])
        return known | dict(zip(form.residuals, parts, strict=True))

    def _forward_cut(self, k: int, cut: Any, known: dict[int, Array]) -> None:
        """Add the results of a cut to what is known."""
        if isinstance(cut, Product):
            lefts = self._evaluate(cut.left, [cut.inner] * len(cut.left), known)
            result = self._joined(lefts) @ self._weight(cut)
            results = self._split(result, [cut.outer] * cut.blocks)
        else:
            (terms,) = self._evaluate([cut.node], [cut.length], known)
            results = [self.xp.sum(terms, axis=-1, keepdims=True)]
        known |= {self._input(f'cut{k}:{j}'): v for j, v in enumerate(results)}

    def _backward_cut(self, k: int, cut: Any, known: dict[int, Array]) -> None:
        """Add the gradients by what a cut reads to what is known."""
        nodes, lengths = self.form.d_cuts[k], self.form.lengths
        if isinstance(cut, Product):
            d = self._joined(self._evaluate(nodes, [cut.outer] * cut.blocks, known))
            backs = self._split(d @ self._weight(cut).T, [cut.inner] * len(cut.left))
        else:
            values = self._evaluate(nodes, [lengths[node] for node in nodes], known)
            zero = self.xp.zeros((self.b, 1), self.dtype)
            backs = [sum((self.xp.sum(v, axis=-1, keepdims=True) for v in values), zero)]
        known |= {self._input(f'back{k}:{j}'): v for j, v in enumerate(backs)}

    def _evaluate(
        self, nodes: Sequence[int], lengths: Sequence[str], known: dict[int, Array]
    ) -> list[Array]:
        """Return the values (B, length) of `nodes`; one number stands for all units."""
        fetch = {node: (lambda value=value: value) for node, value in known.items()}
        values = self.form.program.evaluate(nodes, fetch, float, self.operations)
        return [
            self.xp.broadcast_to(self.xp.asarray(v, self.dtype), (self.b, self.widths[length]))
            for v, length in zip(values, lengths, strict=True)
        ]

    # --- arrays

    def _input(self, name: str) -> int:
        return self.form.program.input(name)

    def _split(self, array: Array, lengths: Sequence[str]) -> list[Array]:
        """Return the blocks of an array along its last axis."""
        stops = np.cumsum([self.widths[length] for length in lengths])
        return self.xp.split(array, [int(stop) for stop in stops[:-1]], axis=-1) if lengths else []

    def _joined(self, blocks: list[Array]) -> Array:
        return self.xp.concatenate(blocks, axis=-1)

    def _places(self, cut: Product) -> tuple[slice, slice]:
        """Return which rows and columns of its weight a product uses."""
        inner, outer = self.widths[cut.inner], self.widths[cut.outer]
        return (
            slice(cut.row * inner, (cut.row + len(cut.left)) * inner),
            slice(cut.column * outer, (cut.column + cut.blocks) * outer),
        )

    def _weight(self, cut: Product) -> Array:
        return self.inputs[cut.weight][self._places(cut)]

    def _marks(self) -> list[Array]:
        """Return z, what steps are given, which rows are real, and where gradients stop."""
        xp, walk, z = self.xp, self.walk, self.inputs['z']
        number = xp.arange(self.t)[:: -1 if walk.reverse else 1]
        cuts = (number > 0) & (number % (walk.bptt_limit or self.t + 1) == 0)
        mask = self.inputs['mask'] if walk.masked else xp.ones((self.t, self.b), self.dtype)
        return [z, self.inputs.get('direct', z[..., :0]), mask[:, :, None] > 0.5, cuts]

    def _before(self, k: int) -> Array:
        """Return state k before each step, from that before all and those after each."""
        new = self.inputs[f'new{k}']
        first = self.xp.broadcast_to(self.inputs[f'initial{k}'], new.shape[1:])[None]
        parts = [new[1:], first] if self.walk.reverse else [first, new[:-1]]
        return self.xp.concatenate(parts if self.t else [new], axis=0)

    def _run(
        self, step: Any, start: list[Array], sequences: list[Array], reverse: bool, lengths: Any
    ) -> tuple[list[Array], Array]:
        """Return what the loop leaves and what it emits, (T, B, sum of lengths)."""
        if not self.t:
            width = sum(self.widths[length] for length in lengths)
            return start, self.xp.zeros((0, self.b, width), self.dtype)
        return self.scan(step, start, sequences, reverse)


def _n_results(cut: Any) -> int:
    return cut.blocks if isinstance(cut, Product) else 1
