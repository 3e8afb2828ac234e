"""The second derivative of a loop over time, by NumPy or JAX.

In: arrays, and a loop ``scan(step, carried, sequences, reverse)`` as that of JAX. Out: the
changes of states and of gradients. Kernels compute the same, see
`rnnkit.kernels.recurrent.curvature_kernel`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnnkit.kernels.program import arrays
from rnnkit.kernels.recurrent.form import Form
from rnnkit.kernels.recurrent.second_order import Changes
from rnnkit.kernels.recurrent.walk import Walk

Array = Any  # of NumPy or JAX


def numpy_scan(
    step: Callable[..., Any], carried: Any, sequences: Sequence[Array], reverse: bool
) -> tuple[Any, Array]:
    """Return what the last step leaves, and what all steps emit, as `jax.lax.scan` does."""
    n = len(sequences[0])
    emitted: list[Any] = [None] * n
    with np.errstate(all='ignore'):  # kernels do not warn either
        for t in range(n)[:: -1 if reverse else 1]:
            carried, emitted[t] = step(carried, [s[t] for s in sequences])
    return carried, np.stack(emitted)


class Loops:
    """The two loops of a second derivative; matrices of tiles are in the order of the form.

    Parameters
    ----------
    form : Form
    walk : Walk
    inputs : dict of str to array
        Those of the forward: ``x``, parameters by name, ``initial0``.., ``direct`` and ``mask``;
        its states ``new0``..; the gradients by states that are given, ``given0``..; and the changes
        of those that change, ``d_x`` and so on.
    xp : module
        NumPy, or one like it.
    operations : dict of str to callable
        The operations of programs.
    scan : callable
    """

    def __init__(
        self,
        form: Form,
        walk: Walk,
        inputs: dict[str, Array],
        xp: Any = np,
        operations: dict[str, Callable[..., Any]] = arrays.OPERATIONS,
        scan: Callable[..., Any] = numpy_scan,
    ):
        self.form, self.walk, self.inputs = form, walk, inputs
        self.xp, self.operations, self.scan = xp, operations, scan
        self.changes = Changes(form, [n for n in form.vectors if f'd_{n}' in inputs])
        self.size, self.dtype = inputs[form.recurrent].shape[0], inputs['x'].dtype
        self.hh, self.d_hh = self._weights(form.recurrent, form.h_blocks)
        self.xh, self.d_xh = self._weights('xh', form.x_blocks)
        self.old = [self._before(k) for k in range(form.n_states)]
        self.fixed = self._vectors()

    def run(self) -> dict[str, Array]:
        """Return the changes of states, ``d_new0``.., and of gradients, ``c_x`` and so on."""
        form, xp, n_states = self.form, self.xp, self.form.n_states
        x, d_x = self.inputs['x'], self.inputs.get('d_x')
        # (T, B, nH)
        self.tiles = self._by_x(x @ self.xh) + self._by_h(self.old[0] @ self.hh)
        sources = xp.zeros_like(self.tiles)
        if d_x is not None:
            sources = sources + self._by_x(d_x @ self.xh)
        if self.d_xh is not None:
            sources = sources + self._by_x(x @ self.d_xh)
        if self.d_hh is not None:
            sources = sources + self._by_h(self.old[0] @ self.d_hh)
        blocks = self._split(self._ahead(sources))
        n, end = form.n_tiles, form.n_tiles + n_states
        self.d_tiles, self.d_old = xp.concatenate(blocks[:n], axis=-1), blocks[n:end]
        left, emitted = self._back()
        self.own = self._split(emitted)[2 * n :]
        cut = n * self.size
        gradients, changes = emitted[..., :cut], emitted[..., cut : 2 * cut]
        (by_x, by_h), (c_by_x, c_by_h) = self._runs(gradients), self._runs(changes)
        c_x, c_xh = c_by_x @ self.xh.T, self._outer(x, c_by_x)
        c_hh = self._outer(self.old[0], c_by_h) + self._outer(self.d_old[0], by_h)
        if d_x is not None:
            c_xh = c_xh + self._outer(d_x, by_x)
        if self.d_xh is not None:
            c_x = c_x + by_x @ self.d_xh.T
        return {
            **{f'd_new{k}': value for k, value in enumerate(blocks[end:])},
            'c_x': c_x,
            'c_xh': self._reorder(c_xh, _inverse(form.x_blocks)),
            f'c_{form.recurrent}': self._reorder(c_hh, _inverse(form.h_blocks)),
            **self._vector_changes(changes),
            **{
                f'c_initial{k}': xp.sum(d, axis=0, keepdims=True) if self.walk.rows[k] else d
                for k, d in enumerate(left[n_states:])
            },
        }

    # --- the loops

    def _ahead(self, sources: Array) -> Array:
        """Return the changes of tiles, of old states and of new ones; the loop forward."""
        xp, n_states = self.xp, self.form.n_states

        def step(carried: list[Array], here: Sequence[Array]) -> tuple[list[Array], Array]:
            tiles, source, cut, real, direct, *old = here
            carried = [xp.where(cut, 0, c) for c in carried]
            changes = source + self._by_h(carried[0] @ self.hh)
            known = self._known(tiles, changes, direct, old, carried)
            new = self._hold(real, self._evaluate(self.changes.new, known), carried)
            return new, xp.concatenate([changes, *carried, *new], axis=-1)

        shape = (self.inputs['x'].shape[1], self.size)
        zero = xp.zeros(shape, self.dtype)
        changes = [self.inputs.get(f'd_initial{k}', zero) for k in range(n_states)]
        start = [xp.broadcast_to(c, shape) for c in changes]
        sequences = [self.tiles, sources, *self._marks(), *self.old]
        return self.scan(step, start, sequences, self.walk.reverse)[1]

    def _back(self) -> tuple[list[Array], Array]:
        """Return the gradients of initial states and their changes, and those of tiles."""
        xp, changes, n_states = self.xp, self.changes, self.form.n_states
        given = [k for k in range(n_states) if f'given{k}' in self.inputs]
        kept = [*changes.d_tiles, *changes.c_tiles, *changes.c_own]
        cut_at = self.form.n_tiles * self.size

        def step(carried: list[Array], here: Sequence[Array]) -> tuple[list[Array], Array]:
            tiles, d_tiles, cut, real, direct, *others = here
            old, others = others[:n_states], others[n_states:]
            upstream = list(carried)
            for k, gradient in zip(given, others[n_states:], strict=True):
                upstream[k] = upstream[k] + gradient
            known = self._known(tiles, d_tiles, direct, old, others[:n_states])
            known |= self._named('grad', upstream[:n_states])
            known |= self._named('d_grad', upstream[n_states:])
            values = self._evaluate([*kept, *changes.d_states, *changes.c_states], known)
            zeros = [xp.zeros_like(v) for v in values[: len(kept)]]
            values = self._hold(real, values, [*zeros, *upstream])
            emitted, left = xp.concatenate(values[: len(kept)], axis=-1), values[len(kept) :]
            by_h = self._runs(emitted[:, :cut_at])[1]
            c_by_h = self._runs(emitted[:, cut_at : 2 * cut_at])[1]
            left[0] = left[0] + by_h @ self.hh.T
            left[n_states] = left[n_states] + c_by_h @ self.hh.T
            if self.d_hh is not None:
                left[n_states] = left[n_states] + by_h @ self.d_hh.T
            return [xp.where(cut, 0, value) for value in left], emitted

        start = [xp.zeros_like(self.old[0][0]) for _ in range(2 * n_states)]
        sequences = [self.tiles, self.d_tiles, *self._marks(), *self.old, *self.d_old]
        outer = [self.inputs[f'given{k}'] for k in given]
        return self.scan(step, start, [*sequences, *outer], not self.walk.reverse)

    def _known(
        self,
        tiles: Array,
        d_tiles: Array,
        direct: Array,
        old: Sequence[Array],
        d_old: Sequence[Array],
    ) -> dict[int, Array]:
        """Return the values (B, H) that both loops know at a step, by their nodes."""
        known = self.fixed | self._named('state', old) | self._named('d_state', d_old)
        known |= self._named('tile', self._split(tiles))
        if self.form.n_direct:
            known |= self._named('direct', self._split(direct))
        return known | self._named('d_tile', self._split(d_tiles))

    def _named(self, kind: str, values: Sequence[Array]) -> dict[int, Array]:
        return {self.changes.program.input(f'{kind}{k}'): v for k, v in enumerate(values)}

    def _evaluate(self, nodes: Sequence[int], known: dict[int, Array]) -> list[Array]:
        """Return the values (B, H) of `nodes`; those that are constants are filled in."""
        xp, shape = self.xp, self.old[0].shape[1:]
        fetch = {node: (lambda value=value: value) for node, value in known.items()}
        values = self.changes.program.evaluate(nodes, fetch, float, self.operations)
        return [xp.broadcast_to(xp.asarray(v, self.dtype), shape) for v in values]

    def _hold(self, real: Array, values: list[Array], others: Sequence[Array]) -> list[Array]:
        """Return `values` where a step is real, and `others` over padding."""
        if not self.walk.masked:
            return values
        return [self.xp.where(real, v, o) for v, o in zip(values, others, strict=True)]

    # --- before and after them

    def _weights(self, name: str, blocks: Sequence[int]) -> tuple[Array, Array | None]:
        """Return a weight in the order of the tiles, and its change."""
        change = self.inputs.get(f'd_{name}')
        ordered = self._reorder(self.inputs[name], blocks)
        return ordered, None if change is None else self._reorder(change, blocks)

    def _split(self, array: Array) -> list[Array]:
        """Return the blocks of H columns of an array."""
        return self.xp.split(array, array.shape[-1] // self.size, axis=-1)

    def _reorder(self, weight: Array, blocks: Sequence[int]) -> Array:
        parts = self._split(weight)
        return self.xp.concatenate([parts[k] for k in blocks], axis=-1)

    def _by_x(self, run: Array) -> Array:
        """Return what the input's weight gives, with 0 for the other tiles."""
        return self._padded(run, 0, self.form.n_tiles - len(self.form.x_blocks))

    def _by_h(self, run: Array) -> Array:
        """Return what the recurrent weight gives, with 0 for the other tiles."""
        return self._padded(run, self.form.h_first, 0)

    def _padded(self, run: Array, before: int, after: int) -> Array:
        widths = [(0, 0)] * (run.ndim - 1) + [(before * self.size, after * self.size)]
        return self.xp.pad(run, widths)

    def _runs(self, tiles: Array) -> tuple[Array, Array]:
        """Return the runs of the tiles of either weight."""
        return (
            tiles[..., : len(self.form.x_blocks) * self.size],
            tiles[..., self.form.h_first * self.size :],
        )

    def _before(self, k: int) -> Array:
        """Return state k before each step, from that before all and those after each."""
        new = self.inputs[f'new{k}']
        first = self.xp.broadcast_to(self.inputs[f'initial{k}'], new.shape[1:])[None]
        parts = [new[1:], first] if self.walk.reverse else [first, new[:-1]]
        return self.xp.concatenate(parts, axis=0)

    def _marks(self) -> list[Array]:
        """Return whether gradients stop before a step, its real rows, and what it is given."""
        xp, (t, b) = self.xp, self.inputs['x'].shape[:2]
        number = xp.arange(t)[:: -1 if self.walk.reverse else 1]
        cuts = (number > 0) & (number % (self.walk.bptt_limit or t + 1) == 0)
        mask = self.inputs['mask'] if self.walk.masked else xp.ones((t, b), self.dtype)
        real = mask[:, :, None] > 0.5
        return [cuts, real, self.inputs['direct'] if self.form.n_direct else real]

    def _vectors(self) -> dict[int, Array]:
        """Return the blocks (H,) of all vectors and of their changes, by their nodes."""
        program, found = self.changes.program, {}
        names = [*self.form.vectors, *(f'd_{name}' for name in self.form.vectors)]
        for name in names:
            for k, block in enumerate(
                self._split(self.inputs[name]) if name in self.inputs else []
            ):
                found[program.input(f'{name}:{k}')] = block
        return found

    def _vector_changes(self, changes: Array) -> dict[str, Array]:
        """Return the changes of the vectors' gradients: those of tiles, or of their own."""
        form, shared = self.form, self.form.shared_gradients()
        blocks, own = self._split(changes), [block for block, _ in self.changes.own]
        found: dict[str, list[Array]] = {f'c_{name}': [] for name in form.vectors}
        for name, k in form.vector_blocks():
            at = shared.get((name, k))
            block = self.own[own.index((name, k))] if at is None else blocks[at]
            found[f'c_{name}'].append(self.xp.sum(block, axis=(0, 1)))
        return {name: self.xp.concatenate(parts) for name, parts in found.items()}

    def _outer(self, a: Array, b: Array) -> Array:
        """Return the sum of outer products (n, m) over all steps and examples."""
        return self.xp.tensordot(a, b, axes=((0, 1), (0, 1)))


def _inverse(blocks: Sequence[int]) -> list[int]:
    return sorted(range(len(blocks)), key=blocks.__getitem__)
