"""The way to the staged loops: from the symbolic inputs of a cell to its states.

In: what `rnnkit.unroll.unroll` has, and a `StagedForm`. Out: the inputs of `StagedScan`, and the
scan that it means.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from rnnkit.cells import Cell
from rnnkit.common.tensors import affine_by
from rnnkit.kernels.dense import op as dense_op
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.form import StagedForm

# (z, parameters, initial states, mask, codes, side inputs) -> states, by pytensor.scan.
Steps = Callable[
    [
        Variable,
        dict[str, Variable],
        list[Variable],
        Variable | None,
        Variable | None,
        Mapping[str, Variable],
    ],
    list[Variable],
]


def project(
    cell: Cell,
    walk: Walk,
    x: Variable,
    params: Mapping[str, Variable],
    sides: Mapping[str, Variable],
) -> Variable:
    """Return the projected input of all steps, in the order of x."""
    with affine_by(dense_op.affine):
        if not (walk.reverse and cell.has_own_projection):
            return cell.project(x, SimpleNamespace(**params, **sides))
        # It may read other steps, so it gets them in the order in which they are done.
        turned = {name: v[::-1] for name, v in sides.items()}
        return cell.project(x[::-1], SimpleNamespace(**params, **turned))[::-1]


def inputs_of(
    form: StagedForm,
    z: Variable,
    params: Mapping[str, Variable],
    state: Sequence[Variable],
    mask: Variable | None,
    codes: Variable | None,
    sides: Mapping[str, Variable],
) -> list[Variable]:
    """Return the inputs of the Op: what each step is given besides z is side by side."""
    given = [sides[name] for name in form.sides]
    given += [] if codes is None else [codes]
    direct = [pt.concatenate(given, axis=-1)] if len(given) > 1 else given
    weights = [params[name] for name in (*form.weights, *form.vectors)]
    return [z, *direct, *weights, *state, *([] if mask is None else [mask])]


def scan_of(form: StagedForm, steps: Steps) -> Callable[..., list[Variable]]:
    """Return the scan that an Op of this form means, of the inputs of the Op."""
    return partial(_scan, form, steps)


def _scan(
    form: StagedForm,
    steps: Steps,
    z: Variable,
    params: dict[str, Variable],
    state: list[Variable],
    mask: Variable | None,
    direct: Variable | None,
) -> list[Variable]:
    if direct is None:
        return steps(z, params, state, mask, None, {})
    # Widths are those of the arrays, so that it means the same for all cells of one form.
    arrays = {**params, **{f'initial{k}': s for k, s in enumerate(state)}, 'z': z, 'direct': direct}
    widths = form.widths({name: v.type.shape for name, v in arrays.items()})
    ends = np.cumsum([0, *(widths[length] for length in form.direct)]).tolist()
    sides = {name: direct[:, :, ends[k] : ends[k + 1]] for k, name in enumerate(form.sides)}
    first = ends[len(form.sides)]
    codes = direct[:, :, first:] if len(form.direct) > len(form.sides) else None
    return steps(z, params, state, mask, codes, sides)
