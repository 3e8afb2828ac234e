"""The arrays that the staged loops read and write.

In: a `StagedForm`, a `Walk`, and what is wanted. Out: the frames of the kernels, forward and
backward. They are the same for forms with cuts and for those without any.
"""

from collections.abc import Iterable, Sequence

from rnnkit.kernels.language.frame import Array, Frame
from rnnkit.kernels.recurrent.walk import Walk
from rnnkit.kernels.staged.form import StagedForm

WHAT = 'recurrent kernel'  # for messages
NO_GRADIENT = ('direct', 'mask')  # inputs by which nothing has a derivative


def dims(lengths: Iterable[str]) -> str:
    """Return the length of blocks side by side: of ``('H', 'H', 'C', '')`` it is ``'2H+C+1'``."""
    lengths = list(lengths)
    counts = {letter: lengths.count(letter) for letter in dict.fromkeys(lengths)}
    numbers = counts.pop('', 0)
    parts = [f'{n if n > 1 else ""}{letter}' for letter, n in counts.items()]
    return '+'.join([*parts, *([str(numbers)] if numbers or not parts else [])])


def repeated(length: str, blocks: int) -> str:
    """Return the length of some blocks of one length, side by side."""
    return dims([length] * blocks)


def residual_lengths(form: StagedForm) -> list[str]:
    """Return the lengths of what the forward keeps, besides the states."""
    return [form.lengths[node] for node in form.residuals]


def inputs_of(form: StagedForm, walk: Walk) -> list[Array]:
    """Return the inputs of the forward."""
    firsts = zip(form.states, walk.rows, strict=True)
    return [
        Array('z', ('T', 'B', dims(form.z))),
        *([Array('direct', ('T', 'B', dims(form.direct)))] if form.direct else []),
        *(
            Array(name, (repeated(*rows), repeated(*columns)))
            for name, (rows, columns) in form.weights.items()
        ),
        *(Array(name, (repeated(*blocks),)) for name, blocks in form.vectors.items()),
        *(Array(f'initial{k}', ('1' if row else 'B', n)) for k, (n, row) in enumerate(firsts)),
        *([Array('mask', ('T', 'B'))] if walk.masked else []),
    ]


def frame_forward(form: StagedForm, walk: Walk, keep: bool, whole: Sequence[bool]) -> Frame:
    """Return the frame of the forward kernel.

    Outputs are all steps of each state that is `whole`, of others the last one; with `keep`, the
    residuals.
    """
    news = enumerate(zip(form.states, whole, strict=True))
    outputs = [Array(f'new{k}', ('T' if all_ else '1', 'B', n)) for k, (n, all_) in news]
    if keep and form.residuals:
        outputs.append(Array('residual', ('T', 'B', dims(residual_lengths(form)))))
    return Frame(inputs_of(form, walk), outputs, WHAT)


def frame_backward(form: StagedForm, walk: Walk, given: Sequence[bool]) -> Frame:
    """Return the frame of the backward kernel.

    Inputs are those of the forward, its outputs, and the gradients by those states for which
    `given` holds. Outputs are the gradients by the inputs of the forward, without the mask and
    what is given directly.
    """
    inputs = inputs_of(form, walk)
    outputs = [Array(f'd_{a.name}', a.dims) for a in inputs if a.name not in NO_GRADIENT]
    states = [Array(f'new{k}', ('T', 'B', n)) for k, n in enumerate(form.states)]
    if form.residuals:
        states.append(Array('residual', ('T', 'B', dims(residual_lengths(form)))))
    upstream = [Array(f'd_new{k}', ('T', 'B', n)) for k, n in enumerate(form.states) if given[k]]
    return Frame([*inputs, *states, *upstream], outputs, WHAT)
